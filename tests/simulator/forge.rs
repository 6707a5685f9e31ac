//! Forge as it calls a remote: invocation tokens, the app's and people's own tokens, events, triggers by the clock, the
//! announcement of a removal. The gateway that such tokens are for is in [`crate::cloud`].

pub mod events;
pub mod triggers;

use crate::site::Site;
use crate::tokens;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::time::Duration;

/// The app's id.
pub const APP_ID: &str = "ari:cloud:ecosystem::app/7c1b9a52-0f44-4f0e-9d5f-2a2f6f1d8e11";
/// Seconds that an invocation token lives.
const TOKEN_LIFE: i64 = 25;
/// Seconds that a token for acting as the app lives at most, and the least that is left when it is handed out.
const SYSTEM_LIFE: (i64, i64) = (4 * 3600, 2 * 3600);
/// Seconds that a person's token lives.
const USER_LIFE: i64 = 900;

/// Where a body has the event: the documents do not agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Shape {
    /// At the top.
    #[default]
    Top,
    /// In `payload`.
    Payload,
    /// In `event`.
    Event,
}

/// The app, installed by Forge.
#[derive(Debug, Clone)]
pub struct ForgeApp {
    /// Where the app is.
    pub app_url: String,
    /// Another one after each reinstallation.
    pub installation_id: String,
    /// The version that is installed.
    pub version: String,
    /// The token for acting as the app, and until when it lives, seconds.
    pub system: Option<(String, i64)>,
    /// What tokens say of the licence.
    pub licence: Option<Value>,
    /// When the five-minute and the hourly trigger come next, ms.
    pub next: [i64; 2],
}

/// How Forge behaves towards a site's app, where its documents leave it open or things go wrong.
#[derive(Debug, Clone)]
pub struct Habits {
    /// The environment of the app that is installed: its type and id.
    pub environment: (&'static str, &'static str),
    /// Where bodies have the event.
    pub shape: Shape,
    /// Whether events of worklogs carry when they were created and updated.
    pub full_worklogs: bool,
    /// Whether invocation tokens name the endpoint that is called, and not the module that calls it.
    pub names_endpoints: bool,
    /// Whether tokens of triggers name the person behind the event.
    pub names_people: bool,
    /// Whether the app may ask what other people may do.
    pub app_may_check: bool,
    /// Percent of the triggers by the clock that do not come.
    pub skipped: u32,
    /// Percent of them that come twice.
    pub doubled: u32,
    /// Whether nothing comes by the clock at all.
    pub stopped: bool,
    /// Pause before an event is sent again, ms.
    pub retry_ms: i64,
}

impl Default for Habits {
    fn default() -> Self {
        Self {
            environment: ("PRODUCTION", "env-production"),
            shape: Shape::Top,
            full_worklogs: false,
            names_endpoints: false,
            names_people: false,
            app_may_check: true,
            skipped: 0,
            doubled: 0,
            stopped: false,
            retry_ms: 60_000,
        }
    }
}

/// What a token for Jira's REST API is good for.
#[derive(Debug, Clone)]
pub struct Bearer {
    /// Whose; `None` for the app's own.
    pub account: Option<String>,
    /// Of which installation.
    pub installation_id: String,
    /// Until when, seconds.
    pub until: i64,
}

/// What may differ in a token, for tokens that are wrong on purpose.
#[derive(Debug, Clone, Default)]
pub struct Twist {
    /// Claims that replace the right ones; `null` removes one.
    pub claims: Value,
    /// Claims within `app` that do.
    pub app: Value,
}

impl Site {
    /// The site's id in Forge.
    pub fn cloud_id(&self) -> String {
        self.state().cloud_id.clone()
    }

    /// Where its REST API is for Forge.
    pub fn gateway_url(&self) -> String {
        format!("{}/ex/jira/{}", self.cloud.url, self.cloud_id())
    }

