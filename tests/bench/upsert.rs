//! Filling a tenant database, final indexes and sealing included, against SQLite's own upsert into a bare table.
//!
//! The limit is a prepared statement of rusqlite, which adds a few per cent to SQLite's C API; unsafe code is not
//! allowed here.

use hourbook_crypto::datakey::DataKey;
use hourbook_crypto::tenant::TenantCipher;
use hourbook_store::migrate;
use hourbook_store::plain::Plain;
use hourbook_store::tenant::TenantDb;
use hourbook_store::tenant::worklogs::{self, Visibility, Worklog};
use std::fmt::Write;
use std::sync::Arc;
use std::time::Instant;
use tempfile::TempDir;

const ROWS: i64 = 1_000_000;
/// Rows of a transaction of ours: four pages of the feed.
const TOGETHER: i64 = 4_000;
const COMMENT: &str = "{\"type\":\"doc\",\"version\":1,\"content\":[{\"type\":\"paragraph\",\"content\":[{\"type\":\"text\",\"text\":\"reviewed\"}]}]}";

pub fn worklog(id: i64) -> Worklog {
    Worklog {
        id,
        issue_id: id * 7919 % 50_000 + 1,
        account_id: format!("712020:5b10a284-4c20-1657-00ed-e{:011}", id % 500),
        comment: Some(Plain::new(COMMENT)),
        created: 1_700_000_000_000 + id * 1000,
        updated: 1_700_000_000_000 + id * 1000,
        started: 1_700_000_000_000 + id * 1000 - id % 13 * 3_600_000,
        seconds: 3600,
        visibility: Visibility::Everyone,
        tags: Vec::new(),
        read_after: None,
        unreadable_since: None,
    }
}

/// The limit: no index, no flush, no sealing, ten thousand rows a transaction.
fn bare() -> f64 {
    let dir = TempDir::new().unwrap();
    let mut conn = rusqlite::Connection::open(dir.path().join("bare.db")).unwrap();
    conn.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -65536;
         CREATE TABLE worklogs (client_worklog_id INTEGER PRIMARY KEY, account_id TEXT NOT NULL, client_issue_id INTEGER NOT NULL,
           comment BLOB, created INTEGER NOT NULL, updated INTEGER NOT NULL, started INTEGER NOT NULL, time_spent_seconds INTEGER NOT NULL)",
    )
    .unwrap();
    let sealed = vec![7_u8; COMMENT.len() + 28];
    let begun = Instant::now();
    for first in (1..=ROWS).step_by(10_000) {
        let transaction = conn.transaction().unwrap();
        {
            let mut upsert = transaction
                .prepare_cached(
                    "INSERT INTO worklogs VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (client_worklog_id) DO UPDATE SET
                       account_id = excluded.account_id, client_issue_id = excluded.client_issue_id, comment = excluded.comment,
                       created = excluded.created, updated = excluded.updated, started = excluded.started,
                       time_spent_seconds = excluded.time_spent_seconds WHERE excluded.updated >= updated",
                )
                .unwrap();
            for id in first..first + 10_000 {
                let row = worklog(id);
                let values = rusqlite::params![
                    row.id,
                    row.account_id,
                    row.issue_id,
                    sealed,
                    row.created,
                    row.updated,
                    row.started,
                    row.seconds
                ];
                upsert.execute(values).unwrap();
            }
        }
        transaction.commit().unwrap();
    }
    begun.elapsed().as_secs_f64()
}

async fn ours() -> f64 {
    let dir = TempDir::new().unwrap();
    let template = dir.path().join("template.db");
    migrate::make_template(&template).unwrap();
    let cipher = Arc::new(TenantCipher::new("bench", &DataKey::generate(1)));
    let db = TenantDb::in_folder(&dir.path().join("tenant"), &template, cipher, |_| Ok(())).unwrap();
    let begun = Instant::now();
    db.write(worklogs::drop_indexes).await.unwrap();
    for first in (1..=ROWS).step_by(usize::try_from(TOGETHER).unwrap()) {
        let rows: Vec<Worklog> = (first..first + TOGETHER).map(worklog).collect();
        db.write_relaxed(move |db| worklogs::put_new(db, &rows)).await.unwrap();
    }
    db.write(worklogs::make_indexes).await.unwrap();
    begun.elapsed().as_secs_f64()
}

pub async fn run() -> String {
    let mut page = format!(
        "## Bulk load of a tenant database\n\n{ROWS} worklogs with comments of {} bytes. *SQLite's own upsert*: a prepared statement into a table without \
         secondary indexes, 10,000 rows a transaction, nothing flushed or sealed. *Hourbook*: sealed, written as a full sync does, {TOGETHER} rows a transaction, all indexes made. Median of three rounds.\n\n\
         | | rows/s | to SQLite's own |\n|---|---|---|\n",
        COMMENT.len()
    );
    let (mut limits, mut loads) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        limits.push(tokio::task::spawn_blocking(bare).await.unwrap());
        loads.push(ours().await);
    }
    let median = |times: &mut Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[1]
    };
    let (limit, load) = (median(&mut limits), median(&mut loads));
    let per_second = |secs: f64| ROWS as f64 / secs;
    let _ = writeln!(page, "| SQLite's own upsert | {:.0} | 1.00 |", per_second(limit));
    let _ = writeln!(page, "| Hourbook | {:.0} | {:.2} |", per_second(load), limit / load);
    page + "\n"
}
