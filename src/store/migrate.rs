//! Embedded migrations, and the template from which new tenant databases are copied.

use crate::conn::{self, Conn, on};
use crate::error::{Error, Result};
use diesel::backend::Backend;
use diesel::migration::{Migration, MigrationSource};
use diesel::{Connection, PgConnection, RunQueryDsl};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use std::fs;
use std::path::Path;

/// One change after another, for one backend.
mod sqlite {
    use super::{EmbeddedMigrations, embed_migrations};

    pub const CONTROL: EmbeddedMigrations = embed_migrations!("../../migrations/control/sqlite");
    pub const KEYRING: EmbeddedMigrations = embed_migrations!("../../migrations/keyring/sqlite");
    pub const INBOX: EmbeddedMigrations = embed_migrations!("../../migrations/inbox/sqlite");
    pub const TENANT: EmbeddedMigrations = embed_migrations!("../../migrations/tenant/sqlite");
}

mod postgres {
    use super::{EmbeddedMigrations, embed_migrations};

    pub const CONTROL: EmbeddedMigrations = embed_migrations!("../../migrations/control/postgres");
    pub const KEYRING: EmbeddedMigrations = embed_migrations!("../../migrations/keyring/postgres");
    pub const INBOX: EmbeddedMigrations = embed_migrations!("../../migrations/inbox/postgres");
    pub const TENANT: EmbeddedMigrations = embed_migrations!("../../migrations/tenant/postgres");
}

/// Which of the four schemas a database has.
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

impl Schema {
    fn for_sqlite(self) -> EmbeddedMigrations {
        match self {
            Self::Control => sqlite::CONTROL,
            Self::Keyring => sqlite::KEYRING,
            Self::Inbox => sqlite::INBOX,
            Self::Tenant => sqlite::TENANT,
        }
    }

    fn for_postgres(self) -> EmbeddedMigrations {
        match self {
            Self::Control => postgres::CONTROL,
            Self::Keyring => postgres::KEYRING,
            Self::Inbox => postgres::INBOX,
            Self::Tenant => postgres::TENANT,
        }
    }
}

fn failed(error: Box<dyn std::error::Error + Send + Sync>) -> Error {
    Error::Migration(error.to_string())
}

/// Number of the newest change of tenants' databases that this build knows.
pub(crate) fn newest_of_tenants() -> String {
    let all: Vec<Box<dyn Migration<diesel::pg::Pg>>> = postgres::TENANT.migrations().unwrap_or_default();
    all.iter().map(|migration| migration.name().version().to_string()).max().unwrap_or_default()
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
    let mut conn = conn::to_file(path)?;
    conn.batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;")?;
    if !is_behind_of(&mut conn, schema)? {
        return Ok(0);
    }
    first()?;
    apply(&mut conn, schema)
}

/// Whether changes of a schema are due on an open database. One that knows more changes than this build is not behind:
/// during a rolling upgrade, nodes of the version before go on with it.
pub(crate) fn is_behind_of(conn: &mut Conn, schema: Schema) -> Result<bool> {
    on!(conn, |sqlite| sqlite.has_pending_migration(schema.for_sqlite()), |postgres| postgres
        .has_pending_migration(schema.for_postgres()))
    .map_err(failed)
}

/// Applies what is due on an open database; returns how many there were.
pub(crate) fn apply(conn: &mut Conn, schema: Schema) -> Result<usize> {
    on!(conn, |sqlite| pending(sqlite, schema.for_sqlite()), |postgres| pending(
        postgres,
        schema.for_postgres()
    ))
}

fn pending<C, D>(conn: &mut C, source: EmbeddedMigrations) -> Result<usize>
where
    C: MigrationHarness<D>,
    D: Backend,
    EmbeddedMigrations: MigrationSource<D>,
{
    Ok(conn.run_pending_migrations(source).map_err(failed)?.len())
}

/// Brings a database of a server up to date, over a connection of one's own. Nodes that start at once take turns.
pub(crate) fn up_on_server(conn: &mut PgConnection, schema: Schema) -> Result<usize> {
    conn.transaction(|conn| {
        diesel::sql_query("SELECT pg_advisory_xact_lock(1)").execute(conn)?;
        pending(conn, schema.for_postgres())
    })
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
    conn::to_file(path)?.batch("PRAGMA journal_mode = DELETE; VACUUM;")
}

/// `path` with `suffix` behind its file name (`-wal`, `-shm`).
pub fn with_suffix(path: &Path, suffix: &str) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
