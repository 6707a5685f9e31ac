//! Configuration from the environment, checked once at start with all errors at once.
//!
//! The names are a contract with outside tools; `deploy/env.example` documents each and a test compares both.

mod forge;
mod storage;

pub use forge::Forge;
pub use storage::{Shared, Storage, TenantServer};

use crate::backup::Backups;
use crate::limits::Rate;
use crate::sites::AllowedSites;
use hourbook_crypto::master::{self, MasterKeys};
use secrecy::SecretString;
use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use url::Url;
use zeroize::Zeroizing;

/// Every variable that is read, in the order of `deploy/env.example`.
pub const VARIABLES: &[&str] = &[
    "HOURBOOK_LISTEN",
    "HOURBOOK_OPS_LISTEN",
    "HOURBOOK_PROXIES",
    "HOURBOOK_BASE_URL",
    "HOURBOOK_APP_KEY",
    "HOURBOOK_DATA_DIR",
    "HOURBOOK_DATABASE_URL",
    "HOURBOOK_KEYRING_URL",
    "HOURBOOK_TENANT_SERVERS",
    "HOURBOOK_CONNECTIONS",
    "HOURBOOK_MASTER_KEYS",
    "HOURBOOK_MASTER_KEYS_FILE",
    "HOURBOOK_RECEIPT_KEY",
    "HOURBOOK_CONNECT_KEYS_URL",
    "HOURBOOK_OAUTH_URL",
    "HOURBOOK_CONNECT_HOST_SCRIPT",
    "HOURBOOK_FORGE_APP_ID",
    "HOURBOOK_FORGE_KEYS_URL",
    "HOURBOOK_FORGE_ENVIRONMENTS",
    "HOURBOOK_FORGE_ORIGINS",
    "HOURBOOK_FORGE_UNINSTALL_MINUTES",
    "HOURBOOK_API_URL",
    "HOURBOOK_ALLOWED_SITES",
    "HOURBOOK_INCREMENTAL_SECS",
    "HOURBOOK_POINTS_PER_HOUR",
    "HOURBOOK_CALLS_PER_SECOND",
    "HOURBOOK_REGION",
    "HOURBOOK_REPORT_MEMORY_MB",
    "HOURBOOK_BACKUP_DIR",
    "HOURBOOK_BACKUP_URL",
    "HOURBOOK_BACKUP_DAYS",
    "HOURBOOK_BACKUP_HOUR",
    "HOURBOOK_KEY_COPIES_HOURS",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "HOURBOOK_DRAIN_SECS",
    "HOURBOOK_LOG",
    "SENTRY_DSN",
];

/// The variables of the environment that matter.
pub type Env = HashMap<String, String>;

/// What `serve` needs to know.
#[derive(Clone)]
pub struct Config {
    /// `HOURBOOK_LISTEN`: where Jira and browsers come in.
    pub listen: SocketAddr,
    /// `HOURBOOK_OPS_LISTEN`: metrics and operator routes.
    pub ops_listen: SocketAddr,
    /// `HOURBOOK_PROXIES`: how many proxies of ours are in front; the client's address is that many entries from the
    /// end of `X-Forwarded-For`.
    pub proxies: usize,
    /// `HOURBOOK_BASE_URL`: the public URL without a trailing slash; the expected `aud`.
    pub base_url: String,
    /// `HOURBOOK_APP_KEY`: the key of the app in its descriptor, `iss` of what we sign.
    pub app_key: String,
    /// `HOURBOOK_MASTER_KEYS`, or what is in `HOURBOOK_MASTER_KEYS_FILE`.
    pub master_keys: MasterKeys,
    /// `HOURBOOK_MASTER_KEYS_FILE`, which `keys rotate` may change while the server runs.
    pub master_keys_file: Option<PathBuf>,
    /// `HOURBOOK_RECEIPT_KEY`: the seed, if the operator gives one.
    pub receipt_seed: Option<Zeroizing<[u8; 32]>>,
    /// `HOURBOOK_CONNECT_KEYS_URL`: where installation keys are, `/<kid>` is appended.
    pub connect_keys_url: String,
    /// `HOURBOOK_OAUTH_URL`: where tokens for acting as a user come from, `/oauth2/token` is appended.
    pub oauth_url: String,
    /// `HOURBOOK_CONNECT_HOST_SCRIPT`: the bridge to Jira that pages load.
    pub connect_host_script: String,
    /// What there is of Forge; `None` where the app is not registered with it.
    pub forge: Option<Forge>,
    /// `HOURBOOK_API_URL`: Atlassian's gateway. Sites are at `/ex/jira/<cloudId>` below it, reports about accounts go to
    /// `/app/report-accounts/`.
    pub api_url: String,
    /// `HOURBOOK_ALLOWED_SITES`.
    pub allowed_sites: AllowedSites,
    /// `HOURBOOK_INCREMENTAL_SECS`: seconds between incremental syncs.
    pub incremental_secs: i64,
    /// `HOURBOOK_POINTS_PER_HOUR`: API points that all tenants share.
    pub points_per_hour: i64,
    /// `HOURBOOK_CALLS_PER_SECOND`: calls of one tenant to one endpoint; half of it for PUT and DELETE.
    pub calls_per_second: i64,
    /// `HOURBOOK_REGION`: recorded with each tenant; another region's tenant is refused.
    pub region: String,
    /// `HOURBOOK_REPORT_MEMORY_MB`, in bytes: what reports keep of worklogs in memory.
    pub report_memory: u64,
    /// Where the data is.
    pub storage: Storage,
    /// Where backups are.
    pub backups: Backups,
    /// `HOURBOOK_DRAIN_SECS`: how long a node that is told to stop goes on answering, so that a load balancer notices.
    pub drain: Duration,
    /// What tests and the demo set otherwise than people should.
    pub tuning: Tuning,
}

