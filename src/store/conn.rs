//! Connections: one writer and a few readers for each database, in WAL mode.
//!
//! A second backend turns [`Conn`] into an enum and touches nothing above this crate.

use crate::error::{Error, Result};
use diesel::connection::SimpleConnection;
use diesel::r2d2::{ConnectionManager, CustomizeConnection, Pool};
use diesel::{Connection, SqliteConnection};
use scheduled_thread_pool::ScheduledThreadPool;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// The connection that queries are written against.
pub type Conn = SqliteConnection;

/// One housekeeping thread for all pools; r2d2 would start three for each.
static HOUSEKEEPING: LazyLock<Arc<ScheduledThreadPool>> = LazyLock::new(|| {
    Arc::new(ScheduledThreadPool::builder().num_threads(1).thread_name_pattern("r2d2").build())
});

/// One SQLite database: a single writer, so that nobody waits on locks, and readers that never block it.
pub struct Db {
    writer: Pool<ConnectionManager<Conn>>,
    readers: Pool<ConnectionManager<Conn>>,
}

impl Db {
    /// Opens an existing or new database file. `readers` is the most concurrent reads.
    ///
    /// # Errors
    /// When the first connection cannot be made.
    pub fn open(path: &Path, readers: u32) -> Result<Self> {
        let url =
            path.to_str().ok_or_else(|| Error::Corrupt("the path of a database is not UTF-8".into()))?;
        Ok(Self { writer: pool(url, 1, Role::Writer)?, readers: pool(url, readers, Role::Reader)? })
    }

    /// Runs `work` on a reading connection, off the async threads.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Conn) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        // A transaction, so that all statements of one read see one state.
        on(&self.readers, |conn| conn.transaction(work)).await
    }

    /// Runs `work` in a transaction on the writer, off the async threads; durable when it returns.
    pub async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Conn) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        on(&self.writer, |conn| conn.immediate_transaction(work)).await
    }

    /// Like [`Db::write`], but what it wrote is on disk only with the next durable write. Nothing is torn by a loss of
    /// power: the database is as it was at some moment before. The log may grow to 250 MiB meanwhile, so that a bulk load
    /// is not flushed again and again.
    pub async fn write_relaxed<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Conn) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        on(&self.writer, |conn| {
            conn.batch_execute("PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 64000")?;
            let result = conn.immediate_transaction(work);
            conn.batch_execute("PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 8000")?;
            result
        })
        .await
    }

    /// The writer for code that is on a blocking thread already.
    pub fn write_blocking<T>(&self, work: impl FnOnce(&mut Conn) -> Result<T>) -> Result<T> {
        let conn: &mut Conn = &mut *self.writer.get()?;
        conn.immediate_transaction(work)
    }

    /// Empties the write-ahead log into the database, so that overwritten pages do not live on in it.
    pub async fn truncate_wal(&self) -> Result<()> {
        on(&self.writer, |conn| Ok(conn.batch_execute("PRAGMA wal_checkpoint(TRUNCATE)")?)).await
    }
}

/// Runs `work` on a connection of a pool, off the async threads.
async fn on<T: Send + 'static>(
    pool: &Pool<ConnectionManager<Conn>>,
    work: impl FnOnce(&mut Conn) -> Result<T> + Send + 'static,
) -> Result<T> {
    let pool = pool.clone();
    blocking(move || work(&mut *pool.get()?)).await
}

/// Runs blocking work on tokio's blocking threads, inside the caller's tracing span.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let span = tracing::Span::current();
    match tokio::task::spawn_blocking(move || span.in_scope(work)).await {
        Ok(result) => result,
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}

#[derive(Debug, Clone, Copy)]
enum Role {
    Writer,
    Reader,
}

fn pool(url: &str, size: u32, role: Role) -> Result<Pool<ConnectionManager<Conn>>> {
    let pool = Pool::builder()
        .max_size(size)
        .min_idle(Some(0))
        .test_on_check_out(false)
        .idle_timeout(Some(Duration::from_secs(600)))
        .max_lifetime(None)
        .thread_pool(Arc::clone(&HOUSEKEEPING))
        .connection_customizer(Box::new(Pragmas(role)))
        .build(ConnectionManager::new(url))?;
    Ok(pool)
}

/// Settings of every connection. Sorting stays in memory: nothing in clear is spooled to a temporary file.
#[derive(Debug)]
struct Pragmas(Role);

impl CustomizeConnection<Conn, diesel::r2d2::Error> for Pragmas {
    fn on_acquire(&self, conn: &mut Conn) -> std::result::Result<(), diesel::r2d2::Error> {
        let role = match self.0 {
            // A bulk load writes indexes in random order: what is in the cache need not be read again.
            Role::Writer => {
                "PRAGMA secure_delete = ON; PRAGMA wal_autocheckpoint = 8000; PRAGMA cache_size = -16000;"
            }
            Role::Reader => "PRAGMA query_only = ON; PRAGMA cache_size = -4000;",
        };
        conn.batch_execute(
            "PRAGMA busy_timeout = 20000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
             PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY;",
        )
        .and_then(|()| conn.batch_execute(role))
        .map_err(diesel::r2d2::Error::QueryError)
    }
}
