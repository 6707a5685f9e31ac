//! Master keys and data keys: changed without a pause, and nothing is lost.

use crate::support::{ANA, BEN, World, eventually, logs, postgres};
use hourbook::jobs::Kind;
use serde_json::json;

/// A server whose master keys are in a file.
async fn with_key_file() -> (World, tempfile::TempDir) {
    let dir = tempfile::TempDir::new().unwrap();
    let file = dir.path().join("master.keys");
    let world = World::start_with(|env, _| {
        let keys = env.remove("HOURBOOK_MASTER_KEYS").unwrap();
        std::fs::write(&file, keys.replace(',', "\n")).unwrap();
        env.insert("HOURBOOK_MASTER_KEYS_FILE".into(), file.to_str().unwrap().into());
    })
    .await;
    world.install_both().await;
    (world, dir)
}

/// Rotation while people work: afterwards the new key alone is enough, and the old one can be thrown away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_key_is_rotated_while_people_work_and_the_old_one_retired() {
    let (mut world, dir) = with_key_file().await;
    let old = world.running().app.keyring.master().current_id().to_owned();
    let (ok, text) = world.hourbook("keys list").await;
    assert!(ok && text.contains("current"), "{text}");
    // Somebody works all the while.
    let body = json!({ "started": "2026-03-02T09:00:00Z", "timeSpentSeconds": 600, "comment": "canary" });
    let ben = world.as_user(BEN);
    let work = async {
        for at in 0..20 {
            let reply = ben.log_work(world.ids.issue, &format!("while-rotating-{at}"), &body).await;
            assert_eq!(reply.status, 201, "{}", reply.text);
        }
    };
    let (rotated, ()) = tokio::join!(world.hourbook("keys rotate --id fresh"), work);
    assert!(rotated.0 && rotated.1.contains("is done"), "{}", rotated.1);
    assert_eq!(world.running().app.keyring.master().current_id(), "fresh", "without a restart");
    let named = world.running().app.keyring.named().await.unwrap();
    assert!(named.iter().all(|(id, count)| id == "fresh" && *count > 0), "{named:?}");

    // The current one stays; the old one is named by what was backed up before.
    let (ok, text) = world.hourbook("keys retire fresh").await;
    assert!(!ok && text.contains("current"), "{text}");
    let app = &world.running().app;
    let sealed_before = world.backups(&hourbook::backup::of_system("keyring")).await;
    assert!(!sealed_before.is_empty(), "keys are backed up after an installation and a rotation");
    world.settle(&world.site).await;
    let (ok, text) = world.hourbook(&format!("keys retire {old}")).await;
    let vault = app.vault.clone();
    let masters = tokio::task::spawn_blocking(move || {
        let master = |found| hourbook::backup::system::master_of(&vault, found).unwrap();
        sealed_before.iter().map(master).collect::<Vec<_>>()
    });
    if masters.await.unwrap().contains(&old) {
        assert!(!ok && text.contains("48 hours"), "{text}");
        // Two days later it is named nowhere.
        world.advance(std::time::Duration::from_secs(49 * 3600));
        hourbook::jobs::schedule::tidy(app).await;
        let (ok, text) = world.hourbook(&format!("keys retire {old}")).await;
        assert!(ok, "{text}");
    } else {
        assert!(ok, "{text}");
    }
    let file = std::fs::read_to_string(dir.path().join("master.keys")).unwrap();
    assert!(file.starts_with("fresh:") && !file.contains(&format!("{old}:")), "one is left");
    let (ok, text) = world.hourbook("keys list").await;
    assert!(ok && !text.contains(&format!("{old} ")), "{text}");

    // And the new key alone opens everything.
    world.halt().await;
    world.boot().await;
    assert_eq!(world.as_user(BEN).get("/api/v1/tags").await.json["items"][0]["name"], "canary tag of one");
    world.end().await;
}

/// A key that something names is not taken away, neither by retiring it nor by leaving it out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_key_that_is_named_stays() {
    let (world, dir) = with_key_file().await;
    let file = dir.path().join("master.keys");
    let before = std::fs::read_to_string(&file).unwrap();
    // The operator forgets to keep the old one.
    std::fs::write(&file, "only:ISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+P0A=\n").unwrap();
    let app = &world.running().app;
    let job = hourbook::jobs::enqueue(app, "", Kind::Rewrap, "").await.unwrap();
    let refused = eventually("the job says why", || async {
        let job = app.control.read(move |conn| hourbook_store::control::jobs::find(conn, job)).await.unwrap();
        job.and_then(|job| job.error).ok_or_else(String::new)
    })
    .await;
    assert!(refused.contains("which is not among the new ones"), "{refused}");
    assert_eq!(
        world.as_user(BEN).get("/api/v1/tags").await.status,
        200,
        "the server goes on with the old ones"
    );
    std::fs::write(&file, before).unwrap();
    let done = || async {
        let job = app.control.read(move |conn| hourbook_store::control::jobs::find(conn, job)).await.unwrap();
        job.filter(|job| job.state == "done").map(drop).ok_or_else(|| "still open".to_owned())
    };
    eventually("the job ends once they are there again", done).await;
    world.end().await;
}

/// A new version of a tenant's key: everything is sealed under it, and what was sealed before still opened meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_gets_a_new_version_of_its_key() {
    let world = World::installed().await;
    world.run_job(&world.site, Kind::Backup, "").await;
    let (tenant, other) = (world.tenant_id(&world.site).await, world.tenant_id(&world.other).await);
    let before = world.as_user(ANA).get("/api/v1/worklogs").await.json;
    let (ok, text) = world.hourbook(&format!("keys renew {}", &tenant[..8])).await;
    assert!(ok && text.contains("is done"), "{text}");
    let app = &world.running().app;
    assert_eq!(app.keyring.versions(&tenant).await.unwrap(), 2);
    assert_eq!(app.keyring.versions(&other).await.unwrap(), 1, "nobody else's");
    let found = app.tenants.by_id(&tenant).await.unwrap().unwrap();
    let db = app.db(&found).await.unwrap();
    drop(db);
    // Sealed records begin with the layout and the version.
    let hex = if postgres::on_postgres() { "encode(comment, 'hex')" } else { "lower(hex(comment))" };
    let sealed =
        world.in_tenant(&tenant, &format!("SELECT {hex} FROM worklogs WHERE comment IS NOT NULL")).await;
    assert!(!sealed.is_empty() && sealed.iter().all(|record| record.starts_with("0100000002")), "{sealed:?}");
    assert_eq!(world.as_user(ANA).get("/api/v1/worklogs").await.json, before);
    assert_eq!(world.as_user(BEN).get("/api/v1/tags").await.json["items"][0]["name"], "canary tag of one");
    // Backups from before still open, and so do new ones.
    world.run_job(&world.site, Kind::Backup, "").await;
    let (ok, text) = world.hourbook(&format!("backup verify {tenant} --every")).await;
    assert!(ok && text.contains("2 backups were read back"), "{text}");
    world.end().await;
}

/// A new key is printed as the configuration takes it, and is kept nowhere.
#[tokio::test]
async fn a_new_key_is_printed_as_it_is_configured() {
    let world = World::start().await;
    let (ok, text) = world.hourbook("keys generate next").await;
    assert!(ok && text.starts_with("next:"), "{text}");
    assert!(hourbook_crypto::master::MasterKeys::parse(text.trim()).is_ok());
    let (ok, text) = world.hourbook("keys rotate").await;
    assert!(!ok && text.contains("given by the environment"), "{text}");
    logs::assert_clean();
    world.end_unchecked().await;
}
