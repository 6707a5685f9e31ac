//! Who may call what: each route takes one kind of token and no other.

use crate::support::client::send;
use crate::support::{ANA, BEN, World};
use hourbook::auth::TokenKind;
use hourbook::auth::connect::qsh;
use hourbook::web::routes::{self, Route};
use hourbook_simulator::site::Site;
use hourbook_simulator::tokens;
use serde_json::{Value, json};

/// The vectors of Atlassian's libraries that platform documents give.
#[rustfmt::skip]
const PUBLISHED: &[(&str, &str, &str, &str)] = &[
    ("GET", "/test?param=value", "GET&/test&param=value", "be16910858a41fd19ea5c1b4e9decca9a784d1024cb00b2158defe2f29dc86dd"),
    ("GET", "/test?param=some+spaces+in+this+parameter", "GET&/test&param=some%20spaces%20in%20this%20parameter", "ef4097d05395eaf1a133956f140116a9c411afad768d4f06daac9e305764265d"),
    ("GET", "/test?query=connect*", "GET&/test&query=connect%2A", "0d28bc10d1972d9cab59e123ce17976eb32aad6957a13cfb8b97ced6d3fc8a29"),
    ("GET", "/test?director=%E5%AE%AE%E5%B4%8E+%E9%A7%BF", "GET&/test&director=%E5%AE%AE%E5%B4%8E%20%E9%A7%BF", "44d6354ffe8f963972a7fc59e98b2c3dfe4b493295c5b89edd974a339e61ac89"),
    ("GET", "/test?ids=10%2C2%2C20%2C1", "GET&/test&ids=10%2C2%2C20%2C1", "2e617b65f966650789990e5cac8ff295ee5b453834d04798f466ff6035bd8829"),
    ("GET", "/test?tuples=1%2C2%2C3&tuples=6%2C5%2C4&tuples=7%2C9%2C8", "GET&/test&tuples=1%2C2%2C3,6%2C5%2C4,7%2C9%2C8", "f9f62bb61191dff1b219e9ade8ac38fcfa46272ea76d9545410db6559fd8e7bd"),
    ("GET", "/test?title=1+%2B+1+equals+3", "GET&/test&title=1%20%2B%201%20equals%203", "ce0a866ce0c34cbde70deb63f6915192f58500d2b49b12e1ffc8cdf91edabc91"),
    ("GET", "/test?quote=%27quoted%27", "GET&/test&quote=%27quoted%27", "207a30376c594d5cde7b6e873b943f84798371d3293b7eac27e2c2a2a5d111d5"),
    ("GET", "/test?param=%28%29", "GET&/test&param=%28%29", "46b9787a8983560f446f82d6143122d99e153affd5688fa45343074a091573eb"),
    ("GET", "/test?eta=in+%7E3+days", "GET&/test&eta=in%20~3%20days", "5c5f97cdfe3abd8feb48f6f0240a71ef5c111289a5bf77ddf645250b3951ec63"),
    ("GET", "/test?rfc=%24-_.%2B%21*%27%28%29%2C", "GET&/test&rfc=%24-_.%2B%21%2A%27%28%29%2C", "0e36229cc459ff8ccb4845c11433cfbbe25bfa45e8c1ea14d2a124231cb0a2e9"),
    ("GET", "/test?notmuch=", "GET&/test&notmuch=", "20fecded9951516a3447b1b556d0eb350de29770505253a30dc739502e05ddc7"),
    ("GET", "/test?ids=-1&ids=1&ids=10&ids=2&ids=20", "GET&/test&ids=-1,1,10,2,20", "a646c48741faaeb649f9ca7888ae029ead432e3806f56c4a57b80b3e2ac628a9"),
    ("GET", "/test?ids=.1&ids=.2&ids=%3A1&ids=%3A2", "GET&/test&ids=.1,.2,%3A1,%3A2", "f0524d42e0f8661862e1f1e9add8757972a0043bb7136d641735d21874c5a056"),
    ("GET", "/test?c=&c=+&c=%2520&c=%2B", "GET&/test&c=,%20,%2520,%2B", "cbbcac9a6a02f3ad96c5ab5bf876dd9f79b2c61ceec5660a1c9d73a3b102ec2c"),
    ("GET", "/test?a10=1&a1=2&b1=3&b10=4", "GET&/test&a1=2&a10=1&b1=3&b10=4", "159cc3d3003f067c3ae263d19ded42dedd28221cce4d4757b13fc7722a24408f"),
    ("GET", "/test?A=A&a=a&b=b&B=B", "GET&/test&A=A&B=B&a=a&b=b", "539adc2b0aef2ec8659825893b8b92e6a53c9483e2150b8185b08490d8b6de60"),
    ("GET", "/test", "GET&/test&", "bad328fac990349a8c88393c1755bc4f984a9c387202229b8ed52e04ff7e9fec"),
    ("GET", "/endsWithDelimiter/?a=b", "GET&/endsWithDelimiter&a=b", "8f77c6a0e6bf25041121ee44480d3c97ae9cca4b7a007ea6e1d648d9a26e5d1d"),
    ("GET", "/path!$&'()*+,;=?a=b", "GET&/path!$%26'()*+,;=&a=b", "9ef803f9cb8dea4f7f875caff8d31e95962c6e8bd44d64a848d6ebb055b2144b"),
    ("GET", "/", "GET&/&", "c88caad15a1c1a900b8ac08aa9686f4e8184539bea1deda36e2f649430df3239"),
    ("POST", "/installed", "POST&/installed&", "4a2e1de8ca74e6cafe8862d332fa3ac7a8e51e692bc6d798ea4dfedc14948bf4"),
    ("POST", "/uninstalled", "POST&/uninstalled&", "8a8d06f040b246544d605b08aeb419e30b5cf0e200f512888486585ecce6a52e"),
    ("POST", "/rest/api/3/worklog/list", "POST&/rest/api/3/worklog/list&", "0575240d91305ed865028618887df2cd8a26a75adf393efa5713962df64f9f08"),
    ("GET", "/rest/api/3/worklog/updated?since=1763700000000&expand=properties", "GET&/rest/api/3/worklog/updated&expand=properties&since=1763700000000", "9107518cecb6f40bd95b08064e4b4ff5459e2019cd105a7529f2ee63534293cd"),
    ("GET", "/rest/api/3/user/bulk?accountId=5b10a2844c20165700ede21g&accountId=5b10ac8d82e05b22cc7d4ef5&maxResults=100", "GET&/rest/api/3/user/bulk&accountId=5b10a2844c20165700ede21g,5b10ac8d82e05b22cc7d4ef5&maxResults=100", "9ebdc84596785a10e583b58614f7a387c9b5808f13a83fd571238ca435adcfb7"),
    ("GET", "/path/to/service?zee_last=param&repeated=parameter+1&first=param&repeated=parameter+2", "GET&/path/to/service&first=param&repeated=parameter%201,parameter%202&zee_last=param", "e52bb281606c3bd9ca16cfe96fe2df78f5d9ffa126f06befd750dfa10fa1a897"),
];

