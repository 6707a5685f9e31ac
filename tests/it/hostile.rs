//! Callers that mean harm, and answers that give them nothing.

use crate::auth::target;
use crate::support::client::send;
use crate::support::{ANA, APP_KEY, BEN, World};
use hourbook::auth::forge::modules;
use hourbook::auth::{Right, TokenKind};
use hourbook::limits::Rate;
use hourbook::web::routes::{self, Route};
use hourbook_simulator::forge::Twist;
use hourbook_simulator::site::Site;
use hourbook_simulator::{qsh, tokens};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Who tries. Each presents the route's own kind of token, so that only who they are makes the difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Nobody,
    /// Signs with a secret that they made up.
    Forger,
    /// Signs with their own tenant's secret and names ours.
    OtherTenant,
    /// Presents a token whose time is over.
    Latecomer,
    /// The right claims under the right secret, for another route.
    WrongRequest,
    PlainUser,
    /// A plain user, where everybody may report.
    Reporter,
    JiraAdmin,
    /// On the operator's port, with an admin's token.
    Operator,
}

const EVERYBODY: [Who; 9] = [
    Who::Nobody,
    Who::Forger,
    Who::OtherTenant,
    Who::Latecomer,
    Who::WrongRequest,
    Who::PlainUser,
    Who::Reporter,
    Who::JiraAdmin,
    Who::Operator,
];

fn secret_of(site: &Site) -> String {
    site.state().installation.clone().unwrap().secret
}

/// URL and headers of a call.
fn presented(world: &World, route: &Route, who: Who) -> (String, Vec<(&'static str, String)>) {
    let target = target(world, route);
    if who == Who::Nobody || route.token == TokenKind::None {
        return (target, vec![]);
    }
    if !modules::of(route.token).is_empty() {
        return (target, vec![("Authorization", format!("Bearer {}", invocation(world, route, who)))]);
    }
    let now = world.cloud.clock.now_ms() / 1000;
    let (iat, exp) = if who == Who::Latecomer { (now - 900, now - 600) } else { (now, now + 60) };
    let account = if matches!(who, Who::JiraAdmin | Who::Operator) { ANA } else { BEN };
    let bound_to = if who == Who::WrongRequest { "/connect/other" } else { target.as_str() };
    let hash = match route.token {
        TokenKind::Context if who == Who::WrongRequest => qsh::hash(route.method, &target),
        TokenKind::Context => "context-qsh".to_owned(),
        _ => qsh::hash(route.method, bound_to),
    };
    let claims = json!({ "iss": world.site.client_key(), "iat": iat, "exp": exp, "sub": account,
        "aud": [world.url()], "qsh": hash });
    let token = match (route.token, who) {
        (TokenKind::Install, Who::Forger | Who::OtherTenant) => {
            tokens::hs256(&claims, &secret_of(&world.other))
        }
        (TokenKind::Install, _) => {
            let key = world.cloud.install_key();
            tokens::rs256(&claims, Some(&key.kid), &key.private_pem)
        }
        (_, Who::Forger) => tokens::hs256(&claims, "made-up-secret-0123456789"),
        (_, Who::OtherTenant) => tokens::hs256(&claims, &secret_of(&world.other)),
        _ => tokens::hs256(&claims, &secret_of(&world.site)),
    };
    let joint = if target.contains('?') { '&' } else { '?' };
    match route.token {
        TokenKind::Page => (format!("{target}{joint}jwt={token}"), vec![]),
        _ => (target, vec![("Authorization", format!("JWT {token}"))]),
    }
}

/// A token of Forge: of the route's own module, with a person where the route is for people.
fn invocation(world: &World, route: &Route, who: Who) -> String {
    let now = world.cloud.clock.now_ms() / 1000;
    let account = if matches!(who, Who::JiraAdmin | Who::Operator) { ANA } else { BEN };
    let for_people = route.token == TokenKind::Invocation;
    let (module, is_person) = match (for_people, who) {
        (true, Who::WrongRequest) => ("hourbook-worklogs", true),
        (true, _) => ("hourbook-admin", true),
        // What a page's token can be read from a browser.
        (false, Who::WrongRequest) => ("hourbook-admin", true),
        (false, _) => (modules::of(route.token)[0], false),
    };
    let claims = match who {
        // Of Atlassian, for another app.
        Who::OtherTenant => json!({ "aud": "ari:cloud:ecosystem::app/another" }),
        Who::Latecomer => json!({ "iat": now - 200, "nbf": now - 200, "exp": now - 175 }),
        _ => json!({}),
    };
    let twist = Twist { claims, app: Value::Null };
    let claims = world.site.invocation_claims(module, is_person.then_some(account), &twist);
    let key = world.cloud.forge_key();
    match who {
        Who::Forger => tokens::rs256(&claims, Some(&key.kid), &world.cloud.install_key().private_pem),
        _ => tokens::rs256(&claims, Some(&key.kid), &key.private_pem),
    }
}

/// What the table says of a caller.
fn expected(route: &Route, who: Who) -> &'static str {
    let proved = matches!(who, Who::PlainUser | Who::Reporter | Who::JiraAdmin);
    match (route.token, route.right) {
        _ if who == Who::Operator => "no such route",
        (TokenKind::None, _) => "in",
        _ if !proved => "unproved",
        (_, Right::JiraAdmin) if who != Who::JiraAdmin => "admins only",
        _ => "in",
    }
}

