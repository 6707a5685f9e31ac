//! The keyring: wrapped data keys in a database of their own, and nothing else.
//!
//! What is deleted here is overwritten (`secure_delete`), and the log is emptied into the database after a
//! destruction, so that no page of it keeps a key.

use crate::conn::{Conn, Db, on};
use crate::dump::Summary;
use crate::error::{Error, Result};
use crate::migrate::{self, Schema};
use diesel::prelude::*;
use std::path::Path;

mod schema {
    diesel::table! {
        data_keys (tenant_id, version) {
            tenant_id -> Text,
            version -> Integer,
            master_key -> Text,
            wrapped -> Binary,
            created_at -> BigInt,
        }
    }

    diesel::table! {
        destroyed (tenant_id) {
            tenant_id -> Text,
            destroyed_at -> BigInt,
        }
    }

    diesel::table! {
        secrets (name) {
            name -> Text,
            master_key -> Text,
            sealed -> Binary,
        }
    }
}
use schema::data_keys::dsl as k;
use schema::destroyed::dsl as d;
use schema::secrets::dsl as s;

/// A data key as it is kept.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = schema::data_keys)]
pub struct WrappedKey {
    /// Whose key it is.
    pub tenant_id: String,
    /// Counts up from 1.
    pub version: i32,
    /// Id of the master key that wraps it.
    pub master_key: String,
    /// The key, wrapped.
    pub wrapped: Vec<u8>,
    /// When it was made.
    pub created_at: i64,
}

/// A secret of the service as it is kept.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = schema::secrets)]
pub struct SealedSecret {
    /// What it is.
    pub name: String,
    /// Id of the master key that seals it.
    pub master_key: String,
    /// The secret, sealed.
    pub sealed: Vec<u8>,
}

/// Tables in which keys stand: what [`Db::scrub`] is asked for after a destruction.
pub const TABLES: &[&str] = &["data_keys", "secrets", "destroyed"];

/// Opens the keyring in a file, migrated.
///
/// # Errors
/// When the file cannot be opened or migrated.
pub fn open(path: &Path) -> Result<Db> {
    migrate::up(path, Schema::Keyring)?;
    Db::open(path, 2)
}

/// Adds a key.
///
/// # Errors
/// [`Error::Closed`] if the tenant's keys were destroyed: they never come back.
pub fn insert(conn: &mut Conn, key: &WrappedKey) -> Result<()> {
    if destroyed_at(conn, &key.tenant_id)?.is_some() {
        return Err(Error::Closed);
    }
    on!(conn, |c| diesel::insert_into(k::data_keys).values(key).execute(c))?;
    Ok(())
}

/// All versions of a tenant's key, ascending.
pub fn of_tenant(conn: &mut Conn, tenant_id: &str) -> Result<Vec<WrappedKey>> {
    Ok(on!(conn, |c| k::data_keys
        .filter(k::tenant_id.eq(tenant_id))
        .order(k::version)
        .select(WrappedKey::as_select())
        .load(c))?)
}

/// Destroys all versions of a tenant's key; returns when they were destroyed, which an earlier time stays.
pub fn destroy(conn: &mut Conn, tenant_id: &str, now: i64) -> Result<i64> {
    on!(conn, |c| diesel::delete(k::data_keys.filter(k::tenant_id.eq(tenant_id))).execute(c))?;
    on!(conn, |c| diesel::insert_into(d::destroyed)
        .values((d::tenant_id.eq(tenant_id), d::destroyed_at.eq(now)))
        .on_conflict_do_nothing()
        .execute(c))?;
    Ok(on!(conn, |c| d::destroyed.find(tenant_id).select(d::destroyed_at).first(c))?)
}

/// When a tenant's keys were destroyed.
pub fn destroyed_at(conn: &mut Conn, tenant_id: &str) -> Result<Option<i64>> {
    Ok(on!(conn, |c| d::destroyed.find(tenant_id).select(d::destroyed_at).first(c).optional())?)
}

/// Tenants whose keys were destroyed.
pub fn all_destroyed(conn: &mut Conn) -> Result<Vec<String>> {
    Ok(on!(conn, |c| d::destroyed.select(d::tenant_id).load(c))?)
}

