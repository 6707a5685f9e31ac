//! Backups of the embedded default: sealed files, in a folder for each installation.
//!
//! A tenant's are sealed under its data key and kept for weeks, because without the key they are noise. Those of the
//! keyring and of the control database are sealed under a master key and kept for [`SYSTEM_KEPT_MS`] only: a key that
//! is destroyed, and account information that is removed, are then gone from them too.

pub mod file;
pub mod system;
pub mod tenant;

use anyhow::Context;
use chrono::{TimeZone, Utc};
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// How long copies of keys live at most, ms: what receipts promise.
pub const SYSTEM_KEPT_MS: i64 = 48 * 3_600_000;
/// How old they get, ms: with an hour between two looks, and another to spare.
const SYSTEM_PRUNED_MS: i64 = SYSTEM_KEPT_MS - 2 * 3_600_000;

/// Where backups are and how long they stay.
#[derive(Debug, Clone)]
pub struct Backups {
    /// `HOURBOOK_BACKUP_DIR`.
    pub folder: PathBuf,
    /// `HOURBOOK_BACKUP_DAYS`: days that a tenant's backups are kept.
    pub days: i64,
    /// `HOURBOOK_BACKUP_HOUR`: hour of the day (UTC) from which on the nightly ones are made.
    pub hour: u32,
}

/// A backup that is there.
#[derive(Debug, Clone)]
pub struct Found {
    /// Where.
    pub path: PathBuf,
    /// What it says of itself.
    pub header: file::Header,
    /// Its size.
    pub bytes: u64,
}

impl Backups {
    /// Folder of an installation.
    pub fn of_tenant(&self, tenant_id: &str) -> PathBuf {
        self.folder.join("tenants").join(tenant_id)
    }

    /// Folder of a database of the service.
    pub fn of_system(&self, database: &str) -> PathBuf {
        self.folder.join("system").join(database)
    }
}

/// Name of a backup made at an instant: they sort by it.
fn name(at_ms: i64) -> String {
    let at = Utc.timestamp_millis_opt(at_ms).single().unwrap_or_default();
    format!("{}.hbk", at.format("%Y%m%dT%H%M%S%3fZ"))
}

fn make_folder(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// The backups in a folder, oldest first. What is no backup is left out, and said so.
///
/// # Errors
/// When the folder cannot be read; one that is not there has none.
pub fn list(folder: &Path) -> anyhow::Result<Vec<Found>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("reading {}", folder.display())),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "hbk") {
            continue;
        }
        match file::header(&path) {
            Ok(header) => found.push(Found { bytes: fs::metadata(&path)?.len(), path, header }),
            Err(error) => {
                tracing::warn!(path = %path.display(), error = format!("{error:#}"), "not a backup")
            }
        }
    }
    found.sort_by(|a, b| (a.header.created_at, &a.path).cmp(&(b.header.created_at, &b.path)));
    Ok(found)
}

/// Removes backups from before an instant, and what a crash left half written; the newest stays if `keep_newest`.
///
/// # Errors
/// When a file cannot be removed.
pub fn prune(folder: &Path, before: i64, keep_newest: bool) -> anyhow::Result<usize> {
    let mut found = list(folder)?;
    if keep_newest {
        found.pop();
    }
    let old: Vec<_> = found.into_iter().filter(|backup| backup.header.created_at < before).collect();
    for backup in &old {
        fs::remove_file(&backup.path)?;
    }
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "part") {
            fs::remove_file(&path)?;
        }
    }
    Ok(old.len())
}

/// Seals a copy of a database into a folder; returns the backup.
///
/// The copy lies beside the backups for a moment, with its sealed columns: nothing in clear is written.
fn make(
    database: &Path,
    folder: &Path,
    of: file::Of,
    key: &hourbook_crypto::backup::BackupKey,
    now: i64,
) -> anyhow::Result<Found> {
    make_folder(folder)?;
    let copy = folder.join("copy.part");
    remove_if_there(&copy)?;
    hourbook_store::migrate::snapshot(database, &copy).context("copying the database")?;
    let header = file::Header::new(of, now, fs::metadata(&copy)?.len());
    let path = folder.join(name(now));
    let bytes = file::write(&path, &header, key, &mut fs::File::open(&copy)?)?;
    fs::remove_file(&copy)?;
    Ok(Found { path, header, bytes })
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Puts a database that was read from a backup in the place of the one that is there, which nobody has open.
fn replace(database: &Path, fresh: &Path) -> anyhow::Result<()> {
    for suffix in ["-wal", "-shm"] {
        remove_if_there(&hourbook_store::migrate::with_suffix(database, suffix))?;
    }
    fs::File::open(fresh)?.sync_all()?;
    fs::rename(fresh, database)?;
    if let Some(folder) = database.parent() {
        fs::File::open(folder)?.sync_all()?;
    }
    Ok(())
}
