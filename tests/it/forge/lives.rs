//! How installations of Forge begin and end, though nothing tells for sure that they do.

use super::{database_goes, history, install, installed, start, start_with, sync_is, sync_of};
use crate::support::{ANA, BEN, World, compare, eventually};
use hourbook_simulator::faults::Fault;
use hourbook_simulator::people::Work;
use hourbook_simulator::state::Delivery;
use hourbook_store::control::installations;
use serde_json::json;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);
const MINUTE: Duration = Duration::from_secs(60);

async fn states(world: &World, tenant: &str) -> Vec<String> {
    history(world, tenant).await.into_iter().map(|installation| installation.state).collect()
}

/// Promise E1, without the event: the first call of a page is enough.
#[tokio::test]
async fn an_installation_is_taken_in_by_whichever_call_comes_first() {
    let world = start().await;
    world.site.install_by_forge("http://127.0.0.1:9").await;
    world.site.state().forge.as_mut().unwrap().app_url = world.url();
    assert_eq!(world.as_user(BEN).get("/api/v1/tags").await.status, 200);
    // The first trigger brings the token for everything else.
    world.advance(MINUTE * 5);
    world.settle(&world.site).await;
    world.equal(&world.site).await;
    let tenant = world.tenant_id(&world.site).await;
    assert_eq!(states(&world, &tenant).await, ["current"]);
    world.end().await;
}

/// Where Jira does not tell the site's address at first, the first page does.
#[tokio::test]
async fn the_address_of_a_site_is_learnt_from_its_pages() {
    let world = start().await;
    world.site.fail("GET", "/rest/api/3/serverInfo", Fault::Status(403), 1);
    install(&world, &world.site).await;
    let address = || async { world.tenant(&world.site).await.site.base_url.clone() };
    assert_eq!(address().await, world.site.base_url, "settling has shown a page");
    world.end().await;
}

/// Calls of an unknown installation from all sides at once make one tenant.
#[tokio::test]
async fn many_first_calls_make_one_tenant() {
    let world = start().await;
    world.site.install_by_forge("http://127.0.0.1:9").await;
    world.site.state().forge.as_mut().unwrap().app_url = world.url();
    let calls = (0..12).map(|_| async {
        assert_eq!(world.as_user(BEN).get("/api/v1/tags").await.status, 200);
    });
    futures_util::future::join_all(calls).await;
    assert_eq!(world.site.trigger("hourbook-minutes").await, 204);
    world.settle(&world.site).await;
    let all = world.running().app.control.read(installations::all).await.unwrap();
    assert_eq!(all.len(), 1);
    world.end().await;
}

/// An announced removal puts the data out of reach at once; a new installation withdraws it, with tags and settings.
#[tokio::test]
async fn a_reinstallation_in_time_keeps_everything() {
    let world = installed().await;
    let tenant = world.tenant_id(&world.site).await;
    let ana = world.as_user(ANA);
    assert_eq!(ana.put("/api/v1/settings", &json!({ "reportRight": "everyone" })).await.status, 200);
    let (path, late) = world.as_user(BEN).proof("/api/v1/tags");
    assert_eq!(world.site.announce_removal().await, 204);
    let refused = crate::support::client::send(&world, "GET", &path, None, &late).await;
    assert_eq!((refused.status, refused.json["code"].as_str()), (403, Some("unknown_tenant")));
    assert_eq!(world.site.announce_removal().await, 204, "told twice");
    assert_eq!(states(&world, &tenant).await, ["leaving"]);
    world.advance(MINUTE * 8);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(world.has_database(&tenant), "it may still be withdrawn");
    // Nobody tells us what happens meanwhile.
    world.site.vanish();
    world.site.log_work(BEN, world.ids.issue, Work::of(660, "canary while away"));
    world.advance(MINUTE);
    install(&world, &world.site).await;
    assert_eq!(world.tenant_id(&world.site).await, tenant, "the same tenant");
    assert_eq!(states(&world, &tenant).await, ["replaced", "current"]);
    assert_eq!(world.as_user(BEN).get("/api/v1/settings").await.json["reportRight"], "everyone");
    world.advance(MINUTE * 20);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(world.has_database(&tenant), "the removal is withdrawn for good");
    world.end().await;
}

/// After the grace the key is destroyed; whoever installs again begins anew. Who removed it may be told, or not.
#[tokio::test]
async fn a_removal_that_nobody_withdraws_wipes() {
    let world = installed().await;
    let tenant = world.tenant_id(&world.site).await;
    {
        let habits = &mut world.site.state().habits;
        (habits.names_endpoints, habits.names_people) = (true, true);
    }
    assert_eq!(world.site.uninstall_by_forge().await, 204);
    world.advance(MINUTE * 11);
    database_goes(&world, &tenant).await;
    eventually("the receipt is written", || async {
        let id = tenant.clone();
        let found = world
            .running()
            .app
            .control
            .read(move |conn| hourbook_store::control::receipts::of_tenant(conn, &id));
        found.await.unwrap().ok_or_else(|| "no receipt".to_owned())
    })
    .await;
    assert_eq!(world.running().app.keyring.versions(&tenant).await.unwrap(), 0);
    assert_eq!(states(&world, &tenant).await, ["uninstalled"]);
    install(&world, &world.site).await;
    assert_ne!(world.tenant_id(&world.site).await, tenant, "a fresh tenant");
    // Account information goes a month later, the history of installations with it.
    world.advance(DAY * 31);
    hourbook::jobs::schedule::tidy(&world.running().app).await;
    assert!(history(&world, &tenant).await.is_empty());
    world.end().await;
}