#[test]
fn the_published_vectors_of_the_query_string_hash_hold() {
    for (method, target, canonical, hash) in PUBLISHED {
        assert_eq!(qsh::canonical(method, target, ""), *canonical);
        assert_eq!(qsh::hash(method, target, ""), *hash, "{target}");
        assert_eq!(hourbook_simulator::qsh::hash(method, target), *hash, "the simulator agrees: {target}");
    }
}

#[test]
fn all_vectors_of_the_reference_libraries_hold() {
    let vectors: Value = serde_json::from_str(include_str!("../vectors/qsh.json")).unwrap();
    let vectors = vectors["vectors"].as_array().unwrap();
    assert!(vectors.len() > 40, "{}", vectors.len());
    for vector in vectors {
        let text = |name: &str| vector[name].as_str().unwrap_or_default();
        let url = text("url");
        let base = text("baseUrl");
        let path_of = |url: &str| {
            url.split_once("://").map_or(url.to_owned(), |(_, rest)| {
                rest.find('/').map_or(String::new(), |at| rest[at..].to_owned())
            })
        };
        let (target, base_path) =
            (if url.starts_with('/') { url.to_owned() } else { path_of(url) }, path_of(base));
        assert_eq!(
            qsh::canonical(text("method"), &target, &base_path),
            text("canonical"),
            "{}",
            text("name")
        );
        assert_eq!(qsh::hash(text("method"), &target, &base_path), text("qsh"), "{}", text("name"));
    }
}

