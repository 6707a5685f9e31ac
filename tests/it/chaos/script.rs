//! One run: what happens at random, and the quiet at the end.

use super::compare;
use super::process::{self, Process, tuning};
use crate::support::{ANA, APP_KEY, BEN, CLEO, canary, eventually};
use hourbook::clock::Clock;
use hourbook::config::Config;
use hourbook::jobs::{self, Kind};
use hourbook::web::server;
use hourbook_simulator::cloud::Cloud;
use hourbook_simulator::faults::Fault;
use hourbook_simulator::people::Work;
use hourbook_simulator::site::Site;
use hourbook_simulator::state::{Delivery, Restriction};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// What a run came to.
#[derive(Debug, Default)]
pub struct Told {
    pub acts: u64,
    pub events: u64,
    pub writes: u64,
    pub kills: u64,
}

/// A write that people sent with a key.
struct Sent {
    key: String,
    account: &'static str,
    issue: i64,
    body: Value,
    written: bool,
}

pub struct Chaos {
    seed: u64,
    rng: StdRng,
    site: Arc<Site>,
    process: Process,
    http: reqwest::Client,
    url: String,
    projects: [i64; 2],
    sent: Vec<Sent>,
    /// Whether things happen of which neither a feed nor an event tells.
    silent: bool,
    told: Told,
    _dir: TempDir,
}

const PEOPLE: [&str; 3] = [ANA, BEN, CLEO];

