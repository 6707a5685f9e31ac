//! Configuration, descriptor, and what the command line says.

use crate::support::client::send;
use crate::support::{MASTER_KEYS, World};
use hourbook::config::{Config, Env, VARIABLES};
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::Write;
use std::process::Command;

fn env(pairs: &[(&str, &str)]) -> Env {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn problems(pairs: &[(&str, &str)]) -> String {
    match Config::from_env(&env(pairs)) {
        Ok(_) => String::new(),
        Err(problems) => problems.to_string(),
    }
}

#[test]
fn all_problems_are_told_at_once() {
    let text = problems(&[
        ("HOURBOOK_LISTEN", "here"),
        ("HOURBOOK_BASE_URL", "http://hourbook.example.com"),
        ("HOURBOOK_MASTER_KEYS", "a:short"),
        ("HOURBOOK_RECEIPT_KEY", "???"),
        ("HOURBOOK_ALLOWED_SITES", "http://jira.example.com"),
        ("HOURBOOK_INCREMENTAL_SECS", "0"),
        ("HOURBOOK_DATABASE_URL", "postgres://x"),
        ("HOURBOOK_APP_KEY", "with spaces"),
    ]);
    for name in [
        "LISTEN",
        "BASE_URL",
        "MASTER_KEYS",
        "RECEIPT_KEY",
        "ALLOWED_SITES",
        "INCREMENTAL_SECS",
        "DATABASE_URL",
        "APP_KEY",
    ] {
        assert!(text.contains(&format!("HOURBOOK_{name}")), "{name} in {text}");
    }
    assert!(text.contains("8 problem(s)"), "{text}");
}

#[test]
fn the_least_that_is_needed_is_a_base_url_and_a_key() {
    let text = problems(&[]);
    assert!(
        text.contains("HOURBOOK_BASE_URL is missing") && text.contains("HOURBOOK_MASTER_KEYS is missing"),
        "{text}"
    );
    let least = [
        ("HOURBOOK_BASE_URL", "https://hourbook.example.com/"),
        ("HOURBOOK_MASTER_KEYS", MASTER_KEYS),
        ("HOURBOOK_LISTEN", ""),
    ];
    let config = Config::from_env(&env(&least)).unwrap();
    assert_eq!(config.base_url, "https://hourbook.example.com");
    assert_eq!(config.incremental_secs, 900);
    assert!(config.ops_listen.ip().is_loopback());
    assert!(config.allowed_sites.check("https://acme.atlassian.net").is_ok());
}

/// What stands in the settings for EU-Frankfurt is what the code reads.
#[test]
fn the_settings_for_frankfurt_are_read() {
    let text = include_str!("../../deploy/frankfurt.env");
    let lines = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='));
    let mut values: Env = lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    assert!(values.keys().all(|name| VARIABLES.contains(&name.as_str())), "{values:?}");
    values.insert("HOURBOOK_BASE_URL".into(), "https://hourbook.example.com".into());
    values.insert("HOURBOOK_MASTER_KEYS".into(), MASTER_KEYS.into());
    let config = Config::from_env(&values).unwrap();
    assert_eq!(config.storage.tenant_servers[0].tenants, 500);
    assert_eq!(format!("{:?}", config.backups.at), "s3://hourbook-backups-eu/live");
    let shown = format!("{:?}", config.storage);
    assert!(!shown.contains("PASSWORD"), "passwords are not printed: {shown}");
}

/// `deploy/env.example` and the code name the same variables, with the same defaults where they stand.
#[test]
fn every_variable_is_documented() {
    let text = include_str!("../../deploy/env.example");
    let documented: Vec<(bool, &str, &str)> = text
        .lines()
        .filter_map(|line| {
            let (commented, rest) = match line.strip_prefix('#') {
                Some(rest) => (true, rest),
                None => (false, line),
            };
            let (name, value) = rest.split_once('=')?;
            ["SENTRY_DSN", "HOURBOOK_", "AWS_"]
                .iter()
                .any(|start| name.starts_with(start))
                .then_some((commented, name, value))
        })
        .collect();
    let names: Vec<&str> = documented.iter().map(|(_, name, _)| *name).collect();
    assert_eq!(names, VARIABLES);
    let values: Env = documented
        .iter()
        .filter(|(_, _, value)| !value.is_empty())
        .map(|(_, name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let mut values: Env = values.into_iter().filter(|(name, _)| name != "HOURBOOK_RECEIPT_KEY").collect();
    values.insert("HOURBOOK_MASTER_KEYS".into(), MASTER_KEYS.into());
    let shown = Config::from_env(&values).unwrap();
    let usual = Config::from_env(&env(&[
        ("HOURBOOK_BASE_URL", "https://hourbook.example.com"),
        ("HOURBOOK_MASTER_KEYS", MASTER_KEYS),
    ]))
    .unwrap();
    let summary = |config: &Config| {
        (
            config.listen,
            config.ops_listen,
            config.app_key.clone(),
            config.connect_keys_url.clone(),
            config.oauth_url.clone(),
            config.incremental_secs,
            config.points_per_hour,
            config.region.clone(),
            config.storage.data_dir.clone(),
        )
    };
    assert_eq!(summary(&shown), summary(&usual), "the example shows the defaults");
}

/// The folder of documents that are not ours; where it is missing, that is said loudly.
pub fn shared(name: &str) -> Option<Value> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(name);
    match std::fs::read(&path) {
        Ok(bytes) => Some(serde_json::from_slice(&bytes).unwrap()),
        Err(error) => {
            // Straight to standard error: the test runner hides what a passing test prints.
            let loud =
                format!("SKIPPED: {} is not there ({error}); this test checked NOTHING\n", path.display());
            std::io::stderr().write_all(loud.as_bytes()).unwrap();
            None
        }
    }
}

#[tokio::test]
async fn the_descriptor_validates_and_names_only_routes_that_exist() {
    let world = World::start().await;
    let descriptor = send(&world, "GET", "/atlassian-connect.json", None, &[]).await.json;
    assert_eq!(descriptor["baseUrl"], world.url());
    assert_eq!(
        descriptor["apiMigrations"],
        serde_json::json!({ "signed-install": true, "context-qsh": true, "gdpr": true })
    );
    assert_eq!(descriptor["scopes"], serde_json::json!(["READ", "WRITE", "DELETE", "ACT_AS_USER"]));
    let table = hourbook::web::routes::all();
    let paths: BTreeSet<&str> = table.iter().map(|route| route.path.as_str()).collect();
    let mut urls = Vec::new();
    collect_urls(&descriptor, &mut urls);
    assert!(urls.len() > 15, "{urls:?}");
    for url in urls.iter().filter(|url| url.starts_with('/')) {
        let path = url.split('?').next().unwrap();
        assert!(paths.contains(path), "{url} is no route");
    }
    if let Some(schema) = shared("connect-descriptor.schema.json") {
        // Formats aside: the schema calls relative addresses "uri", which they are only together with the baseUrl.
        let validator = jsonschema::options().should_validate_formats(false).build(&schema).unwrap();
        let mut https = descriptor.clone();
        https["baseUrl"] = "https://hourbook.example.com".into();
        https["links"]["self"] = "https://hourbook.example.com/atlassian-connect.json".into();
        let errors: Vec<String> =
            validator.iter_errors(&https).map(|error| format!("{}: {error}", error.instance_path)).collect();
        assert!(errors.is_empty(), "{errors:#?}");
    }
    world.end().await;
}

fn collect_urls(value: &Value, urls: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if name == "url" || name == "installed" || name == "uninstalled" => {
                        urls.push(text.clone())
                    }
                    other => collect_urls(other, urls),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect_urls(item, urls)),
        _ => {}
    }
}

