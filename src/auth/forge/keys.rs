//! The key set that invocation tokens are signed with.
//!
//! It is fetched anew by the hour, so that a key that was withdrawn does not hold for ever, and when a token names a
//! key that is not in it, which is what a rotation looks like. Where the service does not answer, nobody waits for it
//! whose key was good an hour ago: Forge gives up on us after five seconds.

use crate::auth::jwt::Refusal;
use crate::auth::key_service::KeyService;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, JwkSet};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::Duration;

/// How long a set is taken for the newest.
const FRESH_SECS: i64 = 3600;
/// How long an old set is used where the service does not answer.
const USABLE_SECS: i64 = 24 * 3600;
/// A token with an unknown key, or whose time is not now, makes us look this often at most; so does an old set whose
/// service does not answer.
const AGAIN_SECS: i64 = 10;
/// How long the service is waited for.
const WITHIN: Duration = Duration::from_secs(3);
const MAX_SET: usize = 256 * 1024;

#[derive(Default, Clone)]
struct Known {
    keys: HashMap<String, DecodingKey>,
    fetched_at: Option<i64>,
    /// When the service was last asked, whether or not it answered.
    asked_at: Option<i64>,
}

impl Known {
    /// What can be said without asking.
    fn answer(&self, kid: &str, now_secs: i64) -> Option<Result<DecodingKey, Refusal>> {
        match self.keys.get(kid) {
            Some(key) if is_within(FRESH_SECS, self.fetched_at, now_secs) => Some(Ok(key.clone())),
            Some(_) if is_within(AGAIN_SECS, self.asked_at, now_secs) => self.old(kid, now_secs).map(Ok),
            None if is_within(AGAIN_SECS, self.fetched_at, now_secs) => Some(Err(Refusal::UnknownKey)),
            _ => None,
        }
    }

    /// A key that may be used where no newer set is to be had.
    fn old(&self, kid: &str, now_secs: i64) -> Option<DecodingKey> {
        self.keys.get(kid).filter(|_| is_within(USABLE_SECS, self.fetched_at, now_secs)).cloned()
    }
}

fn is_within(secs: i64, at: Option<i64>, now_secs: i64) -> bool {
    at.is_some_and(|at| (0..secs).contains(&(now_secs - at)))
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
        if is_within(AGAIN_SECS, self.known.lock().fetched_at, now_secs) {
            return Ok(());
        }
        self.fetch(now_secs).await
    }

    /// The RSA key with this id.
    ///
    /// # Errors
    /// [`Refusal::UnknownKey`], or [`Refusal::KeyService`] if it cannot be known at present.
    pub async fn by_kid(&self, kid: &str, now_secs: i64) -> Result<DecodingKey, Refusal> {
        let old = {
            let known = self.known.lock();
            match known.answer(kid, now_secs) {
                Some(answer) => return answer,
                None => known.old(kid, now_secs),
            }
        };
        let _one_asks = match (&old, self.service.asking.try_lock()) {
            (_, Ok(turn)) => turn,
            (Some(key), Err(_)) => return Ok(key.clone()),
            (None, Err(_)) => self.service.asking.lock().await,
        };
        if let Some(answer) = self.known.lock().answer(kid, now_secs) {
            return answer;
        }
        match (self.fetch(now_secs).await, old) {
            (Ok(()), _) => self.known.lock().keys.get(kid).cloned().ok_or(Refusal::UnknownKey),
            (Err(_), Some(key)) => Ok(key),
            (Err(refusal), None) => Err(refusal),
        }
    }

    async fn fetch(&self, now_secs: i64) -> Result<(), Refusal> {
        self.known.lock().asked_at = Some(now_secs);
        let asked = tokio::time::timeout(WITHIN, self.service.get(&self.url, MAX_SET, now_secs)).await;
        let body = asked.map_err(|_| Refusal::KeyService)??.ok_or(Refusal::KeyService)?;
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
        let mut known = self.known.lock();
        (known.keys, known.fetched_at) = (keys, Some(now_secs));
        Ok(())
    }
}
