//! The database of one Jira instance. A [`TenantDb`] is the only way to it: file, data key and tenant in one.

pub mod audit;
pub mod changes;
pub mod columns;
pub mod cursors;
pub mod intents;
pub mod issues;
pub mod reporting;
pub mod runs;
pub mod saved;
pub(crate) mod schema;
pub mod settings;
pub mod tags;
pub mod tombstones;
pub mod worklogs;

use crate::conn::{Conn, Db};
use crate::error::{Error, Result};
use crate::migrate::{self, Schema};
use hourbook_crypto::tenant::TenantCipher;
use parking_lot::RwLock;
use sha2::{Digest, Sha256};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A condition: the column is among the ids. One bind, however many there are.
pub(crate) fn among<T: 'static>(
    column: &str,
    ids: &[i64],
) -> Box<dyn diesel::BoxableExpression<T, diesel::sqlite::Sqlite, SqlType = diesel::sql_types::Bool>> {
    let list = ids.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
    let condition = diesel::dsl::sql::<diesel::sql_types::Bool>(column)
        .sql(" IN (SELECT value FROM json_each(")
        .bind::<diesel::sql_types::Text, _>(format!("[{list}]"))
        .sql("))");
    Box::new(condition)
}

/// The ids that a table can have whose largest id is known. Jira counts up, so that a first load asks for nothing.
fn up_to(ids: &[i64], newest: Option<i64>) -> Vec<i64> {
    ids.iter().copied().filter(|id| newest.is_some_and(|newest| *id <= newest)).collect()
}

/// A connection together with the cipher of its tenant; what queries take.
pub struct TenantConn<'a> {
    pub(crate) conn: &'a mut Conn,
    pub(crate) cipher: &'a TenantCipher,
    touched: changes::Touched,
}

impl<'a> TenantConn<'a> {
    fn new(conn: &'a mut Conn, cipher: &'a TenantCipher) -> Self {
        Self { conn, cipher, touched: changes::Touched::default() }
    }

    /// The cipher, for digests that only make sense within this tenant.
    pub fn cipher(&self) -> &TenantCipher {
        self.cipher
    }
}

/// Handle on the open database of one tenant.
pub struct TenantDb {
    db: Db,
    cipher: RwLock<Arc<TenantCipher>>,
    closed: AtomicBool,
}

/// Concurrent reads per tenant.
const READERS: u32 = 3;

impl TenantDb {
    /// Opens the database in `folder`, making it from `template` if there is none yet. `before_migration` runs before
    /// a migration changes the file that is there.
    ///
    /// # Errors
    /// When files or migrations fail, or `before_migration` does; then the file is as it was.
    pub fn open(
        folder: &Path,
        template: &Path,
        cipher: Arc<TenantCipher>,
        before_migration: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<Self> {
        let path = file(folder);
        if !path.exists() {
            provision(folder, template)?;
        } else {
            migrate::up_after(&path, Schema::Tenant, || before_migration(&path))?;
        }
        Ok(Self {
            db: Db::open(&path, READERS)?,
            cipher: RwLock::new(cipher),
            closed: AtomicBool::new(false),
        })
    }

    /// Seals with another version of the key from now on.
    pub fn replace_cipher(&self, cipher: Arc<TenantCipher>) {
        *self.cipher.write() = cipher;
    }

    /// From now on every read and write fails with [`Error::Closed`].
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// Runs `work` on a reading connection; all its statements see one state.
    pub async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&mut TenantConn<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let this = Arc::clone(self);
        self.db.read(move |conn| this.run(conn, work)).await
    }

    /// Like [`TenantDb::write`] for what Jira can tell again, with the position up to which it was told in the same
    /// transaction: it is on disk only with the next durable write.
    pub async fn write_relaxed<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&mut TenantConn<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let this = Arc::clone(self);
        self.db.write_relaxed(move |conn| this.run(conn, work)).await
    }

    /// Runs `work` in a transaction on the tenant's one writer; durable when it returns.
    pub async fn write<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&mut TenantConn<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let this = Arc::clone(self);
        self.db.write(move |conn| this.run(conn, work)).await
    }

    fn run<T>(&self, conn: &mut Conn, work: impl FnOnce(&mut TenantConn<'_>) -> Result<T>) -> Result<T> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::Closed);
        }
        let cipher = Arc::clone(&self.cipher.read());
        let db = &mut TenantConn::new(conn, &cipher);
        let result = work(db)?;
        changes::note(db)?;
        Ok(result)
    }
}

