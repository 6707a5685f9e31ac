//! What Forge calls by itself: events, the clock, the end. Each has five seconds, so that it is made durable and
//! nothing more.
//!
//! Calls of an installation that has ended are answered 204: sent again, they would be no better.

pub mod answers;

use super::extract::{Called, Shared};
use super::{lifecycle, webhooks};
use crate::error::AppResult;
use crate::lifecycle::forge as feature;
use crate::sync::events;
use actix_web::{HttpResponse, web};

/// Forge delivers no longer bodies.
const LONGEST: usize = 5 * 1024 * 1024;

/// An event of Jira, or of the app's life: that the installation speaks was taken in when its token was proved.
///
/// # Errors
/// 401 for a bad token; 403 for a token of another module; 503 if the event could not be made durable.
#[utoipa::path(post, path = "/forge/events", request_body = String, responses((status = 204, description = "Durable"), (status = 401, description = "Not proved"), (status = 503, description = "Send again")))]
pub async fn event(app: Shared, caller: Called, payload: web::Payload) -> AppResult<HttpResponse> {
    let body = lifecycle::read(payload, LONGEST).await?;
    if let Some(tenant) = caller.0.in_use() {
        let (read, identifier) = events::forge::parse(&body, app.clock.now_ms());
        webhooks::take(&app, &tenant, read, identifier).await?;
    }
    Ok(HttpResponse::NoContent().finish())
}

/// A trigger by the clock: it brings the tokens that work behind the requests needs.
///
/// # Errors
/// 401 for a bad token; 403 for a token of another module.
#[utoipa::path(post, path = "/forge/schedule", request_body = String, responses((status = 204, description = "Heard"), (status = 401, description = "Not proved")))]
pub async fn schedule(_: Called) -> HttpResponse {
    HttpResponse::NoContent().finish()
}

/// The app is about to be removed from the site.
///
/// # Errors
/// 401 for a bad token; 403 for a token of another module; 5xx if it could not be noted.
#[utoipa::path(post, path = "/forge/uninstall", request_body = String, responses((status = 204, description = "The data is out of reach, the wipe is planned"), (status = 401, description = "Not proved")))]
pub async fn removal(app: Shared, caller: Called) -> AppResult<HttpResponse> {
    if let Some(tenant) = &caller.0.tenant {
        feature::leaving(&app, tenant, &caller.0.invocation).await?;
    }
    Ok(HttpResponse::NoContent().finish())
}