fn hourbook(data_dir: &std::path::Path, args: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_hourbook"))
        .args(args)
        .env_clear()
        .env("HOURBOOK_DATA_DIR", data_dir)
        .output()
        .unwrap();
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.success(), text)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operator_lists_shows_syncs_and_wipes_through_the_server() {
    let world = World::installed().await;
    let tenant = world.tenant_id(&world.site).await;
    let (ok, text) = world.hourbook("tenant list").await;
    assert!(
        ok && text.contains(&tenant) && text.contains("active") && text.contains(&world.site.base_url),
        "{text}"
    );
    let worklogs = if crate::support::postgres::on_postgres() { " see the sync page" } else { " 4" };
    let (ok, text) = world.hourbook(&format!("tenant show {}", &tenant[..8])).await;
    assert!(
        ok && text.lines().any(|line| line.starts_with("worklogs ") && line.ends_with(worklogs)),
        "{text}"
    );
    let (ok, text) = world.hourbook(&format!("tenant sync {tenant} --full")).await;
    assert!(ok && text.contains("is done"), "{text}");
    let (ok, text) = world.hourbook(&format!("tenant wipe {tenant}")).await;
    assert!(!ok && text.contains("--yes"), "{text}");
    let (ok, text) = world.hourbook("tenant show nobody").await;
    assert!(!ok && text.contains("no tenant nobody"), "{text}");
    let (ok, text) = world.hourbook(&format!("tenant wipe {tenant} --yes")).await;
    assert!(ok, "{text}");
    world.site.lose_app();
    crate::support::eventually("it is wiped", || async {
        let (_, text) = world.hourbook(&format!("tenant show {tenant}")).await;
        if text.contains("closed") && text.contains("/receipts/") { Ok(()) } else { Err(text) }
    })
    .await;
    let (ok, text) = world.hourbook("openapi").await;
    assert!(ok && text.contains("\"openapi\""), "{text}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn migrate_brings_all_databases_up_to_date() {
    let mut world = World::installed().await;
    world.halt().await;
    let (ok, text) = world.hourbook("migrate").await;
    assert!(ok && text.contains("of 2 tenants are up to date"), "{text}");
    world.boot().await;
    world.end().await;
}

#[test]
fn serve_refuses_to_start_without_keys() {
    let (ok, text) = hourbook(std::path::Path::new("/nonexistent"), &["serve"]);
    assert!(!ok && text.contains("HOURBOOK_MASTER_KEYS is missing"), "{text}");
}

/// Health, readiness, metrics; the operator's routes are not on the public port.
#[tokio::test]
async fn the_operator_has_a_port_of_their_own() {
    let world = World::installed().await;
    for path in ["/healthz", "/readyz"] {
        assert_eq!(send(&world, "GET", path, None, &[]).await.status, 200);
    }
    let ops = format!("http://{}", world.running().ops);
    let metrics = send(&world, "GET", &format!("{ops}/metrics"), None, &[]).await.text;
    for name in
        ["hourbook_requests_total", "hourbook_jira_calls_total", "hourbook_jobs_total", "hourbook_waiting"]
    {
        assert!(metrics.contains(name), "{name} in {metrics}");
    }
    let tenants = send(&world, "GET", &format!("{ops}/ops/tenants"), None, &[]).await.json;
    assert_eq!(tenants["items"].as_array().unwrap().len(), 2);
    for path in ["/metrics", "/ops/tenants", "/api/v1/nothing", "/"] {
        assert_eq!(send(&world, "GET", path, None, &[]).await.json["code"], "route_not_found", "{path}");
    }
    world.end().await;
}
