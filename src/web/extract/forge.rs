//! Calls of Forge: an invocation token, and beside it the tokens that Jira's REST API takes.

use super::{app, proved, refused, require_active, scheme_token};
use crate::auth::forge::invocation::{self, Expected, Invocation};
use crate::auth::forge::modules;
use crate::auth::jwt::Refusal;
use crate::auth::{Caller, TokenKind};
use crate::error::{AppError, AppResult};
use crate::jira::site::Acting;
use crate::jira::system_tokens::SystemToken;
use crate::lifecycle::forge::{self, Heard};
use crate::tenants::Tenant;
use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use secrecy::SecretString;
use std::future::{Ready, ready};
use std::sync::Arc;

/// Forge's token for acting as the app, in calls of triggers.
const SYSTEM_TOKEN: &str = "x-forge-oauth-system";
/// Forge's token for acting as the person whose request it is.
const USER_TOKEN: &str = "x-forge-oauth-user";
/// Longest token of a person that is sent on.
const LONGEST: usize = 16 * 1024;

/// Forge itself, proved for one installation.
#[derive(Clone)]
pub struct ForgeCaller {
    /// Whose installation; `None` if it has ended, so that its calls are nothing to us.
    pub tenant: Option<Arc<Tenant>>,
    /// What the token says.
    pub invocation: Invocation,
}

/// A [`ForgeCaller`], for handlers.
pub struct Called(pub ForgeCaller);

/// A page's own call: a person, and how Jira is told that it is this person.
pub(super) async fn person(request: &HttpRequest) -> AppResult<Caller> {
    let ForgeCaller { tenant, invocation } = prove(request, TokenKind::Invocation).await?;
    let tenant = tenant.ok_or_else(|| refused(Refusal::Ended))?;
    let Some(account_id) = invocation.account_id else {
        return Err(AppError::forbidden("no_user", "This needs a person who is logged in to Jira."));
    };
    let user_token = header(request, USER_TOKEN).filter(|token| token.len() <= LONGEST);
    let acting =
        user_token.map_or(Acting::Unable, |token| Acting::Token(SecretString::from(token.to_owned())));
    Ok(Caller { tenant, account_id, acting })
}

/// A call of a trigger. Whether its token names the person behind an event is not documented, and means nothing here.
pub(super) async fn trigger(request: &HttpRequest, kind: TokenKind) -> AppResult<ForgeCaller> {
    prove(request, kind).await
}

async fn prove(request: &HttpRequest, kind: TokenKind) -> AppResult<ForgeCaller> {
    let app = app(request)?;
    let (Some(config), Some(keys)) = (&app.config.forge, &app.forge_keys) else {
        return Err(AppError::not_found("no_forge", "This server takes no calls of Forge."));
    };
    let token = scheme_token(request, "bearer").map_err(refused)?;
    let expected = Expected {
        app_id: &config.app_id,
        environments: &config.environments,
        api_url: &app.config.api_url,
        modules: modules::of(kind),
    };
    let proof = invocation::verify(&token, keys, &expected, app.clock.now_secs()).await;
    let invocation = proof.map_err(refused)?;
    // A page's token can be read from a browser, and with it anything be sent: the app's own token is taken from triggers
    // alone, which Forge calls from its servers.
    let system = match kind {
        TokenKind::Invocation => None,
        _ => header(request, SYSTEM_TOKEN).and_then(|text| SystemToken::read(text, app.clock.now_ms())),
    };
    let tenant = match forge::heard(&app, &invocation, system).await? {
        Heard::Tenant(tenant) => {
            tracing::Span::current().record("tenant.id", &tenant.id);
            Some(tenant)
        }
        Heard::Ended => None,
    };
    Ok(ForgeCaller { tenant, invocation })
}

/// The only value of a header; several are none.
fn header<'a>(request: &'a HttpRequest, name: &str) -> Option<&'a str> {
    let mut values = request.headers().get_all(name);
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    value.to_str().ok().filter(|text| !text.is_empty())
}

impl FromRequest for Called {
    type Error = AppError;
    type Future = Ready<AppResult<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let kinds = [TokenKind::Event, TokenKind::Schedule, TokenKind::Removal];
        ready(proved(request, &kinds).map(Self))
    }
}

impl ForgeCaller {
    /// The installation, if it is in use and its data may be reached.
    pub fn in_use(self) -> Option<Arc<Tenant>> {
        self.tenant.filter(|tenant| require_active(tenant).is_ok())
    }
}