/// Forgets that a tenant's keys were destroyed, once nothing of the tenant is left.
pub fn forget(conn: &mut Conn, tenant_id: &str) -> Result<()> {
    on!(conn, |c| diesel::delete(d::destroyed.find(tenant_id)).execute(c))?;
    Ok(())
}

/// Tenants that have a key, with the time of their first one.
pub fn tenants(conn: &mut Conn) -> Result<Vec<(String, Option<i64>)>> {
    Ok(on!(conn, |c| k::data_keys
        .group_by(k::tenant_id)
        .select((k::tenant_id, diesel::dsl::min(k::created_at)))
        .load(c))?)
}

/// Keys that another master key than the given one wraps.
pub fn wrapped_by_others(conn: &mut Conn, current: &str, limit: i64) -> Result<Vec<WrappedKey>> {
    let others = k::data_keys.filter(k::master_key.ne(current)).order((k::tenant_id, k::version));
    Ok(on!(conn, |c| others.limit(limit).select(WrappedKey::as_select()).load(c))?)
}

/// Replaces the wrapping of a key, if it is still there: one that was destroyed meanwhile stays destroyed.
pub fn rewrap(conn: &mut Conn, key: &WrappedKey) -> Result<()> {
    on!(conn, |c| diesel::update(k::data_keys.find((&key.tenant_id, key.version)))
        .set((k::master_key.eq(&key.master_key), k::wrapped.eq(&key.wrapped)))
        .execute(c))?;
    Ok(())
}

/// How many keys and secrets name each master key.
pub fn named(conn: &mut Conn) -> Result<Vec<(String, i64)>> {
    let mut named: Vec<(String, i64)> = on!(conn, |c| k::data_keys
        .group_by(k::master_key)
        .select((k::master_key, diesel::dsl::count_star()))
        .load(c))?;
    for id in on!(conn, |c| s::secrets.select(s::master_key).load::<String>(c))? {
        match named.iter_mut().find(|(known, _)| *known == id) {
            Some((_, count)) => *count += 1,
            None => named.push((id, 1)),
        }
    }
    Ok(named)
}

/// A secret of the service.
pub fn secret(conn: &mut Conn, name: &str) -> Result<Option<SealedSecret>> {
    Ok(on!(conn, |c| s::secrets.find(name).select(SealedSecret::as_select()).first(c).optional())?)
}

/// Secrets of the service.
pub fn secrets(conn: &mut Conn) -> Result<Vec<SealedSecret>> {
    Ok(on!(conn, |c| s::secrets.select(SealedSecret::as_select()).load(c))?)
}

/// Keeps a secret, replacing the one of its name.
pub fn put_secret(conn: &mut Conn, secret: &SealedSecret) -> Result<()> {
    on!(conn, |c| diesel::insert_into(s::secrets)
        .values(secret)
        .on_conflict(s::name)
        .do_update()
        .set((s::master_key.eq(&secret.master_key), s::sealed.eq(&secret.sealed)))
        .execute(c))?;
    Ok(())
}

mod content {
    use super::schema;
    use crate::dump::{dumped, tables};

    dumped!(DataKeys of schema::data_keys by (tenant_id, version) {
        tenant_id: String,
        version: i32,
        master_key: String,
        wrapped: Vec<u8>,
        created_at: i64,
    });

    dumped!(Destroyed of schema::destroyed by (tenant_id) {
        tenant_id: String,
        destroyed_at: i64,
    });

    dumped!(Secrets of schema::secrets by (name) {
        name: String,
        master_key: String,
        sealed: Vec<u8>,
    });

    tables!(DataKeys, Destroyed, Secrets);
}

/// Writes the content as a stream: see [`crate::dump`].
///
/// # Errors
/// When the keyring cannot be read or the stream not be written.
pub fn write_content(conn: &mut Conn, sink: &mut dyn std::io::Write) -> Result<Summary> {
    content::dump(conn, sink)
}

/// Reads a stream into an empty keyring.
///
/// # Errors
/// When the stream is broken or of a newer version; then nothing may be committed.
pub fn read_content(conn: &mut Conn, source: impl std::io::Read) -> Result<Summary> {
    content::load(conn, source)
}
