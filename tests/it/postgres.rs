//! What is PostgreSQL's alone: who may connect to what, how many connections there are, poolers, and what is left on disk.

use crate::support::postgres::{Cluster, on_postgres};
use crate::support::{ANA, BEN, World, eventually, ports};
use diesel::Connection;
use diesel::pg::PgConnection;
use hourbook::jobs::Kind;
use hourbook_crypto::datakey::DataKey;
use hourbook_crypto::tenant::TenantCipher;
use hourbook_simulator::people::Work;
use hourbook_store::control::receipts;
use hourbook_store::error::Error;
use hourbook_store::postgres::{Address, Login, Server, provision};
use hourbook_store::tenant::{TenantDb, settings};
use serde_json::json;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

fn name() -> String {
    provision::name(&format!("{:032x}", rand::random::<u128>()), 1)
}

/// A role connects to its own database and to nothing else on the server, whatever is made later.
#[test]
fn a_role_reaches_its_own_database_alone() {
    let cluster = Cluster::start();
    cluster.sql("postgres", "CREATE DATABASE hourbook; ");
    cluster.sql("postgres", "CREATE DATABASE somebody_elses");
    let server = Server::new("test", Address::parse(&cluster.url("postgres")).unwrap(), 10);
    server.prepare().unwrap();
    let (ours, theirs) = (name(), name());
    for name in [&ours, &theirs] {
        server.create(name, "canarypassword").unwrap();
    }
    let connect = |role: &str, password: &str, database: &str| {
        PgConnection::establish(&cluster.url_as(role, password, database))
            .map(drop)
            .map_err(|error| error.to_string())
    };
    connect(&ours, "canarypassword", &ours).unwrap();
    assert!(connect(&ours, "wrong", &ours).unwrap_err().contains("password"));
    let others = cluster.texts("postgres", "SELECT datname FROM pg_database WHERE datallowconn");
    assert!(others.len() >= 5, "{others:?}");
    for database in others.iter().filter(|database| **database != ours) {
        let refused = connect(&ours, "canarypassword", database).unwrap_err();
        assert!(refused.contains("CONNECT privilege"), "{database}: {refused}");
    }
    let rights = cluster.texts(
        "postgres",
        &format!("SELECT rolsuper::text || rolcreatedb || rolcreaterole || rolreplication FROM pg_roles WHERE rolname = '{ours}'"),
    );
    assert_eq!(rights, ["falsefalsefalsefalse"]);
    // No password stands in anything that the server wrote.
    crate::support::logs::assert_no_canary_in(&cluster.data());
    server.remove(&theirs).unwrap();
    assert_eq!(server.of_tenant(&theirs[3..35]).unwrap(), Vec::<String>::new());
    assert_eq!(cluster.databases(&ours).len(), 1);
}

/// A server that is open to everybody and not ours to close is not used, and it is told what to do.
#[test]
fn an_open_database_that_cannot_be_closed_is_told() {
    let cluster = Cluster::start();
    cluster.sql("postgres", "CREATE ROLE helper LOGIN CREATEDB CREATEROLE PASSWORD 'canarypassword'");
    cluster.sql("postgres", "CREATE DATABASE helper OWNER helper");
    let address = cluster.url_as("helper", "canarypassword", "helper");
    let server = Server::new("test", Address::parse(&address).unwrap(), 10);
    let refused = server.create(&name(), "canarypassword").unwrap_err().to_string();
    assert!(refused.contains("REVOKE CONNECT ON DATABASE"), "{refused}");
    for database in ["postgres", "template1"] {
        cluster.sql("postgres", &format!("REVOKE CONNECT, TEMPORARY ON DATABASE {database} FROM PUBLIC"));
    }
    server.create(&name(), "canarypassword").unwrap();
}

