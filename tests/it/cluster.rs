//! Several nodes: three real processes over two PostgreSQL servers, behind a balancer. Nodes are killed, stalled and
//! restarted, a server is stopped; work moves on and nothing is lost.

mod balancer;

use crate::chaos::process::{self, Process};
use crate::support::postgres::Cluster;
use crate::support::{ANA, APP_KEY, BEN, eventually, logs};
use balancer::Balancer;
use hourbook_simulator::cloud::Cloud;
use hourbook_simulator::people::Work;
use hourbook_simulator::site::Site;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// What a node is told beside what all are.
struct Node {
    process: Process,
    url: String,
    ops: String,
}

/// Three nodes, two servers, some sites.
struct Stage {
    cloud: Arc<Cloud>,
    sites: Vec<Arc<Site>>,
    issue: i64,
    nodes: Vec<Node>,
    balancer: Balancer,
    /// Control and the first half of the tenants.
    first: Cluster,
    /// The other half.
    second: Cluster,
    http: reqwest::Client,
    dir: TempDir,
}

impl Stage {
    /// Installed and synced sites on running nodes; every second site's database is on the second server.
    async fn start(nodes: usize, sites: usize) -> Self {
        logs::capture();
        let cloud = Cloud::start();
        let (first, second) = tokio::join!(
            tokio::task::spawn_blocking(Cluster::start),
            tokio::task::spawn_blocking(Cluster::start)
        );
        let (first, second) = (first.unwrap(), second.unwrap());
        first.sql("postgres", "CREATE DATABASE hourbook");
        let dir = TempDir::new().unwrap();
        let (listener, url) = Balancer::bind().await;
        let mut all = Vec::new();
        for at in 0..nodes {
            let (mut env, own) = process::env(&cloud, &dir.path().join(format!("node-{at}")));
            for (name, value) in [
                ("HOURBOOK_BASE_URL", url.clone()),
                ("HOURBOOK_DATABASE_URL", first.url("hourbook")),
                (
                    "HOURBOOK_TENANT_SERVERS",
                    format!("first={}, second={}", first.url("postgres"), second.url("postgres")),
                ),
                ("HOURBOOK_BACKUP_URL", format!("file://{}/backups", dir.path().display())),
                ("HOURBOOK_INCREMENTAL_SECS", "3600".into()),
                ("HOURBOOK_DRAIN_SECS", "1".into()),
            ] {
                env.insert(name.into(), value);
            }
            let ops = format!("http://{}", env["HOURBOOK_OPS_LISTEN"]);
            let mut process = Process::new(env).logging_to(&dir.path().join(format!("node-{at}.log")));
            process.start();
            all.push(Node { process, url: own, ops });
        }
        let addresses =
            all.iter().map(|node| node.url.trim_start_matches("http://").parse().unwrap()).collect();
        let balancer = Balancer::start(listener, url, addresses);
        let http = reqwest::Client::builder().pool_max_idle_per_host(0).timeout(Duration::from_secs(20));
        let mut stage = Self {
            cloud,
            sites: Vec::new(),
            issue: 0,
            nodes: all,
            balancer,
            first,
            second,
            http: http.build().unwrap(),
            dir,
        };
        for at in 0..nodes {
            stage.ready(at).await;
        }
        stage.fill(sites).await;
        stage
    }

    async fn fill(&mut self, sites: usize) {
        for at in 0..sites {
            let site = Site::start(&self.cloud, &format!("canary-client-{at}"));
            site.state().withheld_ms = 0;
            site.add_user(ANA, "Canary Ana", true);
            site.add_user(BEN, "Canary Ben", false);
            let project = site.add_project("CAN");
            self.issue = site.add_issue(project, "canary summary");
            for minutes in 1..=5 {
                site.log_work(ANA, self.issue, Work::of(60 * minutes, "canary work"));
            }
            assert_eq!(site.install(&self.balancer.url, APP_KEY).await, 204);
            self.sites.push(site);
        }
        for site in &self.sites {
            self.equal(site).await;
        }
        // Placed by free weight: both servers have some.
        for (cluster, name) in [(&self.first, "first"), (&self.second, "second")] {
            assert!(sites < 2 || !cluster.databases("hb_").is_empty(), "no tenant on the {name} server");
        }
    }

