//! The server in a process of its own: this very binary, started again.

use crate::support::{APP_KEY, MASTER_KEYS, ports};
use hourbook::clock::Clock;
use hourbook::config::{Config, Env, Tuning};
use hourbook::limits::Rate;
use hourbook::web::server;
use hourbook_simulator::cloud::Cloud;
use std::fs::OpenOptions;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// Marks the process as the server of a run.
const MARK: &str = "CHAOS_CHILD";

/// Shorter waits than people have, so that a run sees more.
pub fn tuning() -> Tuning {
    Tuning {
        retry_base: Duration::from_millis(10),
        jira_timeout: Duration::from_secs(2),
        tick: Duration::from_millis(30),
        open_tenants: 8,
        unproved: Rate::new(100_000, 100_000),
        costly: Rate::new(100_000, 100_000),
        ..Tuning::default()
    }
}

/// Names the step before which the process kills itself.
pub const DIE_AT: &str = "TEST_DIE_AT";

/// SIGKILL to ourselves, and not a step further.
fn die_at(step: &str) {
    if std::env::var(DIE_AT).is_ok_and(|name| name == step) {
        let me = std::process::id().to_string();
        Command::new("kill").args(["-9", &me]).status().unwrap();
        std::thread::sleep(Duration::from_secs(60));
    }
}

/// Runs until it is killed.
pub async fn serve() {
    if std::env::var_os(MARK).is_none() {
        return;
    }
    let filter = std::env::var("CHAOS_LOG").unwrap_or_else(|_| "error".into());
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
    let mut config = Config::from_env(&hourbook::config::env()).unwrap();
    config.tuning = Tuning { at_step: die_at, ..tuning() };
    let listeners = [config.listen, config.ops_listen].map(|at| TcpListener::bind(at).unwrap());
    let running = server::start(config, Clock::system(), listeners).await.unwrap();
    let mut terminate = signal(SignalKind::terminate()).unwrap();
    terminate.recv().await;
    running.stop().await;
}

/// The environment of a server in a process of its own, and its address.
pub fn env(cloud: &Cloud, data_dir: &Path) -> (Env, String) {
    let [listen, ops] = [(); 2].map(|()| format!("127.0.0.1:{}", ports::of_ones_own()));
    let url = format!("http://{listen}");
    let env = Env::from(
        [
            ("HOURBOOK_LISTEN", listen.as_str()),
            ("HOURBOOK_OPS_LISTEN", &ops),
            ("HOURBOOK_BASE_URL", &url),
            ("HOURBOOK_APP_KEY", APP_KEY),
            ("HOURBOOK_MASTER_KEYS", MASTER_KEYS),
            ("HOURBOOK_CONNECT_KEYS_URL", cloud.url.as_str()),
            ("HOURBOOK_OAUTH_URL", cloud.url.as_str()),
            ("HOURBOOK_ALLOWED_SITES", "http://127.0.0.1:*"),
            ("HOURBOOK_DATA_DIR", data_dir.to_str().unwrap()),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    (env, url)
}

/// A server that may be killed.
pub struct Process {
    env: Env,
    log: Option<PathBuf>,
    child: Option<Child>,
}

impl Process {
    pub fn new(env: Env) -> Self {
        Self { env, log: None, child: None }
    }

    /// What it logs goes into a file.
    pub fn logging_to(mut self, log: &Path) -> Self {
        self.log = Some(log.to_owned());
        self
    }

    pub fn start(&mut self) {
        let log =
            self.log.as_ref().map(|path| OpenOptions::new().create(true).append(true).open(path).unwrap());
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["chaos::child", "--exact", "--ignored", "--nocapture", "--quiet"])
            .env_clear()
            .envs(&self.env)
            .env(MARK, "1")
            .envs(std::env::var("CHAOS_LOG").map(|log| ("CHAOS_LOG", log)))
            .stdout(Stdio::null())
            .stderr(log.map_or_else(Stdio::inherit, Stdio::from))
            .spawn()
            .unwrap();
        self.child = Some(child);
    }

    /// SIGKILL: nothing is flushed, nothing said goodbye to.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// SIGTERM: it says goodbye.
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        if let Some(child) = &self.child {
            let sent = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status();
            assert!(sent.unwrap().success());
        }
    }

    /// Waits until it has died by itself.
    pub fn wait(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.wait().unwrap();
        }
    }

    pub fn env(&self) -> &Env {
        &self.env
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
