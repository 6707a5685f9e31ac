//! Jira's REST API v3, as far as the app uses it: who calls, what goes wrong, which endpoint answers.

mod feeds;
mod other;
mod worklogs;

use crate::faults::{self, Fault};
use crate::host;
use crate::qsh;
use crate::site::Site;
use crate::state::{Exchange, State};
use crate::tokens;
use crate::views;
use actix_web::body::{BodySize, MessageBody};
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};
use std::pin::Pin;
use std::task::{Context, Poll};

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Caller {
    /// The app as itself.
    App,
    /// A person, through the app.
    Person(String),
}

/// A call, read.
pub(crate) struct Call<'a> {
    pub(crate) site: &'a Site,
    pub(crate) door: Door,
    pub(crate) caller: Caller,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) body: Value,
}

impl Call<'_> {
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.query.iter().rfind(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// All values of a parameter that may be repeated.
    pub(crate) fn all<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s str> {
        self.query.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether the app calls by a token of Forge.
    pub(crate) fn is_app_of_forge(&self) -> bool {
        self.door == Door::Gateway && self.caller == Caller::App
    }

    pub(crate) fn number(&self, name: &str) -> Option<i64> {
        self.text(name)?.parse().ok()
    }

    pub(crate) fn expands_properties(&self) -> bool {
        self.text("expand").is_some_and(|expand| expand.split(',').any(|part| part == "properties"))
    }

    /// Whether the caller may see an issue. The app's own user sees everything.
    pub(crate) fn may_browse(&self, state: &State, issue_id: i64) -> bool {
        match &self.caller {
            Caller::App => state.issues.contains_key(&issue_id) && !state.app_blocked.contains(&issue_id),
            Caller::Person(account) => state.may_browse(account, issue_id),
        }
    }

    pub(crate) fn passes(&self, state: &State, worklog: &crate::state::Worklog) -> bool {
        match &self.caller {
            Caller::App => true,
            Caller::Person(account) => state.passes(account, worklog),
        }
    }

    /// Whether the caller may read a worklog, wherever it is.
    pub(crate) fn may_read(&self, state: &State, worklog: &crate::state::Worklog) -> bool {
        self.may_browse(state, worklog.issue_id) && self.passes(state, worklog)
    }
}

/// What an endpoint says.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Option<Value>,
}

impl Answer {
    pub(crate) fn ok(body: Value) -> Self {
        Self { status: 200, body: Some(body) }
    }

    pub(crate) fn error(status: u16, message: &str) -> Self {
        Self { status, body: Some(views::error(&[message], &[])) }
    }

    pub(crate) fn field_error(field: &str, message: &str) -> Self {
        Self { status: 400, body: Some(views::error(&[], &[(field, message)])) }
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self { status, body: None }
    }
}

/// Where a call comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// The site's own address.
    Site,
    /// Atlassian's gateway, for tokens of Forge.
    Gateway,
}

/// Answers every request to a site.
pub(crate) async fn answer(request: HttpRequest, body: web::Bytes, site: web::Data<Site>) -> HttpResponse {
    let path = request.path().to_owned();
    serve(&request, &path, body, &site, Door::Site).await
}

