//! One Jira site on a port of its own.

use crate::clock::Clock;
use crate::cloud::{Cloud, KEPT_ALIVE};
use crate::faults::{Fault, Rule};
use crate::host;
use crate::qsh;
use crate::rest;
use crate::state::{Delivery, Installation, State};
use crate::tokens;
use crate::webhooks;
use actix_web::{App, HttpServer, web};
use parking_lot::{Mutex, MutexGuard};
use serde_json::{Value, json};
use std::net::TcpListener;
use std::sync::Arc;

/// Seconds that tokens of people live.
const TOKEN_LIFE: i64 = 900;

/// A site.
pub struct Site {
    /// Its address.
    pub base_url: String,
    /// Atlassian's name of it.
    client_key: Mutex<String>,
    /// Atlassian's services.
    pub cloud: Arc<Cloud>,
    /// Its clock.
    pub clock: Clock,
    pub(crate) http: reqwest::Client,
    pub(crate) wake: tokio::sync::Notify,
    state: Mutex<State>,
}

impl Site {
    /// Starts a site on a free port, with nothing in it.
    ///
    /// # Panics
    /// When no port is free.
    pub fn start(cloud: &Arc<Cloud>, client_key: &str) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let base_url = format!("http://{}", listener.local_addr().expect("an address"));
        let site = Arc::new(Self {
            base_url,
            client_key: Mutex::new(client_key.to_owned()),
            cloud: Arc::clone(cloud),
            clock: cloud.clock.clone(),
            http: reqwest::Client::new(),
            wake: tokio::sync::Notify::new(),
            state: Mutex::new(State::new()),
        });
        cloud.know(&site);
        let data = web::Data::from(Arc::clone(&site));
        let server = HttpServer::new(move || {
            App::new()
                .app_data(data.clone())
                .app_data(web::PayloadConfig::new(8 * 1024 * 1024))
                .configure(host::configure)
                .default_service(web::to(rest::answer))
        })
        .workers(1)
        .keep_alive(KEPT_ALIVE)
        .disable_signals()
        .shutdown_timeout(1)
        .listen(listener)
        .expect("a server")
        .run();
        tokio::spawn(server);
        tokio::spawn(webhooks::deliver(Arc::downgrade(&site)));
        site
    }

    /// The state, locked.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Atlassian's name of the site.
    pub fn client_key(&self) -> String {
        self.client_key.lock().clone()
    }

    /// As after a site import: the same address, another clientKey, and nobody is told.
    pub fn import_as(&self, client_key: &str) {
        *self.client_key.lock() = client_key.to_owned();
        self.state().installation = None;
    }

    /// Lets the next calls fail.
    pub fn fail(&self, method: &'static str, path: &str, fault: Fault, times: u32) {
        self.state().faults.push(Rule { method, path: path.to_owned(), fault, times });
    }

    /// Sets how webhooks are delivered.
    pub fn deliver_webhooks(&self, delivery: Delivery) {
        self.state().delivery = delivery;
        self.wake.notify_one();
    }

    /// Records exchanges from now on.
    pub fn record(&self) {
        self.state().exchanges.get_or_insert_default();
    }

    /// How many calls there were whose path contains a text.
    pub fn calls(&self, part: &str) -> u64 {
        self.state().calls.iter().filter(|(path, _)| path.contains(part)).map(|(_, count)| count).sum()
    }

    fn installation(&self) -> Installation {
        self.state().installation.clone().expect("the app is installed")
    }

    /// Whether the app is installed, by whichever host.
    pub fn has_app(&self) -> bool {
        let state = self.state();
        state.installation.is_some() || state.forge.is_some()
    }

    /// Where Jira shows a page of the app, by its module.
    pub fn app_page_url(&self, module: &str) -> String {
        let path = if self.state().forge.is_some() {
            host::forge::path(module)
        } else {
            format!("/plugins/servlet/ac/{}/{module}", self.app_key())
        };
        format!("{}{path}", self.base_url)
    }

    /// Whether the app of this site signed a request.
    pub(crate) fn signed_by_app(&self, token: &str, method: &str, target: &str) -> bool {
        rest::by_signature(self, token, method, target).is_ok()
    }

    /// The key of the app that is installed.
    pub(crate) fn app_key(&self) -> String {
        self.state().installation.as_ref().map(|app| app.app_key.clone()).unwrap_or_default()
    }

    /// The token that a page gets for its own calls.
    pub fn context_token(&self, account_id: &str) -> String {
        let now = self.clock.now_ms() / 1000;
        let claims = json!({ "iss": self.client_key(), "iat": now, "exp": now + 900, "sub": account_id,
            "qsh": "context-qsh", "context": {} });
        tokens::hs256(&claims, &self.installation().secret)
    }

    /// A token for one request of Jira's server, or of a page load if there is a person.
    pub fn request_token(&self, method: &str, target: &str, account_id: Option<&str>) -> String {
        self.signed(method, target, account_id, &self.installation().secret)
    }

    pub(crate) fn signed(
        &self,
        method: &str,
        target: &str,
        account_id: Option<&str>,
        secret: &str,
    ) -> String {
        let now = self.clock.now_ms() / 1000;
        let mut claims = json!({ "iss": self.client_key(), "iat": now, "exp": now + 180,
            "qsh": qsh::hash(method, target), "context": {} });
        if let Some(account_id) = account_id {
            claims["sub"] = json!(account_id);
        }
        tokens::hs256(&claims, secret)
    }

    /// The address of a page of the app as the iframe loads it.
    pub fn page_url(&self, path: &str, account_id: &str) -> String {
        let joint = if path.contains('?') { '&' } else { '?' };
        let target = format!(
            "{path}{joint}xdm_e={}&cp=&lic={}&cv=1001",
            self.base_url.replace(':', "%3A").replace('/', "%2F"),
            if self.state().licence == Some(false) { "none" } else { "active" }
        );
        let token = self.request_token("GET", &target, Some(account_id));
        format!("{}{target}&jwt={token}", self.installation().app_url)
    }

    /// The JWT-bearer grant.
    pub(crate) fn grant(
        &self,
        assertion: &str,
        scopes: &str,
        audience: &str,
    ) -> Result<(String, i64), &'static str> {
        let installation = self.state().installation.clone().ok_or("not installed")?;
        let claims = tokens::verify(assertion, &installation.secret).ok_or("signature")?;
        let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
        let number = |name: &str| claims.get(name).and_then(Value::as_i64).unwrap_or_default();
        let now = self.clock.now_ms() / 1000;
        if number("exp") <= now || number("exp") - number("iat") > 120 {
            return Err("lifetime");
        }
        if text("aud") != audience {
            return Err("audience");
        }
        if text("iss") != format!("urn:atlassian:connect:clientid:{}", installation.oauth_client_id) {
            return Err("issuer");
        }
        let account = text("sub").strip_prefix("urn:atlassian:connect:useraccountid:").ok_or("subject")?;
        let mut state = self.state();
        if !state.users.get(account).is_some_and(|user| user.active) {
            return Err("unknown user");
        }
        let token = format!("canarytoken-{:032x}", rand::random::<u128>());
        let until = now + TOKEN_LIFE;
        state.tokens.insert(token.clone(), (account.to_owned(), scopes.to_owned(), until));
        Ok((token, TOKEN_LIFE))
    }
}
