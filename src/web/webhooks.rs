//! Webhooks of Jira: proved, reduced to what matters, sealed, durable, and only then answered 2xx.
//!
//! What is our own fault is answered 5xx, so that Jira sends again; another 4xx would lose the event for ever.

use super::extract::{ServerCaller, Shared};
use super::lifecycle;
use crate::app::App;
use crate::error::{AppError, AppResult};
use crate::jobs::{self, Kind};
use crate::sync::events::{self, Read, Stale};
use crate::sync::inbox::place;
use crate::tenants::Tenant;
use actix_web::{HttpRequest, HttpResponse, web};
use hourbook_store::inbox::NewEvent;
use sha2::{Digest, Sha256};

/// Jira sends no larger bodies.
const LONGEST: usize = 25 * 1024 * 1024;
/// Characters of an identifier that are taken as it is.
const LONGEST_IDENTIFIER: usize = 128;

/// Takes a webhook in.
///
/// # Errors
/// 401 for a bad signature; 503 if the event could not be made durable.
#[utoipa::path(post, path = "/connect/webhooks", request_body = String, responses((status = 204, description = "Durable"), (status = 401, description = "Not proved"), (status = 503, description = "Send again")))]
pub async fn webhook(
    app: Shared,
    caller: ServerCaller,
    request: HttpRequest,
    payload: web::Payload,
) -> AppResult<HttpResponse> {
    let tenant = caller.0;
    let body = lifecycle::read(payload, LONGEST).await?;
    take(&app, &tenant, events::parse(&body), identifier(&request, &body)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Makes what an event tells durable, whichever host it is from. `identifier` is the same when it is sent again.
///
/// # Errors
/// 503 if that is not possible now: then it should be sent again.
pub(super) async fn take(
    app: &App,
    tenant: &Tenant,
    read: Result<Read, &'static str>,
    identifier: String,
) -> AppResult<()> {
    // What arrives while its database is moved is not taken: it is sent again.
    if app.tenants.is_moving(&tenant.id) {
        return Err(hourbook_store::error::Error::Held.into());
    }
    let count = |outcome: &str| app.metrics.webhooks.with_label_values(&[outcome]).inc();
    if let Ok(Read { stale: Some(stale), .. }) = &read {
        forget(app, &tenant.id, *stale);
    }
    let event = match read.map(|read| read.event) {
        Ok(Some(event)) => event,
        Ok(None) => {
            count("nothing_to_us");
            return Ok(());
        }
        Err(reason) => {
            // It would be no better the next time. What it told is found by a sync.
            tracing::warn!(reason, "an event of an unknown shape");
            count("unreadable");
            jobs::enqueue(app, &tenant.id, Kind::SyncIncremental, "").await.map_err(not_taken)?;
            return Ok(());
        }
    };
    let text = serde_json::to_vec(&event).map_err(not_taken)?;
    let sealed = tenant.cipher.seal(place(&identifier), &text);
    let new = NewEvent {
        tenant_id: tenant.id.clone(),
        identifier,
        received_at: app.clock.now_ms(),
        body: Some(sealed),
    };
    app.inbox.append(new).await.map_err(not_taken)?;
    count("durable");
    Ok(())
}

/// What reports remember follows at once; it expires by itself where an event is lost.
fn forget(app: &App, tenant_id: &str, stale: Stale) {
    let now = app.clock.now_ms();
    match stale {
        Stale::Issue(issue_id) => {
            app.facts.issue_changed(tenant_id, issue_id);
            app.permissions.issue_changed(tenant_id, issue_id, now);
            app.nodes.issue_changed(tenant_id, issue_id);
        }
        Stale::Site => {
            app.facts.all_changed(tenant_id);
            app.permissions.all_changed(tenant_id, now);
        }
    }
}

fn not_taken(error: impl std::fmt::Display) -> AppError {
    tracing::error!(%error, "a webhook could not be taken");
    AppError::unavailable("not_taken", "The event could not be stored. Send it again.").after(60)
}

/// Jira's identifier is the same when it sends again; without one, the body stands for itself.
fn identifier(request: &HttpRequest, body: &[u8]) -> String {
    let given = request.headers().get("x-atlassian-webhook-identifier").and_then(|value| value.to_str().ok());
    match given {
        Some(given) if (1..=LONGEST_IDENTIFIER).contains(&given.len()) => given.to_owned(),
        Some(long) => format!("sha256:{}", hex::encode(Sha256::digest(long.as_bytes()))),
        None => format!("body:{}", hex::encode(Sha256::digest(body))),
    }
}
