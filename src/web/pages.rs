//! Pages in Jira's iframes: a head that loads the front end. What they show comes through the API.

use super::assets;
use super::extract::{PageCaller, Shared};
use super::params;
use crate::error::{AppError, AppResult};
use crate::licence;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, ResponseError, web};
use serde::Deserialize;
use std::fmt::{self, Write};
use url::Url;

/// A page of the front end.
#[derive(Clone, Copy)]
enum View {
    Panel,
    Reports,
    Admin,
}

impl View {
    /// Its folder in `frontend/src`, and its title before the front end gives one.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Panel => ("panel", "Time"),
            Self::Reports => ("reports", "Hourbook reports"),
            Self::Admin => ("admin", "Hourbook administration"),
        }
    }

    /// Whether it takes the whole room that Jira has, or only as much as it needs.
    fn fills(self) -> bool {
        !matches!(self, Self::Panel)
    }
}

/// Parameters of the panel; Jira adds more of its own.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PanelQuery {
    issue_id: String,
}

/// The panel of an issue.
///
/// # Errors
/// 401 without the page's token, as a page.
#[utoipa::path(get, path = "/connect/panel", params(("issueId" = String, Query)), responses((status = 200, description = "The panel as HTML")))]
pub async fn panel(
    app: Shared,
    caller: PageCaller,
    request: HttpRequest,
    query: web::Query<PanelQuery>,
) -> Result<HttpResponse, Refused> {
    let issue_id = params::id("issueId", &query.issue_id)?;
    Ok(page(&app, &caller, &request, View::Panel, Some(issue_id))?)
}

/// Reports.
///
/// # Errors
/// 401 without the page's token, as a page.
#[utoipa::path(get, path = "/connect/reports", responses((status = 200, description = "Reports as HTML")))]
pub async fn reports(app: Shared, caller: PageCaller, request: HttpRequest) -> Result<HttpResponse, Refused> {
    Ok(page(&app, &caller, &request, View::Reports, None)?)
}

/// Where the sync stands, settings, privacy, what was done: for Jira admins.
///
/// # Errors
/// 401 without the page's token; 403 for others than Jira admins; as a page.
#[utoipa::path(get, path = "/connect/admin", responses((status = 200, description = "Administration as HTML")))]
pub async fn admin(app: Shared, caller: PageCaller, request: HttpRequest) -> Result<HttpResponse, Refused> {
    Ok(page(&app, &caller, &request, View::Admin, None)?)
}

/// A page whose head names the files of the front end. Only the tenant's own site may frame it, and nothing runs in it
/// but our own files and the bridge of the host.
fn page(
    app: &Shared,
    caller: &PageCaller,
    request: &HttpRequest,
    view: View,
    issue_id: Option<i64>,
) -> AppResult<HttpResponse> {
    // A part of what the token signs.
    if let Some(active) = request.query_string().split('&').find_map(|pair| pair.strip_prefix("lic=")) {
        licence::hinted(app, &caller.0.tenant, active == "active");
    }
    let (name, title) = view.names();
    let files = assets::files(name).ok_or_else(|| {
        tracing::error!("{}", assets::MISSING);
        AppError::unavailable("front_end_missing", "This server was built without its pages.")
    })?;
    let (tenant, host_script) = (&caller.0.tenant, &app.config.connect_host_script);
    let assets = format!("{}/static", app.config.base_url);
    let mut head = String::new();
    for style in &files.styles {
        let _ = write!(head, "<link rel=\"stylesheet\" href=\"{assets}/{style}\">");
    }
    let options = if view.fills() { "sizeToParent:true;margin:false" } else { "margin:false" };
    let _ = write!(
        head,
        "<script id=\"ac-iframe-options\" src=\"{host_script}\" data-options=\"{options}\" defer></script>\
         <script type=\"module\" src=\"{assets}/{}\"></script>",
        files.entry
    );
    for module in &files.modules {
        let _ = write!(head, "<link rel=\"modulepreload\" href=\"{assets}/{module}\">");
    }
    let mut about = format!(
        "data-host=\"connect\" data-view=\"{name}\" data-api=\"{}\" data-account=\"{}\" data-site=\"{}\"",
        app.config.base_url,
        escape(&caller.0.account_id),
        escape(tenant.site.base_url.as_str()),
    );
    if let Some(issue_id) = issue_id {
        let _ = write!(about, " data-issue=\"{issue_id}\"");
    }
    let ours = origin(&app.config.base_url);
    let policy = format!(
        "default-src 'none'; script-src {ours} {}; style-src {ours}; connect-src {ours}; img-src {ours} data:; \
         base-uri 'none'; form-action 'none'; object-src 'none'; frame-ancestors {}",
        origin(host_script),
        tenant.frame_ancestors.join(" ")
    );
    let body = format!(
        "<!doctype html><html lang=\"en\" {about}><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title>{head}</head>\
         <body><div id=\"app\"></div></body></html>"
    );
    Ok(html(StatusCode::OK, policy, body))
}

fn html(status: StatusCode, policy: String, body: String) -> HttpResponse {
    HttpResponse::build(status)
        .insert_header(("Content-Security-Policy", policy))
        .content_type("text/html; charset=utf-8")
        .body(body)
}

/// Scheme, host and port of an address.
fn origin(address: &str) -> String {
    Url::parse(address).map(|url| url.origin().ascii_serialization()).unwrap_or_default()
}

/// An error that somebody reads in an iframe.
#[derive(Debug)]
pub struct Refused(AppError);

impl From<AppError> for Refused {
    fn from(error: AppError) -> Self {
        Self(error)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl ResponseError for Refused {
    fn status_code(&self) -> StatusCode {
        self.0.status_code()
    }

    /// Words and nothing else: no script, no link, nothing of any tenant. So anybody may frame it, which has to be
    /// where the site is not known.
    fn error_response(&self) -> HttpResponse {
        let policy = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors *";
        let body = format!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"color-scheme\" \
             content=\"light dark\"><meta name=\"viewport\" content=\"width=device-width\"><title>Hourbook</title></head>\
             <body><main><h1>Hourbook cannot show this page</h1><p>{}</p><p>{}</p><p><small><code>{}</code></small></p></main></body></html>",
            escape(self.0.detail()),
            self.advice(),
            escape(self.0.code())
        );
        html(self.status_code(), policy.into(), body)
    }
}

impl Refused {
    fn advice(&self) -> &'static str {
        match self.status_code() {
            StatusCode::UNAUTHORIZED => {
                "Links of pages hold for three minutes: reload the page in Jira. If that does not help, ask a Jira admin \
                 whether Hourbook is still installed."
            }
            StatusCode::FORBIDDEN => "Ask a Jira admin of your site.",
            _ => "Reload the page in Jira in a moment.",
        }
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}
