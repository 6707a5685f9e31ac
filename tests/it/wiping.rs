//! What leaves is gone: at once for everybody who could read it, then from every place, and provably.

use crate::chaos::process::{self, DIE_AT, Process};
use crate::support::client::send;
use crate::support::{ANA, APP_KEY, BEN, World, eventually, logs};
use hourbook::backup::{of_system, of_tenant};
use hourbook::jobs::{Kind, schedule};
use hourbook_simulator::cloud::Cloud;
use hourbook_simulator::people::Work;
use hourbook_simulator::site::Site;
use hourbook_store::control::{installations, receipts};
use serde_json::{Value, json};
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);

/// Every step of a closing and a wipe, as `at_step` is told them.
const STEPS: [&str; 12] = [
    "keys",
    "closed",
    "count",
    "keys again",
    "memory",
    "files",
    "backups",
    "exports",
    "webhooks",
    "jobs",
    "ask again",
    "receipt",
];

async fn receipt_of(world: &World, tenant: &str) -> receipts::Receipt {
    eventually("the receipt is written", || async {
        let (app, id) = (&world.running().app, tenant.to_owned());
        app.control.read(move |conn| receipts::of_tenant(conn, &id)).await.unwrap().ok_or_else(String::new)
    })
    .await
}

/// The steps are those that are taken, in that order: a new one has to be killed at too.
#[tokio::test]
async fn all_steps_are_known() {
    use std::sync::Mutex;
    static TAKEN: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let world = World::start_with(|_, tuning| {
        tuning.at_step = |step| TAKEN.lock().unwrap().push(step.to_owned());
    })
    .await;
    world.install_both().await;
    let tenant = world.tenant_id(&world.site).await;
    assert_eq!(world.uninstall(&world.site).await, 204);
    receipt_of(&world, &tenant).await;
    assert_eq!(*TAKEN.lock().unwrap(), STEPS);
    world.end().await;
}

/// kill -9 before each step. The next start goes on, and at the end nothing is left but the receipt.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wipe_survives_being_killed_at_every_step() {
    let http = hourbook::jira::client::http_client(Duration::from_secs(30)).unwrap();
    for step in STEPS {
        let cloud = Cloud::start();
        let site = Site::start(&cloud, "canary-client-one");
        site.add_user(ANA, "Canary Ana", true);
        site.state().withheld_ms = 0;
        let project = site.add_project("CAN");
        let issue = site.add_issue(project, "canary");
        for at in 0..5 {
            site.log_work(ANA, issue, Work::of(600 + at, "canary to be wiped"));
        }
        let dir = tempfile::TempDir::new().unwrap();
        let (mut env, url) = process::env(&cloud, dir.path());
        env.insert(DIE_AT.into(), step.into());
        let mut process = Process::new(env.clone());
        process.start();
        eventually("the server answers", || async {
            http.get(format!("{url}/healthz")).send().await.map(drop).map_err(|error| error.to_string())
        })
        .await;
        assert_eq!(site.install(&url, APP_KEY).await, 204);
        let token = site.context_token(ANA);
        let ask = |path: &str| {
            http.get(format!("{url}{path}")).header("Authorization", format!("JWT {token}")).send()
        };
        eventually("the first sync is done", || async {
            let sync: Value = ask("/api/v1/sync").await.unwrap().json().await.unwrap();
            (sync["worklogs"] == 5 && sync["state"] == "idle").then_some(()).ok_or_else(|| sync.to_string())
        })
        .await;
        let privacy: Value = ask("/api/v1/privacy").await.unwrap().json().await.unwrap();
        let (at, key) =
            (privacy["receipt"]["url"].as_str().unwrap(), privacy["receipt"]["publicKey"].as_str().unwrap());
        assert_eq!(http.get(at).send().await.unwrap().status(), 404, "not yet");

        let installation = site.state().installation.clone();
        // Jira gets no answer, and does not ask again.
        let _ = tokio::time::timeout(Duration::from_secs(20), try_uninstall(&site)).await;
        process.wait();
        let mut again = env.clone();
        again.remove(DIE_AT);
        let mut process = Process::new(again);
        process.start();
        if step == STEPS[0] {
            // Nothing was done yet, so nothing has happened: the site would be found to refuse us. Here it asks again.
            eventually("the tenant is as it was", || async {
                let answer = ask("/api/v1/sync").await.map_err(|error| error.to_string())?;
                (answer.status() == 200).then_some(()).ok_or_else(|| answer.status().to_string())
            })
            .await;
            site.state().installation = installation;
            assert_eq!(site.uninstall().await, 204);
        }
        let receipt = eventually(&format!("killed before {step:?}: the receipt is there"), || async {
            let answer = http.get(at).send().await.map_err(|error| error.to_string())?;
            if answer.status() != 200 {
                return Err(answer.status().to_string());
            }
            answer.json::<Value>().await.map_err(|error| error.to_string())
        })
        .await;
        let body = receipt["body"].as_str().unwrap();
        hourbook_crypto::receipt::verify_hex(key, body.as_bytes(), receipt["signature"].as_str().unwrap())
            .unwrap();
        let said: Value = serde_json::from_str(body).unwrap();
        assert_eq!(
            said["existed"]["worklogs"], 5,
            "killed before {step:?}: counted once, before anything went: {said}"
        );
        let places: Vec<&str> =
            said["places"].as_array().unwrap().iter().map(|place| place["place"].as_str().unwrap()).collect();
        assert_eq!(
            places,
            [
                "keys",
                "memory of all nodes",
                "database files",
                "backups and their old versions",
                "exports",
                "queued webhooks",
                "jobs"
            ]
        );
        let refused = ask("/api/v1/sync").await.unwrap();
        assert_eq!(refused.status(), 401);
        assert_eq!(std::fs::read_dir(dir.path().join("tenants")).unwrap().count(), 0);
        process.kill();
        logs::assert_no_canary_in(dir.path());
    }
}

