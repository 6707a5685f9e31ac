//! Saved reports: what one asks, kept sealed. A shared one shows each viewer what that viewer may see: only the
//! question is shared.

use super::definition::Definition;
use crate::app::App;
use crate::auth::{Caller, permission};
use crate::error::{AppError, AppResult};
use hourbook_store::plain::Plain;
use hourbook_store::tenant::{audit, saved};
use rand::Rng;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Reports of a tenant at most, and of one person.
const MOST: usize = 2000;
const MOST_OF_ONE: usize = 200;
/// Characters of a title.
const LONGEST_TITLE: usize = 200;
/// Groups that one is shared with.
const MOST_GROUPS: usize = 100;
/// Ids are exact in JavaScript.
const ID_LIMIT: i64 = 1 << 53;

/// Who may use a saved report.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sharing {
    /// `private` (the default), `everyone` or `groups`.
    #[serde(default)]
    pub with: With,
    /// With `groups`: Jira's ids of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
}

/// Kinds of sharing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum With {
    /// The owner alone.
    #[default]
    Private,
    /// Everybody on the site.
    Everyone,
    /// Members of groups.
    Groups,
}

/// What is sealed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Content {
    /// Its title.
    pub title: String,
    /// Who may use it.
    #[serde(default)]
    pub sharing: Sharing,
    /// What is asked.
    pub definition: Definition,
}

/// A saved report, opened.
pub struct Saved {
    /// Random.
    pub id: i64,
    /// Whose it is.
    pub owner: String,
    /// Counts its changes, from 1.
    pub version: i64,
    /// When it was last changed.
    pub changed_at: i64,
    /// What it asks.
    pub content: Content,
}

impl Content {
    fn check(mut self) -> AppResult<Self> {
        self.title = self.title.trim().to_owned();
        let length = self.title.chars().count();
        if !(1..=LONGEST_TITLE).contains(&length) || self.title.chars().any(char::is_control) {
            let detail = format!("A title has 1 to {LONGEST_TITLE} characters, without line breaks.");
            return Err(AppError::invalid("title", "title_invalid", detail));
        }
        let groups = self.sharing.groups.len();
        let fits = match self.sharing.with {
            With::Groups => (1..=MOST_GROUPS).contains(&groups),
            With::Private | With::Everyone => groups == 0,
        };
        if !fits {
            let detail = format!("With groups, sharing names 1 to {MOST_GROUPS} of them, else none.");
            return Err(AppError::invalid("sharing", "sharing_invalid", detail));
        }
        self.definition.check()?;
        Ok(self)
    }
}

fn open(saved: saved::Saved) -> AppResult<Saved> {
    let content =
        serde_json::from_str(saved.definition.expose()).map_err(|error| AppError::internal(&error))?;
    let saved::Saved { id, account_id: owner, version, changed_at, .. } = saved;
    Ok(Saved { id, owner, version, changed_at, content })
}

fn seal(saved: &Saved) -> AppResult<saved::Saved> {
    let definition = serde_json::to_string(&saved.content).map_err(|error| AppError::internal(&error))?;
    Ok(saved::Saved {
        id: saved.id,
        account_id: saved.owner.clone(),
        definition: Plain::new(definition),
        version: saved.version,
        changed_at: saved.changed_at,
    })
}

/// The content of a report with a pseudonym in the place of a closed account; `None` for one that nobody can use any
/// more. What does not read stays as it is.
pub fn without(report: &saved::Saved, account_id: &str, pseudonym: &str) -> Option<Plain> {
    let Ok(content) = serde_json::from_str::<Content>(report.definition.expose()) else {
        return Some(report.definition.clone());
    };
    if report.account_id == account_id && content.sharing.with == With::Private {
        return None;
    }
    // Ids stand in it as whole texts and nowhere else.
    let (named, instead) = (format!("\"{account_id}\""), format!("\"{pseudonym}\""));
    Some(Plain::new(report.definition.expose().replace(&named, &instead)))
}

fn unknown() -> AppError {
    AppError::not_found("report_not_found", "There is no such report, or it is not shared with you.")
}

/// Whether the caller may use it. Groups are asked for only where they matter.
async fn may_use(app: &App, caller: &Caller, saved: &Saved) -> AppResult<bool> {
    if saved.owner == caller.account_id {
        return Ok(true);
    }
    match saved.content.sharing.with {
        With::Private => Ok(false),
        With::Everyone => Ok(true),
        With::Groups => {
            let groups = permission::groups(app, caller).await?;
            Ok(saved.content.sharing.groups.iter().any(|group| groups.contains(group)))
        }
    }
}

