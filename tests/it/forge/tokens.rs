//! Invocation tokens, and answers as Forge wants them.

use super::{install, installed, start, with_token};
use crate::support::client::send;
use crate::support::{ANA, BEN, World};
use hourbook_simulator::cloud::InstallKey;
use hourbook_simulator::forge::{APP_ID, Twist};
use hourbook_simulator::tokens;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use std::time::Duration;

const ME: &str = "/forge/api/v1/me";

fn twisted(world: &World, claims: Value, app: Value) -> String {
    world.site.invocation_token_with("hourbook-admin", Some(ANA), &Twist { claims, app })
}

#[tokio::test]
async fn invocation_tokens_are_checked_in_every_claim() {
    let world = installed().await;
    let now = world.cloud.clock.now_ms() / 1000;
    let gateway = world.site.gateway_url();
    let other = world.other.cloud_id();
    let none = json!({});
    for (why, claims, app) in [
        ("as it is", none.clone(), none.clone()),
        ("several audiences", json!({ "aud": ["someone", APP_ID] }), none.clone()),
        (
            "a clock behind by a minute",
            json!({ "iat": now + 50, "nbf": now + 50, "exp": now + 75 }),
            none.clone(),
        ),
        (
            "a clock ahead by a minute",
            json!({ "iat": now - 80, "nbf": now - 80, "exp": now - 55 }),
            none.clone(),
        ),
        ("without nbf", json!({ "nbf": null }), none.clone()),
        ("the gateway with a slash", none.clone(), json!({ "apiBaseUrl": format!("{gateway}/") })),
        (
            "without the newer claims",
            none.clone(),
            json!({ "id": null, "installation": null, "appVersion": null }),
        ),
    ] {
        let reply = with_token(&world, ME, &twisted(&world, claims, app)).await;
        assert_eq!(reply.status, 200, "{why}: {}", reply.text);
    }
    let module = |key: &str| json!({ "module": { "type": "jira:globalPage", "key": key } });
    for (why, claims, app, status, code) in [
        ("another app", json!({ "aud": format!("{APP_ID}x") }), none.clone(), 401, "token_refused"),
        ("no audience", json!({ "aud": null }), none.clone(), 401, "token_refused"),
        (
            "another app inside",
            none.clone(),
            json!({ "id": "ari:cloud:ecosystem::app/x" }),
            401,
            "token_refused",
        ),
        ("another issuer", json!({ "iss": "forge/context-token" }), none.clone(), 401, "token_refused"),
        (
            "expired",
            json!({ "iat": now - 90, "nbf": now - 90, "exp": now - 61 }),
            none.clone(),
            401,
            "token_refused",
        ),
        (
            "not yet",
            json!({ "iat": now + 70, "nbf": now + 70, "exp": now + 95 }),
            none.clone(),
            401,
            "token_refused",
        ),
        ("no end", json!({ "exp": null }), none.clone(), 401, "token_refused"),
        (
            "another site in its context",
            json!({ "context": { "cloudId": other } }),
            none.clone(),
            401,
            "token_refused",
        ),
        ("no installation", none.clone(), json!({ "installationId": null }), 401, "token_refused"),
        ("an isolated cloud", json!({ "icLabel": "acme" }), none.clone(), 403, "isolated_cloud"),
        (
            "a staging app",
            none.clone(),
            json!({ "environment": { "type": "STAGING", "id": "env-s" } }),
            403,
            "environment_refused",
        ),
        ("another module", none.clone(), module("hourbook-worklogs"), 403, "module_refused"),
        ("no module", none.clone(), json!({ "module": null }), 403, "module_refused"),
        (
            "an address elsewhere",
            none.clone(),
            json!({ "apiBaseUrl": "https://evil.example/ex/jira/1" }),
            403,
            "gateway_refused",
        ),
        (
            "a path behind the site",
            none.clone(),
            json!({ "apiBaseUrl": format!("{gateway}/rest") }),
            403,
            "gateway_refused",
        ),
        (
            "a host that begins alike",
            none.clone(),
            json!({ "apiBaseUrl": format!("{}.evil.example/ex/jira/1", world.cloud.url) }),
            403,
            "gateway_refused",
        ),
        ("nobody", json!({ "principal": null }), none.clone(), 403, "no_user"),
    ] {
        let reply = with_token(&world, ME, &twisted(&world, claims, app)).await;
        assert_eq!(
            (reply.status, reply.json["code"].as_str()),
            (status, Some(code)),
            "{why}: {}",
            reply.text
        );
    }
    world.end().await;
}