/// Answers a request, wherever it came in.
pub(crate) async fn serve(
    request: &HttpRequest,
    path: &str,
    body: web::Bytes,
    site: &Site,
    door: Door,
) -> HttpResponse {
    let method = request.method().as_str().to_owned();
    let path = path.to_owned();
    let fault = {
        let mut state = site.state();
        *state.calls.entry(template(&method, &path)).or_default() += 1;
        faults::take(&mut state.faults, &method, &path)
    };
    match &fault {
        Some(Fault::Status(status)) => return error_only(site, *status),
        Some(Fault::TooMany { reason, retry_after }) => {
            let mut response = HttpResponse::TooManyRequests();
            response.insert_header(("Date", site.clock.http_date()));
            response.insert_header(("RateLimit-Reason", *reason));
            if let Some(secs) = retry_after {
                response.insert_header(("Retry-After", secs.to_string()));
            }
            return response.finish();
        }
        Some(Fault::HangUpBefore) => return hang_up(site),
        Some(Fault::Redirect(origin)) => {
            let target = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
            return HttpResponse::TemporaryRedirect()
                .insert_header(("Location", format!("{origin}{target}")))
                .insert_header(("Date", site.clock.http_date()))
                .finish();
        }
        Some(Fault::Slow(pause)) => tokio::time::sleep(*pause).await,
        _ => {}
    }
    let authentic = match door {
        Door::Site => authenticate(site, request),
        Door::Gateway => by_bearer(site, request),
    };
    let caller = match authentic {
        Ok(caller) => caller,
        Err(reason) => {
            site.state().unauthorised.push(format!("{method} {path}: {reason}"));
            return error_only(site, 401);
        }
    };
    if let Some(limits) = site.cloud.limits() {
        let (endpoint, writes_to) = (template(&method, &path), written_issue(&method, &path));
        if let Err(refused) = limits.admit(&site.base_url, &endpoint, writes_to, site.clock.now_ms()) {
            return HttpResponse::TooManyRequests()
                .insert_header(("Date", site.clock.http_date()))
                .insert_header(("RateLimit-Reason", refused.reason))
                .insert_header(("Retry-After", refused.retry_after.to_string()))
                .finish();
        }
    }
    let parsed = serde_json::from_slice::<Value>(&body).ok();
    let call = Call {
        site,
        door,
        caller,
        query: web::Query::<Vec<(String, String)>>::from_query(request.query_string())
            .map(web::Query::into_inner)
            .unwrap_or_default(),
        body: parsed.clone().unwrap_or(Value::Null),
    };
    let answer = dispatch(&call, &method, &path);
    if let Some(exchanges) = site.state().exchanges.as_mut() {
        exchanges.push(Exchange {
            method: method.clone(),
            path: path.clone(),
            query: request.query_string().to_owned(),
            request: parsed,
            status: answer.status,
            response: answer.body.clone(),
        });
    }
    match fault {
        Some(Fault::HangUpAfter) => hang_up(site),
        Some(Fault::SlowAfter(pause)) => {
            tokio::time::sleep(pause).await;
            respond(site, answer)
        }
        Some(Fault::StatusAfter(status)) => error_only(site, status),
        _ => respond(site, answer),
    }
}

/// How the quota stands; the points left are told only once four fifths are used.
fn tell_quota(site: &Site, answer: &Answer, response: &mut actix_web::HttpResponseBuilder) {
    let Some(limits) = site.cloud.limits() else { return };
    let returned = answer.body.as_ref().and_then(Value::as_array).map_or(0, Vec::len);
    let left = limits.charge_worklogs(i64::try_from(returned).unwrap_or(0));
    let told = if left * 5 < limits.points() { format!(";r={}", left.max(0)) } else { String::new() };
    response.insert_header(("RateLimit", format!("\"global-app-quota\"{told};t=600")));
}

fn respond(site: &Site, answer: Answer) -> HttpResponse {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status);
    response.insert_header(("Date", site.clock.http_date()));
    tell_quota(site, &answer, &mut response);
    match answer.body {
        Some(body) => response.json(body),
        None => response.finish(),
    }
}

fn error_only(site: &Site, status: u16) -> HttpResponse {
    respond(site, Answer::error(status, "simulated"))
}

/// An answer that breaks off: the client sees a lost connection.
fn hang_up(site: &Site) -> HttpResponse {
    HttpResponse::Ok().insert_header(("Date", site.clock.http_date())).body(Broken)
}

/// A body that promises more than it has.
struct Broken;

impl MessageBody for Broken {
    type Error = std::io::Error;

    fn size(&self) -> BodySize {
        BodySize::Sized(100_000)
    }

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<web::Bytes, Self::Error>>> {
        Poll::Ready(Some(Err(std::io::Error::other("hung up on purpose"))))
    }
}

/// Proves the caller as Atlassian's gateway does: by a token of Forge, and nothing else.
fn by_bearer(site: &Site, request: &HttpRequest) -> Result<Caller, &'static str> {
    let header = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    let token = header.and_then(|header| header.strip_prefix("Bearer ")).ok_or("no token")?;
    Ok(site.bearer(token)?.map_or(Caller::App, Caller::Person))
}

