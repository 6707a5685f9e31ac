//! Forge installations: every installation id that a tenant ever had.
//!
//! The id changes with each reinstallation while the site's cloud id stays. At most one row of a tenant is
//! [`CURRENT`]; the others are there so that a late call of a former installation is known for what it is.

use super::installations::{self, Installation};
use super::schema::forge_installations::dsl as f;
use crate::conn::{Conn, on};
use crate::error::Result;
use diesel::prelude::*;

/// The installation that is in use.
pub const CURRENT: &str = "current";
/// Its removal was announced: another installation may still take its place.
pub const LEAVING: &str = "leaving";
/// Another installation took its place.
pub const REPLACED: &str = "replaced";
/// Removed from its site.
pub const UNINSTALLED: &str = "uninstalled";
/// Nothing was heard of it for long.
pub const SILENT: &str = "silent";

/// One installation. Instants are milliseconds since 1970, UTC.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = super::schema::forge_installations, treat_none_as_default_value = false)]
pub struct ForgeInstallation {
    /// Atlassian's name of it.
    pub installation_id: String,
    /// Whose.
    pub tenant_id: String,
    /// The site.
    pub cloud_id: String,
    /// The app's environment that is installed.
    pub environment_id: String,
    /// Its type: `PRODUCTION`, `STAGING` or `DEVELOPMENT`.
    pub environment: String,
    /// The version of the app that last spoke.
    pub app_version: String,
    /// [`CURRENT`], [`LEAVING`], [`REPLACED`], [`UNINSTALLED`] or [`SILENT`].
    pub state: String,
    /// Since when.
    pub state_since: i64,
    /// When it was first heard of.
    pub first_heard_at: i64,
    /// When it was last heard of, to a minute or so.
    pub heard_at: i64,
    /// The newest token for acting as the app, sealed.
    pub system_token: Option<Vec<u8>>,
    /// Until when it holds.
    pub system_token_until: Option<i64>,
}

/// An installation by its id.
pub fn find(conn: &mut Conn, installation_id: &str) -> Result<Option<ForgeInstallation>> {
    Ok(on!(conn, |c| f::forge_installations
        .find(installation_id)
        .select(ForgeInstallation::as_select())
        .first(c)
        .optional())?)
}

/// The installation that a tenant has now.
pub fn current_of(conn: &mut Conn, tenant_id: &str) -> Result<Option<ForgeInstallation>> {
    Ok(on!(conn, |c| f::forge_installations
        .filter(f::tenant_id.eq(tenant_id).and(f::state.eq(CURRENT)))
        .select(ForgeInstallation::as_select())
        .first(c)
        .optional())?)
}

/// All installations that a tenant had, oldest first.
pub fn of_tenant(conn: &mut Conn, tenant_id: &str) -> Result<Vec<ForgeInstallation>> {
    Ok(on!(conn, |c| f::forge_installations
        .filter(f::tenant_id.eq(tenant_id))
        .order((f::first_heard_at, f::installation_id))
        .select(ForgeInstallation::as_select())
        .load(c))?)
}

