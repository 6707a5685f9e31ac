//! Removing what a closed installation leaves: keys, memory, files, backups, queued webhooks, jobs. Then each place is
//! asked again, and a signed receipt says so. Every step may run twice; a crash goes on at the step it had reached.

use crate::alarm::{self, Alarm};
use crate::app::App;
use crate::backup;
use crate::files::remove_folder;
use crate::jira::time;
use crate::nodes;
use crate::placement;
use crate::reports::export::stored;
use crate::tenants;
use anyhow::{Context, ensure};
use hourbook_store::control::installations::{self, CLOSED, Installation};
use hourbook_store::control::jobs::{self, Job};
use hourbook_store::control::notices::{self, What};
use hourbook_store::control::placements::{self, Placement};
use hourbook_store::control::receipts::{self, Receipt};
use hourbook_store::tenant;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{fs, io};

/// How long jobs of the tenant that still run are waited for.
const OTHERS_END_WITHIN: Duration = Duration::from_secs(60);
/// Tries after which an operator has to look.
const PATIENCE: i32 = 3;

/// What there was, counted before the first file goes.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Existed {
    worklogs: i64,
    tags: i64,
    /// SHA-256 over the ids of the worklogs, ascending, a line each: whoever has them can check what was meant.
    worklog_ids_sha256: String,
    files: i64,
    bytes: i64,
    backups: i64,
    backup_bytes: i64,
    webhooks: i64,
}

/// A place that was emptied, and when.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Place {
    place: String,
    removed_at: String,
}

/// How far a wipe is: kept, so that a resumed one neither counts again nor tells later times.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Progress {
    existed: Option<Existed>,
    places: Vec<Place>,
}

/// The job. Never given up: it fails until everything is gone, and raises an alarm when that takes long.
///
/// # Errors
/// When something could not be removed or is found again.
pub async fn run(app: &Arc<App>, job: &Job) -> anyhow::Result<()> {
    let result = wipe(app, job).await;
    if result.is_err() && job.attempts >= PATIENCE {
        alarm::raise(app, Alarm::WipeOpen, &job.tenant_id, "a wipe does not end");
    }
    result
}

async fn wipe(app: &Arc<App>, job: &Job) -> anyhow::Result<()> {
    let id = job.tenant_id.clone();
    let found = app.control.read(move |conn| installations::find(conn, &id)).await?;
    let Some(installation) = found else { return Ok(()) };
    if installation.state != CLOSED {
        // Asked for by the operator: closing comes first, and with it another wipe.
        let (id, key) = (&installation.tenant_id, &installation.client_key);
        return Ok(crate::lifecycle::uninstalled::close(app, id, key).await?);
    }
    let progress = match &installation.wipe {
        Some(text) => serde_json::from_str(text).context("reading how far the wipe is")?,
        None => Progress::default(),
    };
    let folder = tenants::folder(&app.config.storage.data_dir, &installation.tenant_id);
    let placement = placement::of(&app.control, &installation.tenant_id).await?;
    let mut wipe = Wipe { app, installation, folder, placement, progress };
    wipe.work(job).await
}

struct Wipe<'a> {
    app: &'a Arc<App>,
    installation: Installation,
    folder: PathBuf,
    placement: Option<Placement>,
    progress: Progress,
}

