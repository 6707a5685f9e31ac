//! The database of one Jira instance. A [`TenantDb`] is the only way to it: file, data key and tenant in one.

pub mod accounts;
pub mod audit;
pub mod changes;
pub mod columns;
pub mod content;
pub mod cursors;
pub mod fences;
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

use crate::conn::{Conn, Db, on};
use crate::error::{Error, Result};
use crate::migrate::{self, Schema};
use crate::postgres::{Login, Server};
use fences::Fence;
use hourbook_crypto::tenant::TenantCipher;
use parking_lot::RwLock;
use sha2::{Digest, Sha256};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Weak};

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

/// Handle on the open database of one tenant. A job's carries its fence: see [`fences`].
#[derive(Clone)]
pub struct TenantDb {
    open: Arc<Open>,
    fence: Option<Fence>,
}

struct Open {
    db: Db,
    cipher: RwLock<Arc<TenantCipher>>,
    state: AtomicU8,
}

const SERVED: u8 = 0;
const SET_ASIDE: u8 = 1;
const CLOSED: u8 = 2;

/// Knows whether anybody still holds a [`TenantDb`].
pub struct Holders(Weak<Open>);

impl Holders {
    /// Whether somebody does.
    pub fn any(&self) -> bool {
        self.0.strong_count() > 0
    }
}

/// Concurrent reads per tenant.
const READERS: u32 = 3;
/// Connections per tenant on a server: one may write while another reads.
const CONNECTIONS: u32 = 2;

impl TenantDb {
    /// Opens the database in `folder`, making it from `template` if there is none yet. `before_migration` runs before
    /// a migration changes the database that is there.
    ///
    /// # Errors
    /// When files or migrations fail, or `before_migration` does; then the file is as it was.
    pub fn in_folder(
        folder: &Path,
        template: &Path,
        cipher: Arc<TenantCipher>,
        before_migration: impl FnOnce(&Self) -> Result<()>,
    ) -> Result<Self> {
        let path = file(folder);
        if path.exists() {
            return Self::migrated(Db::open(&path, READERS)?, cipher, before_migration);
        }
        // The template was made by this version: there is nothing to look for.
        provision(folder, template)?;
        Ok(Self::new(Db::open(&path, READERS)?, cipher))
    }

    /// Opens the database on a server.
    ///
    /// # Errors
    /// When it cannot be reached or a migration fails, or `before_migration` does; then it is as it was.
    pub fn on_server(
        server: &Arc<Server>,
        login: Login,
        cipher: Arc<TenantCipher>,
        before_migration: impl FnOnce(&Self) -> Result<()>,
    ) -> Result<Self> {
        Self::migrated(Db::on_server(server, login, CONNECTIONS)?, cipher, before_migration)
    }

    fn new(db: Db, cipher: Arc<TenantCipher>) -> Self {
        let open = Open { db, cipher: RwLock::new(cipher), state: AtomicU8::new(SERVED) };
        Self { open: Arc::new(open), fence: None }
    }

    fn migrated(
        db: Db,
        cipher: Arc<TenantCipher>,
        before_migration: impl FnOnce(&Self) -> Result<()>,
    ) -> Result<Self> {
        let this = Self::new(db, cipher);
        // Asked for as a writer: diesel makes its own table where there is none.
        if this.open.db.write_blocking(|conn| migrate::is_behind_of(conn, Schema::Tenant))? {
            before_migration(&this)?;
            this.open.db.write_blocking(|conn| migrate::apply(conn, Schema::Tenant))?;
        }
        Ok(this)
    }

    /// The same for a piece of work: what it writes is refused once another node has taken the work over.
    #[must_use]
    pub fn fenced(&self, fence: Option<Fence>) -> Self {
        Self { open: Arc::clone(&self.open), fence }
    }

    /// Seals with another version of the key from now on.
    pub fn replace_cipher(&self, cipher: Arc<TenantCipher>) {
        *self.open.cipher.write() = cipher;
    }

    /// From now on every read and write fails with [`Error::Closed`].
    pub fn close(&self) {
        self.open.state.store(CLOSED, Ordering::Release);
    }

    /// From now on every read and write fails with [`Error::Held`]: the database is about to be another.
    pub fn set_aside(&self) {
        self.open.state.store(SET_ASIDE, Ordering::Release);
    }

    /// Whether nobody else holds it.
    pub fn is_alone(&self) -> bool {
        Arc::strong_count(&self.open) == 1
    }

    /// Lets go of it, and tells whether others do.
    pub fn into_holders(self) -> Holders {
        Holders(Arc::downgrade(&self.open))
    }

