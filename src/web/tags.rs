//! Tags. Everybody may add one; changing and deleting is for Jira admins.

use super::extract::{ContextCaller, Shared};
use super::params;
use crate::error::{AppResult, Problem};
use crate::tags as feature;
use actix_web::{HttpResponse, web};
use hourbook_store::tenant::tags::Tag;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A tag.
#[derive(Serialize, ToSchema)]
pub struct TagView {
    /// Stays when the tag is renamed.
    id: String,
    /// Its name.
    name: String,
    /// Kept on old worklogs, not offered for new ones.
    archived: bool,
}

impl From<Tag> for TagView {
    fn from(tag: Tag) -> Self {
        Self { id: tag.id.to_string(), name: tag.name.expose().to_owned(), archived: tag.archived }
    }
}

/// All tags.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TagList {
    items: Vec<TagView>,
    /// Always null: the catalogue comes whole.
    next_cursor: Option<String>,
}

/// The catalogue, by name.
///
/// # Errors
/// When the database fails.
#[utoipa::path(get, path = "/api/v1/tags", responses((status = 200, body = TagList)))]
pub async fn list(app: Shared, caller: ContextCaller) -> AppResult<web::Json<TagList>> {
    let db = app.db(&caller.0.tenant).await?;
    let items = feature::all(&db).await?.into_iter().map(TagView::from).collect();
    Ok(web::Json(TagList { items, next_cursor: None }))
}

/// A tag to add.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTag {
    /// 1 to 100 characters.
    name: String,
}

/// Adds a tag.
///
/// # Errors
/// 400 for the name, 409 if it is taken.
#[utoipa::path(post, path = "/api/v1/tags", request_body = NewTag, responses((status = 201, body = TagView), (status = 400, body = Problem), (status = 402, body = Problem), (status = 409, body = Problem)))]
pub async fn create(app: Shared, caller: ContextCaller, body: web::Json<NewTag>) -> AppResult<HttpResponse> {
    let tag = feature::create(&app, &caller.0, &body.name).await?;
    Ok(HttpResponse::Created().json(TagView::from(tag)))
}

/// What to change on a tag.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TagChange {
    /// The new name.
    name: Option<String>,
    /// Whether it is archived.
    archived: Option<bool>,
}

/// Renames, archives or brings back a tag.
///
/// # Errors
/// 403 for others than Jira admins; 400, 404 or 409 for the change.
#[utoipa::path(put, path = "/api/v1/tags/{tagId}", params(("tagId" = String, Path)), request_body = TagChange, responses((status = 200, body = TagView), (status = 402, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn change(
    app: Shared,
    caller: ContextCaller,
    path: web::Path<String>,
    body: web::Json<TagChange>,
) -> AppResult<web::Json<TagView>> {
    let id = params::id("tagId", &path)?;
    let body = body.into_inner();
    let change = feature::Change { name: body.name, archived: body.archived };
    let tag = feature::change(&app, &caller.0, id, change).await?;
    Ok(web::Json(tag.into()))
}

/// Deletes a tag that no worklog has.
///
/// # Errors
/// 403 for others than Jira admins; 404; 409 if it is in use.
#[utoipa::path(delete, path = "/api/v1/tags/{tagId}", params(("tagId" = String, Path)), responses((status = 204, description = "Deleted"), (status = 402, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn delete(app: Shared, caller: ContextCaller, path: web::Path<String>) -> AppResult<HttpResponse> {
    feature::delete(&app, &caller.0, params::id("tagId", &path)?).await?;
    Ok(HttpResponse::NoContent().finish())
}
