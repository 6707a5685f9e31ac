//! What a tenant costs: making its database, and being registered while nothing happens.

use crate::process::{APP_KEY, MASTER_KEYS, Server};
use hourbook::clock::Clock;
use hourbook::config::Storage;
use hourbook::databases;
use hourbook::keyring::Keyring;
use hourbook::placement::Servers;
use hourbook::tenants::seal_secret;
use hourbook_crypto::datakey::DataKey;
use hourbook_crypto::master::MasterKeys;
use hourbook_crypto::tenant::TenantCipher;
use hourbook_simulator::cloud::Cloud;
use hourbook_simulator::{qsh, tokens};
use hourbook_store::control::installations::{self, ACTIVE, Installation};
use hourbook_store::migrate;
use hourbook_store::tenant::TenantDb;
use serde_json::json;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const SECRET: &str = "bench-secret-0123456789abcdef";
const MADE: usize = 300;

/// Making a tenant's database against copying a file of its size; both with the folder and a flush.
fn creation() -> String {
    let dir = TempDir::new().unwrap();
    let template = dir.path().join("template.db");
    migrate::make_template(&template).unwrap();
    let cipher = Arc::new(TenantCipher::new("bench", &DataKey::generate(1)));
    let (mut copied, mut made, mut migrated) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..MADE {
        let begun = Instant::now();
        let folder = dir.path().join(format!("copy-{number}"));
        std::fs::create_dir(&folder).unwrap();
        std::fs::copy(&template, folder.join("worklogs.db")).unwrap();
        std::fs::File::open(folder.join("worklogs.db")).unwrap().sync_all().unwrap();
        copied.push(begun.elapsed().as_secs_f64());
        let begun = Instant::now();
        drop(
            TenantDb::in_folder(
                &dir.path().join(format!("made-{number}")),
                &template,
                Arc::clone(&cipher),
                |_| Ok(()),
            )
            .unwrap(),
        );
        made.push(begun.elapsed().as_secs_f64());
        if number % 10 == 0 {
            let begun = Instant::now();
            migrate::up(&dir.path().join(format!("migrated-{number}.db")), migrate::Schema::Tenant).unwrap();
            migrated.push(begun.elapsed().as_secs_f64());
        }
    }
    let median = |times: &mut Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    };
    let (copied, made, migrated) = (median(&mut copied), median(&mut made), median(&mut migrated));
    let row = |name: &str, secs: f64| format!("| {name} | {:.2} | {:.1} |\n", secs * 1000.0, secs / copied);
    format!(
        "| a new tenant's database | ms, median of {MADE} | to the copy |\n|---|---|---|\n{}{}{}\n",
        row("copy of a file of its size, flushed", copied),
        row("made from the template, ready for use", made),
        row("made by the migrations", migrated)
    )
}

/// Registers installations as `installed` does; no sync is due for a long time.
pub async fn register(storage: &Storage, count: usize) {
    let control = databases::open_control(storage).unwrap();
    let servers = Servers::new(storage);
    let keys = MasterKeys::parse(MASTER_KEYS).unwrap();
    let now = Clock::system().now_ms();
    // Further away counts as planned by a clock that was wrong.
    let later = now + 4 * 86_400_000;
    let keyring = Keyring::open(storage, keys).unwrap();
    let mut rows = Vec::with_capacity(count);
    for number in 0..count {
        let tenant_id = format!("{number:032x}");
        let cipher = keyring.create(&tenant_id, now).await.unwrap();
        rows.push(Installation {
            client_key: format!("bench-client-{number}"),
            base_url: format!("http://127.0.0.1:{}", number % 60_000 + 1),
            display_url: format!("http://127.0.0.1:{}", number % 60_000 + 1),
            oauth_client_id: None,
            region: "eu-central-1".into(),
            state: ACTIVE.into(),
            state_reason: None,
            state_since: now,
            shared_secret: Some(seal_secret(&cipher, SECRET)),
            previous_secret: None,
            previous_secret_until: None,
            installed_at: now,
            proven_at: Some(now),
            incremental_secs: 900,
            next_incremental_at: later,
            next_reconcile_at: later,
            receipt_id: tenant_id.clone(),
            wipe: None,
            next_backup_at: later,
            backup_at: None,
            backup_bytes: None,
            backup_checked_at: None,
            next_accounts_at: i64::MAX,
            tenant_id,
        });
    }
    control
        .write(move |conn| {
            rows.iter().try_for_each(|row| {
                installations::insert(conn, row)?;
                servers.place(conn, &row.tenant_id)
            })
        })
        .await
        .unwrap();
}

fn in_folder(dir: &Path) -> Storage {
    let env = [("HOURBOOK_DATA_DIR".to_owned(), dir.display().to_string())].into();
    Storage::from_env(&env).unwrap()
}

/// Memory after each tenant has sent a webhook that was applied.
async fn memory(http: &reqwest::Client, cloud: &Cloud, count: usize) -> (f64, f64) {
    let dir = TempDir::new().unwrap();
    register(&in_folder(dir.path()), count).await;
    let server = Server::start(cloud, dir.path());
    server.ready(http).await;
    one_webhook_each(http, &server, count).await;
    let applied = || dir.path().join("tenants").read_dir().map_or(0, Iterator::count);
    let begun = Instant::now();
    while applied() < count {
        assert!(begun.elapsed() < Duration::from_secs(300), "{} of {count}", applied());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    (server.memory("VmRSS"), server.memory("VmHWM"))
}

/// Each registered tenant sends a webhook.
pub async fn one_webhook_each(http: &reqwest::Client, server: &Server, count: usize) {
    let now = Clock::system().now_secs();
    for number in 0..count {
        let claims = json!({ "iss": format!("bench-client-{number}"), "iat": now, "exp": now + 3600,
            "qsh": qsh::hash("POST", "/connect/webhooks") });
        let request = http
            .post(format!("{}/connect/webhooks", server.url))
            .header("Authorization", format!("JWT {}", tokens::hs256(&claims, SECRET)))
            .header("X-Atlassian-Webhook-Identifier", format!("one-{number}"))
            .json(&json!({ "webhookEvent": "worklog_deleted", "worklog": { "id": "1" } }));
        assert_eq!(request.send().await.unwrap().status(), 204);
    }
}

pub async fn run() -> String {
    assert_eq!(APP_KEY, "app.hourbook.bench");
    let mut page = String::from("## Tenants\n\n");
    page += &tokio::task::spawn_blocking(creation).await.unwrap();
    page += "The binary in a process of its own, 256 databases open at most; each registered tenant has sent a webhook, which was applied.\n\n\
             | registered tenants | memory MiB | highest MiB | to one |\n|---|---|---|---|\n";
    let http = hourbook::jira::client::http_client(Duration::from_secs(60)).unwrap();
    let cloud = Cloud::start();
    let mut one = 0.0;
    for count in [1, 10_000] {
        let (now, highest) = memory(&http, &cloud, count).await;
        one = if count == 1 { now } else { one };
        let _ = writeln!(page, "| {count} | {now:.0} | {highest:.0} | {:.1} |", now / one);
    }
    page + "\n"
}