    async fn ready(&self, at: usize) {
        let url = format!("{}/readyz", self.nodes[at].url);
        eventually("a node is ready", || async {
            let answer = self.http.get(&url).send().await.map_err(|error| error.to_string())?;
            if answer.status() == 200 { Ok(()) } else { Err(answer.status().to_string()) }
        })
        .await;
    }

    /// A call to a node, or by the balancer.
    async fn call(
        &self,
        base: &str,
        site: &Site,
        account: &str,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> Result<(u16, Value, Option<String>), String> {
        let token = site.context_token(account);
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self
            .http
            .request(method, format!("{base}{path}"))
            .header("Authorization", format!("JWT {token}"));
        if let Some(body) = body {
            let key = format!("{:032x}", rand::random::<u128>());
            request = request.header("Idempotency-Key", key).json(&body);
        }
        let answer = request.send().await.map_err(|error| error.to_string())?;
        let after = answer.headers().get("Retry-After").map(|value| value.to_str().unwrap().to_owned());
        Ok((answer.status().as_u16(), answer.json().await.unwrap_or_default(), after))
    }

    /// The seconds of each worklog, as the copy has them.
    async fn copy(&self, base: &str, site: &Site) -> Result<BTreeMap<String, i64>, String> {
        let (status, page, _) =
            self.call(base, site, ANA, "GET", "/api/v1/worklogs?limit=1000", None).await?;
        if status != 200 {
            return Err(format!("{status} {page}"));
        }
        let items = page["items"].as_array().unwrap().iter();
        Ok(items
            .map(|item| (item["id"].as_str().unwrap().to_owned(), item["timeSpentSeconds"].as_i64().unwrap()))
            .collect())
    }

    async fn equal(&self, site: &Site) {
        site.webhooks_delivered().await;
        eventually("the copy equals Jira", || async {
            let theirs: BTreeMap<String, i64> = site
                .state()
                .worklogs
                .values()
                .map(|worklog| (worklog.id.to_string(), worklog.seconds))
                .collect();
            let ours = self.copy(&self.balancer.url, site).await?;
            if ours == theirs { Ok(()) } else { Err(format!("{ours:?} instead of {theirs:?}")) }
        })
        .await;
    }

    /// The only site of a server.
    fn on(&self, cluster: &Cluster) -> Arc<Site> {
        let placed = self.first.texts(
            "hourbook",
            "SELECT client_key || ' ' || database_name FROM placements JOIN installations USING (tenant_id)",
        );
        let databases = cluster.databases("hb_");
        let found = placed.iter().find_map(|row| {
            let (key, database) = row.split_once(' ').unwrap();
            databases.iter().any(|name| name == database).then(|| key.to_owned())
        });
        let key = found.expect("a tenant on the server");
        Arc::clone(self.sites.iter().find(|site| site.client_key() == key).unwrap())
    }

    /// Jobs of a kind that were ever enqueued.
    fn jobs(&self, kind: &str) -> Vec<String> {
        let sql = format!(
            "SELECT state || ' ' || COALESCE(node_id, '') FROM jobs WHERE kind = '{kind}' ORDER BY id"
        );
        self.first.texts("hourbook", &sql)
    }

    /// Says what nodes said, where a test fails; nothing planted is in it.
    fn end(mut self) {
        for node in &mut self.nodes {
            node.process.kill();
        }
        for site in &self.sites {
            assert_eq!(site.state().refused, Vec::new(), "webhooks refused for good");
        }
        logs::assert_no_canary_in(self.dir.path());
    }
}

/// kill -9 of the node that is in the middle of a sync: another one goes on where it was, within seconds, and what was
/// answered 2xx in the meantime is all there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_work_of_a_killed_node_moves_on() {
    let mut stage = Stage::start(3, 1).await;
    let site = Arc::clone(&stage.sites[0]);
    site.fail(
        "POST",
        "/worklog/list",
        hourbook_simulator::faults::Fault::Slow(Duration::from_millis(300)),
        40,
    );
    {
        let mut state = site.state();
        let template = state.worklogs.values().next().unwrap().clone();
        for at in 0..6_000 {
            let id = state.next_id();
            let updated = template.updated - 1_000_000 + at;
            state.put(hourbook_simulator::state::Worklog { id, updated, ..template.clone() });
        }
    }
    let (status, _, _) = stage
        .call(&stage.balancer.url, &site, ANA, "POST", "/api/v1/sync", Some(json!({ "kind": "full" })))
        .await
        .unwrap();
    assert_eq!(status, 202);
    let running = || {
        let found = stage.jobs("sync.full").pop().unwrap_or_default();
        found.strip_prefix("running ").map(str::to_owned)
    };
    let busy = eventually("the sync runs", || async { running().ok_or_else(String::new) }).await;
    let mut victim = None;
    for (at, node) in stage.nodes.iter().enumerate() {
        let listed: Value =
            stage.http.get(format!("{}/ops/nodes", node.ops)).send().await.unwrap().json().await.unwrap();
        assert_eq!(listed["items"].as_array().unwrap().len(), 3, "{listed}");
        let is_it = |item: &Value| item["isThis"] == true && item["node"] == busy.as_str();
        if listed["items"].as_array().unwrap().iter().any(is_it) {
            victim = Some(at);
        }
    }
    let victim = victim.expect("one of the nodes runs it");
    stage.nodes[victim].process.kill();
    let killed = Instant::now();
    for at in 0..20 {
        site.log_work(BEN, stage.issue, Work::of(60 + at, "canary after the kill"));
    }
    let other = eventually("another node has taken over", || async {
        let now = stage.jobs("sync.full").pop().unwrap_or_default();
        let taken = now.strip_prefix("running ").filter(|node| *node != busy).map(str::to_owned);
        taken.or_else(|| now.starts_with("done").then(String::new)).ok_or(now)
    })
    .await;
    assert!(killed.elapsed() < Duration::from_secs(60), "{:?}", killed.elapsed());
    assert_ne!(other, busy);
    eventually("the sync ends", || async {
        let now = stage.jobs("sync.full").pop().unwrap_or_default();
        now.starts_with("done").then_some(()).ok_or(now)
    })
    .await;
    let count = || async {
        let (_, sync, _) = stage.call(&stage.balancer.url, &site, ANA, "GET", "/api/v1/sync", None).await?;
        let wanted = site.state().worklogs.len();
        if sync["worklogs"] == wanted { Ok(()) } else { Err(format!("{} of {wanted}", sync["worklogs"])) }
    };
    eventually("everything is there", count).await;
    assert!(site.state().failed.is_empty(), "each webhook found a node");
    stage.end();
}

