//! Invocation tokens: what proves that Forge calls us
//! (<https://developer.atlassian.com/platform/forge/remote/essentials/>).
//!
//! A token is not bound to a request and may be used more than once while it lives, which is 25 seconds.

use super::keys::KeySet;
use crate::auth::jwt::{self, Audience, Lifetime, Refusal};
use crate::jira::licence::Told;
use chrono::DateTime;
use jsonwebtoken::Algorithm;
use serde::Deserialize;
use serde_json::Value;

/// The family that Forge signs with; another one could take a public key for a secret.
const ALGORITHMS: &[Algorithm] = &[Algorithm::RS256, Algorithm::RS384, Algorithm::RS512];
/// Who issues them.
const ISSUER: &str = "forge/invocation-token";
/// Longest id that is taken.
const LONGEST_ID: usize = 200;

/// What a token has to be of.
pub struct Expected<'a> {
    /// The app's id.
    pub app_id: &'a str,
    /// Types of environments that may call.
    pub environments: &'a [String],
    /// Atlassian's gateway: a site is at `/ex/jira/<cloudId>` below it.
    pub api_url: &'a str,
    /// Keys of the modules that the route is for, and of their endpoint.
    pub modules: &'a [&'a str],
}

/// A proved call of Forge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// Atlassian's name of the installation; another one after each reinstallation.
    pub installation_id: String,
    /// Atlassian's name of the site.
    pub cloud_id: String,
    /// The app's environment.
    pub environment_id: String,
    /// Its type.
    pub environment: String,
    /// The version of the app that speaks.
    pub app_version: String,
    /// Where the site's REST API is, below the gateway.
    pub api_base_url: String,
    /// Where people see the site, if the call comes from a page.
    pub site_url: Option<String>,
    /// Who looks, if the call comes from a page.
    pub account_id: Option<String>,
    /// What the licence is; `None` where the app costs nothing, or outside of production.
    pub licence: Option<Told>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Claims {
    aud: Audience,
    iss: String,
    iat: Option<i64>,
    nbf: Option<i64>,
    exp: i64,
    ic_label: Option<Value>,
    app: App,
    context: Option<Context>,
    principal: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct App {
    id: Option<String>,
    app_version: Option<String>,
    installation_id: String,
    api_base_url: String,
    environment: Environment,
    module: Option<Module>,
    license: Option<LicenceClaims>,
    installation: Option<Contexts>,
}

#[derive(Deserialize)]
struct Environment {
    r#type: String,
    id: String,
}

#[derive(Deserialize)]
struct Module {
    key: String,
}

#[derive(Deserialize)]
struct Contexts {
    #[serde(default)]
    contexts: Vec<Context>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Context {
    cloud_id: Option<String>,
    site_url: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LicenceClaims {
    active: Option<bool>,
    /// The older name of the same.
    is_active: Option<bool>,
    #[serde(default)]
    is_evaluation: bool,
    trial_end_date: Option<Value>,
    subscription_end_date: Option<Value>,
}

impl Lifetime for Claims {
    fn begins(&self) -> i64 {
        // A token without either would hold from the beginning of time; its end still bounds it.
        self.nbf.or(self.iat).unwrap_or(i64::MIN)
    }

    fn ends(&self) -> i64 {
        self.exp
    }
}

impl LicenceClaims {
    fn read(&self) -> Told {
        let ends = [&self.trial_end_date, &self.subscription_end_date];
        let [trial, subscription] = ends.map(|end| end.as_ref().and_then(instant));
        Told {
            // Where neither is said, nobody is locked out.
            active: self.active.or(self.is_active).unwrap_or(true),
            evaluation: self.is_evaluation,
            ends_at: if self.is_evaluation { trial.or(subscription) } else { subscription },
        }
    }
}

/// An instant, ms: a text as RFC 3339 has it, or a number.
fn instant(value: &Value) -> Option<i64> {
    match value {
        Value::String(text) => Some(DateTime::parse_from_rfc3339(text).ok()?.timestamp_millis()),
        other => other.as_i64(),
    }
}

/// Proves that Forge made this call for this app.
///
/// # Errors
/// [`Refusal`]; [`Refusal::KeyService`] is our fault and worth another try.
pub async fn verify(
    token: &str,
    keys: &KeySet,
    expected: &Expected<'_>,
    now_secs: i64,
) -> Result<Invocation, Refusal> {
    let kid = jwt::key_id(token, ALGORITHMS)?;
    let key = keys.by_kid(&kid, now_secs).await?;
    let verify = || jwt::verify::<Claims>(token, &key, ALGORITHMS, keys.atlassian_secs(now_secs));
    let claims = match verify() {
        // Signed by Atlassian, but at another time: perhaps our clock is wrong. The key service's decides.
        Err(Refusal::Lifetime) => {
            keys.learn_time(now_secs).await?;
            verify()?
        }
        other => other?,
    };
    judge(claims, expected)
}

fn judge(claims: Claims, expected: &Expected<'_>) -> Result<Invocation, Refusal> {
    if !claims.aud.is(expected.app_id) || claims.app.id.as_ref().is_some_and(|id| id != expected.app_id) {
        return Err(Refusal::Audience);
    }
    if claims.iss != ISSUER {
        return Err(Refusal::Issuer);
    }
    if claims.ic_label.is_some_and(|label| !label.is_null()) {
        return Err(Refusal::Isolated);
    }
    let app = claims.app;
    if !expected.environments.contains(&app.environment.r#type) {
        return Err(Refusal::Environment);
    }
    if !app.module.is_some_and(|module| expected.modules.contains(&module.key.as_str())) {
        return Err(Refusal::Module);
    }
    let cloud_id = cloud_id(&app.api_base_url, expected.api_url)?;
    let told = claims.context.iter().chain(app.installation.iter().flat_map(|found| &found.contexts));
    if told.filter_map(|context| context.cloud_id.as_ref()).any(|other| *other != cloud_id) {
        return Err(Refusal::Malformed);
    }
    let plain = |id: &str| (1..=LONGEST_ID).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic());
    if !plain(&app.installation_id) || !plain(&app.environment.id) {
        return Err(Refusal::Malformed);
    }
    Ok(Invocation {
        installation_id: app.installation_id,
        cloud_id,
        environment_id: app.environment.id,
        environment: app.environment.r#type,
        app_version: app.app_version.unwrap_or_default().chars().take(40).collect(),
        api_base_url: app.api_base_url.trim_end_matches('/').to_owned(),
        site_url: claims.context.and_then(|context| context.site_url),
        account_id: claims.principal.filter(|account| !account.is_empty()),
        licence: app.license.map(|licence| licence.read()),
    })
}

/// The site's id in its address, which is the gateway's and nobody else's: tokens of the site are sent there.
fn cloud_id(api_base_url: &str, api_url: &str) -> Result<String, Refusal> {
    let below = api_base_url.strip_prefix(api_url).and_then(|path| path.strip_prefix("/ex/jira/"));
    let id = below.map(|id| id.trim_end_matches('/')).ok_or(Refusal::Gateway)?;
    let plain = (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if plain { Ok(id.to_owned()) } else { Err(Refusal::Gateway) }
}
