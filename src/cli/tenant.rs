//! `hourbook tenant`: reads the control database, and leaves work there for the server to do.

use super::output;
use crate::app;
use crate::clock::Clock;
use crate::config::{Env, Storage};
use crate::jira::time;
use crate::jobs::Kind;
use anyhow::{Context, bail};
use clap::Subcommand;
use hourbook_store::conn::Db;
use hourbook_store::control::installations::{self, CLOSED, Installation};
use hourbook_store::control::{jobs, receipts};
use hourbook_store::tenant;
use indicatif::{ProgressBar, ProgressStyle};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// What to do.
#[derive(Subcommand)]
pub enum Verb {
    /// List all installations.
    List,
    /// Show one installation: state, size, open jobs, receipt.
    Show {
        /// Id of the tenant, or the start of it.
        tenant: String,
    },
    /// Ask the server to sync a tenant.
    Sync {
        /// Id of the tenant, or the start of it.
        tenant: String,
        /// Read everything again instead of what changed.
        #[arg(long)]
        full: bool,
        /// Do not wait for the end.
        #[arg(long)]
        no_wait: bool,
    },
    /// Ask the server to close a tenant, destroy its key and remove its data. Cannot be undone.
    Wipe {
        /// Id of the tenant, in full.
        tenant: String,
        /// Say that you mean it.
        #[arg(long)]
        yes: bool,
        /// Do not wait for the end.
        #[arg(long)]
        no_wait: bool,
    },
}

/// Runs one of the verbs.
///
/// # Errors
/// When there is no such tenant, or the job failed.
pub async fn run(env: &Env, verb: Verb) -> anyhow::Result<()> {
    let (control, data_dir) = open(env)?;
    match verb {
        Verb::List => list(&control).await,
        Verb::Show { tenant } => show(&control, &data_dir, &find(&control, &tenant).await?).await,
        Verb::Sync { tenant, full, no_wait } => {
            let found = find(&control, &tenant).await?;
            anyhow::ensure!(found.state != CLOSED, "the tenant is closed");
            let kind = if full { Kind::SyncFull } else { Kind::SyncIncremental };
            ask(&control, &data_dir, &found.tenant_id, kind, no_wait).await
        }
        Verb::Wipe { tenant, yes, no_wait } => {
            let found = find(&control, &tenant).await?;
            anyhow::ensure!(found.tenant_id == tenant, "give the id in full: {}", found.tenant_id);
            anyhow::ensure!(
                yes,
                "this destroys the key and all data of {} for ever; say --yes if you mean it",
                found.base_url
            );
            ask(&control, &data_dir, &found.tenant_id, Kind::Wipe, no_wait).await
        }
    }
}

/// The control database of the data folder, which has to be there.
///
/// # Errors
/// When there is none.
pub fn open(env: &Env) -> anyhow::Result<(Arc<Db>, PathBuf)> {
    let data_dir = Storage::from_env(env)?.data_dir;
    anyhow::ensure!(
        app::control_path(&data_dir).exists(),
        "there is no Hourbook data in {} (HOURBOOK_DATA_DIR)",
        data_dir.display()
    );
    Ok((app::open_control(&data_dir)?, data_dir))
}

/// `hourbook keys renew`.
///
/// # Errors
/// When there is no such tenant, or the job failed.
pub async fn renew(env: &Env, tenant: &str, no_wait: bool) -> anyhow::Result<()> {
    let (control, data_dir) = open(env)?;
    let found = find(&control, tenant).await?;
    anyhow::ensure!(found.state != CLOSED, "the tenant is closed");
    ask(&control, &data_dir, &found.tenant_id, Kind::Reseal, no_wait).await
}

/// The tenant that an id, or the start of one, names.
///
/// # Errors
/// When there is none or more than one.
pub async fn find(control: &Db, id: &str) -> anyhow::Result<Installation> {
    let all = control.read(installations::all).await?;
    let mut fitting = all.into_iter().filter(|found| found.tenant_id.starts_with(id));
    let found =
        fitting.next().with_context(|| format!("there is no tenant {id}; see `hourbook tenant list`"))?;
    if fitting.next().is_some() {
        bail!("more than one tenant begins with {id}");
    }
    Ok(found)
}

