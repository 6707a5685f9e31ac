//! Installations: a row for each time that Hourbook was installed in a Jira instance.
//!
//! At most one row of a clientKey is not closed. A closed row has no key any more and waits to be wiped.

use super::schema::installations::dsl as i;
use crate::conn::{Conn, on};
use crate::error::Result;
use diesel::prelude::*;

/// Open for business.
pub const ACTIVE: &str = "active";
/// Data unreachable, not yet wiped: superseded or refused by its site.
pub const SUSPENDED: &str = "suspended";
/// Uninstalled: the key is destroyed.
pub const CLOSED: &str = "closed";

/// All states.
pub const STATES: [&str; 3] = [ACTIVE, SUSPENDED, CLOSED];
/// Reason of a suspension: another installation on the same site.
pub const SUPERSEDED: &str = "superseded";

/// One installation. Instants are milliseconds since 1970, UTC.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = super::schema::installations, treat_none_as_default_value = false)]
pub struct Installation {
    /// Opaque and random; a reinstallation has another one.
    pub tenant_id: String,
    /// Atlassian's name of the Jira instance.
    pub client_key: String,
    /// Where the site's REST API is; without a trailing slash.
    pub base_url: String,
    /// Where people see the site (custom domain); equal to `base_url` if it has none.
    pub display_url: String,
    /// Client id for acting as a user.
    pub oauth_client_id: Option<String>,
    /// Region in which the data lives.
    pub region: String,
    /// [`ACTIVE`], [`SUSPENDED`] or [`CLOSED`].
    pub state: String,
    /// Why it is in that state.
    pub state_reason: Option<String>,
    /// Since when it is in that state.
    pub state_since: i64,
    /// The shared secret, sealed under the data key.
    pub shared_secret: Option<Vec<u8>>,
    /// The secret before the last rotation, sealed.
    pub previous_secret: Option<Vec<u8>>,
    /// Until when the previous secret is taken.
    pub previous_secret_until: Option<i64>,
    /// When it was installed.
    pub installed_at: i64,
    /// When the site first accepted our signature: only then it may supersede another.
    pub proven_at: Option<i64>,
    /// Seconds between incremental syncs at present.
    pub incremental_secs: i64,
    /// When the next incremental sync is due.
    pub next_incremental_at: i64,
    /// When the next reconciliation is due.
    pub next_reconcile_at: i64,
    /// Name of the receipt that there will be, unguessable.
    pub receipt_id: String,
    /// How far a wipe is, JSON: what there was, counted once before the first file goes, and when each place was
    /// emptied.
    pub wipe: Option<String>,
    /// When the next backup is due.
    pub next_backup_at: i64,
    /// When the last backup was made.
    pub backup_at: Option<i64>,
    /// How large it is.
    pub backup_bytes: Option<i64>,
    /// When a backup was last read back as a test.
    pub backup_checked_at: Option<i64>,
}

/// What an `installed` call changes on a known installation.
#[derive(Debug, AsChangeset)]
#[diesel(table_name = super::schema::installations, treat_none_as_null = true)]
pub struct Renewal {
    /// See [`Installation::base_url`].
    pub base_url: String,
    /// See [`Installation::display_url`].
    pub display_url: String,
    /// See [`Installation::oauth_client_id`].
    pub oauth_client_id: Option<String>,
    /// See [`Installation::shared_secret`].
    pub shared_secret: Option<Vec<u8>>,
    /// See [`Installation::previous_secret`].
    pub previous_secret: Option<Vec<u8>>,
    /// See [`Installation::previous_secret_until`].
    pub previous_secret_until: Option<i64>,
    /// [`ACTIVE`]: whoever installs again is back.
    pub state: String,
    /// Cleared.
    pub state_reason: Option<String>,
    /// Now.
    pub state_since: i64,
}

/// The installation of a clientKey that is not closed.
pub fn open_by_client_key(conn: &mut Conn, client_key: &str) -> Result<Option<Installation>> {
    Ok(on!(conn, |c| i::installations
        .filter(i::client_key.eq(client_key).and(i::state.ne(CLOSED)))
        .select(Installation::as_select())
        .first(c)
        .optional())?)
}

