//! Atlassian's own services: installation keys by key id, tokens for acting as a person, the key set of Forge, and the
//! gateway below which sites of Forge are and accounts are reported.

use crate::clock::Clock;
use crate::limits::{Allowed, Limits};
use crate::rest;
use crate::site::Site;
use crate::tokens;
use actix_web::http::StatusCode;
use actix_web::{App, HttpRequest, HttpResponse, HttpResponseBuilder, HttpServer, web};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::Mutex;
use rsa::pkcs1::EncodeRsaPrivateKey;
use rsa::pkcs8::{EncodePublicKey, LineEnding};
use rsa::rand_core::OsRng;
use rsa::traits::PublicKeyParts;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::net::TcpListener;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// A key pair of the installation service, or of Forge.
pub struct InstallKey {
    /// Its id.
    pub kid: String,
    /// The private key, PKCS#1 PEM.
    pub private_pem: String,
    public_pem: String,
    /// Modulus and exponent, as a key set has them.
    numbers: [String; 2],
}

impl InstallKey {
    /// The public key, PEM.
    pub fn public_pem(&self) -> &str {
        &self.public_pem
    }
}

/// An account as it was reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportedAccount {
    /// Whose.
    pub account_id: String,
    /// Since when it is held, as told.
    pub updated_at: String,
    /// When it was reported, ms.
    pub at: i64,
}

/// What Atlassian knows of accounts, and what it was told.
#[derive(Debug, Default)]
pub struct Accounts {
    /// Accounts that their owners closed.
    pub closed: Vec<String>,
    /// Accounts that changed.
    pub updated: Vec<String>,
    /// Days of the cycle that answers name.
    pub cycle: Option<String>,
    /// Every account of every report.
    pub reported: Vec<ReportedAccount>,
    /// Sizes of the reports.
    pub sizes: Vec<usize>,
    /// Statuses of the next answers.
    pub fail: Vec<u16>,
}

/// How long the simulator's servers keep an idle connection; Atlassian's do for minutes.
pub(crate) const KEPT_ALIVE: Duration = Duration::from_secs(300);

/// Making RSA keys is slow: one for the whole process.
static KEY: LazyLock<Arc<InstallKey>> = LazyLock::new(|| Arc::new(InstallKey::generate("install-key-1")));
static FORGE_KEY: LazyLock<Arc<InstallKey>> = LazyLock::new(|| Arc::new(InstallKey::generate("forge-key-1")));

impl InstallKey {
    /// A new pair.
    ///
    /// # Panics
    /// When no key can be made.
    pub fn generate(kid: &str) -> Self {
        let private = rsa::RsaPrivateKey::new(&mut OsRng, 2048).expect("an RSA key");
        let number = |number: &rsa::BigUint| URL_SAFE_NO_PAD.encode(number.to_bytes_be());
        Self {
            numbers: [number(private.n()), number(private.e())],
            kid: kid.to_owned(),
            private_pem: private.to_pkcs1_pem(LineEnding::LF).expect("PEM").to_string(),
            public_pem: private.to_public_key().to_public_key_pem(LineEnding::LF).expect("PEM"),
        }
    }
}

/// The services, and the sites that they know.
pub struct Cloud {
    /// Origin of both services.
    pub url: String,
    /// One clock for Atlassian.
    pub clock: Clock,
    keys: Mutex<Vec<Arc<InstallKey>>>,
    forge_keys: Mutex<Vec<Arc<InstallKey>>>,
    /// How often the key set was asked for.
    pub set_requests: Mutex<u32>,
    /// How long the answer takes.
    pub set_takes: Mutex<Duration>,
    /// What Atlassian knows of accounts.
    pub accounts: Mutex<Accounts>,
    sites: Mutex<HashMap<String, Arc<Site>>>,
    key_requests: Mutex<u32>,
    limits: Mutex<Option<Arc<Limits>>>,
}

