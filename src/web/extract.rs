//! What a handler may ask for. A caller is proved before anything else of a request is looked at, or the handler does
//! not run.

mod forge;

pub use forge::{Called, ForgeCaller};

use super::pages::Refused;
use super::routes::{self, Route};
use crate::app::App;
use crate::auth::connect::claims::Claims;
use crate::auth::connect::{context, server};
use crate::auth::jwt::{self, Refusal};
use crate::auth::permission;
use crate::auth::{Caller, Right, TokenKind};
use crate::error::{AppError, AppResult};
use crate::jira::meter::Class;
use crate::jira::site::Acting;
use crate::licence;
use crate::tenants::Tenant;
use actix_web::body::MessageBody;
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::{ACCEPT_LANGUAGE, AUTHORIZATION};
use actix_web::middleware::Next;
use actix_web::{Error, FromRequest, HttpMessage, HttpRequest, web};
use percent_encoding::percent_decode_str;
use secrecy::ExposeSecret;
use std::future::{Ready, ready};
use std::net::IpAddr;
use std::sync::Arc;

/// The application, for handlers.
pub type Shared = web::Data<App>;

/// A person, proved by the token of a page's own call, of Connect or of Forge.
pub struct ContextCaller(pub Caller);

/// A person, proved by the token that a page was loaded with.
pub struct PageCaller(pub Caller);

/// Jira's server, proved for one tenant.
pub struct ServerCaller(pub Arc<Tenant>);

/// Somebody who proves nothing, within the limit for their address.
pub struct Anybody;

/// The primary language tag that the browser asks for; `en` if it asks for none.
pub struct Language(pub String);

pub(super) fn app(request: &HttpRequest) -> AppResult<Arc<App>> {
    let shared = request.app_data::<Shared>();
    shared.map(|shared| shared.clone().into_inner()).ok_or_else(|| AppError::internal(&"no application data"))
}

/// Path and query exactly as they came over the wire: the hash is over these.
pub(super) fn target(request: &HttpRequest) -> String {
    request.uri().path_and_query().map_or_else(|| "/".to_owned(), |target| target.as_str().to_owned())
}

/// The token of `Authorization: JWT <token>`.
pub(super) fn header_token(request: &HttpRequest) -> Result<String, Refusal> {
    scheme_token(request, "jwt")
}

/// The token of the only `Authorization` header, of this scheme.
fn scheme_token(request: &HttpRequest, wanted: &str) -> Result<String, Refusal> {
    let mut values = request.headers().get_all(AUTHORIZATION);
    let (Some(value), None) = (values.next(), values.next()) else { return Err(Refusal::Missing) };
    let text = value.to_str().map_err(|_| Refusal::Malformed)?;
    let (scheme, token) = text.split_once(' ').ok_or(Refusal::Missing)?;
    if scheme.eq_ignore_ascii_case(wanted) { Ok(token.trim().to_owned()) } else { Err(Refusal::Missing) }
}

/// The token of the query parameter `jwt`; twice is none.
fn query_token(request: &HttpRequest) -> Result<String, Refusal> {
    let mut tokens = request.query_string().split('&').filter_map(|pair| pair.strip_prefix("jwt="));
    match (tokens.next(), tokens.next()) {
        (Some(token), None) => {
            percent_decode_str(token).decode_utf8().map(Into::into).map_err(|_| Refusal::Malformed)
        }
        _ => Err(Refusal::Missing),
    }
}

/// What a refused caller learns: that it is refused. Why is in the log.
pub(super) fn refused(refusal: Refusal) -> AppError {
    tracing::info!(reason = %refusal, "a token was refused");
    match refusal {
        Refusal::KeyService => {
            AppError::unavailable("key_service", "The token could not be checked. Try again.").after(10)
        }
        Refusal::Missing => {
            AppError::unauthorized("token_missing", "This route needs a token of its own kind.")
        }
        Refusal::Isolated => {
            AppError::forbidden("isolated_cloud", "Hourbook does not serve Atlassian's Isolated Cloud.")
        }
        Refusal::Environment => AppError::forbidden(
            "environment_refused",
            "This environment of the app may not call here. The operator can allow it.",
        ),
        Refusal::Module => {
            AppError::forbidden("module_refused", "This token was given to another part of the app.")
        }
        Refusal::Gateway => {
            AppError::forbidden("gateway_refused", "The site's address is not one of Atlassian's gateway.")
        }
        Refusal::Ended => AppError::forbidden(
            "unknown_tenant",
            "Hourbook is not installed here: this installation has ended. Reload the page; if that does not help, ask a Jira admin to \
             install Hourbook again.",
        ),
        Refusal::UnknownTenant => AppError::unauthorized("unknown_tenant", "Hourbook is not installed here."),
        _ => AppError::unauthorized("token_refused", "The token is not valid for this request."),
    }
}