/// Where a tenant's database lies within its folder.
pub fn file(folder: &Path) -> PathBuf {
    folder.join("worklogs.db")
}

/// Copies the template under a temporary name and renames it: a crash leaves no half database.
fn provision(folder: &Path, template: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    let fresh = folder.join("worklogs.db.new");
    fs::copy(template, &fresh)?;
    fs::File::open(&fresh)?.sync_all()?;
    fs::rename(&fresh, file(folder))?;
    fs::File::open(folder)?.sync_all()?;
    Ok(())
}

/// What a tenant's files hold, told without any key: rows by table and bytes on disk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Worklogs in the copy.
    pub worklogs: i64,
    /// Tags in the catalogue.
    pub tags: i64,
    /// SHA-256 over the ids of the worklogs, ascending, a line each; empty where they could not be read.
    pub worklog_ids_sha256: String,
    /// Files of the folder and their bytes.
    pub files: i64,
    /// Bytes of those files.
    pub bytes: i64,
}

/// Counts what is in a tenant's folder before it is wiped; an absent or broken database counts no rows.
///
/// # Errors
/// When the folder cannot be listed.
pub fn inventory(folder: &Path) -> Result<Inventory> {
    let mut found = Inventory::default();
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        Err(error) => return Err(error.into()),
    };
    for entry in entries {
        found.files += 1;
        found.bytes += i64::try_from(entry?.metadata()?.len()).unwrap_or(i64::MAX);
    }
    if file(folder).exists() {
        match count_rows(&file(folder)) {
            Ok((worklogs, tags, digest)) => {
                (found.worklogs, found.tags, found.worklog_ids_sha256) = (worklogs, tags, digest);
            }
            Err(error) => tracing::warn!(%error, "the rows of a tenant to wipe could not be counted"),
        }
    }
    Ok(found)
}

/// Cursor: when the database was last put in place from a backup, by our clock. What was noted of writes since the
/// backup was made is not in it.
pub const RESTORED: &str = "restored";

/// Notes in a database file that it was restored.
///
/// # Errors
/// When the file cannot be written.
pub fn mark_restored(path: &Path, cipher: &TenantCipher, now: i64) -> Result<()> {
    let mut conn = connect(path)?;
    cursors::set(&mut TenantConn::new(&mut conn, cipher), RESTORED, now)
}

/// Counts the worklogs of a database file and opens the newest comments and all tag names in it, as a test.
///
/// # Errors
/// When the file cannot be read, or something in it does not open.
pub fn sample(path: &Path, cipher: &TenantCipher) -> Result<i64> {
    const COMMENTS: i64 = 100;
    let mut conn = connect(path)?;
    let db = &mut TenantConn::new(&mut conn, cipher);
    worklogs::newest(db, COMMENTS)?;
    tags::all(db)?;
    worklogs::count(db)
}

/// The newest run of a tenant's sync, read from its folder without any key; for following it from outside.
///
/// # Errors
/// When the database is there but cannot be read.
pub fn latest_run(folder: &Path) -> Result<Option<runs::Run>> {
    if !file(folder).exists() {
        return Ok(None);
    }
    runs::newest(&mut connect(&file(folder))?)
}

fn connect(path: &Path) -> Result<Conn> {
    use diesel::Connection;
    let url = path.to_str().ok_or_else(|| Error::Corrupt("the path of a database is not UTF-8".into()))?;
    Conn::establish(url).map_err(|error| Error::Corrupt(error.to_string()))
}

fn count_rows(path: &Path) -> Result<(i64, i64, String)> {
    use diesel::prelude::*;
    use schema::worklogs::dsl as w;
    let mut conn = connect(path)?;
    let (mut digest, mut after, mut worklogs) = (Sha256::new(), i64::MIN, 0);
    loop {
        let ids: Vec<i64> = w::worklogs
            .filter(w::client_worklog_id.gt(after))
            .order(w::client_worklog_id)
            .limit(10_000)
            .select(w::client_worklog_id)
            .load(&mut conn)?;
        let Some(last) = ids.last() else { break };
        after = *last;
        worklogs += i64::try_from(ids.len()).unwrap_or(i64::MAX);
        ids.iter().for_each(|id| digest.update(format!("{id}\n")));
    }
    Ok((worklogs, schema::tags::table.count().get_result(&mut conn)?, hex::encode(digest.finalize())))
}
