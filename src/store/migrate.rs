//! Embedded migrations, and the template from which new tenant databases are copied.

use crate::conn::Conn;
use crate::error::{Error, Result};
use diesel::Connection;
use diesel::connection::SimpleConnection;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use std::fs;
use std::path::Path;

const CONTROL: EmbeddedMigrations = embed_migrations!("../../migrations/control/sqlite");
const INBOX: EmbeddedMigrations = embed_migrations!("../../migrations/inbox/sqlite");
const TENANT: EmbeddedMigrations = embed_migrations!("../../migrations/tenant/sqlite");

/// Which of the three schemas a file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schema {
    /// Installations, jobs, receipts.
    Control,
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
    let source = match schema {
        Schema::Control => CONTROL,
        Schema::Inbox => INBOX,
        Schema::Tenant => TENANT,
    };
    let mut conn = connect(path)?;
    conn.batch_execute("PRAGMA busy_timeout = 20000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;")?;
    let applied = conn.run_pending_migrations(source).map_err(|error| Error::Migration(error.to_string()))?;
    Ok(applied.len())
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
