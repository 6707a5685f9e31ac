//! The keyring: wrapped data keys in a database of their own, and nothing else.
//!
//! What is deleted here is overwritten (`secure_delete`), and the log is emptied into the database after a
//! destruction, so that no page of it keeps a key.

use crate::conn::{Conn, Db};
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

/// Opens the keyring, migrated.
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
    diesel::insert_into(k::data_keys).values(key).execute(conn)?;
    Ok(())
}

/// All versions of a tenant's key, ascending.
pub fn of_tenant(conn: &mut Conn, tenant_id: &str) -> Result<Vec<WrappedKey>> {
    Ok(k::data_keys
        .filter(k::tenant_id.eq(tenant_id))
        .order(k::version)
        .select(WrappedKey::as_select())
        .load(conn)?)
}

/// Destroys all versions of a tenant's key; returns when they were destroyed, which an earlier time stays.
pub fn destroy(conn: &mut Conn, tenant_id: &str, now: i64) -> Result<i64> {
    diesel::delete(k::data_keys.filter(k::tenant_id.eq(tenant_id))).execute(conn)?;
    diesel::insert_or_ignore_into(d::destroyed)
        .values((d::tenant_id.eq(tenant_id), d::destroyed_at.eq(now)))
        .execute(conn)?;
    Ok(d::destroyed.find(tenant_id).select(d::destroyed_at).first(conn)?)
}

/// When a tenant's keys were destroyed.
pub fn destroyed_at(conn: &mut Conn, tenant_id: &str) -> Result<Option<i64>> {
    Ok(d::destroyed.find(tenant_id).select(d::destroyed_at).first(conn).optional()?)
}

/// Tenants whose keys were destroyed.
pub fn all_destroyed(conn: &mut Conn) -> Result<Vec<String>> {
    Ok(d::destroyed.select(d::tenant_id).load(conn)?)
}

/// Forgets that a tenant's keys were destroyed, once nothing of the tenant is left.
pub fn forget(conn: &mut Conn, tenant_id: &str) -> Result<()> {
    diesel::delete(d::destroyed.find(tenant_id)).execute(conn)?;
    Ok(())
}

/// Tenants that have a key, with the time of their first one.
pub fn tenants(conn: &mut Conn) -> Result<Vec<(String, Option<i64>)>> {
    Ok(k::data_keys
        .group_by(k::tenant_id)
        .select((k::tenant_id, diesel::dsl::min(k::created_at)))
        .load(conn)?)
}

/// Keys that another master key than the given one wraps.
pub fn wrapped_by_others(conn: &mut Conn, current: &str, limit: i64) -> Result<Vec<WrappedKey>> {
    let others = k::data_keys.filter(k::master_key.ne(current)).order((k::tenant_id, k::version));
    Ok(others.limit(limit).select(WrappedKey::as_select()).load(conn)?)
}

/// Replaces the wrapping of a key, if it is still there: one that was destroyed meanwhile stays destroyed.
pub fn rewrap(conn: &mut Conn, key: &WrappedKey) -> Result<()> {
    diesel::update(k::data_keys.find((&key.tenant_id, key.version)))
        .set((k::master_key.eq(&key.master_key), k::wrapped.eq(&key.wrapped)))
        .execute(conn)?;
    Ok(())
}

/// How many keys and secrets name each master key.
pub fn named(conn: &mut Conn) -> Result<Vec<(String, i64)>> {
    let mut named: Vec<(String, i64)> =
        k::data_keys.group_by(k::master_key).select((k::master_key, diesel::dsl::count_star())).load(conn)?;
    for id in s::secrets.select(s::master_key).load::<String>(conn)? {
        match named.iter_mut().find(|(known, _)| *known == id) {
            Some((_, count)) => *count += 1,
            None => named.push((id, 1)),
        }
    }
    Ok(named)
}

/// A secret of the service.
pub fn secret(conn: &mut Conn, name: &str) -> Result<Option<SealedSecret>> {
    Ok(s::secrets.find(name).select(SealedSecret::as_select()).first(conn).optional()?)
}

/// Secrets of the service.
pub fn secrets(conn: &mut Conn) -> Result<Vec<SealedSecret>> {
    Ok(s::secrets.select(SealedSecret::as_select()).load(conn)?)
}

/// Keeps a secret, replacing the one of its name.
pub fn put_secret(conn: &mut Conn, secret: &SealedSecret) -> Result<()> {
    diesel::replace_into(s::secrets).values(secret).execute(conn)?;
    Ok(())
}
