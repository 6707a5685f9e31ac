//! The catalogue of tags. A tag is its id: a rename changes the catalogue, not the worklogs that have it.

use crate::app::App;
use crate::auth::{Caller, permission};
use crate::error::{AppError, AppResult};
use crate::worklogs::property::{self, CarriedTag, LONGEST_NAME, TAG_ID_LIMIT};
use hourbook_store::plain::Plain;
use hourbook_store::tenant::tags::{self, Tag};
use hourbook_store::tenant::{TenantConn, TenantDb, audit, settings};
use rand::Rng;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Tags of a tenant at most.
const MOST: usize = 2000;
/// A name given here holds against whatever a worklog carries.
const NAMED_HERE: i64 = i64::MAX;

/// Name of the setting that says who may add tags.
pub const TAG_RIGHT: &str = "tagRight";

/// Who may add tags. Renaming, archiving and deleting is for Jira admins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum TagRight {
    /// Everybody who uses the site.
    #[default]
    Everyone,
    /// Jira admins.
    Admins,
}

impl TagRight {
    /// As it is stored.
    pub fn to_setting(self) -> &'static str {
        match self {
            Self::Everyone => "everyone",
            Self::Admins => "admins",
        }
    }

    /// What an admin has chosen; whatever is not understood is the strictest.
    ///
    /// # Errors
    /// When the database fails.
    pub fn read(db: &mut TenantConn<'_>) -> hourbook_store::error::Result<Self> {
        Ok(match settings::get(db, TAG_RIGHT)?.as_deref() {
            None | Some("everyone") => Self::Everyone,
            Some(_) => Self::Admins,
        })
    }
}

/// Whether the caller may add tags.
///
/// # Errors
/// When the database fails, or Jira cannot be asked.
pub async fn may_create(app: &App, caller: &Caller) -> AppResult<bool> {
    let right = app.db(&caller.tenant).await?.read(TagRight::read).await?;
    Ok(right == TagRight::Everyone || permission::is_admin(app, caller).await?)
}

/// All tags by name.
///
/// # Errors
/// When the database fails.
pub async fn all(db: &TenantDb) -> AppResult<Vec<Tag>> {
    let mut all = db.read(tags::all).await?;
    all.sort_by_key(|tag| (tag.name.expose().to_lowercase(), tag.id));
    Ok(all)
}

/// The tags of a worklog to write, with their names.
///
/// # Errors
/// When one does not exist or is archived.
pub async fn carried(db: &TenantDb, ids: &[i64]) -> AppResult<Vec<CarriedTag>> {
    let asked = ids.to_vec();
    let found =
        db.read(move |db| asked.iter().map(|id| tags::find(db, *id)).collect::<Result<Vec<_>, _>>()).await?;
    ids.iter()
        .zip(found)
        .map(|(id, tag)| match tag {
            Some(tag) => Ok(CarriedTag { id: tag.id, name: tag.name }),
            None => Err(AppError::invalid("tags", "tag_unknown", format!("There is no tag {id}."))),
        })
        .collect()
}

/// Adds a tag.
///
/// # Errors
/// When the name is none or taken, or tags are for admins to add.
pub async fn create(app: &App, caller: &Caller, name: &str) -> AppResult<Tag> {
    let name = checked_name(name)?;
    if !may_create(app, caller).await? {
        return Err(AppError::forbidden(
            "tags_for_admins",
            "On this site only Jira admins add tags. Ask one of them, or take a tag that there is.",
        ));
    }
    let id = rand::rng().random_range(1..TAG_ID_LIMIT);
    let tag = Tag { id, name: Plain::new(name), named_at: NAMED_HERE, archived: false };
    let new = tag.clone();
    act(app, caller, "tag.create", id, move |db| {
        let all = tags::all(db)?;
        if all.len() >= MOST {
            return Ok(Err(AppError::unprocessable(
                "too_many_tags",
                format!("There can be {MOST} tags at most. Delete unused ones first."),
            )));
        }
        Ok(match taken(&all, &new) {
            true => Err(name_taken()),
            false => {
                tags::put(db, &new)?;
                Ok(())
            }
        })
    })
    .await?;
    Ok(tag)
}

/// What may change on a tag.
#[derive(Debug, Default)]
pub struct Change {
    /// The new name.
    pub name: Option<String>,
    /// Whether it is archived.
    pub archived: Option<bool>,
}

/// Renames, archives or brings back a tag.
///
/// # Errors
/// When there is no such tag, or the name is none or taken.
pub async fn change(app: &App, caller: &Caller, id: i64, change: Change) -> AppResult<Tag> {
    let name = change.name.as_deref().map(checked_name).transpose()?.map(Plain::new);
    let action = if name.is_some() { "tag.rename" } else { "tag.archive" };
    act(app, caller, action, id, move |db| {
        let all = tags::all(db)?;
        let Some(mut tag) = all.iter().find(|tag| tag.id == id).cloned() else { return Ok(Err(unknown())) };
        if let Some(name) = name {
            tag.name = name;
            tag.named_at = NAMED_HERE;
        }
        tag.archived = change.archived.unwrap_or(tag.archived);
        if taken(&all, &tag) {
            return Ok(Err(name_taken()));
        }
        tags::put(db, &tag)?;
        Ok(Ok(tag))
    })
    .await
}

/// Deletes a tag that no worklog has.
///
/// # Errors
/// When there is no such tag, or a worklog has it.
pub async fn delete(app: &App, caller: &Caller, id: i64) -> AppResult<()> {
    act(app, caller, "tag.delete", id, move |db| {
        if tags::find(db, id)?.is_none() {
            return Ok(Err(unknown()));
        }
        let uses = tags::count_uses(db, id)?;
        Ok(if tags::delete_unused(db, id)? {
            Ok(())
        } else {
            Err(AppError::conflict(
                "tag_in_use",
                format!(
                    "{uses} worklogs have this tag. Archive it instead: they keep it, new ones do not get it."
                ),
            ))
        })
    })
    .await
}

/// Runs a change and notes it, in one transaction; a refusal changes nothing.
async fn act<T: Send + 'static>(
    app: &App,
    caller: &Caller,
    action: &'static str,
    id: i64,
    work: impl FnOnce(&mut TenantConn<'_>) -> hourbook_store::error::Result<AppResult<T>> + Send + 'static,
) -> AppResult<T> {
    let db = app.db(&caller.tenant).await?;
    let (account, now) = (caller.account_id.clone(), app.clock.now_ms());
    db.write(move |db| {
        let outcome = work(db)?;
        if outcome.is_ok() {
            audit::record(db, Some(&account), action, Some(&id.to_string()), now)?;
        }
        Ok(outcome)
    })
    .await?
}

fn checked_name(name: &str) -> AppResult<String> {
    let name = name.trim();
    if property::is_name(name) {
        return Ok(name.to_owned());
    }
    Err(AppError::invalid(
        "name",
        "tag_name_invalid",
        format!("A tag's name has 1 to {LONGEST_NAME} characters, without line breaks."),
    ))
}

fn taken(all: &[Tag], tag: &Tag) -> bool {
    let name = tag.name.expose().to_lowercase();
    all.iter().any(|other| other.id != tag.id && other.name.expose().to_lowercase() == name)
}

fn name_taken() -> AppError {
    AppError::conflict("tag_name_taken", "There is a tag with this name already.").on("name")
}

fn unknown() -> AppError {
    AppError::not_found("tag_not_found", "There is no such tag.")
}
