//! Connections: a [`Conn`] is one to either backend, a [`Db`] hands them out in transactions.
//!
//! One writer at a time for each database, whichever the backend: on SQLite by its one writing connection, on PostgreSQL
//! by a lock of the transaction, which holds over all nodes and poolers. What is proved about order on one holds on the
//! other. Readers see one state and never wait for the writer.

use crate::error::{Error, Result};
use crate::postgres::{Login, Pooled, Server};
use diesel::connection::{AnsiTransactionManager, SimpleConnection, TransactionManager};
use diesel::r2d2::R2D2Connection;
use diesel::{Connection, PgConnection, SqliteConnection};
use scheduled_thread_pool::ScheduledThreadPool;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// A connection to one of the backends. Queries are written once and compiled for both: see the macro `on`.
pub enum Conn {
    /// A file.
    Sqlite(SqliteConnection),
    /// A database of a server.
    Postgres(Pooled),
}

/// Runs a query on whichever backend it is: the expression is compiled once for each, so that both are checked.
/// With two expressions, the first is for SQLite and the second for PostgreSQL.
macro_rules! on {
    ($conn:expr, |$c:ident| $body:expr) => {
        match $conn {
            $crate::conn::Conn::Sqlite($c) => $body,
            $crate::conn::Conn::Postgres($c) => {
                let $c = &mut **$c;
                $body
            }
        }
    };
    ($conn:expr, |$s:ident| $sqlite:expr, |$p:ident| $postgres:expr) => {
        match $conn {
            $crate::conn::Conn::Sqlite($s) => $sqlite,
            $crate::conn::Conn::Postgres($p) => {
                let $p = &mut **$p;
                $postgres
            }
        }
    };
}
pub(crate) use on;

/// The lock that makes whoever writes to a PostgreSQL database the only one.
const WRITER: &str = "SELECT pg_advisory_xact_lock(1)";

/// Housekeeping of the pools of files; r2d2 would start three threads for each pool.
static HOUSEKEEPING: LazyLock<Arc<ScheduledThreadPool>> = LazyLock::new(|| housekeeping(1));

/// Threads that open and close connections for pools.
pub(crate) fn housekeeping(threads: usize) -> Arc<ScheduledThreadPool> {
    Arc::new(ScheduledThreadPool::builder().num_threads(threads).thread_name_pattern("r2d2").build())
}

/// What a transaction is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// All statements see one state.
    Read,
    /// Alone.
    Write,
    /// Alone; on disk with the next durable write.
    WriteRelaxed,
    /// Beside others: for rows that nobody else touches.
    Append,
}

impl Conn {
    /// Runs several statements without parameters.
    ///
    /// # Errors
    /// What the database says.
    pub(crate) fn batch(&mut self, sql: &str) -> Result<()> {
        Ok(on!(self, |c| c.batch_execute(sql))?)
    }

    fn begin(&mut self, purpose: Purpose) -> diesel::QueryResult<()> {
        on!(
            self,
            |sqlite| {
                if purpose == Purpose::WriteRelaxed {
                    sqlite.batch_execute("PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 64000")?;
                }
                let begin = if purpose == Purpose::Read { "BEGIN" } else { "BEGIN IMMEDIATE" };
                AnsiTransactionManager::begin_transaction_sql(sqlite, begin)
            },
            |postgres| {
                let begin = match purpose {
                    Purpose::Read => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
                    _ => "BEGIN",
                };
                AnsiTransactionManager::begin_transaction_sql(postgres, begin)?;
                match purpose {
                    Purpose::Read | Purpose::Append => Ok(()),
                    Purpose::Write => postgres.batch_execute(WRITER),
                    Purpose::WriteRelaxed => {
                        postgres.batch_execute(&format!("SET LOCAL synchronous_commit = off; {WRITER}"))
                    }
                }
            }
        )
    }

    fn transaction<T>(&mut self, purpose: Purpose, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let result = work(self);
        let ended = match &result {
            Ok(_) => on!(self, |c| AnsiTransactionManager::commit_transaction(c)),
            Err(_) => on!(self, |c| AnsiTransactionManager::rollback_transaction(c)),
        };
        if let (Self::Sqlite(c), Purpose::WriteRelaxed) = (&mut *self, purpose) {
            c.batch_execute("PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 8000")?;
        }
        // An error of the work says more than one of rolling it back, after which the connection is not used again.
        let value = result?;
        ended?;
        Ok(value)
    }

