//! Pages of the app inside Jira: they call the app's API with the token that Jira gives them.

use crate::site::Site;
use serde_json::Value;

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
        let Some(installation) = self.state().installation.clone() else { return (0, Value::Null) };
        let token = self.context_token(account_id);
        self.calls_with(&installation.app_url, &token, method, path, body, idempotency_key).await
    }

    /// A call with a given token.
    pub async fn calls_with(
        &self,
        app_url: &str,
        token: &str,
        method: &str,
        path: &str,
        body: Option<&Value>,
        idempotency_key: Option<&str>,
    ) -> (u16, Value) {
        let Ok(method) = method.parse() else { return (0, Value::Null) };
        let mut request = self
            .http
            .request(method, format!("{app_url}{path}"))
            .header("Authorization", format!("JWT {token}"));
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