/// A request to a route of the table. The ids exist, but for deletions: whoever is let in finds nothing to delete.
pub fn target(world: &World, route: &Route) -> String {
    let deletes = route.method == "DELETE";
    let (worklog, tag) = if deletes { (4242, 4242) } else { (world.ids.by_ana, 77) };
    route
        .path
        .replace("{issueId}", &world.ids.issue.to_string())
        .replace("{worklogId}", &worklog.to_string())
        .replace("{tagId}", &tag.to_string())
        .replace("{receiptId}", "none")
        .replace("{file}", "none.js")
        .replace("/connect/panel", &format!("/connect/panel?issueId={}", world.ids.issue))
}

/// How a caller presents a token.
#[derive(Debug, Clone)]
enum Presented {
    Nothing,
    Header(String),
    Query(String),
    /// As Forge presents it.
    Bearer(String),
}

fn install_token(world: &World, site: &Site, method: &str, target: &str) -> String {
    let key = world.cloud.install_key();
    let now = site.clock.now_ms() / 1000;
    let claims = json!({ "iss": site.client_key(), "iat": now, "exp": now + 60, "aud": [world.url()],
        "qsh": hourbook_simulator::qsh::hash(method, target) });
    tokens::rs256(&claims, Some(&key.kid), &key.private_pem)
}

/// Every caller against every route of the table: only the route's own kind of token is let in.
#[tokio::test]
async fn each_route_takes_one_kind_of_token() {
    let world = World::installed().await;
    assert_eq!(world.site.install_by_forge(&world.url()).await, 204);
    let mut checked = 0;
    for route in routes::all() {
        let target = target(&world, &route);
        let server = world.site.request_token(route.method, &target, Some(ANA));
        let install = install_token(&world, &world.site, route.method, &target);
        let context = world.site.context_token(ANA);
        let of_forge =
            |module: &str, account| Presented::Bearer(world.site.invocation_token(module, account));
        for (kind, presented) in [
            (None, Presented::Nothing),
            (Some(TokenKind::Install), Presented::Header(install)),
            (Some(TokenKind::Server), Presented::Header(server.clone())),
            (Some(TokenKind::Page), Presented::Query(server)),
            (Some(TokenKind::Context), Presented::Header(context.clone())),
            (None, Presented::Query(context.clone())),
            (None, Presented::Bearer(context)),
            (Some(TokenKind::Invocation), of_forge("hourbook-panel", Some(ANA))),
            (Some(TokenKind::Event), of_forge("hourbook-worklogs", None)),
            (Some(TokenKind::Schedule), of_forge("hourbook-hour", None)),
            (Some(TokenKind::Removal), of_forge("hourbook-uninstall", None)),
            // The endpoint in the place of its module.
            (Some(TokenKind::Invocation), of_forge("hourbook-api", Some(ANA))),
            (Some(TokenKind::Event), of_forge("hourbook-events", None)),
            (Some(TokenKind::Schedule), of_forge("hourbook-schedule", None)),
            (Some(TokenKind::Removal), of_forge("hourbook-removal", None)),
        ] {
            let (url, headers) = match &presented {
                Presented::Nothing => (target.clone(), vec![]),
                Presented::Header(token) => (target.clone(), vec![("Authorization", format!("JWT {token}"))]),
                Presented::Bearer(token) => {
                    (target.clone(), vec![("Authorization", format!("Bearer {token}"))])
                }
                Presented::Query(token) => {
                    let joint = if target.contains('?') { '&' } else { '?' };
                    (format!("{target}{joint}jwt={token}"), vec![])
                }
            };
            // A body that no handler takes: whoever is let in gets 400 or so, never a change.
            let body = json!({ "key": "another.app", "clientKey": world.site.client_key(), "webhookEvent": "nothing" });
            let body = (route.method != "GET" && route.method != "DELETE").then_some(&body);
            let reply = send(&world, route.method, &url, body, &headers).await;
            let let_in = route.token == TokenKind::None || kind == Some(route.token);
            let refused = reply.status == 401 || reply.json["code"] == "module_refused";
            assert_eq!(refused, !let_in, "{} {} {presented:?}: {}", route.method, route.path, reply.text);
            if route.token == TokenKind::Removal && !refused {
                assert_eq!(world.site.install_by_forge(&world.url()).await, 204);
            }
            checked += 1;
        }
    }
    assert_eq!(checked, routes::all().len() * 15);
    world.end().await;
}

