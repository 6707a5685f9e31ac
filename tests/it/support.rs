//! The harness: a world with two Jira sites whose ids are equal, and the real server.
//!
//! `World::start()` gives an empty server beside two filled sites, `World::installed()` one that has synced both.
//! Every test ends with `world.end().await`, which fails on a copy that differs from its Jira, on calls that no
//! endpoint of the simulator answered, on webhooks that were refused, and on planted words in logs or files: every
//! name, summary, comment, tag, token and secret of these worlds contains the word "canary".

pub mod client;
pub mod compare;
pub mod logs;
pub mod ports;
#[allow(dead_code, reason = "benchmarks need more of it")]
pub mod postgres;
pub mod s3;

use client::Client;
use hourbook::backup::Found;
use hourbook::clock::Clock;
use hourbook::config::{Config, Env, Tuning};
use hourbook::jira::error::JiraError;
use hourbook::limits::Rate;
use hourbook::tenants::Tenant;
use hourbook::web::server::{self, Running};
use hourbook_simulator::cloud::Cloud;
use hourbook_simulator::forge;
use hourbook_simulator::people::Work;
use hourbook_simulator::site::Site;
use hourbook_simulator::views;
use hourbook_store::control::installations;
use serde_json::json;
use std::cell::Cell;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

pub const APP_KEY: &str = "app.hourbook.test";
pub const MASTER_KEYS: &str = "test:AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";
/// A Jira admin.
pub const ANA: &str = "5b10a2844c20165700000ana";
/// A plain user.
pub const BEN: &str = "5b10a2844c20165700000ben";
/// Another plain user.
pub const CLEO: &str = "5b10a2844c2016570000cleo";

/// What both sites hold; the ids are the same in both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fixture {
    pub project: i64,
    pub other_project: i64,
    /// Everybody sees it.
    pub issue: i64,
    /// Hidden from Ben.
    pub secret_issue: i64,
    /// Ana's, on `issue`.
    pub by_ana: i64,
    /// Ben's, on `issue`.
    pub by_ben: i64,
    /// Cleo's, on `secret_issue`.
    pub by_cleo: i64,
    /// Ben's, on `secret_issue`: logged before it was hidden from him.
    pub by_ben_hidden: i64,
}

pub struct World {
    pub cloud: Arc<Cloud>,
    pub site: Arc<Site>,
    pub other: Arc<Site>,
    pub ids: Fixture,
    pub http: reqwest::Client,
    pub clock: Clock,
    pub env: Env,
    pub tuning: Tuning,
    server: Option<Running>,
    dir: TempDir,
    databases: Option<postgres::Databases>,
    ended: bool,
}

fn fill(site: &Site, name: &str) -> Fixture {
    for (account, who, admin) in [(ANA, "Ana", true), (BEN, "Ben", false), (CLEO, "Cleo", false)] {
        site.add_user(account, &format!("Canary {who} of {name}"), admin);
    }
    let project = site.add_project("CAN");
    let other_project = site.add_project("OTH");
    let issue = site.add_issue(project, "canary summary");
    let secret_issue = site.add_issue(other_project, "canary hidden summary");
    let work = |seconds: i64, text: &str| Work::of(seconds, &format!("canary {text} of {name}"));
    let ids = Fixture {
        project,
        other_project,
        issue,
        secret_issue,
        by_ana: site.log_work(ANA, issue, work(3600, "review")),
        by_ben: site.log_work(BEN, issue, work(1800, "call")),
        by_cleo: site.log_work(CLEO, secret_issue, work(5400, "plan")),
        by_ben_hidden: site.log_work(BEN, secret_issue, work(900, "fix")),
    };
    let tag = json!({ "v": 1, "tags": [{ "id": "77", "name": format!("canary tag of {name}") }] });
    site.change_work(ids.by_ana, |worklog| {
        worklog.properties.insert("hourbook".into(), tag);
    });
    site.hide_issue(secret_issue, BEN);
    ids
}