/// Proves the caller as Jira does: the app by a signature over this very request, a person by a bearer token with
/// the scope that the call needs.
fn authenticate(site: &Site, request: &HttpRequest) -> Result<Caller, &'static str> {
    let header = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    let header = match (header, host::session(request)) {
        (Some(header), _) => header,
        // A page of Jira itself, in somebody's browser.
        (None, Some(account)) if site.state().users.contains_key(&account) => {
            return Ok(Caller::Person(account));
        }
        _ => return Err("no token"),
    };
    let now = site.clock.now_ms() / 1000;
    let method = request.method().as_str();
    if let Some(token) = header.strip_prefix("Bearer ") {
        let state = site.state();
        let (account, scopes, until) = state.tokens.get(token).ok_or("unknown token")?;
        let needed = match method {
            "DELETE" => "DELETE",
            // These only read.
            "POST" if ["/worklog/list", "/search/jql"].iter().any(|end| request.path().ends_with(end)) => {
                "READ"
            }
            "POST" | "PUT" => "WRITE",
            _ => "READ",
        };
        if *until <= now {
            return Err("expired token");
        }
        return if scopes.split(' ').any(|scope| scope == needed) {
            Ok(Caller::Person(account.clone()))
        } else {
            Err("missing scope")
        };
    }
    let token = header.strip_prefix("JWT ").ok_or("unknown scheme")?;
    let target = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    by_signature(site, token, method, &target)
}

/// Proves the app by a signature over this very request.
pub(crate) fn by_signature(
    site: &Site,
    token: &str,
    method: &str,
    target: &str,
) -> Result<Caller, &'static str> {
    let now = site.clock.now_ms() / 1000;
    let installation = site.state().installation.clone().ok_or("not installed")?;
    let claims = tokens::verify(token, &installation.secret).ok_or("signature")?;
    let number = |name: &str| claims.get(name).and_then(Value::as_i64).unwrap_or_default();
    let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
    if text("iss") != installation.app_key {
        return Err("issuer");
    }
    if number("exp") <= now || number("iat") > now + 3 {
        return Err("lifetime");
    }
    if text("qsh") != qsh::hash(method, target) {
        return Err("query string hash");
    }
    Ok(Caller::App)
}

/// The issue that a call changes.
fn written_issue(method: &str, path: &str) -> Option<i64> {
    let behind = path.split("/issue/").nth(1).filter(|_| method != "GET")?;
    behind.split('/').next()?.parse().ok()
}

fn template(method: &str, path: &str) -> String {
    let path: Vec<&str> = path
        .split('/')
        .map(|part| {
            if !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()) && part != "3" {
                "{id}"
            } else {
                part
            }
        })
        .collect();
    format!("{method} {}", path.join("/"))
}

fn dispatch(call: &Call<'_>, method: &str, path: &str) -> Answer {
    if method == "GET" && path.starts_with("/rest/atlassian-connect/1/addons/") {
        return other::addon(call);
    }
    let rest = path.strip_prefix("/rest/api/3/").unwrap_or_default();
    let parts: Vec<&str> = rest.split('/').collect();
    match (method, parts.as_slice()) {
        ("GET", ["worklog", "updated"]) => feeds::updated(call),
        ("GET", ["worklog", "deleted"]) => feeds::deleted(call),
        ("POST", ["worklog", "list"]) => feeds::list(call),
        ("GET", ["issue", issue, "worklog"]) => worklogs::of_issue(call, issue),
        ("POST", ["issue", issue, "worklog"]) => worklogs::create(call, issue),
        ("GET", ["issue", issue, "worklog", id]) => worklogs::one(call, issue, id),
        ("PUT", ["issue", issue, "worklog", id]) => worklogs::edit(call, issue, id),
        ("DELETE", ["issue", issue, "worklog", id]) => worklogs::delete(call, issue, id),
        ("PUT", ["issue", issue, "worklog", id, "properties", key]) => {
            worklogs::put_property(call, issue, id, key)
        }
        ("POST", ["issue", "bulkfetch"]) => other::bulk_fetch(call),
        ("GET", ["issue", issue]) => other::issue(call, issue),
        ("GET", ["groups", "picker"]) => other::group_picker(call),
        ("GET", ["issue", issue, "editmeta"]) => other::edit_meta(call, issue),
        ("GET", ["serverInfo"]) => other::server_info(call),
        ("POST", ["search", "jql"]) => other::search(call),
        ("POST", ["permissions", "check"]) => other::check_permissions(call),
        ("GET", ["mypermissions"]) => other::my_permissions(call),
        ("GET", ["user", "bulk"]) => other::users(call),
        ("GET", ["user", "groups"]) => other::groups(call),
        ("GET", ["configuration"]) => other::configuration(call),
        ("GET", ["webhook", "failed"]) => other::failed_webhooks(call),
        _ => {
            call.site.state().unanswered.push(format!("{method} {path}"));
            Answer { status: 404, body: Some(json!({ "errorMessages": ["no such endpoint"], "errors": {} })) }
        }
    }
}
