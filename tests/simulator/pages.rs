//! Pages of the app inside Jira: they call the app's API with the token that Jira gives them.

use crate::site::Site;
use serde_json::Value;

/// What a page calls with.
#[derive(Debug, Clone)]
pub struct PageProof {
    /// Where the API is.
    pub api: String,
    /// Headers of each call.
    pub headers: Vec<(&'static str, String)>,
}

impl Site {
    /// A call of a page, as a person; the status (0 if there was no answer) and the body.
    pub async fn page_calls(
        &self,
        account_id: &str,
        method: &str,
        path: &str,
        body: Option<&Value>,
        idempotency_key: Option<&str>,
    ) -> (u16, Value) {
        let Some(proof) = self.page_proof(account_id) else { return (0, Value::Null) };
        self.calls_with(&proof, method, path, body, idempotency_key).await
    }

    /// What proves a person to the app now, whichever host it came by; `None` where it is not installed.
    pub fn page_proof(&self, account_id: &str) -> Option<PageProof> {
        let (forge, connect) = {
            let state = self.state();
            (state.forge.clone(), state.installation.clone())
        };
        if let Some(app) = forge {
            let token = self.invocation_token("hourbook-panel", Some(account_id));
            let headers = vec![
                ("Authorization", format!("Bearer {token}")),
                ("x-forge-oauth-user", self.user_token(account_id)),
            ];
            return Some(PageProof { api: format!("{}/forge", app.app_url), headers });
        }
        let app_url = connect?.app_url;
        let headers = vec![("Authorization", format!("JWT {}", self.context_token(account_id)))];
        Some(PageProof { api: app_url, headers })
    }

    /// A call with a given proof.
    pub async fn calls_with(
        &self,
        proof: &PageProof,
        method: &str,
        path: &str,
        body: Option<&Value>,
        idempotency_key: Option<&str>,
    ) -> (u16, Value) {
        let Ok(method) = method.parse() else { return (0, Value::Null) };
        let mut request = self.http.request(method, format!("{}{path}", proof.api));
        for (name, value) in &proof.headers {
            request = request.header(*name, value);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        if let Some(key) = idempotency_key {
            request = request.header("Idempotency-Key", key);
        }
        match request.send().await {
            Ok(response) => {
                let status = response.status().as_u16();
                (status, response.json().await.unwrap_or(Value::Null))
            }
            Err(_) => (0, Value::Null),
        }
    }
}
