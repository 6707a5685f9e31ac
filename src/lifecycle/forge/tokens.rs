//! Tokens for acting as the app, as they come with calls of Forge.

use crate::app::App;
use crate::auth::forge::invocation::Invocation;
use crate::error::AppResult;
use crate::jira::error::JiraError;
use crate::jira::system_tokens::SystemToken;
use crate::tenants::{self, Tenant};
use hourbook_store::control::notices::{self, What};
use hourbook_store::control::{forge, installations, jobs};
use secrecy::ExposeSecret;

/// Takes a token that holds longer than the one that there is, and lets work go on that waited for it.
///
/// # Errors
/// When the control database fails.
pub(super) async fn take(app: &App, tenant: &Tenant, call: &Invocation, token: SystemToken) -> AppResult<()> {
    let (now, until) = (app.clock.now_ms(), token.until);
    let waited = app.jira.system_tokens.get(&tenant.id, now).is_none();
    let sealed = tenants::seal_token(&tenant.cipher, &call.installation_id, token.token.expose_secret());
    if !app.jira.system_tokens.offer(&tenant.id, token) {
        return Ok(());
    }
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
        jobs::hurry(conn, &tenant_id, &JiraError::NoSystemToken.to_string(), now)?;
        Ok(true)
    });
    if hurried.await? {
        app.wake.now();
    }
    Ok(())
}