async fn list(control: &Db) -> anyhow::Result<()> {
    let all = control.read(installations::all).await?;
    if all.is_empty() {
        output::line("Nobody has installed Hourbook yet.");
        return Ok(());
    }
    let mut rows = vec![["TENANT", "STATE", "SINCE", "SITE"].map(str::to_owned).to_vec()];
    rows.extend(
        all.into_iter().map(|found| {
            vec![found.tenant_id, found.state, time::rfc3339(found.state_since), found.base_url]
        }),
    );
    output::table(&rows);
    Ok(())
}

async fn show(control: &Db, data_dir: &Path, found: &Installation) -> anyhow::Result<()> {
    let inventory = tenant::inventory(&crate::tenants::folder(data_dir, &found.tenant_id))?;
    let mut rows: Vec<Vec<String>> = [
        ("tenant", found.tenant_id.clone()),
        ("site", found.base_url.clone()),
        ("state", found.state.clone()),
        ("reason", found.state_reason.clone().unwrap_or_else(|| "-".into())),
        ("since", time::rfc3339(found.state_since)),
        ("installed", time::rfc3339(found.installed_at)),
        ("region", found.region.clone()),
        ("backup", found.backup_at.map_or_else(|| "none yet".into(), time::rfc3339)),
        ("read back", found.backup_checked_at.map_or_else(|| "never".into(), time::rfc3339)),
        ("worklogs", inventory.worklogs.to_string()),
        ("files", format!("{} ({} bytes)", inventory.files, inventory.bytes)),
    ]
    .map(|(name, value)| vec![name.to_owned(), value])
    .to_vec();
    let id = found.tenant_id.clone();
    for job in control.read(move |conn| jobs::open_of_tenant(conn, &id)).await? {
        let error = job.error.map(|error| format!(": {error}")).unwrap_or_default();
        rows.push(vec!["job".into(), format!("{} {} {}{error}", job.id, job.kind, job.state)]);
    }
    let id = found.tenant_id.clone();
    if let Some(receipt) = control.read(move |conn| receipts::of_tenant(conn, &id)).await? {
        rows.push(vec!["receipt".into(), format!("/receipts/{}", receipt.receipt_id)]);
    }
    output::table(&rows);
    Ok(())
}

/// Leaves a job for the server and follows it.
///
/// # Errors
/// When the job failed.
pub async fn ask(
    control: &Db,
    data_dir: &Path,
    tenant_id: &str,
    kind: Kind,
    no_wait: bool,
) -> anyhow::Result<()> {
    ask_about(control, data_dir, tenant_id, kind, "", no_wait).await
}

/// The same, for a job with a subject.
///
/// # Errors
/// When the job failed.
pub async fn ask_about(
    control: &Db,
    data_dir: &Path,
    tenant_id: &str,
    kind: Kind,
    subject: &str,
    no_wait: bool,
) -> anyhow::Result<()> {
    let (id, about, now) = (tenant_id.to_owned(), subject.to_owned(), Clock::system().now_ms());
    let job_id =
        control.write(move |conn| jobs::enqueue(conn, &kind.for_tenant(&id, &about, now), now)).await?;
    output::line(format!("job {job_id} ({}) is waiting for the server", kind.name()));
    if no_wait {
        return Ok(());
    }
    let bar =
        ProgressBar::new_spinner().with_style(ProgressStyle::with_template("{spinner} {elapsed} {msg}")?);
    bar.enable_steady_tick(Duration::from_millis(120));
    loop {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let job = control.read(move |conn| jobs::find(conn, job_id)).await?;
        // A wipe that had to close the tenant first is followed by another, which removes this job's trace.
        let Some(job) = job else { break };
        match job.state.as_str() {
            "done" => break,
            "failed" => bail!("job {job_id} failed: {}", job.error.unwrap_or_default()),
            state => bar.set_message(progress(data_dir, tenant_id, state, job.error)?),
        }
    }
    bar.finish_and_clear();
    output::line(format!("job {job_id} is done"));
    Ok(())
}

/// What to show of a job that is not done: how far its sync is, or why the last try failed.
fn progress(data_dir: &Path, tenant_id: &str, state: &str, error: Option<String>) -> anyhow::Result<String> {
    if let Some(error) = error {
        return Ok(format!("{state}, last try: {error}"));
    }
    let run = tenant::latest_run(&crate::tenants::folder(data_dir, tenant_id))?;
    Ok(match run.filter(|run| run.state == "running") {
        Some(run) => format!(
            "{} sync: {} pages, {} written, {} deleted",
            run.kind, run.pages, run.written, run.deleted
        ),
        None => state.to_owned(),
    })
}
