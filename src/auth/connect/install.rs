//! Tokens of lifecycle calls: RS256 with a key of Atlassian's installation service.

use super::jwt::{self, Refusal};
use super::keys::InstallKeys;
use super::qsh;
use jsonwebtoken::Algorithm;
use moka::sync::Cache;
use sha2::{Digest, Sha256};
use std::time::Duration;

/// What the call says of itself, as it came over the wire.
pub struct Request<'a> {
    /// The HTTP method.
    pub method: &'a str,
    /// Path and query as sent.
    pub target: &'a str,
    /// The token from the header.
    pub token: &'a str,
    /// The clientKey in the body, which has to be the issuer.
    pub client_key: &'a str,
}

/// How long a taken call is remembered: longer than its token holds.
const REMEMBERED: Duration = Duration::from_secs(3600);

/// Lifecycle calls that were taken. Their bodies are not signed, so a token that was seen must not vouch for another
/// body; the same call again (Jira had no answer) is fine.
pub struct Taken(Cache<[u8; 32], [u8; 32]>);

impl Default for Taken {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(100_000).time_to_live(REMEMBERED).build())
    }
}

impl Taken {
    /// Takes a proved call.
    ///
    /// # Errors
    /// [`Refusal::Replayed`] if its token came with another body before.
    pub fn take(&self, token: &str, body: &[u8]) -> Result<(), Refusal> {
        let body: [u8; 32] = Sha256::digest(body).into();
        let first = self.0.get_with(Sha256::digest(token.as_bytes()).into(), || body);
        if first == body { Ok(()) } else { Err(Refusal::Replayed) }
    }
}

/// Proves that Atlassian sent this very call for this app and this clientKey.
///
/// # Errors
/// [`Refusal`]; [`Refusal::KeyService`] is our fault and worth another try.
pub async fn verify(
    request: &Request<'_>,
    keys: &InstallKeys,
    base_url: &str,
    base_path: &str,
    now_secs: i64,
) -> Result<(), Refusal> {
    let kid = jwt::key_id(request.token, Algorithm::RS256)?;
    let key = keys.by_kid(&kid, now_secs).await?;
    let verify = || jwt::verify(request.token, &key, Algorithm::RS256, keys.atlassian_secs(now_secs));
    let claims = match verify() {
        // Signed by Atlassian, but at another time: perhaps our clock is wrong. The key service's decides.
        Err(Refusal::Lifetime) => {
            keys.learn_time(&kid, now_secs).await?;
            verify()?
        }
        other => other?,
    };
    if !claims.aud.as_ref().is_some_and(|audience| audience.names(base_url)) {
        return Err(Refusal::Audience);
    }
    if claims.iss != request.client_key {
        return Err(Refusal::Issuer);
    }
    let expected = qsh::hash(request.method, request.target, base_path);
    if claims.qsh.as_deref() != Some(expected.as_str()) {
        return Err(Refusal::Qsh);
    }
    Ok(())
}