    /// Whether the connection is of no use any more.
    pub(crate) fn is_broken(&mut self) -> bool {
        on!(self, |c| c.is_broken())
    }
}

/// One database with its pool of connections.
pub struct Db(Kind);

enum Kind {
    /// A single writer, so that nobody waits on locks, and readers that never block it.
    Sqlite {
        writer: r2d2::Pool<File>,
        readers: r2d2::Pool<File>,
    },
    Postgres(Arc<crate::postgres::Pool>),
}

impl Db {
    /// Opens an existing or new database file. `readers` is the most concurrent reads.
    ///
    /// # Errors
    /// When the first connection cannot be made.
    pub fn open(path: &Path, readers: u32) -> Result<Self> {
        let url =
            path.to_str().ok_or_else(|| Error::Corrupt("the path of a database is not UTF-8".into()))?;
        let writer = file_pool(url, 1, Role::Writer)?;
        Ok(Self(Kind::Sqlite { writer, readers: file_pool(url, readers, Role::Reader)? }))
    }

    /// A database of a server; connections are made when they are needed, `most` at once.
    ///
    /// # Errors
    /// When the pool cannot be made.
    pub fn on_server(server: &Arc<Server>, login: Login, most: u32) -> Result<Self> {
        Ok(Self(Kind::Postgres(server.pool(login, most)?)))
    }

    /// Runs `work` on a reading connection, off the async threads.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Conn) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.run(Purpose::Read, work).await
    }

    /// Runs `work` in a transaction, alone, off the async threads; durable when it returns.
    pub async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Conn) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.run(Purpose::Write, work).await
    }

    /// Like [`Db::write`], but what it wrote is on disk only with the next durable write. Nothing is torn by a loss of
    /// power: the database is as it was at some moment before. SQLite's log may grow to 250 MiB meanwhile, so that a
    /// bulk load is not flushed again and again.
    pub async fn write_relaxed<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Conn) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.run(Purpose::WriteRelaxed, work).await
    }

    async fn run<T: Send + 'static>(
        &self,
        purpose: Purpose,
        work: impl FnOnce(&mut Conn) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        match &self.0 {
            Kind::Sqlite { writer, readers } => {
                let pool = if purpose == Purpose::Read { readers } else { writer }.clone();
                blocking(move || in_file(&pool, purpose, work)).await
            }
            Kind::Postgres(pool) => {
                let pool = Arc::clone(pool);
                blocking(move || on_server(&pool, purpose, work)).await
            }
        }
    }

    /// [`Db::read`] for code that is on a blocking thread already.
    ///
    /// # Errors
    /// Those of `work`, and of the database.
    pub fn read_blocking<T>(&self, work: impl FnOnce(&mut Conn) -> Result<T>) -> Result<T> {
        self.run_blocking(Purpose::Read, work)
    }

    /// [`Db::write`] for code that is on a blocking thread already.
    ///
    /// # Errors
    /// Those of `work`, and of the database.
    pub fn write_blocking<T>(&self, work: impl FnOnce(&mut Conn) -> Result<T>) -> Result<T> {
        self.run_blocking(Purpose::Write, work)
    }

    /// Like [`Db::write_blocking`], but beside other writers: for rows that nobody else touches.
    ///
    /// # Errors
    /// Those of `work`, and of the database.
    pub fn append_blocking<T>(&self, work: impl FnOnce(&mut Conn) -> Result<T>) -> Result<T> {
        self.run_blocking(Purpose::Append, work)
    }

    fn run_blocking<T>(&self, purpose: Purpose, work: impl FnOnce(&mut Conn) -> Result<T>) -> Result<T> {
        match &self.0 {
            Kind::Sqlite { writer, readers } => {
                in_file(if purpose == Purpose::Read { readers } else { writer }, purpose, work)
            }
            Kind::Postgres(pool) => on_server(pool, purpose, work),
        }
    }

    /// Whether several nodes may work on it.
    pub fn is_shared(&self) -> bool {
        matches!(self.0, Kind::Postgres(_))
    }

    /// Lets go of what deleted rows of these tables held, so that it does not live on in a file: SQLite empties its log
    /// (rows it overwrites when they are deleted), PostgreSQL writes the tables anew. What recycled segments of
    /// PostgreSQL's own log still hold is beyond our reach.
    ///
    /// # Errors
    /// When the tables are in use for too long; it can be run again.
    pub async fn scrub(&self, tables: &'static [&'static str]) -> Result<()> {
        match &self.0 {
            Kind::Sqlite { writer, .. } => {
                let pool = writer.clone();
                blocking(move || pool.get()?.batch("PRAGMA wal_checkpoint(TRUNCATE)")).await
            }
            Kind::Postgres(pool) => {
                let pool = Arc::clone(pool);
                blocking(move || pool.vacuum(tables)).await
            }
        }
    }
}

