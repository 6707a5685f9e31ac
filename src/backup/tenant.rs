//! Backups of one tenant's database: made by night and before migrations, restored by the month as a drill.

use super::file::{self, Of, Writing};
use super::vault::Vault;
use super::{Backups, Found};
use crate::app::App;
use crate::jobs::{self, Kind};
use crate::lifecycle::relocate::{self, Fresh, Purpose};
use crate::tenants::Tenant;
use anyhow::{Context, bail};
use chrono::{Duration, TimeZone, Timelike, Utc};
use hourbook_crypto::backup::BackupKey;
use hourbook_crypto::tenant::TenantCipher;
use hourbook_store::control::installations;
use hourbook_store::dump::Summary;
use hourbook_store::tenant::{self, TenantDb, content};
use std::sync::Arc;

const DAY_MS: i64 = 86_400_000;
/// Between two drills, ms.
const DRILL_EVERY_MS: i64 = 30 * DAY_MS;
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

/// Makes a backup of a database and forgets those that are too old. For blocking threads.
///
/// # Errors
/// When the database cannot be read, or the backup not be written.
pub fn make(
    vault: &Vault,
    backups: &Backups,
    tenant: &Tenant,
    db: &TenantDb,
    now: i64,
) -> anyhow::Result<(Found, Summary)> {
    let prefix = super::of_tenant(&tenant.id);
    let path = super::path(&prefix, now);
    let (bytes, summary) = write(vault, &path, tenant, db, now)?;
    tokio::runtime::Handle::current().block_on(super::prune(
        vault,
        &prefix,
        now - backups.days * DAY_MS,
        true,
    ))?;
    Ok((Found { path, created_at: now, bytes }, summary))
}

/// Writes the content of a database, sealed, under a name. For blocking threads.
///
/// # Errors
/// When the database cannot be read, or the file not be written.
pub fn write(
    vault: &Vault,
    path: &str,
    tenant: &Tenant,
    db: &TenantDb,
    now: i64,
) -> anyhow::Result<(u64, Summary)> {
    let (version, key) = tenant.cipher.backup_key();
    let header = file::Header::new(Of::Tenant { tenant: tenant.id.clone(), version }, now);
    let mut file = Writing::create(vault, path, &header, key)?;
    let summary = db.read_blocking(|db| content::write(db, &mut file))?;
    Ok((file.finish()?, summary))
}

/// The job: a backup, and by the month a drill with it.
///
/// # Errors
/// When it cannot be made, or not be restored.
pub async fn run(app: &Arc<App>, tenant: &Arc<Tenant>) -> anyhow::Result<()> {
    let (this, of, now) = (Arc::clone(app), Arc::clone(tenant), app.clock.now_ms());
    let db = app.db(tenant).await?;
    let made = tokio::task::spawn_blocking(move || make(&this.vault, &this.config.backups, &of, &db, now));
    let (made, _) = made.await??;
    let (id, bytes) = (tenant.id.clone(), i64::try_from(made.bytes)?);
    let due = app.control.write(move |conn| {
        installations::backed_up(conn, &id, now, bytes)?;
        let checked = installations::find(conn, &id)?.and_then(|found| found.backup_checked_at);
        Ok(checked.is_none_or(|at| at < now - DRILL_EVERY_MS))
    });
    if due.await? {
        drill(app, tenant).await?;
    }
    Ok(())
}

/// Restores the newest backup of a tenant into scratch space, compares digests, removes it again, and notes that it can
/// be done.
///
/// # Errors
/// When there is no backup, or it cannot be restored.
pub async fn drill(app: &Arc<App>, tenant: &Arc<Tenant>) -> anyhow::Result<()> {
    let drilled = try_drill(app, tenant).await;
    let outcome = if drilled.is_ok() { "done" } else { "failed" };
    app.metrics.drills.with_label_values(&[outcome]).inc();
    let worklogs = drilled.context("restoring the newest backup as a drill")?;
    let (id, now) = (tenant.id.clone(), app.clock.now_ms());
    app.control.write(move |conn| installations::backup_checked(conn, &id, now)).await?;
    tracing::info!(tenant.id = tenant.id, worklogs, "the newest backup was restored as a drill");
    Ok(())
}

async fn try_drill(app: &Arc<App>, tenant: &Arc<Tenant>) -> anyhow::Result<u64> {
    let newest = super::list(&app.vault, &super::of_tenant(&tenant.id)).await?.pop();
    let newest = newest.context("there is no backup")?;
    let target = relocate::target_of(app, &tenant.id).await?;
    let scratch = Fresh::make(app, tenant, &target, Purpose::Scratch).await?;
    let (this, of) = (Arc::clone(app), Arc::clone(tenant));
    let filled = tokio::task::spawn_blocking(move || {
        let filled = fill(&this.vault, &newest.path, &of, &scratch);
        (scratch, filled)
    });
    let (scratch, filled) = filled.await?;
    scratch.discard().await?;
    Ok(filled?.rows_of("worklogs"))
}

