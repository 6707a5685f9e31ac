//! One call to Jira: signed, metered, tried again where that is safe.

use super::call::{Answer, Call};
use super::error::{JiraError, Reason};
use super::meter::{Admission, Ask, Class, Meter};
use super::retry::{self, Throttle};
use super::sign::{self, Scopes, UserTokens};
use super::site::{Acting, Shared, Site};
use super::system_tokens::{SystemToken, SystemTokens};
use crate::alarm::Alarm;
use crate::clock::Clock;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::sites::AllowedSites;
use crate::tls;
use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use reqwest::StatusCode;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, LOCATION};
use secrecy::{ExposeSecret, SecretString};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use url::Url;

/// Longest answer that is read: a thousand worklogs with comments at Jira's limit.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// Clocks that differ by less are taken as equal: a `Date` header has whole seconds and travels for a while, ms.
const SAME_TIME_MS: i64 = 5_000;

/// One way of making a call.
enum Way<'a> {
    /// As the app, each request signed.
    Signed(&'a Shared),
    /// As the app, by the token that Forge gave.
    System(&'a str, SystemToken),
    /// As a person, by a granted token.
    Granted(&'a Shared, &'a str, Scopes),
    /// As a person, by their own token.
    Person(&'a str, &'a SecretString),
}

/// What all calls share.
pub struct Jira {
    pub(super) http: reqwest::Client,
    pub(super) clock: Clock,
    pub(super) oauth_url: String,
    api_url: String,
    /// API points.
    pub meter: Meter,
    /// Tokens of people.
    pub user_tokens: UserTokens,
    /// Tokens of the app from Forge.
    pub system_tokens: Arc<SystemTokens>,
    app_key: String,
    allowed_sites: AllowedSites,
    /// By how much the clocks of sites are ahead of ours, ms, by tenant.
    skews: Mutex<HashMap<String, i64>>,
    retry_base: Duration,
    metrics: Arc<Metrics>,
}

/// The HTTP client for everything outside: no redirect is followed by itself.
///
/// # Errors
/// When TLS cannot be set up.
pub fn http_client(timeout: Duration) -> Result<reqwest::Client, reqwest::Error> {
    tls::prepare();
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(10))
        .timeout(timeout)
        // Servers close idle connections, most of them after a minute. A write that meets this would be of unknown outcome.
        .pool_idle_timeout(Duration::from_secs(30))
        .user_agent(concat!("hourbook/", env!("CARGO_PKG_VERSION")))
        .build()
}

impl Jira {
    /// From the configuration.
    pub fn new(
        http: reqwest::Client,
        config: &Config,
        clock: Clock,
        metrics: Arc<Metrics>,
        system_tokens: Arc<SystemTokens>,
    ) -> Self {
        Self {
            http,
            clock,
            oauth_url: config.oauth_url.clone(),
            api_url: config.api_url.clone(),
            meter: Meter::new(config.points_per_hour, config.calls_per_second),
            user_tokens: UserTokens::new(),
            system_tokens,
            app_key: config.app_key.clone(),
            allowed_sites: config.allowed_sites.clone(),
            skews: Mutex::default(),
            retry_base: config.tuning.retry_base,
            metrics,
        }
    }

    /// A client that acts as the app.
    pub fn as_app(self: &Arc<Self>, site: &Arc<Site>, class: Class) -> SiteClient {
        SiteClient { jira: Arc::clone(self), site: Arc::clone(site), actor: Actor::App, class }
    }

    /// A client that acts as a person, inside a request that was proved to be theirs.
    pub fn as_user(
        self: &Arc<Self>,
        site: &Arc<Site>,
        class: Class,
        account_id: &str,
        acting: &Acting,
        scopes: Scopes,
    ) -> SiteClient {
        let actor = Actor::User { account_id: account_id.to_owned(), acting: acting.clone(), scopes };
        SiteClient { jira: Arc::clone(self), site: Arc::clone(site), actor, class }
    }

    /// Forgets everything remembered of a tenant.
    pub fn forget(&self, tenant_id: &str) {
        self.user_tokens.forget(tenant_id);
        self.system_tokens.forget(tenant_id);
        self.meter.forget(tenant_id);
        self.skews.lock().remove(tenant_id);
    }

