//! Reports as files: at once, or made beside the request.

use super::extract::{ContextCaller, Shared};
use super::reports::preparing;
use crate::auth::Caller;
use crate::error::{AppError, AppResult, Problem};
use crate::reports::definition::Definition;
use crate::reports::export::stored::{self, Export};
use crate::reports::export::{self, Format, Style};
use crate::reports::report::{self, Answered, Report};
use crate::reports::scope::Options;
use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use actix_web::{HttpResponse, web};
use bytes::Bytes;
use futures_util::Stream;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// A report to write into a file.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExportInput {
    /// What is asked.
    definition: Definition,
    /// Kind of file.
    format: Format,
    /// Of CSV: whether it begins with a byte order mark, which Excel needs; default false.
    #[serde(default)]
    bom: bool,
    /// Of CSV: whether the stamp follows the total, in rows that begin with `#`; default true. Other files always have
    /// it.
    #[serde(default)]
    stamp: Option<bool>,
}

impl ExportInput {
    fn style(&self) -> Style {
        Style { format: self.format, bom: self.bom, stamp: self.stamp.unwrap_or(true) }
    }
}

/// The report, or what is being found out for it.
async fn asked(
    app: &Shared,
    caller: &Caller,
    input: &ExportInput,
) -> AppResult<Result<Arc<Report>, HttpResponse>> {
    let checked = input.definition.check()?;
    let options = Options { names: true, count_hidden: false };
    match report::answer(app, caller, checked, options).await? {
        Answered::Report(report) => Ok(Ok(Arc::from(report))),
        Answered::Preparing(preparation) => Ok(Err(preparing(&preparation))),
    }
}

fn file(name: &str, format: Format, pieces: impl Stream<Item = AppResult<Bytes>> + 'static) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, format.media_type()))
        .insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")))
        .streaming(pieces)
}

/// Writes a report into a file, as the answer to this call: without a limit of rows.
///
/// # Errors
/// Those of a query. A file that breaks off has no end that its kind takes for one.
#[utoipa::path(post, path = "/api/v1/reports/export", request_body(content = ExportInput, example = json!({ "definition": { "kind": "details", "range": { "relative": "thisMonth" } }, "format": "csv", "bom": true })), responses((status = 200, description = "The file", body = String), (status = 202, body = super::reports::PreparationView), (status = 400, body = Problem), (status = 503, body = Problem)))]
pub async fn now(
    app: Shared,
    caller: ContextCaller,
    body: web::Json<ExportInput>,
) -> AppResult<HttpResponse> {
    let report = match asked(&app, &caller.0, &body).await? {
        Ok(report) => report,
        Err(preparing) => return Ok(preparing),
    };
    let db = app.db(&caller.0.tenant).await?;
    let name = export::file_name(&report, body.format);
    Ok(file(&name, body.format, export::pieces(db, report, body.style())))
}

/// Begins to write a report into a file that is fetched later: for huge ones.
///
/// # Errors
/// Those of a query; 409 with ten of one's own.
#[utoipa::path(post, path = "/api/v1/exports", request_body(content = ExportInput, example = json!({ "definition": { "kind": "details", "range": { "relative": "lastYear" } }, "format": "xlsx" })), responses((status = 202, body = Export, description = "Or, while it is found out who may see what, a preparation"), (status = 400, body = Problem), (status = 409, body = Problem), (status = 503, body = Problem)))]
pub async fn begin(
    app: Shared,
    caller: ContextCaller,
    body: web::Json<ExportInput>,
) -> AppResult<HttpResponse> {
    let report = match asked(&app, &caller.0, &body).await? {
        Ok(report) => report,
        Err(preparing) => return Ok(preparing),
    };
    let export = stored::begin(&app, &caller.0, report, body.style()).await?;
    let location = format!("/api/v1/exports/{}", export.id);
    Ok(HttpResponse::Accepted().insert_header(("Location", location)).json(export))
}

/// The caller's exports, newest first.
///
/// # Errors
/// When the files cannot be read.
#[utoipa::path(get, path = "/api/v1/exports", responses((status = 200, body = [Export])))]
pub async fn list(app: Shared, caller: ContextCaller) -> AppResult<web::Json<Vec<Export>>> {
    Ok(web::Json(stored::list(&app, &caller.0).await?))
}

/// How one of the caller's stands.
///
/// # Errors
/// 404 for one that is not the caller's, or gone.
#[utoipa::path(get, path = "/api/v1/exports/{exportId}", params(("exportId" = String, Path)), responses((status = 200, body = Export), (status = 404, body = Problem)))]
pub async fn one(
    app: Shared,
    caller: ContextCaller,
    path: web::Path<String>,
) -> AppResult<web::Json<Export>> {
    Ok(web::Json(stored::find(&app, &caller.0, &path).await?))
}

/// Hands a file out, after asking Jira again whether the caller may still see what is in it.
///
/// # Errors
/// 404 for one that is not the caller's, or gone; 409 for one that is not ready or holds what they may not see any more.
#[utoipa::path(get, path = "/api/v1/exports/{exportId}/file", params(("exportId" = String, Path)), responses((status = 200, description = "The file", body = String), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn fetch(app: Shared, caller: ContextCaller, path: web::Path<String>) -> AppResult<HttpResponse> {
    let download = stored::fetch(&app, &caller.0, &path).await?;
    let (name, format) = (download.name.clone(), download.style.format);
    Ok(file(&name, format, download.pieces()))
}

/// Removes one of the caller's.
///
/// # Errors
/// 404 for one that is not the caller's; 409 while it is made.
#[utoipa::path(delete, path = "/api/v1/exports/{exportId}", params(("exportId" = String, Path)), responses((status = 204), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn delete(
    app: Shared,
    caller: ContextCaller,
    path: web::Path<String>,
) -> Result<HttpResponse, AppError> {
    stored::delete(&app, &caller.0, &path).await?;
    Ok(HttpResponse::NoContent().finish())
}
