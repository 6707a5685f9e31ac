//! Settings of a tenant, by name.

use super::TenantConn;
use super::schema::settings::dsl as s;
use crate::conn::on;
use crate::error::Result;
use diesel::prelude::*;

/// The value of a setting.
pub fn get(db: &mut TenantConn<'_>, name: &str) -> Result<Option<String>> {
    Ok(on!(db.conn, |c| s::settings.find(name).select(s::value).first(c).optional())?)
}

/// Sets a setting.
pub fn set(db: &mut TenantConn<'_>, name: &str, value: &str) -> Result<()> {
    on!(db.conn, |c| diesel::insert_into(s::settings)
        .values((s::name.eq(name), s::value.eq(value)))
        .on_conflict(s::name)
        .do_update()
        .set(s::value.eq(value))
        .execute(c))?;
    Ok(())
}

/// Sets a setting, or removes it.
pub fn put_or_clear(db: &mut TenantConn<'_>, name: &str, value: Option<&str>) -> Result<()> {
    match value {
        Some(value) => set(db, name, value),
        None => {
            on!(db.conn, |c| diesel::delete(s::settings.find(name)).execute(c))?;
            Ok(())
        }
    }
}
