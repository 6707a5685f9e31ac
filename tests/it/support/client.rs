//! Calls of a page of ours, signed as its host would.

use super::World;
use hourbook_simulator::site::Site;
use serde_json::Value;
use std::time::Duration;

/// Tries of a call that finds no token of Forge.
const FOR_A_TOKEN: u32 = 60;

pub struct Client<'a> {
    pub world: &'a World,
    pub site: &'a Site,
    pub account: String,
}

#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub bytes: Vec<u8>,
    pub text: String,
    /// Null where the body is no JSON.
    pub json: Value,
}

impl Client<'_> {
    pub async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, None, &[]).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        self.send("POST", path, Some(body), &[]).await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Reply {
        self.send("PUT", path, Some(body), &[]).await
    }

    pub async fn delete(&self, path: &str) -> Reply {
        self.send("DELETE", path, None, &[]).await
    }

    /// Logs work with an idempotency key.
    pub async fn log_work(&self, issue: i64, key: &str, body: &Value) -> Reply {
        let path = format!("/api/v1/issues/{issue}/worklogs");
        self.send("POST", &path, Some(body), &[("Idempotency-Key", key)]).await
    }

    pub async fn send(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> Reply {
        let mut tries = 0;
        loop {
            let (path, mut all) = self.proof(path);
            all.extend(headers.iter().map(|(name, value)| (*name, (*value).to_owned())));
            let reply = send(self.world, method, &path, body, &all).await;
            // The clock was moved by hours, as happens in tests alone: the trigger that brings the next token of Forge
            // is on its way.
            if reply.json["code"] != "system_token_missing" || tries == FOR_A_TOKEN {
                return reply;
            }
            tries += 1;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Where the host's pages call, and what proves them there.
    pub fn proof(&self, path: &str) -> (String, Vec<(&'static str, String)>) {
        let by_forge = self.site.state().forge.is_some();
        if by_forge && !path.starts_with("/api/v1") {
            return (path.to_owned(), Vec::new());
        }
        if !by_forge {
            let token = self.site.context_token(&self.account);
            return (path.to_owned(), vec![("Authorization", format!("JWT {token}"))]);
        }
        let token = self.site.invocation_token("hourbook-panel", Some(&self.account));
        let headers = vec![
            ("Authorization", format!("Bearer {token}")),
            ("x-forge-oauth-user", self.site.user_token(&self.account)),
        ];
        (format!("/forge{path}"), headers)
    }
}

/// A call with exactly these headers.
pub async fn send(
    world: &World,
    method: &str,
    path: &str,
    body: Option<&Value>,
    headers: &[(&str, String)],
) -> Reply {
    let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", world.url()) };
    let mut request = world.http.request(method.parse().unwrap(), url);
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    if let Some(body) = body {
        request = request.json(body);
    }
    let response = request.send().await.expect("an answer");
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let bytes = response.bytes().await.expect("a body").to_vec();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let mut json = serde_json::from_str(&text).unwrap_or(Value::Null);
    let kind = headers.get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if status >= 400 && kind.starts_with("text/html") {
        // A page that is refused tells the code to whoever reads it.
        let code = text.split("<code>").nth(1).and_then(|rest| rest.split("</code>").next());
        json = serde_json::json!({ "code": code.expect("a code"), "detail": text });
    } else if status >= 400 && !text.is_empty() {
        let expected =
            if path.starts_with("/forge") { "application/json" } else { "application/problem+json" };
        assert_eq!(kind, expected, "{method} {path}: {text}");
        assert!(json["code"].is_string() && json["detail"].is_string(), "{text}");
    }
    Reply { status, headers, bytes, text, json }
}
