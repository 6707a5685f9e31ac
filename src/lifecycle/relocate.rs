//! Another database in the place of a tenant's: filled first, proved by digests, then put in place in one transaction.
//! Restoring a backup and moving to another server are both this; so is the drill, which stops before the last step.

use crate::app::App;
use crate::files::{remove_file, remove_folder};
use crate::nodes;
use crate::placement::{self, Target};
use crate::tenants::{self, Tenant};
use anyhow::{Context, ensure};
use hourbook_store::control::notices::{self, What};
use hourbook_store::control::placements::{self, Hold, MOVING, Placement};
use hourbook_store::dump::Summary;
use hourbook_store::postgres::{Login, Server, provision};
use hourbook_store::tenant::{self, TenantDb, content};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zeroize::Zeroizing;

/// Where a database is filled, within a tenant's folder.
const FILLING: &str = "filling";

/// A database that nobody uses yet.
pub struct Fresh {
    db: TenantDb,
    place: Place,
}

enum Place {
    Folder(PathBuf),
    Server { server: Arc<Server>, name: String, password: Zeroizing<String> },
}

/// What a fresh database is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// It will take the place of the tenant's.
    Stay,
    /// It will be removed again.
    Scratch,
}

impl Fresh {
    /// Makes an empty database for a tenant. What a former try left in its place is removed.
    ///
    /// # Errors
    /// When it cannot be made.
    pub async fn make(
        app: &Arc<App>,
        tenant: &Arc<Tenant>,
        target: &Target,
        purpose: Purpose,
    ) -> anyhow::Result<Self> {
        match target {
            Target::Files => {
                let folder = tenants::folder(&app.config.storage.data_dir, &tenant.id).join(FILLING);
                remove_folder(&folder)?;
                let db = app.tenants.open_in_folder(tenant, folder.clone()).await?;
                Ok(Self { db, place: Place::Folder(folder) })
            }
            Target::Server(server) => {
                let now = placement::of(&app.control, &tenant.id).await?;
                let current = now.map_or(0, |placement| provision::number(&placement.database_name));
                let number = if purpose == Purpose::Scratch { 0 } else { current + 1 };
                let name = provision::name(&tenant.id, number);
                let (server, cipher) = (Arc::clone(server), Arc::clone(&tenant.cipher));
                tokio::task::spawn_blocking(move || {
                    let password = provision::fresh_password();
                    server.create(&name, &password)?;
                    let login = Login::Own { name: name.clone(), password: password.clone() };
                    let db = TenantDb::on_server(&server, login, cipher, |_| Ok(()))?;
                    Ok(Self { db, place: Place::Server { server, name, password } })
                })
                .await?
            }
        }
    }

    /// Fills it from a stream, and reads it again as a proof that it holds what the stream held.
    ///
    /// # Errors
    /// When the stream is broken, or what was stored is not what was read.
    pub fn fill(&self, source: impl Read) -> anyhow::Result<Summary> {
        let read = self.db.write_unfenced(|db| content::read(db, source)).context("filling a database")?;
        let stored = self.db.read_blocking(|db| content::write(db, &mut io::sink()))?;
        ensure!(
            read.digest == stored.digest,
            "what was stored is not what was read: {} and {}",
            stored.digest,
            read.digest
        );
        self.db.read_blocking(tenant::sample).context("opening what is sealed in it")?;
        Ok(stored)
    }

    /// Puts it in the place of the tenant's database, which is held back by [`hold`]; then the tenant is served again,
    /// and what was there before is removed.
    ///
    /// # Errors
    /// When somebody does not let go of the former one, or it cannot be put in place; then the tenant stays held back
    /// until the work is tried again.
    pub async fn put_in_place(self, app: &Arc<App>, tenant: &Tenant) -> anyhow::Result<()> {
        let now = app.clock.now_ms();
        let token = tenant.fence.as_ref().map_or(0, |fence| fence.token);
        let db = self.db.clone();
        tokio::task::spawn_blocking(move || db.write_unfenced(|db| tenant::mark_restored(db, now, token)))
            .await??;
        let (id, key) = (tenant.id.clone(), tenant.client_key.clone());
        let (target, placement) = match &self.place {
            Place::Folder(_) => (Target::Files, None),
            Place::Server { server, name, password } => {
                let placement = Placement {
                    tenant_id: id.clone(),
                    server: server.name().to_owned(),
                    database_name: name.clone(),
                    password: Some(tenants::seal_password(&tenant.cipher, name, password)),
                };
                (Target::Server(Arc::clone(server)), Some(placement))
            }
        };
        let data_dir = app.config.storage.data_dir.clone();
        app.tenants
            .replace_database(&tenant.id, async || {
                let Self { db, place } = self;
                if let Place::Folder(folder) = place {
                    tokio::task::spawn_blocking(move || move_file(db, &folder)).await??;
                }
                app.control
                    .write(move |conn| {
                        match &placement {
                            Some(placement) => placements::put(conn, placement)?,
                            None => placements::remove(conn, &id)?,
                        }
                        placements::release(conn, &id, MOVING)?;
                        notices::post(conn, What::Changed, &id, &key, now)
                    })
                    .await?;
                Ok(())
            })
            .await
            .context("putting a database in place")?;
        app.progresses.clear(&tenant.id);
        app.projections.forget(&tenant.id);
        app.tenants.served_again(&tenant.id);
        remove_former(app, &tenant.id, &target, &data_dir).await
    }

