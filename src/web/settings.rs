//! Settings of a tenant, which Jira admins change.

use super::extract::{ContextCaller, Shared};
use super::params;
use crate::auth::permission::{REPORT_RIGHT, ReportRight};
use crate::error::{AppError, AppResult, Problem};
use crate::reports::definition::WeekStart;
use crate::tags::{TAG_RIGHT, TagRight};
use actix_web::web;
use hourbook_store::error::Result;
use hourbook_store::tenant::{TenantConn, audit, settings as store};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Groups that may be given the right to report at most.
const MOST_GROUPS: usize = 100;
/// Name of the setting: in whose zone days are unless a report says otherwise.
const ZONE: &str = "zone";
/// Name of the setting: the first day of the week unless a report says otherwise.
const WEEK_START: &str = "weekStart";

/// Settings of the tenant.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SettingsView {
    /// Who may see other people's worklogs across issues: `admins` (Jira admins only, the default), `groups` or
    /// `everyone`; each as far as Jira shows them to that person.
    report_right: &'static str,
    /// Jira's ids of the groups.
    report_groups: Vec<String>,
    /// Whether an admin has chosen who may report, or it is the default.
    chosen: bool,
    /// Who may add tags: `everyone` (the default) or `admins`.
    tag_right: TagRight,
    /// In whose zone the days of reports are unless one says otherwise: `viewer` (the default), `author` or an IANA
    /// name.
    zone: String,
    /// The first day of the week unless a report says otherwise; null to follow each person's language.
    week_start: Option<WeekStart>,
}

/// The settings as they are.
///
/// # Errors
/// When the database fails.
pub(super) fn read(db: &mut TenantConn<'_>) -> Result<SettingsView> {
    let chosen = store::get(db, REPORT_RIGHT)?;
    let (report_right, report_groups) = match ReportRight::from_setting(chosen.as_deref()) {
        ReportRight::Everyone => ("everyone", Vec::new()),
        ReportRight::Groups(groups) => ("groups", groups),
        ReportRight::Admins => ("admins", Vec::new()),
    };
    Ok(SettingsView {
        report_right,
        report_groups,
        chosen: chosen.is_some(),
        tag_right: TagRight::read(db)?,
        zone: store::get(db, ZONE)?.unwrap_or_else(|| "viewer".into()),
        week_start: store::get(db, WEEK_START)?.and_then(|name| serde_json::from_value(name.into()).ok()),
    })
}

/// New settings; what is absent stays.
#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SettingsInput {
    /// `admins`, `groups` or `everyone`.
    report_right: Option<String>,
    /// With `groups`: Jira's ids of them.
    report_groups: Vec<String>,
    /// `everyone` or `admins`.
    tag_right: Option<TagRight>,
    /// `viewer`, `author` or an IANA name.
    zone: Option<String>,
    /// A day of the week, or `locale` to follow each person's language.
    week_start: Option<String>,
}

/// A setting by its name, and its value; none to go back to the default.
type Change = (&'static str, Option<String>);

impl SettingsInput {
    fn changes(&self) -> AppResult<Vec<Change>> {
        let mut changes = Vec::new();
        if let Some(right) = &self.report_right {
            changes.push((REPORT_RIGHT, Some(self.checked_right(right)?.to_setting())));
        }
        if let Some(right) = self.tag_right {
            changes.push((TAG_RIGHT, Some(right.to_setting().to_owned())));
        }
        if let Some(zone) = &self.zone {
            if !matches!(zone.as_str(), "viewer" | "author") {
                params::zone(Some(zone))?;
            }
            changes.push((ZONE, Some(zone.clone())));
        }
        if let Some(day) = &self.week_start {
            let known = serde_json::from_value::<WeekStart>(day.clone().into());
            match (day.as_str(), known) {
                ("locale", _) => changes.push((WEEK_START, None)),
                (day, Ok(_)) => changes.push((WEEK_START, Some(day.to_owned()))),
                _ => {
                    return Err(AppError::invalid(
                        "weekStart",
                        "setting_invalid",
                        "weekStart is a day such as monday, or locale.",
                    ));
                }
            }
        }
        Ok(changes)
    }

    fn checked_right(&self, right: &str) -> AppResult<ReportRight> {
        let is_id = |id: &String| {
            (1..=64).contains(&id.len())
                && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        match (right, self.report_groups.as_slice()) {
            ("admins", []) => Ok(ReportRight::Admins),
            ("everyone", []) => Ok(ReportRight::Everyone),
            ("groups", groups) if (1..=MOST_GROUPS).contains(&groups.len()) && groups.iter().all(is_id) => {
                Ok(ReportRight::Groups(groups.to_vec()))
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
    let db = app.db(&caller.0.tenant).await?;
    Ok(web::Json(db.read(read).await?))
}

/// Changes the tenant's settings.
///
/// # Errors
/// 403 for others than Jira admins; 400 for a value that is none.
#[utoipa::path(put, path = "/api/v1/settings", request_body = SettingsInput, responses((status = 200, body = SettingsView), (status = 400, body = Problem), (status = 403, body = Problem)))]
pub async fn change(
    app: Shared,
    caller: ContextCaller,
    body: web::Json<SettingsInput>,
) -> AppResult<web::Json<SettingsView>> {
    let changes = body.changes()?;
    let db = app.db(&caller.0.tenant).await?;
    let (account, now) = (caller.0.account_id, app.clock.now_ms());
    let view = db
        .write(move |db| {
            for (name, value) in changes {
                store::put_or_clear(db, name, value.as_deref())?;
                audit::record(db, Some(&account), &format!("settings.{name}"), value.as_deref(), now)?;
            }
            read(db)
        })
        .await?;
    Ok(web::Json(view))
}
