//! Tokens for acting as the app, as they come with calls of Forge.

use crate::app::App;
use crate::auth::forge::invocation::Invocation;
use crate::error::AppResult;
use crate::jira::error::JiraError;
use crate::jira::system_tokens::SystemToken;
use crate::tenants::{self, Tenant};
use hourbook_store::conn::Conn;
use hourbook_store::control::notices::{self, What};
use hourbook_store::control::{forge, installations, jobs};
use hourbook_store::error::Error;
use secrecy::ExposeSecret;

/// Takes a token that holds longer than the one that there is, and lets work go on that waited for it.
///
/// # Errors
/// When the control database fails.
pub(super) async fn take(app: &App, tenant: &Tenant, call: &Invocation, token: SystemToken) -> AppResult<()> {
    let (now, until) = (app.clock.now_ms(), token.until);
    let waited = app.jira.system_tokens.get(&tenant.id, now).is_none();
    if !app.jira.system_tokens.lacks(&tenant.id, until) {
        return Ok(());
    }
    let sealed = tenants::seal_token(&tenant.cipher, &call.installation_id, token.token.expose_secret());
    let (installation_id, tenant_id) = (call.installation_id.clone(), tenant.id.clone());
    let client_key = tenant.client_key.clone();
    let hurried = app.control.write(move |conn| {
        if !forge::keep_token(conn, &installation_id, &sealed, until)? {
            return Ok(false);
        }
        notices::post(conn, What::Token, &tenant_id, &client_key, now)?;
        if !waited {
            return Ok(false);
        }
        // A site that refused us is asked again at once.
        installations::schedule_probe(conn, &tenant_id, now)?;
        let_go_on(conn, &tenant_id, now)?;
        Ok(true)
    });
    let hurried = hurried.await?;
    // Only once it is kept: the same token comes again, and would be taken for known.
    app.jira.system_tokens.offer(&tenant.id, token);
    if hurried {
        app.wake.now();
    }
    Ok(())
}

fn let_go_on(conn: &mut Conn, tenant_id: &str, now: i64) -> Result<usize, Error> {
    jobs::hurry(conn, tenant_id, &JiraError::NoSystemToken.to_string(), now)
}

/// Lets jobs of a tenant go on that wait for a token, if there is one by now that Jira has not refused, on whichever node
/// it arrived.
///
/// # Errors
/// When the control database fails.
pub async fn hurry(app: &App, tenant_id: &str) -> Result<(), Error> {
    // Takes in what another node was brought.
    if app.tenants.by_id(tenant_id).await?.is_none() {
        return Ok(());
    }
    let (id, now) = (tenant_id.to_owned(), app.clock.now_ms());
    if app.jira.system_tokens.get(tenant_id, now).is_none() {
        return Ok(());
    }
    if app.control.write(move |conn| let_go_on(conn, &id, now)).await? > 0 {
        app.wake.now();
    }
    Ok(())
}