/// The tenant of a site and environment that is not closed.
pub fn tenant_of(conn: &mut Conn, cloud_id: &str, environment_id: &str) -> Result<Option<Installation>> {
    let ids: Vec<String> = on!(conn, |c| f::forge_installations
        .filter(f::cloud_id.eq(cloud_id).and(f::environment_id.eq(environment_id)))
        .order(f::first_heard_at.desc())
        .select(f::tenant_id)
        .load(c))?;
    for id in ids {
        if let Some(found) = installations::find(conn, &id)?
            && found.state != installations::CLOSED
            && found.state_reason.as_deref() != Some(installations::CLOSING)
        {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Adds an installation in the place of those that its tenant had before.
pub fn take_over(conn: &mut Conn, new: &ForgeInstallation) -> Result<()> {
    let nothing: Option<Vec<u8>> = None;
    let open = f::state.eq_any([CURRENT, LEAVING, SILENT]);
    on!(conn, |c| diesel::update(f::forge_installations.filter(f::tenant_id.eq(&new.tenant_id).and(open)))
        .set((
            f::state.eq(REPLACED),
            f::state_since.eq(new.first_heard_at),
            f::system_token.eq(&nothing),
            f::system_token_until.eq(None::<i64>),
        ))
        .execute(c))?;
    on!(conn, |c| diesel::insert_into(f::forge_installations).values(new).execute(c))?;
    Ok(())
}

/// Notes that an installation spoke.
pub fn heard(conn: &mut Conn, installation_id: &str, app_version: &str, now: i64) -> Result<()> {
    on!(conn, |c| diesel::update(f::forge_installations.find(installation_id))
        .set((f::heard_at.eq(now), f::app_version.eq(app_version)))
        .execute(c))?;
    Ok(())
}

/// Keeps a token if it holds longer than the one that is there; false if not.
pub fn keep_token(conn: &mut Conn, installation_id: &str, sealed: &[u8], until: i64) -> Result<bool> {
    let shorter = f::system_token_until.is_null().or(f::system_token_until.lt(until).assume_not_null());
    let kept = on!(conn, |c| diesel::update(f::forge_installations.find(installation_id).filter(shorter))
        .set((f::system_token.eq(sealed), f::system_token_until.eq(until)))
        .execute(c))?;
    Ok(kept == 1)
}

/// Replaces a sealed token by the same, sealed anew, unless another came meanwhile.
pub fn reseal(conn: &mut Conn, installation_id: &str, before: &[u8], sealed: &[u8]) -> Result<()> {
    on!(conn, |c| diesel::update(
        f::forge_installations.find(installation_id).filter(f::system_token.eq(before))
    )
    .set(f::system_token.eq(sealed))
    .execute(c))?;
    Ok(())
}

/// Moves an installation from one state into another and, unless it becomes current, forgets its token; false if it
/// was not in that state.
pub fn change(conn: &mut Conn, installation_id: &str, from: &str, to: &str, now: i64) -> Result<bool> {
    let nothing: Option<Vec<u8>> = None;
    let this = f::forge_installations.find(installation_id).filter(f::state.eq(from));
    let changed = on!(conn, |c| diesel::update(this)
        .set((
            f::state.eq(to),
            f::state_since.eq(now),
            f::system_token.eq(&nothing),
            f::system_token_until.eq(None::<i64>),
        ))
        .execute(c))?;
    Ok(changed == 1)
}

/// Its tenant is closed: no installation of it is in use any more. One that was silent may yet turn out to be there, and
/// begins anew then.
pub fn end_all(conn: &mut Conn, tenant_id: &str, now: i64) -> Result<()> {
    let nothing: Option<Vec<u8>> = None;
    let open = f::state.eq_any([CURRENT, LEAVING]);
    on!(conn, |c| diesel::update(f::forge_installations.filter(f::tenant_id.eq(tenant_id).and(open)))
        .set((
            f::state.eq(UNINSTALLED),
            f::state_since.eq(now),
            f::system_token.eq(&nothing),
            f::system_token_until.eq(None::<i64>),
        ))
        .execute(c))?;
    Ok(())
}

/// Forgets one installation: should it speak, it is a new one.
pub fn forget(conn: &mut Conn, installation_id: &str) -> Result<()> {
    on!(conn, |c| diesel::delete(f::forge_installations.find(installation_id)).execute(c))?;
    Ok(())
}

/// Installations in use of which nothing was heard since an instant.
pub fn silent_since(conn: &mut Conn, since: i64) -> Result<Vec<ForgeInstallation>> {
    Ok(on!(conn, |c| f::forge_installations
        .filter(f::state.eq(CURRENT).and(f::heard_at.lt(since)))
        .select(ForgeInstallation::as_select())
        .load(c))?)
}

/// Removes the history of a tenant.
pub fn remove(conn: &mut Conn, tenant_id: &str) -> Result<()> {
    on!(conn, |c| diesel::delete(f::forge_installations.filter(f::tenant_id.eq(tenant_id))).execute(c))?;
    Ok(())
}
