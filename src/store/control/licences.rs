//! What hosts last said of tenants' licences: account information, like the site's address.

use super::schema::licences::dsl as l;
use crate::conn::{Conn, on};
use crate::error::Result;
use diesel::prelude::*;

/// It is paid for, or on trial.
pub const ACTIVE: &str = "active";
/// It is not.
pub const INACTIVE: &str = "inactive";

/// A licence. Instants are milliseconds since 1970, UTC.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = super::schema::licences, primary_key(tenant_id), treat_none_as_null = true)]
#[diesel(treat_none_as_default_value = false)]
pub struct Licence {
    /// Whose.
    pub tenant_id: String,
    /// [`ACTIVE`] or [`INACTIVE`].
    pub state: String,
    /// Since when.
    pub state_since: i64,
    /// Whether it is a trial.
    pub evaluation: bool,
    /// When the trial or the subscription ends, where the host says so.
    pub ends_at: Option<i64>,
}

/// The licence of a tenant, if its host ever told of one.
pub fn find(conn: &mut Conn, tenant_id: &str) -> Result<Option<Licence>> {
    Ok(on!(conn, |c| l::licences.find(tenant_id).select(Licence::as_select()).first(c).optional())?)
}

/// Keeps what a host said.
pub fn put(conn: &mut Conn, licence: &Licence) -> Result<()> {
    on!(conn, |c| diesel::insert_into(l::licences)
        .values(licence)
        .on_conflict(l::tenant_id)
        .do_update()
        .set(licence)
        .execute(c))?;
    Ok(())
}

/// Removes what is known of a tenant's.
pub fn remove(conn: &mut Conn, tenant_id: &str) -> Result<()> {
    on!(conn, |c| diesel::delete(l::licences.find(tenant_id)).execute(c))?;
    Ok(())
}
