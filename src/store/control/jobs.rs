//! The queue of work: claimed by a conditional update, so that it needs no row locks.

use super::schema::jobs::dsl as j;
use crate::conn::{Conn, on};
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
    /// The node that runs it, or ran it last.
    pub node_id: Option<String>,
    /// Higher for each claim of any job: with which its work is fenced.
    pub fence: i64,
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
    on!(conn, |c| diesel::insert_into(j::jobs)
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
        .on_conflict_do_nothing()
        .execute(c))?;
    let waiting = j::jobs
        .filter(j::tenant_id.eq(job.tenant_id).and(j::kind.eq(job.kind)))
        .filter(j::subject.eq(job.subject).and(j::state.eq("queued")));
    // What waits for later runs sooner when somebody asks for it now.
    on!(conn, |c| diesel::update(waiting.filter(j::run_after.gt(job.run_after)))
        .set(j::run_after.eq(job.run_after))
        .execute(c))?;
    Ok(on!(conn, |c| waiting.select(j::id).first(c))?)
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
    Ok(on!(conn, |c| diesel::select(diesel::dsl::exists(due)).get_result(c))?)
}

/// Whether another job of the tenant runs now.
pub fn others_run(conn: &mut Conn, tenant_id: &str, but: i64) -> Result<bool> {
    let running = j::jobs.filter(j::tenant_id.eq(tenant_id).and(j::state.eq("running")).and(j::id.ne(but)));
    Ok(on!(conn, |c| diesel::select(diesel::dsl::exists(running)).get_result(c))?)
}

/// Claims for a node the oldest job that is due and whose lane is free, of any kind but the given ones.
pub fn claim(conn: &mut Conn, node_id: &str, now: i64, but: &[&str]) -> Result<Option<Job>> {
    let busy = diesel::alias!(super::schema::jobs as busy);
    let lane_is_busy = busy
        .filter(busy.field(j::tenant_id).eq(j::tenant_id))
        .filter(busy.field(j::lane).eq(j::lane).and(busy.field(j::state).eq("running")));
    let next: Option<i64> = on!(conn, |c| j::jobs
        .filter(due(now))
        .filter(j::kind.ne_all(but))
        .filter(diesel::dsl::not(diesel::dsl::exists(lane_is_busy)))
        .order((j::run_after, j::id))
        .select(j::id)
        .first(c)
        .optional())?;
    let Some(id) = next else { return Ok(None) };
    let token = next_fence(conn)?;
    let claimed = on!(conn, |c| diesel::update(j::jobs.find(id).filter(j::state.eq("queued")))
        .set((
            j::state.eq("running"),
            j::attempts.eq(j::attempts + 1),
            j::node_id.eq(node_id),
            j::fence.eq(token),
        ))
        .execute(c))?;
    if claimed == 0 {
        return Ok(None);
    }
    find(conn, id)
}

/// A token that is higher than all before.
pub fn next_fence(conn: &mut Conn) -> Result<i64> {
    use super::schema::fence::dsl as f;
    Ok(on!(conn, |c| diesel::update(f::fence.find(1))
        .set(f::token.eq(f::token + 1))
        .returning(f::token)
        .get_result(c))?)
}

/// The job as this claim of it holds it: whoever was taken over changes nothing any more.
#[diesel::dsl::auto_type(no_type_alias)]
fn claimed(id: i64, fence: i64) -> _ {
    let mine: diesel::dsl::And<diesel::dsl::Eq<j::fence, i64>, diesel::dsl::Eq<j::state, &'static str>> =
        j::fence.eq(fence).and(j::state.eq("running"));
    j::id.eq(id).and(mine)
}

/// Ends a job well; false if it was taken over.
pub fn finish(conn: &mut Conn, job: &Job, now: i64) -> Result<bool> {
    let ended = on!(conn, |c| diesel::update(j::jobs.filter(claimed(job.id, job.fence)))
        .set((j::state.eq("done"), j::finished_at.eq(now), j::error.eq(None::<String>)))
        .execute(c))?;
    Ok(ended == 1)
}

/// Puts a job back for a later try; if the same was enqueued meanwhile, that one goes on instead.
pub fn retry(conn: &mut Conn, job: &Job, run_after: i64, error: &str) -> Result<()> {
    let twin = j::jobs
        .filter(j::tenant_id.eq(&job.tenant_id).and(j::kind.eq(&job.kind)))
        .filter(j::subject.eq(&job.subject).and(j::state.eq("queued")));
    let has_twin: bool = on!(conn, |c| diesel::select(diesel::dsl::exists(twin)).get_result(c))?;
    let state = if has_twin { "failed" } else { "queued" };
    on!(conn, |c| diesel::update(j::jobs.filter(claimed(job.id, job.fence)))
        .set((j::state.eq(state), j::run_after.eq(run_after), j::error.eq(error)))
        .execute(c))?;
    Ok(())
}

