//! The history of syncs, for the admin.

use super::schema::sync_runs::dsl as r;
use super::{TenantConn, schema};
use crate::conn::{Conn, on};
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
    /// `running`, `waiting`, `done`, `failed` or `interrupted`.
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
    /// Worklogs that Jira did not return, hidden by this run.
    pub unreadable: i64,
    /// Why it failed or waits.
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

impl Run {
    /// What it has done so far.
    pub fn counts(&self) -> Counts {
        Counts {
            pages: self.pages,
            written: self.written,
            deleted: self.deleted,
            unreadable: self.unreadable,
        }
    }
}

/// Begins a run, or goes on with one of the same kind that only waited. One that was left running is noted as
/// interrupted.
pub fn begin(db: &mut TenantConn<'_>, kind: &str, now: i64) -> Result<Run> {
    on!(db.conn, |c| diesel::update(r::sync_runs.filter(r::state.eq("running")))
        .set((r::state.eq("interrupted"), r::finished_at.eq(now)))
        .execute(c))?;
    if let Some(waiting) = newest(db.conn)?.filter(|run| run.state == "waiting" && run.kind == kind) {
        on!(db.conn, |c| diesel::update(r::sync_runs.find(waiting.run_id))
            .set((r::state.eq("running"), r::error.eq(None::<String>)))
            .execute(c))?;
        return Ok(waiting);
    }
    let run: Run = on!(db.conn, |c| diesel::insert_into(r::sync_runs)
        .values((
            r::kind.eq(kind),
            r::state.eq("running"),
            r::started_at.eq(now),
            (r::pages.eq(0), r::written.eq(0), r::deleted.eq(0), r::unreadable.eq(0)),
        ))
        .returning(Run::as_select())
        .get_result(c))?;
    on!(db.conn, |c| diesel::delete(r::sync_runs.filter(r::run_id.le(run.run_id - KEPT))).execute(c))?;
    Ok(run)
}

/// Notes how far a run is.
pub fn progress(db: &mut TenantConn<'_>, run_id: i64, counts: Counts) -> Result<()> {
    on!(db.conn, |c| diesel::update(r::sync_runs.find(run_id))
        .set((
            r::pages.eq(counts.pages),
            r::written.eq(counts.written),
            r::deleted.eq(counts.deleted),
            r::unreadable.eq(counts.unreadable),
        ))
        .execute(c))?;
    Ok(())
}

/// How a run ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Well.
    Done,
    /// With an error, told in our own words.
    Failed(String),
    /// Not yet: it goes on later where it is, for the reason given.
    Waiting(String),
}

/// Ends a run.
pub fn end(db: &mut TenantConn<'_>, run_id: i64, end: &End, now: i64) -> Result<()> {
    let (state, finished_at, error) = match end {
        End::Done => ("done", Some(now), None),
        End::Failed(why) => ("failed", Some(now), Some(why)),
        End::Waiting(why) => ("waiting", None, Some(why)),
    };
    on!(db.conn, |c| diesel::update(r::sync_runs.find(run_id))
        .set((r::state.eq(state), r::finished_at.eq(finished_at), r::error.eq(error)))
        .execute(c))?;
    Ok(())
}

/// The newest run.
pub(super) fn newest(conn: &mut Conn) -> Result<Option<Run>> {
    Ok(on!(conn, |c| r::sync_runs.order(r::run_id.desc()).select(Run::as_select()).first(c).optional())?)
}

/// The newest runs first.
pub fn latest(db: &mut TenantConn<'_>, limit: i64) -> Result<Vec<Run>> {
    Ok(on!(db.conn, |c| r::sync_runs.order(r::run_id.desc()).limit(limit).select(Run::as_select()).load(c))?)
}