/// Late calls of a former installation change nothing, whatever they say.
#[tokio::test]
async fn calls_of_a_former_installation_are_nothing_to_us() {
    let world = installed().await;
    let tenant = world.tenant_id(&world.site).await;
    let former = world.site.forge();
    install(&world, &world.site).await;
    let current = world.site.forge();
    world.site.state().forge = Some(former);
    assert_eq!(world.as_user(BEN).get("/api/v1/tags").await.json["code"], "unknown_tenant");
    let event = json!({ "worklog": { "id": world.ids.by_ben.to_string() } });
    assert_eq!(world.site.post_event("avi:jira:deleted:worklog", event, 0).await, 204, "not sent again");
    assert_eq!(world.site.trigger("hourbook-minutes").await, 204);
    assert_eq!(world.site.announce_removal().await, 204);
    world.site.state().forge = Some(current);
    world.advance(MINUTE * 11);
    world.settle(&world.site).await;
    assert_eq!(world.tenant_id(&world.site).await, tenant);
    world.end().await;
}

/// Two major versions live side by side for months, and a site that approves the newer one stays what it was.
#[tokio::test]
async fn versions_live_side_by_side() {
    let world = installed().await;
    install(&world, &world.other).await;
    let tenant = world.tenant_id(&world.site).await;
    assert_eq!(world.site.upgrade_by_forge("3.0.0").await, 204);
    for (site, version) in [(&world.site, "3.0.0"), (&world.other, "2.0.0")] {
        world.advance(MINUTE * 2);
        assert_eq!(world.on(site, BEN).get("/api/v1/me").await.status, 200);
        let now = history(&world, &world.tenant_id(site).await).await;
        assert_eq!(now.len(), 1);
        assert_eq!(now[0].app_version, version);
    }
    assert_eq!(world.tenant_id(&world.site).await, tenant);
    world.end().await;
}

/// A site that was made anew under the same address is another one; the former is out of reach, and wiped later.
#[tokio::test]
async fn a_site_that_is_made_anew_is_another_tenant() {
    let world = installed().await;
    let former = world.tenant_id(&world.site).await;
    world.site.vanish();
    world.site.state().cloud_id = format!("{:032x}", 42);
    install(&world, &world.site).await;
    let fresh = world.tenant_id(&world.site).await;
    assert_ne!(fresh, former);
    let id = former.clone();
    let found = world.running().app.control.read(move |conn| installations::find(conn, &id)).await.unwrap();
    let reason = found.unwrap().state_reason;
    assert_eq!(reason.as_deref(), Some(installations::SUPERSEDED));
    world.advance(DAY * 31);
    database_goes(&world, &former).await;
    world.settle(&world.site).await;
    world.end().await;
}

/// Other environments of the app have tenants of their own, beside the customers' on one site.
#[tokio::test]
async fn environments_are_tenants_of_their_own() {
    let world = start_with("PRODUCTION,STAGING").await;
    install(&world, &world.site).await;
    let production = (world.tenant_id(&world.site).await, world.site.forge());
    world.site.state().habits.environment = ("STAGING", "env-staging");
    install(&world, &world.site).await;
    let staging = world.tenant_id(&world.site).await;
    assert_ne!(staging, production.0);
    world.sync(&world.site, "reconcile").await;
    let id = production.0.clone();
    let found = world.running().app.control.read(move |conn| installations::find(conn, &id)).await.unwrap();
    assert_eq!(found.unwrap().state, installations::ACTIVE, "it is not superseded");
    world.site.uninstall_by_forge().await;
    world.advance(MINUTE * 11);
    database_goes(&world, &staging).await;
    assert!(world.has_database(&production.0));
    {
        let mut state = world.site.state();
        state.habits.environment = ("PRODUCTION", "env-production");
        state.forge = Some(hourbook_simulator::forge::ForgeApp { system: None, ..production.1 });
        state.unauthorised.clear();
    }
    assert_eq!(world.site.trigger("hourbook-minutes").await, 204);
    world.settle(&world.site).await;
    world.end().await;
}

