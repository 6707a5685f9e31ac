//! Reading what other sources did not carry: tags and visibility after a webhook, projects of new issues.

use super::apply;
use crate::app::App;
use crate::jira::client::SiteClient;
use crate::jira::issues::BULK_MAX;
use crate::jira::meter::Class;
use crate::jobs::{self, Kind};
use crate::tenants::Tenant;
use hourbook_store::tenant::issues::{self, Issue};
use hourbook_store::tenant::{TenantDb, worklogs};
use std::sync::Arc;

/// Worklogs that one read asks for.
const READ: i64 = 1000;

/// The job.
///
/// # Errors
/// When Jira or the database fails; what was read stays.
pub async fn run(app: &App, tenant: &Tenant) -> anyhow::Result<()> {
    let db = app.db(tenant).await?;
    let jira = app.jira.as_app(&tenant.site, Class::Event);
    unread(&db, &jira).await?;
    projects(&db, &jira).await
}

/// Has a worklog read once more. A property is written apart from its worklog without changing the worklog's
/// `updated`, so that a read from before cannot be told from one after: the last read has to come later.
///
/// # Errors
/// When a database fails.
pub async fn again(app: &App, tenant: &Tenant, id: i64) -> hourbook_store::error::Result<()> {
    let db = app.db(tenant).await?;
    let now = app.clock.now_ms();
    db.write(move |db| worklogs::mark_unread(db, &[id], now)).await?;
    jobs::enqueue(app, &tenant.id, Kind::Complete, "").await?;
    Ok(())
}

/// Reads the worklogs that wait for it; those that Jira does not return go on waiting. Returns how many were read.
///
/// # Errors
/// When Jira or the database fails.
pub async fn unread(db: &Arc<TenantDb>, jira: &SiteClient) -> anyhow::Result<i64> {
    let (mut after, mut written) = (0, 0);
    loop {
        let ids = db.read(move |db| worklogs::unread(db, after, READ)).await?;
        let Some(last) = ids.last() else { return Ok(written) };
        after = *last;
        let begun_at = jira.clock().now_ms();
        let returned = jira.worklogs_by_id(&ids).await?;
        written += db.write(move |db| apply::read(db, returned, begun_at)).await?;
    }
}

/// Learns the projects of issues that are new in the copy.
///
/// # Errors
/// When Jira or the database fails.
pub async fn projects(db: &Arc<TenantDb>, jira: &SiteClient) -> anyhow::Result<()> {
    loop {
        let unknown = db.read(|db| worklogs::issues_without_project(db, 5000)).await?;
        if unknown.is_empty() {
            return Ok(());
        }
        for some in unknown.chunks(BULK_MAX) {
            let found = jira.projects_of(some).await?;
            let known: Vec<Issue> =
                some.iter().map(|id| Issue { id: *id, project_id: found.get(id).copied() }).collect();
            db.write(move |db| issues::put(db, &known)).await?;
        }
    }
}