/// A node that stalls in the middle of its work and wakes up after it was taken over writes nothing any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_late_write_of_a_stalled_node_is_refused() {
    let stage = Stage::start(2, 1).await;
    let site = Arc::clone(&stage.sites[0]);
    site.fail(
        "POST",
        "/worklog/list",
        hourbook_simulator::faults::Fault::Slow(Duration::from_millis(1500)),
        2,
    );
    let call =
        stage.call(&stage.balancer.url, &site, ANA, "POST", "/api/v1/sync", Some(json!({ "kind": "full" })));
    assert_eq!(call.await.unwrap().0, 202);
    let busy = eventually("the sync runs", || async {
        let now = stage.jobs("sync.full").pop().unwrap_or_default();
        now.strip_prefix("running ").map(str::to_owned).ok_or(now)
    })
    .await;
    let mut victim = 0;
    for (at, node) in stage.nodes.iter().enumerate() {
        let listed: Value =
            stage.http.get(format!("{}/ops/nodes", node.ops)).send().await.unwrap().json().await.unwrap();
        let is_it = |item: &Value| item["isThis"] == true && item["node"] == busy.as_str();
        if listed["items"].as_array().unwrap().iter().any(is_it) {
            victim = at;
        }
    }
    stage.nodes[victim].process.signal("STOP");
    eventually("the other node has done it", || async {
        let now = stage.jobs("sync.full").pop().unwrap_or_default();
        (now.starts_with("done ") && !now.ends_with(&busy)).then_some(()).ok_or(now)
    })
    .await;
    let database = stage.first.texts("hourbook", "SELECT database_name FROM placements").pop().unwrap();
    let cluster = if stage.first.databases(&database).is_empty() { &stage.second } else { &stage.first };
    let runs = || cluster.texts(&database, "SELECT state || written FROM sync_runs ORDER BY run_id");
    let token = || cluster.texts(&database, "SELECT token FROM fences WHERE lane = 'sync'");
    let (before, fence) = (runs(), token());
    stage.nodes[victim].process.signal("CONT");
    let log =
        || std::fs::read_to_string(stage.dir.path().join(format!("node-{victim}.log"))).unwrap_or_default();
    eventually("it notices that it was given up", || async {
        // Told by the node itself, at the level that tests log.
        let listed = stage.http.get(format!("{}/ops/nodes", stage.nodes[victim].ops)).send().await;
        let listed: Value = listed.map_err(|error| error.to_string())?.json().await.unwrap_or_default();
        if listed["items"].as_array().is_some_and(|items| items.len() == 2) { Ok(()) } else { Err(log()) }
    })
    .await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!((runs(), token()), (before, fence), "nothing of the former run is written");
    stage.equal(&site).await;
    stage.end();
}

