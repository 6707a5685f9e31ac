//! `hourbook move-service`: from files to PostgreSQL, once all tenants are there. Takes seconds; the files stay as they
//! are, under other names.

use super::output;
use crate::app;
use crate::backup::system;
use crate::config::{self, Env, Storage};
use crate::databases;
use crate::keyring::Keyring;
use anyhow::{Context, ensure};
use hourbook_store::conn::Db;
use hourbook_store::control::{installations, placements};
use std::io::pipe;
use std::sync::Arc;

/// Copies control database and keyring, proves the copies by digests, and sets the files aside. Webhooks that still wait
/// in the inbox are not moved: the server applies them when it starts on files, so it has to be stopped with none.
///
/// # Errors
/// When a tenant is still a file, the target is not empty, or webhooks wait; then nothing was changed.
pub async fn run(env: &Env) -> anyhow::Result<()> {
    let (master, _, storage, _) = config::keys_and_backups(env)?;
    ensure!(storage.shared.is_some(), "give the databases to move to in HOURBOOK_DATABASE_URL");
    let files = Storage { shared: None, ..storage.clone() };
    ensure!(
        databases::control_path(&files.data_dir).exists(),
        "there is no Hourbook data in {} (HOURBOOK_DATA_DIR)",
        files.data_dir.display()
    );
    let _no_server = app::lock(&files.data_dir)?;
    let from = databases::open_control(&files)?;
    refuse_files(&from).await?;
    let waiting = databases::open_inbox(&files)?.waiting_tenants().await?;
    ensure!(
        waiting.is_empty(),
        "webhooks of {} tenants wait to be applied; start the server on files for a moment and stop it again",
        waiting.len()
    );
    let to = databases::open_control(&storage)?;
    ensure!(to.read(installations::all).await?.is_empty(), "the control database to move to is not empty");
    let from_keyring = Keyring::open(&files, master.clone())?;
    let to_keyring = Keyring::open(&storage, master)?;
    tokio::task::block_in_place(|| {
        copy("keyring", from_keyring.db(), to_keyring.db())?;
        copy("control", &from, &to)
    })?;
    drop((from, from_keyring));
    for path in [databases::control_path, databases::keyring_path, databases::inbox_path] {
        let file = path(&files.data_dir);
        let aside = hourbook_store::migrate::with_suffix(&file, ".moved");
        std::fs::rename(&file, &aside).with_context(|| format!("setting {} aside", file.display()))?;
    }
    output::line(
        "The service is on HOURBOOK_DATABASE_URL now. The files are set aside as *.moved: remove them once",
    );
    output::line("you have seen it run, because keys that are destroyed from now on are still in them.");
    Ok(())
}

async fn refuse_files(control: &Arc<Db>) -> anyhow::Result<()> {
    let (all, placed) = control.read(|conn| Ok((installations::all(conn)?, placements::all(conn)?))).await?;
    let on_files = all.iter().filter(|found| {
        found.state != installations::CLOSED && placed.iter().all(|at| at.tenant_id != found.tenant_id)
    });
    let on_files = on_files.count();
    ensure!(
        on_files == 0,
        "{on_files} tenants are still files; `hourbook tenant move --all --to postgres` first"
    );
    Ok(())
}

/// Copies one database and reads the copy again as a proof.
fn copy(name: &str, from: &Db, to: &Db) -> anyhow::Result<()> {
    let (reader, mut writer) = pipe()?;
    let (sent, read) = std::thread::scope(|scope| {
        let sending = scope.spawn(|| {
            let sent = from.read_blocking(|conn| system::write_content(name, conn, &mut writer));
            drop(writer);
            sent
        });
        let read = to.write_blocking(|conn| system::read_content(name, conn, reader));
        (sending.join(), read)
    });
    let sent = sent.map_err(|_| anyhow::anyhow!("reading the {name} database panicked"))??;
    let read = read.with_context(|| format!("filling the {name} database"))?;
    ensure!(sent == read, "the copy of the {name} database holds something else");
    output::line(format!("{name}: {} rows", read.rows.iter().map(|(_, rows)| rows).sum::<u64>()));
    Ok(())
}