/// Finds the tenant that a token names and checks the token with its secrets.
async fn prove(
    app: &App,
    token: &str,
    check: impl Fn(&[u8], i64) -> Result<Claims, Refusal>,
) -> AppResult<(Arc<Tenant>, Claims)> {
    let issuer = jwt::unverified_issuer(token).map_err(refused)?;
    let unknown = || refused(Refusal::UnknownTenant);
    let mut tenant = app.tenants.by_client_key(&issuer).await?.ok_or_else(unknown)?;
    let mut checked = with_either_secret(app, &tenant, &check);
    // Another node may have taken in a new secret a moment ago.
    if matches!(checked, Err(Refusal::Signature)) && app.nodes.is_shared() {
        let fresh = app.tenants.by_client_key_now(&issuer).await?.ok_or_else(unknown)?;
        if fresh.sealed_secret != tenant.sealed_secret {
            tenant = fresh;
            checked = with_either_secret(app, &tenant, &check);
        }
    }
    // Signed by the site, but at another time: perhaps one of the clocks is wrong. Its own decides.
    if matches!(checked, Err(Refusal::Lifetime)) {
        // One looks, the others wait for what it learns.
        let _turn = app.turns.take(format!("{}/clock", tenant.id)).await;
        if app.clock_checks.due(&tenant.id, app.clock.now_ms()) {
            app.jira.as_app(&tenant.site, Class::Read).learn_time().await?;
        }
        checked = with_either_secret(app, &tenant, &check);
    }
    let claims = checked.map_err(refused)?;
    if claims.iss != tenant.client_key {
        return Err(refused(Refusal::Issuer));
    }
    tracing::Span::current().record("tenant.id", &tenant.id);
    Ok((tenant, claims))
}

fn with_either_secret(
    app: &App,
    tenant: &Tenant,
    check: &impl Fn(&[u8], i64) -> Result<Claims, Refusal>,
) -> Result<Claims, Refusal> {
    let now = (app.clock.now_ms() + app.jira.skew_ms(&tenant.id)).div_euclid(1000);
    let Some(shared) = &tenant.site.connect else { return Err(Refusal::UnknownTenant) };
    check(shared.secret.expose_secret().as_bytes(), now).or_else(|refusal| {
        match &tenant.previous_secret {
            // In flight while the secret was rotated.
            Some((secret, until)) if refusal == Refusal::Signature && *until > app.clock.now_ms() => {
                check(secret.expose_secret().as_bytes(), now)
            }
            _ => Err(refusal),
        }
    })
}

/// The data of a suspended installation is out of reach.
fn require_active(tenant: &Tenant) -> AppResult<()> {
    if tenant.active {
        return Ok(());
    }
    Err(AppError::unauthorized("suspended", "This installation of Hourbook is suspended. Install it again."))
}

fn person(tenant: Arc<Tenant>, claims: Claims) -> AppResult<Caller> {
    match claims.sub.filter(|sub| !sub.is_empty()) {
        Some(account_id) => Ok(Caller { tenant, account_id, acting: Acting::Granted }),
        None => Err(AppError::forbidden("no_user", "This needs a person who is logged in to Jira.")),
    }
}

async fn prove_context(request: &HttpRequest) -> AppResult<Caller> {
    let app = app(request)?;
    let token = header_token(request).map_err(refused)?;
    let check = |secret: &[u8], now| context::verify(&token, secret, now);
    let (tenant, claims) = prove(&app, &token, check).await?;
    person(tenant, claims)
}

/// Proves the token of a very request, of an installation whose data may be reached.
async fn prove_request(
    request: &HttpRequest,
    token: Result<String, Refusal>,
) -> AppResult<(Arc<Tenant>, Claims)> {
    let app = app(request)?;
    let token = token.map_err(refused)?;
    let (method, target) = (request.method().as_str(), target(request));
    let check = |secret: &[u8], now| server::verify(&token, secret, method, &target, &app.base_path, now);
    let (tenant, claims) = prove(&app, &token, check).await?;
    require_active(&tenant)?;
    Ok((tenant, claims))
}

