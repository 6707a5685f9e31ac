//! From installed to wiped.

use crate::support::client::send;
use crate::support::{ANA, APP_KEY, BEN, World, by_forge, compare, eventually};
use hourbook_simulator::cloud::InstallKey;
use hourbook_simulator::faults::Fault;
use hourbook_simulator::lifecycle::Twist;
use hourbook_simulator::people::Work;
use hourbook_simulator::state::Delivery;
use serde_json::json;
use std::time::Duration;

/// Promise E1: the full sync runs at install, unasked.
#[tokio::test]
async fn an_installation_syncs_everything_by_itself() {
    let world = World::start().await;
    assert_eq!(world.site.install(&world.url(), APP_KEY).await, 204);
    world.settle(&world.site).await;
    world.equal(&world.site).await;
    assert_eq!(compare::ours(&world, &world.site).await.unwrap().len(), 4);
    let sync = world.as_user(ANA).get("/api/v1/sync").await.json;
    assert_eq!(sync["state"], "idle");
    assert_eq!(sync["worklogs"], 4);
    assert!(sync["lagSeconds"].as_i64().unwrap() >= 60, "{sync}");
    assert_eq!(sync["runs"][0]["kind"], "full");
    world.end().await;
}

/// Promises E15 and E8: the copy goes, Jira keeps everything.
#[tokio::test]
async fn an_uninstalled_tenant_is_gone_and_the_other_is_untouched() {
    let world = World::installed().await;
    let tenant = world.tenant_id(&world.site).await;
    assert!(world.has_database(&tenant));
    let (path, proof) = world.as_user(ANA).proof("/api/v1/sync");
    let of_connect = (!by_forge()).then(|| {
        let page = world.site.page_url("/connect/admin", ANA);
        (page, world.site.request_token("POST", "/connect/webhooks", None))
    });

    assert_eq!(world.uninstall(&world.site).await, 204);
    let reply = send(&world, "GET", &path, None, &proof).await;
    let status = if by_forge() { 403 } else { 401 };
    assert_eq!((reply.status, reply.json["code"].as_str()), (status, Some("unknown_tenant")));
    if let Some((page, webhook)) = of_connect {
        assert_eq!(send(&world, "GET", &page, None, &[]).await.status, 401);
        let proof = [("Authorization", format!("JWT {webhook}"))];
        assert_eq!(send(&world, "POST", "/connect/webhooks", Some(&json!({})), &proof).await.status, 401);
    }

    let receipt = eventually("the receipt is written", || async {
        let (app, id) = (&world.running().app, tenant.clone());
        let found =
            app.control.read(move |conn| hourbook_store::control::receipts::of_tenant(conn, &id)).await;
        found.unwrap().ok_or_else(|| "no receipt".to_owned())
    })
    .await;
    assert!(!world.has_database(&tenant), "the database is gone");
    assert_eq!(world.running().app.inbox.count(&tenant).await.unwrap(), 0);
    let id = tenant.clone();
    let row = world
        .running()
        .app
        .control
        .read(move |conn| hourbook_store::control::installations::find(conn, &id))
        .await;
    let row = row.unwrap().unwrap();
    assert_eq!((row.state.as_str(), row.shared_secret), ("closed", None));
    assert_eq!(world.running().app.keyring.versions(&tenant).await.unwrap(), 0);

    let shown = send(&world, "GET", &format!("/receipts/{}", receipt.receipt_id), None, &[]).await.json;
    let text = |name: &str| shown[name].as_str().unwrap().to_owned();
    let (body, key) = (text("body"), text("publicKey"));
    hourbook_crypto::receipt::verify_hex(&key, body.as_bytes(), &text("signature")).unwrap();
    assert!(
        hourbook_crypto::receipt::verify_hex(&key, body.replace('4', "5").as_bytes(), &text("signature"))
            .is_err()
    );
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["existed"]["worklogs"], 4);
    assert_eq!(body["existed"]["tags"], 1);

    assert_eq!(world.site.state().worklogs.len(), 4, "Jira keeps everything");
    world.end().await;
}

#[tokio::test]
async fn a_reinstallation_is_a_fresh_tenant_with_a_full_sync() {
    let world = World::installed().await;
    let before = world.tenant_id(&world.site).await;
    assert_eq!(world.uninstall(&world.site).await, 204);
    world.site.log_work(BEN, world.ids.issue, Work::of(600, "canary while away"));
    world.advance(Duration::from_secs(90));
    assert_eq!(world.site.install(&world.url(), APP_KEY).await, 204);
    world.settle(&world.site).await;
    assert_ne!(world.tenant_id(&world.site).await, before);
    world.equal(&world.site).await;
    let tags = world.as_user(BEN).get("/api/v1/tags").await.json;
    assert_eq!(tags["items"][0]["name"], "canary tag of one", "tags are rebuilt from Jira");
    world.end().await;
}