/// The connection breaks when the server dies.
async fn try_uninstall(site: &Site) {
    let request = std::panic::AssertUnwindSafe(site.uninstall());
    let _ = futures_util::FutureExt::catch_unwind(request).await;
}

/// The promise of the receipt holds: no copy of a key is older than two days, though they are looked at by the hour only.
#[tokio::test]
async fn no_copy_of_a_key_is_older_than_two_days() {
    let world = World::start().await;
    let app = &world.running().app;
    for hour in 0..60 {
        world.advance(Duration::from_secs(3600));
        schedule::tidy(app).await;
        eventually("due backups are made", || async {
            let open = app.control.read(|conn| hourbook_store::control::jobs::open_of_tenant(conn, "")).await;
            open.unwrap().is_empty().then_some(()).ok_or_else(|| "still open".to_owned())
        })
        .await;
        let found = world.backups(&of_system("keyring")).await;
        // The next look is an hour away.
        let oldest = found.first().map_or(0, |found| world.clock.now_ms() + 3_600_000 - found.created_at);
        assert!(oldest <= 48 * 3_600_000, "hour {hour}: {oldest} ms");
        assert!(found.last().is_some_and(|found| world.clock.now_ms() - found.created_at < 7 * 3_600_000));
    }
    world.end().await;
}

/// A backup that is being made while the customer leaves is waited for: its file would come after the wipe.
#[tokio::test]
async fn a_wipe_waits_for_jobs_that_still_run() {
    let world = World::installed().await;
    let app = &world.running().app;
    let tenant = world.tenant_id(&world.site).await;
    let job = hourbook::jobs::enqueue_after(app, &tenant, Kind::Backup, "", 3_600_000).await.unwrap();
    let node = app.nodes.id();
    let set = |state: &str| {
        let sql = format!("UPDATE jobs SET state = '{state}', node_id = '{node}' WHERE id = {job}");
        world.change_service("control", &sql);
    };
    set("running");
    assert_eq!(world.uninstall(&world.site).await, 204);
    let folder = world.data_dir().join("backups").join(of_tenant(&tenant));
    std::fs::create_dir_all(&folder).unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(folder.exists(), "nothing is removed while the job may still write");
    std::fs::write(folder.join("late.hbk"), "written by the job").unwrap();
    set("done");
    receipt_of(&world, &tenant).await;
    assert!(!folder.exists());
    world.end().await;
}