/// How the process reports.
#[derive(Clone)]
pub struct Reporting {
    /// `HOURBOOK_LOG`: a filter such as `info` or `hourbook=debug`, with `json:` before it for JSON lines.
    pub log: String,
    /// `SENTRY_DSN`.
    pub sentry_dsn: Option<SecretString>,
}

/// Waiting times, shorter in tests.
#[derive(Debug, Clone)]
pub struct Tuning {
    /// First pause before a call to Jira is tried again; doubles.
    pub retry_base: Duration,
    /// How long one answer of Jira may take.
    pub jira_timeout: Duration,
    /// How often due work is looked for.
    pub tick: Duration,
    /// Open tenant databases at most; each costs about three file descriptors.
    pub open_tenants: usize,
    /// Calls that prove nothing, for each address.
    pub unproved: Rate,
    /// Costly calls, for each account.
    pub costly: Rate,
    /// How long a request may take to arrive and be answered.
    pub patience: Duration,
    /// Calls to Jira that a report may need inside its request; more are made beside it.
    pub calls_inline: usize,
    /// Called before each step of a wipe, by its name: where tests pull the plug.
    pub at_step: fn(&str),
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            retry_base: Duration::from_secs(2),
            jira_timeout: Duration::from_secs(30),
            tick: Duration::from_secs(1),
            open_tenants: 256,
            unproved: Rate::new(20, 200),
            costly: Rate::new(1, 20),
            patience: Duration::from_secs(120),
            calls_inline: 20,
            at_step: |_| {},
        }
    }
}

/// All that is wrong with the environment.
#[derive(Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<String>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the configuration has {} problem(s):", self.0.len())?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  - {problem}"))
    }
}

impl std::error::Error for Problems {}

/// The variables of this process that Hourbook reads.
pub fn env() -> Env {
    VARIABLES
        .iter()
        .filter_map(|name| std::env::var(name).ok().map(|value| ((*name).to_owned(), value)))
        .collect()
}

/// Collects problems instead of stopping at the first.
struct Reader<'a> {
    env: &'a Env,
    problems: Vec<String>,
}

impl Reader<'_> {
    /// An empty variable counts as absent, as it does in most shells and compose files.
    fn get(&self, name: &str) -> Option<&str> {
        self.env.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    fn parsed<T, E: fmt::Display>(
        &mut self,
        name: &str,
        default: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.get(name).unwrap_or(default).to_owned();
        match parse(&text) {
            Ok(value) => Some(value),
            Err(error) => {
                self.problems.push(format!("{name}: {error}"));
                None
            }
        }
    }

    fn required<T, E: fmt::Display>(
        &mut self,
        name: &str,
        why: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        if self.get(name).is_none() {
            self.problems.push(format!("{name} is missing: {why}"));
            return None;
        }
        self.parsed(name, "", parse)
    }
}

impl Reporting {
    /// How to report; never fails, a bad filter is replaced and said so at start.
    pub fn from_env(env: &Env) -> Self {
        let get = |name: &str| env.get(name).filter(|value| !value.trim().is_empty());
        Self {
            log: get("HOURBOOK_LOG").cloned().unwrap_or_else(|| "info".into()),
            sentry_dsn: get("SENTRY_DSN").map(|dsn| SecretString::from(dsn.clone())),
        }
    }
}

