//! PostgreSQL: what a tenant costs there, bulk writes against COPY, and a thousand tenants on two servers. The servers
//! flush as they come from Debian.

use crate::backups::{cipher, on_cluster};
use crate::cluster::Cluster;
use crate::process::Server as Node;
use crate::tenants::{one_webhook_each, register};
use crate::upsert::worklog;
use diesel::prelude::*;
use hourbook::config::Storage;
use hourbook_simulator::cloud::Cloud;
use hourbook_store::postgres::{Address, Login, Server, provision};
use hourbook_store::tenant::TenantDb;
use hourbook_store::tenant::worklogs::{self, Worklog};
use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const ROWS: i64 = 300_000;
const TOGETHER: i64 = 4_000;
const MADE: usize = 20;
const FLEET: usize = 1_000;

diesel::table! {
    bare (client_worklog_id) {
        client_worklog_id -> BigInt,
        account_id -> Text,
        client_issue_id -> BigInt,
        comment -> Nullable<Binary>,
        created -> BigInt,
        updated -> BigInt,
        started -> BigInt,
        time_spent_seconds -> BigInt,
        visibility -> SmallInt,
    }
}

#[derive(Insertable)]
#[diesel(table_name = bare, treat_none_as_default_value = false)]
struct Bare {
    client_worklog_id: i64,
    account_id: String,
    client_issue_id: i64,
    comment: Option<Vec<u8>>,
    created: i64,
    updated: i64,
    started: i64,
    time_spent_seconds: i64,
    visibility: i16,
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Making, opening and removing tenants.
fn tenants(cluster: &Cluster) -> String {
    let server = Server::new("bench", Address::parse(&cluster.url("postgres")).unwrap(), 50);
    server.prepare().unwrap();
    let (mut made, mut opened, mut removed) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..MADE {
        let name = provision::name(&format!("{:032x}", rand::random::<u128>()), 1);
        let begun = Instant::now();
        server.create(&name, "bench").unwrap();
        made.push(begun.elapsed().as_secs_f64());
        let login = Login::Own { name: name.clone(), password: "bench".to_owned().into() };
        let begun = Instant::now();
        drop(TenantDb::on_server(&server, login, cipher(), |_| Ok(())).unwrap());
        opened.push(begun.elapsed().as_secs_f64());
        let begun = Instant::now();
        server.remove(&name).unwrap();
        removed.push(begun.elapsed().as_secs_f64());
    }
    let row = |name: &str, times: &mut Vec<f64>| format!("| {name} | {:.0} |\n", median(times) * 1000.0);
    format!(
        "| a tenant's database | ms, median of {MADE} |\n|---|---|\n{}{}{}\n",
        row("made from the template, with its role", &mut made),
        row("opened: connected, and no migration due", &mut opened),
        row("removed, with its role", &mut removed)
    )
}

const TWO_INDEXES: &str =
    "CREATE INDEX ON bare (started, client_worklog_id); CREATE INDEX ON bare (client_issue_id, started)";

/// Seconds of COPY into an empty table that has these indexes.
fn copy(cluster: &Cluster, indexes: &str) -> f64 {
    let sealed = vec![7_u8; 150];
    cluster.sql(
        "bare",
        &format!(
            "DROP TABLE IF EXISTS bare; CREATE TABLE bare (client_worklog_id BIGINT PRIMARY KEY, account_id TEXT NOT NULL, \
             client_issue_id BIGINT NOT NULL, comment BYTEA, created BIGINT NOT NULL, updated BIGINT NOT NULL, \
             started BIGINT NOT NULL, time_spent_seconds BIGINT NOT NULL, visibility SMALLINT NOT NULL); {indexes}"
        ),
    );
    let mut conn = PgConnection::establish(&cluster.url("bare")).unwrap();
    let row = |row: Worklog| Bare {
        client_worklog_id: row.id,
        account_id: row.account_id,
        client_issue_id: row.issue_id,
        comment: Some(sealed.clone()),
        created: row.created,
        updated: row.updated,
        started: row.started,
        time_spent_seconds: row.seconds,
        visibility: 0,
    };
    timed(|first| {
        let rows: Vec<Bare> = (first..first + TOGETHER).map(|id| row(worklog(id))).collect();
        diesel::copy_from(bare::table).from_insertable(&rows).execute(&mut conn).unwrap();
    })
}

/// Seconds for all rows, some thousand after the other.
fn timed(mut write: impl FnMut(i64)) -> f64 {
    let begun = Instant::now();
    (1..=ROWS).step_by(usize::try_from(TOGETHER).unwrap()).for_each(&mut write);
    begun.elapsed().as_secs_f64()
}

/// Bulk writes against COPY of the same values into a table with the same indexes.
fn bulk(cluster: &Cluster) -> String {
    cluster.sql("postgres", "CREATE DATABASE bare");
    let some = |first: i64| -> Vec<Worklog> { (first..first + TOGETHER).map(worklog).collect() };
    let (mut bare, mut indexed, mut loads, mut upserts) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..3 {
        bare.push(copy(cluster, ""));
        let db = on_cluster(cluster, &cipher());
        let begun = Instant::now();
        db.write_blocking(worklogs::drop_indexes).unwrap();
        timed(|first| db.write_blocking(|db| worklogs::put_new(db, &some(first))).unwrap());
        db.write_blocking(worklogs::make_indexes).unwrap();
        loads.push(begun.elapsed().as_secs_f64());
        indexed.push(copy(cluster, TWO_INDEXES));
        // Rows that are new to an empty table, as COPY has them: the indexes are there.
        let db = on_cluster(cluster, &cipher());
        upserts.push(timed(|first| {
            db.write_blocking(|db| worklogs::put_keeping_tags(db, &some(first))).unwrap();
        }));
    }
    let (bare, indexed) = (median(&mut bare), median(&mut indexed));
    let row = |name: &str, secs: f64, limit: f64| {
        format!("| {name} | {:.0} | {:.2} |\n", ROWS as f64 / secs, limit / secs)
    };
    format!(
        "{ROWS} worklogs, {TOGETHER} in a transaction, each flushed. *COPY*: nothing sealed.\n\n\
         | | rows/s | to COPY |\n|---|---|---|\n{}{}{}{}\n",
        row("COPY, primary key alone", bare, bare),
        row("a first load: sealed, all indexes made at the end", median(&mut loads), bare),
        row("COPY, two indexes kept", indexed, indexed),
        row("upsert: sealed, all indexes kept", median(&mut upserts), indexed)
    )
}

/// Memory of all processes of a server, shared pages counted once, MiB.
fn memory_of(cluster: &Cluster) -> f64 {
    let of = |pid: u32| {
        let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with("Pss:")).unwrap_or("Pss: 0 kB");
        line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
    };
    cluster.pids().into_iter().map(of).sum()
}

