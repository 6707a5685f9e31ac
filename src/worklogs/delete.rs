//! Deleting a worklog: in Jira, and only then here.

use super::property;
use super::refusal::{self, Act};
use crate::app::App;
use crate::auth::Caller;
use crate::error::{AppError, AppResult};
use crate::jira::client::SiteClient;
use crate::jira::error::JiraError;
use crate::jira::meter::Class;
use crate::jira::sign::Scopes;
use crate::jira::worklogs::Estimate;
use crate::sync::{apply, complete};
use hourbook_store::tenant::TenantDb;
use hourbook_store::tenant::intents::{self, Intent};

/// Tries within one request: a deletion may safely be sent again.
const TRIES: usize = 2;

/// Deletes a worklog in Jira as the caller, then from our copy.
///
/// A 404 alone is no proof that it is gone. It is success where an earlier try of this caller was not answered, and
/// Jira does not return the worklog to the app either.
///
/// # Errors
/// Jira's refusal, explained; the copy is untouched then.
pub async fn delete(
    app: &App,
    caller: &Caller,
    issue_id: i64,
    id: i64,
    estimate: &Estimate,
) -> AppResult<()> {
    let db = app.db(&caller.tenant).await?;
    let intent = intent(app, caller, issue_id, id);
    let _turn = app.turns.take(format!("{}/{}", caller.tenant.id, intent.key_hash)).await;
    let claim = intent.clone();
    let mut unanswered = db.write(move |db| intents::claim(db, &claim)).await?.is_some();
    let jira = caller.in_person(&app.jira, Class::Write, Scopes::Delete);
    let mut result = jira.delete_worklog(issue_id, id, estimate).await;
    for _ in 1..TRIES {
        if !matches!(result, Err(JiraError::OutcomeUnknown(_))) {
            break;
        }
        unanswered = true;
        result = jira.delete_worklog(issue_id, id, estimate).await;
    }
    let gone = match &result {
        Ok(()) => true,
        Err(JiraError::NotFound(_)) if unanswered => {
            let jira = app.jira.as_app(&caller.tenant.site, Class::Write);
            is_gone(app, caller, &jira, &db, id).await?
        }
        Err(JiraError::OutcomeUnknown(cause)) => {
            tracing::warn!(cause, "a deletion was not answered");
            // The intent stays: the next try knows that this one may have done it.
            return Err(AppError::outcome_unknown(
                "Jira did not answer in time. Send the same request again in a minute: it does no harm if the \
                 worklog is gone already.",
            ));
        }
        Err(_) => false,
    };
    let now = app.clock.now_ms();
    db.write(move |db| {
        if gone {
            apply::deleted(db, &[id], now)?;
        }
        intents::release(db, &intent.account_id, &intent.key_hash)
    })
    .await
    .map_err(refusal::not_copied)?;
    match result {
        Err(refused) if !gone => {
            // Perhaps it was moved: a read finds out.
            if matches!(refused, JiraError::NotFound(_)) {
                complete::again(app, &caller.tenant, id).await?;
            }
            Err(refusal::explain(app, caller, issue_id, Act::Delete, refused).await)
        }
        _ => Ok(()),
    }
}

/// Whether Jira has the worklog nowhere, not under another issue either.
async fn is_gone(app: &App, caller: &Caller, jira: &SiteClient, db: &TenantDb, id: i64) -> AppResult<bool> {
    let begun_at = app.clock.now_ms();
    let returned = jira.worklogs_by_id(&[id]).await?;
    if returned.is_empty() {
        return Ok(true);
    }
    tracing::info!(tenant.id = caller.tenant.id, worklog.id = id, "the worklog is under another issue");
    db.write(move |db| apply::read(db, returned, begun_at)).await?;
    Ok(false)
}

fn intent(app: &App, caller: &Caller, issue_id: i64, id: i64) -> Intent {
    Intent {
        account_id: caller.account_id.clone(),
        // No key that people send begins like this: theirs are hashed too.
        key_hash: property::key_hash(&caller.account_id, &format!("\0delete {id}")),
        request_hash: String::new(),
        client_issue_id: issue_id,
        started: 0,
        client_worklog_id: Some(id),
        claimed_at: app.clock.now_ms(),
    }
}