/// An installation in any state.
pub fn find(conn: &mut Conn, tenant_id: &str) -> Result<Option<Installation>> {
    Ok(on!(conn, |c| i::installations.find(tenant_id).select(Installation::as_select()).first(c).optional())?)
}

/// All installations, oldest first; the operator's list.
pub fn all(conn: &mut Conn) -> Result<Vec<Installation>> {
    Ok(on!(conn, |c| i::installations
        .order((i::installed_at, i::tenant_id))
        .select(Installation::as_select())
        .load(c))?)
}

/// Adds a new installation.
pub fn insert(conn: &mut Conn, installation: &Installation) -> Result<()> {
    on!(conn, |c| diesel::insert_into(i::installations).values(installation).execute(c))?;
    Ok(())
}

/// Applies an `installed` call to a known installation.
pub fn renew(conn: &mut Conn, tenant_id: &str, renewal: &Renewal) -> Result<()> {
    on!(conn, |c| diesel::update(i::installations.find(tenant_id)).set(renewal).execute(c))?;
    Ok(())
}

/// Closes the installation and forgets its secrets; false if it was closed already.
pub fn close(conn: &mut Conn, tenant_id: &str, now: i64) -> Result<bool> {
    let nothing: Option<Vec<u8>> = None;
    let closed = on!(conn, |c| diesel::update(i::installations.find(tenant_id).filter(i::state.ne(CLOSED)))
        .set((
            i::state.eq(CLOSED),
            i::state_reason.eq(None::<String>),
            i::state_since.eq(now),
            i::shared_secret.eq(&nothing),
            i::previous_secret.eq(&nothing),
            i::previous_secret_until.eq(None::<i64>),
            i::oauth_client_id.eq(None::<String>),
        ))
        .execute(c))?;
    Ok(closed == 1)
}

/// Notes that the site accepted our signature; true the first time.
pub fn mark_proven(conn: &mut Conn, tenant_id: &str, now: i64) -> Result<bool> {
    let marked =
        on!(conn, |c| diesel::update(i::installations.find(tenant_id).filter(i::proven_at.is_null()))
            .set(i::proven_at.eq(now))
            .execute(c))?;
    Ok(marked == 1)
}

/// Suspends every other active installation on the same site; returns their ids and clientKeys.
pub fn supersede_others(conn: &mut Conn, by: &Installation, now: i64) -> Result<Vec<(String, String)>> {
    let others: Vec<(String, String)> = on!(conn, |c| i::installations
        .filter(i::base_url.eq(&by.base_url))
        .filter(i::tenant_id.ne(&by.tenant_id).and(i::state.eq(ACTIVE)))
        .select((i::tenant_id, i::client_key))
        .load(c))?;
    for (other, _) in &others {
        set_state(conn, other, SUSPENDED, Some(SUPERSEDED), now)?;
    }
    Ok(others)
}

/// Moves an installation that is not closed into another state.
fn set_state(conn: &mut Conn, tenant_id: &str, state: &str, reason: Option<&str>, now: i64) -> Result<()> {
    on!(conn, |c| diesel::update(i::installations.find(tenant_id).filter(i::state.ne(CLOSED)))
        .set((i::state.eq(state), i::state_reason.eq(reason), i::state_since.eq(now)))
        .execute(c))?;
    Ok(())
}

/// Suspends an active installation that its site refused. `sealed_secret` is the secret with which it was refused:
/// if it was renewed meanwhile, nothing happens.
pub fn suspend_refused(
    conn: &mut Conn,
    tenant_id: &str,
    sealed_secret: &[u8],
    reason: &str,
    now: i64,
) -> Result<bool> {
    let same = i::state.eq(ACTIVE).and(i::shared_secret.eq(sealed_secret));
    let suspended = on!(conn, |c| diesel::update(i::installations.find(tenant_id).filter(same))
        .set((i::state.eq(SUSPENDED), i::state_reason.eq(reason), i::state_since.eq(now)))
        .execute(c))?;
    Ok(suspended == 1)
}

