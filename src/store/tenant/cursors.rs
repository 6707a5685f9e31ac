//! How far the feeds were consumed, in Jira's time.

use super::TenantConn;
use super::schema::cursors::dsl as c;
use crate::conn::on;
use crate::error::Result;
use diesel::prelude::*;

/// The value of a cursor.
pub fn get(db: &mut TenantConn<'_>, name: &str) -> Result<Option<i64>> {
    Ok(on!(db.conn, |c| c::cursors.find(name).select(c::value).first(c).optional())?)
}

/// Sets a cursor.
pub fn set(db: &mut TenantConn<'_>, name: &str, value: i64) -> Result<()> {
    on!(db.conn, |c| diesel::insert_into(c::cursors)
        .values((c::name.eq(name), c::value.eq(value)))
        .on_conflict(c::name)
        .do_update()
        .set(c::value.eq(value))
        .execute(c))?;
    Ok(())
}

/// Forgets a cursor.
pub fn clear(db: &mut TenantConn<'_>, name: &str) -> Result<()> {
    on!(db.conn, |c| diesel::delete(c::cursors.find(name)).execute(c))?;
    Ok(())
}