impl Wipe<'_> {
    async fn work(&mut self, job: &Job) -> anyhow::Result<()> {
        let (app, id) = (self.app, self.installation.tenant_id.clone());
        self.step("count");
        self.count().await.context("counting what there is")?;
        self.step("keys again");
        app.keyring.destroy(&id, app.clock.now_ms()).await.context("destroying the keys")?;
        self.emptied("keys", self.installation.state_since).await?;
        self.step("memory");
        app.tenants.close_for_good(&id).await;
        app.forget(&id, &self.installation.client_key);
        self.forgotten_by_all().await.context("waiting for all nodes to forget it")?;
        self.others_end(job).await?;
        self.emptied("memory of all nodes", app.clock.now_ms()).await?;
        self.step("files");
        let folder = self.folder.clone();
        let removed = tokio::task::spawn_blocking(move || remove_folder(&folder)).await?;
        removed.context("removing the database files")?;
        self.remove_databases().await.context("removing databases and roles on servers")?;
        self.emptied(self.databases(), app.clock.now_ms()).await?;
        self.step("backups");
        app.vault.remove_all(&backup::of_tenant(&id)).await.context("removing the backups")?;
        self.emptied("backups and their old versions", app.clock.now_ms()).await?;
        self.step("exports");
        app.vault.remove_all(&stored::of_tenant(&id)).await.context("removing exports")?;
        self.emptied("exports", app.clock.now_ms()).await?;
        self.step("webhooks");
        app.inbox.wipe(&id).await.context("removing queued webhooks")?;
        self.emptied("queued webhooks", app.clock.now_ms()).await?;
        self.step("jobs");
        let (tenant, keep) = (id.clone(), job.id);
        let jobs_gone = app.control.write(move |conn| jobs::delete_all_but(conn, &tenant, keep));
        jobs_gone.await.context("removing jobs")?;
        self.emptied("jobs", app.clock.now_ms()).await?;
        self.step("ask again");
        self.ask_again().await?;
        self.step("receipt");
        self.write_receipt().await?;
        app.control.scrub(&["installations", "jobs", "placements"]).await?;
        tracing::info!(tenant.id = id, "wiped, the receipt is written");
        Ok(())
    }

    fn step(&self, name: &str) {
        (self.app.config.tuning.at_step)(name);
    }

    /// Waits for jobs of the tenant that still run: they have found its database closed, but one in the middle of a
    /// backup would write a file behind our back.
    async fn others_end(&self, job: &Job) -> anyhow::Result<()> {
        let begun = Instant::now();
        loop {
            let (id, this) = (self.installation.tenant_id.clone(), job.id);
            let running = self.app.control.read(move |conn| jobs::others_run(conn, &id, this)).await?;
            if !running {
                return Ok(());
            }
            ensure!(begun.elapsed() < OTHERS_END_WITHIN, "other jobs of the tenant still run");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Every node has closed it and forgotten its keys, tokens and permissions.
    async fn forgotten_by_all(&self) -> anyhow::Result<()> {
        let (id, key, now) = (
            self.installation.tenant_id.clone(),
            self.installation.client_key.clone(),
            self.app.clock.now_ms(),
        );
        let posted = self.app.control.write(move |conn| notices::post(conn, What::Gone, &id, &key, now));
        nodes::heard_by_all(self.app, posted.await?).await
    }

    /// What a receipt calls the place where the database was.
    fn databases(&self) -> &'static str {
        if self.app.servers.all().next().is_some() { "databases, roles and files" } else { "database files" }
    }

    /// Removes all databases and roles of the tenant on all servers; connections to them are ended first. Its place goes
    /// before them, so that nobody who is making a database for it just now can note that.
    async fn remove_databases(&self) -> anyhow::Result<()> {
        let id = self.installation.tenant_id.clone();
        self.app
            .control
            .write(move |conn| {
                placements::remove(conn, &id)?;
                placements::forget_holds(conn, &id)
            })
            .await?;
        let (app, id) = (Arc::clone(self.app), self.installation.tenant_id.clone());
        tokio::task::spawn_blocking(move || -> anyhow::Result<()> {
            for server in app.servers.all() {
                for name in server.of_tenant(&id)? {
                    server.remove(&name)?;
                }
            }
            Ok(())
        })
        .await?
    }

    /// Notes a place as emptied; the first time stays.
    async fn emptied(&mut self, name: &str, at: i64) -> anyhow::Result<()> {
        if self.progress.places.iter().any(|place| place.place == name) {
            return Ok(());
        }
        self.progress.places.push(Place { place: name.to_owned(), removed_at: time::rfc3339(at) });
        self.keep().await
    }

    async fn keep(&self) -> anyhow::Result<()> {
        let (id, text) = (self.installation.tenant_id.clone(), serde_json::to_string(&self.progress)?);
        self.app.control.write(move |conn| installations::keep_wipe(conn, &id, &text)).await?;
        Ok(())
    }

    async fn count(&mut self) -> anyhow::Result<()> {
        if self.progress.existed.is_some() {
            return Ok(());
        }
        let (app, folder, placement) = (Arc::clone(self.app), self.folder.clone(), self.placement.clone());
        let found = tokio::task::spawn_blocking(move || match placement {
            Some(placement) => {
                tenant::inventory_on(&*app.servers.get(&placement.server)?, &placement.database_name)
            }
            None => tenant::inventory(&folder),
        })
        .await??;
        let backups = backup::list(&self.app.vault, &backup::of_tenant(&self.installation.tenant_id)).await?;
        let backup_bytes: u64 = backups.iter().map(|backup| backup.bytes).sum();
        self.progress.existed = Some(Existed {
            worklogs: found.worklogs,
            tags: found.tags,
            worklog_ids_sha256: found.worklog_ids_sha256,
            files: found.files,
            bytes: found.bytes,
            backups: i64::try_from(backups.len())?,
            backup_bytes: i64::try_from(backup_bytes)?,
            webhooks: self.app.inbox.count(&self.installation.tenant_id).await?,
        });
        self.keep().await
    }

    /// Looks in every place again; whatever is found keeps the wipe open.
    async fn ask_again(&self) -> anyhow::Result<()> {
        let id = self.installation.tenant_id.clone();
        ensure!(self.app.keyring.versions(&id).await? == 0, "a key is there again");
        ensure!(gone(&self.folder)?, "the folder of the tenant is there again");
        let backups = self.app.vault.remains(&backup::of_tenant(&id)).await?;
        ensure!(backups == 0, "{backups} backups or old versions are there again");
        let exports = self.app.vault.remains(&stored::of_tenant(&id)).await?;
        ensure!(exports == 0, "{exports} exports are there again");
        let (app, tenant) = (Arc::clone(self.app), id.clone());
        let on_servers = tokio::task::spawn_blocking(move || -> anyhow::Result<Vec<String>> {
            let mut found = Vec::new();
            for server in app.servers.all() {
                found.extend(server.of_tenant(&tenant)?);
            }
            Ok(found)
        });
        let on_servers = on_servers.await??;
        ensure!(on_servers.is_empty(), "databases or roles are there again: {on_servers:?}");
        let webhooks = self.app.inbox.count(&id).await?;
        ensure!(webhooks == 0, "{webhooks} webhooks are queued again");
        let app = self.app;
        let in_memory = app.tenants.holds(&id, &self.installation.client_key)
            || app.projections.holds(&id)
            || app.facts.holds(&id);
        ensure!(!in_memory, "memory holds it again");
        let tenant = id.clone();
        let now = self.app.control.read(move |conn| installations::find(conn, &tenant)).await?;
        let secretless = now.is_some_and(|now| now.shared_secret.is_none() && now.previous_secret.is_none());
        ensure!(secretless, "a secret is there again");
        let others = self.app.control.read(move |conn| jobs::open_of_tenant(conn, &id)).await?;
        ensure!(others.iter().all(|job| job.kind == crate::jobs::Kind::Wipe.name()), "jobs are queued again");
        Ok(())
    }

    async fn write_receipt(&self) -> anyhow::Result<()> {
        let (app, now) = (self.app, self.app.clock.now_ms());
        let destroyed_at = app.keyring.destroyed_at(&self.installation.tenant_id).await?;
        let destroyed_at = destroyed_at.context("the keyring does not know when the keys were destroyed")?;
        let receipt_id = self.installation.receipt_id.clone();
        let body = json!({
            "v": 1,
            "receipt": receipt_id,
            "installation": self.installation.tenant_id,
            "keyDestroyedAt": time::rfc3339(destroyed_at),
            // The last backup of the keyring from before may be as old as that.
            "lastKeyCopyGoneBy": time::rfc3339(destroyed_at + app.config.backups.key_copies_ms),
            "issuedAt": time::rfc3339(now),
            "existed": self.progress.existed,
            "places": self.progress.places,
        })
        .to_string();
        let signature = app.receipt_key.sign_hex(body.as_bytes());
        let receipt = Receipt { receipt_id, issued_at: now, signature, body };
        app.control.write(move |conn| receipts::insert(conn, &receipt)).await?;
        Ok(())
    }
}

fn gone(folder: &Path) -> io::Result<bool> {
    Ok(!fs::exists(folder)?)
}