impl Cloud {
    /// Starts the services on a free port.
    ///
    /// # Panics
    /// When no port is free.
    pub fn start() -> Arc<Self> {
        // Fails only if it was set before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let cloud = Arc::new(Self {
            url,
            clock: Clock::default(),
            keys: Mutex::new(vec![Arc::clone(&KEY)]),
            forge_keys: Mutex::new(vec![Arc::clone(&FORGE_KEY)]),
            set_requests: Mutex::default(),
            set_takes: Mutex::default(),
            accounts: Mutex::default(),
            sites: Mutex::default(),
            key_requests: Mutex::default(),
            limits: Mutex::default(),
        });
        let data = web::Data::from(Arc::clone(&cloud));
        let server = HttpServer::new(move || {
            App::new()
                .app_data(data.clone())
                .route("/oauth2/token", web::post().to(token))
                .route("/all.js", web::get().to(crate::host::all_js))
                .app_data(web::PayloadConfig::new(8 * 1024 * 1024))
                .route("/forge-pages/{file:.*}", web::get().to(crate::host::forge::file))
                .route("/.well-known/jwks.json", web::get().to(key_set))
                .route("/app/report-accounts/", web::post().to(report_accounts))
                .route("/ex/jira/{cloud}/{tail:.*}", web::to(gateway))
                .route("/{kid}", web::get().to(public_key))
        })
        .workers(1)
        .keep_alive(KEPT_ALIVE)
        .disable_signals()
        .listen(listener)
        .expect("a server")
        .run();
        tokio::spawn(server);
        cloud
    }

    /// The key that signs lifecycle calls now.
    pub fn install_key(&self) -> Arc<InstallKey> {
        let keys = self.keys.lock();
        Arc::clone(keys.last().unwrap_or(&KEY))
    }

    /// Makes another key the signing one, as Atlassian does from time to time.
    pub fn rotate_install_key(&self, key: InstallKey) {
        self.keys.lock().push(Arc::new(key));
    }

    /// Where the apps are that sites have installed by Forge.
    pub(crate) fn app_urls(&self) -> Vec<String> {
        let sites: Vec<Arc<Site>> = self.sites.lock().values().cloned().collect();
        sites.iter().filter_map(|site| site.state().forge.as_ref().map(|app| app.app_url.clone())).collect()
    }

    /// The key that signs invocation tokens now.
    pub fn forge_key(&self) -> Arc<InstallKey> {
        let keys = self.forge_keys.lock();
        Arc::clone(keys.last().unwrap_or(&FORGE_KEY))
    }

    /// Signs invocation tokens with another key; the former is withdrawn.
    pub fn rotate_forge_key(&self, key: InstallKey) {
        *self.forge_keys.lock() = vec![Arc::new(key)];
    }

    /// How often a key was asked for.
    pub fn key_requests(&self) -> u32 {
        *self.key_requests.lock()
    }

    /// Switches the rate limits on, for all sites.
    pub fn limit(&self, allowed: Allowed) {
        *self.limits.lock() = Some(Arc::new(Limits::new(allowed)));
    }

    /// The rate limits, if they are on.
    pub fn limits(&self) -> Option<Arc<Limits>> {
        self.limits.lock().clone()
    }

    pub(crate) fn know(&self, site: &Arc<Site>) {
        self.sites.lock().insert(site.base_url.clone(), Arc::clone(site));
    }
}

async fn public_key(cloud: web::Data<Cloud>, kid: web::Path<String>) -> HttpResponse {
    *cloud.key_requests.lock() += 1;
    let keys = cloud.keys.lock();
    match keys.iter().find(|key| key.kid == *kid) {
        Some(key) => HttpResponse::Ok()
            .content_type("application/x-pem-file")
            .insert_header(("Date", cloud.clock.http_date()))
            .body(key.public_pem.clone()),
        None => HttpResponse::NotFound().finish(),
    }
}

async fn key_set(cloud: web::Data<Cloud>) -> HttpResponse {
    *cloud.set_requests.lock() += 1;
    let takes = *cloud.set_takes.lock();
    tokio::time::sleep(takes).await;
    let keys = cloud.forge_keys.lock();
    let of_rsa = keys.iter().map(|key| {
        let [n, e] = &key.numbers;
        json!({ "kty": "RSA", "kid": key.kid, "use": "sig", "alg": "RS256", "n": n, "e": e })
    });
    // A set may have keys of kinds that are yet to come.
    let of_tomorrow = json!({ "kty": "AKP", "kid": "canary-of-tomorrow", "alg": "ML-DSA-65", "pub": "AAAA" });
    let set: Vec<Value> = std::iter::once(of_tomorrow).chain(of_rsa).collect();
    HttpResponse::Ok().insert_header(("Date", cloud.clock.http_date())).json(json!({ "keys": set }))
}