    /// Installs the app by Forge, or again; returns the status of its answer to the event.
    pub async fn install_by_forge(&self, app_url: &str) -> u16 {
        let now = self.clock.now_ms();
        {
            let mut state = self.state();
            let licence = state.forge.take().and_then(|before| before.licence);
            state.forge = Some(ForgeApp {
                app_url: app_url.to_owned(),
                installation_id: format!("ari:cloud:ecosystem::installation/{:032x}", rand::random::<u128>()),
                version: "2.0.0".into(),
                system: None,
                licence,
                next: [now + triggers::EVERY[0], now + triggers::EVERY[1]],
            });
        }
        let event =
            json!({ "id": self.forge().installation_id, "app": { "id": APP_ID, "version": "2.0.0" } });
        self.post_event("avi:forge:installed:app", event, 0).await
    }

    /// An admin approves another major version: the same installation, a newer app.
    pub async fn upgrade_by_forge(&self, version: &str) -> u16 {
        if let Some(app) = self.state().forge.as_mut() {
            app.version = version.to_owned();
        }
        let event =
            json!({ "id": self.forge().installation_id, "app": { "id": APP_ID, "version": version } });
        self.post_event("avi:forge:upgraded:app", event, 0).await
    }

    /// Removes the app: announced, and gone whatever the app answers. Returns the status of its answer.
    pub async fn uninstall_by_forge(&self) -> u16 {
        let status = self.announce_removal().await;
        self.vanish();
        status
    }

    /// Announces a removal, which may come to nothing.
    pub async fn announce_removal(&self) -> u16 {
        let body = self.context_body("hourbook-uninstall");
        self.call_remote("/forge/uninstall", "hourbook-uninstall", &body).await
    }

    /// The app is gone without a word, whichever host it came by.
    pub fn lose_app(&self) {
        self.state().installation = None;
        self.vanish();
    }

    /// The app is gone without a word, with its tokens.
    pub fn vanish(&self) {
        let mut state = self.state();
        state.forge = None;
        state.bearers.clear();
    }

    /// The app as it is installed.
    ///
    /// # Panics
    /// When it is not.
    pub fn forge(&self) -> ForgeApp {
        self.state().forge.clone().expect("the app is installed by Forge")
    }

    pub(crate) fn context_body(&self, module: &str) -> Value {
        let context = json!({ "cloudId": self.cloud_id(), "moduleKey": module });
        json!({ "context": context, "contextToken": "canarytoken-context" })
    }

    /// A token for a module of the app; from a page there is a person.
    pub fn invocation_token(&self, module: &str, account: Option<&str>) -> String {
        self.invocation_token_with(module, account, &Twist::default())
    }

    /// The same, wrong on purpose.
    pub fn invocation_token_with(&self, module: &str, account: Option<&str>, twist: &Twist) -> String {
        let key = self.cloud.forge_key();
        tokens::rs256(&self.invocation_claims(module, account, twist), Some(&key.kid), &key.private_pem)
    }

    /// What such a token says.
    pub fn invocation_claims(&self, module: &str, account: Option<&str>, twist: &Twist) -> Value {
        let (now, app) = (self.clock.now_ms() / 1000, self.forge());
        let cloud_id = self.cloud_id();
        let gateway = self.gateway_url();
        let Habits { environment: (environment, environment_id), names_endpoints, names_people, .. } =
            self.state().habits;
        let (kind, key) = match account {
            _ if names_endpoints => ("core:endpoint", endpoint(module)),
            Some(_) => ("jira:globalPage", module),
            None => ("core:trigger", module),
        };
        let mut claims = json!({
            "aud": APP_ID, "iss": "forge/invocation-token", "iat": now, "nbf": now, "exp": now + TOKEN_LIFE,
            "jti": format!("{:032x}", rand::random::<u128>()),
            "app": {
                "id": APP_ID, "version": 7, "appVersion": app.version, "installationId": app.installation_id,
                "apiBaseUrl": gateway,
                "environment": { "type": environment, "id": environment_id },
                "module": { "type": kind, "key": key },
                "installation": { "id": app.installation_id,
                    "contexts": [{ "name": "jira", "cloudId": cloud_id, "apiBaseUrl": gateway }] },
            },
            "context": { "cloudId": cloud_id, "moduleKey": module },
        });
        let simple = self.state().licence.map(|active| json!({ "active": active, "isEvaluation": false }));
        if let Some(licence) = app.licence.or(simple) {
            claims["app"]["license"] = licence;
        }
        if let Some(account) = account {
            claims["principal"] = json!(account);
            claims["context"]["siteUrl"] = json!(self.base_url);
        } else if names_people {
            claims["principal"] = json!(self.state().users.keys().next());
        }
        replace(&mut claims, &twist.claims);
        replace(&mut claims["app"], &twist.app);
        claims
    }

