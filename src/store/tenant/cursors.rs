//! How far the feeds were consumed, in Jira's time.

use super::TenantConn;
use super::schema::cursors::dsl as c;
use crate::error::Result;
use diesel::prelude::*;

/// The value of a cursor.
pub fn get(db: &mut TenantConn<'_>, name: &str) -> Result<Option<i64>> {
    Ok(c::cursors.find(name).select(c::value).first(db.conn).optional()?)
}

/// Sets a cursor.
pub fn set(db: &mut TenantConn<'_>, name: &str, value: i64) -> Result<()> {
    diesel::replace_into(c::cursors).values((c::name.eq(name), c::value.eq(value))).execute(db.conn)?;
    Ok(())
}

/// Forgets a cursor.
pub fn clear(db: &mut TenantConn<'_>, name: &str) -> Result<()> {
    diesel::delete(c::cursors.find(name)).execute(db.conn)?;
    Ok(())
}