fn in_file<T>(
    pool: &r2d2::Pool<File>,
    purpose: Purpose,
    work: impl FnOnce(&mut Conn) -> Result<T>,
) -> Result<T> {
    let mut conn = pool.get()?;
    conn.begin(purpose)?;
    conn.transaction(purpose, work)
}

fn on_server<T>(
    pool: &Arc<crate::postgres::Pool>,
    purpose: Purpose,
    work: impl FnOnce(&mut Conn) -> Result<T>,
) -> Result<T> {
    let mut conn = pool.get()?;
    // The first word to a connection that idled: the server may have gone and come back meanwhile, and nothing was
    // done yet.
    if let Err(error) = conn.begin(purpose) {
        let error = Error::from(error);
        if !matches!(error, Error::Unavailable(_)) {
            return Err(error);
        }
        drop(conn);
        pool.retire_idle();
        conn = pool.get()?;
        conn.begin(purpose)?;
    }
    conn.transaction(purpose, work)
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

/// Makes connections to a file for r2d2.
struct File {
    url: String,
    role: Role,
}

impl r2d2::ManageConnection for File {
    type Connection = Conn;
    type Error = Error;

    fn connect(&self) -> Result<Conn> {
        let mut conn =
            SqliteConnection::establish(&self.url).map_err(|error| Error::Unavailable(error.to_string()))?;
        let role = match self.role {
            // A bulk load writes indexes in random order: what is in the cache need not be read again.
            Role::Writer => {
                "PRAGMA secure_delete = ON; PRAGMA wal_autocheckpoint = 8000; PRAGMA cache_size = -16000;"
            }
            Role::Reader => "PRAGMA query_only = ON; PRAGMA cache_size = -4000;",
        };
        conn.batch_execute(WAITS)?;
        // Sorting stays in memory: nothing in clear is spooled to a temporary file.
        conn.batch_execute(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
             PRAGMA temp_store = MEMORY;",
        )?;
        conn.batch_execute(role)?;
        Ok(Conn::Sqlite(conn))
    }

    fn is_valid(&self, _: &mut Conn) -> Result<()> {
        Ok(())
    }

    fn has_broken(&self, conn: &mut Conn) -> bool {
        conn.is_broken()
    }
}

fn file_pool(url: &str, size: u32, role: Role) -> Result<r2d2::Pool<File>> {
    let pool = r2d2::Pool::builder()
        .max_size(size)
        .min_idle(Some(0))
        .test_on_check_out(false)
        .idle_timeout(Some(Duration::from_secs(600)))
        .max_lifetime(None)
        .thread_pool(Arc::clone(&HOUSEKEEPING))
        .build(File { url: url.to_owned(), role })?;
    Ok(pool)
}

/// How long a statement waits for others' locks on its file, the server's and those of commands beside it.
const WAITS: &str = "PRAGMA busy_timeout = 20000;";

/// A connection of one's own to a file, which is made if need be.
pub(crate) fn to_file(path: &Path) -> Result<Conn> {
    alone(path.to_str().ok_or_else(|| Error::Corrupt("the path of a database is not UTF-8".into()))?)
}

/// The same to a file that is there: one that is wiped at this moment is not made anew.
pub(crate) fn to_existing_file(path: &Path) -> Result<Conn> {
    let url = url::Url::from_file_path(std::path::absolute(path)?)
        .map_err(|()| Error::Corrupt("the path of a database cannot be told".into()))?;
    alone(&format!("{url}?mode=rw"))
}

fn alone(url: &str) -> Result<Conn> {
    let mut conn = SqliteConnection::establish(url).map_err(|error| Error::Corrupt(error.to_string()))?;
    conn.batch_execute(WAITS)?;
    Ok(Conn::Sqlite(conn))
}

/// A connection of one's own to a server.
pub(crate) fn to_server(url: &str) -> Result<PgConnection> {
    let mut conn = PgConnection::establish(url).map_err(|error| Error::Unavailable(error.to_string()))?;
    // Behind a pooler, the next transaction may be on another connection, which has not prepared anything.
    conn.set_prepared_statement_cache_size(diesel::connection::CacheSize::Disabled);
    Ok(conn)
}