/// Fills a database from a backup. For blocking threads.
fn fill(vault: &Vault, path: &str, tenant: &Tenant, fresh: &Fresh) -> anyhow::Result<Summary> {
    let (_, mut content) = file::open(vault, path, |header| key(header, tenant))?;
    let summary = fresh.fill(&mut content)?;
    file::ended(content)?;
    Ok(summary)
}

fn key(header: &file::Header, of: &Tenant) -> anyhow::Result<BackupKey> {
    match &header.of {
        Of::Tenant { tenant, version } if *tenant == of.id => Ok(of.cipher.backup_key_of(*version)?.clone()),
        _ => bail!("it is a backup of something else"),
    }
}

/// Reads a backup without keeping it: every byte is proved, and that nothing of the content is missing. Returns its
/// worklogs. For blocking threads.
///
/// # Errors
/// When it does not open.
pub fn verify(vault: &Vault, found: &Found, tenant_id: &str, cipher: &TenantCipher) -> anyhow::Result<u64> {
    let key = |header: &file::Header| match &header.of {
        Of::Tenant { tenant, version } if tenant == tenant_id => Ok(cipher.backup_key_of(*version)?.clone()),
        _ => bail!("it is a backup of something else"),
    };
    let (_, mut content) = file::open(vault, &found.path, key)?;
    let summary = hourbook_store::dump::check(&mut content)?;
    file::ended(content)?;
    Ok(summary.rows_of("worklogs"))
}

/// The whole name in the vault of what an operator takes away or brings: it goes with the tenant's backups, and is not
/// one of them.
pub fn transfer(tenant_id: &str) -> String {
    let salt = hex::encode(hourbook_crypto::nonce::random::<8>());
    format!("{}/transfer-{salt}", super::of_tenant(tenant_id))
}

/// The job: writes a tenant's content for an operator to take away.
///
/// # Errors
/// When the database cannot be read, or the file not be written.
pub async fn export(app: &Arc<App>, tenant: &Arc<Tenant>, path: &str) -> anyhow::Result<()> {
    let (this, of, path) = (Arc::clone(app), Arc::clone(tenant), path.to_owned());
    let (db, now) = (app.db(tenant).await?, app.clock.now_ms());
    tokio::task::spawn_blocking(move || write(&this.vault, &path, &of, &db, now)).await??;
    Ok(())
}

/// The job: puts a backup in the place of a tenant's database. `name` is its name among the tenant's, a whole name in
/// the vault, or empty for the newest. A sync then makes the copy equal to Jira.
///
/// # Errors
/// When there is no such backup, or it does not open; then the database is as it was.
pub async fn restore(app: &Arc<App>, tenant: &Arc<Tenant>, name: &str) -> anyhow::Result<()> {
    let path = if name.contains('/') {
        name.to_owned()
    } else {
        let mut backups = super::list(&app.vault, &super::of_tenant(&tenant.id)).await?;
        backups.retain(|found| name.is_empty() || found.name() == name);
        backups.pop().context("there is no such backup")?.path
    };
    let target = relocate::target_of(app, &tenant.id).await?;
    let fresh = Fresh::make(app, tenant, &target, Purpose::Stay).await?;
    let (this, of) = (Arc::clone(app), Arc::clone(tenant));
    let filled = tokio::task::spawn_blocking(move || {
        let filled = fill(&this.vault, &path, &of, &fresh);
        (fresh, filled)
    });
    let (fresh, filled) = filled.await?;
    if let Err(error) = filled {
        fresh.discard().await?;
        return Err(error);
    }
    relocate::hold(app, tenant, "a backup is put in place").await?;
    fresh.put_in_place(app, tenant).await?;
    jobs::enqueue(app, &tenant.id, Kind::SyncIncremental, "").await?;
    tracing::info!(tenant.id = tenant.id, "restored from a backup");
    Ok(())
}

/// Restores a tenant's newest backup into its empty database while no server runs; false if there is none.
///
/// # Errors
/// When it does not open; then nothing was changed.
pub async fn restore_offline(
    vault: &Vault,
    tenant: &Tenant,
    db: &TenantDb,
    now: i64,
) -> anyhow::Result<bool> {
    let Some(newest) = super::list(vault, &super::of_tenant(&tenant.id)).await?.pop() else {
        return Ok(false);
    };
    tokio::task::block_in_place(|| {
        let (_, mut content) = file::open(vault, &newest.path, |header| key(header, tenant))?;
        db.write_unfenced(|db| {
            content::read(db, &mut content)?;
            tenant::mark_restored(db, now, 0)
        })?;
        file::ended(content)
    })
    .with_context(|| format!("reading {}", newest.path))?;
    Ok(true)
}
