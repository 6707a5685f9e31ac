//! Pages in Jira's iframes: what the server knows, rendered without script.

use super::extract::{PageCaller, Shared};
use super::params;
use crate::error::AppResult;
use crate::jira::time;
use crate::sync::status;
use crate::worklogs::{adf, list as lists};
use actix_web::{HttpResponse, web};
use hourbook_store::tenant::worklogs::{Filter, Worklog};
use serde::Deserialize;
use std::fmt::Write;

const CSS: &str = include_str!("pages.css");
const WEEK_MS: i64 = 7 * 86_400_000;
/// Rows that a page lists.
const ROWS: usize = 50;

/// The style of the pages.
#[utoipa::path(get, path = "/static/pages.css", responses((status = 200, description = "The style of the pages")))]
pub async fn css() -> HttpResponse {
    HttpResponse::Ok().content_type("text/css; charset=utf-8").body(CSS)
}

/// Parameters of the panel; Jira adds more of its own.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PanelQuery {
    issue_id: String,
}

/// The panel of an issue: its latest worklogs.
///
/// # Errors
/// 401 without the page's token; 404 for an issue that the caller may not browse.
#[utoipa::path(get, path = "/connect/panel", params(("issueId" = String, Query)), responses((status = 200, description = "The panel as HTML")))]
pub async fn panel(
    app: Shared,
    caller: PageCaller,
    query: web::Query<PanelQuery>,
) -> AppResult<HttpResponse> {
    let issue_id = params::id("issueId", &query.issue_id)?;
    let page = lists::of_issue(&app, &caller.0, issue_id, None, ROWS).await?;
    let worklogs: Vec<Worklog> = page.items.into_iter().map(|item| item.worklog).collect();
    let total: i64 = worklogs.iter().map(|worklog| worklog.seconds).sum();
    let more = if page.next.is_some() { " (the first 50)" } else { "" };
    let mut body = format!("<h1>Time</h1><p>{} logged{more}</p>", duration(total));
    body += &table(&worklogs, "Nobody has logged work here yet.");
    Ok(html(&app, &caller, "Time", &body))
}

/// The caller's last seven days.
///
/// # Errors
/// 401 without the page's token; 503 if Jira cannot be asked.
#[utoipa::path(get, path = "/connect/reports", responses((status = 200, description = "The caller's last seven days as HTML")))]
pub async fn reports(app: Shared, caller: PageCaller) -> AppResult<HttpResponse> {
    let filter = Filter {
        from: Some(app.clock.now_ms() - WEEK_MS),
        account_id: Some(caller.0.account_id.clone()),
        ..Filter::default()
    };
    let page = lists::across_issues(&app, &caller.0, filter, 1000).await?;
    let worklogs: Vec<Worklog> = page.items.into_iter().map(|item| item.worklog).collect();
    let total: i64 = worklogs.iter().map(|worklog| worklog.seconds).sum();
    let mut body =
        format!("<h1>My last seven days</h1><p>{} in {} worklogs</p>", duration(total), worklogs.len());
    body += &table(&worklogs, "You have logged no work in the last seven days.");
    Ok(html(&app, &caller, "Hourbook", &body))
}

/// Where the sync stands, for Jira admins.
///
/// # Errors
/// 401 without the page's token; 403 for others than Jira admins.
#[utoipa::path(get, path = "/connect/admin", responses((status = 200, description = "Where the sync stands, as HTML")))]
pub async fn admin(app: Shared, caller: PageCaller) -> AppResult<HttpResponse> {
    let status = status::of(&app, &caller.0.tenant).await?;
    let as_of = status.in_step_as_of.map_or_else(|| "not yet in step".into(), time::rfc3339);
    let mut body = String::from("<h1>Sync with Jira</h1><dl>");
    for (name, value) in [
        ("State", status.state.to_owned()),
        ("Reason", status.reason.unwrap_or_else(|| "none".into())),
        ("Worklogs in the copy", status.worklogs.to_string()),
        ("Still to be taken in", status.pending.to_string()),
        ("In step with Jira as of", as_of),
    ] {
        let _ = write!(body, "<dt>{name}</dt><dd>{}</dd>", escape(&value));
    }
    body += "</dl><h2>Last runs</h2><table><thead><tr><th>Kind</th><th>State</th><th>Began</th><th>Written</th><th>Deleted</th></tr></thead><tbody>";
    for run in &status.runs {
        let _ = write!(
            body,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            escape(&run.kind),
            escape(&run.state),
            time::rfc3339(run.started_at),
            run.written,
            run.deleted
        );
    }
    body += "</tbody></table>";
    Ok(html(&app, &caller, "Hourbook", &body))
}

fn table(worklogs: &[Worklog], empty: &str) -> String {
    if worklogs.is_empty() {
        return format!("<p class=\"empty\">{empty}</p>");
    }
    let mut out = String::from(
        "<table><thead><tr><th>Started (UTC)</th><th>Time</th><th>Comment</th></tr></thead><tbody>",
    );
    for worklog in worklogs.iter().rev() {
        let comment = worklog.comment.as_ref().and_then(|text| serde_json::from_str(text.expose()).ok());
        let comment = comment.map(|comment| adf::to_text(&comment)).unwrap_or_default();
        let started = time::rfc3339(worklog.started);
        let _ = write!(
            out,
            "<tr><td><time datetime=\"{started}\">{}</time></td><td class=\"number\">{}</td><td>{}</td></tr>",
            started.get(..16).unwrap_or(&started).replace('T', " "),
            duration(worklog.seconds),
            escape(&comment)
        );
    }
    out + "</tbody></table>"
}

/// `1h 30m`.
fn duration(seconds: i64) -> String {
    let (hours, minutes) = (seconds / 3600, seconds % 3600 / 60);
    match (hours, minutes) {
        (0, minutes) => format!("{minutes}m"),
        (hours, 0) => format!("{hours}h"),
        (hours, minutes) => format!("{hours}h {minutes}m"),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

/// A whole page. Only the tenant's own site may frame it.
fn html(app: &Shared, caller: &PageCaller, title: &str, body: &str) -> HttpResponse {
    let base = &app.config.base_url;
    let policy = format!(
        "default-src 'none'; style-src {base}/static/; base-uri 'none'; form-action 'none'; frame-ancestors {}",
        caller.0.tenant.frame_ancestors.join(" ")
    );
    HttpResponse::Ok().insert_header(("Content-Security-Policy", policy)).content_type("text/html; charset=utf-8").body(
        format!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title>\
             <link rel=\"stylesheet\" href=\"{base}/static/pages.css\"></head><body><main>{body}</main></body></html>"
        ),
    )
}
