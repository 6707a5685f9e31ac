//! Lifecycle calls of Atlassian: proved by RS256 before the body means anything.

use super::extract::{self, Shared};
use crate::auth::connect::install;
use crate::error::{AppError, AppResult};
use crate::lifecycle::{installed as feature, uninstalled};
use actix_web::{HttpRequest, HttpResponse, web};
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;

/// Longest body that is read.
const LONGEST: usize = 64 * 1024;

/// What Jira sends; more fields are ignored.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LifecycleBody {
    key: String,
    client_key: String,
    #[schema(value_type = Option<String>)]
    shared_secret: Option<SecretString>,
    base_url: Option<String>,
    display_url: Option<String>,
    oauth_client_id: Option<String>,
}

/// Installation, upgrade, rotation, rename, reinstallation.
///
/// # Errors
/// 401 if the call is not Atlassian's; 400 if the site is not allowed; 5xx if it should be sent again.
#[utoipa::path(post, path = "/connect/installed", request_body = LifecycleBody, responses((status = 204, description = "Taken in"), (status = 401, description = "Not proved")))]
pub async fn installed(app: Shared, request: HttpRequest, payload: web::Payload) -> AppResult<HttpResponse> {
    let body = proved_body(&app, &request, payload).await?;
    let shared_secret = body.shared_secret.ok_or_else(|| missing("sharedSecret"))?;
    let call = feature::Installed {
        client_key: body.client_key,
        shared_secret,
        base_url: body.base_url.ok_or_else(|| missing("baseUrl"))?,
        display_url: body.display_url,
        oauth_client_id: body.oauth_client_id,
    };
    feature::installed(&app, call).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Uninstallation.
///
/// # Errors
/// 401 if the call is not Atlassian's; 5xx if the key could not be destroyed.
#[utoipa::path(post, path = "/connect/uninstalled", request_body = LifecycleBody, responses((status = 204, description = "Closed, the key is destroyed"), (status = 401, description = "Not proved")))]
pub async fn uninstalled(
    app: Shared,
    request: HttpRequest,
    payload: web::Payload,
) -> AppResult<HttpResponse> {
    let body = proved_body(&app, &request, payload).await?;
    uninstalled::uninstalled(&app, &body.client_key).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn proved_body(app: &Shared, request: &HttpRequest, payload: web::Payload) -> AppResult<LifecycleBody> {
    let token = extract::header_token(request).map_err(extract::refused)?;
    let sent = read(payload, LONGEST).await?;
    let body: LifecycleBody = serde_json::from_slice(&sent)
        .map_err(|_| AppError::invalid("", "body_invalid", "The body is not that of a lifecycle call."))?;
    let proof = install::Request {
        method: request.method().as_str(),
        target: &extract::target(request),
        token: &token,
        client_key: &body.client_key,
    };
    install::verify(&proof, &app.install_keys, &app.config.base_url, &app.base_path, app.clock.now_secs())
        .await
        .map_err(extract::refused)?;
    let taken = install::take(&app.control, &token, &sent, app.clock.now_ms()).await?;
    taken.map_err(extract::refused)?;
    if body.key != app.config.app_key {
        return Err(AppError::invalid("key", "wrong_app", "The call is for another app."));
    }
    Ok(body)
}

/// Reads a body up to a limit.
pub(super) async fn read(payload: web::Payload, limit: usize) -> AppResult<bytes::Bytes> {
    match payload.to_bytes_limited(limit).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(_)) => Err(AppError::invalid("", "body_cut_off", "The body ended early.")),
        Err(_) => Err(AppError::too_large("body_too_large", format!("The body may have {limit} bytes."))),
    }
}

fn missing(field: &str) -> AppError {
    AppError::invalid(field, "field_missing", format!("{field} is missing."))
}