/// The REST API of a site, for tokens of Forge.
async fn gateway(cloud: web::Data<Cloud>, request: HttpRequest, body: web::Bytes) -> HttpResponse {
    let cloud_id = request.match_info().query("cloud").to_owned();
    let site = cloud.sites.lock().values().find(|site| site.cloud_id() == cloud_id).cloned();
    let Some(site) = site else { return dated(&cloud, StatusCode::NOT_FOUND).finish() };
    let path = request.path().split_once(&cloud_id).map_or("", |(_, path)| path).to_owned();
    rest::serve(&request, &path, body, &site, rest::Door::Gateway).await
}

#[derive(Deserialize)]
struct Report {
    accounts: Vec<Account>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Account {
    account_id: String,
    updated_at: String,
}

/// An answer by Atlassian's clock.
fn dated(cloud: &Cloud, status: StatusCode) -> HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    response.insert_header(("Date", cloud.clock.http_date()));
    response
}

async fn report_accounts(
    cloud: web::Data<Cloud>,
    request: HttpRequest,
    report: web::Json<Report>,
) -> HttpResponse {
    let header =
        request.headers().get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let sites: Vec<Arc<Site>> = cloud.sites.lock().values().cloned().collect();
    let known = sites.iter().any(|site| match header.split_once(' ') {
        Some(("Bearer", token)) => site.bearer(token) == Ok(None),
        Some(("JWT", token)) => site.signed_by_app(token, "POST", "/app/report-accounts/"),
        _ => false,
    });
    if !known {
        return dated(&cloud, StatusCode::UNAUTHORIZED).finish();
    }
    let mut accounts = cloud.accounts.lock();
    if let Some(status) = accounts.fail.pop() {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        return dated(&cloud, status).insert_header(("Retry-After", "1")).finish();
    }
    if report.accounts.is_empty() || report.accounts.len() > 90 {
        return HttpResponse::BadRequest()
            .json(json!({ "errorType": "TOO_MANY", "errorMessage": "90 at most" }));
    }
    accounts.sizes.push(report.accounts.len());
    let at = cloud.clock.now_ms();
    let mut told = Vec::new();
    for Account { account_id, updated_at } in report.into_inner().accounts {
        if accounts.closed.contains(&account_id) {
            told.push(json!({ "accountId": account_id, "status": "closed" }));
        } else if accounts.updated.contains(&account_id) {
            told.push(json!({ "accountId": account_id, "status": "updated" }));
        }
        accounts.reported.push(ReportedAccount { account_id, updated_at, at });
    }
    let status = if told.is_empty() { StatusCode::NO_CONTENT } else { StatusCode::OK };
    let mut response = dated(&cloud, status);
    if let Some(cycle) = &accounts.cycle {
        response.insert_header(("Cycle-Period", cycle.clone()));
    }
    if told.is_empty() { response.finish() } else { response.json(json!({ "accounts": told })) }
}

#[derive(Deserialize)]
struct TokenRequest {
    grant_type: String,
    assertion: String,
    scope: Option<String>,
}

async fn token(cloud: web::Data<Cloud>, form: web::Form<TokenRequest>) -> HttpResponse {
    let refuse = |why: &str| {
        HttpResponse::BadRequest()
            .json(serde_json::json!({ "error": "invalid_grant", "error_description": why }))
    };
    if form.grant_type != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
        return refuse("grant_type");
    }
    let Some(tenant) = tokens::unverified(&form.assertion, "tnt") else { return refuse("tnt") };
    let site = cloud.sites.lock().get(&tenant).cloned();
    let Some(site) = site else { return refuse("unknown tenant") };
    match site.grant(&form.assertion, form.scope.as_deref().unwrap_or("READ"), &cloud.url) {
        Ok((token, expires_in)) => HttpResponse::Ok().json(serde_json::json!({
            "access_token": token, "expires_in": expires_in, "token_type": "Bearer",
        })),
        Err(why) => refuse(why),
    }
}
