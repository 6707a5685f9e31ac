//! Deleting a worklog: in Jira, and only then here.

use crate::app::App;
use crate::auth::Caller;
use crate::error::AppResult;
use crate::jira::meter::Class;
use crate::jira::sign::Scopes;
use crate::jira::worklogs::Estimate;
use crate::sync::apply;

/// Deletes a worklog in Jira as the caller, then from our copy.
///
/// # Errors
/// Jira's refusal in its own words; the copy is untouched then. A 404 is no proof that it is gone.
pub async fn delete(
    app: &App,
    caller: &Caller,
    issue_id: i64,
    id: i64,
    estimate: &Estimate,
) -> AppResult<()> {
    let db = app.db(&caller.tenant).await?;
    let jira = app.jira.as_user(&caller.tenant.site, Class::Write, &caller.account_id, Scopes::Delete);
    jira.delete_worklog(issue_id, id, estimate).await?;
    let now = app.clock.now_ms();
    db.write(move |db| apply::deleted(db, &[id], now)).await?;
    Ok(())
}
