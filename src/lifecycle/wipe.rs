//! Removing what a closed installation leaves: files, queued webhooks, jobs. Then each place is asked again, and a
//! signed receipt says so. Every step may run twice; a crash resumes it.

use crate::app::App;
use crate::tenants;
use anyhow::{Context, ensure};
use hourbook_crypto::nonce;
use hourbook_store::control::installations::{self, CLOSED, Installation};
use hourbook_store::control::jobs::{self, Job};
use hourbook_store::control::receipts::{self, Receipt};
use hourbook_store::tenant;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::{fs, io};

/// The job. Never given up: it fails until everything is gone.
///
/// # Errors
/// When something could not be removed or is found again.
pub async fn run(app: &App, job: &Job) -> anyhow::Result<()> {
    let id = job.tenant_id.clone();
    let found = app.control.read(move |conn| installations::find(conn, &id)).await?;
    let Some(installation) = found else { return Ok(()) };
    if installation.state != CLOSED {
        // Asked for by the operator: closing comes first, and with it another wipe.
        return Ok(crate::lifecycle::uninstalled::close(
            app,
            &installation.tenant_id,
            &installation.client_key,
        )
        .await?);
    }
    let folder = tenants::folder(&app.config.storage.data_dir, &installation.tenant_id);
    app.tenants.close_for_good(&installation.tenant_id).await;
    app.forget_memory(&installation.tenant_id, &installation.client_key);

    let existed = count(app, &installation, &folder).await?;
    let mut places = vec![place("key", installation.state_since)];
    remove_folder(folder.clone()).await.context("removing the database files")?;
    places.push(place("database files", app.clock.now_ms()));
    app.inbox.wipe(&installation.tenant_id).await.context("removing queued webhooks")?;
    places.push(place("queued webhooks", app.clock.now_ms()));
    let (id, keep) = (installation.tenant_id.clone(), job.id);
    app.control.write(move |conn| jobs::delete_all_but(conn, &id, keep)).await.context("removing jobs")?;
    places.push(place("jobs", app.clock.now_ms()));
    places.push(place("caches", app.clock.now_ms()));

    ask_again(app, &installation, &folder).await?;
    write_receipt(app, &installation, &existed, places).await?;
    tracing::info!(tenant.id = installation.tenant_id, "wiped, the receipt is written");
    Ok(())
}

fn place(name: &str, at: i64) -> Value {
    json!({ "place": name, "removedAt": crate::jira::time::rfc3339(at) })
}

/// Counted before the first file goes, and kept: a resumed wipe would find less.
async fn count(app: &App, installation: &Installation, folder: &Path) -> anyhow::Result<Value> {
    let folder = folder.to_owned();
    let found = tokio::task::spawn_blocking(move || tenant::inventory(&folder)).await??;
    let queued = app.inbox.count(&installation.tenant_id).await?;
    let counted = json!({
        "worklogs": found.worklogs,
        "tags": found.tags,
        "files": found.files,
        "bytes": found.bytes,
        "webhooks": queued,
    });
    let (id, text) = (installation.tenant_id.clone(), counted.to_string());
    let kept = app.control.write(move |conn| installations::keep_inventory(conn, &id, &text)).await?;
    Ok(serde_json::from_str(&kept)?)
}

async fn remove_folder(folder: PathBuf) -> anyhow::Result<()> {
    tokio::task::spawn_blocking(move || match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => match folder.parent() {
            Some(parent) => fs::File::open(parent)?.sync_all(),
            None => Ok(()),
        },
    })
    .await??;
    Ok(())
}

/// Looks in every place again; whatever is found keeps the wipe open.
async fn ask_again(app: &App, installation: &Installation, folder: &Path) -> anyhow::Result<()> {
    ensure!(!folder.exists(), "the folder of the tenant is there again");
    let webhooks = app.inbox.count(&installation.tenant_id).await?;
    ensure!(webhooks == 0, "{webhooks} webhooks are queued again");
    let id = installation.tenant_id.clone();
    let now = app.control.read(move |conn| installations::find(conn, &id)).await?;
    let keyless = now.is_some_and(|now| now.wrapped_key.is_none() && now.shared_secret.is_none());
    ensure!(keyless, "the key is there again");
    let id = installation.tenant_id.clone();
    let others = app.control.read(move |conn| jobs::open_of_tenant(conn, &id)).await?;
    ensure!(others.iter().all(|job| job.kind == crate::jobs::Kind::Wipe.name()), "jobs are queued again");
    Ok(())
}

async fn write_receipt(
    app: &App,
    installation: &Installation,
    existed: &Value,
    places: Vec<Value>,
) -> anyhow::Result<()> {
    let now = app.clock.now_ms();
    let receipt_id = hex::encode(nonce::random::<16>());
    let body = json!({
        "v": 1,
        "receipt": receipt_id,
        "installation": installation.tenant_id,
        "keyDestroyedAt": crate::jira::time::rfc3339(installation.state_since),
        "issuedAt": crate::jira::time::rfc3339(now),
        "existed": existed,
        "places": places,
    })
    .to_string();
    let receipt = Receipt {
        receipt_id,
        tenant_id: installation.tenant_id.clone(),
        issued_at: now,
        signature: app.receipt_key.sign_hex(body.as_bytes()),
        body,
    };
    app.control.write(move |conn| receipts::insert(conn, &receipt)).await?;
    Ok(())
}
