//! The queue of work: claimed by a conditional update, so that it needs no row locks.

use super::schema::jobs::dsl as j;
use crate::conn::Conn;
use crate::error::Result;
use diesel::prelude::*;

/// A piece of work for one tenant.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = super::schema::jobs)]
pub struct Job {
    /// Grows with every job.
    pub id: i64,
    /// Whose work it is.
    pub tenant_id: String,
    /// Name of the job type.
    pub kind: String,
    /// Jobs of one lane of one tenant never run at once.
    pub lane: String,
    /// What it is about within its kind (an id), or empty.
    pub subject: String,
    /// `queued`, `running`, `done` or `failed`.
    pub state: String,
    /// Not before this instant.
    pub run_after: i64,
    /// Tries so far.
    pub attempts: i32,
    /// When it was enqueued.
    pub created_at: i64,
    /// When it ended.
    pub finished_at: Option<i64>,
    /// Why the last try failed.
    pub error: Option<String>,
}

/// What to enqueue.
#[derive(Debug, Clone)]
pub struct NewJob<'a> {
    /// See [`Job::tenant_id`].
    pub tenant_id: &'a str,
    /// See [`Job::kind`].
    pub kind: &'a str,
    /// See [`Job::lane`].
    pub lane: &'a str,
    /// See [`Job::subject`].
    pub subject: &'a str,
    /// See [`Job::run_after`].
    pub run_after: i64,
}

/// Enqueues unless the same waits already; returns the id of the waiting job.
pub fn enqueue(conn: &mut Conn, job: &NewJob<'_>, now: i64) -> Result<i64> {
    diesel::insert_or_ignore_into(j::jobs)
        .values((
            j::tenant_id.eq(job.tenant_id),
            j::kind.eq(job.kind),
            j::lane.eq(job.lane),
            j::subject.eq(job.subject),
            j::state.eq("queued"),
            j::run_after.eq(job.run_after),
            j::attempts.eq(0),
            j::created_at.eq(now),
        ))
        .execute(conn)?;
    let waiting = j::jobs
        .filter(j::tenant_id.eq(job.tenant_id).and(j::kind.eq(job.kind)))
        .filter(j::subject.eq(job.subject).and(j::state.eq("queued")));
    // What waits for later runs sooner when somebody asks for it now.
    diesel::update(waiting.filter(j::run_after.gt(job.run_after)))
        .set(j::run_after.eq(job.run_after))
        .execute(conn)?;
    Ok(waiting.select(j::id).first(conn)?)
}

/// Waits, and may run. A job from the future was enqueued by a clock that has been set back since: its time says
/// nothing.
#[diesel::dsl::auto_type(no_type_alias)]
fn due(now: i64) -> _ {
    let come: diesel::dsl::Or<diesel::dsl::LtEq<j::run_after, i64>, diesel::dsl::Gt<j::created_at, i64>> =
        j::run_after.le(now).or(j::created_at.gt(now));
    j::state.eq("queued").and(come)
}

/// Whether a job of somebody else is due.
pub fn others_wait(conn: &mut Conn, tenant_id: &str, now: i64) -> Result<bool> {
    let due = j::jobs.filter(due(now)).filter(j::tenant_id.ne(tenant_id));
    Ok(diesel::select(diesel::dsl::exists(due)).get_result(conn)?)
}

/// Whether another job of the tenant runs now.
pub fn others_run(conn: &mut Conn, tenant_id: &str, but: i64) -> Result<bool> {
    let running = j::jobs.filter(j::tenant_id.eq(tenant_id).and(j::state.eq("running")).and(j::id.ne(but)));
    Ok(diesel::select(diesel::dsl::exists(running)).get_result(conn)?)
}

/// Claims the oldest job that is due and whose lane is free, of any kind but the given ones.
pub fn claim(conn: &mut Conn, now: i64, but: &[&str]) -> Result<Option<Job>> {
    let busy = diesel::alias!(super::schema::jobs as busy);
    let lane_is_busy = busy
        .filter(busy.field(j::tenant_id).eq(j::tenant_id))
        .filter(busy.field(j::lane).eq(j::lane).and(busy.field(j::state).eq("running")));
    let next: Option<i64> = j::jobs
        .filter(due(now))
        .filter(j::kind.ne_all(but))
        .filter(diesel::dsl::not(diesel::dsl::exists(lane_is_busy)))
        .order((j::run_after, j::id))
        .select(j::id)
        .first(conn)
        .optional()?;
    let Some(id) = next else { return Ok(None) };
    let claimed = diesel::update(j::jobs.find(id).filter(j::state.eq("queued")))
        .set((j::state.eq("running"), j::attempts.eq(j::attempts + 1)))
        .execute(conn)?;
    if claimed == 0 {
        return Ok(None);
    }
    find(conn, id)
}

