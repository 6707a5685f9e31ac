//! Moving a tenant's database: between files and PostgreSQL, and between servers. The tenant is held back meanwhile;
//! webhooks are refused so that Jira sends them again, and what is in the inbox waits.

use super::relocate::{self, Fresh, Purpose};
use crate::app::App;
use crate::jobs::{self, Kind};
use crate::placement::Target;
use crate::tenants::Tenant;
use anyhow::{Context, ensure};
use hourbook_store::control::placements;
use hourbook_store::tenant::{TenantDb, content, fences};
use std::io::pipe;
use std::sync::Arc;

/// The job. `to` is a name that `placement::Servers` knows.
///
/// # Errors
/// When it cannot be moved; then it is served from where it was. What was begun is removed by the next try.
pub async fn run(app: &Arc<App>, tenant: &Arc<Tenant>, to: &str) -> anyhow::Result<()> {
    let (servers, name) = (Arc::clone(&app.servers), to.to_owned());
    let target = app.control.read(move |conn| servers.named(&name, conn)).await?;
    let is_shared = app.config.storage.shared.is_some();
    ensure!(
        !(is_shared && matches!(target, Target::Files)),
        "with HOURBOOK_DATABASE_URL there may be several nodes, and a file is on one of them only"
    );
    let from = relocate::target_of(app, &tenant.id).await?;
    let data_dir = app.config.storage.data_dir.clone();
    let is_there = match (&from, &target) {
        (Target::Server(from), Target::Server(to)) => from.name() == to.name(),
        (Target::Files, Target::Files) => true,
        _ => false,
    };
    if is_there || (to == "postgres" && matches!(from, Target::Server(_))) {
        // Perhaps a former try was cut off behind its last step.
        relocate::release(app, tenant).await?;
        return relocate::remove_former(app, &tenant.id, &from, &data_dir).await;
    }
    // Opened while it is served: it is in today's form then, or cannot be moved.
    let source = open(app, tenant).await?;
    let fresh = Fresh::make(app, tenant, &target, Purpose::Stay).await?;
    let moved = copy_and_switch(app, tenant, source, fresh, &target).await;
    if moved.is_err() {
        give_up(app, tenant).await.context("serving it from where it was")?;
    }
    moved?;
    jobs::enqueue(app, &tenant.id, Kind::SyncIncremental, "").await?;
    Ok(())
}

/// The database as it is served, or as a former try left it: held back.
async fn open(app: &App, tenant: &Arc<Tenant>) -> anyhow::Result<TenantDb> {
    let id = tenant.id.clone();
    let held = app.control.read(move |conn| placements::held(conn, &id)).await?;
    if held.is_some_and(|held| held.kind == placements::MOVING) {
        relocate::release(app, tenant).await?;
    }
    Ok(app.db(tenant).await?)
}

async fn copy_and_switch(
    app: &Arc<App>,
    tenant: &Arc<Tenant>,
    source: TenantDb,
    fresh: Fresh,
    target: &Target,
) -> anyhow::Result<()> {
    // In the database itself: whoever has not heard of anything is refused by it.
    let shut = source.clone();
    tokio::task::spawn_blocking(move || shut.write_unfenced(fences::shut)).await??;
    let reading = app.tenants.open_beside(tenant).await?;
    drop(source);
    relocate::hold(app, tenant, &format!("to {target}")).await?;
    let filled = tokio::task::spawn_blocking(move || -> anyhow::Result<_> {
        let (reader, mut writer) = pipe()?;
        let (sent, filled) = std::thread::scope(|scope| {
            let sending = scope.spawn(|| {
                let sent = reading.read_blocking(|db| content::write(db, &mut writer));
                drop(writer);
                sent
            });
            let filled = fresh.fill(reader);
            (sending.join(), filled)
        });
        let sent = sent.map_err(|_| anyhow::anyhow!("reading the database panicked"))??;
        let filled = filled?;
        ensure!(sent == filled, "the copy holds something else: {filled:?} instead of {sent:?}");
        Ok((fresh, filled))
    });
    let (fresh, summary) = filled.await?.context("copying the database")?;
    fresh.put_in_place(app, tenant).await?;
    tracing::info!(
        tenant.id = tenant.id,
        to = %target,
        digest = summary.digest,
        worklogs = summary.rows_of("worklogs"),
        "moved, the digests of both sides are equal"
    );
    Ok(())
}

/// Lets people write where it was.
async fn give_up(app: &App, tenant: &Arc<Tenant>) -> anyhow::Result<()> {
    relocate::release(app, tenant).await?;
    let db = app.db(tenant).await?;
    let token = tenant.fence.as_ref().map_or(0, |fence| fence.token);
    tokio::task::spawn_blocking(move || db.write_unfenced(|db| fences::raise_floor(db, token))).await??;
    Ok(())
}
