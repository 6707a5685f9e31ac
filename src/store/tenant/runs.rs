//! The history of syncs, for the admin.

use super::schema::sync_runs::dsl as r;
use super::{TenantConn, schema};
use crate::conn::Conn;
use crate::error::Result;
use diesel::prelude::*;

/// Runs that are remembered.
const KEPT: i64 = 50;

/// One run of a sync.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = schema::sync_runs)]
pub struct Run {
    /// Grows with every run.
    pub run_id: i64,
    /// `full`, `incremental` or `reconcile`.
    pub kind: String,
    /// `running`, `done`, `failed` or `interrupted`.
    pub state: String,
    /// When it began, by our clock.
    pub started_at: i64,
    /// When it ended.
    pub finished_at: Option<i64>,
    /// Pages of the feeds consumed.
    pub pages: i64,
    /// Worklogs written.
    pub written: i64,
    /// Worklogs deleted.
    pub deleted: i64,
    /// Worklogs that Jira named but did not return; kept as they are.
    pub unreadable: i64,
    /// Why it failed.
    pub error: Option<String>,
}

/// What a run has done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// See [`Run::pages`].
    pub pages: i64,
    /// See [`Run::written`].
    pub written: i64,
    /// See [`Run::deleted`].
    pub deleted: i64,
    /// See [`Run::unreadable`].
    pub unreadable: i64,
}

/// Begins a run; one that was left running is noted as interrupted.
pub fn begin(db: &mut TenantConn<'_>, kind: &str, now: i64) -> Result<i64> {
    diesel::update(r::sync_runs.filter(r::state.eq("running")))
        .set((r::state.eq("interrupted"), r::finished_at.eq(now)))
        .execute(db.conn)?;
    let run_id: i64 = diesel::insert_into(r::sync_runs)
        .values((
            r::kind.eq(kind),
            r::state.eq("running"),
            r::started_at.eq(now),
            (r::pages.eq(0), r::written.eq(0), r::deleted.eq(0), r::unreadable.eq(0)),
        ))
        .returning(r::run_id)
        .get_result(db.conn)?;
    diesel::delete(r::sync_runs.filter(r::run_id.le(run_id - KEPT))).execute(db.conn)?;
    Ok(run_id)
}

/// Notes how far a run is.
pub fn progress(db: &mut TenantConn<'_>, run_id: i64, counts: Counts) -> Result<()> {
    diesel::update(r::sync_runs.find(run_id))
        .set((
            r::pages.eq(counts.pages),
            r::written.eq(counts.written),
            r::deleted.eq(counts.deleted),
            r::unreadable.eq(counts.unreadable),
        ))
        .execute(db.conn)?;
    Ok(())
}

/// Ends a run, well or with an error.
pub fn end(db: &mut TenantConn<'_>, run_id: i64, error: Option<&str>, now: i64) -> Result<()> {
    let state = if error.is_some() { "failed" } else { "done" };
    diesel::update(r::sync_runs.find(run_id))
        .set((r::state.eq(state), r::finished_at.eq(now), r::error.eq(error)))
        .execute(db.conn)?;
    Ok(())
}

/// The newest run.
pub(super) fn newest(conn: &mut Conn) -> Result<Option<Run>> {
    Ok(r::sync_runs.order(r::run_id.desc()).select(Run::as_select()).first(conn).optional()?)
}

/// The newest runs first.
pub fn latest(db: &mut TenantConn<'_>, limit: i64) -> Result<Vec<Run>> {
    Ok(r::sync_runs.order(r::run_id.desc()).limit(limit).select(Run::as_select()).load(db.conn)?)
}
