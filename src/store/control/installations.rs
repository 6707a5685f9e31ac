//! Installations: a row for each time that Hourbook was installed in a Jira instance.
//!
//! At most one row of a clientKey is not closed. A closed row has no key any more and waits to be wiped.

use super::schema::installations::dsl as i;
use crate::conn::{Conn, on};
use crate::error::{Error, Result};
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
/// Reason of a suspension: its removal was announced, the wipe is planned.
pub const LEAVING: &str = "leaving";
/// Reason of a suspension: nothing was heard of it for long.
pub const SILENT: &str = "silent";
/// Reason of a suspension: its key is about to be destroyed, nothing withdraws that.
pub const CLOSING: &str = "closing";
/// How reasons of a suspension begin where the site refused us.
const REFUSED: &str = "refused: %";

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
    /// When its accounts are looked at next: whether they are to be reported.
    pub next_accounts_at: i64,
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

/// The open installation that Connect proved on a site: where its app is moved to Forge, the tenant stays.
pub fn proven_on(conn: &mut Conn, base_url: &str) -> Result<Option<Installation>> {
    let connect = i::shared_secret.is_not_null().and(i::proven_at.is_not_null());
    Ok(on!(conn, |c| i::installations
        .filter(i::base_url.eq(base_url).and(i::state.ne(CLOSED)).and(connect))
        .order(i::proven_at.desc())
        .select(Installation::as_select())
        .first(c)
        .optional())?)
}

/// Whether any installation has come by Connect and is open.
pub fn any_of_connect(conn: &mut Conn) -> Result<bool> {
    let open = i::installations.filter(i::state.ne(CLOSED).and(i::shared_secret.is_not_null()));
    Ok(on!(conn, |c| diesel::select(diesel::dsl::exists(open)).get_result(c))?)
}

/// Open for business again, whatever kept it: whoever installs again is back. False if it was open.
///
/// # Errors
/// [`Error::Conflict`] if it is being closed, or is.
pub fn reopen(conn: &mut Conn, tenant_id: &str, now: i64) -> Result<bool> {
    let found = find(conn, tenant_id)?.filter(|found| found.state != CLOSED);
    let found =
        found.filter(|found| found.state_reason.as_deref() != Some(CLOSING)).ok_or(Error::Conflict)?;
    if found.state == ACTIVE {
        return Ok(false);
    }
    let suspended = i::installations.find(tenant_id).filter(i::state.eq(SUSPENDED));
    let reopened = on!(conn, |c| diesel::update(suspended)
        .set((i::state.eq(ACTIVE), i::state_reason.eq(None::<String>), i::state_since.eq(now)))
        .execute(c))?;
    Ok(reopened == 1)
}

/// Suspends an installation that is active.
pub fn suspend(conn: &mut Conn, tenant_id: &str, reason: &str, now: i64) -> Result<bool> {
    let active = i::installations.find(tenant_id).filter(i::state.eq(ACTIVE));
    let suspended = on!(conn, |c| diesel::update(active)
        .set((i::state.eq(SUSPENDED), i::state_reason.eq(reason), i::state_since.eq(now)))
        .execute(c))?;
    Ok(suspended == 1)
}

/// An installation whose removal was announced: suspended for that, since now, whatever kept it before; but for one
/// that is being closed already.
pub fn leave(conn: &mut Conn, tenant_id: &str, now: i64) -> Result<()> {
    let found = find(conn, tenant_id)?;
    if found.is_some_and(|found| found.state_reason.as_deref() == Some(CLOSING)) {
        return Ok(());
    }
    set_state(conn, tenant_id, SUSPENDED, Some(LEAVING), now)
}

/// Forgets the secrets of Connect: the tenant goes on with Forge.
pub fn leave_connect(conn: &mut Conn, tenant_id: &str) -> Result<()> {
    let nothing: Option<Vec<u8>> = None;
    on!(conn, |c| diesel::update(i::installations.find(tenant_id))
        .set((
            i::shared_secret.eq(&nothing),
            i::previous_secret.eq(&nothing),
            i::previous_secret_until.eq(None::<i64>),
            i::oauth_client_id.eq(None::<String>),
        ))
        .execute(c))?;
    Ok(())
}

/// Keeps where people see a site.
pub fn moved_to(conn: &mut Conn, tenant_id: &str, base_url: &str) -> Result<()> {
    on!(conn, |c| diesel::update(i::installations.find(tenant_id))
        .set((i::base_url.eq(base_url), i::display_url.eq(base_url)))
        .execute(c))?;
    Ok(())
}

