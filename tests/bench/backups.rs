//! Backup and restore of a million worklogs on both backends, against zstd alone over the same content.

use crate::cluster::Cluster;
use crate::upsert::worklog;
use hourbook::backup::file::{self, Header, Of, Writing};
use hourbook::backup::vault::{Vault, Whereabouts};
use hourbook_crypto::datakey::DataKey;
use hourbook_crypto::tenant::TenantCipher;
use hourbook_store::migrate;
use hourbook_store::postgres::{Address, Login, Server, provision};
use hourbook_store::tenant::worklogs::{self, Worklog};
use hourbook_store::tenant::{TenantDb, content};
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use tempfile::TempDir;

const ROWS: i64 = 1_000_000;

pub fn cipher() -> Arc<TenantCipher> {
    Arc::new(TenantCipher::new("bench", &DataKey::generate(1)))
}

/// An empty database of a tenant on a cluster.
pub fn on_cluster(cluster: &Cluster, cipher: &Arc<TenantCipher>) -> TenantDb {
    let server = Server::new("bench", Address::parse(&cluster.url("postgres")).unwrap(), 10);
    let name = provision::name(&format!("{:032x}", rand::random::<u128>()), 1);
    server.create(&name, "bench").unwrap();
    let login = Login::Own { name, password: "bench".to_owned().into() };
    TenantDb::on_server(&server, login, Arc::clone(cipher), |_| Ok(())).unwrap()
}

fn in_folder(dir: &Path, cipher: &Arc<TenantCipher>, name: &str) -> TenantDb {
    let template = dir.join("template.db");
    if !template.exists() {
        migrate::make_template(&template).unwrap();
    }
    TenantDb::in_folder(&dir.join(name), &template, Arc::clone(cipher), |_| Ok(())).unwrap()
}

fn fill(db: &TenantDb) {
    db.write_blocking(worklogs::drop_indexes).unwrap();
    for first in (1..=ROWS).step_by(10_000) {
        let rows: Vec<Worklog> = (first..first + 10_000).map(worklog).collect();
        db.write_blocking(|db| worklogs::put_new(db, &rows)).unwrap();
    }
    db.write_blocking(worklogs::make_indexes).unwrap();
}

fn backup(vault: &Vault, db: &TenantDb, cipher: &TenantCipher) -> u64 {
    let (version, key) = cipher.backup_key();
    let header = Header::new(Of::Tenant { tenant: "bench".into(), version }, 1);
    let mut file = Writing::create(vault, "one", &header, key).unwrap();
    db.read_blocking(|db| content::write(db, &mut file)).unwrap();
    file.finish().unwrap()
}

fn restore(vault: &Vault, db: &TenantDb, cipher: &TenantCipher) {
    let (_, mut sealed) = file::open(vault, "one", |_| Ok(cipher.backup_key().1.clone())).unwrap();
    db.write_unfenced(|db| content::read(db, &mut sealed)).unwrap();
    file::ended(sealed).unwrap();
}

fn median(mut times: [f64; 3]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[1]
}

/// Highest resident memory of this process so far, MiB; reset before.
fn highest_since(work: impl FnOnce()) -> f64 {
    let field = |name: &str| {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
    };
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = field("VmRSS");
    work();
    field("VmHWM") - before
}

fn measure(vault: Vault) -> String {
    let (dir, cipher, cluster) = (TempDir::new().unwrap(), cipher(), Cluster::start_durable());
    let mut page = format!(
        "## Backups\n\n{ROWS} worklogs with sealed comments. *zstd alone*: the content in memory, compressed at the same level on one thread and thrown away. \
         *Backup*: read from the database, compressed, sealed in chunks, flushed to a file; PostgreSQL itself runs on the same two cores. *Restore*: into an empty database with all indexes; the digest is checked. Median of three rounds.\n\n\
         | | s | rows/s | to zstd alone | highest memory, MiB |\n|---|---|---|---|---|\n"
    );
    let sources =
        [("SQLite", in_folder(dir.path(), &cipher, "full")), ("PostgreSQL", on_cluster(&cluster, &cipher))];
    sources.iter().for_each(|(_, db)| fill(db));
    let mut stream = Vec::new();
    sources[0].1.read_blocking(|db| content::write(db, &mut stream)).unwrap();
    let alone = median([(); 3].map(|()| {
        let begun = Instant::now();
        let mut encoder = zstd::stream::Encoder::new(io::sink(), 1).unwrap();
        encoder.write_all(&stream).unwrap();
        encoder.finish().unwrap();
        begun.elapsed().as_secs_f64()
    }));
    let bytes = stream.len();
    drop(stream);
    let row = |name: &str, secs: f64, memory: Option<f64>| {
        let memory = memory.map_or_else(String::new, |memory| format!("{memory:.0}"));
        format!("| {name} | {secs:.2} | {:.0} | {:.2} | {memory} |\n", ROWS as f64 / secs, secs / alone)
    };
    page += &row("zstd alone", alone, None);
    let mut size = 0;
    for (name, db) in &sources {
        let memory = highest_since(|| size = backup(&vault, db, &cipher));
        let secs = median([(); 3].map(|()| {
            let begun = Instant::now();
            backup(&vault, db, &cipher);
            begun.elapsed().as_secs_f64()
        }));
        page += &row(&format!("backup of {name}"), secs, Some(memory));
    }
    let mut into = 0;
    for name in ["SQLite", "PostgreSQL"] {
        let mut fresh = || {
            into += 1;
            match name {
                "SQLite" => in_folder(dir.path(), &cipher, &format!("into-{into}")),
                _ => on_cluster(&cluster, &cipher),
            }
        };
        let first = fresh();
        let memory = highest_since(|| restore(&vault, &first, &cipher));
        drop(first);
        let secs = median([(); 3].map(|()| {
            let db = fresh();
            let begun = Instant::now();
            restore(&vault, &db, &cipher);
            begun.elapsed().as_secs_f64()
        }));
        page += &row(&format!("restore into {name}"), secs, Some(memory));
    }
    let mib = |bytes: f64| bytes / 1024.0 / 1024.0;
    let _ = writeln!(
        page,
        "\nThe content has {:.0} MiB, the backup {:.0} MiB: sealed comments do not compress.\n",
        mib(bytes as f64),
        mib(size as f64)
    );
    page
}

pub async fn run() -> String {
    let dir = TempDir::new().unwrap();
    let vault = Vault::open(&Whereabouts::Folder(dir.path().to_owned())).unwrap();
    tokio::task::spawn_blocking(move || measure(vault)).await.unwrap()
}
