//! Moving tenants, and the whole service, from files to PostgreSQL and between servers; and migrating many tenants.

use crate::support::postgres::{self, Databases};
use crate::support::{ANA, BEN, CLEO, World, compare, eventually};
use hourbook::jobs::Kind;
use hourbook::lifecycle::relocate;
use hourbook_simulator::people::Work;
use hourbook_simulator::state::{Delivery, Outgoing};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// The way of a service that has outgrown its files: tenants one after another, then the service itself; people go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_files_to_postgresql_and_on() {
    if postgres::on_postgres() {
        return;
    }
    let mut world = World::installed().await;
    let tenants = [world.tenant_id(&world.site).await, world.tenant_id(&world.other).await];
    // What only we hold has to come along: settings, a saved report, the audit log, keys of writes.
    let set = world.as_user(ANA).put("/api/v1/settings", &json!({ "weekStart": "monday" })).await;
    assert_eq!(set.status, 200, "{}", set.text);
    let definition = json!({ "range": { "relative": "thisMonth" } });
    let report = json!({ "title": "canary mine", "definition": definition });
    let saved = world.as_user(BEN).post("/api/v1/reports", &report).await;
    assert_eq!(saved.status, 201, "{}", saved.text);
    let body =
        json!({ "started": "2026-03-02T09:00:00Z", "timeSpentSeconds": 600, "comment": "canary once" });
    let first = world.as_user(BEN).log_work(world.ids.issue, "before-the-move", &body).await;
    assert_eq!(first.status, 201);
    let audit = world.as_user(ANA).get("/api/v1/audit").await.json;
    world.halt().await;

    let cluster = postgres::shared();
    let servers = format!("one={0},two={0}", cluster.url("postgres"));
    world.env.insert("HOURBOOK_TENANT_SERVERS".into(), servers);
    world.boot().await;
    assert!(world.has_database(&tenants[0]), "those that are there stay files");
    let (ok, text) = world.hourbook(&format!("tenant move {} --to nowhere --no-wait", tenants[0])).await;
    assert!(ok, "{text}");
    eventually("nowhere is told", || async {
        let jobs = world.open_jobs(&world.site).await;
        jobs.iter()
            .any(|job| job.contains("HOURBOOK_TENANT_SERVERS"))
            .then_some(())
            .ok_or_else(|| format!("{jobs:?}"))
    })
    .await;
    world.change_service("control", "DELETE FROM jobs WHERE kind = 'move'");
    for at in 0..10 {
        world.site.log_work(CLEO, world.ids.issue, Work::of(60 + at, "canary while moving"));
    }
    let (ok, text) = world.hourbook("tenant move --all --to postgres").await;
    assert!(ok && text.matches("is done").count() == 2, "{text}");
    for tenant in &tenants {
        assert!(!world.has_database(tenant), "the file is gone");
        assert_eq!(cluster.databases(&format!("hb_{tenant}_")), [format!("hb_{tenant}_1")]);
    }
    let (ok, text) = world.hourbook("tenant list").await;
    assert!(ok && !text.contains(" files "), "{text}");
    // On to another server, and the whole again with nothing left behind.
    let placed = world.running().app.control.read(hourbook_store::control::placements::all).await.unwrap();
    let is_on_one = placed.iter().any(|at| at.tenant_id == tenants[0] && at.server == "one");
    let other = if is_on_one { "two" } else { "one" };
    let (ok, text) = world.hourbook(&format!("tenant move {} --to {other}", tenants[0])).await;
    assert!(ok && text.contains("is done"), "{text}");
    assert_eq!(cluster.databases(&format!("hb_{}_", tenants[0])), [format!("hb_{}_2", tenants[0])]);
    for site in [&world.site, &world.other] {
        world.settle(site).await;
        world.equal(site).await;
    }

    // The service itself.
    world.halt().await;
    let target = Databases::create();
    world.env.insert("HOURBOOK_DATABASE_URL".into(), target.url.clone());
    world.env.insert("HOURBOOK_BACKUP_URL".into(), format!("file://{}/backups", world.data_dir().display()));
    let (ok, text) = world.hourbook("move-service").await;
    assert!(ok && text.contains("keyring: ") && text.contains("*.moved"), "{text}");
    let (ok, text) = world.hourbook("move-service").await;
    assert!(!ok, "twice: {text}");
    world.boot().await;
    for site in [&world.site, &world.other] {
        world.sync(site, "incremental").await;
        world.equal(site).await;
    }
    let again = world.as_user(BEN).log_work(world.ids.issue, "before-the-move", &body).await;
    assert_eq!((again.status, &again.json["id"]), (200, &first.json["id"]), "{}", again.text);
    assert_eq!(world.as_user(ANA).get("/api/v1/settings").await.json["weekStart"], "monday");
    let reports = world.as_user(BEN).get("/api/v1/reports").await.text;
    assert!(reports.contains("canary mine"), "{reports}");
    let kept = world.as_user(ANA).get("/api/v1/audit").await.json;
    assert_eq!(kept["items"].as_array().unwrap().last(), audit["items"].as_array().unwrap().last());
    world.site.log_work(BEN, world.ids.issue, Work::of(777, "canary behind it all"));
    for site in [&world.site, &world.other] {
        world.settle(site).await;
        world.equal(site).await;
    }
    assert_eq!(world.uninstall(&world.site).await, 204);
    eventually("the wipe ends", || async {
        let left = cluster.databases(&format!("hb_{}_", tenants[0]));
        left.is_empty().then_some(()).ok_or_else(|| format!("{left:?}"))
    })
    .await;
    world.end().await;
    target.drop_all();
}