/// The matrix: every route of the table by every caller, against what the table declares.
#[tokio::test]
async fn every_route_by_every_caller() {
    let world = World::installed().await;
    assert_eq!(world.site.install_by_forge(&world.url()).await, 204);
    let mut checked = 0;
    for who in EVERYBODY {
        let right = if who == Who::Reporter { "everyone" } else { "admins" };
        let set = world.as_user(ANA).put("/api/v1/settings", &json!({ "reportRight": right })).await;
        assert_eq!(set.status, 200, "{}", set.text);
        for route in routes::all() {
            let (url, headers) = presented(&world, &route, who);
            let url = if who == Who::Operator { format!("http://{}{url}", world.running().ops) } else { url };
            // A body that no handler takes: whoever is let in gets 400 or so, never a change.
            let body = json!({ "key": "another.app", "clientKey": world.site.client_key(), "webhookEvent": "nothing" });
            let body = matches!(route.method, "POST" | "PUT").then_some(&body);
            let reply = send(&world, route.method, &url, body, &headers).await;
            let found = match (reply.status, reply.json["code"].as_str()) {
                (401, _) | (403, Some("module_refused")) => "unproved",
                (403, Some("admin_only")) => "admins only",
                (404, Some("route_not_found")) => "no such route",
                _ => "in",
            };
            // The operator's port has a health check of its own.
            let expected = if route.path == "/healthz" { "in" } else { expected(&route, who) };
            assert_eq!(
                found, expected,
                "{who:?} {} {}: {} {}",
                route.method, route.path, reply.status, reply.text
            );
            if route.token == TokenKind::Removal && found == "in" {
                assert_eq!(world.site.install_by_forge(&world.url()).await, 204);
            }
            assert!(reply.status < 500 || reply.json["code"] == "receipt_not_found", "{}", reply.text);
            checked += 1;
        }
    }
    assert_eq!(checked, routes::all().len() * EVERYBODY.len());
    let now = world.as_user(ANA).get("/api/v1/settings").await;
    assert_eq!(now.json["reportRight"], "admins", "nothing was changed by anybody");
    world.end().await;
}

/// What is for admins, told once more: a right that is left out of the table is noticed here.
#[test]
fn what_is_for_admins_is_declared_so() {
    let table = routes::all();
    let admins = table.iter().filter(|route| route.right == Right::JiraAdmin);
    let mut found: Vec<String> = admins.map(|route| format!("{} {}", route.method, route.path)).collect();
    found.sort();
    let expected = [
        "DELETE /api/v1/tags/{tagId}",
        "GET /api/v1/audit",
        "GET /api/v1/privacy",
        "GET /api/v1/privacy/export",
        "GET /api/v1/sync/failures",
        "GET /connect/admin",
        "POST /api/v1/sync",
        "PUT /api/v1/settings",
        "PUT /api/v1/tags/{tagId}",
    ];
    let pages_call = expected.iter().filter(|route| route.contains(" /api/"));
    let of_forge = pages_call.map(|route| route.replace(" /", " /forge/"));
    let mut expected: Vec<String> = expected.iter().map(ToString::to_string).chain(of_forge).collect();
    expected.sort();
    assert_eq!(found, expected);
    let open: Vec<&str> = table
        .iter()
        .filter(|route| route.token == TokenKind::None)
        .map(|route| route.path.as_str())
        .collect();
    let expected = [
        "/healthz",
        "/readyz",
        "/atlassian-connect.json",
        "/static/icon.svg",
        "/static/assets/{file}",
        "/api/openapi.json",
        "/receipts/{receiptId}",
    ];
    assert_eq!(open, expected, "what anybody may call tells nothing of a tenant");
}