/// A thousand tenants on two servers, each of which sends a webhook that is applied.
async fn fleet() -> String {
    let [first, second] = [(); 2].map(|()| Cluster::start_durable());
    first.sql("postgres", "CREATE DATABASE hourbook");
    let dir = TempDir::new().unwrap();
    let servers = format!("first={}, second={}", first.url("postgres"), second.url("postgres"));
    let env = [
        ("HOURBOOK_DATABASE_URL", first.url("hourbook")),
        ("HOURBOOK_TENANT_SERVERS", servers),
        ("HOURBOOK_BACKUP_URL", format!("file://{}/backups", dir.path().display())),
    ];
    let all = env.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
    let storage = Storage::from_env(&all.collect()).unwrap();
    register(&storage, FLEET).await;
    let before = [memory_of(&first), memory_of(&second)];
    let http = hourbook::jira::client::http_client(Duration::from_secs(60)).unwrap();
    let cloud = Cloud::start();
    let more: Vec<(&str, &str)> = env.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let node = Node::start_with(&cloud, dir.path(), &more);
    node.ready(&http).await;
    let begun = Instant::now();
    one_webhook_each(&http, &node, FLEET).await;
    let answered = begun.elapsed();
    let waiting = || first.texts("hourbook_inbox", "SELECT count(*) FROM events WHERE body IS NOT NULL");
    let mut most = 0;
    while waiting() != ["0"] {
        assert!(begun.elapsed() < Duration::from_secs(900), "{:?} wait", waiting());
        let open = [&first, &second].map(|cluster| {
            cluster
                .texts("postgres", "SELECT count(*) FROM pg_stat_activity WHERE datname LIKE 'hb\\_%' AND backend_type = 'client backend'")
                .remove(0)
        });
        most = most.max(open.iter().map(|count| count.parse::<i64>().unwrap()).sum());
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let applied = begun.elapsed();
    let after = [memory_of(&first), memory_of(&second)];
    let size = first.texts(
        "postgres",
        "SELECT avg(pg_database_size(datname))::bigint FROM pg_database WHERE datname LIKE 'hb\\_%'",
    );
    let size = size[0].parse::<f64>().unwrap() / 1024.0 / 1024.0;
    let placed = [&first, &second].map(|cluster| cluster.databases("hb_").len());
    let mut page = String::new();
    let _ = writeln!(page, "| {FLEET} tenants on two servers | |\n|---|---|");
    let _ = writeln!(page, "| tenants of each server | {} and {} |", placed[0], placed[1]);
    let _ = writeln!(page, "| {FLEET} first webhooks answered, durable | {:.1} s |", answered.as_secs_f64());
    let _ = writeln!(
        page,
        "| all databases made and all webhooks applied | {:.0} s, {:.0} ms a tenant |",
        applied.as_secs_f64(),
        applied.as_secs_f64() * 1000.0 / FLEET as f64
    );
    let _ = writeln!(
        page,
        "| memory of the node, now and highest | {:.0} and {:.0} MiB |",
        node.memory("VmRSS"),
        node.memory("VmHWM")
    );
    let _ = writeln!(page, "| connections of the node to both servers, at most | {most} of 120 allowed |");
    let _ = writeln!(
        page,
        "| memory of the servers before and after | {:.0} and {:.0} MiB |",
        before.iter().sum::<f64>(),
        after.iter().sum::<f64>()
    );
    let _ = writeln!(page, "| an empty tenant's database on disk | {size:.1} MiB |\n");
    page
}

pub async fn run() -> String {
    let cluster = Arc::new(tokio::task::spawn_blocking(Cluster::start_durable).await.unwrap());
    let mut page = String::from(
        "## PostgreSQL\n\nDebian's PostgreSQL with its own settings, flushed, on the same machine.\n\n",
    );
    let one = Arc::clone(&cluster);
    page += &tokio::task::spawn_blocking(move || tenants(&one) + &bulk(&one)).await.unwrap();
    page + &fleet().await
}