/// Another family could take the public key for a secret.
#[tokio::test]
async fn algorithms_are_of_the_rsa_family() {
    let world = installed().await;
    let key = world.cloud.forge_key();
    let claims = world.site.invocation_claims("hourbook-panel", Some(BEN), &Twist::default());
    let signed = |algorithm: Algorithm, key: &EncodingKey| {
        let mut header = Header::new(algorithm);
        header.kid = Some(world.cloud.forge_key().kid.clone());
        jsonwebtoken::encode(&header, &claims, key).unwrap()
    };
    let rsa = EncodingKey::from_rsa_pem(key.private_pem.as_bytes()).unwrap();
    for algorithm in [Algorithm::RS256, Algorithm::RS384, Algorithm::RS512] {
        assert_eq!(with_token(&world, ME, &signed(algorithm, &rsa)).await.status, 200, "{algorithm:?}");
    }
    assert_eq!(with_token(&world, ME, &signed(Algorithm::PS256, &rsa)).await.status, 401);
    for secret in [key.public_pem(), "made-up"] {
        let hs = signed(Algorithm::HS256, &EncodingKey::from_secret(secret.as_bytes()));
        assert_eq!(with_token(&world, ME, &hs).await.status, 401);
    }
    let good = world.site.invocation_token("hourbook-panel", Some(BEN));
    let payload = good.split('.').nth(1).unwrap();
    let none = format!("{}{}.{payload}.", "ey", "JhbGciOiJub25lIn0");
    assert_eq!(with_token(&world, ME, &none).await.status, 401, "none");
    let jwt = [("Authorization", format!("JWT {good}"))];
    assert_eq!(send(&world, "GET", ME, None, &jwt).await.status, 401, "Connect's scheme");
    world.end().await;
}

/// A rotation is noticed by itself, a withdrawn key holds no longer, and forged tokens do not make us hammer the service.
#[tokio::test]
async fn keys_rotate() {
    let world = installed().await;
    let before = world.site.invocation_token("hourbook-panel", Some(BEN));
    world.cloud.rotate_forge_key(InstallKey::generate("forge-key-2"));
    world.advance(Duration::from_secs(11));
    let after = world.site.invocation_token("hourbook-panel", Some(BEN));
    assert_eq!(with_token(&world, ME, &after).await.status, 200, "a new key is fetched");
    assert_eq!(with_token(&world, ME, &before).await.status, 401, "the former one is withdrawn");
    let asked = *world.cloud.set_requests.lock();
    let claims = world.site.invocation_claims("hourbook-panel", Some(BEN), &Twist::default());
    for at in 0..50 {
        let forged =
            tokens::rs256(&claims, Some(&format!("made-up-{at}")), &world.cloud.forge_key().private_pem);
        assert_eq!(with_token(&world, ME, &forged).await.status, 401);
    }
    assert!(*world.cloud.set_requests.lock() <= asked + 1, "unknown keys are looked for now and then");
    world.end().await;
}

/// A key service that does not answer costs no event and keeps no page waiting, for as long as the old set may be used.
#[tokio::test]
async fn a_key_service_that_hangs_loses_nothing() {
    let world = installed().await;
    *world.cloud.set_takes.lock() = Duration::from_secs(60);
    for _ in 0..2 {
        world.advance(Duration::from_secs(3700));
        let event = || async {
            let gone = json!({ "worklog": { "id": "4242" } });
            // 0: no answer within the five seconds that Forge waits.
            assert_eq!(world.site.post_event("avi:jira:deleted:worklog", gone, 0).await, 204);
        };
        futures_util::future::join_all((0..20).map(|_| event())).await;
    }
    *world.cloud.set_takes.lock() = Duration::ZERO;
    world.advance(Duration::from_secs(25 * 3600));
    let token = world.site.invocation_token("hourbook-panel", Some(BEN));
    let tags = with_token(&world, "/forge/api/v1/tags", &token).await;
    assert_eq!(tags.status, 200, "too old to be used, and fetched: {}", tags.text);
    world.end().await;
}

