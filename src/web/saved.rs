//! Saved reports.

use super::extract::{ContextCaller, Shared};
use super::params;
use super::reports::{self, QueryInput};
use crate::error::{AppResult, Problem};
use crate::jira::time;
use crate::reports::definition::Definition;
use crate::reports::saved::{self, Content, Saved, Sharing};
use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A saved report.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SavedView {
    id: String,
    title: String,
    /// Account id of the owner.
    owner: String,
    sharing: Sharing,
    definition: Definition,
    /// Send it back with a change.
    version: i64,
    changed_at: String,
}

impl From<Saved> for SavedView {
    fn from(saved: Saved) -> Self {
        Self {
            id: saved.id.to_string(),
            title: saved.content.title,
            owner: saved.owner,
            sharing: saved.content.sharing,
            definition: saved.content.definition,
            version: saved.version,
            changed_at: time::rfc3339(saved.changed_at),
        }
    }
}

/// A change of a saved report: everything of it.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangeInput {
    /// `version` as it was seen.
    version: i64,
    title: String,
    #[serde(default)]
    sharing: Sharing,
    definition: Definition,
}

/// Which page of a saved report.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RunInput {
    /// Rows to leave out at the beginning.
    #[serde(default)]
    offset: usize,
    /// Rows at most: 1 to 10,000, default 1000.
    #[serde(default)]
    limit: Option<usize>,
}

/// The reports that the caller may use, by title.
///
/// # Errors
/// 503 if Jira has to be asked for groups and cannot be.
#[utoipa::path(get, path = "/api/v1/reports", responses((status = 200, body = [SavedView]), (status = 503, body = Problem)))]
pub async fn list(app: Shared, caller: ContextCaller) -> AppResult<web::Json<Vec<SavedView>>> {
    let all = saved::list(&app, &caller.0).await?;
    Ok(web::Json(all.into_iter().map(SavedView::from).collect()))
}

/// Saves a report of the caller's own.
///
/// # Errors
/// 400 for a definition that makes no sense.
#[utoipa::path(post, path = "/api/v1/reports", request_body(content = Content, example = json!({ "title": "Hours by project", "sharing": { "with": "everyone" }, "definition": { "range": { "relative": "lastMonth" }, "rows": ["project"] } })), responses((status = 201, body = SavedView), (status = 400, body = Problem), (status = 402, body = Problem), (status = 422, body = Problem)))]
pub async fn create(app: Shared, caller: ContextCaller, body: web::Json<Content>) -> AppResult<HttpResponse> {
    let saved = saved::create(&app, &caller.0, body.into_inner()).await?;
    Ok(HttpResponse::Created().json(SavedView::from(saved)))
}

/// One report.
///
/// # Errors
/// 404 for one that the caller may not use.
#[utoipa::path(get, path = "/api/v1/reports/{reportId}", params(("reportId" = String, Path)), responses((status = 200, body = SavedView), (status = 404, body = Problem)))]
pub async fn one(
    app: Shared,
    caller: ContextCaller,
    path: web::Path<String>,
) -> AppResult<web::Json<SavedView>> {
    let id = params::id("reportId", &path)?;
    Ok(web::Json(saved::find(&app, &caller.0, id).await?.into()))
}

/// Changes a report: its owner.
///
/// # Errors
/// 409 if it was changed since `version`; both are told.
#[utoipa::path(put, path = "/api/v1/reports/{reportId}", params(("reportId" = String, Path)), request_body = ChangeInput, responses((status = 200, body = SavedView), (status = 402, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn change(
    app: Shared,
    caller: ContextCaller,
    path: web::Path<String>,
    body: web::Json<ChangeInput>,
) -> AppResult<web::Json<SavedView>> {
    let id = params::id("reportId", &path)?;
    let ChangeInput { version, title, sharing, definition } = body.into_inner();
    let content = Content { title, sharing, definition };
    Ok(web::Json(saved::change(&app, &caller.0, id, version, content).await?.into()))
}

/// Saves a copy as the caller's own.
///
/// # Errors
/// 404 for one that the caller may not use.
#[utoipa::path(post, path = "/api/v1/reports/{reportId}/duplicate", params(("reportId" = String, Path)), responses((status = 201, body = SavedView), (status = 402, body = Problem), (status = 404, body = Problem)))]
pub async fn duplicate(
    app: Shared,
    caller: ContextCaller,
    path: web::Path<String>,
) -> AppResult<HttpResponse> {
    let id = params::id("reportId", &path)?;
    let saved = saved::duplicate(&app, &caller.0, id).await?;
    Ok(HttpResponse::Created().json(SavedView::from(saved)))
}

/// Removes a report: its owner, or a Jira admin one that is shared.
///
/// # Errors
/// 403 for others.
#[utoipa::path(delete, path = "/api/v1/reports/{reportId}", params(("reportId" = String, Path)), responses((status = 204), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub async fn delete(app: Shared, caller: ContextCaller, path: web::Path<String>) -> AppResult<HttpResponse> {
    let id = params::id("reportId", &path)?;
    saved::delete(&app, &caller.0, id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Answers a saved report for the caller: what they may see, whoever saved it.
///
/// # Errors
/// Those of a query.
#[utoipa::path(post, path = "/api/v1/reports/{reportId}/query", params(("reportId" = String, Path)), request_body = RunInput, responses((status = 200, body = reports::ReportView), (status = 202, body = reports::PreparationView), (status = 404, body = Problem), (status = 503, body = Problem)))]
pub async fn run(
    app: Shared,
    caller: ContextCaller,
    path: web::Path<String>,
    body: web::Json<RunInput>,
) -> AppResult<HttpResponse> {
    let id = params::id("reportId", &path)?;
    let saved = saved::find(&app, &caller.0, id).await?;
    let input = QueryInput::of(saved.content.definition, body.offset, body.limit);
    reports::answer(&app, &caller.0, &input).await
}
