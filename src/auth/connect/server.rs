//! Tokens with a real query string hash: webhooks of Jira's server, and page loads in an iframe.

use super::claims::Claims;
use super::qsh;
use crate::auth::jwt::{self, Refusal};
use jsonwebtoken::{Algorithm, DecodingKey};

/// Proves that Jira made this very request, with the secret of the tenant that the token names.
///
/// # Errors
/// [`Refusal`]; a token for a page's own calls is refused here.
pub fn verify(
    token: &str,
    secret: &[u8],
    method: &str,
    target: &str,
    base_path: &str,
    now_secs: i64,
) -> Result<Claims, Refusal> {
    let claims =
        jwt::verify::<Claims>(token, &DecodingKey::from_secret(secret), &[Algorithm::HS256], now_secs)?;
    if claims.qsh.as_deref() != Some(qsh::hash(method, target, base_path).as_str()) {
        return Err(Refusal::Qsh);
    }
    Ok(claims)
}
