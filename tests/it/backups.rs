//! Backups: made, checked, restored; and what is left after a disaster.

use crate::support::{ANA, BEN, World, compare, eventually, logs, postgres};
use hourbook::backup::{of_system, of_tenant};
use hourbook::jobs::{self, Kind, schedule};
use hourbook_simulator::people::Work;
use serde_json::json;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);

/// By night, unasked; told to admins; read back by the month.
#[tokio::test]
async fn every_tenant_is_backed_up_by_night_and_read_back_by_the_month() {
    let world = World::installed().await;
    let tenant = world.tenant_id(&world.site).await;
    let privacy = world.as_user(ANA).get("/api/v1/privacy").await.json;
    assert_eq!(privacy["backup"]["lastAt"], json!(null));
    let mut read_back = std::collections::BTreeSet::new();
    for day in 1..=33 {
        world.advance(DAY);
        eventually("the night's backup is made", || async {
            let found = world.backups(&of_tenant(&tenant)).await;
            let newest = found.last().map_or(0, |found| found.created_at);
            (newest > world.clock.now_ms() - 43_200_000).then_some(()).ok_or_else(|| format!("day {day}"))
        })
        .await;
        world.settle(&world.site).await;
        let told = world.as_user(ANA).get("/api/v1/privacy").await.json["backup"].clone();
        assert!(told["lastAt"].is_string() && told["bytes"].as_i64().unwrap() > 0, "{told}");
        read_back.insert(told["readBackAt"].as_str().unwrap().to_owned());
    }
    assert_eq!(read_back.len(), 2, "on the first day and 30 days later: {read_back:?}");
    let kept = world.backups(&of_tenant(&tenant)).await;
    assert!((29..=31).contains(&kept.len()), "{} backups are kept for 30 days", kept.len());
    world.end().await;
}

/// A tenant that was not backed up for more than a day raises an alarm, once its time has come and not before.
#[tokio::test]
async fn a_missing_backup_raises_an_alarm() {
    let world = World::installed().await;
    let late = || world.running().app.metrics.waiting.with_label_values(&["backups.late"]).get();
    let app = &world.running().app;
    let tenant = world.tenant_id(&world.site).await;
    // Nothing can be written where the backups go.
    let place = world.data_dir().join("backups").join(of_tenant(&tenant));
    std::fs::create_dir_all(place.parent().unwrap()).unwrap();
    std::fs::write(&place, "in the way").unwrap();
    schedule::tidy(app).await;
    assert_eq!(late(), 0);
    world.advance(Duration::from_secs(26 * 3600));
    eventually("the backup was tried", || async {
        let id = tenant.clone();
        let open =
            app.control.read(move |conn| hourbook_store::control::jobs::open_of_tenant(conn, &id)).await;
        let error = open.unwrap().into_iter().find(|job| job.kind == "backup").and_then(|job| job.error);
        error.map(drop).ok_or_else(|| "not yet".to_owned())
    })
    .await;
    world.settle(&world.other).await;
    schedule::tidy(app).await;
    assert_eq!(late(), 1, "the other one has a backup");
    std::fs::remove_file(&place).unwrap();
    world.run_job(&world.site, Kind::Backup, "").await;
    schedule::tidy(app).await;
    assert_eq!(late(), 0);
    world.end().await;
}

