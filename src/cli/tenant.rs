//! `hourbook tenant`: reads the control database, and leaves work there for the server to do.

mod transfer;

use super::output;
use crate::clock::Clock;
use crate::config::{Env, Storage};
use crate::databases;
use crate::jira::time;
use crate::jobs::Kind;
use crate::placement::{FILES, Servers};
use anyhow::{Context, bail};
use clap::Subcommand;
use hourbook_store::conn::Db;
use hourbook_store::control::installations::{self, CLOSED, Installation};
use hourbook_store::control::{forge, jobs, licences, placements, receipts};
use hourbook_store::tenant;
use indicatif::{ProgressBar, ProgressStyle};
use std::path::PathBuf;
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
    /// Ask the server to move a tenant's database: to a server of HOURBOOK_TENANT_SERVERS, to `postgres` (the one with the
    /// most room), or to `files`. The tenant is not served meanwhile.
    Move {
        /// Id of the tenant, or the start of it.
        #[arg(required_unless_present = "all")]
        tenant: Option<String>,
        /// Every tenant, one after another.
        #[arg(long, conflicts_with = "tenant")]
        all: bool,
        /// Where to.
        #[arg(long, value_name = "SERVER")]
        to: String,
        /// Do not wait for the end.
        #[arg(long)]
        no_wait: bool,
    },
    /// Ask the server for a tenant's content and write it into a file, sealed under the tenant's key.
    Export {
        /// Id of the tenant, or the start of it.
        tenant: String,
        /// The file.
        file: PathBuf,
    },
    /// Put a file that `export` wrote in the place of the tenant's database; a sync then makes it equal to Jira.
    Import {
        /// Id of the tenant, or the start of it.
        tenant: String,
        /// The file.
        file: PathBuf,
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
    let service = open(env)?;
    match verb {
        Verb::List => list(&service).await,
        Verb::Show { tenant } => show(&service, &service.find(&tenant).await?).await,
        Verb::Sync { tenant, full, no_wait } => {
            let found = service.find_open(&tenant).await?;
            let kind = if full { Kind::SyncFull } else { Kind::SyncIncremental };
            service.ask(&found.tenant_id, kind, "", no_wait).await
        }
        Verb::Move { tenant, to, no_wait, .. } => {
            let tenants = match tenant {
                Some(tenant) => vec![service.find_open(&tenant).await?],
                None => service.all_open().await?,
            };
            for found in tenants {
                output::line(format!("{} to {to}", found.tenant_id));
                service.ask(&found.tenant_id, Kind::Move, &to, no_wait).await?;
            }
            Ok(())
        }
        Verb::Export { tenant, file } => {
            transfer::export(env, &service, &service.find_open(&tenant).await?.tenant_id, &file).await
        }
        Verb::Import { tenant, file } => {
            transfer::import(env, &service, &service.find_open(&tenant).await?.tenant_id, &file).await
        }
        Verb::Wipe { tenant, yes, no_wait } => {
            let found = service.find(&tenant).await?;
            anyhow::ensure!(found.tenant_id == tenant, "give the id in full: {}", found.tenant_id);
            anyhow::ensure!(
                yes,
                "this destroys the key and all data of {} for ever; say --yes if you mean it",
                found.base_url
            );
            service.ask(&found.tenant_id, Kind::Wipe, "", no_wait).await
        }
    }
}

/// The control database and where everything else is, as the command line sees it.
pub struct Service {
    /// Installations, jobs, receipts.
    pub control: Arc<Db>,
    /// As configured.
    pub storage: Storage,
}

/// The service that the environment names, which has to be there.
///
/// # Errors
/// When there is none.
pub fn open(env: &Env) -> anyhow::Result<Service> {
    let storage = Storage::from_env(env)?;
    anyhow::ensure!(
        storage.shared.is_some() || databases::control_path(&storage.data_dir).exists(),
        "there is no Hourbook data in {} (HOURBOOK_DATA_DIR)",
        storage.data_dir.display()
    );
    Ok(Service { control: databases::open_control(&storage)?, storage })
}