/// What is refused without a licence, told once more, and documented.
#[test]
fn what_needs_a_licence_is_declared_so() {
    let table = routes::all();
    let licensed = |token| {
        let such = table.iter().filter(move |route| route.licensed && route.token == token);
        such.map(|route| format!("{} {}", route.method, route.path)).collect::<Vec<_>>()
    };
    let of_connect = licensed(TokenKind::Context);
    assert_eq!(
        of_connect,
        [
            "POST /api/v1/tags",
            "PUT /api/v1/tags/{tagId}",
            "DELETE /api/v1/tags/{tagId}",
            "POST /api/v1/reports",
            "PUT /api/v1/reports/{reportId}",
            "POST /api/v1/reports/{reportId}/duplicate",
            "POST /api/v1/issues/{issueId}/worklogs",
            "PUT /api/v1/issues/{issueId}/worklogs/{worklogId}",
            "DELETE /api/v1/issues/{issueId}/worklogs/{worklogId}",
        ]
    );
    let of_forge: Vec<String> = of_connect.iter().map(|route| route.replace(" /", " /forge/")).collect();
    assert_eq!(licensed(TokenKind::Invocation), of_forge);
    let document: Value = serde_json::from_str(&hourbook::web::openapi::render().unwrap()).unwrap();
    for route in table.iter().filter(|route| route.token == TokenKind::Context) {
        let answers = &document["paths"][&route.path][route.method.to_lowercase()]["responses"];
        assert_eq!(answers.get("402").is_some(), route.licensed, "{} {}", route.method, route.path);
    }
}

/// The body of a lifecycle call is not signed: a token that was seen once vouches for no other body.
#[tokio::test]
async fn a_lifecycle_token_vouches_for_one_body() {
    let world = World::installed().await;
    let tenant = world.tenant_id(&world.site).await;
    let key = world.cloud.install_key();
    let now = world.cloud.clock.now_ms() / 1000;
    let claims = json!({ "iss": world.site.client_key(), "iat": now, "exp": now + 180, "aud": [world.url()],
        "qsh": qsh::hash("POST", "/connect/installed"), "jti": "seen" });
    let token = tokens::rs256(&claims, Some(&key.kid), &key.private_pem);
    let with = [("Authorization", format!("JWT {token}"))];
    let body = |secret: &str, base_url: &str| {
        json!({ "key": APP_KEY, "clientKey": world.site.client_key(),
        "sharedSecret": secret, "baseUrl": base_url, "oauthClientId": "client-canary-client-one", "eventType": "installed" })
    };
    let right = body(&secret_of(&world.site), &world.site.base_url);
    let post = |body: Value| {
        let (world, with) = (&world, &with);
        async move { send(world, "POST", "/connect/installed", Some(&body), with).await.status }
    };
    assert_eq!(post(right.clone()).await, 204);
    assert_eq!(post(right.clone()).await, 204, "Jira had no answer and sends the same again");
    assert_eq!(post(body("canarysecret-of-the-thief", &world.site.base_url)).await, 401);
    assert_eq!(post(body(&secret_of(&world.site), &world.other.base_url)).await, 401);
    assert_eq!(world.as_user(ANA).get("/api/v1/me").await.status, 200, "the secret is what it was");
    assert_eq!(world.tenant_id(&world.site).await, tenant);
    world.end().await;
}

