//! The storage layer from outside: sealed columns, bulk statements. The schema test is in `src/store/tests.rs`.

use hourbook::sync::{apply, events, told};
use hourbook_crypto::datakey::DataKey;
use hourbook_crypto::tenant::TenantCipher;
use hourbook_store::tenant::{TenantDb, worklogs};
use proptest::prelude::*;
use serde_json::json;
use std::sync::Arc;
use tempfile::TempDir;

/// A tenant's database in a folder of its own.
fn open(dir: &TempDir, tenant: &str, folder: &str, key: &DataKey) -> TenantDb {
    let template = dir.path().join("template.db");
    if !template.exists() {
        hourbook_store::migrate::make_template(&template).unwrap();
    }
    let cipher = Arc::new(TenantCipher::new(tenant, key));
    TenantDb::in_folder(&dir.path().join(folder), &template, cipher, |_| Ok(())).unwrap()
}

/// What is stored can be read by nobody without the key, and by nobody in another row or tenant.
#[tokio::test]
async fn sealed_columns_do_not_open_elsewhere() {
    use hourbook_store::plain::Plain;
    use hourbook_store::tenant::worklogs::{Visibility, Worklog, by_ids, put};

    let (dir, key) = (TempDir::new().unwrap(), DataKey::generate(1));
    let worklog = Worklog {
        id: 7,
        issue_id: 1,
        account_id: "a".into(),
        comment: Some(Plain::new("\"canary\"")),
        created: 1,
        updated: 1,
        started: 1,
        seconds: 60,
        visibility: Visibility::Group("g".into()),
        tags: vec![],
        read_after: None,
        unreadable_since: None,
    };
    let ours = open(&dir, "ours", "one", &key);
    let row = worklog.clone();
    ours.write(move |db| put(db, &[row])).await.unwrap();
    assert_eq!(ours.read(|db| by_ids(db, &[7])).await.unwrap(), [worklog]);
    ours.close();
    assert!(matches!(ours.read(|db| by_ids(db, &[7])).await, Err(hourbook_store::error::Error::Closed)));
    drop(ours);
    let theirs = open(&dir, "theirs", "one", &key);
    let refused = theirs.read(|db| by_ids(db, &[7])).await;
    assert!(matches!(refused, Err(hourbook_store::error::Error::Corrupt(_))), "{refused:?}");
}

/// A statement takes more ids than SQLite has binds.
#[tokio::test]
async fn bulk_statements_are_split() {
    use hourbook_store::tenant::tombstones;
    let dir = TempDir::new().unwrap();
    let db = open(&dir, "t", "t", &DataKey::generate(1));
    let ids: Vec<i64> = (1..=50_000).collect();
    let asked = ids.clone();
    db.write(move |db| tombstones::put(db, &asked, tombstones::Cause::Worklog, 1)).await.unwrap();
    let (found, versions) = db
        .read(move |db| Ok((tombstones::of(db, &ids)?.len(), worklogs::versions(db, &ids)?.len())))
        .await
        .unwrap();
    assert_eq!((found, versions), (50_000, 0));
}

/// Version `number` of the one worklog of a history, as Jira would show it.
fn version(number: i64) -> serde_json::Value {
    let at = |ms: i64| hourbook::jira::time::format(1_770_000_000_000 + ms);
    json!({
        "id": "7", "issueId": "3", "author": { "accountId": "somebody" }, "comment": format!("version {number}"),
        "created": at(0), "updated": at(number), "started": at(number * 60_000), "timeSpentSeconds": 60 + number,
    })
}

/// What happens to the copy: an event or a read of some version, or the deletion.
#[derive(Debug, Clone, Copy)]
enum Step {
    Event(i64),
    Read(i64),
    Deleted,
}

async fn take(db: &TenantDb, step: Step, now: i64) {
    db.write(move |db| match step {
        Step::Event(number) => {
            let body = json!({ "webhookEvent": "worklog_updated", "worklog": version(number) }).to_string();
            let event = events::parse(body.as_bytes()).unwrap().event.unwrap();
            told::apply(db, &[event], now).map(drop)
        }
        Step::Read(number) => {
            let remote = serde_json::from_str(&version(number).to_string()).unwrap();
            apply::read(db, vec![remote], now).map(drop)
        }
        Step::Deleted => {
            let body = json!({ "webhookEvent": "worklog_deleted", "worklog": { "id": 7 } }).to_string();
            let event = events::parse(body.as_bytes()).unwrap().event.unwrap();
            told::apply(db, &[event], now).map(drop)
        }
    })
    .await
    .unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Events and reads of any versions, in any order, some twice, some never: once the newest version was read the
    /// copy has it, and a deletion wins over all of them.
    #[test]
    fn any_order_of_events_and_reads_ends_in_the_same_state(
        newest in 1_i64..6,
        steps in proptest::collection::vec((0_i64..6, 0_u8..3), 0..12),
        deleted_at in proptest::option::of(0_usize..12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let dir = TempDir::new().unwrap();
            let db = open(&dir, "t", "t", &DataKey::generate(1));
            let mut steps: Vec<Step> = steps
                .into_iter()
                .map(|(number, kind)| if kind == 0 { Step::Read(number.min(newest)) } else { Step::Event(number.min(newest)) })
                .collect();
            steps.push(Step::Read(newest));
            if let Some(at) = deleted_at {
                steps.insert(at.min(steps.len()), Step::Deleted);
            }
            for (now, step) in (1..).zip(&steps) {
                take(&db, *step, now).await;
            }
            let found = db.read(|db| worklogs::by_ids(db, &[7])).await.unwrap().pop();
            match (deleted_at, found) {
                (Some(_), found) => assert!(found.is_none(), "{steps:?}"),
                (None, Some(found)) => {
                    assert_eq!((found.seconds, found.read_after), (60 + newest, None), "{steps:?}");
                }
                (None, None) => panic!("{steps:?}"),
            }
        });
    }
}