/// `hourbook keys renew`.
///
/// # Errors
/// When there is no such tenant, or the job failed.
pub async fn renew(env: &Env, tenant: &str, no_wait: bool) -> anyhow::Result<()> {
    let service = open(env)?;
    let found = service.find_open(tenant).await?;
    service.ask(&found.tenant_id, Kind::Reseal, "", no_wait).await
}

impl Service {
    /// The tenant that an id, or the start of one, names.
    ///
    /// # Errors
    /// When there is none or more than one.
    pub async fn find(&self, id: &str) -> anyhow::Result<Installation> {
        let all = self.control.read(installations::all).await?;
        let mut fitting = all.into_iter().filter(|found| found.tenant_id.starts_with(id));
        let found =
            fitting.next().with_context(|| format!("there is no tenant {id}; see `hourbook tenant list`"))?;
        if fitting.next().is_some() {
            bail!("more than one tenant begins with {id}");
        }
        Ok(found)
    }

    /// The same, if it is not closed.
    ///
    /// # Errors
    /// When there is none, more than one, or it is closed.
    pub async fn find_open(&self, id: &str) -> anyhow::Result<Installation> {
        let found = self.find(id).await?;
        anyhow::ensure!(found.state != CLOSED, "the tenant is closed");
        Ok(found)
    }

    /// All tenants that are not closed.
    ///
    /// # Errors
    /// When the control database fails.
    pub async fn all_open(&self) -> anyhow::Result<Vec<Installation>> {
        let mut all = self.control.read(installations::all).await?;
        all.retain(|found| found.state != CLOSED);
        Ok(all)
    }

    /// Leaves a job for the server and follows it.
    ///
    /// # Errors
    /// When the job failed.
    pub async fn ask(&self, tenant_id: &str, kind: Kind, subject: &str, no_wait: bool) -> anyhow::Result<()> {
        let (id, about, now) = (tenant_id.to_owned(), subject.to_owned(), Clock::system().now_ms());
        let job_id = self
            .control
            .write(move |conn| jobs::enqueue(conn, &kind.for_tenant(&id, &about, now), now))
            .await?;
        output::line(format!("job {job_id} ({}) is waiting for the server", kind.name()));
        if no_wait {
            return Ok(());
        }
        let bar =
            ProgressBar::new_spinner().with_style(ProgressStyle::with_template("{spinner} {elapsed} {msg}")?);
        bar.enable_steady_tick(Duration::from_millis(120));
        loop {
            tokio::time::sleep(Duration::from_millis(300)).await;
            let job = self.control.read(move |conn| jobs::find(conn, job_id)).await?;
            // A wipe that had to close the tenant first is followed by another, which removes this job's trace.
            let Some(job) = job else { break };
            match job.state.as_str() {
                "done" => break,
                "failed" => bail!("job {job_id} failed: {}", job.error.unwrap_or_default()),
                state => bar.set_message(self.progress(tenant_id, state, job.error)),
            }
        }
        bar.finish_and_clear();
        output::line(format!("job {job_id} is done"));
        Ok(())
    }

    /// What to show of a job that is not done: how far its sync is, or why the last try failed. A database that cannot be
    /// read, because the job is about to wipe it, say, ends nothing: the job is followed by its state.
    fn progress(&self, tenant_id: &str, state: &str, error: Option<String>) -> String {
        if let Some(error) = error {
            return format!("{state}, last try: {error}");
        }
        match tenant::latest_run(&crate::tenants::folder(&self.storage.data_dir, tenant_id)) {
            Ok(Some(run)) if run.state == "running" => format!(
                "{} sync: {} pages, {} written, {} deleted",
                run.kind, run.pages, run.written, run.deleted
            ),
            Ok(_) => state.to_owned(),
            Err(error) => format!("{state}; how far it is cannot be read: {error}"),
        }
    }
}

async fn list(service: &Service) -> anyhow::Result<()> {
    let all = service.control.read(installations::all).await?;
    if all.is_empty() {
        output::line("Nobody has installed Hourbook yet.");
        return Ok(());
    }
    let placed = service.control.read(placements::all).await?;
    let mut rows = vec![["TENANT", "STATE", "SINCE", "DATABASE", "SITE"].map(str::to_owned).to_vec()];
    rows.extend(all.into_iter().map(|found| {
        let at = placed.iter().find(|placement| placement.tenant_id == found.tenant_id);
        let at = at.map_or(FILES, |placement| &placement.server).to_owned();
        vec![found.tenant_id, found.state, time::rfc3339(found.state_since), at, found.base_url]
    }));
    output::table(&rows);
    Ok(())
}