/// A crash in the middle of a wipe: the next start ends it.
#[tokio::test]
async fn a_wipe_goes_on_after_a_crash() {
    let mut world = World::installed().await;
    let tenant = world.tenant_id(&world.site).await;
    let app = world.running().app.clone();
    // As after a crash right behind the transaction that closes the tenant: the job waits, nothing is removed.
    let id = tenant.clone();
    world.halt().await;
    app.control
        .write(move |conn| {
            use hourbook_store::control::{installations, jobs};
            installations::close(conn, &id, 1)?;
            jobs::enqueue(conn, &hourbook::jobs::Kind::Wipe.for_tenant(&id, "", 1), 1)?;
            jobs::claim(conn, "a node that died", 2, &[]).map(|job| assert_eq!(job.unwrap().state, "running"))
        })
        .await
        .unwrap();
    drop(app);
    world.site.lose_app();
    world.boot().await;
    eventually("the database is gone", || async {
        (!world.has_database(&tenant)).then_some(()).ok_or_else(|| "still there".to_owned())
    })
    .await;
    eventually("the receipt is written", || async {
        let (app, id) = (&world.running().app, tenant.clone());
        let found =
            app.control.read(move |conn| hourbook_store::control::receipts::of_tenant(conn, &id)).await;
        found.unwrap().ok_or_else(|| "no receipt".to_owned())
    })
    .await;
    world.end().await;
}

/// A tenant that is closed in the middle of its full sync: the sync ends at once, and everything goes.
#[tokio::test]
async fn a_full_sync_ends_when_its_tenant_is_closed() {
    let world = World::start().await;
    {
        let mut state = world.site.state();
        let template = state.worklogs.get(&world.ids.by_ana).unwrap().clone();
        for at in 0..12_000 {
            let id = state.next_id();
            let updated = template.updated - 1_000_000 + at;
            state.put(hourbook_simulator::state::Worklog { id, updated, ..template.clone() });
        }
    }
    world.site.fail("POST", "/worklog/list", Fault::Slow(Duration::from_millis(100)), 100);
    assert_eq!(world.site.install(&world.url(), APP_KEY).await, 204);
    let (app, tenant) = (&world.running().app, world.tenant(&world.site).await);
    eventually("the sync runs", || async {
        let pages = app.progresses.get(&tenant.id).map_or(0, |progress| progress.counts.pages);
        (pages > 0).then_some(()).ok_or_else(|| "no page yet".to_owned())
    })
    .await;
    // Jira goes on answering: only the tenant is gone.
    hourbook::lifecycle::uninstalled::close(app, &tenant.id, &tenant.client_key).await.unwrap();
    eventually("the sync has ended and the files are gone", || async {
        let gone = !world.has_database(&tenant.id);
        let ended = app.progresses.get(&tenant.id).is_none();
        (gone && ended).then_some(()).ok_or_else(|| format!("gone: {gone}, ended: {ended}"))
    })
    .await;
    world.site.lose_app();
    world.end().await;
}

/// What still waits in the inbox at the uninstall goes unread.
#[tokio::test]
async fn queued_webhooks_go_with_the_tenant() {
    let world = World::installed().await;
    let tenant = world.tenant_id(&world.site).await;
    world.site.deliver_webhooks(Delivery { held: true, ..Delivery::default() });
    world.site.log_work(BEN, world.ids.issue, Work::of(600, "canary queued"));
    world.site.deliver_webhooks(Delivery::default());
    world.site.webhooks_delivered().await;
    assert_eq!(world.uninstall(&world.site).await, 204);
    eventually("the inbox is empty", || async {
        let left = world.running().app.inbox.count(&tenant).await.unwrap();
        (left == 0).then_some(()).ok_or_else(|| left.to_string())
    })
    .await;
    world.end().await;
}

