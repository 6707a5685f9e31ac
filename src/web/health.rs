//! Whether the server lives and is ready; and the answer to unknown paths.

use super::extract::Shared;
use crate::error::{AppError, AppResult};
use actix_web::HttpResponse;
use hourbook_store::control::jobs;
use serde_json::json;

/// Lives.
#[utoipa::path(get, path = "/healthz", responses((status = 200, description = "The process answers")))]
pub async fn healthz() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "ok" }))
}

/// Ready: the control database answers, and this node is not about to stop.
///
/// # Errors
/// When it does not, or it is.
#[utoipa::path(get, path = "/readyz", responses((status = 200, description = "Ready for traffic"), (status = 503, description = "Not ready")))]
pub async fn readyz(app: Shared) -> AppResult<HttpResponse> {
    if app.nodes.is_leaving() {
        return Err(AppError::unavailable("leaving", "This node is about to stop.").after(1));
    }
    match app.control.read(jobs::count_by_state).await {
        Ok(_) => Ok(HttpResponse::Ok().json(json!({ "status": "ready" }))),
        Err(error) => {
            tracing::error!(%error, "not ready");
            Err(AppError::unavailable("not_ready", "The database does not answer.").after(5))
        }
    }
}

/// What unknown paths get.
///
/// # Errors
/// Always: 404.
pub async fn not_found() -> AppResult<HttpResponse> {
    Err(AppError::not_found("route_not_found", "There is no such route. See /api/openapi.json."))
}