/// One of two database servers stops: its tenants are told to come back later and do so by themselves, those of the
/// other notice nothing, and no webhook is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_server_is_its_own_tenants_affair() {
    let mut stage = Stage::start(2, 2).await;
    let (healthy, hit) = (stage.on(&stage.first), stage.on(&stage.second));
    stage.second.stop();
    let begun = Instant::now();
    let mut slowest = Duration::ZERO;
    let mut refused = 0;
    for at in 0..30 {
        for base in [stage.nodes[0].url.clone(), stage.nodes[1].url.clone()] {
            let (status, body, after) =
                stage.call(&base, &hit, ANA, "GET", "/api/v1/worklogs", None).await.unwrap();
            assert_eq!((status, after.is_some()), (503, true), "{body}");
            refused += 1;
            let asked = Instant::now();
            let (status, body, _) =
                stage.call(&base, &healthy, ANA, "GET", "/api/v1/worklogs", None).await.unwrap();
            assert_eq!(status, 200, "{body}");
            slowest = slowest.max(asked.elapsed());
        }
        for site in [&healthy, &hit] {
            site.log_work(BEN, stage.issue, Work::of(60 + at, "canary while a server is down"));
        }
    }
    assert!(slowest < Duration::from_secs(10), "others wait: {slowest:?} of {:?}", begun.elapsed());
    assert_eq!(refused, 60);
    healthy.webhooks_delivered().await;
    stage.equal(&healthy).await;
    stage.second.resume();
    stage.equal(&hit).await;
    assert!(hit.state().failed.is_empty() && healthy.state().failed.is_empty(), "each webhook was taken");
    stage.end();
}

/// Every node is restarted while people work: nobody is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_fails_no_request() {
    let mut stage = Stage::start(3, 2).await;
    let (done, made) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut workers = Vec::new();
    for worker in 0..4 {
        let (done, made, http) = (Arc::clone(&done), Arc::clone(&made), stage.http.clone());
        let (site, base, issue) =
            (Arc::clone(&stage.sites[worker % 2]), stage.balancer.url.clone(), stage.issue);
        workers.push(tokio::spawn(async move {
            let mut failed = Vec::new();
            let mut at = 0;
            while !done.load(Ordering::Acquire) {
                at += 1;
                let token = format!("JWT {}", site.context_token(BEN));
                let request = if at % 5 == 0 {
                    let body = json!({ "started": "2026-03-02T09:00:00Z", "timeSpentSeconds": 60 + at });
                    http.post(format!("{base}/api/v1/issues/{issue}/worklogs"))
                        .header("Idempotency-Key", format!("{worker}-{at}"))
                        .json(&body)
                } else {
                    http.get(format!("{base}/api/v1/worklogs?limit=20"))
                };
                match request.header("Authorization", token).send().await {
                    Ok(answer) if answer.status().is_success() => {}
                    Ok(answer) => failed.push(format!(
                        "{} {}",
                        answer.status(),
                        answer.text().await.unwrap_or_default()
                    )),
                    Err(error) => failed.push(format!("{error:?}")),
                }
                made.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            failed
        }));
    }
    for at in 0..stage.nodes.len() {
        stage.nodes[at].process.terminate();
        stage.nodes[at].process.wait();
        stage.nodes[at].process.start();
        stage.ready(at).await;
        let before = made.load(Ordering::Relaxed);
        eventually("requests went on meanwhile, and go on", || async {
            let made = made.load(Ordering::Relaxed);
            if made > before + 20 { Ok(()) } else { Err(made.to_string()) }
        })
        .await;
    }
    done.store(true, Ordering::Release);
    for worker in workers {
        assert_eq!(worker.await.unwrap(), Vec::<String>::new());
    }
    for site in stage.sites.clone() {
        stage.equal(&site).await;
    }
    stage.end();
}

