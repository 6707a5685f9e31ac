//! PostgreSQL servers: their bounded connections, and the databases on them.
//!
//! A connection belongs to one database, so that tenants cannot share any: what is bounded is their number for each
//! server and node, and whoever was used least recently gives up idle ones. Nothing here needs a session, so that a
//! pooler in transaction mode may stand in between; only provisioning goes to the server itself.

pub mod provision;
mod scram;

use crate::conn::{self, Conn};
use crate::error::{Error, Result};
use diesel::PgConnection;
use parking_lot::Mutex;
use scheduled_thread_pool::ScheduledThreadPool;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use url::Url;
use zeroize::Zeroizing;

/// How long an unused connection is kept.
const IDLE: Duration = Duration::from_secs(60);
/// How long a free connection is waited for.
const PATIENCE: Duration = Duration::from_secs(8);
/// After a failed attempt, nobody else tries for so long: a server that is down must not hold up threads that tenants
/// of other servers need.
const PAUSE: Duration = Duration::from_millis(500);
/// Parameter of our own in a server's address: the pooler that tenants' connections go through.
const POOLER: &str = "pooler";
/// What libpq is told where the address does not say otherwise: a server that is gone is noticed within seconds.
const PARAMETERS: [(&str, &str); 6] = [
    ("connect_timeout", "3"),
    ("keepalives_idle", "5"),
    ("keepalives_interval", "2"),
    ("keepalives_count", "3"),
    ("tcp_user_timeout", "10000"),
    ("application_name", "hourbook"),
];

/// Address of a server, as configured; its `Debug` shows no password.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    url: Url,
    pooler: Option<(String, u16)>,
}

impl Address {
    /// Reads `postgres://user:password@host:port/database?...`; with `pooler=host:port`, tenants are reached through
    /// that.
    ///
    /// # Errors
    /// Says what is wrong, without repeating any of it.
    pub fn parse(text: &str) -> std::result::Result<Self, &'static str> {
        let mut url = Url::parse(text).map_err(|_| "not a URL")?;
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            return Err("it begins with postgres://");
        }
        if url.host_str().is_none_or(str::is_empty) || url.path().trim_matches('/').is_empty() {
            return Err("it names a host and a database");
        }
        let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        let mut pooler = None;
        if let Some((_, at)) = pairs.iter().find(|(name, _)| name == POOLER) {
            let (host, port) = at.rsplit_once(':').ok_or("pooler is host:port")?;
            pooler = Some((host.to_owned(), port.parse().map_err(|_| "pooler is host:port")?));
        }
        let given = pairs.iter().filter(|(name, _)| name != POOLER);
        let missing = PARAMETERS.iter().filter(|(name, _)| pairs.iter().all(|(given, _)| given != name));
        let query: Vec<String> = given
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .chain(missing.copied())
            .map(|(name, value)| {
                // libpq takes %20 and no plus.
                let escaped: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
                format!("{name}={}", escaped.replace('+', "%20"))
            })
            .collect();
        url.set_query(Some(&query.join("&")));
        Ok(Self { url, pooler })
    }

    /// Name of the database.
    pub fn database_name(&self) -> &str {
        self.url.path().trim_matches('/')
    }

    /// The same server's database of another name, with the same rights.
    #[must_use]
    pub fn database(&self, name: &str) -> Self {
        let mut url = self.url.clone();
        url.set_path(name);
        Self { url, pooler: None }
    }

    /// What libpq connects to for a login.
    fn of(&self, login: &Login) -> Zeroizing<String> {
        let Login::Own { name, password } = login else { return Zeroizing::new(self.url.to_string()) };
        let mut url = self.url.clone();
        url.set_path(name);
        // None of these fails: the address has a host.
        let _ = url.set_username(name);
        let _ = url.set_password(Some(password));
        if let Some((host, port)) = &self.pooler {
            let _ = url.set_host(Some(host));
            let _ = url.set_port(Some(*port));
        }
        Zeroizing::new(url.into())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({:?}{})", self.url.host_str(), self.url.path())
    }
}

/// As whom a database is opened.
pub enum Login {
    /// The database and role of the address itself.
    OfAddress,
    /// A database with a role of its own, both of that name.
    Own {
        /// Of both.
        name: String,
        /// Of the role.
        password: Zeroizing<String>,
    },
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login(..)")
    }
}

/// A server on which databases of ours live.
pub struct Server {
    name: String,
    address: Address,
    slots: Arc<Slots>,
    /// When the last attempt to connect failed, if none succeeded since.
    failed: Mutex<Option<Instant>>,
    pools: Mutex<Vec<Weak<Pool>>>,
    uses: AtomicU64,
    threads: Arc<ScheduledThreadPool>,
    prepared: AtomicBool,
}

/// How many connections there are, and how many there may be.
struct Slots {
    used: AtomicU32,
    most: u32,
}

impl Slots {
    fn take(self: &Arc<Self>) -> Option<Slot> {
        let room = |used| (used < self.most).then_some(used + 1);
        self.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, room).ok()?;
        Some(Slot(Arc::clone(self)))
    }
}