/// A public key is no secret: signing with it as one, or naming a key by a path, is refused without asking anybody.
#[tokio::test]
async fn keys_are_not_confused() {
    use jsonwebtoken::{Algorithm, EncodingKey, Header};
    let world = World::installed().await;
    let key = world.cloud.install_key();
    let now = world.cloud.clock.now_ms() / 1000;
    let claims = json!({ "iss": world.site.client_key(), "iat": now, "exp": now + 60, "aud": [world.url()],
        "qsh": qsh::hash("POST", "/connect/uninstalled") });
    let body = json!({ "key": APP_KEY, "clientKey": world.site.client_key() });
    let asked = world.cloud.key_requests();
    let public = world
        .http
        .get(format!("{}/{}", world.cloud.url, key.kid))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let asked_by_us = world.cloud.key_requests() - asked;
    let mut header = Header::new(Algorithm::HS256);
    header.kid = Some(key.kid.clone());
    let with_public =
        jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(public.as_bytes())).unwrap();
    let status = |token: String| {
        let (world, body) = (&world, &body);
        async move {
            send(
                world,
                "POST",
                "/connect/uninstalled",
                Some(body),
                &[("Authorization", format!("JWT {token}"))],
            )
            .await
            .status
        }
    };
    assert_eq!(status(with_public).await, 401);
    for kid in
        ["../../etc/passwd", "http://127.0.0.1/key", "a b", "", &"k".repeat(65), "..", "key?x=1", "key#x"]
    {
        let token = tokens::rs256(&claims, Some(kid), &key.private_pem);
        assert_eq!(status(token).await, 401, "{kid}");
    }
    assert_eq!(status(tokens::rs256(&claims, None, &key.private_pem)).await, 401, "no key id");
    assert_eq!(world.cloud.key_requests(), asked + asked_by_us, "nobody was asked for such keys");
    assert_eq!(world.as_user(ANA).get("/api/v1/me").await.status, 200, "still installed");
    world.end().await;
}