/// Suspended because its site refused us, not because another took its place.
type Refused = diesel::dsl::And<
    diesel::dsl::Eq<i::state, &'static str>,
    diesel::dsl::NotEq<i::state_reason, &'static str>,
>;

fn refused() -> Refused {
    i::state.eq(SUSPENDED).and(i::state_reason.ne(SUPERSEDED))
}

/// Whether a site that refused us may be asked again: not once another installation has its place.
pub fn may_be_probed(conn: &mut Conn, tenant_id: &str) -> Result<bool> {
    let mine: Option<String> = on!(conn, |c| i::installations
        .find(tenant_id)
        .filter(refused())
        .select(i::base_url)
        .first(c)
        .optional())?;
    let Some(base_url) = mine else { return Ok(false) };
    let another = i::installations.filter(i::base_url.eq(base_url).and(i::state.eq(ACTIVE)));
    let taken: bool = on!(conn, |c| diesel::select(diesel::dsl::exists(another)).get_result(c))?;
    Ok(!taken)
}

/// The site lets us in again: active, if it was suspended for being refused.
pub fn resume(conn: &mut Conn, tenant_id: &str, now: i64) -> Result<bool> {
    let resumed = on!(conn, |c| diesel::update(i::installations.find(tenant_id).filter(refused()))
        .set((i::state.eq(ACTIVE), i::state_reason.eq(None::<String>), i::state_since.eq(now)))
        .execute(c))?;
    Ok(resumed == 1)
}

/// When a site that refused us is asked again; no syncs are due meanwhile.
pub fn schedule_probe(conn: &mut Conn, tenant_id: &str, at: i64) -> Result<()> {
    on!(conn, |c| diesel::update(i::installations.find(tenant_id).filter(refused()))
        .set(i::next_incremental_at.eq(at))
        .execute(c))?;
    Ok(())
}

/// Refused installations whose site is to be asked again.
pub fn probes_due(conn: &mut Conn, now: i64) -> Result<Vec<String>> {
    let due = i::installations
        .filter(refused())
        .filter(i::next_incremental_at.not_between(now + 1, now + FURTHEST));
    Ok(on!(conn, |c| due.select(i::tenant_id).load(c))?)
}

/// Installations that are suspended since before an instant, with their clientKeys.
pub fn suspended_before(conn: &mut Conn, before: i64) -> Result<Vec<(String, String)>> {
    let long = i::state.eq(SUSPENDED).and(i::state_since.le(before));
    Ok(on!(conn, |c| i::installations.filter(long).select((i::tenant_id, i::client_key)).load(c))?)
}

/// How many installations are in a state.
pub fn count(conn: &mut Conn, state: &str) -> Result<i64> {
    Ok(on!(conn, |c| i::installations.filter(i::state.eq(state)).count().get_result(c))?)
}

/// What is due for an active installation.
#[derive(Debug, PartialEq, Eq)]
pub struct Due {
    /// Whose turn it is.
    pub tenant_id: String,
    /// Whether it is the reconciliation's turn (else the incremental sync's).
    pub reconcile: bool,
}

/// A turn further away than this, ms, was planned by a clock that has been set back since: the slowest rhythm is four days.
const FURTHEST: i64 = 5 * 86_400_000;

/// Active installations whose incremental sync or reconciliation is due.
pub fn due(conn: &mut Conn, now: i64) -> Result<Vec<Due>> {
    let rows: Vec<(String, i64)> = on!(conn, |c| i::installations
        .filter(i::state.eq(ACTIVE))
        .filter(
            i::next_incremental_at
                .not_between(now + 1, now + FURTHEST)
                .or(i::next_reconcile_at.not_between(now + 1, now + FURTHEST)),
        )
        .order(i::next_incremental_at)
        .limit(1000)
        .select((i::tenant_id, i::next_reconcile_at))
        .load(c))?;
    Ok(rows
        .into_iter()
        .map(|(tenant_id, next)| Due { tenant_id, reconcile: !(now + 1..=now + FURTHEST).contains(&next) })
        .collect())
}