/// What the receipt says is so, and can be checked by anybody, offline.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_receipt_names_what_was_and_when_it_went() {
    use sha2::{Digest, Sha256};
    let world = World::installed().await;
    world.run_job(&world.site, Kind::Backup, "").await;
    let tenant = world.tenant_id(&world.site).await;
    let promised = world.as_user(ANA).get("/api/v1/privacy").await.json["receipt"].clone();
    let refused = world.as_user(BEN).get("/api/v1/privacy").await;
    assert_eq!(refused.status, 403, "for admins");
    let ids: Vec<i64> = world.site.state().worklogs.keys().copied().collect();
    let uninstalled_at = world.clock.now_ms();
    assert_eq!(world.uninstall(&world.site).await, 204);
    receipt_of(&world, &tenant).await;
    let receipt = send(&world, "GET", promised["url"].as_str().unwrap(), None, &[]).await;
    assert_eq!(receipt.status, 200);
    let said: Value = serde_json::from_str(receipt.json["body"].as_str().unwrap()).unwrap();
    let lines: String = ids.iter().map(|id| format!("{id}\n")).collect();
    assert_eq!(said["existed"]["worklogIdsSha256"], hex::encode(Sha256::digest(lines)));
    assert_eq!((&said["existed"]["worklogs"], &said["existed"]["backups"]), (&json!(4), &json!(1)), "{said}");
    assert!(said["existed"]["backupBytes"].as_i64().unwrap() > 0);
    let at = |name: &str| hourbook::jira::time::parse(said[name].as_str().unwrap()).unwrap();
    assert!((0..10_000).contains(&(at("keyDestroyedAt") - uninstalled_at)));
    assert_eq!(at("lastKeyCopyGoneBy"), at("keyDestroyedAt") + 48 * 3_600_000);
    for personal in ["canary", "127.0.0.1", ANA, BEN, "client"] {
        assert!(!receipt.text.contains(personal), "{personal} in {}", receipt.text);
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &receipt.text).unwrap();
    let (path, key) = (file.path().display().to_string(), promised["publicKey"].as_str().unwrap().to_owned());
    let (ok, text) = world.hourbook(&format!("receipt verify {path} --key {key}")).await;
    assert!(ok && text.contains("Valid") && text.contains("existed: worklogs"), "{text}");
    std::fs::write(file.path(), receipt.text.replace("\\\"worklogs\\\":4", "\\\"worklogs\\\":5")).unwrap();
    let (ok, text) = world.hourbook(&format!("receipt verify {path} --key {key}")).await;
    assert!(!ok && text.contains("NOT VALID"), "{text}");
    let (ok, text) = world.hourbook(&format!("receipt verify {path} --key 00")).await;
    assert!(!ok && text.contains("public key"), "{text}");
    world.end().await;
}

/// Promise E17: site, clientKey and dates are there on day 29 and gone on day 31, from the control database's backups
/// too. The receipt names nobody and stays.
#[tokio::test]
async fn account_information_goes_after_thirty_days() {
    let world = World::installed().await;
    let tenant = world.tenant_id(&world.site).await;
    let app = &world.running().app;
    let backed_up = || async {
        hourbook::jobs::enqueue(app, "", Kind::SystemBackup, "").await.unwrap();
        eventually("the system is backed up", || async {
            let open = app.control.read(|conn| hourbook_store::control::jobs::open_of_tenant(conn, "")).await;
            open.unwrap().is_empty().then_some(()).ok_or_else(|| "still open".to_owned())
        })
        .await;
    };
    assert_eq!(world.uninstall(&world.site).await, 204);
    let receipt = receipt_of(&world, &tenant).await;
    let found = || async {
        let id = tenant.clone();
        app.control.read(move |conn| installations::find(conn, &id)).await.unwrap()
    };
    world.advance(DAY * 29);
    backed_up().await;
    schedule::tidy(app).await;
    let kept = found().await.expect("day 29: still there");
    assert_eq!(kept.base_url, world.site.base_url);
    let shown = format!("/receipts/{}", receipt.receipt_id);
    assert_eq!(send(&world, "GET", &shown, None, &[]).await.status, 200, "day 29");
    world.advance(DAY * 2);
    backed_up().await;
    schedule::tidy(app).await;
    assert!(found().await.is_none(), "day 31: gone");
    assert_eq!(send(&world, "GET", &shown, None, &[]).await.status, 404, "not shown for longer");
    backed_up().await;
    let id = receipt.receipt_id.clone();
    let stays =
        app.control.read(move |conn| receipts::find(conn, &id)).await.unwrap().expect("the receipt stays");
    assert!(!stays.body.contains("127.0.0.1") && !stays.body.contains("canary"), "{}", stays.body);
    // Nothing names the customer any more: not the database, its free pages and log, nor the backups, once opened.
    let names = [world.site.base_url.clone(), world.site.client_key(), world.site.cloud_id()];
    for name in ["control.db", "control.db-wal", "keyring.db", "keyring.db-wal", "inbox.db", "inbox.db-wal"] {
        let bytes = std::fs::read(world.data_dir().join(name)).unwrap_or_default();
        for word in &names {
            assert!(!contains(&bytes, word), "{word} in {name}");
        }
        // The receipt itself names the opaque id.
        assert!(name.starts_with("control") || !contains(&bytes, &tenant), "{tenant} in {name}");
    }
    let backups = world.backups(&of_system("control")).await;
    assert!(!backups.is_empty());
    for found in backups {
        let (vault, master) = (app.vault.clone(), app.keyring.master());
        let opened = tokio::task::spawn_blocking(move || {
            let mut opened = Vec::new();
            let (_, mut content) =
                hourbook::backup::file::open(&vault, &found.path, |_| Ok(master.backup_key())).unwrap();
            std::io::Read::read_to_end(&mut content, &mut opened).unwrap();
            opened
        });
        let opened = opened.await.unwrap();
        assert!(names.iter().all(|word| !contains(&opened, word)));
    }
    world.end().await;
}

