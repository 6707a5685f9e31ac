//! The storage layer from outside: sealed columns, bulk statements. The schema test is in `src/store/tests.rs`.

use crate::support::postgres;
use hourbook::sync::{apply, events, told};
use hourbook_crypto::datakey::DataKey;
use hourbook_crypto::tenant::TenantCipher;
use hourbook_store::error::Error;
use hourbook_store::postgres::{Address, Login, Server, provision};
use hourbook_store::tenant::fences::Fence;
use hourbook_store::tenant::{
    TenantDb, audit, changes, content, cursors, fences, runs, settings, tags, worklogs,
};
use parking_lot::Mutex;
use proptest::prelude::*;
use serde_json::json;
use std::collections::HashMap;
use std::sync::Arc;
use tempfile::TempDir;

/// Where databases of a test are: each test runs on both.
pub enum Place {
    Files(TempDir),
    /// And the names that it has made there.
    Server(Arc<Server>, Mutex<HashMap<String, String>>),
}

const PASSWORD: &str = "canarypassword";

impl Place {
    pub fn both() -> [Self; 2] {
        let address = Address::parse(&postgres::shared().url("postgres")).unwrap();
        [
            Self::Files(TempDir::new().unwrap()),
            Self::Server(Server::new("test", address, 10), Mutex::default()),
        ]
    }

    /// A database of that name, as the tenant with that key sees it.
    pub fn open(&self, tenant: &str, name: &str, key: &DataKey) -> TenantDb {
        let cipher = Arc::new(TenantCipher::new(tenant, key));
        match self {
            Self::Files(dir) => {
                let template = dir.path().join("template.db");
                if !template.exists() {
                    hourbook_store::migrate::make_template(&template).unwrap();
                }
                TenantDb::in_folder(&dir.path().join(name), &template, cipher, |_| Ok(())).unwrap()
            }
            Self::Server(server, made) => {
                let database = made
                    .lock()
                    .entry(name.to_owned())
                    .or_insert_with(|| {
                        let name = provision::name(&format!("{:032x}", rand::random::<u128>()), 1);
                        server.create(&name, PASSWORD).unwrap();
                        name
                    })
                    .clone();
                let login = Login::Own { name: database, password: PASSWORD.to_owned().into() };
                TenantDb::on_server(server, login, cipher, |_| Ok(())).unwrap()
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Self::Server(server, made) = self {
            made.lock().values().for_each(|name| server.remove(name).unwrap());
        }
    }
}

/// What is stored can be read by nobody without the key, and by nobody in another row or tenant.
#[tokio::test]
async fn sealed_columns_do_not_open_elsewhere() {
    use hourbook_store::plain::Plain;
    use hourbook_store::tenant::worklogs::{Visibility, Worklog, by_ids, put};

    let key = DataKey::generate(1);
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
    for place in Place::both() {
        let ours = place.open("ours", "one", &key);
        let row = worklog.clone();
        ours.write(move |db| put(db, &[row])).await.unwrap();
        assert_eq!(ours.read(|db| by_ids(db, &[7])).await.unwrap(), std::slice::from_ref(&worklog));
        ours.close();
        assert!(matches!(ours.read(|db| by_ids(db, &[7])).await, Err(Error::Closed)));
        drop(ours);
        let theirs = place.open("theirs", "one", &key);
        let refused = theirs.read(|db| by_ids(db, &[7])).await;
        assert!(matches!(refused, Err(Error::Corrupt(_))), "{refused:?}");
    }
}

/// A statement takes more ids than SQLite has binds.
#[tokio::test]
async fn bulk_statements_are_split() {
    use hourbook_store::tenant::tombstones;
    for place in Place::both() {
        let db = place.open("t", "t", &DataKey::generate(1));
        let ids: Vec<i64> = (1..=50_000).collect();
        let asked = ids.clone();
        db.write(move |db| tombstones::put(db, &asked, tombstones::Cause::Worklog, 1)).await.unwrap();
        let (found, versions) = db
            .read(move |db| Ok((tombstones::of(db, &ids)?.len(), worklogs::versions(db, &ids)?.len())))
            .await
            .unwrap();
        assert_eq!((found, versions), (50_000, 0));
    }
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
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut steps: Vec<Step> = steps
                .into_iter()
                .map(|(number, kind)| if kind == 0 { Step::Read(number.min(newest)) } else { Step::Event(number.min(newest)) })
                .collect();
            steps.push(Step::Read(newest));
            if let Some(at) = deleted_at {
                steps.insert(at.min(steps.len()), Step::Deleted);
            }
            for place in Place::both() {
            let db = place.open("t", "t", &DataKey::generate(1));
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
            }
        });
    }
}

