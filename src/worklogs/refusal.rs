//! Why Jira refused a write, in words that say what to do. Jira uses few statuses for many reasons (400 for a missing
//! permission, 404 for an issue that is gone, hidden, or whose site does not track time), so it is asked what is so.

use crate::app::App;
use crate::auth::Caller;
use crate::auth::permission;
use crate::error::AppError;
use crate::jira::error::{JiraError, Reason};
use crate::jira::meter::Class;
use crate::jira::sign::Scopes;
use hourbook_store::error::Error as StoreError;
use std::collections::HashSet;

/// What was to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Log work.
    Create,
    /// Change a worklog.
    Edit,
    /// Delete a worklog.
    Delete,
}

impl Act {
    /// Permissions of which one is enough.
    fn permissions(self) -> &'static [&'static str] {
        match self {
            Self::Create => &["WORK_ON_ISSUES"],
            Self::Edit => &["EDIT_OWN_WORKLOGS", "EDIT_ALL_WORKLOGS"],
            Self::Delete => &["DELETE_OWN_WORKLOGS", "DELETE_ALL_WORKLOGS"],
        }
    }

    fn without_permission(self) -> &'static str {
        match self {
            Self::Create => {
                "You may not log work on this issue. Ask an admin of the project for the permission \"Work on issues\"."
            }
            Self::Edit => {
                "You may not change this worklog. Ask an admin of the project for the permission to edit your own or all worklogs."
            }
            Self::Delete => {
                "You may not delete this worklog. Ask an admin of the project for the permission to delete your own or all worklogs."
            }
        }
    }
}

/// What the caller is told. Where Jira does not say more when it is asked, its own words are passed on.
pub async fn explain(app: &App, caller: &Caller, issue_id: i64, act: Act, refused: JiraError) -> AppError {
    let found = match &refused {
        JiraError::NotFound(_) => not_found(app, caller, issue_id).await,
        JiraError::BadRequest(reason) if reason.field.is_none() => {
            bad_request(app, caller, issue_id, act, reason).await
        }
        JiraError::TooLarge(_) => Ok(Some(AppError::too_large(
            "issue_full",
            "This issue has as many worklogs as Jira allows. Log the time on another issue, or ask a project admin \
             to clean up.",
        ))),
        _ => Ok(None),
    };
    match found {
        Ok(Some(told)) => told,
        Ok(None) => refused.into(),
        Err(error) => {
            tracing::warn!(%error, "the reason of a refusal could not be asked for");
            refused.into()
        }
    }
}

async fn not_found(app: &App, caller: &Caller, issue_id: i64) -> Result<Option<AppError>, JiraError> {
    let jira = app.jira.as_app(&caller.tenant.site, Class::Read);
    if !jira.time_tracking().await?.enabled {
        return Ok(Some(AppError::unprocessable(
            "time_tracking_off",
            "Time tracking is switched off in this Jira. A Jira admin can switch it on under Settings, Issues, Time \
             tracking.",
        )));
    }
    // Who may not see it learns nothing of it.
    let visible = permission::browsable(app, caller, &HashSet::from([issue_id])).await;
    if visible.is_ok_and(|visible| visible.contains(&issue_id)) {
        return Ok(None);
    }
    let gone = "This issue does not exist any more, or you may not see it. Nothing was changed.";
    Ok(Some(AppError::not_found("issue_gone", gone)))
}

async fn bad_request(
    app: &App,
    caller: &Caller,
    issue_id: i64,
    act: Act,
    reason: &Reason,
) -> Result<Option<AppError>, JiraError> {
    let jira = app.jira.as_app(&caller.tenant.site, Class::Read);
    let granted = jira.granted(&caller.account_id, issue_id, act.permissions()).await?;
    if granted.is_empty() {
        return Ok(Some(AppError::forbidden("no_permission", act.without_permission())));
    }
    let own = caller.in_person(&app.jira, Class::Read, Scopes::Read);
    if own.is_editable(issue_id).await? {
        return Ok(None);
    }
    let locked = format!("The status of this issue does not allow changes. Jira says: {}", reason.text);
    Ok(Some(AppError::unprocessable("issue_locked", locked)))
}

/// Jira has done what was asked, and our database does not take it in: nothing is refused, and nothing may be sent twice
/// without its key. A webhook or the next sync brings it.
pub fn not_copied(error: StoreError) -> AppError {
    match error {
        StoreError::Unavailable(_) | StoreError::Held => {
            tracing::warn!(%error, "a write that Jira has done is not in the copy yet");
            AppError::outcome_unknown(
                "Jira has saved it, but Hourbook's own database does not answer at the moment. It appears here by itself \
                 in a few minutes; if you send it again, send the same request with the same Idempotency-Key.",
            )
        }
        other => other.into(),
    }
}