    /// Runs `work` on a reading connection; all its statements see one state.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut TenantConn<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let open = Arc::clone(&self.open);
        self.open.db.read(move |conn| open.run(conn, work)).await
    }

    /// [`TenantDb::read`] for code that is on a blocking thread already.
    ///
    /// # Errors
    /// Those of `work`, and of the database.
    pub fn read_blocking<T>(&self, work: impl FnOnce(&mut TenantConn<'_>) -> Result<T>) -> Result<T> {
        self.open.db.read_blocking(|conn| self.open.run(conn, work))
    }

    /// Like [`TenantDb::write`] for what Jira can tell again, with the position up to which it was told in the same
    /// transaction: it is on disk only with the next durable write.
    pub async fn write_relaxed<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut TenantConn<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let this = self.clone();
        self.open.db.write_relaxed(move |conn| this.run_fenced(conn, work)).await
    }

    /// Runs `work` in a transaction, as the tenant's only writer; durable when it returns.
    pub async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut TenantConn<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let this = self.clone();
        self.open.db.write(move |conn| this.run_fenced(conn, work)).await
    }

    /// Sees to it that nothing is left in the files of what was replaced or deleted in these tables.
    pub async fn scrub(&self, tables: &'static [&'static str]) -> Result<()> {
        self.open.db.scrub(tables).await
    }

    /// [`TenantDb::write`] for code that is on a blocking thread already.
    ///
    /// # Errors
    /// Those of `work`, and of the database.
    pub fn write_blocking<T>(&self, work: impl FnOnce(&mut TenantConn<'_>) -> Result<T>) -> Result<T> {
        self.open.db.write_blocking(|conn| self.run_fenced(conn, work))
    }

    /// [`TenantDb::write_blocking`] for whoever decides who may write.
    ///
    /// # Errors
    /// Those of `work`, and of the database.
    pub fn write_unfenced<T>(&self, work: impl FnOnce(&mut TenantConn<'_>) -> Result<T>) -> Result<T> {
        self.open.db.write_blocking(|conn| self.open.run(conn, work))
    }

    fn run_fenced<T>(
        &self,
        conn: &mut Conn,
        work: impl FnOnce(&mut TenantConn<'_>) -> Result<T>,
    ) -> Result<T> {
        self.open.run(conn, |db| {
            fences::pass(db, self.fence.as_ref())?;
            work(db)
        })
    }
}

impl Open {
    fn run<T>(&self, conn: &mut Conn, work: impl FnOnce(&mut TenantConn<'_>) -> Result<T>) -> Result<T> {
        match self.state.load(Ordering::Acquire) {
            SERVED => {}
            SET_ASIDE => return Err(Error::Held),
            _ => return Err(Error::Closed),
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
        match crate::conn::to_existing_file(&file(folder)).and_then(|mut conn| count_rows(&mut conn)) {
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

/// Marks a database that was just filled from a copy: another history since then, in which nobody writes whose fence is
/// not newer than `token`.
///
/// # Errors
/// When the database cannot be written.
pub fn mark_restored(db: &mut TenantConn<'_>, now: i64, token: i64) -> Result<()> {
    fences::raise_floor(db, token)?;
    cursors::set(db, RESTORED, now)
}

/// Counts the worklogs of a database and opens the newest comments and all tag names in it, as a test.
///
/// # Errors
/// When the database cannot be read, or something in it does not open.
pub fn sample(db: &mut TenantConn<'_>) -> Result<i64> {
    const COMMENTS: i64 = 100;
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
    runs::newest(&mut crate::conn::to_existing_file(&file(folder))?)
}

/// The same for a database on a server, with the server's own rights: the key that seals its role's password may be
/// destroyed already.
///
/// # Errors
/// When the server cannot be reached.
pub fn inventory_on(server: &Server, name: &str) -> Result<Inventory> {
    let mut found = Inventory::default();
    let Some(bytes) = server.bytes(name)? else { return Ok(found) };
    (found.files, found.bytes) = (1, bytes);
    match server.inside(name).and_then(|mut conn| count_rows(&mut conn)) {
        Ok((worklogs, tags, digest)) => {
            (found.worklogs, found.tags, found.worklog_ids_sha256) = (worklogs, tags, digest);
        }
        Err(error) => tracing::warn!(%error, "the rows of a tenant to wipe could not be counted"),
    }
    Ok(found)
}

fn count_rows(conn: &mut Conn) -> Result<(i64, i64, String)> {
    use diesel::prelude::*;
    use schema::worklogs::dsl as w;
    let (mut digest, mut after, mut worklogs) = (Sha256::new(), i64::MIN, 0);
    loop {
        let ids: Vec<i64> = on!(conn, |c| w::worklogs
            .filter(w::client_worklog_id.gt(after))
            .order(w::client_worklog_id)
            .limit(10_000)
            .select(w::client_worklog_id)
            .load(c))?;
        let Some(last) = ids.last() else { break };
        after = *last;
        worklogs += i64::try_from(ids.len()).unwrap_or(i64::MAX);
        ids.iter().for_each(|id| digest.update(format!("{id}\n")));
    }
    let tags = on!(conn, |c| schema::tags::table.count().get_result(c))?;
    Ok((worklogs, tags, hex::encode(digest.finalize())))
}
