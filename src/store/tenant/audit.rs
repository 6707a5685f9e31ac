//! What admins and the server did, for the admin to read.

use super::schema::audit::dsl as a;
use super::{TenantConn, schema};
use crate::conn::on;
use crate::error::Result;
use diesel::prelude::*;

/// One act.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = schema::audit)]
pub struct Entry {
    /// Grows with every act.
    pub audit_id: i64,
    /// When, by our clock.
    pub recorded_at: i64,
    /// Who; `None` for the server itself.
    pub account_id: Option<String>,
    /// What: a fixed word such as `tag.rename`.
    pub action: String,
    /// On what: an id, never a name.
    pub subject: Option<String>,
}

/// Notes an act.
pub fn record(
    db: &mut TenantConn<'_>,
    account_id: Option<&str>,
    action: &str,
    subject: Option<&str>,
    now: i64,
) -> Result<()> {
    on!(db.conn, |c| diesel::insert_into(a::audit)
        .values((
            a::recorded_at.eq(now),
            a::account_id.eq(account_id),
            a::action.eq(action),
            a::subject.eq(subject),
        ))
        .execute(c))?;
    Ok(())
}

/// The newest acts first, behind a position.
pub fn latest(db: &mut TenantConn<'_>, before: i64, limit: i64) -> Result<Vec<Entry>> {
    Ok(on!(db.conn, |c| a::audit
        .filter(a::audit_id.lt(before))
        .order(a::audit_id.desc())
        .limit(limit)
        .select(Entry::as_select())
        .load(c))?)
}