/// Installations whose announced removal was before an instant, and those whose closing was cut off.
pub fn to_be_closed(conn: &mut Conn, before: i64) -> Result<Vec<Suspended>> {
    let left = i::state_reason.eq(LEAVING).and(i::state_since.le(before));
    let due = left.or(i::state_reason.eq(CLOSING)).assume_not_null();
    let found = i::installations.filter(i::state.eq(SUSPENDED)).filter(due);
    Ok(on!(conn, |c| found.select((i::tenant_id, i::client_key, i::state_reason)).load(c))?)
}

/// Active installations whose accounts are to be looked at.
pub fn accounts_due(conn: &mut Conn, now: i64) -> Result<Vec<String>> {
    let due = i::next_accounts_at.not_between(now + 1, now + FURTHEST);
    Ok(on!(conn, |c| i::installations
        .filter(i::state.eq(ACTIVE).and(due))
        .limit(1000)
        .select(i::tenant_id)
        .load(c))?)
}

/// When the accounts are looked at next.
pub fn schedule_accounts(conn: &mut Conn, tenant_id: &str, at: i64) -> Result<()> {
    on!(conn, |c| diesel::update(i::installations.find(tenant_id))
        .set(i::next_accounts_at.eq(at))
        .execute(c))?;
    Ok(())
}

/// Applies an `installed` call to a known installation.
///
/// # Errors
/// [`Error::Conflict`] if it is being closed.
pub fn renew(conn: &mut Conn, tenant_id: &str, renewal: &Renewal) -> Result<()> {
    let stays = i::state_reason.is_null().or(i::state_reason.ne(CLOSING).assume_not_null());
    let this = i::installations.find(tenant_id).filter(stays);
    let renewed = on!(conn, |c| diesel::update(this).set(renewal).execute(c))?;
    if renewed == 1 { Ok(()) } else { Err(Error::Conflict) }
}

/// From here on nothing keeps a suspended installation from being closed; false if something has brought it back.
pub fn begin_closing(conn: &mut Conn, tenant_id: &str, reason: &str) -> Result<bool> {
    let still = i::state_reason.eq_any([reason, CLOSING]).assume_not_null();
    let this = i::installations.find(tenant_id).filter(i::state.eq(SUSPENDED)).filter(still);
    Ok(on!(conn, |c| diesel::update(this).set(i::state_reason.eq(CLOSING)).execute(c))? == 1)
}

/// ClientKeys of the open installations on a site.
pub fn open_on_site(conn: &mut Conn, base_url: &str) -> Result<Vec<String>> {
    Ok(on!(conn, |c| i::installations
        .filter(i::base_url.eq(base_url).and(i::state.ne(CLOSED)))
        .select(i::client_key)
        .load(c))?)
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

/// Suspends every other active installation on the same site that `rival` says takes the same place, by its clientKey;
/// returns their ids and clientKeys.
pub fn supersede_others(
    conn: &mut Conn,
    by: &Installation,
    rival: impl Fn(&str) -> bool,
    now: i64,
) -> Result<Vec<(String, String)>> {
    let mut others: Vec<(String, String)> = on!(conn, |c| i::installations
        .filter(i::base_url.eq(&by.base_url))
        .filter(i::tenant_id.ne(&by.tenant_id).and(i::state.eq(ACTIVE)))
        .select((i::tenant_id, i::client_key))
        .load(c))?;
    others.retain(|(_, client_key)| rival(client_key));
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

/// Suspended because its site refused us, and for nothing else.
type Refused = diesel::dsl::And<
    diesel::dsl::Eq<i::state, &'static str>,
    diesel::dsl::Like<i::state_reason, &'static str>,
>;

fn refused() -> Refused {
    i::state.eq(SUSPENDED).and(i::state_reason.like(REFUSED))
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

/// A suspended installation: its id, its clientKey and why.
pub type Suspended = (String, String, Option<String>);

/// Installations that are suspended since before an instant.
pub fn suspended_before(conn: &mut Conn, before: i64) -> Result<Vec<Suspended>> {
    let long = i::state.eq(SUSPENDED).and(i::state_since.le(before));
    let found = i::installations.filter(long).select((i::tenant_id, i::client_key, i::state_reason));
    Ok(on!(conn, |c| found.load(c))?)
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
