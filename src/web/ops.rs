//! Routes of the operator, on a port of their own that is loopback unless configured otherwise. They carry no token:
//! whoever reaches the port is the operator. They tell counts and ids, never content.

use super::extract::Shared;
use super::health;
use crate::error::{AppError, AppResult};
use crate::jira::time;
use actix_web::HttpResponse;
use actix_web::web::{self, ServiceConfig, get};
use hourbook_store::control::{installations, jobs};
use serde_json::{Value, json};

/// Registers the operator's routes.
pub fn configure(config: &mut ServiceConfig) {
    config
        .route("/metrics", get().to(metrics))
        .route("/ops/tenants", get().to(tenants))
        .route("/healthz", get().to(health::healthz))
        .default_service(web::to(health::not_found));
}

async fn metrics(app: Shared) -> AppResult<HttpResponse> {
    for (state, count) in app.control.read(jobs::count_by_state).await? {
        app.metrics.waiting.with_label_values(&[format!("jobs.{state}")]).set(count);
    }
    for state in installations::STATES {
        let state_count = app.control.read(move |conn| installations::count(conn, state)).await?;
        app.metrics.installations.with_label_values(&[state]).set(state_count);
    }
    let open = i64::try_from(app.tenants.open_count()).unwrap_or(i64::MAX);
    app.metrics.waiting.with_label_values(&["tenants.open"]).set(open);
    let projections = i64::try_from(app.projections.bytes()).unwrap_or(i64::MAX);
    app.metrics.memory.with_label_values(&["reports"]).set(projections);
    let reports = i64::try_from(app.projections.bytes()).unwrap_or(i64::MAX);
    app.metrics.memory.with_label_values(&["reports"]).set(reports);
    let text = app.metrics.render().map_err(|error| AppError::internal(&error))?;
    Ok(HttpResponse::Ok().content_type("text/plain; version=0.0.4").body(text))
}

async fn tenants(app: Shared) -> AppResult<HttpResponse> {
    let all = app.control.read(installations::all).await?;
    let items: Vec<Value> = all
        .into_iter()
        .map(|found| {
            json!({
                "tenant": found.tenant_id,
                "site": found.base_url,
                "state": found.state,
                "reason": found.state_reason,
                "since": time::rfc3339(found.state_since),
                "installed": time::rfc3339(found.installed_at),
                "region": found.region,
            })
        })
        .collect();
    Ok(HttpResponse::Ok().json(json!({ "items": items, "nextCursor": null })))
}
