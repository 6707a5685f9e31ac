//! Backups of one tenant's database: made by night and before migrations, read back by the month.

use super::file::{self, Of};
use super::{Backups, Found};
use crate::app::App;
use crate::jobs::{self, Kind};
use crate::tenants::{self, Tenant};
use anyhow::{Context, bail, ensure};
use chrono::{Duration, TimeZone, Timelike, Utc};
use hourbook_crypto::backup::BackupKey;
use hourbook_crypto::tenant::TenantCipher;
use hourbook_store::control::installations;
use hourbook_store::tenant;
use std::fs;
use std::path::Path;
use std::sync::Arc;

const DAY_MS: i64 = 86_400_000;
/// Days between two readings-back.
const CHECKED_EVERY_MS: i64 = 30 * DAY_MS;
/// Minutes over which the nightly backups of all tenants are spread.
const SPREAD_MINUTES: u32 = 240;

/// The next night's turn of a tenant, ms: each has its minute, so that not all come at once.
pub fn next_night(backups: &Backups, tenant_id: &str, now: i64) -> i64 {
    let spread =
        tenant_id.bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)));
    let turn =
        Duration::hours(i64::from(backups.hour)) + Duration::minutes(i64::from(spread % SPREAD_MINUTES));
    let Some(at) = Utc.timestamp_millis_opt(now).single() else { return now + DAY_MS };
    let midnight = at - Duration::seconds(i64::from(at.num_seconds_from_midnight()));
    let today = (midnight + turn).timestamp_millis();
    if today > now { today } else { today + DAY_MS }
}

/// Makes a backup of a database file and forgets those that are too old.
///
/// # Errors
/// When a file cannot be read or written.
pub fn make(
    backups: &Backups,
    tenant_id: &str,
    cipher: &TenantCipher,
    database: &Path,
    now: i64,
) -> anyhow::Result<Found> {
    let (version, key) = cipher.backup_key();
    let of = Of::Tenant { tenant: tenant_id.to_owned(), version };
    let folder = backups.of_tenant(tenant_id);
    let found = super::make(database, &folder, of, key, now)?;
    super::prune(&folder, now - backups.days * DAY_MS, true)?;
    Ok(found)
}

/// The job: a backup, and by the month a reading-back of it.
///
/// # Errors
/// When it cannot be made, or not be read back.
pub async fn run(app: &App, tenant: &Tenant) -> anyhow::Result<()> {
    // Opened once, so that there is a database in today's form.
    drop(app.db(tenant).await?);
    let (backups, now, id) = (app.config.backups.clone(), app.clock.now_ms(), tenant.id.clone());
    let cipher = Arc::clone(&tenant.cipher);
    let database = tenant::file(&tenants::folder(&app.config.storage.data_dir, &id));
    let made = tokio::task::spawn_blocking(move || make(&backups, &id, &cipher, &database, now)).await??;
    let (id, bytes) = (tenant.id.clone(), i64::try_from(made.bytes)?);
    let due = app.control.write(move |conn| {
        installations::backed_up(conn, &id, now, bytes)?;
        let checked = installations::find(conn, &id)?.and_then(|found| found.backup_checked_at);
        Ok(checked.is_none_or(|at| at < now - CHECKED_EVERY_MS))
    });
    if due.await? {
        check_newest(app, tenant).await?;
    }
    Ok(())
}

/// Reads the newest backup of a tenant back, and notes it.
///
/// # Errors
/// When there is none, or it does not open.
pub async fn check_newest(app: &App, tenant: &Tenant) -> anyhow::Result<()> {
    let folder = app.config.backups.of_tenant(&tenant.id);
    let (id, cipher) = (tenant.id.clone(), Arc::clone(&tenant.cipher));
    let checked = tokio::task::spawn_blocking(move || {
        let newest = super::list(&folder)?.pop().context("there is no backup")?;
        verify(&newest, &id, &cipher)
    });
    let worklogs = checked.await?.context("reading the newest backup back")?;
    let (id, now) = (tenant.id.clone(), app.clock.now_ms());
    app.control.write(move |conn| installations::backup_checked(conn, &id, now)).await?;
    tracing::info!(tenant.id = tenant.id, worklogs, "the newest backup was read back");
    Ok(())
}

