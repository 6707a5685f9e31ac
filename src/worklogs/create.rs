//! Creating a worklog: claimed before Jira is called, written once, found again if its answer was lost.

use super::input::Fields;
use super::intent;
use super::property::{self, CarriedTag};
use super::refusal::{self, Act};
use crate::app::App;
use crate::auth::Caller;
use crate::error::{AppError, AppResult};
use crate::jira::client::SiteClient;
use crate::jira::error::JiraError;
use crate::jira::meter::Class;
use crate::jira::sign::Scopes;
use crate::jira::time;
use crate::jira::worklogs::{PROPERTY, RemoteWorklog};
use crate::sync::{apply, complete};
use crate::tags;
use hourbook_store::tenant::intents::{self, Intent};
use hourbook_store::tenant::worklogs::{self, Worklog};
use hourbook_store::tenant::{RESTORED, TenantDb, cursors};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::time::Duration;

/// An unanswered write may still arrive at Jira for this long behind our own time-out.
const MAY_ARRIVE: Duration = Duration::from_secs(60);

/// What came of it.
pub struct Created {
    /// The worklog.
    pub worklog: Worklog,
    /// It was there already, from an earlier request with the same key.
    pub replayed: bool,
}

/// A worklog to create.
pub struct NewWorklog {
    /// Jira's issue id.
    pub issue_id: i64,
    /// The idempotency key, as sent.
    pub key: String,
    /// When the work was started, ms.
    pub started: i64,
    /// Time spent.
    pub seconds: i64,
    /// The other fields.
    pub fields: Fields,
}

/// Creates a worklog in Jira as the caller, then in our copy.
///
/// # Errors
/// Jira's refusal in its own words; `outcome_unknown` if Jira did not say.
pub async fn create(app: &App, caller: &Caller, new: NewWorklog) -> AppResult<Created> {
    let db = app.db(&caller.tenant).await?;
    let attempt = Attempt::new(app, caller, &db, &new);
    let _turn = app.turns.take(format!("{}/{}", caller.tenant.id, attempt.intent.key_hash)).await;
    let carried = tags::carried(&db, new.fields.tags.as_deref().unwrap_or_default()).await?;

    let intent = attempt.intent.clone();
    match db.write(move |db| intents::claim(db, &intent)).await? {
        // A database from a backup does not know the keys of what was written after it.
        None if attempt.keys_may_be_lost().await? => {
            if let Some(remote) = attempt.find_on_whole_issue().await? {
                return attempt.adopt(remote, &carried, true).await;
            }
        }
        None => {}
        Some(earlier) if earlier.request_hash != attempt.intent.request_hash => {
            return Err(AppError::unprocessable(
                "idempotency_key_reused",
                "This Idempotency-Key was used for another request. Use a new key for a new worklog.",
            )
            .on("Idempotency-Key"));
        }
        Some(Intent { client_worklog_id: Some(id), .. }) => return attempt.replay(id).await,
        Some(earlier) => {
            if let Some(remote) = attempt.find_in_jira().await? {
                return attempt.adopt(remote, &carried, true).await;
            }
            let may_arrive = app.config.tuning.jira_timeout + MAY_ARRIVE;
            if i128::from(app.clock.now_ms() - earlier.claimed_at) < may_arrive.as_millis().cast_signed() {
                return Err(AppError::outcome_unknown(UNKNOWN));
            }
            // Nothing can arrive any more. Somebody may have changed its start meanwhile: the whole issue is searched
            // before anything is sent again.
            if let Some(remote) = attempt.find_on_whole_issue().await? {
                return attempt.adopt(remote, &carried, true).await;
            }
            attempt.renew().await?;
        }
    }
    attempt.send(&new, &carried).await
}

const UNKNOWN: &str = "Jira did not answer in time, and the worklog is not to be found there yet. Send the same \
                       request with the same Idempotency-Key again in a minute: it cannot be written twice.";

struct Attempt<'a> {
    app: &'a App,
    caller: &'a Caller,
    db: &'a TenantDb,
    jira: SiteClient,
    intent: Intent,
    /// What the worklog carries to be found by.
    marker: String,
}

impl<'a> Attempt<'a> {
    fn new(app: &'a App, caller: &'a Caller, db: &'a TenantDb, new: &NewWorklog) -> Self {
        let request = json!([new.issue_id, new.started, new.seconds, new.fields]);
        let key_hash = property::key_hash(&caller.account_id, &new.key);
        let request_hash = hex::encode(Sha256::digest(request.to_string().as_bytes()));
        Self {
            app,
            caller,
            marker: property::marker(&key_hash, &request_hash),
            db,
            jira: caller.in_person(&app.jira, Class::Write, Scopes::Write),
            intent: Intent {
                account_id: caller.account_id.clone(),
                key_hash,
                request_hash,
                client_issue_id: new.issue_id,
                started: new.started,
                client_worklog_id: None,
                claimed_at: app.clock.now_ms(),
            },
        }
    }