/// Browsers send the same token again while it lives.
#[tokio::test]
async fn a_token_may_be_used_more_than_once() {
    let world = installed().await;
    let token = world.site.invocation_token("hourbook-reports", Some(BEN));
    for _ in 0..3 {
        assert_eq!(with_token(&world, ME, &token).await.status, 200);
    }
    world.end().await;
}

/// Pages call straight from where Forge serves them, and from nowhere else.
#[tokio::test]
async fn pages_of_forge_may_call_across_origins() {
    let world = start().await;
    install(&world, &world.site).await;
    let ask = |origin: &str| {
        let headers = [
            ("Origin", origin.to_owned()),
            ("Access-Control-Request-Method", "POST".to_owned()),
            ("Access-Control-Request-Headers", "authorization,content-type,idempotency-key".to_owned()),
        ];
        let world = &world;
        async move {
            let request = world.http.request(reqwest::Method::OPTIONS, format!("{}{ME}", world.url()));
            let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, value));
            request.send().await.unwrap()
        }
    };
    let ours = "https://7c1b9a52.cdn.prod.atlassian-dev.net";
    let allowed = ask(ours).await;
    let header = |response: &reqwest::Response, name: &str| {
        response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
    };
    assert_eq!(allowed.status(), 200);
    assert_eq!(header(&allowed, "access-control-allow-origin").as_deref(), Some(ours));
    assert!(header(&allowed, "access-control-allow-headers").unwrap().contains("idempotency-key"));
    assert_eq!(header(&allowed, "access-control-allow-credentials"), None, "no cookies");
    for elsewhere in ["https://evil.example", "https://cdn.prod.atlassian-dev.net.evil.example", "null"] {
        assert_eq!(header(&ask(elsewhere).await, "access-control-allow-origin"), None, "{elsewhere}");
    }
    let token = world.site.invocation_token("hourbook-panel", Some(BEN));
    let called = [("Origin", ours.to_owned()), ("Authorization", format!("Bearer {token}"))];
    let answered = send(&world, "GET", ME, None, &called).await;
    assert_eq!(answered.headers["access-control-allow-origin"], ours);
    // Connect's own routes are for its pages alone.
    let of_connect = [("Origin", ours.to_owned())];
    let refused = send(&world, "GET", "/api/v1/me", None, &of_connect).await;
    assert!(!refused.headers.contains_key("access-control-allow-origin"));
    world.end().await;
}

/// 401 says that the token is bad and makes Forge try again; whatever else is wrong is told in JSON, otherwise.
#[tokio::test]
async fn only_a_bad_token_is_401() {
    let world = installed().await;
    let ben = world.as_user(BEN);
    for (status, reply) in [
        (403, ben.get("/api/v1/audit").await),
        (404, ben.get("/api/v1/reports/4242").await),
        (400, ben.get("/api/v1/worklogs?limit=nonsense").await),
        (400, ben.post("/api/v1/tags", &json!({ "nonsense": 1 })).await),
    ] {
        assert_eq!(reply.status, status, "{}", reply.text);
        assert_eq!(reply.headers["content-type"], "application/json");
        assert!(reply.json["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{}", reply.text);
    }
    let unknown = send(&world, "GET", "/forge/api/v1/nothing", None, &[]).await;
    assert_eq!((unknown.status, unknown.json["code"].as_str()), (404, Some("route_not_found")));
    assert_eq!(send(&world, "GET", ME, None, &[]).await.json["code"], "token_missing");
    world.end().await;
}
