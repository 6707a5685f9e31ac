//! Personal data: the weekly report of account ids, and accounts that their owners closed.

use crate::support::{ANA, BEN, CLEO, World, eventually};
use hourbook::jobs::Kind;
use hourbook_simulator::people::Work;
use hourbook_simulator::site::Site;
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);

async fn world(by_forge: bool) -> World {
    let world = World::start().await;
    for site in [&world.site, &world.other] {
        site.state().by_forge = by_forge;
    }
    world.install_both().await;
    world
}

/// A crowd of people with an hour each.
fn crowd(world: &World, site: &Site, size: usize) {
    for at in 0..size {
        let account = format!("5b10a2844c201657{at:08}");
        site.add_user(&account, "Canary of the crowd", false);
        site.log_work(&account, world.ids.issue, Work::of(3600, "canary of the crowd"));
    }
}

async fn totals(world: &World) -> HashMap<String, i64> {
    let items = world.as_user(ANA).get("/api/v1/worklogs?limit=1000").await.json["items"].clone();
    let mut totals = HashMap::new();
    for item in items.as_array().unwrap() {
        *totals.entry(item["accountId"].as_str().unwrap_or_default().to_owned()).or_default() +=
            item["timeSpentSeconds"].as_i64().unwrap();
    }
    totals
}

/// Batches of ninety, each account once in a cycle, however many tenants know it and however often we look.
#[tokio::test]
async fn each_account_is_reported_once_in_a_cycle() {
    for by_forge in [false, true] {
        let world = world(by_forge).await;
        // The same people work on both sites.
        crowd(&world, &world.site, 200);
        crowd(&world, &world.other, 200);
        for site in [&world.site, &world.other] {
            world.settle(site).await;
            world.run_job(site, Kind::Accounts, "").await;
        }
        let reported = |world: &World| {
            let accounts = world.cloud.accounts.lock();
            accounts.reported.iter().map(|one| one.account_id.clone()).collect::<Vec<_>>()
        };
        let first = reported(&world);
        let distinct: HashSet<&String> = first.iter().collect();
        assert_eq!((first.len(), distinct.len()), (203, 203), "by_forge {by_forge}");
        assert!(world.cloud.accounts.lock().sizes.iter().all(|size| (1..=90).contains(size)));
        assert_eq!(&world.cloud.accounts.lock().sizes[..3], [90, 90, 23]);
        // By itself, day by day.
        for _ in 0..6 {
            world.advance(DAY);
            world.settle(&world.site).await;
        }
        assert_eq!(reported(&world).len(), 203, "not before the week is over");
        world.cloud.accounts.lock().cycle = Some("P3D".into());
        world.advance(DAY * 2);
        eventually("the second report", || async {
            let count = reported(&world).len();
            if count == 406 { Ok(()) } else { Err(count.to_string()) }
        })
        .await;
        // The next one is planned once the answers to this one have come.
        world.settle(&world.site).await;
        world.advance(DAY * 2);
        world.settle(&world.site).await;
        assert_eq!(reported(&world).len(), 406);
        world.advance(DAY * 2);
        eventually("Atlassian's own cycle is obeyed", || async {
            let count = reported(&world).len();
            if count == 609 { Ok(()) } else { Err(count.to_string()) }
        })
        .await;
        world.end().await;
    }
}