/// Headers that some servers take for another path, host or method, and other spellings of a path.
#[tokio::test]
async fn headers_and_spellings_of_a_path_open_nothing() {
    let world = World::installed().await;
    for (name, value) in [
        ("X-Original-URL", "/healthz"),
        ("X-Rewrite-URL", "/healthz"),
        ("X-Forwarded-Prefix", "/static"),
        ("X-Forwarded-Host", "evil.example"),
        ("X-Forwarded-Proto", "http"),
        ("X-HTTP-Method-Override", "GET"),
        ("X-Forwarded-For", "127.0.0.1"),
        ("Forwarded", "for=127.0.0.1;host=evil.example"),
    ] {
        let reply = send(&world, "GET", "/api/v1/settings", None, &[(name, value.to_owned())]).await;
        assert_eq!(reply.status, 401, "{name}");
        // And they take nothing away from whoever has a token.
        let page = world.site.page_url("/connect/admin", ANA);
        let reply = send(&world, "GET", &page, None, &[(name, value.to_owned())]).await;
        assert_eq!(reply.status, 200, "{name}");
        assert!(!reply.text.contains("evil.example"), "{name} is not told on");
    }
    let token = world.site.context_token(BEN);
    for path in [
        "//api/v1/audit",
        "/api/v1/audit/",
        "/api/v1/./audit",
        "/api/v1/x/../audit",
        "/api/v1/%61udit",
        "/API/V1/AUDIT",
        "/api/v1/audit;x=1",
        "/api/v1/audit%00",
        "/api%2fv1%2faudit",
        "/static/..%2fapi/v1/audit",
        "/connect/../api/v1/audit",
    ] {
        for method in ["GET", "HEAD", "POST", "TRACE", "OPTIONS"] {
            let url = format!("{}{path}", world.url());
            let status = raw(&world, &format!(
                "{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: JWT {token}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            ))
            .await;
            // 403: it is the route, and a plain user is told that it is for admins.
            assert!(
                ["400", "403", "404", "405"]
                    .iter()
                    .any(|code| status.starts_with(&format!("HTTP/1.1 {code}"))),
                "{method} {url}: {status}"
            );
        }
    }
    world.end().await;
}

/// What comes back on a connection until it is closed or a second is over.
async fn raw(world: &World, request: &str) -> String {
    let mut stream = TcpStream::connect(world.running().public).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(1), stream.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// Requests on whose length two servers in a row could disagree: none is taken, and nothing behind it is answered.
#[tokio::test]
async fn requests_of_two_lengths_are_refused() {
    let world = World::installed().await;
    let hidden = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    let length = hidden.len();
    let shapes = [
        ("two lengths", format!("Content-Length: 0\r\nContent-Length: {length}\r\n\r\n{hidden}")),
        (
            "a length and chunks",
            format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}"),
        ),
        (
            "chunks and a length",
            format!("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n{hidden}"),
        ),
        ("an unknown coding", format!("Transfer-Encoding: xchunked\r\nContent-Length: 0\r\n\r\n{hidden}")),
        ("a list of lengths", format!("Content-Length: 0, {length}\r\n\r\n{hidden}")),
        ("a signed length", format!("Content-Length: +{length}\r\n\r\n{hidden}")),
        ("a negative length", format!("Content-Length: -1\r\n\r\n{hidden}")),
        ("a space before the colon", format!("Content-Length : {length}\r\n\r\n{hidden}")),
        ("a folded header", format!("X: a\r\n Content-Length: {length}\r\n\r\n{hidden}")),
        ("a bad chunk size", format!("Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n{hidden}")),
    ];
    for (name, rest) in shapes {
        let answer = raw(&world, &format!("POST /connect/webhooks HTTP/1.1\r\nHost: x\r\n{rest}")).await;
        assert!(!answer.contains("HTTP/1.1 200"), "{name}: the hidden request was answered: {answer}");
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{name}: {answer}");
    }
    world.end().await;
}

/// A proxy's connection is not closed under it: what it sends after a pause is answered, and a server that stops does not
/// wait for it.
#[tokio::test]
async fn a_connection_is_kept_for_the_next_request() {
    let mut world = World::start().await;
    let mut stream = TcpStream::connect(world.running().public).await.unwrap();
    let mut answer = [0; 4096];
    // HTTP libraries give a connection up after five seconds if nobody tells them otherwise.
    for pause in [0, 7] {
        tokio::time::sleep(Duration::from_secs(pause)).await;
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let read = stream.read(&mut answer).await.unwrap();
        assert!(answer[..read].starts_with(b"HTTP/1.1 200"), "after {pause} s: closed");
    }
    world.halt().await;
    assert_eq!(stream.read(&mut answer).await.unwrap_or_default(), 0, "closed by the server that stopped");
    world.end().await;
}

/// Bodies beyond what a route takes are refused, and bodies that never end are given up.
#[tokio::test]
async fn bodies_that_are_too_long_or_too_slow_are_refused() {
    let world = World::start_with(|_, tuning| tuning.patience = Duration::from_secs(1)).await;
    world.install_both().await;
    let long = json!({ "name": "x".repeat(200 * 1024) });
    let reply = world.as_user(BEN).post("/api/v1/tags", &long).await;
    assert_eq!((reply.status, reply.json["code"].as_str()), (413, Some("body_too_large")));
    let long = json!({ "key": APP_KEY, "clientKey": "x".repeat(70 * 1024) });
    let reply =
        send(&world, "POST", "/connect/installed", Some(&long), &[("Authorization", "JWT x".into())]).await;
    assert_eq!(reply.status, 413);
    let token = world.site.request_token("POST", "/connect/webhooks", None);
    let context = world.site.context_token(BEN);
    for (path, token) in [("/connect/webhooks", token), ("/api/v1/tags", context)] {
        let mut stream = TcpStream::connect(world.running().public).await.unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: JWT {token}\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{{"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = vec![0; 4096];
        let read = tokio::time::timeout(Duration::from_secs(20), stream.read(&mut answer)).await;
        let read = read.expect("it is given up").unwrap();
        let answer = String::from_utf8_lossy(&answer[..read]).into_owned();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{path}: {answer}");
    }
    assert_eq!(world.as_user(BEN).get("/api/v1/tags").await.status, 200, "others are served");
    world.end().await;
}

/// Whoever proves nothing is limited by address; whoever proves who they are is not, from the same address.
#[tokio::test]
async fn who_proves_nothing_is_limited_by_address() {
    let world = World::start_with(|env, tuning| {
        tuning.unproved = Rate::new(1, 5);
        tuning.costly = Rate::new(1, 3);
        env.insert("HOURBOOK_PROXIES".into(), "1".into());
    })
    .await;
    world.install_both().await;
    let guess = |from: &'static str| {
        let world = &world;
        async move {
            let headers = [("Authorization", "JWT a.b.c".to_owned()), ("X-Forwarded-For", from.to_owned())];
            send(world, "GET", "/api/v1/me", None, &headers).await
        }
    };
    // What the client wrote itself stands before the proxy's own entry and counts for nothing.
    let mut statuses = Vec::new();
    for from in [
        "9.9.9.9, 192.0.2.1",
        "8.8.8.8, 192.0.2.1",
        "192.0.2.1",
        "192.0.2.1",
        "192.0.2.1",
        "192.0.2.1",
        "1.1.1.1, 192.0.2.1",
    ] {
        statuses.push(guess(from).await.status);
    }
    assert_eq!(statuses[..5], [401; 5]);
    assert!(statuses[5..].contains(&429), "{statuses:?}");
    let limited = loop {
        let reply = guess("192.0.2.1").await;
        if reply.status == 429 {
            break reply;
        }
    };
    assert!(limited.headers["retry-after"].to_str().unwrap().parse::<u64>().unwrap() >= 1);
    assert_eq!(guess("192.0.2.77").await.status, 401, "another address");
    let mut receipts = Vec::new();
    for _ in 0..8 {
        let headers = [("X-Forwarded-For", "192.0.2.5".to_owned())];
        receipts.push(send(&world, "GET", "/receipts/guess", None, &headers).await.status);
    }
    assert!(receipts[..5] == [404; 5] && receipts.contains(&429), "{receipts:?}");
    let forwarded = [("X-Forwarded-For", "192.0.2.1")];
    for _ in 0..10 {
        let reply = world.as_user(ANA).send("GET", "/api/v1/me", None, &forwarded).await;
        assert_eq!(reply.status, 200, "proved, from the address that is limited");
    }
    let mut costly = Vec::new();
    for _ in 0..6 {
        costly.push(world.as_user(ANA).post("/api/v1/sync", &json!({ "kind": "incremental" })).await.status);
    }
    assert!(costly[..3] == [202; 3] && costly.contains(&429), "{costly:?}");
    world.end().await;
}

/// Without proxies of ours in front, X-Forwarded-For is what anybody may write.
#[tokio::test]
async fn forwarded_addresses_count_only_behind_our_own_proxies() {
    let world = World::start_with(|_, tuning| tuning.unproved = Rate::new(1, 5)).await;
    let mut statuses = Vec::new();
    for at in 0..12 {
        let headers =
            [("Authorization", "JWT a.b.c".to_owned()), ("X-Forwarded-For", format!("192.0.2.{at}"))];
        statuses.push(send(&world, "GET", "/api/v1/me", None, &headers).await.status);
    }
    assert!(statuses.contains(&429), "{statuses:?}");
    world.end_unchecked().await;
}

/// Every answer carries the headers, and pages may be framed by their own site alone, once their token is proved.
#[tokio::test]
async fn answers_carry_strict_headers() {
    let world = World::start().await;
    {
        let body = Some(json!({ "displayUrl": "https://time.example.com" }));
        let twist = hourbook_simulator::lifecycle::Twist { body, ..Default::default() };
        let secret = "canarysecret-for-headers";
        assert_eq!(world.site.install_with(&world.url(), APP_KEY, secret).await, 204);
        world.advance(Duration::from_secs(2));
        let status = world.site.call("installed", &world.url(), APP_KEY, Some(secret), &twist).await;
        assert_eq!(status, 204);
    }
    world.settle(&world.site).await;
    let page = world.site.page_url("/connect/admin", ANA);
    let answers = [
        ("page", page.clone()),
        ("refused page", format!("{page}x")),
        ("api", "/api/v1/me".to_owned()),
        ("missing", "/nothing".to_owned()),
        ("health", "/healthz".to_owned()),
        ("static file", "/static/assets/none.js".to_owned()),
    ];
    for (name, url) in answers {
        let reply = send(&world, "GET", &url, None, &[]).await;
        let header =
            |header: &str| reply.headers.get(header).map_or("", |value| value.to_str().unwrap()).to_owned();
        assert_eq!(header("referrer-policy"), "no-referrer", "{name}");
        assert_eq!(header("x-content-type-options"), "nosniff", "{name}");
        assert!(header("strict-transport-security").contains("max-age=31536000"), "{name}");
        let policy = header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{name}: {policy}");
        let framed = policy.split("frame-ancestors ").nth(1).unwrap();
        if name == "page" {
            assert_eq!(framed, format!("{} https://time.example.com", world.site.base_url));
        } else if name == "refused page" {
            // Words and nothing else, where the site is not known.
            assert_eq!(framed, "*");
            assert!(!policy.contains("script-src") && !reply.text.contains("<script"), "{policy}");
        } else {
            assert_eq!(framed, "'none'", "{name}");
        }
        assert_eq!(header("server"), "", "{name}");
    }
    world.end().await;
}