fn contains(bytes: &[u8], word: &str) -> bool {
    bytes.windows(word.len()).any(|window| window == word.as_bytes())
}

/// A wipe that cannot end stays open, tries again, and says so; it ends once it can.
#[tokio::test]
async fn a_wipe_that_cannot_end_raises_an_alarm_and_goes_on() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::installed().await;
    let tenant = world.tenant_id(&world.site).await;
    let app = &world.running().app;
    let alarms = || app.metrics.alarms.with_label_values(&["wipe_open"]).get();
    // A folder in the place that cannot be listed for its backups is in the way; being root ignores permissions, so a
    // file where a folder should be does it.
    let folder = world.data_dir().join("backups").join(of_tenant(&tenant));
    std::fs::create_dir_all(folder.parent().unwrap()).unwrap();
    std::fs::write(&folder, "in the way").unwrap();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o000)).unwrap();
    assert_eq!(world.uninstall(&world.site).await, 204);
    eventually("an alarm is raised", || async { (alarms() > 0).then_some(()).ok_or_else(String::new) }).await;
    let id = tenant.clone();
    assert!(app.control.read(move |conn| receipts::of_tenant(conn, &id)).await.unwrap().is_none());
    std::fs::remove_file(&folder).unwrap();
    receipt_of(&world, &tenant).await;
    world.end().await;
}

/// A keyring that is restored from before an uninstallation must not bring the customer back.
#[tokio::test]
async fn a_restored_key_of_a_closed_installation_is_destroyed_again() {
    let mut world = World::installed().await;
    let tenant = world.tenant_id(&world.site).await;
    world.change_service("keyring", "CREATE TABLE copied AS SELECT * FROM data_keys");
    assert_eq!(world.uninstall(&world.site).await, 204);
    receipt_of(&world, &tenant).await;
    world.halt().await;
    let restored = "DELETE FROM destroyed; DELETE FROM data_keys; INSERT INTO data_keys SELECT * FROM copied; \
                    DROP TABLE copied";
    world.change_service("keyring", restored);
    world.boot().await;
    assert_eq!(world.running().app.keyring.versions(&tenant).await.unwrap(), 0);
    assert!(world.running().app.keyring.destroyed_at(&tenant).await.unwrap().is_some());
    world.end().await;
}

/// What only Connect has.
mod connect {
    use super::*;

    /// A wipe never hits a reinstallation of the same clientKey, nor does the former secret open it.
    #[tokio::test]
    async fn a_reinstallation_is_another_generation() {
        let world = World::installed().await;
        let app = &world.running().app;
        let before = world.tenant_id(&world.site).await;
        // The secret was rotated just before: the one before that is still in its grace.
        world.advance(Duration::from_secs(2));
        let old_page_token = world.site.context_token(ANA);
        assert_eq!(world.site.install_with(&world.url(), APP_KEY, "canarysecret-rotated").await, 204);
        world.settle(&world.site).await;
        let rotated_token = world.site.context_token(ANA);
        assert_eq!(world.uninstall(&world.site).await, 204);
        // Atlassian's tokens have whole seconds: two calls in one would look like a replay.
        world.advance(Duration::from_secs(2));
        // Installed again while the wipe of the former one may still run.
        assert_eq!(world.site.install_with(&world.url(), APP_KEY, "canarysecret-fresh").await, 204);
        let after = world.tenant_id(&world.site).await;
        assert_ne!(before, after);
        receipt_of(&world, &before).await;
        world.settle(&world.site).await;
        world.equal(&world.site).await;
        for token in [old_page_token, rotated_token] {
            let reply =
                send(&world, "GET", "/api/v1/me", None, &[("Authorization", format!("JWT {token}"))]).await;
            assert_eq!(reply.status, 401, "the grace ends with its installation");
        }
        // The wipe's job again, and the operator's wipe of the former id: the new one is not theirs.
        hourbook::jobs::enqueue(app, &before, Kind::Wipe, "").await.unwrap();
        world.settle(&world.site).await;
        world.run_job(&world.site, Kind::Backup, "").await;
        assert!(world.has_database(&after) && !world.has_database(&before));
        assert_eq!(world.backups(&of_tenant(&after)).await.len(), 1);
        assert!(world.backups(&of_tenant(&before)).await.is_empty());
        world.equal(&world.site).await;
        world.end().await;
    }
}