impl Reader<'_> {
    fn base_url(&mut self) -> Option<String> {
        self.required("HOURBOOK_BASE_URL", "the public URL under which Jira reaches Hourbook", public_url)
    }

    /// From the variable or from the file that the other one names, never both.
    fn master_keys(&mut self) -> (Option<MasterKeys>, Option<PathBuf>) {
        let file = self.get("HOURBOOK_MASTER_KEYS_FILE").map(PathBuf::from);
        let Some(file) = file else {
            let keys = self.required(
                "HOURBOOK_MASTER_KEYS",
                "id:base64 of 32 random bytes, for example from `hourbook keys generate`; or name a file of them in \
                 HOURBOOK_MASTER_KEYS_FILE",
                MasterKeys::parse,
            );
            return (keys, None);
        };
        if self.get("HOURBOOK_MASTER_KEYS").is_some() {
            self.problems
                .push("HOURBOOK_MASTER_KEYS: HOURBOOK_MASTER_KEYS_FILE is given too; keep one".into());
        }
        match read_master_keys(&file) {
            Ok(keys) => (Some(keys), Some(file)),
            Err(error) => {
                self.problems.push(format!("HOURBOOK_MASTER_KEYS_FILE: {error}"));
                (None, Some(file))
            }
        }
    }
}

/// Reads a file of master keys, one in a line; the first wraps.
///
/// # Errors
/// Says what is wrong, without any of the content.
pub fn read_master_keys(file: &Path) -> Result<MasterKeys, String> {
    let text = std::fs::read_to_string(file).map(Zeroizing::new);
    let text = text.map_err(|error| format!("{}: {error}", file.display()))?;
    let lines = Zeroizing::new(text.lines().map(str::trim).collect::<Vec<_>>().join(","));
    MasterKeys::parse(&lines).map_err(|error| error.to_string())
}

/// Where backups are, for commands that need no keys.
///
/// # Errors
/// All problems at once.
pub fn backups(env: &Env) -> Result<Backups, Problems> {
    let mut reader = Reader { env, problems: Vec::new() };
    let storage = reader.storage();
    match reader.backups(&storage) {
        Some(backups) if reader.problems.is_empty() => Ok(backups),
        _ => Err(Problems(reader.problems)),
    }
}

/// Where backups are, and the keys that open them: for commands that work without a server.
///
/// # Errors
/// All problems at once.
pub fn keys_and_backups(env: &Env) -> Result<(MasterKeys, Option<PathBuf>, Storage, Backups), Problems> {
    let mut reader = Reader { env, problems: Vec::new() };
    let (keys, file) = reader.master_keys();
    let storage = reader.storage();
    match (keys, reader.backups(&storage)) {
        (Some(keys), Some(backups)) if reader.problems.is_empty() => Ok((keys, file, storage, backups)),
        _ => Err(Problems(reader.problems)),
    }
}

/// The app's id at Forge and the server's address, for what describes the app.
///
/// # Errors
/// All problems at once.
pub fn app_of_forge(env: &Env) -> Result<(String, String), Problems> {
    let mut reader = Reader { env, problems: Vec::new() };
    let app_id = reader.required(
        "HOURBOOK_FORGE_APP_ID",
        "the app's id, as `forge register` or `forge create` gave it",
        forge::app_id,
    );
    let base_url = reader.base_url();
    match app_id.zip(base_url) {
        Some(found) if reader.problems.is_empty() => Ok(found),
        _ => Err(Problems(reader.problems)),
    }
}