/// A new master key in front of the old one: everything opens as before, the receipt key among it.
#[tokio::test]
async fn master_keys_are_changed_without_losing_anything() {
    let mut world = World::installed().await;
    let receipt_key = world.running().app.receipt_key.public_hex();
    world.halt().await;
    let old = world.env["HOURBOOK_MASTER_KEYS"].clone();
    let new = format!("new:ISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+P0A=,{old}");
    world.env.insert("HOURBOOK_MASTER_KEYS".into(), new);
    world.boot().await;
    assert_eq!(world.running().app.receipt_key.public_hex(), receipt_key);
    assert_eq!(world.as_user(BEN).get("/api/v1/tags").await.json["items"][0]["name"], "canary tag of one");
    world.end().await;
}

/// Many sites install at the same moment, before the key that signs their calls is known: all are taken in.
#[tokio::test]
async fn many_sites_install_at_once() {
    let world = World::start().await;
    let sites: Vec<_> = (0..40)
        .map(|number| hourbook_simulator::site::Site::start(&world.cloud, &format!("client-{number}")))
        .collect();
    let url = world.url();
    let installs = sites.iter().map(|site| site.install(&url, APP_KEY));
    let statuses = futures_util::future::join_all(installs).await;
    assert!(statuses.iter().all(|status| *status == 204), "{statuses:?}");
    assert_eq!(world.cloud.key_requests(), 1, "one asked for the key");
    world.end().await;
}

/// What only Connect has.
mod connect {
    use super::*;

    /// Rotation and rename: the new secret holds, the old one for some minutes more.
    #[tokio::test]
    async fn a_rotated_secret_is_taken_and_the_old_one_lives_five_minutes() {
        let world = World::installed().await;
        let before = world.tenant_id(&world.site).await;
        let old = world.site.context_token(ANA);
        assert_eq!(world.site.install_with(&world.url(), APP_KEY, "canarysecret-rotated").await, 204);
        world.settle(&world.site).await;
        assert_eq!(world.tenant_id(&world.site).await, before, "the same tenant");
        let with = |token: String| vec![("Authorization", format!("JWT {token}"))];
        assert_eq!(
            send(&world, "GET", "/api/v1/me", None, &with(old.clone())).await.status,
            200,
            "in flight"
        );
        assert_eq!(world.as_user(ANA).get("/api/v1/me").await.status, 200, "the new secret");
        world.advance(Duration::from_secs(310));
        assert_eq!(
            send(&world, "GET", "/api/v1/me", None, &with(old)).await.status,
            401,
            "the grace is over"
        );
        assert_eq!(world.as_user(ANA).get("/api/v1/me").await.status, 200);
        world.end().await;
    }

    /// A site import gives the same address a new clientKey and tells nobody.
    #[tokio::test]
    async fn an_imported_site_supersedes_its_old_tenant_once_it_is_proved() {
        let world = World::installed().await;
        let old_token = world.site.context_token(ANA);
        let old = world.tenant_id(&world.site).await;
        world.site.import_as("canary-client-new");
        assert_eq!(world.site.install(&world.url(), APP_KEY).await, 204);
        world.settle(&world.site).await;
        assert_ne!(world.tenant_id(&world.site).await, old);
        let with_old = [("Authorization", format!("JWT {old_token}"))];
        let status = send(&world, "GET", "/api/v1/sync", None, &with_old).await;
        assert_eq!((&status.json["state"], &status.json["worklogs"]), (&json!("suspended"), &json!(0)));
        let reply = send(&world, "GET", "/api/v1/me", None, &with_old).await;
        assert_eq!((reply.status, reply.json["code"].as_str()), (401, Some("suspended")));
        world.end().await;
    }

    /// The body is not signed: whoever may install somewhere must not push another tenant off its site.
    #[tokio::test]
    async fn an_installation_that_the_site_does_not_know_supersedes_nobody() {
        let world = World::installed().await;
        // The other site's installation claims the first one's address.
        let twist = Twist { body: Some(json!({ "baseUrl": world.site.base_url })), ..Twist::default() };
        let stolen =
            world.other.call("installed", &world.url(), APP_KEY, Some("canarysecret-stolen"), &twist).await;
        assert_eq!(stolen, 204);
        eventually("the impostor is refused by the site", || async {
            let refused = !world.site.state().unauthorised.is_empty();
            refused.then_some(()).ok_or_else(|| "not yet".to_owned())
        })
        .await;
        assert_eq!(world.as_user(ANA).get("/api/v1/me").await.status, 200, "the first tenant goes on");
        world.site.state().unauthorised.clear();
        world.end_unchecked().await;
    }