    /// The token for acting as the app, the same for hours.
    pub fn system_token(&self) -> String {
        let now = self.clock.now_ms() / 1000;
        let mut state = self.state();
        let Some(app) = state.forge.as_mut() else { return String::new() };
        if let Some((token, until)) = app.system.as_ref()
            && until - now >= SYSTEM_LIFE.1
        {
            return token.clone();
        }
        let until = now + SYSTEM_LIFE.0;
        let payload = URL_SAFE_NO_PAD.encode(json!({ "exp": until }).to_string());
        let token = format!("canarytoken-system.{payload}.{:032x}", rand::random::<u128>());
        app.system = Some((token.clone(), until));
        let installation_id = app.installation_id.clone();
        state.bearers.insert(token.clone(), Bearer { account: None, installation_id, until });
        token
    }

    /// A person's token for one request.
    pub fn user_token(&self, account: &str) -> String {
        let until = self.clock.now_ms() / 1000 + USER_LIFE;
        let token = format!("canarytoken-user-{:032x}", rand::random::<u128>());
        let mut state = self.state();
        let Some(installation_id) = state.forge.as_ref().map(|app| app.installation_id.clone()) else {
            return token;
        };
        let bearer = Bearer { account: Some(account.to_owned()), installation_id, until };
        state.bearers.insert(token.clone(), bearer);
        token
    }

    /// Calls the remote as Forge does by itself; 0 if there was no answer within five seconds.
    pub async fn call_remote(&self, path: &str, module: &str, body: &Value) -> u16 {
        let token = self.invocation_token(module, None);
        let sent = self
            .http
            .post(format!("{}{path}", self.forge().app_url))
            .timeout(Duration::from_secs(5))
            .header("Authorization", format!("Bearer {token}"))
            .header("x-forge-oauth-system", self.system_token())
            .header("x-b3-traceid", "80f198ee56343ba864fe8b2a57d3eff7")
            .json(body)
            .send()
            .await;
        sent.map_or(0, |response| response.status().as_u16())
    }

    /// Whose token for the REST API this is.
    pub(crate) fn bearer(&self, token: &str) -> Result<Option<String>, &'static str> {
        let now = self.clock.now_ms() / 1000;
        let state = self.state();
        let app = state.forge.as_ref().ok_or("not installed")?;
        let bearer = state.bearers.get(token).ok_or("unknown token")?;
        if bearer.installation_id != app.installation_id {
            return Err("not installed");
        }
        if bearer.until <= now {
            return Err("expired token");
        }
        Ok(bearer.account.clone())
    }
}

/// The endpoint of the app's manifest that a module calls.
fn endpoint(module: &str) -> &'static str {
    match module {
        "hourbook-panel" | "hourbook-reports" | "hourbook-admin" => "hourbook-api",
        "hourbook-minutes" | "hourbook-hour" => "hourbook-schedule",
        "hourbook-uninstall" => "hourbook-removal",
        _ => "hourbook-events",
    }
}

fn replace(claims: &mut Value, by: &Value) {
    let Some(fields) = by.as_object() else { return };
    for (name, value) in fields {
        if value.is_null() {
            claims.as_object_mut().map(|claims| claims.remove(name));
        } else {
            claims[name] = value.clone();
        }
    }
}