async fn show(service: &Service, found: &Installation) -> anyhow::Result<()> {
    let id = found.tenant_id.clone();
    let (placement, held) = service
        .control
        .read(move |conn| Ok((placements::find(conn, &id)?, placements::held(conn, &id)?)))
        .await?;
    let (worklogs, bytes) = match &placement {
        // Rows there are the tenant's role's to read, for which it takes the tenant's key.
        Some(placement) => {
            let server = Servers::new(&service.storage).get(&placement.server)?;
            (None, server.bytes(&placement.database_name)?.unwrap_or(0))
        }
        None => {
            let folder = crate::tenants::folder(&service.storage.data_dir, &found.tenant_id);
            let inventory = tenant::inventory(&folder)?;
            (Some(inventory.worklogs), inventory.bytes)
        }
    };
    let mut rows: Vec<Vec<String>> = [
        ("tenant", found.tenant_id.clone()),
        ("site", found.base_url.clone()),
        ("state", found.state.clone()),
        ("reason", found.state_reason.clone().unwrap_or_else(|| "-".into())),
        ("since", time::rfc3339(found.state_since)),
        ("installed", time::rfc3339(found.installed_at)),
        ("region", found.region.clone()),
        (
            "database",
            placement.map_or_else(|| FILES.into(), |at| format!("{} {}", at.server, at.database_name)),
        ),
        ("backup", found.backup_at.map_or_else(|| "none yet".into(), time::rfc3339)),
        ("restored as a drill", found.backup_checked_at.map_or_else(|| "never".into(), time::rfc3339)),
        ("worklogs", worklogs.map_or_else(|| "see the sync page".into(), |count| count.to_string())),
        ("size", format!("{bytes} bytes")),
    ]
    .map(|(name, value)| vec![name.to_owned(), value])
    .to_vec();
    if let Some(held) = held {
        let since = time::rfc3339(held.since);
        rows.push(vec!["held back".into(), format!("{} since {since}: {}", held.kind, held.reason)]);
    }
    rows.extend(hosts(service, found).await?);
    let id = found.tenant_id.clone();
    for job in service.control.read(move |conn| jobs::open_of_tenant(conn, &id)).await? {
        let error = job.error.map(|error| format!(": {error}")).unwrap_or_default();
        rows.push(vec!["job".into(), format!("{} {} {}{error}", job.id, job.kind, job.state)]);
    }
    let id = found.tenant_id.clone();
    if let Some(receipt) = service.control.read(move |conn| receipts::of_tenant(conn, &id)).await? {
        rows.push(vec!["receipt".into(), format!("/receipts/{}", receipt.receipt_id)]);
    }
    output::table(&rows);
    Ok(())
}

/// By which hosts a tenant came, and what they say of its licence.
async fn hosts(service: &Service, found: &Installation) -> anyhow::Result<Vec<Vec<String>>> {
    let mut rows = Vec::new();
    if found.shared_secret.is_some() {
        rows.push(vec!["host".into(), format!("Connect, clientKey {}", found.client_key)]);
    }
    let id = found.tenant_id.clone();
    let (forge, licence) = service
        .control
        .read(move |conn| Ok((forge::of_tenant(conn, &id)?, licences::find(conn, &id)?)))
        .await?;
    for one in forge {
        let since = time::rfc3339(one.state_since);
        rows.push(vec![
            "host".into(),
            format!(
                "Forge {} {}, {} since {since}, version {}",
                one.environment, one.installation_id, one.state, one.app_version
            ),
        ]);
    }
    if let Some(licence) = licence {
        let kind = if licence.evaluation { " (trial)" } else { "" };
        let ends = licence.ends_at.map(|at| format!(", ends {}", time::rfc3339(at))).unwrap_or_default();
        rows.push(vec!["licence".into(), format!("{}{kind}{ends}", licence.state)]);
    }
    Ok(rows)
}
