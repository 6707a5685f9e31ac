//! What Forge has of its own. The suites of lifecycle, sync and writing run over it too: `HOURBOOK_TEST_HOST=forge`.

mod acting;
mod events;
mod lives;
mod manifest;
mod moves;
mod tokens;

use crate::support::client::{Reply, send};
use crate::support::{ANA, World, eventually};
use hourbook_simulator::site::Site;
use hourbook_store::control::forge::{self, ForgeInstallation};
use serde_json::Value;

/// A world whose sites install by Forge, with nothing installed. A removal may be withdrawn for ten minutes.
async fn start() -> World {
    start_with("PRODUCTION").await
}

async fn start_with(environments: &str) -> World {
    let world = World::start_with(|env, _| {
        env.insert("HOURBOOK_FORGE_UNINSTALL_MINUTES".into(), "10".into());
        env.insert("HOURBOOK_FORGE_ENVIRONMENTS".into(), environments.into());
    })
    .await;
    for site in [&world.site, &world.other] {
        site.state().by_forge = true;
    }
    world
}

/// The same with the first site installed and synced.
async fn installed() -> World {
    let world = start().await;
    install(&world, &world.site).await;
    world
}

async fn install(world: &World, site: &Site) {
    assert_eq!(site.install_by_forge(&world.url()).await, 204);
    world.settle(site).await;
}

/// Every installation id that a tenant had, with its state.
async fn history(world: &World, tenant: &str) -> Vec<ForgeInstallation> {
    let id = tenant.to_owned();
    world.running().app.control.read(move |conn| forge::of_tenant(conn, &id)).await.unwrap()
}

/// A call of a page with exactly this token, and nothing beside it.
async fn with_token(world: &World, path: &str, token: &str) -> Reply {
    send(world, "GET", path, None, &[("Authorization", format!("Bearer {token}"))]).await
}

/// Where the sync stands, as an admin is told.
async fn sync_of(world: &World, site: &Site) -> Value {
    world.on(site, ANA).get("/api/v1/sync").await.json
}

async fn sync_is(world: &World, site: &Site, state: &str) -> Value {
    eventually(&format!("the sync is {state}"), || async {
        let sync = sync_of(world, site).await;
        if sync["state"] == state { Ok(sync) } else { Err(sync.to_string()) }
    })
    .await
}

async fn database_goes(world: &World, tenant: &str) {
    eventually("it is wiped", || async {
        (!world.has_database(tenant)).then_some(()).ok_or_else(|| "still there".to_owned())
    })
    .await;
}