/// From here to the next five past ten, UTC. Every world begins then, so that what is counted by the hour and by the day
/// is the same at whatever time tests run.
fn until_the_day_begins(now_ms: i64) -> i64 {
    const DAY_MS: i64 = 86_400_000;
    const BEGINS_MS: i64 = (10 * 60 + 5) * 60_000;
    (BEGINS_MS - now_ms).rem_euclid(DAY_MS)
}

impl World {
    /// Two filled sites and a server that nobody has installed.
    pub async fn start() -> Self {
        Self::start_with(|_, _| {}).await
    }

    pub async fn start_with(adjust: impl FnOnce(&mut Env, &mut Tuning)) -> Self {
        logs::capture();
        let cloud = Cloud::start();
        let ahead = until_the_day_begins(cloud.clock.now_ms() + 90_000);
        cloud.clock.advance_ms(ahead);
        let site = Site::start(&cloud, "canary-client-one");
        let other = Site::start(&cloud, "canary-client-two");
        for site in [&site, &other] {
            site.state().by_forge = by_forge();
        }
        let ids = fill(&site, "one");
        assert_eq!(ids, fill(&other, "two"), "both tenants have equal ids");
        // What is older than a minute is in the feeds.
        cloud.clock.advance_ms(90_000);
        let dir = TempDir::new().unwrap();
        let mut env = Env::from(
            [
                ("HOURBOOK_LISTEN", "127.0.0.1:0"),
                ("HOURBOOK_OPS_LISTEN", "127.0.0.1:0"),
                ("HOURBOOK_APP_KEY", APP_KEY),
                ("HOURBOOK_MASTER_KEYS", MASTER_KEYS),
                ("HOURBOOK_CONNECT_KEYS_URL", cloud.url.as_str()),
                ("HOURBOOK_OAUTH_URL", cloud.url.as_str()),
                ("HOURBOOK_FORGE_APP_ID", forge::APP_ID),
                ("HOURBOOK_FORGE_KEYS_URL", format!("{}/.well-known/jwks.json", cloud.url).as_str()),
                // A removal is as final as Connect's, where a test does not say otherwise.
                ("HOURBOOK_FORGE_UNINSTALL_MINUTES", "0"),
                ("HOURBOOK_API_URL", cloud.url.as_str()),
                ("HOURBOOK_ALLOWED_SITES", "http://127.0.0.1:*"),
                ("HOURBOOK_INCREMENTAL_SECS", "3600"),
                ("HOURBOOK_DATA_DIR", dir.path().to_str().unwrap()),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        let databases = postgres::on_postgres().then(postgres::Databases::create);
        if let Some(databases) = &databases {
            env.insert("HOURBOOK_DATABASE_URL".into(), databases.url.clone());
            env.insert("HOURBOOK_BACKUP_URL".into(), format!("file://{}/backups", dir.path().display()));
        }
        let mut tuning = Tuning {
            retry_base: Duration::from_millis(20),
            jira_timeout: Duration::from_secs(5),
            tick: Duration::from_millis(100),
            open_tenants: 8,
            unproved: Rate::new(100_000, 100_000),
            costly: Rate::new(100_000, 100_000),
            ..Tuning::default()
        };
        adjust(&mut env, &mut tuning);
        let clock = Clock::system();
        clock.advance_ms(ahead + 90_000);
        let http = hourbook::jira::client::http_client(Duration::from_secs(30)).unwrap();
        let mut world = Self {
            cloud,
            site,
            other,
            ids,
            http,
            clock,
            env,
            tuning,
            server: None,
            dir,
            databases,
            ended: false,
        };
        world.boot().await;
        world
    }

    /// A server that both sites have installed and that has synced both.
    pub async fn installed() -> Self {
        let world = Self::start().await;
        world.install_both().await;
        world
    }

    pub async fn install_both(&self) {
        for site in [&self.site, &self.other] {
            assert_eq!(site.install(&self.url(), APP_KEY).await, 204);
            self.settle(site).await;
        }
    }

    /// Removes Hourbook from a site, for good: on Forge that is a while after its announcement.
    pub async fn uninstall(&self, site: &Site) -> u16 {
        let status = site.uninstall().await;
        if by_forge() {
            eventually("the removal is final", || async {
                self.open_tenant(site).await.map_or(Ok(()), |id| Err(format!("{id} is open")))
            })
            .await;
        }
        status
    }

    /// Runs a verb of the command line against the data folder, as an operator would.
    pub async fn hourbook(&self, args: &str) -> (bool, String) {
        let args: Vec<String> = args.split_whitespace().map(str::to_owned).collect();
        let env = self.env.clone();
        let run = move || {
            let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_hourbook"));
            let output = command.args(args).env_clear().envs(env).output().unwrap();
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            (output.status.success(), text(&output.stdout) + &text(&output.stderr))
        };
        tokio::task::spawn_blocking(run).await.unwrap()
    }

    /// Enqueues a job of a site's tenant and waits until nothing is left to do.
    pub async fn run_job(&self, site: &Site, kind: hourbook::jobs::Kind, subject: &str) {
        let tenant = self.tenant_id(site).await;
        hourbook::jobs::enqueue(&self.running().app, &tenant, kind, subject).await.unwrap();
        self.settle(site).await;
    }

    /// Enqueues a job and waits until it is done, whatever else there is to do.
    pub async fn run_job_unsettled(&self, site: &Site, kind: hourbook::jobs::Kind, subject: &str) {
        let tenant = self.tenant_id(site).await;
        let app = &self.running().app;
        let job = hourbook::jobs::enqueue(app, &tenant, kind, subject).await.unwrap();
        eventually("the job is done", || async {
            let found = app.control.read(move |conn| hourbook_store::control::jobs::find(conn, job)).await;
            let found = found.unwrap().expect("it is remembered");
            if found.state == "done" { Ok(()) } else { Err(format!("{found:?}")) }
        })
        .await;
    }

    /// Starts the server, on the same data if there was one before.
    pub async fn boot(&mut self) {
        let public = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let ops = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        self.env.insert("HOURBOOK_BASE_URL".into(), format!("http://{}", public.local_addr().unwrap()));
        let mut config = Config::from_env(&self.env).unwrap();
        config.tuning = self.tuning.clone();
        let running = server::start(config, self.clock.clone(), [public, ops]).await.unwrap();
        for site in [&self.site, &self.other] {
            let (mut state, url) = (site.state(), format!("http://{}", running.public));
            if let Some(installation) = state.installation.as_mut() {
                installation.app_url.clone_from(&url);
            }
            if let Some(app) = state.forge.as_mut() {
                app.app_url = url;
            }
        }
        self.server = Some(running);
    }

    /// Stops the server; its data stays.
    pub async fn halt(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop().await;
        }
    }

    pub fn running(&self) -> &Running {
        self.server.as_ref().expect("the server runs")
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.running().public)
    }

    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().to_owned()
    }

    /// The tenant of a site that is not closed, whichever host it came by.
    pub async fn open_tenant(&self, site: &Site) -> Option<String> {
        let (client_key, cloud_id) = (site.client_key(), site.cloud_id());
        let all = self.running().app.control.read(installations::all).await.unwrap();
        let is_its = |key: &str| key == client_key || key.rsplit('/').next() == Some(&cloud_id);
        let open =
            all.into_iter().rfind(|found| found.state != installations::CLOSED && is_its(&found.client_key));
        open.map(|found| found.tenant_id)
    }

    /// The tenant of a site, with its secrets opened.
    pub async fn tenant(&self, site: &Site) -> Arc<Tenant> {
        let id = self.tenant_id(site).await;
        self.running().app.tenants.by_id(&id).await.unwrap().expect("its keys are there")
    }

    /// The folder of the only tenant of a site that is not wiped.
    pub async fn tenant_id(&self, site: &Site) -> String {
        self.open_tenant(site).await.expect("the site is installed")
    }

    /// The backups below a prefix, oldest first.
    pub async fn backups(&self, prefix: &str) -> Vec<Found> {
        hourbook::backup::list(&self.running().app.vault, prefix).await.unwrap()
    }

    /// The file that a backup is.
    pub fn backup_file(&self, found: &Found) -> PathBuf {
        self.data_dir().join("backups").join(&found.path)
    }

    /// Whether a tenant's database is there, wherever tenants' databases are.
    pub fn has_database(&self, tenant: &str) -> bool {
        match &self.databases {
            Some(databases) => databases.has_tenant(tenant),
            None => self.data_dir().join("tenants").join(tenant).join("worklogs.db").exists(),
        }
    }

    /// Texts that a query in a tenant's database gives, whichever backend it is on.
    pub async fn in_tenant(&self, tenant: &str, sql: &str) -> Vec<String> {
        match &self.databases {
            Some(databases) => databases.in_tenant(tenant, sql),
            None => {
                let path = self.data_dir().join("tenants").join(tenant).join("worklogs.db");
                let conn = rusqlite::Connection::open(path).unwrap();
                let mut query = conn.prepare(sql).unwrap();
                query.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
            }
        }
    }

    /// Runs statements in a tenant's database.
    pub fn change_tenant(&self, tenant: &str, sql: &str) {
        match &self.databases {
            Some(databases) => databases.change_tenant(tenant, sql),
            None => {
                let path = self.data_dir().join("tenants").join(tenant).join("worklogs.db");
                rusqlite::Connection::open(path).unwrap().execute_batch(sql).unwrap();
            }
        }
    }

    /// Runs statements in a database of the service: `control`, `keyring` or `inbox`.
    pub fn change_service(&self, name: &str, sql: &str) {
        match &self.databases {
            Some(databases) => databases.sql(name, sql),
            None => {
                let conn = rusqlite::Connection::open(self.data_dir().join(format!("{name}.db"))).unwrap();
                conn.busy_timeout(Duration::from_secs(20)).unwrap();
                conn.execute_batch(sql).unwrap();
            }
        }
    }

    /// As if a disaster had left nothing of the service but its backups.
    pub fn lose_everything_but_backups(&mut self) {
        for entry in std::fs::read_dir(self.dir.path()).unwrap() {
            let path = entry.unwrap().path();
            match path.file_name().unwrap() == "backups" {
                true => {}
                false if path.is_dir() => std::fs::remove_dir_all(path).unwrap(),
                false => std::fs::remove_file(path).unwrap(),
            }
        }
        if let Some(databases) = self.databases.take() {
            databases.drop_all();
            let fresh = postgres::Databases::create();
            self.env.insert("HOURBOOK_DATABASE_URL".into(), fresh.url.clone());
            self.databases = Some(fresh);
        }
    }

    /// Somebody's calls from a page of ours in the first site.
    pub fn as_user(&self, account: &str) -> Client<'_> {
        self.on(&self.site, account)
    }

    pub fn on<'a>(&'a self, site: &'a Site, account: &str) -> Client<'a> {
        Client { world: self, site, account: account.to_owned() }
    }

    /// Moves both clocks.
    pub fn advance(&self, by: Duration) {
        let by = i64::try_from(by.as_millis()).unwrap();
        self.clock.advance_ms(by);
        self.cloud.clock.advance_ms(by);
    }

    /// Waits until all webhooks are delivered and applied and no sync runs.
    pub async fn settle(&self, site: &Site) {
        site.webhooks_delivered().await;
        let client = self.on(site, ANA);
        let without_token = JiraError::NoSystemToken.to_string();
        let tries = Cell::new(0);
        eventually("the sync is idle", || async {
            let sync = client.get("/api/v1/sync").await;
            let idle = sync.json["state"] == "idle" && sync.json["pending"] == 0;
            let jobs = self.open_jobs(site).await;
            if idle && jobs.is_empty() {
                return Ok(());
            }
            // A trigger that a busy machine did not answer in time is not sent again, and the next one is minutes away.
            tries.set(tries.get() + 1);
            let stopped = site.state().habits.stopped;
            if tries.get() % 200 == 0 && !stopped && jobs.iter().any(|job| job.contains(&without_token)) {
                site.trigger("hourbook-minutes").await;
            }
            Err(format!("{} {jobs:?}", sync.json))
        })
        .await;
    }

    /// Kinds of jobs that wait or run.
    pub async fn open_jobs(&self, site: &Site) -> Vec<String> {
        let app = &self.running().app;
        let Some(id) = self.open_tenant(site).await else { return Vec::new() };
        let jobs = app
            .control
            .read(move |conn| hourbook_store::control::jobs::open_of_tenant(conn, &id))
            .await
            .unwrap();
        jobs.into_iter()
            .filter(|job| job.state != "failed")
            .map(|job| format!("{} {} {:?}", job.kind, job.state, job.error))
            .collect()
    }

    /// A sync by hand, waited for.
    pub async fn sync(&self, site: &Site, kind: &str) {
        let started = self.on(site, ANA).post("/api/v1/sync", &json!({ "kind": kind })).await;
        assert_eq!(started.status, 202, "{}", started.json);
        self.settle(site).await;
    }

    /// Waits until the copy of a site equals the site.
    pub async fn equal(&self, site: &Site) {
        eventually("the copy equals Jira", || compare::difference(self, site)).await;
    }

    /// The checks at the end of every test.
    pub async fn end(mut self) {
        for site in [&self.site, &self.other] {
            if site.has_app() {
                self.settle(site).await;
                self.equal(site).await;
            }
            let state = site.state();
            assert_eq!(state.unanswered, Vec::<String>::new(), "calls that no endpoint answers");
            // A call may be on its way while the app is uninstalled or the clocks are moved. One that is refused for
            // its time is made again; were it always so, its tenant would be suspended.
            let while_moved = ["not installed", ": lifetime", ": expired token"];
            let on_its_way = |why: &&String| while_moved.iter().any(|end| why.ends_with(end));
            let unsigned: Vec<_> = state.unauthorised.iter().filter(|why| !on_its_way(why)).collect();
            assert!(unsigned.is_empty(), "calls without a valid signature: {unsigned:?}");
            assert_eq!(state.refused, Vec::new(), "webhooks refused for good");
        }
        self.halt().await;
        logs::assert_clean();
        logs::assert_no_canary_in(self.dir.path());
        self.drop_databases().await;
        self.ended = true;
    }

    async fn drop_databases(&mut self) {
        if let Some(databases) = self.databases.take() {
            tokio::task::spawn_blocking(move || databases.drop_all()).await.unwrap();
        }
    }

    /// For tests whose worlds end in a state that the usual checks do not fit.
    pub async fn end_unchecked(mut self) {
        self.halt().await;
        logs::assert_clean();
        logs::assert_no_canary_in(self.dir.path());
        self.drop_databases().await;
        self.ended = true;
    }
}

impl Drop for World {
    fn drop(&mut self) {
        assert!(self.ended || std::thread::panicking(), "a test has to end with world.end().await");
    }
}

/// How long is waited for what has to come. Machines are shared: it tells "never" from "late", and measures nothing.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Tries until it holds; the last reason is told when it never does.
pub async fn eventually<F, T>(what: &str, attempt: impl Fn() -> F) -> T
where
    F: Future<Output = Result<T, String>>,
{
    let begun = std::time::Instant::now();
    loop {
        match attempt().await {
            Ok(value) => return value,
            Err(reason) if begun.elapsed() > PATIENCE => {
                panic!(
                    "never so: {what}: {reason}\nwarnings of all tests, the last ones:\n{}",
                    logs::warnings(40)
                )
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(25)).await,
        }
    }
}

/// Whether sites install Hourbook by Forge in this run: `HOURBOOK_TEST_HOST=forge`.
pub fn by_forge() -> bool {
    std::env::var("HOURBOOK_TEST_HOST").is_ok_and(|host| host == "forge")
}

/// A document that says something, with the planted word.
pub fn canary(text: &str) -> serde_json::Value {
    views::document(&format!("canary {text}"))
}