impl Config {
    /// Reads and checks everything.
    ///
    /// # Errors
    /// All problems at once, each with the variable's name.
    pub fn from_env(env: &Env) -> Result<Self, Problems> {
        let mut reader = Reader { env, problems: Vec::new() };
        let config = Self::read(&mut reader);
        match config {
            Some(config) if reader.problems.is_empty() => Ok(config),
            _ => Err(Problems(reader.problems)),
        }
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let address = |text: &str| {
            text.parse::<SocketAddr>().map_err(|_| "an address and a port, such as 127.0.0.1:8080")
        };
        let listen = reader.parsed("HOURBOOK_LISTEN", "127.0.0.1:8080", address);
        let ops_listen = reader.parsed("HOURBOOK_OPS_LISTEN", "127.0.0.1:9090", address);
        let proxies = reader.parsed("HOURBOOK_PROXIES", "0", |text| number(text, 0, 10));
        let base_url = reader.base_url();
        let app_key = reader.parsed("HOURBOOK_APP_KEY", "app.hourbook", app_key);
        let (master_keys, master_keys_file) = reader.master_keys();
        let receipt_seed = reader.get("HOURBOOK_RECEIPT_KEY").map(str::to_owned).and_then(|text| {
            master::parse_32_bytes(&text, "the seed")
                .map_err(|error| reader.problems.push(format!("HOURBOOK_RECEIPT_KEY: {error}")))
                .ok()
        });
        let connect_keys_url =
            reader.parsed("HOURBOOK_CONNECT_KEYS_URL", "https://connect-install-keys.atlassian.com", origin);
        let oauth_url = reader.parsed(
            "HOURBOOK_OAUTH_URL",
            "https://oauth-2-authorization-server.services.atlassian.com",
            origin,
        );
        let connect_host_script = reader.parsed(
            "HOURBOOK_CONNECT_HOST_SCRIPT",
            "https://connect-cdn.atl-paas.net/all.js",
            public_url,
        );
        let forge = reader.forge();
        let api_url = reader.parsed("HOURBOOK_API_URL", "https://api.atlassian.com", origin);
        let allowed_sites = reader.parsed("HOURBOOK_ALLOWED_SITES", "*.atlassian.net", AllowedSites::parse);
        let incremental_secs =
            reader.parsed("HOURBOOK_INCREMENTAL_SECS", "900", |text| number(text, 1, 86_400));
        let points_per_hour =
            reader.parsed("HOURBOOK_POINTS_PER_HOUR", "65000", |text| number(text, 100, 100_000_000));
        let calls_per_second =
            reader.parsed("HOURBOOK_CALLS_PER_SECOND", "80", |text| number(text, 1, 1_000_000));
        let region = reader.parsed("HOURBOOK_REGION", "eu-central-1", region);
        let report_memory =
            reader.parsed("HOURBOOK_REPORT_MEMORY_MB", "512", |text| number(text, 0, 1_000_000));
        let drain = reader.parsed("HOURBOOK_DRAIN_SECS", "0", |text| number(text, 0, 600));
        let storage = reader.storage();
        let backups = reader.backups(&storage);
        Some(Self {
            listen: listen?,
            ops_listen: ops_listen?,
            proxies: usize::try_from(proxies?).ok()?,
            base_url: base_url?,
            app_key: app_key?,
            master_keys: master_keys?,
            master_keys_file,
            receipt_seed,
            connect_keys_url: connect_keys_url?,
            oauth_url: oauth_url?,
            connect_host_script: connect_host_script?,
            forge,
            api_url: api_url?,
            allowed_sites: allowed_sites?,
            incremental_secs: incremental_secs?,
            points_per_hour: points_per_hour?,
            calls_per_second: calls_per_second?,
            region: region?,
            report_memory: u64::try_from(report_memory?).unwrap_or(0) * 1024 * 1024,
            storage,
            backups: backups?,
            drain: Duration::from_secs(drain?.unsigned_abs()),
            tuning: Tuning::default(),
        })
    }
}

fn is_loopback(url: &Url) -> bool {
    matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"))
}

/// Secrets and tokens travel to these addresses: https, or http on this machine.
fn secure(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| "not a URL")?;
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        _ => Err("it has to be https (http only on loopback)"),
    }
}

fn public_url(text: &str) -> Result<String, &'static str> {
    let url = secure(text)?;
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
        return Err("it has no query, fragment or user");
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

fn origin(text: &str) -> Result<String, &'static str> {
    let url = secure(text)?;
    if !matches!(url.path(), "" | "/") {
        return Err("it is an origin, without a path");
    }
    Ok(url.origin().ascii_serialization())
}

fn app_key(text: &str) -> Result<String, &'static str> {
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    if plain && (1..=64).contains(&text.len()) {
        Ok(text.to_owned())
    } else {
        Err("1 to 64 of A-Z a-z 0-9 . _ -")
    }
}

fn region(text: &str) -> Result<String, &'static str> {
    let plain = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if plain && text.len() <= 32 { Ok(text.to_owned()) } else { Err("a-z, 0-9 and -, at most 32") }
}

fn number(text: &str, least: i64, most: i64) -> Result<i64, String> {
    text.parse()
        .ok()
        .filter(|value| (least..=most).contains(value))
        .ok_or_else(|| format!("a whole number from {least} to {most}"))
}
