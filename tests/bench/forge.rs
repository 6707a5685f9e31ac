//! Events of Forge beside webhooks of Connect: one server, two sites with the same worklogs, in turn.

use crate::load::{self, Outcome};
use crate::webhooks::{self, APP_KEY};
use hourbook::auth::TokenKind;
use hourbook::auth::forge::invocation::{self, Expected};
use hourbook::auth::forge::keys::KeySet;
use hourbook::auth::forge::modules;
use hourbook::clock::Clock;
use hourbook::config::Env;
use hourbook::jira::client::http_client;
use hourbook::jira::time;
use hourbook_simulator::cloud::Cloud;
use hourbook_simulator::forge::APP_ID;
use hourbook_simulator::seed::{self, Size};
use hourbook_simulator::site::Site;
use hourbook_simulator::{qsh, tokens};
use serde_json::{Value, json};
use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const TIME: Duration = Duration::from_secs(4);
const ROUNDS: usize = 3;
const SIZE: Size = Size { users: 20, issues: 100, worklogs: 5000 };
/// Tokens that are checked to learn what one costs.
const CHECKS: u32 = 5000;

/// A worklog as an event has it: what is told of it is new each time.
fn worklog(ids: &[i64], connection: usize, number: u64) -> Value {
    let at = usize::try_from(number).unwrap() * 64 + connection;
    json!({ "id": ids[at % ids.len()].to_string(), "issueId": "10001",
        "author": { "accountId": seed::account(at % SIZE.users), "displayName": "Somebody", "active": true },
        "comment": "reviewed the plan and wrote down what is still to be done before the release can go out",
        "started": "2026-03-02T09:00:00.000+0000", "timeSpent": "1h", "timeSpentSeconds": 3600 + at % 60 })
}

fn post(path: &str, authorization: &str, more: &str, body: &Value) -> Vec<u8> {
    let body = body.to_string();
    format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {authorization}\r\nContent-Type: application/json\r\n{more}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Webhooks of Connect.
fn by_connect(site: &Site, round: String) -> impl Fn(usize, u64) -> Vec<u8> + Clone + Send + use<> {
    let (now, ids) = (Clock::system().now_secs(), ids(site));
    let secret = site.state().installation.clone().unwrap().secret;
    let hash = qsh::hash("POST", "/connect/webhooks");
    let claims = json!({ "iss": site.client_key(), "iat": now, "exp": now + 600, "qsh": hash });
    let authorization = format!("JWT {}", tokens::hs256(&claims, &secret));
    move |connection, number| {
        let mut worklog = worklog(&ids, connection, number);
        // Newer than those before it.
        let late = i64::try_from(number).unwrap() * 64 + i64::try_from(connection).unwrap();
        worklog["created"] = json!("2026-03-02T09:00:00.000+0000");
        worklog["updated"] = json!(time::format(1_772_442_000_000 + late));
        let body = json!({ "timestamp": 1, "webhookEvent": "worklog_updated", "worklog": worklog });
        let name = format!("X-Atlassian-Webhook-Identifier: {round}-{connection}-{number}\r\n");
        post("/connect/webhooks", &authorization, &name, &body)
    }
}

/// Events of Forge: nothing names them, and they do not say when the worklog changed.
fn by_forge(site: &Site, round: usize) -> impl Fn(usize, u64) -> Vec<u8> + Clone + Send + use<> {
    let ids = ids(site);
    let authorization = format!("Bearer {}", site.invocation_token("hourbook-worklogs", None));
    let system = format!("x-forge-oauth-system: {}\r\n", site.system_token());
    move |connection, number| {
        let body = json!({ "eventType": "avi:jira:updated:worklog", "selfGenerated": false,
            "timestamp": round * 100_000_000 + usize::try_from(number).unwrap() * 64 + connection,
            "worklog": worklog(&ids, connection, number) });
        post("/forge/events", &authorization, &system, &body)
    }
}

fn ids(site: &Site) -> Vec<i64> {
    site.state().worklogs.keys().copied().collect()
}

/// Checks of a token of Forge that one core does in a second.
async fn checks(cloud: &Cloud, site: &Site) -> f64 {
    let (http, url) =
        (http_client(Duration::from_secs(5)).unwrap(), format!("{}/.well-known/jwks.json", cloud.url));
    let keys = KeySet::new(http, &url);
    let environments = ["PRODUCTION".to_owned()];
    let modules = modules::of(TokenKind::Event);
    let expected = Expected { app_id: APP_ID, environments: &environments, api_url: &cloud.url, modules };
    let token = site.invocation_token("hourbook-worklogs", None);
    let now = Clock::system().now_secs();
    invocation::verify(&token, &keys, &expected, now).await.unwrap();
    let begun = Instant::now();
    for _ in 0..CHECKS {
        std::hint::black_box(invocation::verify(&token, &keys, &expected, now).await.unwrap());
    }
    f64::from(CHECKS) / begun.elapsed().as_secs_f64()
}

pub async fn run() -> String {
    let (cloud, dir) = (Cloud::start(), TempDir::new().unwrap());
    let more: Env = [
        ("HOURBOOK_FORGE_APP_ID", APP_ID.to_owned()),
        ("HOURBOOK_FORGE_KEYS_URL", format!("{}/.well-known/jwks.json", cloud.url)),
        ("HOURBOOK_API_URL", cloud.url.clone()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    let (running, url) = webhooks::start(&cloud, &dir, more).await;
    let sites: [Arc<Site>; 2] = ["bench-connect", "bench-forge"].map(|name| Site::start(&cloud, name));
    sites.iter().for_each(|site| seed::fill(site, 1, SIZE));
    assert_eq!(sites[0].install(&url, APP_KEY).await, 204);
    assert_eq!(sites[1].install_by_forge(&url).await, 204);
    // Both are copied.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let (mut connect, mut forge): (Vec<Outcome>, Vec<Outcome>) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        connect.push(load::run(running.public, TIME, by_connect(&sites[0], format!("c{round}"))).await);
        forge.push(load::run(running.public, TIME, by_forge(&sites[1], round)).await);
    }
    let checks = checks(&cloud, &sites[1]).await;
    running.stop().await;
    let median = |mut rounds: Vec<Outcome>| {
        rounds.sort_by(|a, b| a.per_second.total_cmp(&b.per_second));
        rounds.swap_remove(ROUNDS / 2)
    };
    let (connect, forge) = (median(connect), median(forge));
    let mut page = format!(
        "## Events over Forge\n\nOne server, one site on each host with the same {} worklogs; edits of these, 32 connections, closed loop, in turn, median of three rounds. \
         An event of Forge comes with a token signed by RSA, {checks:.0} of which one core checks in a second; it does not say when the worklog changed, so that the worklog is read from Jira afterwards.\n\n\
         | host | events/s | p50 ms | p99 ms | to Connect |\n|---|---|---|---|---|\n",
        SIZE.worklogs
    );
    for (name, found) in [("Connect", &connect), ("Forge", &forge)] {
        let _ = writeln!(page, "| {name} | {found} | {:.2} |", found.per_second / connect.per_second);
    }
    page + "\n"
}
