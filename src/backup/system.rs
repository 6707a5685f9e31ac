//! Backups of the keyring and of the control database, and what a disaster is survived with.

use super::file::{self, Of, Writing};
use super::vault::Vault;
use super::{Found, SYSTEM_PRUNED_MS};
use crate::app::App;
use crate::keyring::Keyring;
use anyhow::{Context, bail};
use hourbook_crypto::backup::BackupKey;
use hourbook_crypto::master::MasterKeys;
use hourbook_store::conn::{Conn, Db};
use hourbook_store::control;
use hourbook_store::dump::Summary;
use hourbook_store::error::Result;
use hourbook_store::keyring;
use std::io::{self, Read, Write};
use std::sync::Arc;

/// The databases without which no tenant opens. The inbox is not among them: what waits there is found by a sync.
pub const DATABASES: [&str; 2] = ["keyring", "control"];

/// Writes the content of one of the two databases as a stream.
///
/// # Errors
/// When it cannot be read, or the stream not be written.
pub fn write_content(database: &str, conn: &mut Conn, sink: &mut dyn Write) -> Result<Summary> {
    match database {
        "keyring" => keyring::write_content(conn, sink),
        _ => control::content::write(conn, sink),
    }
}

/// Reads the content of one of the two databases into an empty one.
///
/// # Errors
/// When it is broken, or of a newer version.
pub fn read_content(database: &str, conn: &mut Conn, source: impl Read) -> Result<Summary> {
    match database {
        "keyring" => keyring::read_content(conn, source),
        _ => control::content::read(conn, source),
    }
}

/// The job: backs both up and forgets older ones.
///
/// # Errors
/// When a database cannot be read, or a backup not be written.
pub async fn run(app: &Arc<App>) -> anyhow::Result<()> {
    let now = app.clock.now_ms();
    for name in DATABASES {
        let this = Arc::clone(app);
        let made = tokio::task::spawn_blocking(move || make(&this, name, now)).await?;
        made.with_context(|| format!("backing up the {name} database"))?;
        super::prune(&app.vault, &super::of_system(name), now - SYSTEM_PRUNED_MS, true).await?;
    }
    Ok(())
}

fn make(app: &App, name: &str, now: i64) -> anyhow::Result<()> {
    let master = app.keyring.master();
    let of = Of::System { database: name.into(), master: master.current_id().into() };
    let header = file::Header::new(of, now);
    let path = super::path(&super::of_system(name), now);
    let mut file = Writing::create(&app.vault, &path, &header, &master.backup_key())?;
    let db = if name == "keyring" { app.keyring.db() } else { &app.control };
    db.read_blocking(|conn| write_content(name, conn, &mut file))?;
    file.finish()?;
    Ok(())
}

/// Removes what is older than two days, also while no new ones can be made: a destroyed key must not live on in them.
///
/// # Errors
/// When one cannot be removed.
pub async fn prune(vault: &Vault, now: i64) -> anyhow::Result<()> {
    for name in DATABASES {
        super::prune(vault, &super::of_system(name), now - SYSTEM_PRUNED_MS, false).await?;
    }
    Ok(())
}

/// Removes every backup of the control database: account information that was removed must not live on in them.
///
/// # Errors
/// When one cannot be removed.
pub async fn forget_control(vault: &Vault) -> anyhow::Result<()> {
    super::prune(vault, &super::of_system("control"), i64::MAX, false).await.map(drop)
}

fn key(header: &file::Header, name: &str, master: &MasterKeys) -> anyhow::Result<BackupKey> {
    match &header.of {
        Of::System { database, master: id } if database == name => Ok(master.backup_key_of(id)?),
        _ => bail!("it is a backup of something else"),
    }
}

/// Id of the master key under which a backup is sealed.
///
/// # Errors
/// When it is none of the service's.
pub fn master_of(vault: &Vault, found: &Found) -> anyhow::Result<String> {
    match file::header(vault, &found.path)?.of {
        Of::System { master, .. } => Ok(master),
        _ => bail!("it is a backup of something else"),
    }
}

/// Reads a backup back without keeping it: every byte is proved.
///
/// # Errors
/// When it does not open.
pub fn verify(vault: &Vault, found: &Found, name: &str, master: &MasterKeys) -> anyhow::Result<()> {
    let (_, mut content) = file::open(vault, &found.path, |header| key(header, name, master))?;
    io::copy(&mut content, &mut io::sink()).context("the backup does not open")?;
    file::ended(content)
}

/// Reads the newest backups of both databases into empty ones. No server may run.
///
/// # Errors
/// When there is no backup of one, or it does not open; what was read then counts for nothing.
pub async fn restore(
    vault: &Vault,
    keyring: &Keyring,
    control: &Arc<Db>,
    master: &MasterKeys,
) -> anyhow::Result<Vec<Found>> {
    let mut restored = Vec::new();
    for name in DATABASES {
        let newest = super::list(vault, &super::of_system(name)).await?.pop();
        let newest = newest.with_context(|| format!("there is no backup of the {name} database"))?;
        tokio::task::block_in_place(|| {
            let (_, mut content) = file::open(vault, &newest.path, |header| key(header, name, master))?;
            let db = if name == "keyring" { keyring.db() } else { control };
            db.write_blocking(|conn| read_content(name, conn, &mut content))?;
            file::ended(content)
        })
        .with_context(|| format!("reading {}", newest.path))?;
        restored.push(newest);
    }
    Ok(restored)
}