fn worklog(id: i64, seconds: i64, tags: Vec<i64>) -> worklogs::Worklog {
    worklogs::Worklog {
        id,
        issue_id: id % 7,
        account_id: format!("somebody-{}", id % 3),
        comment: (id % 2 == 0).then(|| hourbook_store::plain::Plain::new(format!("\"canary {id}\""))),
        created: id,
        updated: id,
        started: id * 1000,
        seconds,
        visibility: if id % 5 == 0 {
            worklogs::Visibility::Role("r".into())
        } else {
            worklogs::Visibility::Everyone
        },
        tags,
        read_after: (id % 11 == 0).then_some(id),
        unreadable_since: None,
    }
}

/// One writer at a time: what each reads in its transaction is still so when it writes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_take_turns() {
    for place in Place::both() {
        let key = DataKey::generate(1);
        // As two nodes would have it.
        let handles = [place.open("t", "t", &key), place.open("t", "t", &key)];
        let mut working = tokio::task::JoinSet::new();
        for at in 0..40 {
            let db = handles[at % 2].clone();
            working.spawn(async move {
                db.write(|db| {
                    let count = cursors::get(db, "count")?.unwrap_or(0);
                    std::thread::sleep(std::time::Duration::from_millis(2));
                    cursors::set(db, "count", count + 1)
                })
                .await
                .unwrap();
            });
        }
        while working.join_next().await.is_some() {}
        assert_eq!(handles[0].read(|db| cursors::get(db, "count")).await.unwrap(), Some(40));
    }
}

/// All statements of a read see one state, however long it takes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_sees_one_state() {
    for place in Place::both() {
        let db = place.open("t", "t", &DataKey::generate(1));
        let reading = db.clone();
        let read = tokio::spawn(async move {
            reading
                .read(|db| {
                    let before = settings::get(db, "a")?;
                    std::thread::sleep(std::time::Duration::from_millis(300));
                    Ok((before, settings::get(db, "a")?))
                })
                .await
        });
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        db.write(|db| settings::set(db, "a", "later")).await.unwrap();
        assert_eq!(read.await.unwrap().unwrap(), (None, None));
        assert_eq!(db.read(|db| settings::get(db, "a")).await.unwrap().as_deref(), Some("later"));
    }
}

/// An error in the middle leaves nothing of its transaction, and the connection goes on.
#[tokio::test]
async fn a_failed_write_leaves_nothing() {
    for place in Place::both() {
        let db = place.open("t", "t", &DataKey::generate(1));
        let failed: Result<(), Error> = db
            .write(|db| {
                worklogs::put(db, &[worklog(1, 60, vec![])])?;
                Err(Error::Conflict)
            })
            .await;
        assert!(matches!(failed, Err(Error::Conflict)));
        assert_eq!(db.read(worklogs::count).await.unwrap(), 0);
        // The same row twice is a conflict, on either backend.
        db.write(|db| worklogs::put_new(db, &[worklog(1, 60, vec![])])).await.unwrap();
        let twice = db.write(|db| worklogs::put_new(db, &[worklog(1, 60, vec![])])).await;
        assert!(matches!(twice, Err(Error::Conflict)), "{twice:?}");
        // A tag that is not in the catalogue is refused, and nothing is written.
        assert!(db.write(|db| worklogs::put(db, &[worklog(2, 60, vec![77])])).await.is_err());
        assert_eq!(db.read(worklogs::count).await.unwrap(), 1);
    }
}

/// Who was taken over writes nothing any more; people's writes need no token, until the database is shut.
#[tokio::test]
async fn fences_hold_back_whoever_was_taken_over() {
    let fence = |lane: &str, token| Some(Fence { lane: lane.into(), token });
    for place in Place::both() {
        let db = place.open("t", "t", &DataKey::generate(1));
        let write = async |fence: Option<Fence>| {
            db.fenced(fence).write(|db| settings::set(db, "a", "b")).await.map_err(|error| error.to_string())
        };
        write(fence("sync", 5)).await.unwrap();
        write(fence("sync", 5)).await.unwrap();
        write(fence("sync", 7)).await.unwrap();
        assert!(write(fence("sync", 6)).await.unwrap_err().contains("taken this over"));
        write(fence("backup", 6)).await.unwrap();
        write(None).await.unwrap();
        db.write_unfenced(|db| fences::raise_floor(db, 10)).unwrap();
        assert!(write(fence("backup", 9)).await.unwrap_err().contains("taken this over"));
        write(None).await.unwrap();
        db.write_unfenced(fences::shut).unwrap();
        for nobody in [None, fence("sync", i64::MAX - 1)] {
            assert!(write(nobody).await.unwrap_err().contains("held back"));
        }
        db.write_unfenced(|db| fences::raise_floor(db, 11)).unwrap();
        write(None).await.unwrap();
        write(fence("sync", 12)).await.unwrap();
    }
}