/// Ten tenants share four connections: who was used least recently gives up idle ones, and nobody is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_bounded_for_a_server() {
    let cluster = Cluster::start();
    let server = Server::new("test", Address::parse(&cluster.url("postgres")).unwrap(), 4);
    let mut tenants = Vec::new();
    for _ in 0..10 {
        let name = name();
        server.create(&name, "canarypassword").unwrap();
        let login = Login::Own { name, password: "canarypassword".to_owned().into() };
        let cipher = Arc::new(TenantCipher::new("t", &DataKey::generate(1)));
        tenants.push(TenantDb::on_server(&server, login, cipher, |_| Ok(())).unwrap());
    }
    let mut most = 0;
    for round in 0..3 {
        let mut working = tokio::task::JoinSet::new();
        for db in tenants.clone() {
            working.spawn(
                async move { db.write(move |db| settings::set(db, "round", &round.to_string())).await },
            );
        }
        while let Some(done) = working.join_next().await {
            done.unwrap().unwrap();
            let open =
                cluster.texts("postgres", "SELECT datname FROM pg_stat_activity WHERE datname LIKE 'hb\\_%'");
            most = most.max(open.len());
            assert!(server.connections() <= 4);
        }
    }
    assert!(most <= 4, "{most} at once");
    assert!(!server.is_down());
}

/// A server that does not answer is not asked again by everybody: whoever needs it is told at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_down_is_told_quickly() {
    let mut cluster = Cluster::start();
    let server = Server::new("test", Address::parse(&cluster.url("postgres")).unwrap(), 4);
    let name = name();
    server.create(&name, "canarypassword").unwrap();
    let login = Login::Own { name, password: "canarypassword".to_owned().into() };
    let cipher = Arc::new(TenantCipher::new("t", &DataKey::generate(1)));
    let db = TenantDb::on_server(&server, login, cipher, |_| Ok(())).unwrap();
    db.write(|db| settings::set(db, "a", "b")).await.unwrap();
    cluster.stop();
    let _ = db.read(|db| settings::get(db, "a")).await;
    let begun = Instant::now();
    for _ in 0..50 {
        let refused = db.read(|db| settings::get(db, "a")).await;
        assert!(matches!(refused, Err(hourbook_store::error::Error::Unavailable(_))), "{refused:?}");
    }
    // Each asking anew would take minutes.
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    cluster.resume();
    eventually("it is back by itself", || async {
        db.read(|db| settings::get(db, "a")).await.map(drop).map_err(|error| error.to_string())
    })
    .await;
}

/// Debian's PgBouncer in transaction mode, before one cluster.
struct PgBouncer {
    child: Child,
    port: u16,
}