/// Ends a job well.
pub fn finish(conn: &mut Conn, id: i64, now: i64) -> Result<()> {
    diesel::update(j::jobs.find(id))
        .set((j::state.eq("done"), j::finished_at.eq(now), j::error.eq(None::<String>)))
        .execute(conn)?;
    Ok(())
}

/// Puts a job back for a later try; if the same was enqueued meanwhile, that one goes on instead.
pub fn retry(conn: &mut Conn, job: &Job, run_after: i64, error: &str) -> Result<()> {
    let twin = j::jobs
        .filter(j::tenant_id.eq(&job.tenant_id).and(j::kind.eq(&job.kind)))
        .filter(j::subject.eq(&job.subject).and(j::state.eq("queued")));
    let has_twin: bool = diesel::select(diesel::dsl::exists(twin)).get_result(conn)?;
    let state = if has_twin { "failed" } else { "queued" };
    diesel::update(j::jobs.find(job.id))
        .set((j::state.eq(state), j::run_after.eq(run_after), j::error.eq(error)))
        .execute(conn)?;
    Ok(())
}

/// Ends a job badly.
pub fn fail(conn: &mut Conn, id: i64, now: i64, error: &str) -> Result<()> {
    diesel::update(j::jobs.find(id))
        .set((j::state.eq("failed"), j::finished_at.eq(now), j::error.eq(error)))
        .execute(conn)?;
    Ok(())
}

/// After a crash: what was running waits again (twice the same waits once). Returns how many.
pub fn requeue_interrupted(conn: &mut Conn, now: i64) -> Result<usize> {
    let interrupted: Vec<Job> = j::jobs.filter(j::state.eq("running")).select(Job::as_select()).load(conn)?;
    for job in &interrupted {
        retry(conn, job, now, "interrupted")?;
    }
    Ok(interrupted.len())
}

/// Drops the waiting work of a tenant, except of one lane.
pub fn drop_waiting(conn: &mut Conn, tenant_id: &str, keep_lane: &str) -> Result<usize> {
    let waiting =
        j::jobs.filter(j::tenant_id.eq(tenant_id).and(j::state.eq("queued"))).filter(j::lane.ne(keep_lane));
    Ok(diesel::delete(waiting).execute(conn)?)
}

/// Deletes every trace of a tenant's jobs except one.
pub fn delete_all_but(conn: &mut Conn, tenant_id: &str, keep: i64) -> Result<usize> {
    Ok(diesel::delete(j::jobs.filter(j::tenant_id.eq(tenant_id).and(j::id.ne(keep)))).execute(conn)?)
}

/// Deletes every trace of a tenant's jobs.
pub fn delete_all(conn: &mut Conn, tenant_id: &str) -> Result<usize> {
    Ok(diesel::delete(j::jobs.filter(j::tenant_id.eq(tenant_id))).execute(conn)?)
}

/// Jobs that ended before an instant are forgotten.
pub fn prune(conn: &mut Conn, before: i64) -> Result<usize> {
    Ok(diesel::delete(j::jobs.filter(j::finished_at.lt(before))).execute(conn)?)
}

/// One job.
pub fn find(conn: &mut Conn, id: i64) -> Result<Option<Job>> {
    Ok(j::jobs.find(id).select(Job::as_select()).first(conn).optional()?)
}

/// Jobs of a tenant that wait or run, and those that failed last.
pub fn open_of_tenant(conn: &mut Conn, tenant_id: &str) -> Result<Vec<Job>> {
    Ok(j::jobs
        .filter(j::tenant_id.eq(tenant_id).and(j::state.ne("done")))
        .order(j::id.desc())
        .limit(50)
        .select(Job::as_select())
        .load(conn)?)
}

/// How many jobs are in each state.
pub fn count_by_state(conn: &mut Conn) -> Result<Vec<(String, i64)>> {
    Ok(j::jobs.group_by(j::state).select((j::state, diesel::dsl::count_star())).load(conn)?)
}
