//! `hourbook keys`: master keys, and new versions of tenants' data keys.

use super::{output, tenant};
use crate::backup::vault::Vault;
use crate::backup::{self, Backups, system};
use crate::clock::Clock;
use crate::config::{self, Env, Storage};
use crate::jira::time;
use crate::jobs::Kind;
use crate::keyring::Keyring;
use anyhow::{Context, bail, ensure};
use clap::Subcommand;
use hourbook_crypto::master::{self, MasterKeys};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use zeroize::Zeroizing;

/// What to do.
#[derive(Subcommand)]
pub enum Verb {
    /// Print a new master key, as HOURBOOK_MASTER_KEYS takes it.
    Generate {
        /// Its id; the date if left out.
        id: Option<String>,
    },
    /// List the master keys and what names each.
    List,
    /// Make a new master key current and wrap everything by it, while the server runs. Needs HOURBOOK_MASTER_KEYS_FILE.
    Rotate {
        /// Id of the new key; the date if left out.
        #[arg(long)]
        id: Option<String>,
        /// Do not wait for the server.
        #[arg(long)]
        no_wait: bool,
    },
    /// Remove a master key that nothing names any more.
    Retire {
        /// Its id.
        id: String,
    },
    /// Give a tenant a new version of its data key and seal its data anew, while the server runs.
    Renew {
        /// Id of the tenant, or the start of it.
        tenant: String,
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
        Verb::Generate { id } => {
            output::line(&*master::generate(&id.unwrap_or_else(by_date))?);
            Ok(())
        }
        Verb::List => list(env).await,
        Verb::Rotate { id, no_wait } => rotate(env, &id.unwrap_or_else(by_date), no_wait).await,
        Verb::Retire { id } => retire(env, &id).await,
        Verb::Renew { tenant, no_wait } => tenant::renew(env, &tenant, no_wait).await,
    }
}

fn by_date() -> String {
    let now = time::rfc3339(Clock::system().now_ms());
    now.chars().filter(char::is_ascii_digit).take("yyyymmddhhmmss".len()).collect()
}

/// How many keys, secrets and backups name each master key.
async fn named(
    storage: &Storage,
    keys: &MasterKeys,
    backups: &Backups,
) -> anyhow::Result<BTreeMap<String, (i64, i64)>> {
    let mut named: BTreeMap<String, (i64, i64)> = keys.ids().map(|id| (id.to_owned(), (0, 0))).collect();
    let keyring = Keyring::open(storage, keys.clone())?;
    for (id, count) in keyring.named().await? {
        named.entry(id).or_default().0 += count;
    }
    let vault = Vault::open(&backups.at)?;
    for database in system::DATABASES {
        for found in backup::list(&vault, &backup::of_system(database)).await? {
            let master = tokio::task::block_in_place(|| system::master_of(&vault, &found));
            match master {
                Ok(master) => named.entry(master).or_default().1 += 1,
                Err(error) => tracing::warn!(found.path, error = format!("{error:#}"), "not a backup"),
            }
        }
    }
    Ok(named)
}

async fn list(env: &Env) -> anyhow::Result<()> {
    let (keys, _, storage, backups) = config::keys_and_backups(env)?;
    let named = named(&storage, &keys, &backups).await?;
    let mut rows = vec![["MASTER KEY", "STATE", "KEYS", "BACKUPS"].map(str::to_owned).to_vec()];
    for (id, (count, backups)) in named {
        let configured = keys.ids().any(|known| known == id);
        let state = match () {
            () if id == keys.current_id() => "current",
            () if !configured => "MISSING",
            () if count + backups == 0 => "may be retired",
            () => "still named",
        };
        rows.push(vec![id, state.to_owned(), count.to_string(), backups.to_string()]);
    }
    output::table(&rows);
    Ok(())
}

async fn rotate(env: &Env, id: &str, no_wait: bool) -> anyhow::Result<()> {
    let (keys, file, _, _) = config::keys_and_backups(env)?;
    let Some(file) = file else {
        bail!(
            "HOURBOOK_MASTER_KEYS is given by the environment, which only you can change: put a new key (`hourbook keys \
             generate`) in front of the others and restart the server, which wraps everything by it as it starts"
        );
    };
    ensure!(keys.ids().all(|known| known != id), "there is a master key {id:?} already");
    let fresh = master::generate(id)?;
    let before = Zeroizing::new(fs::read_to_string(&file)?);
    replace(&file, &Zeroizing::new(format!("{}\n{}", &*fresh, &*before)))?;
    output::line(format!("the master key {id} is in front of {}", file.display()));
    let service = tenant::open(env)?;
    service.ask("", Kind::Rewrap, "", no_wait).await?;
    output::line("Keep the former key until `hourbook keys list` says that it may be retired.");
    Ok(())
}

async fn retire(env: &Env, id: &str) -> anyhow::Result<()> {
    let (keys, file, storage, backups) = config::keys_and_backups(env)?;
    ensure!(
        id != keys.current_id(),
        "{id} is the current master key; `hourbook keys rotate` makes a new one first"
    );
    ensure!(keys.ids().any(|known| known == id), "there is no master key {id:?}; see `hourbook keys list`");
    let named = named(&storage, &keys, &backups).await?;
    let (count, sealed) = named.get(id).copied().unwrap_or_default();
    ensure!(
        count == 0,
        "{count} keys and secrets are wrapped by {id}; `hourbook keys rotate` wraps them anew"
    );
    ensure!(
        sealed == 0,
        "{sealed} backups of the keyring and the control database are sealed under {id}; they are gone within 48 hours"
    );
    let Some(file) = file else {
        output::line(format!("Nothing names {id}: take it out of HOURBOOK_MASTER_KEYS."));
        return Ok(());
    };
    let before = Zeroizing::new(fs::read_to_string(&file)?);
    let of_it = format!("{id}:");
    // One in a line or several with commas between.
    let kept: Vec<&str> = before
        .lines()
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .filter(|key| !key.is_empty() && !key.starts_with(&of_it))
        .collect();
    replace(&file, &Zeroizing::new(kept.join("\n") + "\n"))?;
    output::line(format!("the master key {id} is removed from {}", file.display()));
    Ok(())
}

/// Replaces the file as a whole: a crash leaves the one or the other.
fn replace(file: &Path, text: &str) -> anyhow::Result<()> {
    let fresh = file.with_extension("new");
    let mut out = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    out.write_all(text.as_bytes())?;
    out.sync_all()?;
    fs::rename(&fresh, file).with_context(|| format!("replacing {}", file.display()))?;
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::File::open(folder)?.sync_all()?;
    }
    Ok(())
}