/// What a bulk load drops is made again as it was, and what changed is noted for reports.
#[tokio::test]
async fn a_bulk_load_leaves_the_same_database() {
    for place in Place::both() {
        let key = DataKey::generate(1);
        let (loaded, written) = (place.open("t", "loaded", &key), place.open("t", "written", &key));
        let tag = |id| tags::Tag {
            id,
            name: hourbook_store::plain::Plain::new("canary"),
            named_at: 1,
            archived: false,
        };
        let all: Vec<_> =
            (1..=500).map(|id| worklog(id, id, if id % 3 == 0 { vec![9] } else { vec![] })).collect();
        for db in [&loaded, &written] {
            db.write(move |db| tags::put(db, &tag(9))).await.unwrap();
        }
        let load = all.clone();
        loaded.write(worklogs::drop_indexes).await.unwrap();
        loaded.write_relaxed(move |db| worklogs::put_new(db, &load)).await.unwrap();
        loaded.write(worklogs::make_indexes).await.unwrap();
        for some in all.chunks(7) {
            let some = some.to_vec();
            written.write(move |db| worklogs::put(db, &some)).await.unwrap();
        }
        // Once more, over what is there.
        let again = all.clone();
        written.write(move |db| worklogs::put(db, &again)).await.unwrap();
        let ids: Vec<i64> = (1..=500).collect();
        for db in [&loaded, &written] {
            let asked = ids.clone();
            let mut found = db.read(move |db| worklogs::by_ids(db, &asked)).await.unwrap();
            found.sort_by_key(|worklog| worklog.id);
            assert!(found == all);
            let filter = worklogs::Filter { from: Some(100_000), newest_first: true, ..Default::default() };
            let page = db.read(move |db| worklogs::page(db, &filter, 3)).await.unwrap();
            assert_eq!(page.iter().map(|worklog| worklog.id).collect::<Vec<_>>(), [500, 499, 498]);
        }
        assert!(
            matches!(loaded.read(|db| changes::since(db, 0)).await.unwrap(), changes::Since::Some(ids) if ids.len() == 500)
        );
    }
}

/// The same content is the same stream on both backends, through any number of copies; and what was given out by the
/// database goes on behind it.
#[tokio::test]
async fn content_is_the_same_on_both_backends() {
    let key = DataKey::generate(1);
    let [files, server] = Place::both();
    let first = files.open("t", "first", &key);
    first
        .write(|db| {
            tags::put(
                db,
                &tags::Tag {
                    id: 9,
                    name: hourbook_store::plain::Plain::new("canary"),
                    named_at: -1,
                    archived: true,
                },
            )?;
            let all: Vec<_> = (1..=3000).map(|id| worklog(id * 1_000_003, id, vec![9])).collect();
            worklogs::put_new(db, &all)?;
            cursors::set(db, "negative", i64::MIN)?;
            settings::set(db, "text", "ä\u{1f600}\n\"")?;
            audit::record(db, None, "tag.rename", Some("9"), 5)?;
            let run = runs::begin(db, "full", 1)?;
            runs::end(db, run.run_id, &runs::End::Failed("why".into()), 2)
        })
        .await
        .unwrap();
    let dump = |db: &TenantDb| {
        let mut stream = Vec::new();
        let summary = db.read_blocking(|db| content::write(db, &mut stream)).unwrap();
        (stream, summary)
    };
    let (stream, summary) = dump(&first);
    assert_eq!(summary.rows_of("worklogs"), 3000);
    assert_eq!(hourbook_store::dump::check(&stream[..]).unwrap(), summary);
    for (at, place) in [&server, &files, &server].into_iter().enumerate() {
        let copy = place.open("t", &format!("copy-{at}"), &key);
        assert_eq!(copy.write_unfenced(|db| content::read(db, &stream[..])).unwrap(), summary);
        assert!(dump(&copy).0 == stream, "byte by byte");
        let run = copy.write(|db| runs::begin(db, "incremental", 3)).await.unwrap();
        assert_eq!(run.run_id, 2, "numbers go on");
        assert_ne!(dump(&copy).1.digest, summary.digest);
    }
    for cut in [0, 3, 4, 100, stream.len() / 2, stream.len() - 1] {
        let copy = files.open("t", &format!("cut-{cut}"), &key);
        assert!(copy.write_unfenced(|db| content::read(db, &stream[..cut])).is_err(), "cut at {cut}");
        assert_eq!(copy.read(worklogs::count).await.unwrap(), 0, "nothing of it");
    }
    let mut flipped = stream.clone();
    flipped[stream.len() / 2] ^= 1;
    assert!(hourbook_store::dump::check(&flipped[..]).is_err());
}