/// Around the routes of the table: proves the caller by the kind of token that the route takes, and asks for what it
/// declares. Only then a path, a query or a body is read, so that nobody learns from these who proves nothing.
///
/// # Errors
/// Those of the handler; whoever is refused gets an answer in the form of the route, a page's in words for an iframe.
pub(super) async fn prove_first(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse, Error> {
    match prove_caller(&request).await {
        Ok(()) => Ok(next.call(request).await?.map_into_boxed_body()),
        // An answer like any other: what is around it counts it and adds its headers.
        Err(error) => Ok(request.error_response(error)),
    }
}

async fn prove_caller(request: &ServiceRequest) -> Result<(), Error> {
    let path = request.match_pattern().unwrap_or_default();
    let route = routes::declared(request.method().as_str(), &path);
    let route = route.ok_or_else(|| AppError::internal(&"a route that is not in the table"))?;
    let http = request.request();
    match route.token {
        TokenKind::None | TokenKind::Install => {}
        TokenKind::Server => {
            let (tenant, _) = prove_request(http, header_token(http)).await?;
            http.extensions_mut().insert(Proved(TokenKind::Server, tenant));
        }
        TokenKind::Context => {
            let caller = context_caller(http, route).await?;
            http.extensions_mut().insert(Proved(TokenKind::Context, caller));
        }
        TokenKind::Invocation => {
            let caller = forge::person(http).await?;
            admit(http, route, &caller).await?;
            http.extensions_mut().insert(Proved(TokenKind::Invocation, caller));
        }
        TokenKind::Event | TokenKind::Schedule | TokenKind::Removal => {
            let called = forge::trigger(http, route.token).await?;
            http.extensions_mut().insert(Proved(route.token, called));
        }
        TokenKind::Page => {
            let caller = page_caller(http, route).await.map_err(Refused::from)?;
            http.extensions_mut().insert(Proved(TokenKind::Page, caller));
        }
    }
    Ok(())
}

/// Who a request is from, and by which kind of token that was proved.
struct Proved<T>(TokenKind, T);

async fn context_caller(request: &HttpRequest, route: &Route) -> AppResult<Caller> {
    let caller = prove_context(request).await?;
    admit(request, route, &caller).await?;
    Ok(caller)
}

/// Lets a person in whose installation is not suspended, with what the route asks for.
async fn admit(request: &HttpRequest, route: &Route, caller: &Caller) -> AppResult<()> {
    if !route.also_suspended {
        require_active(&caller.tenant)?;
    }
    authorise(request, route, caller).await
}

async fn page_caller(request: &HttpRequest, route: &Route) -> AppResult<Caller> {
    let (tenant, claims) = prove_request(request, query_token(request)).await?;
    let caller = person(tenant, claims)?;
    authorise(request, route, &caller).await?;
    Ok(caller)
}

/// Asks for what the route declares: the right, the licence, and that a costly one is not asked too often.
async fn authorise(request: &HttpRequest, route: &Route, caller: &Caller) -> AppResult<()> {
    let app = app(request)?;
    if route.costly {
        app.limits.costly(&caller.tenant.id, &caller.account_id)?;
    }
    match route.right {
        Right::Caller => {}
        Right::JiraAdmin => permission::require_admin(&app, caller).await?,
    }
    if route.licensed {
        licence::require(&app, &caller.tenant).await?;
    }
    Ok(())
}

/// What was proved of a request; a handler that asks for another kind of caller than its route takes has none.
fn proved<T: Clone + 'static>(request: &HttpRequest, kinds: &[TokenKind]) -> AppResult<T> {
    let extensions = request.extensions();
    let found = extensions.get::<Proved<T>>().filter(|proved| kinds.contains(&proved.0));
    match found {
        Some(proved) => Ok(proved.1.clone()),
        None => Err(AppError::internal(&"a route that does not declare this kind of caller")),
    }
}

impl FromRequest for ContextCaller {
    type Error = AppError;
    type Future = Ready<AppResult<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(proved(request, &[TokenKind::Context, TokenKind::Invocation]).map(Self))
    }
}

impl FromRequest for PageCaller {
    type Error = Refused;
    type Future = Ready<Result<Self, Refused>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(proved(request, &[TokenKind::Page]).map(Self).map_err(Refused::from))
    }
}

impl FromRequest for ServerCaller {
    type Error = AppError;
    type Future = Ready<AppResult<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(proved(request, &[TokenKind::Server]).map(Self))
    }
}

impl FromRequest for Anybody {
    type Error = AppError;
    type Future = Ready<AppResult<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let address = client_address(request);
        let within = app(request).and_then(|app| app.limits.unproved(address));
        ready(within.map(|()| Self))
    }
}

/// The address that a request comes from, as far as our own proxies tell it.
pub(super) fn client_address(request: &HttpRequest) -> IpAddr {
    let peer = request.peer_addr().map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.ip());
    let proxies = app(request).map_or(0, |app| app.config.proxies);
    let Some(from_the_end) = proxies.checked_sub(1) else { return peer };
    // What stands before our own proxies' entries was written by the client.
    let forwarded = request.headers().get_all("x-forwarded-for").filter_map(|value| value.to_str().ok());
    let entries: Vec<&str> = forwarded.flat_map(|value| value.split(',')).map(str::trim).collect();
    entries.iter().rev().nth(from_the_end).and_then(|entry| entry.parse().ok()).unwrap_or(peer)
}

impl FromRequest for Language {
    type Error = AppError;
    type Future = Ready<AppResult<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let header = request.headers().get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        let primary = header.and_then(|text| text.split([',', ';', '-']).next()).unwrap_or("en");
        ready(Ok(Self(primary.trim().to_ascii_lowercase())))
    }
}