/// Lets the jobs of a tenant go on at once that failed for one reason, whenever they were to be tried again.
pub fn hurry(conn: &mut Conn, tenant_id: &str, reason: &str, now: i64) -> Result<usize> {
    let waiting = j::tenant_id.eq(tenant_id).and(j::state.eq("queued")).and(j::run_after.gt(now));
    let for_it = j::error.like(format!("%{reason}%")).assume_not_null();
    Ok(on!(conn, |c| diesel::update(j::jobs.filter(waiting).filter(for_it))
        .set(j::run_after.eq(now))
        .execute(c))?)
}

/// Ends a job badly.
pub fn fail(conn: &mut Conn, job: &Job, now: i64, error: &str) -> Result<()> {
    on!(conn, |c| diesel::update(j::jobs.filter(claimed(job.id, job.fence)))
        .set((j::state.eq("failed"), j::finished_at.eq(now), j::error.eq(error)))
        .execute(c))?;
    Ok(())
}

/// What nodes ran that are not there any more waits again (twice the same waits once). Returns how many.
pub fn requeue_of_the_dead(conn: &mut Conn, now: i64) -> Result<usize> {
    use super::schema::nodes::dsl as n;
    let living = n::nodes.filter(j::node_id.eq(n::node_id.nullable()));
    let orphaned =
        j::jobs.filter(j::state.eq("running")).filter(diesel::dsl::not(diesel::dsl::exists(living)));
    let interrupted: Vec<Job> = on!(conn, |c| orphaned.select(Job::as_select()).load(c))?;
    for job in &interrupted {
        retry(conn, job, now, "interrupted")?;
    }
    Ok(interrupted.len())
}

/// Drops the waiting work of a tenant, except of one lane.
pub fn drop_waiting(conn: &mut Conn, tenant_id: &str, keep_lane: &str) -> Result<usize> {
    let waiting =
        j::jobs.filter(j::tenant_id.eq(tenant_id).and(j::state.eq("queued"))).filter(j::lane.ne(keep_lane));
    Ok(on!(conn, |c| diesel::delete(waiting).execute(c))?)
}

/// Drops the waiting work of one kind of a tenant.
pub fn drop_waiting_of(conn: &mut Conn, tenant_id: &str, kind: &str) -> Result<usize> {
    let waiting = j::tenant_id.eq(tenant_id).and(j::kind.eq(kind)).and(j::state.eq("queued"));
    Ok(on!(conn, |c| diesel::delete(j::jobs.filter(waiting)).execute(c))?)
}

/// Deletes every trace of a tenant's jobs except one.
pub fn delete_all_but(conn: &mut Conn, tenant_id: &str, keep: i64) -> Result<usize> {
    Ok(on!(conn, |c| diesel::delete(j::jobs.filter(j::tenant_id.eq(tenant_id).and(j::id.ne(keep))))
        .execute(c))?)
}

/// Deletes every trace of a tenant's jobs.
pub fn delete_all(conn: &mut Conn, tenant_id: &str) -> Result<usize> {
    Ok(on!(conn, |c| diesel::delete(j::jobs.filter(j::tenant_id.eq(tenant_id))).execute(c))?)
}

/// Jobs that ended before an instant are forgotten.
pub fn prune(conn: &mut Conn, before: i64) -> Result<usize> {
    Ok(on!(conn, |c| diesel::delete(j::jobs.filter(j::finished_at.lt(before))).execute(c))?)
}

/// One job.
pub fn find(conn: &mut Conn, id: i64) -> Result<Option<Job>> {
    Ok(on!(conn, |c| j::jobs.find(id).select(Job::as_select()).first(c).optional())?)
}

/// Jobs of a tenant that wait or run, and those that failed last.
pub fn open_of_tenant(conn: &mut Conn, tenant_id: &str) -> Result<Vec<Job>> {
    Ok(on!(conn, |c| j::jobs
        .filter(j::tenant_id.eq(tenant_id).and(j::state.ne("done")))
        .order(j::id.desc())
        .limit(50)
        .select(Job::as_select())
        .load(c))?)
}

/// How many jobs are in each state.
pub fn count_by_state(conn: &mut Conn) -> Result<Vec<(String, i64)>> {
    Ok(on!(conn, |c| j::jobs.group_by(j::state).select((j::state, diesel::dsl::count_star())).load(c))?)
}
