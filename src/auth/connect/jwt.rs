//! Claims that all Connect tokens share, and their time limits with leeway.
//!
//! The library checks the signature, against one pinned algorithm; times are checked here, by our own clock.

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;

/// Seconds by which clocks may differ.
pub const LEEWAY_SECS: i64 = 60;
/// Longest token that is looked at.
const MAX_LEN: usize = 8192;

/// Why a token is not accepted. For the log; callers learn no more than that it was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No token where the route expects it.
    #[error("no token")]
    Missing,
    /// Not a JWT, or claims of another shape.
    #[error("malformed token")]
    Malformed,
    /// Another algorithm than the route's.
    #[error("wrong algorithm")]
    Algorithm,
    /// The signature does not verify.
    #[error("bad signature")]
    Signature,
    /// Expired, or not valid yet.
    #[error("outside its lifetime")]
    Lifetime,
    /// For another request, or of another kind.
    #[error("wrong query string hash")]
    Qsh,
    /// Meant for another audience.
    #[error("wrong audience")]
    Audience,
    /// Issued by someone else than the body says.
    #[error("wrong issuer")]
    Issuer,
    /// The issuer has no open installation.
    #[error("unknown tenant")]
    UnknownTenant,
    /// No key with the token's key id.
    #[error("unknown key")]
    UnknownKey,
    /// It came before, with another body.
    #[error("used before for another call")]
    Replayed,
    /// The key service cannot be asked at present.
    #[error("key service unavailable")]
    KeyService,
}

/// What a Connect token says.
#[derive(Debug, Clone, Deserialize)]
pub struct Claims {
    /// The issuer: a clientKey for tokens from Jira.
    pub iss: String,
    /// Issued at, seconds.
    pub iat: i64,
    /// Expires at, seconds.
    pub exp: i64,
    /// Not before, seconds.
    pub nbf: Option<i64>,
    /// The query string hash, or the fixed one.
    pub qsh: Option<String>,
    /// The Atlassian account id of the person, if there is one.
    pub sub: Option<String>,
    /// Audience, a string or a list.
    pub aud: Option<Audience>,
}

/// `aud` comes in both shapes.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl Audience {
    /// Whether it names `url`, a trailing slash aside.
    pub fn names(&self, url: &str) -> bool {
        let same = |candidate: &String| candidate.trim_end_matches('/') == url.trim_end_matches('/');
        match self {
            Self::One(one) => same(one),
            Self::Many(many) => many.iter().any(same),
        }
    }
}

/// The issuer, read before the signature can be checked: it tells whose key to check with.
pub fn unverified_issuer(token: &str) -> Result<String, Refusal> {
    #[derive(Deserialize)]
    struct Issuer {
        iss: String,
    }
    if token.len() > MAX_LEN {
        return Err(Refusal::Malformed);
    }
    jsonwebtoken::dangerous::insecure_decode_claims::<Issuer>(token)
        .map(|claims| claims.iss)
        .map_err(|_| Refusal::Malformed)
}

/// The key id of a token whose algorithm is `algorithm`.
pub fn key_id(token: &str, algorithm: Algorithm) -> Result<String, Refusal> {
    if token.len() > MAX_LEN {
        return Err(Refusal::Malformed);
    }
    let header = jsonwebtoken::decode_header(token).map_err(|_| Refusal::Malformed)?;
    if header.alg != algorithm {
        return Err(Refusal::Algorithm);
    }
    header.kid.ok_or(Refusal::Malformed)
}

/// Checks signature, algorithm and lifetime.
pub fn verify(
    token: &str,
    key: &DecodingKey,
    algorithm: Algorithm,
    now_secs: i64,
) -> Result<Claims, Refusal> {
    if token.len() > MAX_LEN {
        return Err(Refusal::Malformed);
    }
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    let claims = jsonwebtoken::decode::<Claims>(token, key, &validation)
        .map_err(|error| match error.kind() {
            jsonwebtoken::errors::ErrorKind::InvalidAlgorithm => Refusal::Algorithm,
            jsonwebtoken::errors::ErrorKind::InvalidSignature => Refusal::Signature,
            _ => Refusal::Malformed,
        })?
        .claims;
    let begins = claims.nbf.unwrap_or(claims.iat);
    let expired = claims.exp.saturating_add(LEEWAY_SECS) <= now_secs;
    let too_early = begins.saturating_sub(LEEWAY_SECS) > now_secs;
    if expired || too_early || claims.exp <= begins {
        return Err(Refusal::Lifetime);
    }
    Ok(claims)
}