/// What was cut off, changed, or belongs to another tenant is told, and restores nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_backup_is_told_and_restores_nothing() {
    let world = World::installed().await;
    for site in [&world.site, &world.other] {
        world.run_job(site, Kind::Backup, "").await;
    }
    let (ok, text) = world.hourbook("backup list").await;
    assert!(ok && text.lines().count() >= 3, "{text}");
    let (ok, text) = world.hourbook("backup verify").await;
    assert!(ok && text.contains("4 worklogs"), "{text}");
    let app = &world.running().app;
    let (tenant, other) = (world.tenant_id(&world.site).await, world.tenant_id(&world.other).await);
    let path = world.backup_file(world.backups(&of_tenant(&tenant)).await.last().unwrap());
    let foreign = world.backup_file(world.backups(&of_tenant(&other)).await.last().unwrap());
    let whole = std::fs::read(&path).unwrap();
    let mut flipped = whole.clone();
    let at = flipped.len() - 40;
    flipped[at] ^= 1;
    for damaged in [flipped, whole[..whole.len() - 1].to_vec(), std::fs::read(&foreign).unwrap()] {
        std::fs::write(&path, damaged).unwrap();
        let (ok, text) = world.hourbook(&format!("backup verify {tenant}")).await;
        assert!(!ok && text.contains("BROKEN"), "{text}");
        let job = jobs::enqueue(app, &tenant, Kind::Restore, "").await.unwrap();
        eventually("the restore fails", || async {
            let job =
                app.control.read(move |conn| hourbook_store::control::jobs::find(conn, job)).await.unwrap();
            job.filter(|job| job.error.is_some()).ok_or_else(String::new)
        })
        .await;
        compare::difference(&world, &world.site).await.unwrap();
        let id = tenant.clone();
        let dropped =
            app.control.write(move |conn| hourbook_store::control::jobs::drop_waiting(conn, &id, "none"));
        dropped.await.unwrap();
    }
    std::fs::write(&path, whole).unwrap();
    let (ok, text) = world.hourbook(&format!("backup verify {tenant}")).await;
    assert!(ok, "{text}");
    world.end().await;
}

/// After a restore the copy is as old as the backup, and an incremental sync makes it equal to Jira.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_tenant_is_equal_to_jira_again() {
    let world = World::installed().await;
    world.run_job(&world.site, Kind::Backup, "").await;
    let tenant = world.tenant_id(&world.site).await;
    let name = world.backups(&of_tenant(&tenant)).await.pop().unwrap().name().to_owned();
    world.site.log_work(BEN, world.ids.issue, Work::of(1200, "canary after the backup"));
    world.site.change_work(world.ids.by_ben, |worklog| worklog.seconds = 7);
    world.site.delete_work(world.ids.by_ana);
    world.settle(&world.site).await;
    world.advance(Duration::from_secs(90));
    let fulls = |runs: &serde_json::Value| {
        runs.as_array().unwrap().iter().filter(|run| run["kind"] == "full").count()
    };
    let (ok, text) = world.hourbook(&format!("backup restore {tenant} {name}")).await;
    assert!(ok && text.contains("is done"), "{text}");
    world.settle(&world.site).await;
    world.equal(&world.site).await;
    let sync = world.as_user(ANA).get("/api/v1/sync").await.json;
    assert_eq!((&sync["runs"][0]["kind"], fulls(&sync["runs"])), (&json!("incremental"), 1), "{sync}");
    let (ok, text) = world.hourbook(&format!("backup restore {tenant} nothing.hbk")).await;
    assert!(!ok || text.contains("no such backup"), "{text}");
    let id = tenant.clone();
    let app = &world.running().app;
    app.control
        .write(move |conn| hourbook_store::control::jobs::drop_waiting(conn, &id, "none"))
        .await
        .unwrap();
    world.end().await;
}

/// A key that was used after the backup was made is not in it, and still writes once.
#[tokio::test]
async fn a_key_from_after_the_backup_still_writes_once() {
    let world = World::installed().await;
    world.run_job(&world.site, Kind::Backup, "").await;
    let body =
        json!({ "started": "2026-03-02T09:00:00Z", "timeSpentSeconds": 600, "comment": "canary once" });
    let ben = world.as_user(BEN);
    let first = ben.log_work(world.ids.issue, "after-the-backup", &body).await;
    assert_eq!(first.status, 201);
    world.run_job(&world.site, Kind::Restore, "").await;
    let count = world.site.state().worklogs.len();
    let again = ben.log_work(world.ids.issue, "after-the-backup", &body).await;
    assert_eq!((again.status, &again.json["id"]), (200, &first.json["id"]), "{}", again.text);
    assert_eq!(world.site.state().worklogs.len(), count, "written once");
    assert_eq!(ben.log_work(world.ids.issue, "another", &body).await.status, 201);
    world.advance(Duration::from_secs(90));
    world.end().await;
}

