//! Tokens of lifecycle calls: RS256 with a key of Atlassian's installation service.

use super::jwt::{self, Refusal};
use super::keys::InstallKeys;
use super::qsh;
use jsonwebtoken::Algorithm;

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
    let claims = jwt::verify(request.token, &key, Algorithm::RS256, now_secs)?;
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
