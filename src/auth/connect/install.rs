//! Tokens of lifecycle calls: RS256 with a key of Atlassian's installation service.

use super::claims::Claims;
use super::keys::InstallKeys;
use super::qsh;
use crate::auth::jwt::{self, Refusal};
use crate::error::AppResult;
use hourbook_store::conn::Db;
use hourbook_store::control::taken;
use jsonwebtoken::Algorithm;
use sha2::{Digest, Sha256};

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

/// How long a taken call is remembered, ms: longer than its token holds.
const REMEMBERED_MS: i64 = 3_600_000;

/// Takes a proved call. Bodies of lifecycle calls are not signed, so a token that was seen must not vouch for another
/// body, on whichever node it arrives; the same call again (Jira had no answer) is fine.
///
/// # Errors
/// [`Refusal::Replayed`] if its token came with another body before; when the control database fails.
pub async fn take(control: &Db, token: &str, body: &[u8], now: i64) -> AppResult<Result<(), Refusal>> {
    let hash = |bytes: &[u8]| hex::encode(Sha256::digest(bytes));
    let (token, body) = (hash(token.as_bytes()), hash(body));
    let first = control.write(move |conn| taken::take(conn, &token, &body, now + REMEMBERED_MS)).await?;
    Ok(if first { Ok(()) } else { Err(Refusal::Replayed) })
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
    let kid = jwt::key_id(request.token, &[Algorithm::RS256])?;
    let key = keys.by_kid(&kid, now_secs).await?;
    let verify =
        || jwt::verify::<Claims>(request.token, &key, &[Algorithm::RS256], keys.atlassian_secs(now_secs));
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