/// A server that was down for days heard nobody, and takes nobody for gone; nor does one that hears no Forge at all.
#[tokio::test]
async fn a_server_that_was_down_takes_nobody_for_silent() {
    let mut world = installed().await;
    let tenant = world.tenant_id(&world.site).await;
    world.site.state().habits.stopped = true;
    world.halt().await;
    world.advance(DAY * 4);
    world.boot().await;
    hourbook::jobs::schedule::tidy(&world.running().app).await;
    assert_eq!(states(&world, &tenant).await, ["current"], "it has only just begun to listen");
    let app_id = world.env.remove("HOURBOOK_FORGE_APP_ID");
    world.halt().await;
    world.boot().await;
    world.advance(MINUTE * 7 * 60);
    hourbook::jobs::schedule::tidy(&world.running().app).await;
    assert_eq!(states(&world, &tenant).await, ["current"], "it takes no calls of Forge at all");
    world.env.extend(app_id.map(|id| ("HOURBOOK_FORGE_APP_ID".into(), id)));
    world.halt().await;
    world.boot().await;
    world.advance(MINUTE * 7 * 60);
    hourbook::jobs::schedule::tidy(&world.running().app).await;
    assert_eq!(states(&world, &tenant).await, ["silent"], "it has listened for long enough");
    world.site.state().habits.stopped = false;
    assert_eq!(world.site.trigger("hourbook-minutes").await, 204);
    world.settle(&world.site).await;
    assert_eq!(states(&world, &tenant).await, ["current"]);
    world.end().await;
}

/// Silence: out of reach after days, back with a word, wiped after thirty more.
#[tokio::test]
async fn silence_is_taken_for_an_end_but_not_at_once() {
    let world = installed().await;
    let tenant = world.tenant_id(&world.site).await;
    world.site.state().habits.stopped = true;
    world.site.deliver_webhooks(Delivery { held: true, ..Delivery::default() });
    let tidy = || hourbook::jobs::schedule::tidy(&world.running().app);
    world.advance(DAY * 2);
    tidy().await;
    assert_eq!(states(&world, &tenant).await, ["current"], "gaps of hours are common");
    world.advance(DAY * 2);
    tidy().await;
    assert_eq!(states(&world, &tenant).await, ["silent"]);
    world.site.state().outbox.clear();
    world.site.deliver_webhooks(Delivery::default());
    world.site.state().habits.stopped = false;
    assert_eq!(world.site.trigger("hourbook-hour").await, 204);
    world.settle(&world.site).await;
    world.equal(&world.site).await;
    assert_eq!(states(&world, &tenant).await, ["current"]);
    // For good this time.
    world.site.vanish();
    world.advance(DAY * 4);
    tidy().await;
    world.advance(DAY * 29);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(world.has_database(&tenant), "thirty days are not over");
    world.advance(DAY * 2);
    database_goes(&world, &tenant).await;
    world.end().await;
}

/// A site that was out of reach for longer than that, and is back with the same installation, begins anew.
#[tokio::test]
async fn an_installation_that_outlives_its_silence_begins_anew() {
    let world = installed().await;
    let tenant = world.tenant_id(&world.site).await;
    world.site.state().habits.stopped = true;
    world.advance(DAY * 4);
    hourbook::jobs::schedule::tidy(&world.running().app).await;
    world.advance(DAY * 31);
    database_goes(&world, &tenant).await;
    world.site.state().habits.stopped = false;
    assert_eq!(world.site.trigger("hourbook-minutes").await, 204);
    world.settle(&world.site).await;
    assert_ne!(world.tenant_id(&world.site).await, tenant);
    world.equal(&world.site).await;
    world.end().await;
}

/// Right after an installation Jira refuses the app's token for minutes: that is no end.
#[tokio::test]
async fn a_fresh_installation_that_is_refused_is_given_time() {
    let world = start().await;
    world.site.fail("GET", "/rest/api/3/worklog/", Fault::Status(403), 6);
    assert_eq!(world.site.install_by_forge(&world.url()).await, 204);
    world.settle(&world.site).await;
    compare::difference(&world, &world.site).await.unwrap();
    world.end().await;
}

/// Gone without a word: the token is refused, the data out of reach, and back with the next installation.
#[tokio::test]
async fn a_token_that_is_refused_suspends() {
    let world = installed().await;
    let tenant = world.tenant_id(&world.site).await;
    world.advance(MINUTE * 16);
    let (path, proof) = world.as_user(ANA).proof("/api/v1/sync");
    // Its tokens are void, though the page still has one for us.
    world.site.state().bearers.clear();
    world.site.state().habits.stopped = true;
    let started =
        crate::support::client::send(&world, "POST", &path, Some(&json!({ "kind": "incremental" })), &proof)
            .await;
    assert!([202, 403].contains(&started.status), "{}", started.text);
    // A token that Jira refused once rests for a minute before it is tried again.
    world.advance(MINUTE * 6);
    world.run_job_unsettled(&world.site, hourbook::jobs::Kind::SyncIncremental, "").await;
    let id = tenant.clone();
    let found = world.running().app.control.read(move |conn| installations::find(conn, &id)).await.unwrap();
    assert_eq!(found.unwrap().state_reason.as_deref(), Some("refused: 401"));
    world.site.state().habits.stopped = false;
    world.site.state().unauthorised.clear();
    install(&world, &world.site).await;
    assert_eq!(world.tenant_id(&world.site).await, tenant);
    sync_is(&world, &world.site, "idle").await;
    assert_eq!(sync_of(&world, &world.site).await["worklogs"], 4);
    world.end().await;
}