/// Webhooks that arrive in the middle of a move are refused or wait, and none is lost; people are told to come back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_while_a_tenant_is_moved() {
    let cluster = postgres::shared();
    let servers = format!("one={0},two={0}", cluster.url("postgres"));
    let world = World::start_with(|env, _| drop(env.insert("HOURBOOK_TENANT_SERVERS".into(), servers))).await;
    world.install_both().await;
    let tenant = world.tenant_id(&world.site).await;
    let placed = world.running().app.control.read(hourbook_store::control::placements::all).await.unwrap();
    let mut at = placed.into_iter().find(|at| at.tenant_id == tenant).unwrap().server;
    for round in 0..4 {
        let moving = async {
            at = if at == "one" { "two".into() } else { "one".into() };
            world.run_job_unsettled(&world.site, Kind::Move, &at).await;
        };
        let working = async {
            let mut refused = 0;
            for step in 0..30 {
                world.site.log_work(CLEO, world.ids.issue, Work::of(60 + step, "canary in between"));
                let body = json!({ "started": "2026-03-02T09:00:00Z", "timeSpentSeconds": 60 + step });
                let key = format!("move-{round}-{step}");
                let reply = world.as_user(BEN).log_work(world.ids.issue, &key, &body).await;
                assert!([201, 503, 504].contains(&reply.status), "{} {}", reply.status, reply.text);
                if reply.status == 503 {
                    assert!(reply.headers.contains_key("retry-after"), "{}", reply.text);
                    refused += 1;
                }
                tokio::time::sleep(Duration::from_millis(15)).await;
            }
            refused
        };
        tokio::join!(moving, working);
        world.settle(&world.site).await;
        world.equal(&world.site).await;
    }
    assert_eq!(cluster.databases(&format!("hb_{tenant}_")).len(), 1);
    assert!(world.site.state().failed.is_empty(), "every webhook was taken in the end");
    world.end().await;
}

/// A tenant whose migration fails is held back and told; the others are migrated, and it is served again once it is
/// mended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_migration_is_one_tenants_affair() {
    let mut world = World::installed().await;
    let (broken, whole) = (world.tenant_id(&world.site).await, world.tenant_id(&world.other).await);
    world.halt().await;
    for tenant in [&broken, &whole] {
        step_back(&world, tenant);
    }
    // The name is taken by what no backup looks at, so that it is the migration that fails.
    world.change_tenant(&broken, "CREATE INDEX closed_accounts ON worklogs (time_spent_seconds)");
    let (ok, text) = world.hourbook("migrate").await;
    assert!(!ok && text.contains(&format!("tenant {broken} is held back")), "{text}");
    assert!(text.contains("1 of 2 tenants"), "{text}");
    world.boot().await;
    let refused = world.as_user(ANA).get("/api/v1/worklogs").await;
    assert_eq!((refused.status, refused.json["code"].as_str()), (503, Some("held")), "{}", refused.text);
    assert!(refused.headers.contains_key("retry-after"));
    world.sync(&world.other, "incremental").await;
    world.equal(&world.other).await;
    let metrics = format!("http://{}/metrics", world.running().ops);
    let metrics = world.http.get(metrics).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("hourbook_waiting{queue=\"tenants.quarantined\"} 1"), "{metrics}");
    let (_, text) = world.hourbook(&format!("tenant show {broken}")).await;
    let told = text.contains("quarantine since") && text.contains("closed_accounts");
    assert!(told && !text.contains("no backup"), "{text}");
    // An event of the time in between is not lost.
    world.site.log_work(BEN, world.ids.issue, Work::of(321, "canary while held back"));
    world.site.webhooks_delivered().await;
    world.halt().await;
    world.change_tenant(&broken, "DROP INDEX closed_accounts");
    let (ok, text) = world.hourbook("migrate").await;
    assert!(ok && text.contains("is served again"), "{text}");
    world.boot().await;
    world.settle(&world.site).await;
    world.equal(&world.site).await;
    world.end().await;
}