impl PgBouncer {
    fn start(cluster: &Cluster, dir: &Path) -> Self {
        let port = ports::of_ones_own();
        let (admin, password) = cluster.admin();
        std::fs::write(dir.join("users.txt"), format!("\"{admin}\" \"{password}\"\n")).unwrap();
        let config = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {users}\nauth_user = {admin}\n\
             auth_query = SELECT usename, passwd FROM pg_shadow WHERE usename = $1\npool_mode = transaction\n\
             default_pool_size = 2\nmax_client_conn = 500\nserver_idle_timeout = 5\n",
            cluster.port(),
            users = dir.join("users.txt").display(),
        );
        std::fs::write(dir.join("pgbouncer.ini"), config).unwrap();
        let child = Command::new("/usr/sbin/pgbouncer")
            .args(["--user", "nobody", "--quiet"])
            .arg(dir.join("pgbouncer.ini"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("PgBouncer is installed: apt install pgbouncer");
        Self { child, port }
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Everything that tenants do works through a pooler in transaction mode, which hands each transaction to another
/// connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_in_transaction_mode_stands_in_between() {
    let cluster = Cluster::start();
    let dir = tempfile::TempDir::new().unwrap();
    std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let pooler = PgBouncer::start(&cluster, dir.path());
    let servers = format!("only={}?pooler=127.0.0.1:{}", cluster.url("postgres"), pooler.port);
    let world = World::start_with(|env, _| drop(env.insert("HOURBOOK_TENANT_SERVERS".into(), servers))).await;
    world.install_both().await;
    let body = json!({ "started": "2026-03-02T09:00:00Z", "timeSpentSeconds": 600, "comment": "canary" });
    let mut working = Vec::new();
    for at in 0..12 {
        world.site.log_work(BEN, world.ids.issue, Work::of(60 + at, "canary by event"));
        let (world, body) = (&world, &body);
        working.push(async move {
            let reply = world.as_user(BEN).log_work(world.ids.issue, &format!("pooled-{at}"), body).await;
            assert_eq!(reply.status, 201, "{}", reply.text);
            let report = json!({ "definition": { "range": { "first": "2026-01-01", "last": "2026-12-31" },
                "zone": "UTC", "rows": ["user"], "measures": ["seconds"] } });
            let reply = world.as_user(ANA).post("/api/v1/reports/query", &report).await;
            assert!([200, 202].contains(&reply.status), "{}", reply.text);
        });
    }
    futures_util::future::join_all(working).await;
    world.sync(&world.site, "full").await;
    world.sync(&world.site, "reconcile").await;
    world.run_job(&world.site, Kind::Backup, "").await;
    world.run_job(&world.site, Kind::Restore, "").await;
    world.equal(&world.site).await;
    let direct = cluster.texts(
        "postgres",
        &format!(
            "SELECT application_name FROM pg_stat_activity WHERE datname LIKE 'hb\\_%' AND client_port = {}",
            pooler.port
        ),
    );
    assert_eq!(direct, Vec::<String>::new());
    assert_eq!(world.uninstall(&world.site).await, 204);
    eventually("the wipe gets past the pooler's connections", || async {
        let left = cluster.databases("hb_");
        (left.len() == 1).then_some(()).ok_or_else(|| format!("{left:?}"))
    })
    .await;
    world.end().await;
}

/// The life of a customer on PostgreSQL and S3: nothing of theirs is in clear in any data folder while they are there, and
/// nothing sealed is left after they went, but in recycled log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_a_customer_is_left_in_data_folders() {
    if on_postgres() {
        return;
    }
    let cluster = Cluster::start();
    cluster.sql("postgres", "CREATE DATABASE hourbook");
    let s3 = crate::support::s3::S3::start();
    let url = cluster.url("hourbook");
    let world = World::start_with(|env, _| {
        env.insert("HOURBOOK_DATABASE_URL".into(), url);
        s3.tell(env, "service");
    })
    .await;
    world.install_both().await;
    for at in 0..60 {
        world.site.log_work(BEN, world.ids.issue, Work::of(60 + at, "canary to be wiped"));
    }
    world.settle(&world.site).await;
    world.run_job(&world.site, Kind::Backup, "").await;
    let tenant = world.tenant_id(&world.site).await;
    let database = cluster.databases(&format!("hb_{tenant}_")).pop().unwrap();
    let mut sealed =
        cluster.texts(&database, "SELECT encode(comment, 'hex') FROM worklogs WHERE comment IS NOT NULL");
    sealed.extend(cluster.texts(&database, "SELECT encode(name, 'hex') FROM tags"));
    let of = |table: &str, column: &str| {
        format!(
            "SELECT encode({column}, 'hex') FROM {table} WHERE tenant_id = '{tenant}' AND {column} IS NOT NULL"
        )
    };
    sealed.extend(cluster.texts("hourbook", &of("installations", "shared_secret")));
    sealed.extend(cluster.texts("hourbook", &of("placements", "password")));
    sealed.extend(cluster.texts("hourbook_keyring", &of("data_keys", "wrapped")));
    assert!(sealed.len() > 60, "{}", sealed.len());
    let records: Vec<Vec<u8>> = sealed.iter().map(|text| hex::decode(text).unwrap()).collect();
    cluster.sql("postgres", "CHECKPOINT");
    crate::support::logs::assert_no_canary_in(&cluster.data());
    for record in &records {
        assert!(is_below(&cluster.data(), record, &[]), "what is looked for is there before");
    }
    let promised = world.as_user(ANA).get("/api/v1/privacy").await.json["receipt"]["url"].clone();
    assert_eq!(world.uninstall(&world.site).await, 204);
    let receipt = eventually("the receipt is there", || async {
        let answer =
            world.http.get(promised.as_str().unwrap()).send().await.map_err(|error| error.to_string())?;
        if answer.status() == 200 {
            Ok(answer.text().await.unwrap())
        } else {
            Err(answer.status().to_string())
        }
    })
    .await;
    for place in
        ["memory of all nodes", "databases, roles and files", "backups and their old versions", "exports"]
    {
        assert!(receipt.contains(place), "{place}: {receipt}");
    }
    cluster.sql("postgres", "CHECKPOINT");
    crate::support::logs::assert_no_canary_in(&cluster.data());
    for record in &records {
        // What segments of the log hold until they are written over is told in SECURITY.md.
        assert!(
            !is_below(&cluster.data(), record, &["pg_wal"]),
            "sealed bytes are left: {}",
            hex::encode(record)
        );
    }
    let vault = world.running().app.vault.clone();
    assert_eq!(vault.remains(&hourbook::backup::of_tenant(&tenant)).await.unwrap(), 0);
    let roles = cluster.texts("postgres", "SELECT rolname FROM pg_roles WHERE rolname LIKE 'hb\\_%'");
    assert_eq!(roles.len(), 1, "the other tenant's: {roles:?}");
    // Thirty days on, the customer's name is gone too.
    let gone = [world.site.base_url.clone(), world.site.client_key()];
    world.advance(Duration::from_secs(31 * 86_400));
    hourbook::jobs::schedule::tidy(&world.running().app).await;
    cluster.sql("postgres", "CHECKPOINT");
    for word in &gone {
        assert!(!is_below(&cluster.data(), word.as_bytes(), &["pg_wal"]), "{word} is left");
    }
    world.end().await;
}

/// Whether bytes stand in any file below a folder, but in folders of those names.
fn is_below(folder: &Path, wanted: &[u8], but: &[&str]) -> bool {
    std::fs::read_dir(folder).into_iter().flatten().flatten().any(|entry| {
        let path = entry.path();
        if path.is_dir() {
            return !but.iter().any(|name| path.ends_with(name)) && is_below(&path, wanted, but);
        }
        let bytes = std::fs::read(&path).unwrap_or_default();
        memchr::memmem::find(&bytes, wanted).is_some()
    })
}

/// A wipe may take a tenant's place away while a node makes its database: what cannot be noted goes again.
#[test]
fn a_database_that_cannot_be_noted_is_not_left() {
    let cluster = Cluster::start();
    let server = Server::new("test", Address::parse(&cluster.url("postgres")).unwrap(), 10);
    let ours = name();
    let there = || server.of_tenant(&ours[3..35]).unwrap();
    let unwanted = server.create_if(&ours, "canarypassword", || Ok(false), || panic!("it is not made"));
    assert!(unwanted.is_ok() && there().is_empty());
    let made = || {
        assert_eq!(there(), std::slice::from_ref(&ours), "made before it is noted");
        Err(Error::Closed)
    };
    let refused = server.create_if(&ours, "canarypassword", || Ok(true), made);
    assert!(matches!(refused, Err(Error::Closed)), "{refused:?}");
    assert_eq!(there(), Vec::<String>::new());
    server.create_if(&ours, "canarypassword", || Ok(true), || Ok(())).unwrap();
    assert_eq!(there(), std::slice::from_ref(&ours));
}

/// A node that lives and has not heard of an uninstallation keeps the receipt from being written: it may still hold keys
/// and permissions in its memory. Heard or dead, it keeps it no longer.
#[tokio::test]
async fn a_receipt_waits_for_every_node_that_lives() {
    if !on_postgres() {
        return;
    }
    let world = World::installed().await;
    let tenant = world.tenant_id(&world.site).await;
    // Alive for an hour by its word, and deaf.
    world.change_service(
        "control",
        "INSERT INTO nodes (node_id, version, started_at, seen_at, notice) \
         SELECT 'deaf', 'x', 0, seen_at + 3600000, notice FROM nodes",
    );
    assert_eq!(world.uninstall(&world.site).await, 204);
    let receipt = || async {
        let (app, id) = (&world.running().app, tenant.clone());
        app.control.read(move |conn| receipts::of_tenant(conn, &id)).await.unwrap()
    };
    // As long as one would take without it, several times over.
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert!(receipt().await.is_none(), "a receipt beside a node that has not heard of it");
    world.change_service("control", "DELETE FROM nodes WHERE node_id = 'deaf'");
    eventually("the receipt is written", || async { receipt().await.ok_or_else(String::new) }).await;
    world.end().await;
}