/// The OpenAPI document and the table name the same routes.
#[test]
fn the_openapi_document_names_every_route() {
    let document: Value = serde_json::from_str(&hourbook::web::openapi::render().unwrap()).unwrap();
    let mut documented: Vec<String> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, methods)| {
            methods.as_object().unwrap().keys().map(move |method| format!("{} {path}", method.to_uppercase()))
        })
        .collect();
    let mut table: Vec<String> =
        routes::all().iter().map(|route| format!("{} {}", route.method, route.path)).collect();
    // The same calls for pages of Forge, which the document describes in words.
    table.retain(|route| !route.contains("/forge/api/"));
    documented.sort();
    table.sort();
    assert_eq!(documented, table);
}

fn with(token: &str) -> Vec<(&'static str, String)> {
    vec![("Authorization", format!("JWT {token}"))]
}

#[tokio::test]
async fn context_tokens_are_checked_in_every_claim() {
    let world = World::installed().await;
    let now = world.cloud.clock.now_ms() / 1000;
    let secret = world.site.state().installation.clone().unwrap().secret;
    let right = json!({ "iss": world.site.client_key(), "iat": now, "exp": now + 60, "sub": BEN, "qsh": "context-qsh" });
    let twisted = |fields: Value| {
        let mut claims = right.clone();
        for (name, value) in fields.as_object().unwrap() {
            claims[name] = value.clone();
        }
        tokens::hs256(&claims, &secret)
    };
    let status = |token: String| {
        let world = &world;
        async move { send(world, "GET", "/api/v1/settings", None, &with(&token)).await.status }
    };
    assert_eq!(status(twisted(json!({}))).await, 200);
    assert_eq!(
        status(twisted(json!({ "iat": now + 30, "exp": now + 200 }))).await,
        200,
        "clocks may differ by a minute"
    );
    assert_eq!(
        status(twisted(json!({ "iat": now - 200, "exp": now - 30 }))).await,
        200,
        "clocks may differ by a minute"
    );
    for (why, fields) in [
        ("expired", json!({ "iat": now - 200, "exp": now - 61 })),
        ("not yet valid", json!({ "nbf": now + 90, "exp": now + 200 })),
        ("ends before it begins", json!({ "iat": now + 30, "exp": now + 20 })),
        ("no lifetime", json!({ "exp": null })),
        ("another tenant's issuer", json!({ "iss": world.other.client_key() })),
        ("an unknown issuer", json!({ "iss": "nobody" })),
        ("bound to a request", json!({ "qsh": qsh::hash("GET", "/api/v1/settings", "") })),
        ("no hash", json!({ "qsh": null })),
    ] {
        assert_eq!(status(twisted(fields)).await, 401, "{why}");
    }
    let no_user =
        send(&world, "GET", "/api/v1/settings", None, &with(&twisted(json!({ "sub": null })))).await;
    assert_eq!((no_user.status, no_user.json["code"].as_str()), (403, Some("no_user")));
    world.end().await;
}

