//! Backups: sealed files in a [`vault`], under a prefix for each installation.
//!
//! A tenant's are sealed under its data key and kept for weeks, because without the key they are noise. Those of the
//! keyring and of the control database are sealed under a master key and kept for [`SYSTEM_KEPT_MS`] only: a key that
//! is destroyed, and account information that is removed, are then gone from them too.
//!
//! What is in them is the content of a database as `hourbook_store::dump` writes it, whichever backend it comes from.

pub mod file;
pub mod system;
pub mod tenant;
pub mod vault;

use chrono::{NaiveDateTime, TimeZone, Utc};
use vault::{Vault, Whereabouts};

/// How long our own copies of keys live at most, ms.
pub const SYSTEM_KEPT_MS: i64 = 48 * 3_600_000;
/// How old they get, ms: with an hour between two looks, and another to spare.
const SYSTEM_PRUNED_MS: i64 = SYSTEM_KEPT_MS - 2 * 3_600_000;
/// How names of backups tell when they were made: they sort by it.
const NAME: &str = "%Y%m%dT%H%M%S%3fZ";
const EXTENSION: &str = ".hbk";

/// Where backups are and how long they stay.
#[derive(Debug, Clone)]
pub struct Backups {
    /// `HOURBOOK_BACKUP_URL` or `HOURBOOK_BACKUP_DIR`.
    pub at: Whereabouts,
    /// `HOURBOOK_BACKUP_DAYS`: days that a tenant's backups are kept.
    pub days: i64,
    /// `HOURBOOK_BACKUP_HOUR`: hour of the day (UTC) from which on the nightly ones are made.
    pub hour: u32,
    /// `HOURBOOK_KEY_COPIES_HOURS`, in ms: how long copies of the keyring live that the operator makes of the database
    /// server, if they live longer than ours. Receipts promise it.
    pub key_copies_ms: i64,
}

/// A backup that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its whole name in the vault.
    pub path: String,
    /// When it was made, ms.
    pub created_at: i64,
    /// Its size.
    pub bytes: u64,
}

impl Found {
    /// Its name among those of its installation.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }
}

/// Prefix of an installation's backups.
pub fn of_tenant(tenant_id: &str) -> String {
    format!("tenants/{tenant_id}")
}

/// Prefix of those of a database of the service.
pub fn of_system(database: &str) -> String {
    format!("system/{database}")
}

/// The whole name of a backup made at an instant.
fn path(prefix: &str, at_ms: i64) -> String {
    let at = Utc.timestamp_millis_opt(at_ms).single().unwrap_or_default();
    format!("{prefix}/{}{EXTENSION}", at.format(NAME))
}

/// The backups below a prefix, oldest first. What is no backup is left out.
///
/// # Errors
/// When the vault cannot be asked.
pub async fn list(vault: &Vault, prefix: &str) -> anyhow::Result<Vec<Found>> {
    let objects = vault.list(prefix).await?;
    let found = objects.into_iter().filter_map(|object| {
        let name = object.path.rsplit('/').next()?.strip_suffix(EXTENSION)?;
        let created_at = NaiveDateTime::parse_from_str(name, NAME).ok()?.and_utc().timestamp_millis();
        Some(Found { created_at, bytes: object.bytes, path: object.path })
    });
    let mut found: Vec<Found> = found.collect();
    found.sort_by(|a, b| (a.created_at, &a.path).cmp(&(b.created_at, &b.path)));
    Ok(found)
}

/// Removes backups from before an instant; the newest stays if `keep_newest`.
///
/// # Errors
/// When one cannot be removed.
pub async fn prune(vault: &Vault, prefix: &str, before: i64, keep_newest: bool) -> anyhow::Result<usize> {
    let mut found = list(vault, prefix).await?;
    if keep_newest {
        found.pop();
    }
    let old: Vec<_> = found.into_iter().filter(|backup| backup.created_at < before).collect();
    for backup in &old {
        vault.remove(&backup.path).await?;
    }
    Ok(old.len())
}
