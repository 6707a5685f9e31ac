//! `hourbook backup restore --everything`: the service and all tenants from the newest backups, while no server runs.

use crate::backup::vault::Vault;
use crate::backup::{self, Backups, Found, system};
use crate::cli::{offline, output};
use crate::clock::Clock;
use crate::config::Storage;
use crate::databases;
use crate::files::{remove_file, remove_folder};
use crate::keyring::Keyring;
use crate::placement::Servers;
use anyhow::{Context, ensure};
use hourbook_crypto::master::MasterKeys;
use hourbook_store::control::installations::{self, ACTIVE};
use hourbook_store::control::{nodes, placements};
use hourbook_store::migrate::with_suffix;
use std::fs;

/// Where the service's files are made before they take the place of the former ones.
const FILLING: &str = "restoring";

/// Puts the newest backups of keyring and control database in place.
pub(super) async fn restore_service(
    storage: &Storage,
    vault: &Vault,
    master: &MasterKeys,
) -> anyhow::Result<Vec<Found>> {
    if storage.shared.is_some() {
        let control = databases::open_control(storage)?;
        let (known, live) =
            control.read(|conn| Ok((installations::all(conn)?.len(), nodes::live(conn)?.len()))).await?;
        ensure!(live == 0, "{live} nodes are running, or were a moment ago; stop them first");
        ensure!(
            known == 0,
            "the control database knows {known} tenants; give an empty one in HOURBOOK_DATABASE_URL"
        );
        let keyring = Keyring::open(storage, master.clone())?;
        return system::restore(vault, &keyring, &control, master).await;
    }
    let filling = storage.data_dir.join(FILLING);
    remove_folder(&filling)?;
    fs::create_dir_all(&filling)?;
    let apart = Storage { data_dir: filling.clone(), ..storage.clone() };
    let restored = {
        let control = databases::open_control(&apart)?;
        let keyring = Keyring::open(&apart, master.clone())?;
        system::restore(vault, &keyring, &control, master).await?
    };
    // Closed: their logs are empty. The keyring first: without it, what control knows is closed.
    for path in [databases::keyring_path, databases::control_path] {
        let (fresh, former) = (path(&filling), path(&storage.data_dir));
        for suffix in ["-wal", "-shm"] {
            remove_file(&with_suffix(&former, suffix))?;
        }
        fs::File::open(&fresh)?.sync_all()?;
        fs::rename(&fresh, &former)?;
    }
    fs::File::open(&storage.data_dir)?.sync_all()?;
    remove_folder(&filling)?;
    Ok(restored)
}

/// Restores every tenant's newest backup into a new database. One whose database survived on its server keeps it: the
/// sync finds what it misses.
pub(super) async fn restore_tenants(
    storage: &Storage,
    backups: &Backups,
    vault: &Vault,
    master: MasterKeys,
) -> anyhow::Result<()> {
    let control = databases::open_control(storage)?;
    let servers = Servers::new(storage);
    let tenants = offline::tenants(storage, backups, vault, &control, master)?;
    let all = control.read(installations::all).await?;
    for installation in all.into_iter().filter(|found| found.state == ACTIVE) {
        let id = installation.tenant_id;
        let Some(tenant) = tenants.by_id(&id).await? else { continue };
        let find = id.clone();
        let placement = control.read(move |conn| placements::find(conn, &find)).await?;
        match placement {
            Some(mut placement) => {
                let there = servers.get(&placement.server)?.bytes(&placement.database_name)?;
                if there.is_some() {
                    output::line(format!("tenant {id} has its database on {} still", placement.server));
                    continue;
                }
                // Made anew, with another password.
                placement.password = None;
                control.write(move |conn| placements::put(conn, &placement)).await?;
            }
            None => remove_folder(&crate::tenants::folder(&storage.data_dir, &id))?,
        }
        let restored = async {
            let db = tenants.open_beside(&tenant).await?;
            backup::tenant::restore_offline(vault, &tenant, &db, Clock::system().now_ms()).await
        };
        output::line(match restored.await.with_context(|| format!("tenant {id}"))? {
            true => format!("restored tenant {id}"),
            false => format!("tenant {id} has no backup: the server reads it from Jira"),
        });
    }
    Ok(())
}
