//! The caller's rights, and what admins did.

use super::extract::{ContextCaller, Shared};
use crate::auth::permission::{self, REPORT_RIGHT};
use crate::error::{AppResult, Problem};
use crate::jira::time;
use crate::licence;
use actix_web::web;
use hourbook_store::tenant::{audit as acts, settings};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Who the caller is.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MeView {
    account_id: String,
    /// Administers the Jira site.
    jira_admin: bool,
    /// May see other people's worklogs across issues.
    may_report: bool,
    /// Settings that this person should be asked for, because nobody has chosen: `reportRight`, for Jira admins.
    asks_for: Vec<&'static str>,
    /// The licence, where everybody has to know of it (it has expired) or admins want to (it is a trial).
    #[serde(skip_serializing_if = "Option::is_none")]
    licence: Option<LicenceView>,
}

/// A licence of the app.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LicenceView {
    /// Whether time may be logged.
    active: bool,
    /// Whether it is a trial.
    evaluation: bool,
    /// When the trial or the subscription ends, where the host says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    ends_at: Option<String>,
}

/// What the caller has to know of the licence.
pub(super) async fn licence_for(
    app: &Shared,
    caller: &ContextCaller,
    admin: bool,
) -> AppResult<Option<LicenceView>> {
    let Some(known) = licence::of(app, &caller.0.tenant).await? else { return Ok(None) };
    let active = licence::is_active(&known);
    let shown = !active || (admin && known.evaluation);
    let ends_at = known.ends_at.map(time::rfc3339);
    Ok(shown.then_some(LicenceView { active, evaluation: known.evaluation, ends_at }))
}

/// The caller's rights.
///
/// # Errors
/// When Jira cannot be asked.
#[utoipa::path(get, path = "/api/v1/me", responses((status = 200, body = MeView)))]
pub async fn me(app: Shared, caller: ContextCaller) -> AppResult<web::Json<MeView>> {
    let jira_admin = permission::is_admin(&app, &caller.0).await?;
    let may_report = permission::may_report(&app, &caller.0).await?;
    let mut asks_for = Vec::new();
    let db = app.db(&caller.0.tenant).await?;
    if jira_admin && db.read(|db| settings::get(db, REPORT_RIGHT)).await?.is_none() {
        asks_for.push(REPORT_RIGHT);
    }
    let licence = licence_for(&app, &caller, jira_admin).await?;
    Ok(web::Json(MeView { account_id: caller.0.account_id, jira_admin, may_report, asks_for, licence }))
}

/// Position in the log of acts.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct AuditQuery {
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// An act of an admin or of the server.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ActView {
    at: String,
    /// Null for the server itself.
    account_id: Option<String>,
    action: String,
    subject: Option<String>,
}

impl From<acts::Entry> for ActView {
    fn from(entry: acts::Entry) -> Self {
        Self {
            at: time::rfc3339(entry.recorded_at),
            account_id: entry.account_id,
            action: entry.action,
            subject: entry.subject,
        }
    }
}

/// A page of acts, newest first.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ActList {
    items: Vec<ActView>,
    next_cursor: Option<String>,
}

/// What was done to tags, settings and syncs, and by whom.
///
/// # Errors
/// 403 for others than Jira admins.
#[utoipa::path(get, path = "/api/v1/audit", params(AuditQuery), responses((status = 200, body = ActList), (status = 403, body = Problem)))]
pub async fn audit(
    app: Shared,
    caller: ContextCaller,
    query: web::Query<AuditQuery>,
) -> AppResult<web::Json<ActList>> {
    const PAGE: i64 = 100;
    let before = match &query.cursor {
        None => i64::MAX,
        Some(text) => super::params::id("cursor", text)?,
    };
    let db = app.db(&caller.0.tenant).await?;
    let entries = db.read(move |db| acts::latest(db, before, PAGE)).await?;
    let full = entries.len() == usize::try_from(PAGE).unwrap_or(0);
    let next_cursor = entries.last().filter(|_| full).map(|entry| entry.audit_id.to_string());
    let items = entries.into_iter().map(ActView::from).collect();
    Ok(web::Json(ActList { items, next_cursor }))
}
