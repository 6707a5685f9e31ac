//! Backups of the keyring and of the control database, and what a disaster is survived with.

use super::file::{self, Of};
use super::{Backups, Found, SYSTEM_PRUNED_MS};
use crate::app::{self, App};
use crate::keyring;
use anyhow::{Context, bail};
use hourbook_crypto::backup::BackupKey;
use hourbook_crypto::master::MasterKeys;
use std::fs;
use std::path::{Path, PathBuf};

/// The databases without which no tenant opens. The inbox is not among them: what waits there is found by a sync.
pub const DATABASES: [&str; 2] = ["keyring", "control"];

fn database(data_dir: &Path, name: &str) -> PathBuf {
    match name {
        "keyring" => keyring::path(data_dir),
        _ => app::control_path(data_dir),
    }
}

/// The job: backs both up and forgets older ones.
///
/// # Errors
/// When a file cannot be written.
pub async fn run(app: &App) -> anyhow::Result<()> {
    let (backups, data_dir) = (app.config.backups.clone(), app.config.storage.data_dir.clone());
    let (master, now) = (app.keyring.master(), app.clock.now_ms());
    tokio::task::spawn_blocking(move || -> anyhow::Result<()> {
        for name in DATABASES {
            let of = Of::System { database: name.into(), master: master.current_id().into() };
            let folder = backups.of_system(name);
            super::make(&database(&data_dir, name), &folder, of, &master.backup_key(), now)?;
            super::prune(&folder, now - SYSTEM_PRUNED_MS, true)?;
        }
        Ok(())
    })
    .await?
    .context("backing up the keyring and the control database")
}

/// Removes what is older than two days, also while no new ones can be made: a destroyed key must not live on in them.
///
/// # Errors
/// When a file cannot be removed.
pub fn prune(backups: &Backups, now: i64) -> anyhow::Result<()> {
    DATABASES
        .iter()
        .try_for_each(|name| super::prune(&backups.of_system(name), now - SYSTEM_PRUNED_MS, false).map(drop))
}

/// Removes every backup of the control database: account information that was removed must not live on in them.
///
/// # Errors
/// When a file cannot be removed.
pub fn forget_control(backups: &Backups) -> anyhow::Result<()> {
    super::prune(&backups.of_system("control"), i64::MAX, false).map(drop)
}

fn key(header: &file::Header, name: &str, master: &MasterKeys) -> anyhow::Result<BackupKey> {
    match &header.of {
        Of::System { database, master: id } if database == name => Ok(master.backup_key_of(id)?),
        _ => bail!("it is a backup of something else"),
    }
}

/// Reads a backup back and checks the database in it, without keeping it.
///
/// # Errors
/// When it does not open or SQLite finds the database broken.
pub fn verify(found: &Found, name: &str, master: &MasterKeys) -> anyhow::Result<()> {
    let scratch = found.path.with_extension("part");
    let result = read(found, name, master, &scratch);
    super::remove_if_there(&scratch)?;
    result
}

fn read(found: &Found, name: &str, master: &MasterKeys, into: &Path) -> anyhow::Result<()> {
    let mut out = fs::File::create(into)?;
    file::read(&found.path, |header| key(header, name, master), &mut out)?;
    out.sync_all()?;
    hourbook_store::migrate::check(into)?;
    Ok(())
}

/// Puts the newest backups of both databases in their place. No server may run; the caller holds the data folder.
///
/// # Errors
/// When there is no backup of one, or it does not open; then nothing was replaced.
pub fn restore(backups: &Backups, data_dir: &Path, master: &MasterKeys) -> anyhow::Result<Vec<Found>> {
    let mut ready = Vec::new();
    for name in DATABASES {
        let newest = super::list(&backups.of_system(name))?.pop();
        let newest = newest.with_context(|| format!("there is no backup of the {name} database"))?;
        let fresh = database(data_dir, name).with_extension("restored");
        read(&newest, name, master, &fresh).with_context(|| format!("reading {}", newest.path.display()))?;
        ready.push((name, fresh, newest));
    }
    let mut restored = Vec::new();
    for (name, fresh, found) in ready {
        super::replace(&database(data_dir, name), &fresh)?;
        restored.push(found);
    }
    Ok(restored)
}
