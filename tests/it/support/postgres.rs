//! PostgreSQL for tests: clusters of their own in temporary folders, run by nobody in particular, and gone with the
//! process.
//!
//! With `HOURBOOK_TEST_BACKEND=postgres`, every world's databases are on one of them.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const ADMIN: &str = "hourbook_admin";
const PASSWORD: &str = "canarypassword";

/// Whether worlds have their databases on PostgreSQL.
pub fn on_postgres() -> bool {
    std::env::var("HOURBOOK_TEST_BACKEND").is_ok_and(|backend| backend == "postgres")
}

/// Where Debian puts the server's programs, or wherever the path finds them.
fn program(name: &str) -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let found = versions.map(|entry| entry.unwrap().path().join("bin").join(name));
    found.filter(|path| path.exists()).max().unwrap_or_else(|| PathBuf::from(name))
}

/// A server does not run as root.
fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().expect("id runs");
    id.stdout.trim_ascii() == b"0"
}

/// A command that is run by nobody in particular.
fn unprivileged(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]).arg(program);
    command
}

/// A running server, stopped with [`Cluster::stop`] or when it is dropped.
pub struct Cluster {
    dir: TempDir,
    port: u16,
    /// Settings beside those of every cluster.
    settings: &'static [&'static str],
    server: Option<Child>,
}

/// Machines do not lose power in tests.
const UNFLUSHED: &[&str] = &["-c", "fsync=off", "-c", "full_page_writes=off", "-c", "shared_buffers=64MB"];

impl Cluster {
    /// A new one, with nothing in it. Its writes are not flushed.
    pub fn start() -> Self {
        Self::start_as(UNFLUSHED)
    }

    /// One that flushes, with Debian's own settings: for figures.
    pub fn start_durable() -> Self {
        Self::start_as(&[])
    }

    fn start_as(settings: &'static [&'static str]) -> Self {
        let dir = TempDir::new().unwrap();
        let password = dir.path().join("password");
        std::fs::write(&password, PASSWORD).unwrap();
        if is_root() {
            let owned = Command::new("chown").args(["-R", "nobody:nogroup"]).arg(dir.path()).status();
            assert!(owned.unwrap().success());
        }
        let data = dir.path().join("data");
        let made = unprivileged(&program("initdb"))
            .args([
                "--username",
                ADMIN,
                "--auth",
                "scram-sha-256",
                "--encoding",
                "UTF8",
                "--no-sync",
                "--pwfile",
            ])
            .arg(&password)
            .arg("--pgdata")
            .arg(&data)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .output()
            .expect("PostgreSQL is installed: apt install postgresql");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let port = super::ports::of_ones_own();
        let mut this = Self { dir, port, settings, server: None };
        this.resume();
        this
    }

    /// Starts the server, the first time or after [`Cluster::stop`].
    pub fn resume(&mut self) {
        let log = std::fs::File::create(self.dir.path().join("log")).unwrap();
        let mut command = unprivileged(&program("postgres"));
        command
            .arg("-D")
            .arg(self.data())
            .args(["-p", &self.port.to_string(), "-k", ""])
            .args(["-c", "listen_addresses=127.0.0.1", "-c", "max_connections=400"])
            .args(["-c", "max_wal_size=512MB", "-c", "log_min_messages=warning"])
            .args(self.settings)
            .stdout(Stdio::null())
            .stderr(log);
        self.server = Some(command.spawn().unwrap());
        let begun = Instant::now();
        while let Err(error) = PgConnection::establish(&self.url("postgres")) {
            assert!(begun.elapsed() < Duration::from_secs(120), "the server does not start: {error}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Stops the server at once, as a broken machine would.
    pub fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            // SIGQUIT: without a word to anybody.
            let _ = Command::new("kill").args(["-QUIT", &server.id().to_string()]).status();
            let _ = server.wait();
        }
    }

    /// Its processes: the server and those that it has started.
    pub fn pids(&self) -> Vec<u32> {
        let Some(server) = &self.server else { return Vec::new() };
        let listed = Command::new("pgrep").args(["-P", &server.id().to_string()]).output().unwrap();
        let children = String::from_utf8_lossy(&listed.stdout).into_owned();
        std::iter::once(server.id()).chain(children.lines().filter_map(|line| line.parse().ok())).collect()
    }

    /// Its data folder.
    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Address of one of its databases, with all rights.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{ADMIN}:{PASSWORD}@127.0.0.1:{}/{database}", self.port)
    }

    /// The same with another user.
    pub fn url_as(&self, role: &str, password: &str, database: &str) -> String {
        format!("postgres://{role}:{password}@127.0.0.1:{}/{database}", self.port)
    }

    /// Who has all rights, and the password.
    pub fn admin(&self) -> (&'static str, &'static str) {
        (ADMIN, PASSWORD)
    }

    /// Its port on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Runs statements in one of its databases.
    pub fn sql(&self, database: &str, sql: &str) {
        let mut conn = PgConnection::establish(&self.url(database)).unwrap();
        conn.batch_execute(sql).unwrap();
    }

    /// The texts that a query in one of its databases gives.
    pub fn texts(&self, database: &str, sql: &str) -> Vec<String> {
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = Text)]
            text: String,
        }
        let mut conn = PgConnection::establish(&self.url(database)).unwrap();
        let rows: Vec<Row> = diesel::sql_query(format!("SELECT text::text FROM ({sql}) AS found (text)"))
            .load(&mut conn)
            .unwrap();
        rows.into_iter().map(|row| row.text).collect()
    }

    /// Names of databases that begin so.
    pub fn databases(&self, prefix: &str) -> Vec<String> {
        let all = self.texts("postgres", "SELECT datname FROM pg_database ORDER BY 1");
        all.into_iter().filter(|name| name.starts_with(prefix)).collect()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The cluster that all worlds of a process share. It ends with the process: whoever watches it from outside sees its
/// parent go.
static SHARED: LazyLock<Cluster> = LazyLock::new(|| {
    let cluster = Cluster::start();
    let (server, folder) = (cluster.server.as_ref().unwrap().id(), cluster.dir.path().to_owned());
    let me = std::process::id();
    let watch = format!(
        "while kill -0 {me} 2>/dev/null; do sleep 1; done; kill -QUIT {server}; sleep 1; rm -rf '{}'",
        folder.display()
    );
    let mut watcher = Command::new("sh");
    watcher.args(["-c", &watch]).stdout(Stdio::null()).stderr(Stdio::null());
    // It outlives this process, and so does the thread that would wait for it.
    std::thread::spawn(move || watcher.spawn().and_then(|mut child| child.wait()));
    cluster
});

/// The shared cluster.
pub fn shared() -> &'static Cluster {
    &SHARED
}