    /// Forgets tokens of all people: what is known of quotas and clocks still holds.
    pub fn forget_all(&self) {
        self.user_tokens.forget_all();
        self.system_tokens.forget_all();
    }

    /// By how much a site's clock is ahead of ours, ms, as it last said; 0 where they agree or nothing is known.
    /// Times in tokens are told and checked by the site's clock, so that neither has to be right.
    pub fn skew_ms(&self, tenant_id: &str) -> i64 {
        self.skews.lock().get(tenant_id).copied().unwrap_or(0)
    }

    /// Takes in what a site's clock says.
    fn learn_time(&self, tenant_id: &str, date_ms: i64) {
        let ahead = date_ms - self.clock.now_ms();
        let ahead = if ahead.abs() < SAME_TIME_MS { 0 } else { ahead };
        let mut skews = self.skews.lock();
        let known = skews.get(tenant_id).copied().unwrap_or(0);
        if (ahead - known).abs() < SAME_TIME_MS {
            return;
        }
        tracing::error!(
            tenant.id = tenant_id,
            ahead_ms = ahead,
            "the clocks of the site and of this machine differ"
        );
        self.metrics.alarms.with_label_values(&[Alarm::ClockSkew.name()]).inc();
        skews.insert(tenant_id.to_owned(), ahead);
    }
}

#[derive(Clone)]
enum Actor {
    App,
    User { account_id: String, acting: Acting, scopes: Scopes },
}

/// A way to one site, as the app or as a person.
#[derive(Clone)]
pub struct SiteClient {
    pub(super) jira: Arc<Jira>,
    site: Arc<Site>,
    actor: Actor,
    class: Class,
}

/// A call that was let pass, until it is answered or given up.
struct UnderWay<'a> {
    client: &'a SiteClient,
    writes_to: Option<i64>,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let SiteClient { jira, site, .. } = self.client;
        if let Some(issue_id) = self.writes_to {
            jira.meter.answered(&site.tenant_id, issue_id, jira.clock.now_ms());
        }
    }
}

/// What one try came to.
enum Tried {
    Done(Answer),
    Failed(JiraError),
    Again { error: JiraError, after: Option<Duration> },
    MovedTo(String),
    WrongTime,
}

impl SiteClient {
    /// Our clock.
    pub fn clock(&self) -> &Clock {
        &self.jira.clock
    }

    /// Makes the call; returns the answer if it is 2xx.
    ///
    /// # Errors
    /// [`JiraError`]; writes that were not surely refused are [`JiraError::OutcomeUnknown`].
    pub async fn send(&self, call: &Call) -> Result<Answer, JiraError> {
        let result = self.send_with_retries(call).await;
        let outcome = match &result {
            Ok(_) => "ok",
            Err(JiraError::RateLimited { .. }) => "limited",
            Err(JiraError::Unavailable(_) | JiraError::OutcomeUnknown(_)) => "failed",
            Err(_) => "refused",
        };
        self.jira.metrics.jira_calls.with_label_values(&[self.class.name(), outcome]).inc();
        result
    }

