//! Public keys of Atlassian's installation service, by key id.
//!
//! A rotation makes a new id, so a key is cached for ever; an unknown id is remembered briefly.

use crate::auth::jwt::Refusal;
use crate::auth::key_service::KeyService;
use jsonwebtoken::DecodingKey;
use moka::sync::Cache;
use std::time::Duration;

const UNKNOWN_FOR: Duration = Duration::from_secs(60);
const MAX_PEM: usize = 16 * 1024;

/// Fetches and remembers installation keys.
pub struct InstallKeys {
    service: KeyService,
    origin: String,
    known: Cache<String, DecodingKey>,
    unknown: Cache<String, ()>,
}

impl InstallKeys {
    /// Keys are at `<origin>/<kid>`, as PEM.
    pub fn new(http: reqwest::Client, origin: &str) -> Self {
        Self {
            service: KeyService::new(http),
            origin: origin.to_owned(),
            known: Cache::new(100),
            unknown: Cache::builder().max_capacity(1000).time_to_live(UNKNOWN_FOR).build(),
        }
    }

    /// The time by Atlassian's clock, as far as it is known.
    pub fn atlassian_secs(&self, now_secs: i64) -> i64 {
        self.service.atlassian_secs(now_secs)
    }

    /// Asks for a key once more, for the sake of the service's clock.
    ///
    /// # Errors
    /// See [`InstallKeys::by_kid`].
    pub async fn learn_time(&self, kid: &str, now_secs: i64) -> Result<(), Refusal> {
        self.fetch(kid, now_secs).await.map(drop)
    }

    /// The key with this id (`^[A-Za-z0-9-]{1,64}$`).
    ///
    /// # Errors
    /// [`Refusal::UnknownKey`], or [`Refusal::KeyService`] if it cannot be known at present.
    pub async fn by_kid(&self, kid: &str, now_secs: i64) -> Result<DecodingKey, Refusal> {
        let plain = kid.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if !plain || !(1..=64).contains(&kid.len()) || self.unknown.contains_key(kid) {
            return Err(Refusal::UnknownKey);
        }
        if let Some(key) = self.known.get(kid) {
            return Ok(key);
        }
        // Many sites may install at once.
        let _one_asks = self.service.asking.lock().await;
        if let Some(key) = self.known.get(kid) {
            return Ok(key);
        }
        if self.unknown.contains_key(kid) {
            return Err(Refusal::UnknownKey);
        }
        let key = self.fetch(kid, now_secs).await?;
        self.known.insert(kid.to_owned(), key.clone());
        Ok(key)
    }

    async fn fetch(&self, kid: &str, now_secs: i64) -> Result<DecodingKey, Refusal> {
        let pem = self.service.get(&format!("{}/{kid}", self.origin), MAX_PEM, now_secs).await?;
        let Some(pem) = pem else {
            self.unknown.insert(kid.to_owned(), ());
            return Err(Refusal::UnknownKey);
        };
        DecodingKey::from_rsa_pem(&pem).map_err(|_| Refusal::KeyService)
    }
}
