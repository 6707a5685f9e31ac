//! Secrets of the whole installation, sealed under a master key before they come here.

use super::schema::secrets::dsl as s;
use crate::conn::Conn;
use crate::error::Result;
use diesel::prelude::*;

/// A sealed secret by name.
pub fn find(conn: &mut Conn, name: &str) -> Result<Option<Vec<u8>>> {
    Ok(s::secrets.find(name).select(s::sealed).first(conn).optional()?)
}

/// Keeps a sealed secret, replacing the one of the same name.
pub fn put(conn: &mut Conn, name: &str, sealed: &[u8]) -> Result<()> {
    diesel::replace_into(s::secrets).values((s::name.eq(name), s::sealed.eq(sealed))).execute(conn)?;
    Ok(())
}
