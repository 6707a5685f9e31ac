//! Durable webhooks: the real server, the same handler without a database, and with a commit for each request.

use crate::cluster::Cluster;
use crate::load;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use hourbook::auth::connect::server as verifier;
use hourbook::auth::jwt;
use hourbook::clock::Clock;
use hourbook::config::{Config, Env};
use hourbook::sync::{events, inbox::place, told};
use hourbook::web::server;
use hourbook_crypto::datakey::DataKey;
use hourbook_crypto::tenant::TenantCipher;
use hourbook_simulator::cloud::Cloud;
use hourbook_simulator::site::Site;
use hourbook_store::migrate;
use hourbook_store::tenant::TenantDb;
use serde_json::json;
use std::collections::HashMap;
use std::fmt::Write;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

const TIME: Duration = Duration::from_secs(4);
const ROUNDS: usize = 3;
pub const APP_KEY: &str = "app.hourbook.bench";

/// What a sender needs to know of a tenant.
#[derive(Clone)]
struct Sender {
    client_key: String,
    secret: String,
}

/// The handler of the real server, with another end.
struct Bench {
    tenants: HashMap<String, (String, Arc<TenantCipher>)>,
    /// Where the simple way applies each event in a transaction of its own.
    databases: HashMap<String, TenantDb>,
    _dir: TempDir,
}

async fn handler(bench: web::Data<Bench>, request: HttpRequest, body: web::Bytes) -> HttpResponse {
    let header =
        request.headers().get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let token = header.strip_prefix("JWT ").unwrap_or_default();
    let issuer = jwt::unverified_issuer(token).unwrap();
    let (secret, cipher) = &bench.tenants[&issuer];
    let now = Clock::system().now_secs();
    verifier::verify(token, secret.as_bytes(), "POST", request.path(), "", now).unwrap();
    let event = events::parse(&body).unwrap().event.unwrap();
    let identifier =
        request.headers().get("x-atlassian-webhook-identifier").unwrap().to_str().unwrap().to_owned();
    let sealed = cipher.seal(place(&identifier), &serde_json::to_vec(&event).unwrap());
    std::hint::black_box(sealed);
    if let Some(db) = bench.databases.get(&issuer) {
        db.write(move |db| told::apply(db, &[event], now)).await.unwrap();
    }
    HttpResponse::NoContent().finish()
}

/// Serves the handler until the handle stops it.
fn serve(senders: &[Sender], commits: bool) -> (SocketAddr, actix_web::dev::ServerHandle) {
    let dir = TempDir::new().unwrap();
    let template = dir.path().join("template.db");
    migrate::make_template(&template).unwrap();
    let tenants: HashMap<String, (String, Arc<TenantCipher>)> = senders
        .iter()
        .map(|sender| {
            let cipher = Arc::new(TenantCipher::new(&sender.client_key, &DataKey::generate(1)));
            (sender.client_key.clone(), (sender.secret.clone(), cipher))
        })
        .collect();
    let open = |(name, (_, cipher)): (&String, &(String, Arc<TenantCipher>))| {
        let db =
            TenantDb::in_folder(&dir.path().join(name), &template, Arc::clone(cipher), |_| Ok(())).unwrap();
        (name.clone(), db)
    };
    let databases = if commits { tenants.iter().map(open).collect() } else { HashMap::new() };
    let data = web::Data::new(Bench { tenants, databases, _dir: dir });
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = HttpServer::new(move || {
        App::new().app_data(data.clone()).route("/connect/webhooks", web::post().to(handler))
    })
    .disable_signals()
    .listen(listener)
    .unwrap()
    .run();
    let handle = server.handle();
    tokio::spawn(server);
    (address, handle)
}

/// Requests of all tenants in turn, each with an identifier of its own.
fn requests(senders: &[Sender], round: &str) -> impl Fn(usize, u64) -> Vec<u8> + Clone + Send + use<> {
    let now = Clock::system().now_secs();
    let heads: Vec<String> = senders
        .iter()
        .map(|sender| {
            let qsh = hourbook_simulator::qsh::hash("POST", "/connect/webhooks");
            let claims = json!({ "iss": sender.client_key, "iat": now, "exp": now + 600, "qsh": qsh });
            let token = hourbook_simulator::tokens::hs256(&claims, &sender.secret);
            format!("POST /connect/webhooks HTTP/1.1\r\nHost: x\r\nAuthorization: JWT {token}\r\nContent-Type: application/json\r\n")
        })
        .collect();
    let round = round.to_owned();
    move |connection, number| {
        let tenant = (connection + usize::try_from(number).unwrap()) % heads.len();
        // Each is an edit of a worklog that may be known: its time is newer than those before it.
        let updated = hourbook::jira::time::format(
            1_772_442_000_000 + i64::try_from(number * 64).unwrap() + i64::try_from(connection).unwrap(),
        );
        let body = json!({ "timestamp": 1, "webhookEvent": "worklog_updated", "worklog": {
            "self": "https://acme.atlassian.net/rest/api/3/issue/1/worklog/1", "id": (number % 5000 + 1).to_string(), "issueId": "1",
            "author": { "accountId": "5b10a2844c20165700ede21g", "displayName": "Somebody", "active": true, "timeZone": "Europe/Berlin" },
            "comment": "reviewed the plan and wrote down what is still to be done before the release can go out",
            "created": "2026-03-02T09:00:00.000+0000", "updated": updated,
            "started": "2026-03-02T09:00:00.000+0000", "timeSpent": "1h", "timeSpentSeconds": 3600 } })
        .to_string();
        format!("{}X-Atlassian-Webhook-Identifier: {round}-{connection}-{number}\r\nContent-Length: {}\r\n\r\n{body}", heads[tenant], body.len()).into_bytes()
    }
}

