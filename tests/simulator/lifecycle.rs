//! Installing and uninstalling the app, signed as Atlassian does.

use crate::qsh;
use crate::site::Site;
use crate::state::Installation;
use crate::tokens;
use serde_json::{Value, json};

/// What may differ in a lifecycle call, for calls that are wrong on purpose.
#[derive(Debug, Clone, Default)]
pub struct Twist {
    /// Claims that replace the right ones.
    pub claims: Option<Value>,
    /// Fields that replace those of the body.
    pub body: Option<Value>,
}

impl Site {
    /// Installs the app, or tells it of a change; returns the status of its answer. The secret is kept if the app
    /// is installed already.
    pub async fn install(&self, app_url: &str, app_key: &str) -> u16 {
        if self.state().by_forge {
            return self.install_by_forge(app_url).await;
        }
        let known = self.state().installation.clone();
        let secret = known.as_ref().map_or_else(
            || format!("canarysecret-{:032x}", rand::random::<u128>()),
            |known| known.secret.clone(),
        );
        self.install_with(app_url, app_key, &secret).await
    }

    /// Installs the app with a given secret.
    pub async fn install_with(&self, app_url: &str, app_key: &str, secret: &str) -> u16 {
        let installation = Installation {
            app_url: app_url.to_owned(),
            app_key: app_key.to_owned(),
            secret: secret.to_owned(),
            oauth_client_id: format!("client-{}", self.client_key()),
        };
        // Calls of the app may come before its answer.
        let before = self.state().installation.replace(installation);
        let status = self.call("installed", app_url, app_key, Some(secret), &Twist::default()).await;
        if !(200..300).contains(&status) {
            self.state().installation = before;
        }
        status
    }

    /// Uninstalls the app; Jira asks no second time. Returns the status of the app's answer.
    ///
    /// # Panics
    /// When it is not installed.
    pub async fn uninstall(&self) -> u16 {
        if self.state().by_forge {
            self.state().outbox.clear();
            return self.uninstall_by_forge().await;
        }
        let installation = self.state().installation.take().expect("the app is installed");
        self.state().outbox.clear();
        self.call("uninstalled", &installation.app_url, &installation.app_key, None, &Twist::default()).await
    }

    /// A lifecycle call; 0 if there was no answer.
    pub async fn call(
        &self,
        event: &str,
        app_url: &str,
        app_key: &str,
        secret: Option<&str>,
        twist: &Twist,
    ) -> u16 {
        let key = self.cloud.install_key();
        let now = {
            // Tokens have whole seconds; two different calls of a site never have the same one.
            let (now, mut state) = (self.clock.now_ms() / 1000, self.state());
            state.lifecycle_at = now.max(state.lifecycle_at + 1);
            state.lifecycle_at
        };
        let path = format!("/connect/{event}");
        let mut claims = json!({ "iss": self.client_key(), "iat": now, "exp": now + 180, "aud": [app_url],
            "qsh": qsh::hash("POST", &path) });
        let mut body = json!({ "key": app_key, "clientKey": self.client_key(), "baseUrl": self.base_url,
            "displayUrl": self.base_url, "productType": "jira", "description": "Simulated Jira",
            "serverVersion": "1001.0.0", "pluginsVersion": "1001.0.0", "eventType": event,
            "oauthClientId": format!("client-{}", self.client_key()), "publicKey": "deprecated" });
        if let Some(secret) = secret {
            body["sharedSecret"] = json!(secret);
        }
        merge(&mut claims, twist.claims.as_ref());
        merge(&mut body, twist.body.as_ref());
        let token = tokens::rs256(&claims, Some(&key.kid), &key.private_pem);
        let sent = self
            .http
            .post(format!("{app_url}{path}"))
            .header("Authorization", format!("JWT {token}"))
            .json(&body)
            .send()
            .await;
        sent.map_or(0, |response| response.status().as_u16())
    }
}

fn merge(into: &mut Value, from: Option<&Value>) {
    let Some(Value::Object(fields)) = from else { return };
    for (name, value) in fields {
        into[name] = value.clone();
    }
}
