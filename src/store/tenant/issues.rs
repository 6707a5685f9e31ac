//! Which project an issue belongs to, by opaque ids: a deleted project has to take its worklogs along.

use super::schema::issues::dsl as i;
use super::{TenantConn, schema};
use crate::conn::on;
use crate::error::Result;
use diesel::prelude::*;
use diesel::upsert::excluded;

/// An issue and its project; `None` where Jira would not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Insertable)]
#[diesel(table_name = schema::issues, treat_none_as_default_value = false)]
pub struct Issue {
    /// Jira's issue id.
    #[diesel(column_name = client_issue_id)]
    pub id: i64,
    /// Jira's project id.
    #[diesel(column_name = client_project_id)]
    pub project_id: Option<i64>,
}

/// Notes the projects of issues.
pub fn put(db: &mut TenantConn<'_>, issues: &[Issue]) -> Result<()> {
    for some in issues.chunks(1000) {
        on!(db.conn, |c| diesel::insert_into(i::issues)
            .values(some)
            .on_conflict(i::client_issue_id)
            .do_update()
            .set(i::client_project_id.eq(excluded(i::client_project_id)))
            .execute(c))?;
    }
    Ok(())
}

/// Notes the project of an issue that is in the map already; others are learnt when they have a worklog.
pub fn moved(db: &mut TenantConn<'_>, id: i64, project_id: i64) -> Result<()> {
    on!(db.conn, |c| diesel::update(i::issues.find(id)).set(i::client_project_id.eq(project_id)).execute(c))?;
    Ok(())
}

/// Issues of a project, ascending.
pub fn of_project(db: &mut TenantConn<'_>, project_id: i64) -> Result<Vec<i64>> {
    Ok(on!(db.conn, |c| i::issues
        .filter(i::client_project_id.eq(project_id))
        .order(i::client_issue_id)
        .select(i::client_issue_id)
        .load(c))?)
}
