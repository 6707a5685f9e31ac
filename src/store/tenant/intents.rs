//! Writes that people asked for, noted before Jira is called, so that none is done twice.

use super::schema::write_intents::dsl as i;
use super::{TenantConn, schema};
use crate::conn::on;
use crate::error::Result;
use diesel::prelude::*;

/// An intent to create a worklog.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = schema::write_intents, treat_none_as_default_value = false)]
pub struct Intent {
    /// Who asked.
    pub account_id: String,
    /// Hash of the idempotency key.
    pub key_hash: String,
    /// Hash of what was asked for.
    pub request_hash: String,
    /// On which issue.
    pub client_issue_id: i64,
    /// Start of the work, to find it in Jira by.
    pub started: i64,
    /// The worklog, once Jira has answered.
    pub client_worklog_id: Option<i64>,
    /// When it was claimed.
    pub claimed_at: i64,
}

/// Claims an intent; `None` if it is ours now, else the one that was there.
pub fn claim(db: &mut TenantConn<'_>, intent: &Intent) -> Result<Option<Intent>> {
    let claimed = on!(db.conn, |c| diesel::insert_into(i::write_intents)
        .values(intent)
        .on_conflict_do_nothing()
        .execute(c))?;
    if claimed == 1 {
        return Ok(None);
    }
    find(db, &intent.account_id, &intent.key_hash)
}

/// The intent of an account under a key.
pub fn find(db: &mut TenantConn<'_>, account_id: &str, key_hash: &str) -> Result<Option<Intent>> {
    Ok(on!(db.conn, |c| i::write_intents
        .find((account_id, key_hash))
        .select(Intent::as_select())
        .first(c)
        .optional())?)
}

/// Notes that it is tried again now: from here on, it may arrive at Jira again.
pub fn renew(db: &mut TenantConn<'_>, account_id: &str, key_hash: &str, now: i64) -> Result<()> {
    on!(db.conn, |c| diesel::update(i::write_intents.find((account_id, key_hash)))
        .set(i::claimed_at.eq(now))
        .execute(c))?;
    Ok(())
}

/// Notes which worklog came of it.
pub fn fulfil(db: &mut TenantConn<'_>, account_id: &str, key_hash: &str, worklog_id: i64) -> Result<()> {
    on!(db.conn, |c| diesel::update(i::write_intents.find((account_id, key_hash)))
        .set(i::client_worklog_id.eq(worklog_id))
        .execute(c))?;
    Ok(())
}

/// Takes back an intent that Jira refused: nothing was written.
pub fn release(db: &mut TenantConn<'_>, account_id: &str, key_hash: &str) -> Result<()> {
    on!(db.conn, |c| diesel::delete(i::write_intents.find((account_id, key_hash))).execute(c))?;
    Ok(())
}

/// Forgets intents that were claimed before an instant.
pub fn prune(db: &mut TenantConn<'_>, before: i64) -> Result<usize> {
    Ok(on!(db.conn, |c| diesel::delete(i::write_intents.filter(i::claimed_at.lt(before))).execute(c))?)
}