fn key(header: &file::Header, tenant_id: &str, cipher: &TenantCipher) -> anyhow::Result<BackupKey> {
    match &header.of {
        Of::Tenant { tenant, version } if tenant == tenant_id => Ok(cipher.backup_key_of(*version)?.clone()),
        _ => bail!("it is a backup of something else"),
    }
}

/// Reads a backup back: every byte, the database's structure, and whether its comments open. Returns its worklogs.
///
/// # Errors
/// When any of it fails.
pub fn verify(found: &Found, tenant_id: &str, cipher: &TenantCipher) -> anyhow::Result<i64> {
    let scratch = found.path.with_extension("part");
    let result = read(&found.path, tenant_id, cipher, &scratch);
    for suffix in ["", "-wal", "-shm"] {
        super::remove_if_there(&hourbook_store::migrate::with_suffix(&scratch, suffix))?;
    }
    result
}

fn read(path: &Path, tenant_id: &str, cipher: &TenantCipher, into: &Path) -> anyhow::Result<i64> {
    let mut out = fs::File::create(into)?;
    file::read(path, |header| key(header, tenant_id, cipher), &mut out)?;
    out.sync_all()?;
    hourbook_store::migrate::check(into)?;
    Ok(tenant::sample(into, cipher)?)
}

/// The job: puts a backup in the place of a tenant's database. `name` is its file name, or empty for the newest. A
/// sync then makes the copy equal to Jira.
///
/// # Errors
/// When there is no such backup, or it does not open; then the database is as it was.
pub async fn restore(app: &App, tenant: &Tenant, name: &str) -> anyhow::Result<()> {
    let backups = super::list(&app.config.backups.of_tenant(&tenant.id))?;
    let named = |found: &Found| found.path.file_name().is_some_and(|file| file == name);
    let found = if name.is_empty() { backups.last() } else { backups.iter().find(|found| named(found)) };
    let found = found.context("there is no such backup")?.clone();
    let folder = tenants::folder(&app.config.storage.data_dir, &tenant.id);
    let (id, cipher) = (tenant.id.clone(), Arc::clone(&tenant.cipher));
    let fresh = folder.join("restored.part");
    let (into, now) = (fresh.clone(), app.clock.now_ms());
    tokio::task::spawn_blocking(move || -> anyhow::Result<()> {
        super::make_folder(&folder)?;
        read(&found.path, &id, &cipher, &into)?;
        Ok(tenant::mark_restored(&into, &cipher, now)?)
    })
    .await??;
    let database = tenant::file(&tenants::folder(&app.config.storage.data_dir, &tenant.id));
    app.tenants
        .replace_database(&tenant.id, move || super::replace(&database, &fresh))
        .await
        .context("putting the backup in place")?;
    app.progresses.clear(&tenant.id);
    jobs::enqueue(app, &tenant.id, Kind::SyncIncremental, "").await?;
    tracing::info!(tenant.id = tenant.id, "restored from a backup");
    Ok(())
}

/// Restores a tenant's newest backup while no server runs; false if there is none.
///
/// # Errors
/// When it does not open; then nothing was replaced.
pub fn restore_offline(
    backups: &Backups,
    data_dir: &Path,
    tenant_id: &str,
    cipher: &TenantCipher,
    now: i64,
) -> anyhow::Result<bool> {
    let Some(newest) = super::list(&backups.of_tenant(tenant_id))?.pop() else { return Ok(false) };
    let folder = tenants::folder(data_dir, tenant_id);
    super::make_folder(&folder)?;
    let fresh = folder.join("restored.part");
    read(&newest.path, tenant_id, cipher, &fresh)
        .with_context(|| format!("reading {}", newest.path.display()))?;
    tenant::mark_restored(&fresh, cipher, now)?;
    super::replace(&tenant::file(&folder), &fresh)?;
    ensure!(!fresh.exists(), "the restored file is in its place");
    Ok(true)
}
