//! `hourbook migrate`: all databases at once. The server does the same for each as it opens it.

use super::output;
use crate::app;
use crate::config::{Env, Storage};
use anyhow::Context;
use hourbook_store::migrate::{self, Schema};
use hourbook_store::tenant;
use indicatif::{ProgressBar, ProgressStyle};
use std::fs;

/// Migrates the control database, the inbox and every tenant.
///
/// # Errors
/// Names the database whose migration failed; those before it are done, and it can be run again.
pub fn run(env: &Env) -> anyhow::Result<()> {
    let data_dir = Storage::from_env(env)?.data_dir;
    anyhow::ensure!(data_dir.exists(), "there is no data folder {}", data_dir.display());
    let mut applied =
        migrate::up(&app::control_path(&data_dir), Schema::Control).context("control database")?;
    applied += migrate::up(&data_dir.join("inbox.db"), Schema::Inbox).context("inbox")?;
    let folders: Vec<_> = match fs::read_dir(data_dir.join("tenants")) {
        Ok(entries) => entries.collect::<Result<Vec<_>, _>>()?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} tenants, {eta} left")?;
    let bar = ProgressBar::new(u64::try_from(folders.len())?).with_style(style);
    for folder in bar.wrap_iter(folders.iter()) {
        let file = tenant::file(&folder.path());
        if file.exists() {
            applied += migrate::up(&file, Schema::Tenant)
                .with_context(|| format!("tenant {}", folder.file_name().to_string_lossy()))?;
        }
    }
    bar.finish_and_clear();
    output::line(format!("{applied} migrations applied to {} databases", folders.len() + 2));
    Ok(())
}
