//! How Forge shows an app's pages: from an origin of its own, with its half of the bridge put in, in a sandboxed frame; and
//! the server behind `invokeRemote`, which adds the person's token for Jira's API.

use super::{Viewer, escape};
use crate::cloud::Cloud;
use crate::forge::APP_ID;
use crate::site::Site;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

/// The pages as they are built, which `forge deploy` would take.
#[derive(rust_embed::Embed)]
#[folder = "../../frontend/dist"]
#[allow_missing = true]
struct Pages;

const FRAME: &str = include_str!("forge-frame.js");
/// Longest request and answer of `invokeRemote`, and how long it may take.
const LONGEST: (usize, usize) = (500 * 1024, 5 * 1024 * 1024);
const WITHIN: Duration = Duration::from_secs(25);

/// The element that becomes the frame of a module.
pub(super) fn place(site: &Site, module: &str, whole: bool) -> String {
    let whole = if whole { " data-whole=\"true\"" } else { "" };
    let url = escape(&format!("{}/forge-pages/index.html", site.cloud.url));
    format!("<div data-forge=\"{url}\" data-module=\"{module}\"{whole}></div>")
}

/// Path of a module's page in Jira.
pub(crate) fn path(module: &str) -> String {
    let id = APP_ID.rsplit('/').next().unwrap_or_default();
    format!("/jira/apps/{id}/env-production/{module}")
}

/// A file of the app's pages.
pub(crate) async fn file(path: web::Path<String>, cloud: web::Data<Cloud>) -> HttpResponse {
    if path.as_str() == "bridge.js" {
        return HttpResponse::Ok().content_type("text/javascript").body(FRAME);
    }
    let Some(found) = Pages::get(&path) else {
        return HttpResponse::NotFound().body("The front end is not built: make web.");
    };
    let kind = match path.rsplit_once('.').map(|(_, ending)| ending) {
        Some("js") => "text/javascript",
        Some("css") => "text/css",
        _ => "text/html; charset=utf-8",
    };
    let mut response = HttpResponse::Ok();
    if kind.starts_with("text/html") {
        // As strict as Forge's own, with the remote that the manifest names.
        let sites = cloud.app_urls().join(" ");
        response.insert_header((
            "Content-Security-Policy",
            format!(
                "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self' \
                 {sites}; base-uri 'none'; form-action 'none'"
            ),
        ));
        let html = String::from_utf8_lossy(&found.data)
            .replace("<head>", "<head><script src=\"./bridge.js\"></script>");
        return response.content_type(kind).body(html);
    }
    response.content_type(kind).body(found.data.into_owned())
}

#[derive(Deserialize)]
pub(super) struct Remote {
    module: String,
}

/// What `requestRemote` calls with: the remote's address and a token.
pub(super) async fn remote(
    request: HttpRequest,
    site: web::Data<Site>,
    of: web::Json<Remote>,
) -> HttpResponse {
    let viewer = Viewer::of(&request, &site.state());
    let Some(viewer) = viewer else { return HttpResponse::Unauthorized().finish() };
    let token = site.invocation_token(&of.module, Some(&viewer.user.account_id));
    HttpResponse::Ok().json(json!({ "url": site.forge().app_url, "token": token }))
}

#[derive(Deserialize)]
pub(super) struct Invoke {
    module: String,
    path: String,
    method: String,
    #[serde(default)]
    headers: serde_json::Map<String, Value>,
    body: Option<Value>,
}

/// What `invokeRemote` does.
pub(super) async fn invoke(
    request: HttpRequest,
    site: web::Data<Site>,
    call: web::Json<Invoke>,
) -> HttpResponse {
    let viewer = Viewer::of(&request, &site.state());
    let Some(viewer) = viewer else { return HttpResponse::Unauthorized().finish() };
    let account = viewer.user.account_id;
    let (Ok(method), app) = (call.method.parse(), site.forge()) else {
        return HttpResponse::BadRequest().body("no such method");
    };
    let sent = call.body.as_ref().map(|body| body.as_str().map_or_else(|| body.to_string(), str::to_owned));
    if sent.as_ref().is_some_and(|body| body.len() > LONGEST.0) {
        return HttpResponse::BadRequest().body("the request is too long for invokeRemote");
    }
    let mut outgoing = site
        .http
        .request(method, format!("{}{}", app.app_url, call.path))
        .timeout(WITHIN)
        .bearer_auth(site.invocation_token(&call.module, Some(&account)))
        .header("x-forge-oauth-user", site.user_token(&account));
    for (name, value) in &call.headers {
        outgoing = outgoing.header(name, value.as_str().unwrap_or_default());
    }
    if let Some(body) = sent {
        outgoing = outgoing.header("content-type", "application/json").body(body);
    }
    let Ok(answer) = outgoing.send().await else {
        return HttpResponse::BadGateway().body("no answer in time");
    };
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let is_json =
        headers.get("content-type").is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    let body = answer.bytes().await.unwrap_or_default();
    if body.len() > LONGEST.1 {
        return HttpResponse::BadGateway().body("the answer is too long for invokeRemote");
    }
    // Whatever is no JSON makes the promise reject.
    if !body.is_empty() && !is_json {
        return HttpResponse::BadGateway().body("the answer is no JSON");
    }
    let told: serde_json::Map<String, Value> = headers
        .iter()
        .map(|(name, value)| (name.to_string(), json!([String::from_utf8_lossy(value.as_bytes())])))
        .collect();
    let payload = json!({ "status": status, "headers": told,
        "body": serde_json::from_slice::<Value>(&body).unwrap_or(Value::Null) });
    let good = (200..300).contains(&status);
    HttpResponse::Ok().json(if good {
        json!({ "success": true, "payload": payload })
    } else {
        json!({ "success": false, "error": payload })
    })
}