/// What one node writes, another one's reports count; what one node is told to forget, all have forgotten within two
/// seconds, and the receipt comes after that; a turn of the clock comes once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_know_what_the_others_did() {
    let stage = Stage::start(3, 2).await;
    let site = Arc::clone(&stage.sites[0]);
    let report = json!({ "definition": { "range": { "first": "2026-03-01", "last": "2026-03-31" },
        "zone": "UTC", "rows": ["user"], "measures": ["seconds"] } });
    let seconds = |base: String| {
        let (report, site, stage) = (report.clone(), Arc::clone(&site), &stage);
        async move {
            eventually("the report is there", || async {
                let (status, answer, _) = stage
                    .call(&base, &site, ANA, "POST", "/api/v1/reports/query", Some(report.clone()))
                    .await?;
                let values = answer["total"]["values"][0].as_i64();
                if status == 200 { Ok(values.unwrap_or(0)) } else { Err(format!("{status} {answer}")) }
            })
            .await
        }
    };
    let mut expected = seconds(stage.nodes[0].url.clone()).await;
    for at in 0..12 {
        let writer = stage.nodes[at % 3].url.clone();
        let body = json!({ "started": "2026-03-02T09:00:00Z", "timeSpentSeconds": 60 * (at + 1) });
        let path = format!("/api/v1/issues/{}/worklogs", stage.issue);
        let (status, answer, _) = stage.call(&writer, &site, BEN, "POST", &path, Some(body)).await.unwrap();
        assert_eq!(status, 201, "{answer}");
        expected += 60 * (i64::try_from(at).unwrap() + 1);
        assert_eq!(seconds(stage.nodes[(at + 1) % 3].url.clone()).await, expected, "after {at}");
    }
    // Each node has proved a token of the site, and remembers its secret.
    let promised = stage.call(&stage.nodes[0].url, &site, ANA, "GET", "/api/v1/privacy", None).await.unwrap();
    let receipt = promised.1["receipt"]["url"].as_str().unwrap().to_owned();
    let token = site.context_token(ANA);
    assert_eq!(site.uninstall().await, 204);
    let uninstalled = Instant::now();
    for node in &stage.nodes {
        loop {
            let answer = stage
                .http
                .get(format!("{}/api/v1/me", node.url))
                .header("Authorization", format!("JWT {token}"))
                .send()
                .await
                .unwrap();
            if answer.status() == 401 {
                break;
            }
            assert!(uninstalled.elapsed() < Duration::from_secs(20), "a node still knows it");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    eventually("the receipt is there", || async {
        let answer = stage.http.get(&receipt).send().await.map_err(|error| error.to_string())?;
        let signed = answer.status() == 200;
        if signed { Ok(()) } else { Err(answer.status().to_string()) }
    })
    .await;
    let left = [&stage.first, &stage.second].map(|cluster| cluster.databases("hb_").len());
    assert_eq!(left[0] + left[1], 1, "the other tenant's: {left:?}");
    stage.end();
}

/// Three nodes look for what is due, several times a second: each turn is enqueued once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_of_the_clock_comes_once() {
    let stage = Stage::start(3, 1).await;
    let count = || stage.jobs("sync.incremental").len() + stage.jobs("sync.reconcile").len();
    for turn in 0..5 {
        let before = count();
        stage.first.sql("hourbook", "UPDATE installations SET next_incremental_at = 0");
        eventually("the turn has come", || async {
            (count() > before).then_some(()).ok_or_else(String::new)
        })
        .await;
        // The other nodes have looked meanwhile.
        tokio::time::sleep(Duration::from_millis(1200)).await;
        assert_eq!(count(), before + 1, "turn {turn}");
    }
    stage.end();
}

/// Nodes that are started at once make databases, roles and templates once, and all of them come up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_start_at_once_do_not_trip_over_each_other() {
    let stage = Stage::start(6, 0).await;
    let live = stage.first.texts("hourbook", "SELECT node_id FROM nodes");
    assert_eq!(live.len(), 6, "{live:?}");
    stage.end();
}