/// The disaster: all that is left are the backups and the master keys. Everything is restored, people go on, and the
/// copy is equal to Jira.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_disaster_everything_comes_back_from_backups() {
    let mut world = World::installed().await;
    for site in [&world.site, &world.other] {
        world.run_job(site, Kind::Backup, "").await;
    }
    let app = &world.running().app;
    jobs::enqueue(app, "", Kind::SystemBackup, "").await.unwrap();
    eventually("the control database is backed up", || async {
        world.backups(&of_system("control")).await.pop().map(drop).ok_or_else(String::new)
    })
    .await;
    let tenant = world.tenant_id(&world.site).await;
    let receipt_key = app.receipt_key.public_hex();
    world.site.log_work(BEN, world.ids.issue, Work::of(1200, "canary after the backup"));
    world.settle(&world.site).await;
    world.halt().await;
    world.lose_everything_but_backups();
    // Meanwhile Jira's webhooks find nobody, and work goes on.
    world.site.log_work(ANA, world.ids.issue, Work::of(600, "canary while away"));
    world.site.delete_work(world.ids.by_cleo);
    let (ok, text) = world.hourbook("backup restore --everything").await;
    assert!(ok && text.contains(&format!("restored tenant {tenant}")), "{text}");
    world.boot().await;
    world.advance(Duration::from_secs(90));
    assert_eq!(world.tenant_id(&world.site).await, tenant, "the same tenants, with their secrets");
    assert_eq!(world.running().app.receipt_key.public_hex(), receipt_key);
    assert_eq!(world.as_user(BEN).get("/api/v1/tags").await.json["items"][0]["name"], "canary tag of one");
    for site in [&world.site, &world.other] {
        world.sync(site, "incremental").await;
        world.equal(site).await;
    }
    let body = json!({ "started": "2026-03-02T09:00:00Z", "timeSpentSeconds": 600 });
    assert_eq!(world.as_user(BEN).log_work(world.ids.issue, "after-it", &body).await.status, 201);
    world.end().await;
}

/// A restore of everything does not touch a folder on which a server works.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_not_restored_under_a_running_server() {
    let world = World::installed().await;
    let (ok, text) = world.hourbook("backup restore --everything").await;
    assert!(!ok && text.contains("another Hourbook server"), "{text}");
    world.end().await;
}

/// A migration that is due is preceded by a backup of what there was.
#[tokio::test]
async fn a_migration_is_preceded_by_a_backup() {
    let mut world = World::installed().await;
    let tenant = world.tenant_id(&world.site).await;
    world.halt().await;
    // As if the last migration had not been applied yet.
    let backend = if postgres::on_postgres() { "postgres" } else { "sqlite" };
    let migrations = format!("{}/migrations/tenant/{backend}", env!("CARGO_MANIFEST_DIR"));
    let newest = std::fs::read_dir(migrations).unwrap().map(|entry| entry.unwrap().path()).max().unwrap();
    world.change_tenant(&tenant, &std::fs::read_to_string(newest.join("down.sql")).unwrap());
    world.change_tenant(
        &tenant,
        "DELETE FROM __diesel_schema_migrations WHERE version = (SELECT max(version) FROM __diesel_schema_migrations)",
    );
    world.boot().await;
    world.settle(&world.site).await;
    world.sync(&world.site, "incremental").await;
    let found = world.backups(&of_tenant(&tenant)).await;
    assert_eq!(found.len(), 1, "made before the migration");
    let other = world.tenant_id(&world.other).await;
    let none = world.backups(&of_tenant(&other)).await;
    assert!(none.is_empty(), "the other one had nothing to migrate");
    logs::assert_no_canary_in(&world.data_dir());
    world.end().await;
}
