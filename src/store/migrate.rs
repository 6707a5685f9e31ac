//! Embedded migrations, and the template from which new tenant databases are copied.

use crate::conn::Conn;
use crate::error::{Error, Result};
use diesel::connection::SimpleConnection;
use diesel::{Connection, RunQueryDsl};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use std::fs;
use std::path::Path;

const CONTROL: EmbeddedMigrations = embed_migrations!("../../migrations/control/sqlite");
const KEYRING: EmbeddedMigrations = embed_migrations!("../../migrations/keyring/sqlite");
const INBOX: EmbeddedMigrations = embed_migrations!("../../migrations/inbox/sqlite");
const TENANT: EmbeddedMigrations = embed_migrations!("../../migrations/tenant/sqlite");

/// Which of the four schemas a file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schema {
    /// Installations, jobs, receipts.
    Control,
    /// Wrapped keys.
    Keyring,
    /// Webhooks on their way.
    Inbox,
    /// The copy of one Jira instance.
    Tenant,
}

/// Brings the file up to date, creating it if need be; returns the migrations applied.
///
/// # Errors
/// When a migration fails; those before it stay applied.
pub fn up(path: &Path, schema: Schema) -> Result<usize> {
    up_after(path, schema, || Ok(()))
}

/// Like [`up`], with something that has to succeed before anything is changed, if anything is to be.
///
/// # Errors
/// When `first` or a migration fails.
pub fn up_after(path: &Path, schema: Schema, first: impl FnOnce() -> Result<()>) -> Result<usize> {
    let source = || match schema {
        Schema::Control => CONTROL,
        Schema::Keyring => KEYRING,
        Schema::Inbox => INBOX,
        Schema::Tenant => TENANT,
    };
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| Error::Migration(error.to_string());
    let mut conn = connect(path)?;
    conn.batch_execute("PRAGMA busy_timeout = 20000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;")?;
    if !conn.has_pending_migration(source()).map_err(failed)? {
        return Ok(0);
    }
    first()?;
    Ok(conn.run_pending_migrations(source()).map_err(failed)?.len())
}

/// Whether migrations of a tenant's database are due.
///
/// # Errors
/// When the file cannot be read.
pub fn is_behind(path: &Path) -> Result<bool> {
    let pending = connect(path)?.has_pending_migration(TENANT);
    pending.map_err(|error| Error::Migration(error.to_string()))
}

/// Writes a consistent copy of a database into a new file, while others read and write it.
///
/// # Errors
/// When the copy exists already or cannot be written.
pub fn snapshot(path: &Path, into: &Path) -> Result<()> {
    let into = into.to_str().ok_or_else(|| Error::Corrupt("the path of a copy is not UTF-8".into()))?;
    let mut conn = connect(path)?;
    conn.batch_execute("PRAGMA busy_timeout = 20000")?;
    diesel::sql_query("VACUUM INTO ?").bind::<diesel::sql_types::Text, _>(into).execute(&mut conn)?;
    Ok(())
}

/// SQLite's own check of a file.
///
/// # Errors
/// [`Error::Corrupt`] with what SQLite found.
pub fn check(path: &Path) -> Result<()> {
    #[derive(diesel::QueryableByName)]
    struct Found {
        #[diesel(sql_type = diesel::sql_types::Text)]
        integrity_check: String,
    }
    let found: Vec<Found> = diesel::sql_query("PRAGMA integrity_check(3)").load(&mut connect(path)?)?;
    match found.iter().find(|found| found.integrity_check != "ok") {
        Some(found) => Err(Error::Corrupt(found.integrity_check.clone())),
        None => Ok(()),
    }
}

/// Makes a migrated, empty tenant database that can be copied as a plain file.
///
/// # Errors
/// When the file cannot be written or a migration fails.
pub fn make_template(path: &Path) -> Result<()> {
    for suffix in ["", "-wal", "-shm"] {
        match fs::remove_file(with_suffix(path, suffix)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    up(path, Schema::Tenant)?;
    // Leaves WAL mode, so that the one file is the whole database.
    connect(path)?.batch_execute("PRAGMA journal_mode = DELETE; VACUUM;")?;
    Ok(())
}

/// `path` with `suffix` behind its file name (`-wal`, `-shm`).
pub fn with_suffix(path: &Path, suffix: &str) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn connect(path: &Path) -> Result<Conn> {
    let url = path.to_str().ok_or_else(|| Error::Corrupt("the path of a database is not UTF-8".into()))?;
    Conn::establish(url).map_err(|error| Error::Migration(error.to_string()))
}