    async fn send_with_retries(&self, call: &Call) -> Result<Answer, JiraError> {
        let way = self.way()?;
        let mut origin = match &way {
            _ if call.of_cloud => self.jira.api_url.clone(),
            Way::System(gateway, _) | Way::Person(gateway, _) => (*gateway).to_owned(),
            Way::Signed(_) | Way::Granted(..) => self.site.base_url.clone(),
        };
        let mut redirected = false;
        let mut waited = Duration::ZERO;
        let (mut tries, mut time_was_wrong) = (0, false);
        loop {
            let under_way = self.admit(call, &mut waited).await?;
            tries += 1;
            let tried = self.try_once(&way, &origin, call).await;
            drop(under_way);
            let (error, after) = match tried? {
                Tried::Done(answer) => return Ok(answer),
                Tried::Failed(error) => return Err(error),
                Tried::MovedTo(elsewhere) if !redirected => {
                    origin = elsewhere;
                    redirected = true;
                    continue;
                }
                // Signed by a clock that was wrong: once more by the site's own.
                Tried::WrongTime if !time_was_wrong => {
                    time_was_wrong = true;
                    continue;
                }
                Tried::WrongTime => return Err(JiraError::Unauthorized),
                Tried::MovedTo(_) => return Err(JiraError::Unexpected("more than one redirect".into())),
                Tried::Again { error, after } => (error, after),
            };
            let pause = retry::pause(self.jira.retry_base, tries, after);
            waited += pause;
            if tries >= retry::TRIES || waited > retry::patience(self.class) {
                return Err(match error {
                    JiraError::RateLimited { .. } => JiraError::RateLimited { wait_secs: ceil_secs(pause) },
                    other => other,
                });
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Waits for the call's turn, as long as its class has patience.
    async fn admit(&self, call: &Call, waited: &mut Duration) -> Result<UnderWay<'_>, JiraError> {
        let (endpoint, writes_to) = (call.endpoint(), call.writes_to());
        let ask = Ask { tenant_id: &self.site.tenant_id, class: self.class, endpoint: &endpoint, writes_to };
        loop {
            let now = self.jira.clock.now_ms();
            match self.jira.meter.admit(&ask, now) {
                Admission::Go => return Ok(UnderWay { client: self, writes_to }),
                Admission::Held { until_ms } => {
                    return Err(JiraError::RateLimited { wait_secs: (until_ms - now).div_euclid(1000) + 1 });
                }
                Admission::Wait(pause) => {
                    *waited += pause;
                    if *waited > retry::patience(self.class) {
                        return Err(JiraError::RateLimited { wait_secs: ceil_secs(pause) });
                    }
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    /// The way that there is: for the app Forge's where it holds, because Connect's comes to an end.
    ///
    /// # Errors
    /// [`JiraError::NoSystemToken`], [`JiraError::NoUserToken`]: there is none for now, or in this request.
    fn way(&self) -> Result<Way<'_>, JiraError> {
        let site = &self.site;
        let gateway = site.gateway.as_deref();
        match &self.actor {
            Actor::App => {
                let token = self.jira.system_tokens.get(&site.tenant_id, self.jira.clock.now_ms());
                match (gateway, token, &site.connect) {
                    (Some(gateway), Some(token), _) => Ok(Way::System(gateway, token)),
                    (_, _, Some(shared)) => Ok(Way::Signed(shared)),
                    (_, _, None) => Err(JiraError::NoSystemToken),
                }
            }
            Actor::User { acting: Acting::Token(token), .. } => {
                gateway.map(|gateway| Way::Person(gateway, token)).ok_or(JiraError::NoUserToken)
            }
            Actor::User { acting: Acting::Granted, account_id, scopes } => match &site.connect {
                Some(shared) => Ok(Way::Granted(shared, account_id, *scopes)),
                None => Err(JiraError::NoUserToken),
            },
            Actor::User { acting: Acting::Unable, .. } => Err(JiraError::NoUserToken),
            Actor::User { acting: Acting::Withheld, .. } => {
                let text = "The request carries no token of its person.".into();
                Err(JiraError::Forbidden(Reason { text, field: None }))
            }
        }
    }

    /// Whether calls as the app go by Forge.
    pub fn is_by_forge(&self) -> bool {
        matches!(self.way(), Ok(Way::System(..)))
    }

    async fn try_once(&self, way: &Way<'_>, origin: &str, call: &Call) -> Result<Tried, JiraError> {
        let target = call.target();
        let (signed_at, begun) = (self.jira_ms(), Instant::now());
        let authorization = self.authorization(way, call, &target).await?;
        let mut request = self
            .jira
            .http
            .request(call.method.clone(), format!("{origin}{target}"))
            .header(AUTHORIZATION, authorization.expose_secret());
        if let Some(body) = &call.body {
            request = request.header(CONTENT_TYPE, "application/json").body(body.clone());
        }
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => return Ok(lost(call, error)),
        };
        let (status, headers) = (response.status(), response.headers().clone());
        self.note(&headers);
        let body = match read_body(response).await {
            Ok(body) => body,
            Err(Some(error)) => return Ok(lost(call, error)),
            Err(None) => return Err(JiraError::Unexpected("the answer is too long".into())),
        };
        // Not compared with what is known by now: another call may have learnt the time, or the clock been set right.
        let elapsed = i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX);
        let off = date(&headers).map_or(0, |date_ms| date_ms - signed_at.saturating_add(elapsed));
        if status == StatusCode::UNAUTHORIZED && off.abs() >= SAME_TIME_MS {
            return Ok(Tried::WrongTime);
        }
        // It ran out on its way, which says nothing about the site.
        if let Way::System(_, token) = way
            && status == StatusCode::UNAUTHORIZED
            && !token.holds(self.jira.clock.now_ms())
        {
            return Ok(Tried::Failed(JiraError::NoSystemToken));
        }
        // What the gateway itself refuses says nothing about the site.
        if status == StatusCode::UNAUTHORIZED && !call.of_cloud {
            self.forget_token(way);
        }
        Ok(self.judge(call, status, &headers, body))
    }

    async fn authorization(
        &self,
        way: &Way<'_>,
        call: &Call,
        target: &str,
    ) -> Result<SecretString, JiraError> {
        let jira = &self.jira;
        let bearer = |token: &SecretString| SecretString::from(format!("Bearer {}", token.expose_secret()));
        match way {
            Way::Signed(shared) => {
                let now = self.jira_ms().div_euclid(1000);
                let token =
                    sign::app_token(&shared.secret, &jira.app_key, call.method.as_str(), target, now)?;
                Ok(SecretString::from(format!("JWT {token}")))
            }
            Way::System(_, system) => Ok(bearer(&system.token)),
            Way::Granted(shared, account_id, scopes) => {
                let token = jira.user_tokens.get(jira, &self.site, shared, account_id, *scopes).await?;
                Ok(bearer(&token))
            }
            Way::Person(_, token) => Ok(bearer(token)),
        }
    }

    /// Jira did not accept what proved the call.
    fn forget_token(&self, way: &Way<'_>) {
        let (jira, site) = (&self.jira, &self.site);
        match way {
            Way::System(_, token) => {
                jira.system_tokens.refused(&site.tenant_id, token.until, jira.clock.now_ms());
            }
            Way::Granted(_, account_id, scopes) => jira.user_tokens.drop_token(site, account_id, *scopes),
            Way::Signed(_) | Way::Person(..) => {}
        }
    }

    /// The time by the site's clock, as far as it is known.
    fn jira_ms(&self) -> i64 {
        self.jira.clock.now_ms() + self.jira.skew_ms(&self.site.tenant_id)
    }

    /// Asks for the site's time. Any answer tells it.
    ///
    /// # Errors
    /// When the site cannot be reached.
    pub async fn learn_time(&self) -> Result<(), JiraError> {
        match self.send(&Call::get("/rest/api/3/serverInfo")).await {
            Err(JiraError::Unavailable(cause)) => Err(JiraError::Unavailable(cause)),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Counts what was ignored of the worklog property because it does not fit.
    pub fn ignored(&self, junk: i64) {
        if let Some(junk) = u64::try_from(junk).ok().filter(|junk| *junk > 0) {
            self.jira.metrics.ignored.with_label_values(&["worklog_property"]).inc_by(junk);
        }
    }

    /// Takes in what the headers tell of the quota and of the time, and charges the one point that is certain.
    fn note(&self, headers: &HeaderMap) {
        let now = self.jira.clock.now_ms();
        self.jira.meter.charge(&self.site.tenant_id, 1, 1, now);
        if let Some(left) = retry::points_left(headers) {
            self.jira.meter.report_left(left, now);
        }
        if let Some(date_ms) = date(headers) {
            self.jira.learn_time(&self.site.tenant_id, date_ms);
        }
    }

    /// Charges the objects of an answer to the worst case.
    pub(super) fn charge_objects(&self, points: usize) {
        let points = i64::try_from(points).unwrap_or(i64::MAX);
        self.jira.meter.charge(&self.site.tenant_id, 0, points, self.jira.clock.now_ms());
    }

    fn judge(&self, call: &Call, status: StatusCode, headers: &HeaderMap, body: Bytes) -> Tried {
        let reason = |otherwise: &str| Reason::from_body(&body, otherwise);
        match status.as_u16() {
            200..=299 => Tried::Done(Answer { date_ms: date(headers), headers: headers.clone(), body }),
            301 | 302 | 307 | 308 => self.moved(call, headers),
            400 | 409 | 422 => Tried::Failed(JiraError::BadRequest(reason("Jira refuses the request."))),
            401 => Tried::Failed(JiraError::Unauthorized),
            403 => Tried::Failed(JiraError::Forbidden(reason("Jira does not allow it."))),
            404 | 410 => Tried::Failed(JiraError::NotFound(reason(
                "The issue or worklog does not exist, you may not see it, or time tracking is switched off.",
            ))),
            413 => Tried::Failed(JiraError::TooLarge(reason("Jira's limit for this issue is reached."))),
            429 => self.throttled(call, headers),
            500..=599 => {
                let cause = format!("status {status}");
                if call.repeatable {
                    Tried::Again { error: JiraError::Unavailable(cause), after: retry::retry_after(headers) }
                } else {
                    Tried::Failed(JiraError::OutcomeUnknown(cause))
                }
            }
            other => Tried::Failed(JiraError::Unexpected(format!("status {other}"))),
        }
    }

    /// A 429 was not carried out, so even a write may be sent again.
    fn throttled(&self, call: &Call, headers: &HeaderMap) -> Tried {
        let now = self.jira.clock.now_ms();
        let tenant_id = self.site.tenant_id.as_str();
        let jira_ms = date(headers).unwrap_or_else(|| self.jira_ms());
        let again =
            |after: Option<Duration>| Tried::Again { error: JiraError::RateLimited { wait_secs: 1 }, after };
        // Others for the same thing wait too, instead of running into it one by one.
        let until = |after: Option<Duration>| {
            let after = after.unwrap_or(self.jira.retry_base);
            now.saturating_add(i64::try_from(after.as_millis()).unwrap_or(i64::MAX))
        };
        let held = |until_ms: i64| {
            let wait_secs = (until_ms - now).div_euclid(1000) + 1;
            Tried::Failed(JiraError::RateLimited { wait_secs })
        };
        match retry::throttle(headers, now, jira_ms) {
            Throttle::Everyone { until_ms } => {
                tracing::warn!(until_ms, "the app's API points of this hour are used up");
                self.jira.meter.hold_all(until_ms);
                held(until_ms)
            }
            Throttle::Tenant { until_ms } => {
                tracing::warn!(tenant.id = tenant_id, until_ms, "the tenant's API points are used up");
                self.jira.meter.hold_tenant(tenant_id, until_ms);
                held(until_ms)
            }
            Throttle::Endpoint { after } => {
                self.jira.meter.hold_endpoint(tenant_id, &call.endpoint(), until(after));
                again(after)
            }
            Throttle::Issue { after } => {
                if let Some(issue) = call.writes_to() {
                    self.jira.meter.hold_issue(tenant_id, issue, until(after));
                }
                again(after)
            }
        }
    }

    /// A renamed site answers with a redirect until its new address is told: at most one is followed, by hand, to
    /// an allowed host, for the same path; the request is signed anew.
    fn moved(&self, call: &Call, headers: &HeaderMap) -> Tried {
        let elsewhere = headers
            .get(LOCATION)
            .and_then(|location| location.to_str().ok())
            .and_then(|location| Url::parse(location).ok())
            .filter(|url| url.path() == call.path)
            .and_then(|url| self.jira.allowed_sites.check(&url.origin().ascii_serialization()).ok());
        match elsewhere {
            Some(origin) => Tried::MovedTo(origin),
            None => Tried::Failed(JiraError::Unexpected("a redirect that is not followed".into())),
        }
    }
}

/// No answer: a read may be repeated; a write is repeated only if it surely never left.
fn lost(call: &Call, error: reqwest::Error) -> Tried {
    let never_left = error.is_connect();
    let cause = error.without_url().to_string();
    if call.repeatable || never_left {
        Tried::Again { error: JiraError::Unavailable(cause), after: None }
    } else {
        Tried::Failed(JiraError::OutcomeUnknown(cause))
    }
}

async fn read_body(mut response: reqwest::Response) -> Result<Bytes, Option<reqwest::Error>> {
    // As large as it says it is, so that megabytes are not copied again and again while they arrive.
    let told = response.content_length().and_then(|length| usize::try_from(length).ok());
    let mut body = BytesMut::with_capacity(told.unwrap_or(0).min(MAX_ANSWER));
    while let Some(chunk) = response.chunk().await.map_err(Some)? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn date(headers: &HeaderMap) -> Option<i64> {
    let text = headers.get(DATE)?.to_str().ok()?;
    Some(chrono::DateTime::parse_from_rfc2822(text).ok()?.timestamp_millis())
}

fn ceil_secs(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis().div_ceil(1000)).unwrap_or(i64::MAX)
}