/// As if the newest migration had not been applied to a tenant yet.
fn step_back(world: &World, tenant: &str) {
    let backend = if postgres::on_postgres() { "postgres" } else { "sqlite" };
    let folder = format!("{}/migrations/tenant/{backend}", env!("CARGO_MANIFEST_DIR"));
    let newest = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).max().unwrap();
    world.change_tenant(tenant, &std::fs::read_to_string(newest.join("down.sql")).unwrap());
    let forget = "DELETE FROM __diesel_schema_migrations WHERE version = (SELECT max(version) FROM __diesel_schema_migrations)";
    world.change_tenant(tenant, forget);
}

/// In a rolling upgrade, nodes of the version before meet databases that were expanded already: they go on.
#[tokio::test]
async fn the_version_before_goes_on_with_an_expanded_database() {
    let mut world = World::installed().await;
    let tenant = world.tenant_id(&world.site).await;
    world.halt().await;
    world.change_tenant(
        &tenant,
        "ALTER TABLE worklogs ADD COLUMN billable BIGINT; ALTER TABLE tags ADD COLUMN colour BIGINT DEFAULT 1; \
         CREATE TABLE rates (rate_id BIGINT); \
         INSERT INTO __diesel_schema_migrations (version) VALUES ('9999')",
    );
    world.boot().await;
    world.site.log_work(BEN, world.ids.issue, Work::of(60, "canary by event"));
    let body = json!({ "started": "2026-03-02T09:00:00Z", "timeSpentSeconds": 600 });
    assert_eq!(world.as_user(BEN).log_work(world.ids.issue, "expanded", &body).await.status, 201);
    world.sync(&world.site, "full").await;
    compare::difference(&world, &world.site).await.unwrap();
    world.end().await;
}

/// Old code sees the new schema for a while: a change of a tenant's schema only adds, unless it says that it contracts.
#[test]
fn migrations_expand_before_they_contract() {
    let folder = format!("{}/migrations/tenant", env!("CARGO_MANIFEST_DIR"));
    for backend in ["sqlite", "postgres"] {
        let mut checked = 0;
        for entry in std::fs::read_dir(format!("{folder}/{backend}")).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let text = std::fs::read_to_string(path.join("up.sql")).unwrap().to_uppercase();
            checked += 1;
            if name.ends_with("_contract") || name.starts_with("0001_") {
                continue;
            }
            for forbidden in ["DROP ", "RENAME ", "ALTER COLUMN", " TYPE "] {
                assert!(!text.contains(forbidden), "{backend}/{name}: {forbidden}");
            }
            let added = text.lines().find(|line| line.contains("ADD COLUMN"));
            let early = name.as_str() < "0005";
            assert!(early || added.is_none(), "{backend}/{name}: the backup before it would fail: {added:?}");
            let fits = added.is_none_or(|line| !line.contains("NOT NULL") || line.contains("DEFAULT"));
            assert!(fits, "{backend}/{name}: code of the version before does not fill it: {added:?}");
        }
        assert!(checked >= 4);
    }
}

/// The two backends have the same changes, by name.
#[test]
fn the_backends_have_the_same_migrations() {
    let root = format!("{}/migrations", env!("CARGO_MANIFEST_DIR"));
    for schema in ["control", "keyring", "inbox", "tenant"] {
        let names = |backend: &str| {
            let entries = std::fs::read_dir(format!("{root}/{schema}/{backend}")).unwrap();
            let mut names: Vec<String> =
                entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        };
        assert_eq!(names("sqlite"), names("postgres"), "{schema}");
    }
}

/// What only Connect has.
mod connect {
    use super::*;

    /// A webhook that meets a move is answered 503 on every node, not taken in beside it; sent again afterwards, it counts.
    #[tokio::test]
    async fn a_webhook_that_meets_a_move_is_to_be_sent_again() {
        let world = World::installed().await;
        let app = Arc::clone(&world.running().app);
        let tenant = world.tenant(&world.site).await;
        world.site.deliver_webhooks(Delivery { held: true, ..Delivery::default() });
        relocate::hold(&app, &tenant, "as a move does").await.unwrap();
        world.site.log_work(BEN, world.ids.issue, Work::of(600, "canary in a move"));
        let event = world.site.state().outbox.pop_front().unwrap();
        assert_eq!(world.site.post(&event).await, 503);
        let read = world.as_user(ANA).get("/api/v1/worklogs").await;
        assert_eq!((read.status, read.json["code"].as_str()), (503, Some("held")), "{}", read.text);
        let id = tenant.id.clone();
        assert_eq!(app.inbox.waiting(&id, 10).await.unwrap().len(), 0, "nothing was taken in");
        relocate::release(&app, &tenant).await.unwrap();
        assert_eq!(world.site.post(&Outgoing { tries: 1, ..event }).await, 204);
        world.site.deliver_webhooks(Delivery::default());
        world.settle(&world.site).await;
        compare::difference(&world, &world.site).await.unwrap();
        world.end().await;
    }
}