struct Slot(Arc<Slots>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.used.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Server {
    /// A server under its configured name, with that many connections of this node at most.
    pub fn new(name: &str, address: Address, most: u32) -> Arc<Self> {
        Arc::new(Self {
            name: name.to_owned(),
            address,
            slots: Arc::new(Slots { used: AtomicU32::new(0), most }),
            failed: Mutex::new(None),
            pools: Mutex::default(),
            uses: AtomicU64::new(0),
            threads: conn::housekeeping(2),
            prepared: AtomicBool::new(false),
        })
    }

    /// Its configured name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Connections of this node that are open.
    pub fn connections(&self) -> u32 {
        self.slots.used.load(Ordering::Acquire)
    }

    /// Whether the last attempt to reach it failed.
    pub fn is_down(&self) -> bool {
        self.failed.lock().is_some()
    }

    fn paused(&self) -> bool {
        self.failed.lock().is_some_and(|at| at.elapsed() < PAUSE)
    }

    /// A pool of connections to one of its databases; none is made yet.
    pub(crate) fn pool(self: &Arc<Self>, login: Login, most: u32) -> Result<Arc<Pool>> {
        let url = self.address.of(&login);
        let manager = Manager { server: Arc::clone(self), url };
        let inner = r2d2::Pool::builder()
            .max_size(most)
            .min_idle(Some(0))
            .test_on_check_out(false)
            .idle_timeout(Some(IDLE))
            .max_lifetime(None)
            .connection_timeout(Duration::from_secs(2))
            .error_handler(Box::new(r2d2::NopErrorHandler))
            .thread_pool(Arc::clone(&self.threads))
            .build(manager)?;
        let pool = Arc::new(Pool { server: Arc::clone(self), inner, used: AtomicU64::new(0) });
        let mut pools = self.pools.lock();
        pools.retain(|known| known.strong_count() > 0);
        pools.push(Arc::downgrade(&pool));
        Ok(pool)
    }

    /// Closes the idle connection of whoever was used least recently.
    fn make_room(&self) {
        let mut pools: Vec<Arc<Pool>> = self.pools.lock().iter().filter_map(Weak::upgrade).collect();
        pools.sort_by_key(|pool| pool.used.load(Ordering::Relaxed));
        if let Some(mut idle) = pools.iter().find_map(|pool| pool.inner.try_get())
            && let Conn::Postgres(conn) = &mut *idle
        {
            conn.retired = true;
        }
    }

    /// A connection that is not in any pool, as whom the address names.
    fn direct(&self) -> Result<PgConnection> {
        conn::to_server(self.address.url.as_str())
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({})", self.name)
    }
}

/// A connection of a pool, which counts against its server's bound.
pub struct Pooled {
    conn: PgConnection,
    retired: bool,
    _slot: Slot,
}

impl Deref for Pooled {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.conn
    }
}

impl DerefMut for Pooled {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.conn
    }
}

/// Makes connections to one database for r2d2.
pub(crate) struct Manager {
    server: Arc<Server>,
    url: Zeroizing<String>,
}

impl r2d2::ManageConnection for Manager {
    type Connection = Conn;
    type Error = Error;

    fn connect(&self) -> Result<Conn> {
        let slot = self.server.slots.take().or_else(|| {
            self.server.make_room();
            self.server.slots.take()
        });
        let slot = slot.ok_or_else(|| Error::Unavailable("all connections are in use".into()))?;
        let connected = conn::to_server(&self.url);
        let failed = connected.is_err();
        let before = std::mem::replace(&mut *self.server.failed.lock(), failed.then(Instant::now));
        match (before.is_some(), &connected) {
            (false, Err(error)) => {
                tracing::error!(server = self.server.name, %error, "a database server is down")
            }
            (true, Ok(_)) => tracing::info!(server = self.server.name, "a database server is back"),
            _ => {}
        }
        Ok(Conn::Postgres(Pooled { conn: connected?, retired: false, _slot: slot }))
    }

    fn is_valid(&self, _: &mut Conn) -> Result<()> {
        Ok(())
    }

    fn has_broken(&self, conn: &mut Conn) -> bool {
        matches!(conn, Conn::Postgres(pooled) if pooled.retired) || conn.is_broken()
    }
}

/// Connections to one database.
pub(crate) struct Pool {
    server: Arc<Server>,
    inner: r2d2::Pool<Manager>,
    used: AtomicU64,
}

impl Pool {
    /// A connection, made if need be.
    pub(crate) fn get(&self) -> Result<r2d2::PooledConnection<Manager>> {
        self.used.store(self.server.uses.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
        let begun = Instant::now();
        loop {
            if let Some(conn) = self.inner.try_get() {
                return Ok(conn);
            }
            if self.server.paused() {
                return Err(Error::Unavailable(format!("the database server {} is down", self.server.name)));
            }
            match self.inner.get_timeout(Duration::from_millis(100)) {
                Ok(conn) => return Ok(conn),
                Err(error) if begun.elapsed() > PATIENCE => return Err(error.into()),
                Err(_) => {}
            }
        }
    }

    /// Closes all idle connections: one of them was found dead.
    pub(crate) fn retire_idle(&self) {
        let mut idle: Vec<_> = std::iter::from_fn(|| self.inner.try_get()).collect();
        for conn in &mut idle {
            if let Conn::Postgres(conn) = &mut **conn {
                conn.retired = true;
            }
        }
    }

    /// Writes tables anew, without what was deleted from them.
    pub(crate) fn vacuum(&self, tables: &[&str]) -> Result<()> {
        let mut conn = self.get()?;
        for table in tables {
            // Not in a transaction; waits for others, who then wait for it, but not for long.
            conn.batch(&format!("VACUUM (FULL) {table}"))?;
        }
        Ok(())
    }
}