/// When the next incremental sync is to run, and the rhythm from then on.
pub fn schedule_incremental(conn: &mut Conn, tenant_id: &str, at: i64, secs: i64) -> Result<()> {
    on!(conn, |c| diesel::update(i::installations.find(tenant_id))
        .set((i::next_incremental_at.eq(at), i::incremental_secs.eq(secs)))
        .execute(c))?;
    Ok(())
}

/// When the next reconciliation is to run.
pub fn schedule_reconcile(conn: &mut Conn, tenant_id: &str, at: i64) -> Result<()> {
    on!(conn, |c| diesel::update(i::installations.find(tenant_id))
        .set(i::next_reconcile_at.eq(at))
        .execute(c))?;
    Ok(())
}

/// Replaces the sealed secrets, unless they were renewed meanwhile.
pub fn reseal(
    conn: &mut Conn,
    tenant_id: &str,
    before: &[u8],
    secret: &[u8],
    previous: Option<&[u8]>,
) -> Result<()> {
    on!(conn, |c| diesel::update(i::installations.find(tenant_id).filter(i::shared_secret.eq(before)))
        .set((i::shared_secret.eq(secret), i::previous_secret.eq(previous)))
        .execute(c))?;
    Ok(())
}

/// Keeps how far a wipe is.
pub fn keep_wipe(conn: &mut Conn, tenant_id: &str, wipe: &str) -> Result<()> {
    on!(conn, |c| diesel::update(i::installations.find(tenant_id)).set(i::wipe.eq(wipe)).execute(c))?;
    Ok(())
}

/// Closed installations whose account information has been kept for long enough.
pub fn closed_before(conn: &mut Conn, before: i64) -> Result<Vec<String>> {
    let old = i::installations.filter(i::state.eq(CLOSED).and(i::state_since.le(before)));
    Ok(on!(conn, |c| old.select(i::tenant_id).load(c))?)
}

/// Removes everything that was known of an installation.
pub fn remove(conn: &mut Conn, tenant_id: &str) -> Result<()> {
    on!(conn, |c| diesel::delete(i::installations.find(tenant_id)).execute(c))?;
    Ok(())
}

/// Active installations whose backup is due.
pub fn backups_due(conn: &mut Conn, now: i64) -> Result<Vec<String>> {
    let due = i::next_backup_at.not_between(now + 1, now + FURTHEST);
    Ok(on!(conn, |c| i::installations
        .filter(i::state.eq(ACTIVE).and(due))
        .limit(1000)
        .select(i::tenant_id)
        .load(c))?)
}

/// When the next backup is to be made.
pub fn schedule_backup(conn: &mut Conn, tenant_id: &str, at: i64) -> Result<()> {
    on!(conn, |c| diesel::update(i::installations.find(tenant_id)).set(i::next_backup_at.eq(at)).execute(c))?;
    Ok(())
}

/// Notes a backup.
pub fn backed_up(conn: &mut Conn, tenant_id: &str, at: i64, bytes: i64) -> Result<()> {
    on!(conn, |c| diesel::update(i::installations.find(tenant_id))
        .set((i::backup_at.eq(at), i::backup_bytes.eq(bytes)))
        .execute(c))?;
    Ok(())
}

/// Notes that a backup was read back.
pub fn backup_checked(conn: &mut Conn, tenant_id: &str, at: i64) -> Result<()> {
    on!(conn, |c| diesel::update(i::installations.find(tenant_id))
        .set(i::backup_checked_at.eq(at))
        .execute(c))?;
    Ok(())
}

/// Active installations without a backup since an instant, though they were installed before it: the ids, and when
/// the last one was made.
pub fn without_backup_since(conn: &mut Conn, since: i64) -> Result<Vec<(String, Option<i64>)>> {
    let old = i::backup_at.is_null().or(i::backup_at.lt(since).assume_not_null());
    Ok(on!(conn, |c| i::installations
        .filter(i::state.eq(ACTIVE).and(i::installed_at.lt(since)).and(old))
        .select((i::tenant_id, i::backup_at))
        .load(c))?)
}
