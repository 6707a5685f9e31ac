//! Around every answer: one log line with the route's template (never the target), metrics, security headers.

use super::extract::Shared;
use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::{DefaultHeaders, Next};
use std::time::Instant;
use tracing::Instrument;

/// Headers of every answer. Pages add their own Content-Security-Policy.
pub fn security_headers() -> DefaultHeaders {
    DefaultHeaders::new()
        .add(("X-Content-Type-Options", "nosniff"))
        .add(("Referrer-Policy", "no-referrer"))
        .add(("Strict-Transport-Security", "max-age=31536000; includeSubDomains"))
        .add(("Cache-Control", "no-store"))
}

/// Logs and counts one answer.
///
/// # Errors
/// Those of the handler, unchanged.
pub async fn report(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let begun = Instant::now();
    let app = request.app_data::<Shared>().cloned();
    let method = request.method().clone();
    let span = tracing::info_span!("request", tenant.id = tracing::field::Empty);
    let response = next.call(request).instrument(span.clone()).await?;
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