/// The databases of one world on the shared cluster.
pub struct Databases {
    name: String,
    /// What the server is told.
    pub url: String,
}

impl Databases {
    /// An empty control database.
    pub fn create() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("it_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        SHARED.sql("postgres", &format!("CREATE DATABASE {name} TEMPLATE template0"));
        Self { url: SHARED.url(&name), name }
    }

    /// Runs statements in a database of the service: `control`, `keyring` or `inbox`.
    pub fn sql(&self, database: &str, sql: &str) {
        SHARED.sql(&self.service(database), sql);
    }

    fn service(&self, database: &str) -> String {
        if database == "control" { self.name.clone() } else { format!("{}_{database}", self.name) }
    }

    fn of_tenant(&self, tenant: &str) -> String {
        let sql = format!("SELECT database_name FROM placements WHERE tenant_id = '{tenant}'");
        SHARED.texts(&self.name, &sql).pop().expect("the tenant is placed")
    }

    /// Texts that a query in a tenant's database gives.
    pub fn in_tenant(&self, tenant: &str, sql: &str) -> Vec<String> {
        SHARED.texts(&self.of_tenant(tenant), sql)
    }

    /// Runs statements in a tenant's database.
    pub fn change_tenant(&self, tenant: &str, sql: &str) {
        SHARED.sql(&self.of_tenant(tenant), sql);
    }

    /// Whether a tenant has a database.
    pub fn has_tenant(&self, tenant: &str) -> bool {
        !SHARED.databases(&format!("hb_{tenant}_")).is_empty()
    }

    /// Removes everything, tenants included.
    pub fn drop_all(self) {
        let placed = SHARED.texts(&self.name, "SELECT tenant_id FROM placements");
        let mut names: Vec<String> =
            ["", "_keyring", "_inbox"].map(|end| format!("{}{end}", self.name)).into();
        for tenant in placed {
            names.extend(SHARED.databases(&format!("hb_{tenant}_")));
        }
        for name in names {
            SHARED.sql("postgres", &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
            SHARED.sql("postgres", &format!("DROP ROLE IF EXISTS {name}"));
        }
    }
}