/// Other algorithms, even with the right secret, and tokens without a signature.
#[tokio::test]
async fn algorithms_are_pinned() {
    use jsonwebtoken::{Algorithm, EncodingKey, Header};
    let world = World::installed().await;
    let now = world.cloud.clock.now_ms() / 1000;
    let secret = world.site.state().installation.clone().unwrap().secret;
    let claims = json!({ "iss": world.site.client_key(), "iat": now, "exp": now + 60, "sub": ANA, "qsh": "context-qsh" });
    for algorithm in [Algorithm::HS384, Algorithm::HS512] {
        let token = jsonwebtoken::encode(
            &Header::new(algorithm),
            &claims,
            &EncodingKey::from_secret(secret.as_bytes()),
        )
        .unwrap();
        assert_eq!(send(&world, "GET", "/api/v1/me", None, &with(&token)).await.status, 401, "{algorithm:?}");
    }
    let key = world.cloud.install_key();
    let rs256 = tokens::rs256(&claims, Some(&key.kid), &key.private_pem);
    assert_eq!(
        send(&world, "GET", "/api/v1/me", None, &with(&rs256)).await.status,
        401,
        "RS256 on an HS256 route"
    );
    let good = world.site.context_token(ANA);
    let payload = good.split('.').nth(1).unwrap();
    // {"alg":"none"} and an empty signature.
    let none = format!("{}{}.{payload}.", "ey", "JhbGciOiJub25lIn0");
    assert_eq!(send(&world, "GET", "/api/v1/me", None, &with(&none)).await.status, 401, "none");
    let hs_install = tokens::hs256(
        &json!({ "iss": world.site.client_key(), "iat": now, "exp": now + 60, "aud": [world.url()],
        "qsh": hourbook_simulator::qsh::hash("POST", "/connect/uninstalled") }),
        &secret,
    );
    let body = json!({ "key": crate::support::APP_KEY, "clientKey": world.site.client_key() });
    assert_eq!(
        send(&world, "POST", "/connect/uninstalled", Some(&body), &with(&hs_install)).await.status,
        401,
        "HS256 on an RS256 route"
    );
    let twice = vec![("Authorization", format!("JWT {good}")), ("Authorization", format!("JWT {good}"))];
    assert_eq!(send(&world, "GET", "/api/v1/me", None, &twice).await.status, 401, "two tokens are none");
    assert_eq!(
        send(&world, "GET", "/api/v1/me", None, &[("Authorization", format!("Bearer {good}"))]).await.status,
        401
    );
    assert_eq!(send(&world, "GET", "/api/v1/me", None, &with(&"x".repeat(20_000))).await.status, 401);
    world.end().await;
}

/// The hash is over the raw target: changed parameters of a page are noticed.
#[tokio::test]
async fn a_page_token_holds_for_its_very_request() {
    let world = World::installed().await;
    let url = world.site.page_url(&format!("/connect/panel?issueId={}", world.ids.issue), ANA);
    assert_eq!(send(&world, "GET", &url, None, &[]).await.status, 200);
    let other_issue =
        url.replace(&format!("issueId={}", world.ids.issue), &format!("issueId={}", world.ids.secret_issue));
    for changed in [
        other_issue,
        format!("{url}&extra=1"),
        url.replace("/connect/panel", "/connect/admin"),
        format!("{url}&jwt=x"),
    ] {
        assert_eq!(send(&world, "GET", &changed, None, &[]).await.status, 401, "{changed}");
    }
    world.end().await;
}

/// Acting as a person: a token of the least scopes, remembered, and asked for only within that person's request.
#[tokio::test]
async fn people_act_through_tokens_of_least_scope() {
    let world = World::installed().await;
    let body = json!({ "started": "2026-03-02T09:00:00Z", "timeSpentSeconds": 600 });
    for key in ["least-scope-1", "least-scope-2"] {
        assert_eq!(world.as_user(BEN).log_work(world.ids.issue, key, &body).await.status, 201);
    }
    let scopes: Vec<String> =
        world.site.state().tokens.values().map(|(_, scopes, _)| scopes.clone()).collect();
    assert_eq!(scopes, ["READ WRITE"], "one token for two writes");
    world.advance(std::time::Duration::from_secs(1000));
    assert_eq!(world.as_user(BEN).log_work(world.ids.issue, "least-scope-3", &body).await.status, 201);
    assert_eq!(world.site.state().tokens.len(), 2, "an expired one is renewed");
    world.site.state().users.get_mut(BEN).unwrap().active = false;
    world.advance(std::time::Duration::from_secs(1000));
    let refused = world.as_user(BEN).log_work(world.ids.issue, "least-scope-4", &body).await;
    assert_eq!((refused.status, refused.json["code"].as_str()), (403, Some("jira_forbidden")));
    world.end().await;
}
