//! A tenant's content as a file: the server writes and reads it, the file goes by the place of backups.

use super::Service;
use crate::backup::tenant::transfer;
use crate::backup::vault::Vault;
use crate::cli::output;
use crate::config::{self, Env};
use crate::jobs::Kind;
use anyhow::Context;
use std::fs;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// `hourbook tenant export`.
pub(super) async fn export(env: &Env, service: &Service, tenant_id: &str, file: &Path) -> anyhow::Result<()> {
    let vault = Vault::open(&config::backups(env)?.at)?;
    let path = transfer(tenant_id);
    let mut out = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    let out = out.as_mut().map_err(|error| anyhow::anyhow!("{}: {error}", file.display()))?;
    service.ask(tenant_id, Kind::Export, &path, false).await?;
    let copied =
        tokio::task::block_in_place(|| io::copy(&mut vault.reader(&path)?, out).map_err(anyhow::Error::from));
    vault.remove(&path).await?;
    let copied = copied.with_context(|| format!("writing {}", file.display()))?;
    out.sync_all()?;
    output::line(format!("{copied} bytes in {}, sealed under the tenant's key", file.display()));
    Ok(())
}

/// `hourbook tenant import`.
pub(super) async fn import(env: &Env, service: &Service, tenant_id: &str, file: &Path) -> anyhow::Result<()> {
    let vault = Vault::open(&config::backups(env)?.at)?;
    let path = transfer(tenant_id);
    let mut source = fs::File::open(file).with_context(|| format!("opening {}", file.display()))?;
    tokio::task::block_in_place(|| -> anyhow::Result<()> {
        let mut out = vault.writer(&path)?;
        io::copy(&mut source, &mut out)?;
        out.finish().map(drop)
    })?;
    let asked = service.ask(tenant_id, Kind::Restore, &path, false).await;
    vault.remove(&path).await?;
    asked?;
    output::line("It is in place; the server compares it with Jira.");
    Ok(())
}