/// The real server; its address too.
pub async fn start(cloud: &Cloud, dir: &TempDir, more: Env) -> (server::Running, String) {
    let listeners = [TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap()];
    let url = format!("http://{}", listeners[0].local_addr().unwrap());
    let mut env: Env = [
        ("HOURBOOK_BASE_URL", url.as_str()),
        ("HOURBOOK_APP_KEY", APP_KEY),
        ("HOURBOOK_MASTER_KEYS", "bench:AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="),
        ("HOURBOOK_CONNECT_KEYS_URL", &cloud.url),
        ("HOURBOOK_OAUTH_URL", &cloud.url),
        ("HOURBOOK_ALLOWED_SITES", "http://127.0.0.1:*"),
        ("HOURBOOK_DATA_DIR", dir.path().to_str().unwrap()),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    env.extend(more);
    (server::start(Config::from_env(&env).unwrap(), Clock::system(), listeners).await.unwrap(), url)
}

/// The real server with that many installed sites.
async fn real(tenants: usize, cluster: Option<&Cluster>) -> (server::Running, Vec<Sender>, TempDir) {
    let cloud = Cloud::start();
    let dir = TempDir::new().unwrap();
    let mut env = Env::new();
    if let Some(cluster) = cluster {
        let name = format!("webhooks_{tenants}");
        cluster.sql("postgres", &format!("CREATE DATABASE {name}"));
        env.insert("HOURBOOK_DATABASE_URL".into(), cluster.url(&name));
        env.insert("HOURBOOK_BACKUP_URL".into(), format!("file://{}/backups", dir.path().display()));
    }
    let (running, url) = start(&cloud, &dir, env).await;
    let mut senders = Vec::new();
    for number in 0..tenants {
        let site = Site::start(&cloud, &format!("bench-client-{number}"));
        assert_eq!(site.install(&url, APP_KEY).await, 204);
        let secret = site.state().installation.clone().unwrap().secret;
        senders.push(Sender { client_key: site.client_key(), secret });
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    (running, senders, dir)
}

pub async fn run() -> String {
    let mut page = String::from(
        "## Durable webhooks\n\nOne event of about 700 bytes a request, 32 connections, closed loop, median of three rounds. \
         *No database*: signature, hash, parsing and sealing, then 204. *Commit for each*: each request applies its event to the tenant's database, in a transaction and with a flush to disk of its own. \
         *Hourbook*: the whole server, events of many requests in one commit, applied to the tenant databases meanwhile.\n\n\
         | tenants | handler | requests/s | p50 ms | p99 ms | to no database | to commit for each |\n|---|---|---|---|---|---|---|\n",
    );
    let mut steady = String::from(
        "Open loop: requests come at a steady rate, half of what the closed loop reached, whether or not earlier ones are answered; latency counts from when a request was due.\n\n\
         | tenants | handler | offered/s | answered/s | p50 ms | p99 ms |\n|---|---|---|---|---|---|\n",
    );
    let cluster = tokio::task::spawn_blocking(Cluster::start_durable).await.unwrap();
    for tenants in [1, 100] {
        // One server after the other: each goes on applying what it has answered.
        for (name, cluster) in [("Hourbook", None), ("Hourbook on PostgreSQL", Some(&cluster))] {
            let measured = measure(tenants, name, cluster).await;
            page += &measured.0;
            steady += &measured.1;
        }
    }
    page + "\n" + &steady + "\n"
}

/// Rows of both tables for a server with that many tenants, beside the two limits in the same rounds.
async fn measure(tenants: usize, hourbook: &'static str, cluster: Option<&Cluster>) -> (String, String) {
    let (running, senders, _dir) = real(tenants, cluster).await;
    let mut rows: HashMap<&str, Vec<load::Outcome>> = HashMap::new();
    for round in 0..ROUNDS {
        for (name, prefix, commits) in [("no database", "n", false), ("commit for each", "c", true)] {
            let (address, handle) = serve(&senders, commits);
            let requests = requests(&senders, &format!("{prefix}{tenants}x{round}"));
            rows.entry(name).or_default().push(load::run(address, TIME, requests).await);
            handle.stop(true).await;
        }
        rows.entry(hourbook)
            .or_default()
            .push(load::run(running.public, TIME, requests(&senders, &format!("h{tenants}x{round}"))).await);
    }
    rows.values_mut().for_each(|rounds| rounds.sort_by(|a, b| a.per_second.total_cmp(&b.per_second)));
    let median = |name: &str| &rows[name][ROUNDS / 2];
    let mut page = String::new();
    for name in ["no database", "commit for each", hourbook] {
        let found = median(name);
        let ratio = |to: &str| found.per_second / median(to).per_second;
        let _ = writeln!(
            page,
            "| {tenants} | {name} | {found} | {:.2} | {:.2} |",
            ratio("no database"),
            ratio("commit for each")
        );
    }
    let rate = median(hourbook).per_second / 2.0;
    let open = load::run_open(running.public, TIME, rate, requests(&senders, &format!("o{tenants}"))).await;
    let steady = format!("| {tenants} | {hourbook} | {rate:.0} | {open} |\n");
    running.stop().await;
    (page, steady)
}