    #[tokio::test]
    async fn lifecycle_calls_need_a_valid_install_token() {
        let world = World::start().await;
        let url = world.url();
        let secret = Some("canarysecret-0123456789");
        let call = |claims: serde_json::Value| Twist { claims: Some(claims), body: None };
        let now = world.cloud.clock.now_ms() / 1000;
        for (why, twist) in [
            ("another audience", call(json!({ "aud": "https://elsewhere.example" }))),
            ("no audience", call(json!({ "aud": null }))),
            ("another issuer", call(json!({ "iss": "canary-client-two" }))),
            ("expired", call(json!({ "iat": now - 600, "exp": now - 61 }))),
            ("from the future", call(json!({ "iat": now + 120, "exp": now + 600 }))),
            ("another request", call(json!({ "qsh": "0000" }))),
            ("a context token's hash", call(json!({ "qsh": "context-qsh" }))),
        ] {
            assert_eq!(world.site.call("installed", &url, APP_KEY, secret, &twist).await, 401, "{why}");
        }
        for (aud, why) in
            [(json!(url), "a string"), (json!([format!("{url}/")]), "a list with a trailing slash")]
        {
            let status =
                world.site.call("installed", &url, APP_KEY, secret, &call(json!({ "aud": aud }))).await;
            assert_eq!(status, 204, "an audience as {why}");
            let gone = world.site.call("uninstalled", &url, APP_KEY, None, &Twist::default()).await;
            assert_eq!(gone, 204);
        }
        let body = |fields: serde_json::Value| Twist { claims: None, body: Some(fields) };
        for (why, fields) in [
            ("a foreign host", json!({ "baseUrl": "https://evil.example" })),
            ("a path", json!({ "baseUrl": format!("{}/wiki", world.site.base_url) })),
            ("a user", json!({ "baseUrl": world.site.base_url.replace("http://", "http://u:p@") })),
            ("another app", json!({ "key": "some.other.app" })),
            ("no secret", json!({ "sharedSecret": "" })),
        ] {
            assert_eq!(
                world.site.call("installed", &url, APP_KEY, secret, &body(fields)).await,
                400,
                "{why}"
            );
        }
        world.end_unchecked().await;
    }

    /// Each rotation of Atlassian's keys makes a new key id; unknown ones are not asked for again and again.
    #[tokio::test]
    async fn installation_keys_are_found_by_id_and_unknown_ones_are_remembered() {
        let world = World::start().await;
        assert_eq!(world.site.install(&world.url(), APP_KEY).await, 204);
        assert_eq!(world.site.install(&world.url(), APP_KEY).await, 204);
        assert_eq!(world.cloud.key_requests(), 1, "a key is cached for ever");
        world.cloud.rotate_install_key(InstallKey::generate("install-key-2"));
        assert_eq!(world.site.install(&world.url(), APP_KEY).await, 204);
        assert_eq!(world.cloud.key_requests(), 2);

        let forged = InstallKey::generate("no-such-key");
        for kid in ["no-such-key", "no-such-key", "../oauth2/token", "a/b", ""] {
            let claims = json!({ "iss": "x", "iat": 1, "exp": 2 });
            let token = hourbook_simulator::tokens::rs256(&claims, Some(kid), &forged.private_pem);
            let body = json!({ "key": APP_KEY, "clientKey": "x" });
            let reply = send(
                &world,
                "POST",
                "/connect/installed",
                Some(&body),
                &[("Authorization", format!("JWT {token}"))],
            )
            .await;
            assert_eq!(reply.status, 401, "{kid}");
        }
        assert_eq!(
            world.cloud.key_requests(),
            3,
            "asked once for the unknown id, never for the strange ones"
        );
        world.settle(&world.site).await;
        world.end().await;
    }

    /// A renamed site redirects until its new address is told: one redirect is followed, to an allowed host only.
    #[tokio::test]
    async fn at_most_one_redirect_is_followed_by_hand() {
        let world = World::installed().await;
        let itself = Fault::Redirect(world.site.base_url.clone());
        world.site.fail("GET", "/worklog/updated", itself.clone(), 1);
        world.sync(&world.site, "incremental").await;
        world.site.fail("GET", "/configuration", itself, 2);
        let panel = format!("/api/v1/issues/{}/panel", world.ids.issue);
        assert_eq!(world.as_user(ANA).get(&panel).await.json["code"], "jira_unexpected");
        world.site.fail("GET", "/configuration", Fault::Redirect("https://evil.example".into()), 1);
        assert_eq!(world.as_user(ANA).get(&panel).await.json["code"], "jira_unexpected");
        assert_eq!(world.as_user(ANA).get(&panel).await.status, 200);
        world.end().await;
    }
}