impl Chaos {
    pub async fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let cloud = Cloud::start();
        let site = Site::start(&cloud, "canary-client-one");
        for account in PEOPLE {
            site.add_user(account, "Canary Somebody", account == ANA);
        }
        let projects = [site.add_project("CAN"), site.add_project("OTH")];
        for project in projects {
            for _ in 0..3 {
                site.add_issue(project, "canary");
            }
        }
        {
            let mut state = site.state();
            state.withheld_ms = 200;
            state.feed_page = rng.random_range(2..12);
            state.feeds_include_since = rng.random();
            state.takes_properties = rng.random();
        }
        let dir = TempDir::new().unwrap();
        let (mut env, url) = process::env(&cloud, dir.path());
        env.insert("HOURBOOK_INCREMENTAL_SECS".into(), "1".into());
        let silent = rng.random_ratio(1, 3);
        let http = hourbook::jira::client::http_client(Duration::from_secs(10)).unwrap();
        let process = Process::new(env);
        let (sent, told) = (Vec::new(), Told::default());
        let mut chaos = Self { seed, rng, site, process, http, url, projects, sent, silent, told, _dir: dir };
        for _ in 0..20 {
            chaos.somebody_logs();
        }
        chaos.process.start();
        chaos.install().await;
        chaos
    }

    /// Until the server answers, which it may have been kept from.
    async fn install(&self) {
        for _ in 0..400 {
            if self.site.install(&self.url, APP_KEY).await == 204 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("seed {}: the server does not take the installation", self.seed);
    }

    pub async fn play(&mut self) {
        for _ in 0..self.rng.random_range(60..120) {
            self.told.acts += 1;
            self.act().await;
            if self.rng.random_ratio(1, 3) {
                tokio::time::sleep(Duration::from_millis(self.rng.random_range(0..60))).await;
            }
        }
    }

    async fn act(&mut self) {
        match self.rng.random_range(0..100) {
            0..20 => self.somebody_logs(),
            20..36 => self.somebody_changes(),
            36..44 => self.somebody_deletes(),
            44..47 => self.somebody_moves_worklogs(),
            47..49 => self.an_issue_moves(),
            49..51 => self.an_issue_goes(),
            51..54 => self.a_project_goes_or_comes_back(),
            54..60 => self.the_network_changes(),
            60..68 => self.jira_fails(),
            68..84 => self.somebody_writes_through_us().await,
            84..89 => self.somebody_edits_or_deletes_through_us().await,
            89..94 => self.kill().await,
            94..96 => self.install_again().await,
            96..98 => self.access_is_blocked_or_given_back(),
            _ => self.somebody_asks_for_a_sync().await,
        }
    }

    fn person(&mut self) -> &'static str {
        PEOPLE.choose(&mut self.rng).unwrap()
    }

    fn an_issue(&mut self) -> Option<i64> {
        let issues: Vec<i64> = self.site.state().issues.keys().copied().collect();
        issues.choose(&mut self.rng).copied()
    }

    /// A worklog that was not sent through us.
    fn a_worklog(&mut self) -> Option<i64> {
        let state = self.site.state();
        let of_people =
            |text: &Option<Value>| !text.as_ref().is_some_and(|text| text.to_string().contains("sent"));
        let ids: Vec<i64> =
            state.worklogs.values().filter(|one| of_people(&one.comment)).map(|one| one.id).collect();
        drop(state);
        ids.choose(&mut self.rng).copied()
    }

    fn restriction(&mut self) -> Option<Restriction> {
        let restricted = self.rng.random_ratio(1, 4);
        let identifier = format!("g-{}", self.rng.random_range(1..4));
        restricted.then(|| Restriction { kind: "group".into(), value: "canary group".into(), identifier })
    }

    fn properties(&mut self) -> BTreeMap<String, Value> {
        let tags: Vec<Value> = (0..self.rng.random_range(0..3))
            .map(|_| self.rng.random_range(1..6))
            .map(|tag: u32| json!({ "id": tag.to_string(), "name": format!("canary {tag}") }))
            .collect();
        let mut unique = tags.clone();
        unique.dedup();
        match self.rng.random_range(0..4) {
            0 => BTreeMap::new(),
            1 => BTreeMap::from([("hourbook".to_owned(), json!({ "v": 2, "odd": [1, 2] }))]),
            _ => BTreeMap::from([("hourbook".to_owned(), json!({ "v": 1, "tags": unique }))]),
        }
    }

    fn somebody_logs(&mut self) {
        let Some(issue) = self.an_issue() else { return };
        let seconds = self.rng.random_range(1..600) * 60;
        let work = Work {
            restriction: self.restriction(),
            properties: self.properties(),
            ..Work::of(seconds, &format!("canary {seconds}"))
        };
        let person = self.person();
        self.site.log_work(person, issue, work);
    }

    fn somebody_changes(&mut self) {
        let Some(id) = self.a_worklog() else { return };
        let seconds = self.rng.random_range(1..600) * 60;
        let (restriction, properties) = (self.restriction(), self.properties());
        let what = self.rng.random_range(0..5);
        self.site.change_work(id, |worklog| match what {
            0 => worklog.seconds = seconds,
            1 => worklog.comment = Some(canary(&format!("changed {seconds}"))),
            2 => worklog.comment = None,
            3 => worklog.restriction = restriction,
            _ => (worklog.properties, worklog.started) = (properties, worklog.started - seconds),
        });
    }

    fn somebody_deletes(&mut self) {
        if let Some(id) = self.a_worklog() {
            self.site.delete_work(id);
        }
    }

    fn somebody_moves_worklogs(&mut self) {
        let (Some(one), Some(other), Some(issue)) = (self.a_worklog(), self.a_worklog(), self.an_issue())
        else {
            return;
        };
        // Worklogs that were moved without an event and went with their new issue before a feed named them: nothing
        // tells of these. Only a reconciliation finds them.
        if self.silent {
            let touched = self.rng.random();
            self.site.move_work(&[one, other], issue, touched);
        }
    }

    fn an_issue_moves(&mut self) {
        let project = *self.projects.choose(&mut self.rng).unwrap();
        if let Some(issue) = self.an_issue() {
            self.site.move_issue(issue, project);
        }
    }

    fn an_issue_goes(&mut self) {
        // Where people's own writes are looked for at the end, it stays.
        let used: Vec<i64> = self.sent.iter().map(|sent| sent.issue).collect();
        if let Some(issue) = self.an_issue().filter(|issue| !used.contains(issue)) {
            self.site.delete_issue(issue);
        }
        let project = *self.projects.choose(&mut self.rng).unwrap();
        self.site.add_issue(project, "canary");
    }

    fn a_project_goes_or_comes_back(&mut self) {
        let project = self.projects[1];
        if self.site.state().projects[&project].deleted {
            self.site.restore_project(project);
        } else {
            self.site.delete_project(project);
        }
    }

    fn the_network_changes(&mut self) {
        let delivery = Delivery {
            lost: self.rng.random_range(0..40),
            doubled: self.rng.random_range(0..40),
            late: self.rng.random_range(0..80),
            held: false,
            spares_containers: true,
        };
        self.site.deliver_webhooks(delivery);
    }

    fn jira_fails(&mut self) {
        let paths = [
            "/worklog/updated",
            "/worklog/deleted",
            "/worklog/list",
            "/worklog",
            "/permissions",
            "/webhook",
            "/",
        ];
        let path = *paths.choose(&mut self.rng).unwrap();
        let fault = match self.rng.random_range(0..7) {
            0 => Fault::Status(503),
            1 => Fault::HangUpBefore,
            2 => Fault::HangUpAfter,
            3 => Fault::StatusAfter(500),
            4 if self.rng.random() => Fault::SlowAfter(Duration::from_millis(self.rng.random_range(10..200))),
            4 => Fault::Slow(Duration::from_millis(self.rng.random_range(10..200))),
            5 => Fault::TooMany { reason: "jira-burst-based", retry_after: Some(0) },
            _ => Fault::TooMany { reason: "jira-per-issue-on-write", retry_after: None },
        };
        let times = self.rng.random_range(1..4);
        self.site.fail("", path, fault, times);
    }

    async fn call(
        &self,
        method: &str,
        path: &str,
        account: &str,
        key: Option<&str>,
        body: Option<&Value>,
    ) -> u16 {
        let token = self.site.context_token(account);
        let mut request = self
            .http
            .request(method.parse().unwrap(), format!("{}{path}", self.url))
            .header("Authorization", format!("JWT {token}"));
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        request.send().await.map_or(0, |reply| reply.status().as_u16())
    }

    /// A new write, or an unanswered one once more. The server may be killed in the middle of it.
    async fn somebody_writes_through_us(&mut self) {
        let open: Vec<usize> = (0..self.sent.len()).filter(|at| !self.sent[*at].written).collect();
        let again = open.choose(&mut self.rng).copied().filter(|_| self.rng.random());
        let at = match again {
            Some(at) => at,
            None => {
                let project = self.projects[0];
                let issues: Vec<i64> = {
                    let state = self.site.state();
                    state
                        .issues
                        .values()
                        .filter(|issue| issue.project_id == project)
                        .map(|issue| issue.id)
                        .collect()
                };
                let Some(issue) = issues.choose(&mut self.rng).copied() else { return };
                let key = format!("sent-{}-{}", self.seed, self.told.writes);
                let body = json!({ "started": "2026-03-02T09:00:00Z", "timeSpentSeconds": 600, "comment": format!("canary {key}.") });
                let account = self.person();
                self.sent.push(Sent { key, account, issue, body, written: false });
                self.sent.len() - 1
            }
        };
        self.told.writes += 1;
        let kill_in = self.rng.random_ratio(1, 6).then(|| self.rng.random_range(0..30));
        let sent = &self.sent[at];
        let path = format!("/api/v1/issues/{}/worklogs", sent.issue);
        let call = self.call("POST", &path, sent.account, Some(&sent.key), Some(&sent.body));
        let status = match kill_in {
            // Dropped in the middle.
            Some(after) => tokio::time::timeout(Duration::from_millis(after), call).await.unwrap_or(0),
            None => call.await,
        };
        self.sent[at].written |= matches!(status, 200 | 201);
        if kill_in.is_some() {
            self.kill().await;
        }
    }

    async fn somebody_edits_or_deletes_through_us(&mut self) {
        let Some(id) = self.a_worklog() else { return };
        let (issue, author) = {
            let state = self.site.state();
            let worklog = &state.worklogs[&id];
            (worklog.issue_id, worklog.author.clone())
        };
        let path = format!("/api/v1/issues/{issue}/worklogs/{id}");
        self.told.writes += 1;
        if self.rng.random_ratio(2, 3) {
            let seconds = self.rng.random_range(1..600) * 60;
            self.call("PUT", &path, &author, None, Some(&json!({ "timeSpentSeconds": seconds }))).await;
        } else {
            self.call("DELETE", &path, &author, None, None).await;
        }
    }

    async fn kill(&mut self) {
        self.told.kills += 1;
        self.process.kill();
        tokio::time::sleep(Duration::from_millis(self.rng.random_range(0..200))).await;
        self.process.start();
    }

    /// Uninstalled and installed anew, or the secret rotated.
    async fn install_again(&mut self) {
        if self.rng.random() && self.site.uninstall().await == 204 {
            // A fresh tenant knows nothing of what was sent before: those keys are not used again.
            self.sent.retain(|sent| sent.written);
        }
        self.install().await;
    }

    fn access_is_blocked_or_given_back(&mut self) {
        if self.site.state().app_blocked.is_empty() {
            if let Some(issue) = self.an_issue() {
                self.site.block_app(&[issue]);
            }
        } else {
            self.site.state().app_blocked.clear();
        }
    }

    async fn somebody_asks_for_a_sync(&mut self) {
        let kind = if self.rng.random_ratio(1, 3) { "full" } else { "incremental" };
        self.call("POST", "/api/v1/sync", ANA, None, Some(&json!({ "kind": kind }))).await;
    }

    /// Quiet, and then equality. The server is this process now, so that its rows can be looked at.
    pub async fn end(mut self) -> Told {
        self.site.deliver_webhooks(Delivery::default());
        {
            let mut state = self.site.state();
            state.faults.clear();
            state.app_blocked.clear();
        }
        self.process.kill();
        let mut config = Config::from_env(self.process.env()).unwrap();
        config.tuning = tuning();
        let listeners = [config.listen, config.ops_listen].map(|at| TcpListener::bind(at).unwrap());
        let running = server::start(config, Clock::system(), listeners).await.unwrap();
        let app = &running.app;
        if self.site.state().installation.is_none() {
            self.install().await;
        }
        self.site.webhooks_delivered().await;
        // What was changed last leaves the time that the feeds withhold.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let seed = self.seed;
        let tenant = app.tenants.by_client_key(&self.site.client_key()).await.unwrap().unwrap();
        let kind = if self.silent { Kind::SyncReconcile } else { Kind::SyncIncremental };
        for _ in 0..2 {
            jobs::enqueue(app, &tenant.id, kind, "").await.unwrap();
            tokio::time::sleep(Duration::from_millis(400)).await;
        }
        eventually(&format!("the copy equals Jira (seed {seed})"), || compare::difference(app, &self.site))
            .await;
        self.everything_was_written_once();
        {
            let state = self.site.state();
            self.told.events = state.emitted;
            assert_eq!(state.unanswered, Vec::<String>::new(), "seed {seed}");
            let refused: Vec<_> = state.refused.iter().filter(|(_, status)| *status != 401).collect();
            assert!(refused.is_empty(), "seed {seed}: webhooks refused for good: {refused:?}");
        }
        drop(tenant);
        running.stop().await;
        self.told
    }

    fn everything_was_written_once(&self) {
        let state = self.site.state();
        for sent in &self.sent {
            let mark = format!("{}.", sent.key);
            let carries =
                |text: &Option<Value>| text.as_ref().is_some_and(|text| text.to_string().contains(&mark));
            let worklogs = state.worklogs.values().chain(state.binned.values());
            let found = worklogs.filter(|worklog| carries(&worklog.comment)).count();
            let fits = if sent.written { found == 1 } else { found <= 1 };
            assert!(
                fits,
                "seed {}: {} is in Jira {found} times, answered: {}",
                self.seed, sent.key, sent.written
            );
        }
    }
}
