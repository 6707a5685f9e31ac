//! Tokens that a page gets from its host for its own calls: the fixed query string hash and nothing else.

use super::claims::Claims;
use super::qsh;
use crate::auth::jwt::{self, Refusal};
use jsonwebtoken::{Algorithm, DecodingKey};

/// Proves that the host gave this token to a page of ours.
///
/// # Errors
/// [`Refusal`]; a token bound to a request is refused here.
pub fn verify(token: &str, secret: &[u8], now_secs: i64) -> Result<Claims, Refusal> {
    let claims =
        jwt::verify::<Claims>(token, &DecodingKey::from_secret(secret), &[Algorithm::HS256], now_secs)?;
    if claims.qsh.as_deref() != Some(qsh::CONTEXT) {
        return Err(Refusal::Qsh);
    }
    Ok(claims)
}
