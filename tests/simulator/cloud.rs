//! Atlassian's own services: installation keys by key id, and tokens for acting as a person.

use crate::clock::Clock;
use crate::limits::{Allowed, Limits};
use crate::site::Site;
use crate::tokens;
use actix_web::{App, HttpResponse, HttpServer, web};
use parking_lot::Mutex;
use rsa::pkcs1::EncodeRsaPrivateKey;
use rsa::pkcs8::{EncodePublicKey, LineEnding};
use rsa::rand_core::OsRng;
use serde::Deserialize;
use std::collections::HashMap;
use std::net::TcpListener;
use std::sync::{Arc, LazyLock};

/// A key pair of the installation service.
pub struct InstallKey {
    /// Its id.
    pub kid: String,
    /// The private key, PKCS#1 PEM.
    pub private_pem: String,
    public_pem: String,
}

/// Making RSA keys is slow: one for the whole process.
static KEY: LazyLock<Arc<InstallKey>> = LazyLock::new(|| Arc::new(InstallKey::generate("install-key-1")));

impl InstallKey {
    /// A new pair.
    ///
    /// # Panics
    /// When no key can be made.
    pub fn generate(kid: &str) -> Self {
        let private = rsa::RsaPrivateKey::new(&mut OsRng, 2048).expect("an RSA key");
        Self {
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
                .route("/{kid}", web::get().to(public_key))
        })
        .workers(1)
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
