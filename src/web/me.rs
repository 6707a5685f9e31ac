//! The caller's rights, the tenant's settings, and what admins did.

use super::extract::{ContextCaller, Shared};
use crate::auth::permission::{self, REPORT_RIGHT, ReportRight};
use crate::error::{AppError, AppResult, Problem};
use crate::jira::time;
use actix_web::web;
use hourbook_store::tenant::{audit as acts, settings as store};
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
    if jira_admin && right(&app, &caller).await?.is_none() {
        asks_for.push(REPORT_RIGHT);
    }
    Ok(web::Json(MeView { account_id: caller.0.account_id, jira_admin, may_report, asks_for }))
}

/// Who may see other people's worklogs across issues, if an admin has chosen.
async fn right(app: &Shared, caller: &ContextCaller) -> AppResult<Option<String>> {
    let db = app.db(&caller.0.tenant).await?;
    Ok(db.read(|db| store::get(db, REPORT_RIGHT)).await?)
}

/// Groups that may be given the right to report at most.
const MOST_GROUPS: usize = 100;

/// Settings of the tenant.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SettingsView {
    /// Who may see other people's worklogs across issues: `admins` (Jira admins only, the default), `groups` or
    /// `everyone`; each as far as Jira shows them to that person.
    report_right: &'static str,
    /// Jira's ids of the groups.
    report_groups: Vec<String>,
    /// Whether an admin has chosen, or it is the default.
    chosen: bool,
}

impl SettingsView {
    fn new(setting: Option<&str>) -> Self {
        let (report_right, report_groups) = match ReportRight::from_setting(setting) {
            ReportRight::Everyone => ("everyone", Vec::new()),
            ReportRight::Groups(groups) => ("groups", groups),
            ReportRight::Admins => ("admins", Vec::new()),
        };
        Self { report_right, report_groups, chosen: setting.is_some() }
    }
}

/// New settings.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SettingsInput {
    /// `admins`, `groups` or `everyone`.
    report_right: String,
    /// With `groups`: Jira's ids of them.
    #[serde(default)]
    report_groups: Vec<String>,
}

impl SettingsInput {
    fn check(self) -> AppResult<ReportRight> {
        let is_id = |id: &String| {
            (1..=64).contains(&id.len())
                && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        match (self.report_right.as_str(), self.report_groups.as_slice()) {
            ("admins", []) => Ok(ReportRight::Admins),
            ("everyone", []) => Ok(ReportRight::Everyone),
            ("groups", groups) if (1..=MOST_GROUPS).contains(&groups.len()) && groups.iter().all(is_id) => {
                Ok(ReportRight::Groups(self.report_groups))
            }
            ("groups", _) => Err(AppError::invalid(
                "reportGroups",
                "setting_invalid",
                format!("reportGroups has 1 to {MOST_GROUPS} ids of groups, as Jira tells them."),
            )),
            _ => Err(AppError::invalid(
                "reportRight",
                "setting_invalid",
                "reportRight is admins, groups (with reportGroups) or everyone.",
            )),
        }
    }
}

/// The tenant's settings.
///
/// # Errors
/// When the database fails.
#[utoipa::path(get, path = "/api/v1/settings", responses((status = 200, body = SettingsView)))]
pub async fn settings(app: Shared, caller: ContextCaller) -> AppResult<web::Json<SettingsView>> {
    Ok(web::Json(SettingsView::new(right(&app, &caller).await?.as_deref())))
}

/// Changes the tenant's settings.
///
/// # Errors
/// 403 for others than Jira admins; 400 for a value that is none.
#[utoipa::path(put, path = "/api/v1/settings", request_body = SettingsInput, responses((status = 200, body = SettingsView), (status = 400, body = Problem), (status = 403, body = Problem)))]
pub async fn change_settings(
    app: Shared,
    caller: ContextCaller,
    body: web::Json<SettingsInput>,
) -> AppResult<web::Json<SettingsView>> {
    let setting = body.into_inner().check()?.to_setting();
    let view = SettingsView::new(Some(&setting));
    let db = app.db(&caller.0.tenant).await?;
    let (value, account, now) = (setting, caller.0.account_id, app.clock.now_ms());
    db.write(move |db| {
        store::set(db, REPORT_RIGHT, &value)?;
        acts::record(db, Some(&account), "settings.reportRight", Some(&value), now)
    })
    .await?;
    Ok(web::Json(view))
}

/// Position in the log of acts.
#[derive(Deserialize, IntoParams)]
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
    let items = entries
        .into_iter()
        .map(|entry| ActView {
            at: time::rfc3339(entry.recorded_at),
            account_id: entry.account_id,
            action: entry.action,
            subject: entry.subject,
        })
        .collect();
    Ok(web::Json(ActList { items, next_cursor }))
}
