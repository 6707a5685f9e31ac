//! `hourbook backup`: makes, lists, checks and restores backups.

use super::{output, tenant};
use crate::app;
use crate::backup::{self, Found, system};
use crate::clock::Clock;
use crate::config::{self, Env};
use crate::jira::time;
use crate::jobs::Kind;
use crate::keyring::Keyring;
use anyhow::{Context, ensure};
use clap::Subcommand;
use hourbook_store::control::installations::{self, CLOSED};
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
    /// Read backups back: every byte, the structure of the database, and whether its comments open.
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
            let (control, data_dir) = tenant::open(env)?;
            let found = tenant::find(&control, &tenant.unwrap_or_default()).await?;
            let name = file.unwrap_or_default();
            tenant::ask_about(&control, &data_dir, &found.tenant_id, Kind::Restore, &name, no_wait).await
        }
    }
}

async fn make(env: &Env, tenant: Option<&str>, no_wait: bool) -> anyhow::Result<()> {
    let (control, data_dir) = tenant::open(env)?;
    let tenants = match tenant {
        Some(id) => vec![tenant::find(&control, id).await?],
        None => control.read(installations::all).await?,
    };
    for found in tenants.iter().filter(|found| found.state != CLOSED) {
        tenant::ask(&control, &data_dir, &found.tenant_id, Kind::Backup, no_wait).await?;
    }
    if tenant.is_none() {
        tenant::ask(&control, &data_dir, "", Kind::SystemBackup, no_wait).await?;
    }
    Ok(())
}

/// All backups, or those of one tenant: whose they are, and the backups, oldest first.
async fn found(env: &Env, tenant: Option<&str>) -> anyhow::Result<Vec<(String, Vec<Found>)>> {
    let (control, data_dir) = tenant::open(env)?;
    let backups = config::backups(env)?;
    ensure!(data_dir.exists(), "there is no data folder {}", data_dir.display());
    if let Some(id) = tenant {
        let id = tenant::find(&control, id).await?.tenant_id;
        let of_it = backup::list(&backups.of_tenant(&id))?;
        return Ok(vec![(id, of_it)]);
    }
    let mut all = Vec::new();
    for name in system::DATABASES {
        all.push((name.to_owned(), backup::list(&backups.of_system(name))?));
    }
    for installation in control.read(installations::all).await? {
        let of_it = backup::list(&backups.of_tenant(&installation.tenant_id))?;
        all.push((installation.tenant_id, of_it));
    }
    Ok(all)
}

fn file_name(found: &Found) -> String {
    found.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

async fn list(env: &Env, tenant: Option<&str>) -> anyhow::Result<()> {
    let all = found(env, tenant).await?;
    if all.iter().all(|(_, backups)| backups.is_empty()) {
        output::line("There are no backups yet; `hourbook backup run` asks the server for some.");
        return Ok(());
    }
    let mut rows = vec![["OF", "MADE", "BYTES", "DATABASE", "FILE"].map(str::to_owned).to_vec()];
    for (of, backups) in &all {
        rows.extend(backups.iter().map(|found| {
            let made = time::rfc3339(found.header.created_at);
            vec![of.clone(), made, found.bytes.to_string(), found.header.bytes.to_string(), file_name(found)]
        }));
    }
    output::table(&rows);
    Ok(())
}

async fn verify(env: &Env, tenant: Option<&str>, every: bool) -> anyhow::Result<()> {
    let (master, _, storage, _) = config::keys_and_backups(env)?;
    let keyring = Keyring::open(&storage.data_dir, master)?;
    let all = found(env, tenant).await?;
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
        let checked = if system::DATABASES.contains(of) {
            system::verify(found, of, &keyring.master()).map(|()| "opens".to_owned())
        } else {
            match keyring.cipher(of).await? {
                Some(cipher) => {
                    backup::tenant::verify(found, of, &cipher).map(|count| format!("{count} worklogs"))
                }
                None => Err(anyhow::anyhow!("its key is destroyed")),
            }
        };
        let said = checked.unwrap_or_else(|error| {
            broken += 1;
            format!("BROKEN: {error:#}")
        });
        bar.suspend(|| output::line(format!("{of} {}: {said}", file_name(found))));
    }
    ensure!(broken == 0, "{broken} of {} backups cannot be restored", chosen.len());
    output::line(format!("{} backups were read back", chosen.len()));
    Ok(())
}

async fn everything(env: &Env) -> anyhow::Result<()> {
    let (master, _, storage, backups) = config::keys_and_backups(env)?;
    let data_dir = storage.data_dir;
    let _no_server = app::lock(&data_dir)?;
    for found in system::restore(&backups, &data_dir, &master)? {
        output::line(format!("restored {}", found.path.display()));
    }
    let keyring = Keyring::open(&data_dir, master)?;
    let control = app::open_control(&data_dir)?;
    let installations = control.read(installations::all).await?;
    for installation in installations.iter().filter(|found| found.state != CLOSED) {
        let id = &installation.tenant_id;
        let Some(cipher) = keyring.cipher(id).await? else { continue };
        let restored =
            backup::tenant::restore_offline(&backups, &data_dir, id, &cipher, Clock::system().now_ms())
                .with_context(|| format!("tenant {id}"))?;
        output::line(match restored {
            true => format!("restored tenant {id}"),
            false => format!("tenant {id} has no backup: the server reads it from Jira"),
        });
    }
    output::line("Start the server: it reads what has changed since from Jira.");
    Ok(())
}
