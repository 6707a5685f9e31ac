//! `hourbook migrate`: all databases at once. The server does the same for each as it opens it.

use super::output;
use crate::app;
use crate::backup;
use crate::clock::Clock;
use crate::config::{self, Env, Storage};
use crate::keyring::{self, Keyring};
use anyhow::Context;
use hourbook_store::migrate::{self, Schema};
use hourbook_store::tenant as store;
use indicatif::{ProgressBar, ProgressStyle};
use std::fs;
use std::path::Path;

/// Migrates the databases of the service and every tenant's, each tenant's after a backup of it.
///
/// # Errors
/// Names the database whose migration failed; those before it are done, and it can be run again.
pub async fn run(env: &Env) -> anyhow::Result<()> {
    let data_dir = Storage::from_env(env)?.data_dir;
    anyhow::ensure!(data_dir.exists(), "there is no data folder {}", data_dir.display());
    let mut applied =
        migrate::up(&app::control_path(&data_dir), Schema::Control).context("control database")?;
    applied += migrate::up(&keyring::path(&data_dir), Schema::Keyring).context("keyring")?;
    applied += migrate::up(&data_dir.join("inbox.db"), Schema::Inbox).context("inbox")?;
    let folders: Vec<_> = match fs::read_dir(data_dir.join("tenants")) {
        Ok(entries) => entries.collect::<Result<Vec<_>, _>>()?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} tenants, {eta} left")?;
    let bar = ProgressBar::new(u64::try_from(folders.len())?).with_style(style);
    for folder in bar.wrap_iter(folders.iter()) {
        let file = store::file(&folder.path());
        if file.exists() && migrate::is_behind(&file)? {
            let id = folder.file_name().to_string_lossy().into_owned();
            applied += tenant(env, &data_dir, &id, &file).await.with_context(|| format!("tenant {id}"))?;
        }
    }
    bar.finish_and_clear();
    output::line(format!("{applied} migrations applied to {} databases", folders.len() + 3));
    Ok(())
}

/// Backs a tenant's database up, which takes its key, and migrates it.
async fn tenant(env: &Env, data_dir: &Path, id: &str, file: &Path) -> anyhow::Result<usize> {
    let (master, _, _, backups) = config::keys_and_backups(env)?;
    // A folder without a key is one that is being wiped.
    let Some(cipher) = Keyring::open(data_dir, master)?.cipher(id).await? else { return Ok(0) };
    backup::tenant::make(&backups, id, &cipher, file, Clock::system().now_ms())
        .context("no backup before it")?;
    Ok(migrate::up(file, Schema::Tenant)?)
}