    async fn send(&self, new: &NewWorklog, carried: &[CarriedTag]) -> AppResult<Created> {
        let mut body = json!({
            "started": time::format(new.started),
            "timeSpentSeconds": new.seconds,
            "properties": [{ "key": PROPERTY, "value": self.property(None, carried) }],
        });
        if let Some(comment) = &new.fields.comment {
            body["comment"] = comment.clone();
        }
        match self.jira.create_worklog(new.issue_id, &body, &new.fields.estimate).await {
            Ok(remote) => self.adopt(remote, carried, false).await,
            Err(JiraError::OutcomeUnknown(cause)) => {
                tracing::warn!(cause, "looking for a worklog whose answer was lost");
                match self.find_in_jira().await {
                    Ok(Some(remote)) => self.adopt(remote, carried, false).await,
                    Ok(None) => Err(AppError::outcome_unknown(UNKNOWN)),
                    Err(error) => {
                        tracing::warn!(%error, "it could not be looked for");
                        Err(AppError::outcome_unknown(UNKNOWN))
                    }
                }
            }
            Err(refused) => {
                let (account, key) = (self.intent.account_id.clone(), self.intent.key_hash.clone());
                self.db.write(move |db| intents::release(db, &account, &key)).await?;
                Err(refusal::explain(self.app, self.caller, new.issue_id, Act::Create, refused).await)
            }
        }
    }

    async fn keys_may_be_lost(&self) -> AppResult<bool> {
        let restored = self.db.read(|db| cursors::get(db, RESTORED)).await?;
        Ok(restored.is_some_and(|at| at > self.intent.claimed_at - intent::KEPT_MS))
    }

    fn property(&self, before: Option<&Value>, carried: &[CarriedTag]) -> Value {
        property::with_tags(before, carried, Some(&self.marker))
    }

    async fn renew(&self) -> AppResult<()> {
        let (account, key) = (self.intent.account_id.clone(), self.intent.key_hash.clone());
        let now = self.app.clock.now_ms();
        Ok(self.db.write(move |db| intents::renew(db, &account, &key, now)).await?)
    }

    /// Looks for the worklog around its start.
    async fn find_in_jira(&self) -> Result<Option<RemoteWorklog>, JiraError> {
        let near = self.jira.worklogs_started_at(self.intent.client_issue_id, self.intent.started).await?;
        Ok(near.into_iter().find(|remote| self.is_it(remote)))
    }

    async fn find_on_whole_issue(&self) -> Result<Option<RemoteWorklog>, JiraError> {
        let mut start_at = Some(0);
        while let Some(from) = start_at {
            let (page, next) = self.jira.worklogs_of_issue(self.intent.client_issue_id, from).await?;
            if let Some(found) = page.into_iter().find(|remote| self.is_it(remote)) {
                return Ok(Some(found));
            }
            start_at = next;
        }
        Ok(None)
    }

    /// By author, issue, and what its property carries of the key and the request. Others can write the property,
    /// but not the author.
    fn is_it(&self, remote: &RemoteWorklog) -> bool {
        let author = remote.author.as_ref().and_then(|author| author.account_id.as_deref());
        author == Some(self.intent.account_id.as_str())
            && remote.issue_id == self.intent.client_issue_id
            && remote.hourbook().and_then(property::key) == Some(self.marker.as_str())
    }

    /// Takes Jira's answer into the copy and notes which worklog came of the key.
    async fn adopt(
        &self,
        mut remote: RemoteWorklog,
        carried: &[CarriedTag],
        replayed: bool,
    ) -> AppResult<Created> {
        let property_apart = remote.hourbook().is_none();
        if property_apart {
            // Jira took the worklog without its property: set it by itself, it is idempotent.
            let value = self.property(None, carried);
            self.jira.put_property(remote.issue_id, remote.id, &value).await?;
            remote = self.jira.worklog(remote.issue_id, remote.id).await?;
        }
        let (id, now) = (remote.id, self.app.clock.now_ms());
        let intent = self.intent.clone();
        let found = self
            .db
            .write(move |db| {
                apply::read(db, vec![remote], now)?;
                intents::fulfil(db, &intent.account_id, &intent.key_hash, id)?;
                worklogs::by_ids(db, &[id])
            })
            .await
            .map_err(refusal::not_copied)?;
        if property_apart {
            complete::again(self.app, &self.caller.tenant, id).await?;
        }
        let worklog = found.into_iter().next().ok_or_else(gone)?;
        Ok(Created { worklog, replayed })
    }

    /// The same answer again, from the copy.
    async fn replay(&self, id: i64) -> AppResult<Created> {
        let found = self.db.read(move |db| worklogs::by_ids(db, &[id])).await?;
        let worklog = found.into_iter().next().ok_or_else(gone)?;
        Ok(Created { worklog, replayed: true })
    }
}

fn gone() -> AppError {
    AppError::not_found("worklog_deleted", "The worklog was written and has been deleted since.")
}
