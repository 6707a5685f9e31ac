//! Around every answer: one log line with the route's template (never the target), metrics, security headers.

use super::extract::{self, Shared};
use crate::error::AppError;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::middleware::{DefaultHeaders, Next};
use actix_web::{Error, ResponseError};
use std::time::{Duration, Instant};
use tracing::Instrument;

/// Headers of every answer. Pages have a Content-Security-Policy of their own.
pub fn security_headers() -> DefaultHeaders {
    DefaultHeaders::new()
        .add(("X-Content-Type-Options", "nosniff"))
        .add(("Referrer-Policy", "no-referrer"))
        .add(("Strict-Transport-Security", "max-age=31536000; includeSubDomains"))
        .add(("Cache-Control", "no-store"))
        .add(("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"))
        .add(("Cross-Origin-Resource-Policy", "same-origin"))
}

/// Logs and counts one answer, and sees to it that none takes for ever; tokens that are refused are limited by address.
///
/// # Errors
/// Those of the handler, unchanged; 408 when it takes too long.
pub async fn report(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let begun = Instant::now();
    let app = request.app_data::<Shared>().cloned();
    let method = request.method().clone();
    let span = tracing::info_span!("request", tenant.id = tracing::field::Empty);
    let address = extract::client_address(request.request());
    let patience = app.as_ref().map_or(Duration::MAX, |app| app.config.tuning.patience);
    let Ok(response) = tokio::time::timeout(patience, next.call(request).instrument(span.clone())).await
    else {
        span.in_scope(|| tracing::warn!(%method, "a request took too long"));
        return Err(AppError::timed_out().into());
    };
    let mut response = response?.map_into_boxed_body();
    if response.status() == StatusCode::UNAUTHORIZED
        && let Some(Err(limited)) = app.as_ref().map(|app| app.limits.unproved(address))
    {
        response = response.into_response(limited.error_response());
    }
    let route = response.request().match_pattern().unwrap_or_else(|| "unmatched".into());
    let status = response.status().as_u16();
    let elapsed = begun.elapsed();
    if let Some(app) = app {
        app.metrics.requests.with_label_values(&[route.as_str(), status.to_string().as_str()]).inc();
        app.metrics.request_seconds.with_label_values(&[route.as_str()]).observe(elapsed.as_secs_f64());
    }
    let duration_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
    span.in_scope(|| tracing::info!(%method, route, status, duration_ms, "answered"));
    Ok(response)
}
