//! The key set that invocation tokens are signed with.
//!
//! It is fetched anew by the hour, so that a key that was withdrawn does not hold for ever, and when a token names a
//! key that is not in it, which is what a rotation looks like.

use crate::auth::jwt::Refusal;
use crate::auth::key_service::KeyService;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, JwkSet};
use parking_lot::Mutex;
use std::collections::HashMap;

/// How long a set is taken for the newest.
const FRESH_SECS: i64 = 3600;
/// How long an old set is used where the service does not answer.
const USABLE_SECS: i64 = 24 * 3600;
/// A token with an unknown key, or whose time is not now, makes us look this often at most.
const UNKNOWN_SECS: i64 = 10;
const MAX_SET: usize = 256 * 1024;

#[derive(Default, Clone)]
struct Known {
    keys: HashMap<String, DecodingKey>,
    fetched_at: Option<i64>,
}

impl Known {
    fn is_younger_than(&self, secs: i64, now_secs: i64) -> bool {
        self.fetched_at.is_some_and(|at| (0..secs).contains(&(now_secs - at)))
    }
}

/// Fetches and remembers the key set.
pub struct KeySet {
    service: KeyService,
    url: String,
    known: Mutex<Known>,
}

impl KeySet {
    /// The set is at `url`, as JSON (RFC 7517).
    pub fn new(http: reqwest::Client, url: &str) -> Self {
        Self { service: KeyService::new(http), url: url.to_owned(), known: Mutex::default() }
    }

    /// The time by Atlassian's clock, as far as it is known.
    pub fn atlassian_secs(&self, now_secs: i64) -> i64 {
        self.service.atlassian_secs(now_secs)
    }

    /// Fetches the set once more, for the sake of the service's clock, unless that has just been done.
    ///
    /// # Errors
    /// [`Refusal::KeyService`] if it cannot be had.
    pub async fn learn_time(&self, now_secs: i64) -> Result<(), Refusal> {
        let _one_asks = self.service.asking.lock().await;
        if self.known.lock().is_younger_than(UNKNOWN_SECS, now_secs) {
            return Ok(());
        }
        self.fetch(now_secs).await
    }

    /// The RSA key with this id.
    ///
    /// # Errors
    /// [`Refusal::UnknownKey`], or [`Refusal::KeyService`] if it cannot be known at present.
    pub async fn by_kid(&self, kid: &str, now_secs: i64) -> Result<DecodingKey, Refusal> {
        if let Some(answer) = self.answer(kid, now_secs) {
            return answer;
        }
        let _one_asks = self.service.asking.lock().await;
        if let Some(answer) = self.answer(kid, now_secs) {
            return answer;
        }
        let fetched = self.fetch(now_secs).await;
        let known = self.known.lock();
        match (known.keys.get(kid), fetched) {
            (Some(key), _) if known.is_younger_than(USABLE_SECS, now_secs) => Ok(key.clone()),
            (_, Err(refusal)) => Err(refusal),
            (_, Ok(())) => Err(Refusal::UnknownKey),
        }
    }

    /// What can be said without asking.
    fn answer(&self, kid: &str, now_secs: i64) -> Option<Result<DecodingKey, Refusal>> {
        let known = self.known.lock();
        match known.keys.get(kid) {
            Some(key) if known.is_younger_than(FRESH_SECS, now_secs) => Some(Ok(key.clone())),
            None if known.is_younger_than(UNKNOWN_SECS, now_secs) => Some(Err(Refusal::UnknownKey)),
            _ => None,
        }
    }

    async fn fetch(&self, now_secs: i64) -> Result<(), Refusal> {
        let body = self.service.get(&self.url, MAX_SET, now_secs).await?.ok_or(Refusal::KeyService)?;
        let set: JwkSet = serde_json::from_slice(&body).map_err(|error| {
            tracing::warn!(%error, "the key set of Forge does not read");
            Refusal::KeyService
        })?;
        let mut keys = HashMap::new();
        for jwk in &set.keys {
            // Keys of other kinds cannot have signed what we take.
            if let (AlgorithmParameters::RSA(_), Some(kid)) = (&jwk.algorithm, &jwk.common.key_id)
                && let Ok(key) = DecodingKey::from_jwk(jwk)
            {
                keys.insert(kid.clone(), key);
            }
        }
        *self.known.lock() = Known { keys, fetched_at: Some(now_secs) };
        Ok(())
    }
}