    /// Removes it.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub async fn discard(self) -> anyhow::Result<()> {
        let Self { db, place } = self;
        drop(db);
        tokio::task::spawn_blocking(move || match place {
            Place::Folder(folder) => Ok(remove_folder(&folder)?),
            Place::Server { server, name, .. } => Ok(server.remove(&name)?),
        })
        .await?
    }
}

/// Moves a filled file into the folder above. Nobody has either open.
fn move_file(db: TenantDb, filling: &Path) -> anyhow::Result<()> {
    // Its last connection empties the log into it.
    let holders = db.into_holders();
    ensure!(!holders.any(), "the filled database is still in use");
    let folder = filling.parent().context("a tenant's database lies in a folder")?;
    let (fresh, database) = (tenant::file(filling), tenant::file(folder));
    for suffix in ["-wal", "-shm"] {
        remove_file(&hourbook_store::migrate::with_suffix(&database, suffix))?;
    }
    std::fs::File::open(&fresh)?.sync_all()?;
    std::fs::rename(&fresh, &database)?;
    std::fs::File::open(folder)?.sync_all()?;
    Ok(remove_folder(filling)?)
}

/// The target that a tenant's database is on at present.
///
/// # Errors
/// When its server is not configured here.
pub async fn target_of(app: &App, tenant_id: &str) -> anyhow::Result<Target> {
    Ok(match placement::of(&app.control, tenant_id).await? {
        Some(placement) => Target::Server(app.servers.get(&placement.server)?),
        None => Target::Files,
    })
}

/// Holds a tenant back: nobody of any node goes on with its database, webhooks are to be sent again later.
///
/// # Errors
/// When another node does not hear of it.
pub async fn hold(app: &App, tenant: &Tenant, reason: &str) -> anyhow::Result<()> {
    let (id, key, now) = (tenant.id.clone(), tenant.client_key.clone(), app.clock.now_ms());
    let hold = Hold { tenant_id: id.clone(), kind: MOVING.into(), reason: reason.to_owned(), since: now };
    let notice = app.control.write(move |conn| {
        placements::hold(conn, &hold)?;
        notices::post(conn, What::Held, &id, &key, now)
    });
    let notice = notice.await?;
    app.tenants.set_aside(&tenant.id);
    nodes::heard_by_all(app, notice).await
}

/// Serves a tenant again, with the database that it had.
///
/// # Errors
/// When the control database fails.
pub async fn release(app: &App, tenant: &Tenant) -> anyhow::Result<()> {
    let (id, key, now) = (tenant.id.clone(), tenant.client_key.clone(), app.clock.now_ms());
    app.control
        .write(move |conn| {
            placements::release(conn, &id, MOVING)?;
            notices::post(conn, What::Changed, &id, &key, now)
        })
        .await?;
    app.tenants.served_again(&tenant.id);
    Ok(())
}

/// Removes whatever there is of a tenant's databases besides the one in use.
///
/// # Errors
/// When something cannot be removed; what is in use is not touched.
pub async fn remove_former(
    app: &Arc<App>,
    tenant_id: &str,
    target: &Target,
    data_dir: &Path,
) -> anyhow::Result<()> {
    // By name alone: two configured servers may be one, and no name is given twice.
    let kept = placement::of(&app.control, tenant_id).await?.map(|placement| placement.database_name);
    let (app, id) = (Arc::clone(app), tenant_id.to_owned());
    let (folder, on_files) = (tenants::folder(data_dir, tenant_id), matches!(target, Target::Files));
    tokio::task::spawn_blocking(move || -> anyhow::Result<()> {
        for server in app.servers.all() {
            for name in server.of_tenant(&id)? {
                if kept.as_ref() != Some(&name) {
                    server.remove(&name)?;
                }
            }
        }
        if !on_files {
            for suffix in ["", "-wal", "-shm"] {
                remove_file(&hourbook_store::migrate::with_suffix(&tenant::file(&folder), suffix))?;
            }
        }
        Ok(remove_folder(&folder.join(FILLING))?)
    })
    .await?
}
