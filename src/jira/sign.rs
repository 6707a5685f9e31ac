//! What proves us to Jira: a signature per request as the app, a bearer token when acting as a person.

use super::client::Jira;
use super::error::{JiraError, Reason};
use super::site::{Shared, Site};
use crate::auth::connect::qsh;
use jsonwebtoken::{EncodingKey, Header};
use moka::sync::Cache;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

/// Seconds that our own tokens live.
const LIFETIME: i64 = 180;
/// Seconds that an assertion lives; Atlassian takes at most 120.
const ASSERTION_LIFETIME: i64 = 60;
/// A token is renewed this many seconds before it expires.
const MARGIN: i64 = 60;

/// Connect scopes asked for when acting as a person: the least that the call needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scopes {
    /// Reading.
    Read,
    /// Creating and editing.
    Write,
    /// Deleting.
    Delete,
}

impl Scopes {
    fn text(self) -> &'static str {
        match self {
            Self::Read => "READ",
            Self::Write => "READ WRITE",
            Self::Delete => "DELETE READ WRITE",
        }
    }
}

#[derive(Serialize)]
struct AppClaims<'a> {
    iss: &'a str,
    iat: i64,
    exp: i64,
    qsh: String,
}

/// A token for exactly this request (<https://developer.atlassian.com/cloud/jira/platform/understanding-jwt-for-connect-apps/>).
pub fn app_token(
    secret: &SecretString,
    app_key: &str,
    method: &str,
    target: &str,
    now_secs: i64,
) -> Result<String, JiraError> {
    let claims = AppClaims {
        iss: app_key,
        // A few seconds back: Jira's clock may be behind ours.
        iat: now_secs - 5,
        exp: now_secs + LIFETIME,
        qsh: qsh::hash(method, target, ""),
    };
    encode(&claims, secret)
}

fn encode(claims: &impl Serialize, secret: &SecretString) -> Result<String, JiraError> {
    let key = EncodingKey::from_secret(secret.expose_secret().as_bytes());
    jsonwebtoken::encode(&Header::default(), claims, &key)
        .map_err(|error| JiraError::Unexpected(error.to_string()))
}

/// Tokens of people, in memory only.
pub struct UserTokens {
    tokens: Cache<(String, String, Scopes), (SecretString, i64)>,
}

#[derive(Serialize)]
struct Assertion<'a> {
    iss: String,
    sub: String,
    tnt: &'a str,
    aud: &'a str,
    iat: i64,
    exp: i64,
}

#[derive(Deserialize)]
struct Grant {
    access_token: String,
    expires_in: i64,
}

impl UserTokens {
    /// Room for ten thousand people at work.
    pub fn new() -> Self {
        Self { tokens: Cache::new(10_000) }
    }

    /// Forgets the tokens of a tenant.
    pub fn forget(&self, tenant_id: &str) {
        let of_tenant: Vec<_> =
            self.tokens.iter().filter(|(key, _)| key.0 == tenant_id).map(|(key, _)| key).collect();
        of_tenant.iter().for_each(|key| self.tokens.invalidate(key.as_ref()));
    }

    /// Forgets all tokens.
    pub fn forget_all(&self) {
        self.tokens.invalidate_all();
    }

    /// A bearer token for a person, remembered until shortly before it expires.
    ///
    /// Called only inside a request that was proved to be this person's.
    ///
    /// # Errors
    /// When the site's installation cannot act as people, or the token service refuses or fails.
    pub async fn get(
        &self,
        jira: &Jira,
        site: &Site,
        shared: &Shared,
        account_id: &str,
        scopes: Scopes,
    ) -> Result<SecretString, JiraError> {
        let now = (jira.clock.now_ms() + jira.skew_ms(&site.tenant_id)).div_euclid(1000);
        let key = (site.tenant_id.clone(), account_id.to_owned(), scopes);
        if let Some((token, until)) = self.tokens.get(&key)
            && until > now
        {
            return Ok(token);
        }
        let grant = request(jira, site, shared, account_id, scopes, now).await?;
        let token = SecretString::from(grant.access_token);
        self.tokens.insert(key, (token.clone(), now + grant.expires_in - MARGIN));
        Ok(token)
    }

    /// Forgets one token that Jira did not accept.
    pub fn drop_token(&self, site: &Site, account_id: &str, scopes: Scopes) {
        self.tokens.invalidate(&(site.tenant_id.clone(), account_id.to_owned(), scopes));
    }
}

impl Default for UserTokens {
    fn default() -> Self {
        Self::new()
    }
}

/// The JWT-bearer grant (<https://developer.atlassian.com/cloud/jira/software/user-impersonation-for-connect-apps/>).
async fn request(
    jira: &Jira,
    site: &Site,
    shared: &Shared,
    account_id: &str,
    scopes: Scopes,
    now: i64,
) -> Result<Grant, JiraError> {
    let Some(client_id) = &shared.oauth_client_id else {
        return Err(JiraError::Forbidden(Reason {
            text: "This installation of Hourbook may not act for people. Install it again.".into(),
            field: None,
        }));
    };
    let assertion = Assertion {
        iss: format!("urn:atlassian:connect:clientid:{client_id}"),
        sub: format!("urn:atlassian:connect:useraccountid:{account_id}"),
        tnt: &site.base_url,
        aud: &jira.oauth_url,
        iat: now - 5,
        exp: now + ASSERTION_LIFETIME,
    };
    let form = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer".to_owned()),
        ("assertion", encode(&assertion, &shared.secret)?),
        ("scope", scopes.text().to_owned()),
    ];
    let response = jira
        .http
        .post(format!("{}/oauth2/token", jira.oauth_url))
        .form(&form)
        .send()
        .await
        .map_err(|error| JiraError::Unavailable(format!("token service: {}", error.without_url())))?;
    match response.status().as_u16() {
        200 => response
            .json()
            .await
            .map_err(|error| JiraError::Unexpected(format!("token service: {}", error.without_url()))),
        400 | 401 | 403 => Err(JiraError::Forbidden(Reason {
            text: "Jira does not let Hourbook act for this account.".into(),
            field: None,
        })),
        status => Err(JiraError::Unavailable(format!("token service: status {status}"))),
    }
}
