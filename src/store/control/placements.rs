//! Where tenants' databases are, and which of them are held back for now.

use super::schema::holds::dsl as h;
use super::schema::placements::dsl as p;
use crate::conn::{Conn, on};
use crate::error::Result;
use diesel::prelude::*;

/// Where a tenant's database is, if it is not a file.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = super::schema::placements, primary_key(tenant_id), treat_none_as_null = true)]
pub struct Placement {
    /// Whose.
    pub tenant_id: String,
    /// Configured name of the server.
    pub server: String,
    /// Name of the database and of its role.
    pub database_name: String,
    /// Password of the role, sealed under the tenant's key.
    pub password: Option<Vec<u8>>,
}

/// Where a tenant's database is; `None` if it is a file.
pub fn find(conn: &mut Conn, tenant_id: &str) -> Result<Option<Placement>> {
    Ok(on!(conn, |c| p::placements.find(tenant_id).select(Placement::as_select()).first(c).optional())?)
}

/// Places a tenant, or places it anew.
pub fn put(conn: &mut Conn, placement: &Placement) -> Result<()> {
    on!(conn, |c| diesel::insert_into(p::placements)
        .values(placement)
        .on_conflict(p::tenant_id)
        .do_update()
        .set(placement)
        .execute(c))?;
    Ok(())
}

/// A tenant's database is a file from now on, or nowhere.
pub fn remove(conn: &mut Conn, tenant_id: &str) -> Result<()> {
    on!(conn, |c| diesel::delete(p::placements.find(tenant_id)).execute(c))?;
    Ok(())
}

/// All placements.
pub fn all(conn: &mut Conn) -> Result<Vec<Placement>> {
    Ok(on!(conn, |c| p::placements.order(p::tenant_id).select(Placement::as_select()).load(c))?)
}

/// How many tenants each server has.
pub fn by_server(conn: &mut Conn) -> Result<Vec<(String, i64)>> {
    Ok(on!(conn, |c| p::placements
        .group_by(p::server)
        .select((p::server, diesel::dsl::count_star()))
        .load(c))?)
}

/// It is being moved.
pub const MOVING: &str = "moving";
/// A migration of its database failed.
pub const QUARANTINE: &str = "quarantine";

/// Why a tenant is not served for now.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = super::schema::holds, primary_key(tenant_id))]
pub struct Hold {
    /// Whose.
    pub tenant_id: String,
    /// [`MOVING`] or [`QUARANTINE`].
    pub kind: String,
    /// More about it, in our own words.
    pub reason: String,
    /// Since when.
    pub since: i64,
}

/// Holds a tenant back.
pub fn hold(conn: &mut Conn, hold: &Hold) -> Result<()> {
    on!(conn, |c| diesel::insert_into(h::holds)
        .values(hold)
        .on_conflict(h::tenant_id)
        .do_update()
        .set(hold)
        .execute(c))?;
    Ok(())
}

/// Serves a tenant again; false if it was not held for that.
pub fn release(conn: &mut Conn, tenant_id: &str, kind: &str) -> Result<bool> {
    Ok(on!(conn, |c| diesel::delete(h::holds.find(tenant_id).filter(h::kind.eq(kind))).execute(c))? > 0)
}

/// Nothing holds a tenant any more: it is gone.
pub fn forget_holds(conn: &mut Conn, tenant_id: &str) -> Result<()> {
    on!(conn, |c| diesel::delete(h::holds.find(tenant_id)).execute(c))?;
    Ok(())
}

/// Why a tenant is held.
pub fn held(conn: &mut Conn, tenant_id: &str) -> Result<Option<Hold>> {
    Ok(on!(conn, |c| h::holds.find(tenant_id).select(Hold::as_select()).first(c).optional())?)
}

/// All tenants that are held.
pub fn all_held(conn: &mut Conn) -> Result<Vec<Hold>> {
    Ok(on!(conn, |c| h::holds.order((h::since, h::tenant_id)).select(Hold::as_select()).load(c))?)
}
