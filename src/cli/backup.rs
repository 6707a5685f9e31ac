//! `hourbook backup`: makes, lists, checks and restores backups.

mod disaster;

use super::{output, tenant};
use crate::app;
use crate::backup::vault::Vault;
use crate::backup::{self, Found, system};
use crate::config::{self, Env};
use crate::jira::time;
use crate::jobs::Kind;
use crate::keyring::Keyring;
use anyhow::{Context, ensure};
use clap::Subcommand;
use hourbook_store::control::installations;
use indicatif::{ProgressBar, ProgressStyle};

/// What to do.
#[derive(Subcommand)]
pub enum Verb {
    /// Ask the server for a backup of a tenant, or of all of them and of the service's own databases.
    Run {
        /// Id of the tenant, or the start of it.
        tenant: Option<String>,
        /// Do not wait for the end.
        #[arg(long)]
        no_wait: bool,
    },
    /// List backups.
    List {
        /// Id of the tenant, or the start of it.
        tenant: Option<String>,
    },
    /// Read backups back: every byte, and whether anything is missing.
    Verify {
        /// Id of the tenant, or the start of it; all if left out.
        tenant: Option<String>,
        /// All backups instead of the newest of each.
        #[arg(long)]
        every: bool,
    },
    /// Put a backup in the place of a tenant's database; a sync then makes it equal to Jira.
    Restore {
        /// Id of the tenant, or the start of it.
        #[arg(required_unless_present = "everything")]
        tenant: Option<String>,
        /// File name of the backup; the newest if left out.
        file: Option<String>,
        /// After a disaster: keyring, control database and every tenant, from the newest backups. The server must not
        /// run.
        #[arg(long, conflicts_with_all = ["tenant", "file"])]
        everything: bool,
        /// Do not wait for the end.
        #[arg(long)]
        no_wait: bool,
    },
}

/// Runs one of the verbs.
///
/// # Errors
/// Says what to do, where something can be done.
pub async fn run(env: &Env, verb: Verb) -> anyhow::Result<()> {
    match verb {
        Verb::Run { tenant, no_wait } => make(env, tenant.as_deref(), no_wait).await,
        Verb::List { tenant } => list(env, tenant.as_deref()).await,
        Verb::Verify { tenant, every } => verify(env, tenant.as_deref(), every).await,
        Verb::Restore { everything: true, .. } => everything(env).await,
        Verb::Restore { tenant, file, no_wait, .. } => {
            let service = tenant::open(env)?;
            let found = service.find_open(&tenant.unwrap_or_default()).await?;
            let name = file.unwrap_or_default();
            ensure!(!name.contains('/'), "give the name of one of the tenant's backups");
            service.ask(&found.tenant_id, Kind::Restore, &name, no_wait).await
        }
    }
}

async fn make(env: &Env, tenant: Option<&str>, no_wait: bool) -> anyhow::Result<()> {
    let service = tenant::open(env)?;
    let tenants = match tenant {
        Some(id) => vec![service.find_open(id).await?],
        None => service.all_open().await?,
    };
    for found in tenants {
        service.ask(&found.tenant_id, Kind::Backup, "", no_wait).await?;
    }
    if tenant.is_none() {
        service.ask("", Kind::SystemBackup, "", no_wait).await?;
    }
    Ok(())
}

/// All backups, or those of one tenant: whose they are, and the backups, oldest first.
async fn found(env: &Env, vault: &Vault, tenant: Option<&str>) -> anyhow::Result<Vec<(String, Vec<Found>)>> {
    let service = tenant::open(env)?;
    if let Some(id) = tenant {
        let id = service.find(id).await?.tenant_id;
        let of_it = backup::list(vault, &backup::of_tenant(&id)).await?;
        return Ok(vec![(id, of_it)]);
    }
    let mut all = Vec::new();
    for name in system::DATABASES {
        all.push((name.to_owned(), backup::list(vault, &backup::of_system(name)).await?));
    }
    for installation in service.control.read(installations::all).await? {
        let of_it = backup::list(vault, &backup::of_tenant(&installation.tenant_id)).await?;
        all.push((installation.tenant_id, of_it));
    }
    Ok(all)
}

async fn list(env: &Env, tenant: Option<&str>) -> anyhow::Result<()> {
    let vault = Vault::open(&config::backups(env)?.at)?;
    let all = found(env, &vault, tenant).await?;
    if all.iter().all(|(_, backups)| backups.is_empty()) {
        output::line("There are no backups yet; `hourbook backup run` asks the server for some.");
        return Ok(());
    }
    let mut rows = vec![["OF", "MADE", "BYTES", "FILE"].map(str::to_owned).to_vec()];
    for (of, backups) in &all {
        rows.extend(backups.iter().map(|found| {
            let made = time::rfc3339(found.created_at);
            vec![of.clone(), made, found.bytes.to_string(), found.name().to_owned()]
        }));
    }
    output::table(&rows);
    Ok(())
}

async fn verify(env: &Env, tenant: Option<&str>, every: bool) -> anyhow::Result<()> {
    let (master, _, storage, backups) = config::keys_and_backups(env)?;
    let vault = Vault::open(&backups.at)?;
    let keyring = Keyring::open(&storage, master)?;
    let all = found(env, &vault, tenant).await?;
    let chosen: Vec<(&str, &Found)> = all
        .iter()
        .flat_map(|(of, backups)| {
            let skip = if every { 0 } else { backups.len().saturating_sub(1) };
            backups.iter().skip(skip).map(move |found| (of.as_str(), found))
        })
        .collect();
    ensure!(!chosen.is_empty(), "there are no backups to read");
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} backups, {eta} left")?;
    let bar = ProgressBar::new(u64::try_from(chosen.len())?).with_style(style);
    let mut broken = 0;
    for (of, found) in bar.wrap_iter(chosen.iter()) {
        let said = verify_one(&vault, &keyring, of, found).await.unwrap_or_else(|error| {
            broken += 1;
            format!("BROKEN: {error:#}")
        });
        bar.suspend(|| output::line(format!("{of} {}: {said}", found.name())));
    }
    ensure!(broken == 0, "{broken} of {} backups cannot be restored", chosen.len());
    output::line(format!("{} backups were read back", chosen.len()));
    Ok(())
}

async fn verify_one(vault: &Vault, keyring: &Keyring, of: &str, found: &Found) -> anyhow::Result<String> {
    if system::DATABASES.contains(&of) {
        tokio::task::block_in_place(|| system::verify(vault, found, of, &keyring.master()))?;
        return Ok("opens".to_owned());
    }
    let cipher = keyring.cipher(of).await?.context("its key is destroyed")?;
    let worklogs = tokio::task::block_in_place(|| backup::tenant::verify(vault, found, of, &cipher))?;
    Ok(format!("{worklogs} worklogs"))
}

async fn everything(env: &Env) -> anyhow::Result<()> {
    let (master, _, storage, backups) = config::keys_and_backups(env)?;
    let _no_server = app::lock(&storage.data_dir)?;
    let vault = Vault::open(&backups.at)?;
    for found in disaster::restore_service(&storage, &vault, &master).await? {
        output::line(format!("restored {}", found.path));
    }
    disaster::restore_tenants(&storage, &backups, &vault, master).await?;
    output::line("Start the server: it reads what has changed since from Jira.");
    Ok(())
}
