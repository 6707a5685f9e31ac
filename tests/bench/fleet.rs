//! Fifty sites install at once under Jira's rate limits, one of them with a million worklogs, while people write.

use crate::process::{APP_KEY, Server};
use hourbook_simulator::cloud::Cloud;
use hourbook_simulator::limits::Allowed;
use hourbook_simulator::seed::{self, Size};
use hourbook_simulator::site::Site;
use serde_json::{Value, json};
use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const SITES: usize = 50;
const SMALL: usize = 5_000;
const LARGE: usize = 1_000_000;

/// When a site's first page was there and when its full sync had ended, seconds since the installs.
#[derive(Debug, Clone, Copy, Default)]
struct Milestones {
    first: Option<f64>,
    full: Option<f64>,
}

struct Fleet {
    http: reqwest::Client,
    server: Server,
    sites: Vec<Arc<Site>>,
}

impl Fleet {
    async fn sync_of(&self, site: &Site) -> Option<Value> {
        let token = site.context_token(&seed::account(1));
        let request = self
            .http
            .get(format!("{}/api/v1/sync", self.server.url))
            .header("Authorization", format!("JWT {token}"));
        request.send().await.ok()?.json().await.ok()
    }

    async fn write(&self, site: &Site, number: usize) -> (u16, Duration) {
        let issue = *site.state().issues.keys().nth(number % 20).unwrap();
        let token = site.context_token(&seed::account(2));
        let begun = Instant::now();
        let request = self
            .http
            .post(format!("{}/api/v1/issues/{issue}/worklogs", self.server.url))
            .header("Authorization", format!("JWT {token}"))
            .header("Idempotency-Key", format!("fleet-{number}"))
            .json(&json!({ "started": "2026-03-02T09:00:00Z", "timeSpentSeconds": 600 }));
        let status = request.send().await.map_or(0, |reply| reply.status().as_u16());
        (status, begun.elapsed())
    }

    /// Somebody writes five times a second, on one site after the other.
    async fn people(&self, until: &tokio::sync::Notify) -> Vec<(u16, Duration)> {
        let mut done = Vec::new();
        let mut pace = tokio::time::interval(Duration::from_millis(200));
        loop {
            tokio::select! {
                _ = pace.tick() => {}
                () = until.notified() => return done,
            }
            let site = &self.sites[done.len() % self.sites.len()];
            done.push(self.write(site, done.len()).await);
        }
    }

    async fn watch(&self, begun: Instant) -> Vec<Milestones> {
        let mut seen = vec![Milestones::default(); self.sites.len()];
        while seen.iter().any(|one| one.full.is_none()) {
            for (site, milestones) in self.sites.iter().zip(&mut seen) {
                if milestones.full.is_some() {
                    continue;
                }
                let Some(sync) = self.sync_of(site).await else { continue };
                let now = begun.elapsed().as_secs_f64();
                if sync["worklogs"].as_i64().unwrap_or(0) > 0 {
                    milestones.first.get_or_insert(now);
                }
                if sync["lastSuccess"].is_string() {
                    milestones.full = Some(now);
                }
            }
            assert!(begun.elapsed() < Duration::from_secs(600), "{seen:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        seen
    }
}

pub async fn run() -> String {
    let cloud = Cloud::start();
    let sites: Vec<Arc<Site>> = (0..SITES)
        .map(|number| {
            let site = Site::start(&cloud, &format!("fleet-{number}"));
            let worklogs = if number == 0 { LARGE } else { SMALL };
            seed::fill(&site, number as u64, Size { users: 50, issues: worklogs / 20, worklogs });
            site
        })
        .collect();
    cloud.limit(Allowed::default());
    let dir = TempDir::new().unwrap();
    let server = Server::start_limited(&cloud, dir.path());
    let http = hourbook::jira::client::http_client(Duration::from_secs(60)).unwrap();
    server.ready(&http).await;
    let fleet = Fleet { http, server, sites };
    let begun = Instant::now();
    let installs = fleet.sites.iter().map(|site| site.install(&fleet.server.url, APP_KEY));
    for status in futures_util::future::join_all(installs).await {
        assert_eq!(status, 204);
    }
    let stop = tokio::sync::Notify::new();
    let (writes, seen) = tokio::join!(fleet.people(&stop), async {
        let seen = fleet.watch(begun).await;
        stop.notify_one();
        seen
    });
    told(&cloud, &writes, &seen)
}

fn told(cloud: &Cloud, writes: &[(u16, Duration)], seen: &[Milestones]) -> String {
    let used = cloud.limits().unwrap().used();
    let mut small: Vec<Milestones> = seen[1..].to_vec();
    small.sort_by(|a, b| a.full.unwrap().total_cmp(&b.full.unwrap()));
    let mut firsts: Vec<f64> = small.iter().map(|one| one.first.unwrap()).collect();
    firsts.sort_by(f64::total_cmp);
    let mut latencies: Vec<Duration> = writes.iter().map(|(_, took)| *took).collect();
    latencies.sort_unstable();
    let ms = |part: usize| {
        latencies[(latencies.len() * part / 100).min(latencies.len() - 1)].as_secs_f64() * 1000.0
    };
    let refused = writes.iter().filter(|(status, _)| *status != 201).count();
    let mut page = format!(
        "## Fifty sites at once\n\n{SITES} simulated sites install together under Jira's three rate limits (65,000 points an hour for all, 100 calls a second \
         and endpoint, writes per issue), {} with {SMALL} worklogs and one with {LARGE}. Five times a second somebody logs work. Seconds since the installs.\n\n\
         | | first page s | full sync s |\n|---|---|---|\n",
        SITES - 1
    );
    let middle = small.len() / 2;
    let _ = writeln!(
        page,
        "| small sites, median | {:.1} | {:.1} |",
        firsts[middle],
        small[middle].full.unwrap()
    );
    let _ = writeln!(
        page,
        "| small sites, last | {:.1} | {:.1} |",
        firsts[small.len() - 1],
        small[small.len() - 1].full.unwrap()
    );
    let _ =
        writeln!(page, "| the large site | {:.1} | {:.1} |", seen[0].first.unwrap(), seen[0].full.unwrap());
    let _ = writeln!(
        page,
        "\n{} writes of people meanwhile, {refused} of them not done: p50 {:.0} ms, p99 {:.0} ms. Points used: {}. Refusals by Jira: {} for points, {} for speed, {} for one issue.\n",
        writes.len(),
        ms(50),
        ms(99),
        used.points_ever,
        used.quota_refusals,
        used.burst_refusals,
        used.issue_refusals
    );
    page
}
