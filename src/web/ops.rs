//! Routes of the operator, on a port of their own that is loopback unless configured otherwise. They carry no token:
//! whoever reaches the port is the operator. They tell counts and ids, never content.

use super::extract::Shared;
use super::health;
use crate::error::{AppError, AppResult};
use crate::jira::time;
use actix_web::HttpResponse;
use actix_web::web::{self, ServiceConfig, get};
use hourbook_store::control::{installations, jobs, nodes as store, placements};
use serde_json::{Value, json};

/// Registers the operator's routes.
pub fn configure(config: &mut ServiceConfig) {
    config
        .route("/metrics", get().to(metrics))
        .route("/ops/tenants", get().to(tenants))
        .route("/healthz", get().to(health::healthz))
        .route("/ops/nodes", get().to(nodes))
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
    for server in app.servers.all() {
        app.metrics.connections.with_label_values(&[server.name()]).set(i64::from(server.connections()));
        app.metrics.down.with_label_values(&[server.name()]).set(i64::from(server.is_down()));
    }
    app.metrics.waiting.with_label_values(&["nodes.live"]).set(i64::try_from(app.nodes.live()).unwrap_or(0));
    let held = app.control.read(placements::all_held).await?;
    let quarantined = held.iter().filter(|hold| hold.kind == placements::QUARANTINE).count();
    let quarantined = i64::try_from(quarantined).unwrap_or(i64::MAX);
    app.metrics.waiting.with_label_values(&["tenants.quarantined"]).set(quarantined);
    let open = i64::try_from(app.tenants.open_count()).unwrap_or(i64::MAX);
    app.metrics.waiting.with_label_values(&["tenants.open"]).set(open);
    let projections = i64::try_from(app.projections.bytes()).unwrap_or(i64::MAX);
    app.metrics.memory.with_label_values(&["reports"]).set(projections);
    let text = app.metrics.render().map_err(|error| AppError::internal(&error))?;
    Ok(HttpResponse::Ok().content_type("text/plain; version=0.0.4").body(text))
}

async fn nodes(app: Shared) -> AppResult<HttpResponse> {
    let live = app.control.read(store::live).await?;
    let items: Vec<Value> = live
        .into_iter()
        .map(|node| {
            json!({
                "node": node.node_id,
                "isThis": node.node_id == app.nodes.id(),
                "version": node.version,
                "started": time::rfc3339(node.started_at),
                "lastHeard": time::rfc3339(node.seen_at),
            })
        })
        .collect();
    Ok(HttpResponse::Ok().json(json!({ "items": items, "nextCursor": null })))
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
