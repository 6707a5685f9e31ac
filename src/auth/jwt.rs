//! What all tokens share: why they are refused, their audience, and their time limits with leeway.
//!
//! The library checks the signature, against pinned algorithms; times are checked here, by our own clock.

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde::de::DeserializeOwned;

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
    /// Of Atlassian's Isolated Cloud, whose keys are elsewhere.
    #[error("of an isolated cloud")]
    Isolated,
    /// Of an environment of the app that may not call here.
    #[error("of another environment of the app")]
    Environment,
    /// Given to another module of the app than the route is for.
    #[error("of another module")]
    Module,
    /// Its site is at an address that is not the gateway's.
    #[error("an address that is not allowed")]
    Gateway,
    /// Of an installation that has ended, or another took the place of.
    #[error("of a former installation")]
    Ended,
}

/// When a token begins and ends to hold, seconds.
pub trait Lifetime {
    /// Not before.
    fn begins(&self) -> i64;
    /// No longer than.
    fn ends(&self) -> i64;
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
    /// Whether it is exactly this, or this is among several.
    pub fn is(&self, whom: &str) -> bool {
        match self {
            Self::One(one) => one == whom,
            Self::Many(many) => many.iter().any(|one| one == whom),
        }
    }

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

/// The key id of a token whose algorithm is one of these.
pub fn key_id(token: &str, algorithms: &[Algorithm]) -> Result<String, Refusal> {
    if token.len() > MAX_LEN {
        return Err(Refusal::Malformed);
    }
    let header = jsonwebtoken::decode_header(token).map_err(|_| Refusal::Malformed)?;
    if !algorithms.contains(&header.alg) {
        return Err(Refusal::Algorithm);
    }
    header.kid.ok_or(Refusal::Malformed)
}

/// Checks signature, algorithm and lifetime. All of the algorithms are of the key's family.
pub fn verify<Claims: DeserializeOwned + Lifetime>(
    token: &str,
    key: &DecodingKey,
    algorithms: &[Algorithm],
    now_secs: i64,
) -> Result<Claims, Refusal> {
    if token.len() > MAX_LEN {
        return Err(Refusal::Malformed);
    }
    let Some(first) = algorithms.first() else { return Err(Refusal::Algorithm) };
    let mut validation = Validation::new(*first);
    validation.algorithms = algorithms.to_vec();
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
    let expired = claims.ends().saturating_add(LEEWAY_SECS) <= now_secs;
    let too_early = claims.begins().saturating_sub(LEEWAY_SECS) > now_secs;
    if expired || too_early || claims.ends() <= claims.begins() {
        return Err(Refusal::Lifetime);
    }
    Ok(claims)
}
