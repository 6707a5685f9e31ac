//! `hourbook migrate`: all databases, several tenants at a time. What is done stays done, so that it can be cut off and
//! run again. A tenant whose migration fails is held back and told; the others go on.

use super::{offline, output};
use crate::app;
use crate::backup::vault::Vault;
use crate::clock::Clock;
use crate::config::{self, Env};
use crate::databases;
use crate::jira::time;
use crate::tenants::Tenants;
use anyhow::Context;
use hourbook_store::conn::Db;
use hourbook_store::control::installations::{self, CLOSED};
use hourbook_store::control::notices::{self, What};
use hourbook_store::control::placements::{self, Hold, QUARANTINE};
use indicatif::{ProgressBar, ProgressStyle};
use std::sync::Arc;
use tokio::task::JoinSet;

/// Migrates the databases of the service and every tenant's, each tenant's after a backup of it.
///
/// # Errors
/// Names the tenants whose migration failed; all others are done.
pub async fn run(env: &Env, at_once: usize) -> anyhow::Result<()> {
    let (master, _, storage, backups) = config::keys_and_backups(env)?;
    let on_files = storage.shared.is_none();
    anyhow::ensure!(
        !on_files || databases::control_path(&storage.data_dir).exists(),
        "there is no Hourbook data in {} (HOURBOOK_DATA_DIR)",
        storage.data_dir.display()
    );
    let _no_server = on_files.then(|| app::lock(&storage.data_dir)).transpose()?;
    let control = databases::open_control(&storage)?;
    drop(databases::open_inbox(&storage)?);
    let vault = Vault::open(&backups.at)?;
    let tenants = Arc::new(offline::tenants(&storage, &backups, &vault, &control, master)?);
    let mut all = control.read(installations::all).await?;
    all.retain(|found| found.state != CLOSED);
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} tenants, {eta} left")?;
    let bar = ProgressBar::new(u64::try_from(all.len())?).with_style(style);
    let mut failed = Vec::new();
    let mut working = JoinSet::new();
    let mut waiting = all.iter().map(|found| found.tenant_id.clone());
    loop {
        while working.len() < at_once.max(1)
            && let Some(id) = waiting.next()
        {
            let (tenants, control) = (Arc::clone(&tenants), Arc::clone(&control));
            working.spawn(async move { (one(&tenants, &control, &id).await, id) });
        }
        let Some(done) = working.join_next().await else { break };
        let (migrated, id) = done?;
        bar.inc(1);
        if let Err(error) = migrated {
            bar.suspend(|| output::line(format!("tenant {id} is held back: {error:#}")));
            failed.push(id);
        }
    }
    bar.finish_and_clear();
    anyhow::ensure!(
        failed.is_empty(),
        "{} of {} tenants could not be migrated and are not served; the others are up to date. Mend what is wrong and \
         run this again.",
        failed.len(),
        all.len()
    );
    output::line(format!("the databases of the service and of {} tenants are up to date", all.len()));
    Ok(())
}

/// Opens a tenant's database, which migrates it after a backup; holds it back if that fails.
async fn one(tenants: &Tenants, control: &Arc<Db>, id: &str) -> anyhow::Result<()> {
    // Without a key it is being wiped.
    let Some(tenant) = tenants.by_id(id).await? else { return Ok(()) };
    let opened = tenants.open_beside(&tenant).await;
    let (tenant_id, key, now) = (id.to_owned(), tenant.client_key.clone(), Clock::system().now_ms());
    match opened {
        Ok(_) => {
            let released = control.write(move |conn| {
                let released = placements::release(conn, &tenant_id, QUARANTINE)?;
                if released {
                    notices::post(conn, What::Changed, &tenant_id, &key, now)?;
                }
                Ok(released)
            });
            if released.await? {
                output::line(format!("tenant {id} is served again, since {}", time::rfc3339(now)));
            }
            Ok(())
        }
        Err(error) => {
            let reason = error.to_string();
            let hold = Hold { tenant_id, kind: QUARANTINE.into(), reason, since: now };
            control.write(move |conn| placements::hold(conn, &hold)).await?;
            Err(error).context("its migration failed")
        }
    }
}