/// The reports that the caller may use, by title.
///
/// # Errors
/// When Jira has to be asked for groups and cannot be.
pub async fn list(app: &App, caller: &Caller) -> AppResult<Vec<Saved>> {
    let db = app.db(&caller.tenant).await?;
    let mut usable = Vec::new();
    for saved in db.read(saved::all).await? {
        let saved = open(saved)?;
        if may_use(app, caller, &saved).await? {
            usable.push(saved);
        }
    }
    usable.sort_by_key(|saved| (saved.content.title.to_lowercase(), saved.id));
    Ok(usable)
}

/// One report.
///
/// # Errors
/// 404 for one that the caller may not use.
pub async fn find(app: &App, caller: &Caller, id: i64) -> AppResult<Saved> {
    let db = app.db(&caller.tenant).await?;
    let saved = db.read(move |db| saved::find(db, id)).await?.ok_or_else(unknown)?;
    let saved = open(saved)?;
    if may_use(app, caller, &saved).await? { Ok(saved) } else { Err(unknown()) }
}

/// Saves a new report.
///
/// # Errors
/// 400 for content that makes no sense; 422 where there are too many.
pub async fn create(app: &App, caller: &Caller, content: Content) -> AppResult<Saved> {
    let new = Saved {
        id: rand::rng().random_range(1..ID_LIMIT),
        owner: caller.account_id.clone(),
        version: 1,
        changed_at: app.clock.now_ms(),
        content: content.check()?,
    };
    let sealed = seal(&new)?;
    let db = app.db(&caller.tenant).await?;
    db.write(move |db| {
        let all = saved::all(db)?;
        let own = all.iter().filter(|saved| saved.account_id == sealed.account_id).count();
        if all.len() >= MOST || own >= MOST_OF_ONE {
            let detail =
                format!("There can be {MOST} reports, {MOST_OF_ONE} of them yours. Delete some first.");
            return Ok(Err(AppError::unprocessable("too_many_reports", detail)));
        }
        saved::put(db, &sealed)?;
        Ok(Ok(()))
    })
    .await??;
    Ok(new)
}

/// Replaces what a report asks, its title and its sharing; `version` is the one that was seen.
///
/// # Errors
/// 403 for others than its owner; 409 with what is there where it was changed meanwhile.
pub async fn change(app: &App, caller: &Caller, id: i64, version: i64, content: Content) -> AppResult<Saved> {
    let content = content.check()?;
    let found = find(app, caller, id).await?;
    require_owner(caller, &found)?;
    let changed =
        Saved { version: version + 1, changed_at: app.clock.now_ms(), content: content.clone(), ..found };
    let sealed = seal(&changed)?;
    let db = app.db(&caller.tenant).await?;
    let outcome = db
        .write(move |db| match saved::find(db, id)? {
            None => Ok(Err(None)),
            Some(current) if current.version != version => Ok(Err(Some(current))),
            Some(_) => saved::put(db, &sealed).map(Ok),
        })
        .await?;
    match outcome {
        Ok(()) => Ok(changed),
        Err(None) => Err(unknown()),
        Err(Some(current)) => {
            let json = |content: &Content| serde_json::to_value(content).unwrap_or_default();
            let current = open(current)?;
            let detail = format!(
                "This report was changed meanwhile: version {} is there. Compare both, and send yours again with that version if it is to stand.",
                current.version
            );
            Err(AppError::conflict("report_changed", detail).between(json(&content), json(&current.content)))
        }
    }
}

fn require_owner(caller: &Caller, saved: &Saved) -> AppResult<()> {
    if saved.owner == caller.account_id {
        return Ok(());
    }
    Err(AppError::forbidden("not_yours", "Only its owner may do this. Duplicate it to have one of your own."))
}

/// Saves a copy of a report as the caller's own, private one.
///
/// # Errors
/// See [`find`] and [`create`].
pub async fn duplicate(app: &App, caller: &Caller, id: i64) -> AppResult<Saved> {
    let found = find(app, caller, id).await?;
    let title: String = format!("{} (copy)", found.content.title).chars().take(LONGEST_TITLE).collect();
    create(app, caller, Content { title, sharing: Sharing::default(), ..found.content }).await
}

/// Removes a report: its owner, or a Jira admin one that is shared.
///
/// # Errors
/// 403 for others; 404 for one that the caller may not use.
pub async fn delete(app: &App, caller: &Caller, id: i64) -> AppResult<()> {
    let found = find(app, caller, id).await?;
    if found.owner != caller.account_id && !permission::is_admin(app, caller).await? {
        return require_owner(caller, &found);
    }
    let (account, now) = (caller.account_id.clone(), app.clock.now_ms());
    let db = app.db(&caller.tenant).await?;
    db.write(move |db| {
        saved::delete(db, id)?;
        audit::record(db, Some(&account), "report.delete", Some(&id.to_string()), now)
    })
    .await?;
    Ok(())
}