/// A closed account: its id is nowhere, its time is, and no sync brings the id back.
#[tokio::test]
async fn a_closed_account_leaves_its_totals() {
    for by_forge in [false, true] {
        let mut world = world(by_forge).await;
        let body = json!({ "started": "2026-03-02T09:00:00Z", "timeSpentSeconds": 600 });
        assert_eq!(world.as_user(CLEO).log_work(world.ids.issue, "of-cleo", &body).await.status, 201);
        let report = |title: &str, with: &str| {
            json!({ "title": format!("canary {title}"), "sharing": { "with": with }, "definition": {
                "range": { "relative": "today" }, "rows": ["user"], "filters": { "people": { "include": [CLEO, BEN] } } } })
        };
        for (title, with) in [("private", "private"), ("shared", "everyone")] {
            let saved = world.as_user(CLEO).post("/api/v1/reports", &report(title, with)).await;
            assert_eq!(saved.status, 201, "{}", saved.text);
        }
        let before = totals(&world).await;
        world.cloud.accounts.lock().closed.push(CLEO.into());
        world.run_job(&world.site, Kind::Accounts, "").await;
        let after = totals(&world).await;
        assert_eq!(after.get(CLEO), None);
        let (pseudonym, sum) = after.iter().find(|(id, _)| id.starts_with("closed:")).expect("a pseudonym");
        assert_eq!((Some(sum), after.len()), (before.get(CLEO), before.len()), "totals are kept");
        // Jira goes on returning the id.
        world.site.change_work(world.ids.by_cleo, |worklog| worklog.seconds += 60);
        world.settle(&world.site).await;
        world.sync(&world.site, "reconcile").await;
        world.sync(&world.site, "full").await;
        let later = totals(&world).await;
        assert_eq!((later.get(CLEO), later.get(pseudonym)), (None, Some(&(sum + 60))));
        let shared = world.as_user(ANA).get("/api/v1/reports").await;
        assert_eq!(
            shared.json.as_array().map(Vec::len),
            Some(1),
            "what was hers alone is gone: {}",
            shared.text
        );
        assert!(!shared.text.contains(CLEO) && shared.text.contains(pseudonym.as_str()), "{}", shared.text);
        let range = json!({ "first": "2026-01-01", "last": "2027-12-31" });
        let query = json!({ "definition": { "range": range, "rows": ["user"] }, "names": true });
        let asked = world.as_user(ANA).post("/api/v1/reports/query", &query).await;
        assert_eq!(asked.status, 200, "{}", asked.text);
        assert!(asked.text.contains(pseudonym.as_str()), "it has a row of its own: {}", asked.text);
        // The other tenant learns it from the same report; it is not reported again.
        world.run_job(&world.other, Kind::Accounts, "").await;
        let told = world.cloud.accounts.lock().reported.iter().filter(|one| one.account_id == CLEO).count();
        assert_eq!(told, 1);
        let other = world.on(&world.other, ANA).get("/api/v1/worklogs").await.text;
        assert!(!other.contains(CLEO), "{other}");
        assert_ne!(other.matches("closed:").count(), 0);
        assert!(!other.contains(pseudonym.as_str()), "another tenant's pseudonym is another");
        world.halt().await;
        for folder in ["tenants", "control.db", "inbox.db"] {
            let path = world.data_dir().join(folder);
            if path.exists() && !crate::support::postgres::on_postgres() {
                assert_nowhere(&path, CLEO.as_bytes());
            }
        }
        world.boot().await;
        world.site.lose_app();
        world.other.lose_app();
        world.end_unchecked().await;
    }
}

fn assert_nowhere(path: &std::path::Path, word: &[u8]) {
    if path.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            assert_nowhere(&entry.unwrap().path(), word);
        }
        return;
    }
    let bytes = std::fs::read(path).unwrap();
    assert!(memchr::memmem::find(&bytes, word).is_none(), "in {}", path.display());
}

/// Something of an account changed: nothing but its id is held, so it is up to date at once, and says so the next time.
#[tokio::test]
async fn an_updated_account_is_brought_up_to_date() {
    let world = world(true).await;
    world.cloud.accounts.lock().updated.push(BEN.into());
    world.run_job(&world.site, Kind::Accounts, "").await;
    world.cloud.accounts.lock().updated.clear();
    world.advance(DAY * 8);
    eventually("the second report", || async {
        let accounts = world.cloud.accounts.lock();
        let of = |account: &str| {
            let such = accounts.reported.iter().filter(|one| one.account_id == account);
            such.map(|one| one.updated_at.clone()).collect::<Vec<_>>()
        };
        let (ben, ana) = (of(BEN), of(ANA));
        if ben.len() < 2 || ana.len() < 2 {
            return Err(format!("{ben:?} {ana:?}"));
        }
        assert!(ben[1] > ben[0], "{ben:?}");
        assert_eq!(ana[1], ana[0], "held since as before");
        Ok(())
    })
    .await;
    world.end().await;
}

/// A report that is refused is an operator's affair, and no reason to suspend the site.
#[tokio::test]
async fn a_refused_report_suspends_nobody() {
    for by_forge in [false, true] {
        let world = world(by_forge).await;
        world.advance(Duration::from_secs(16 * 60));
        world.settle(&world.site).await;
        world.cloud.accounts.lock().fail = vec![401];
        world.run_job_unsettled(&world.site, Kind::Accounts, "").await;
        assert_eq!(world.cloud.accounts.lock().reported.len(), 3, "tried again at once");
        assert_eq!(world.as_user(ANA).get("/api/v1/sync").await.json["state"], "idle");
        let metrics = format!("http://{}/metrics", world.running().ops);
        let metrics = world.http.get(metrics).send().await.unwrap().text().await.unwrap();
        assert!(metrics.contains("hourbook_alarms_total{alarm=\"accounts\"} 1"), "{metrics}");
        world.end().await;
    }
}

/// What Atlassian does not take is reported again, and nothing of it is lost or doubled.
#[tokio::test]
async fn a_report_that_fails_comes_again() {
    let world = world(true).await;
    world.cloud.accounts.lock().fail = vec![500, 429, 503];
    world.run_job_unsettled(&world.site, Kind::Accounts, "").await;
    let reported: Vec<Value> =
        world.cloud.accounts.lock().reported.iter().map(|one| json!(one.account_id)).collect();
    assert_eq!(reported.len(), 3, "{reported:?}");
    world.end().await;
}
