//! Public keys of Atlassian's installation service, by key id.
//!
//! A rotation makes a new id, so a key is cached for ever; an unknown id is remembered briefly, and only so many
//! are asked for in a minute, so that forged tokens cannot make us hammer the service.

use super::jwt::Refusal;
use jsonwebtoken::DecodingKey;
use moka::sync::Cache;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

const UNKNOWN_FOR: Duration = Duration::from_secs(60);
const LOOKUPS_PER_MINUTE: u32 = 30;
const MAX_PEM: usize = 16 * 1024;

/// Fetches and remembers installation keys.
pub struct InstallKeys {
    http: reqwest::Client,
    origin: String,
    known: Cache<String, DecodingKey>,
    unknown: Cache<String, ()>,
    lookups: Mutex<(i64, u32)>,
    asking: tokio::sync::Mutex<()>,
    /// By how much the key service's clock is ahead of ours, seconds, as it last said.
    ahead_secs: AtomicI64,
}

impl InstallKeys {
    /// Keys are at `<origin>/<kid>`, as PEM.
    pub fn new(http: reqwest::Client, origin: &str) -> Self {
        Self {
            http,
            origin: origin.to_owned(),
            known: Cache::new(100),
            unknown: Cache::builder().max_capacity(1000).time_to_live(UNKNOWN_FOR).build(),
            lookups: Mutex::new((0, 0)),
            asking: tokio::sync::Mutex::default(),
            ahead_secs: AtomicI64::new(0),
        }
    }

    /// The time by Atlassian's clock, as far as it is known.
    pub fn atlassian_secs(&self, now_secs: i64) -> i64 {
        now_secs + self.ahead_secs.load(Ordering::Relaxed)
    }

    /// Asks for a key once more, for the sake of the service's clock.
    ///
    /// # Errors
    /// See [`InstallKeys::by_kid`].
    pub async fn learn_time(&self, kid: &str, now_secs: i64) -> Result<(), Refusal> {
        self.take_lookup(now_secs)?;
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
        // Many sites may install at once: one asks, the others take what it got.
        let _one_asks = self.asking.lock().await;
        if let Some(key) = self.known.get(kid) {
            return Ok(key);
        }
        if self.unknown.contains_key(kid) {
            return Err(Refusal::UnknownKey);
        }
        self.take_lookup(now_secs)?;
        let key = self.fetch(kid, now_secs).await?;
        self.known.insert(kid.to_owned(), key.clone());
        Ok(key)
    }

    fn take_lookup(&self, now_secs: i64) -> Result<(), Refusal> {
        let mut lookups = self.lookups.lock();
        let minute = now_secs.div_euclid(60);
        if lookups.0 != minute {
            *lookups = (minute, 0);
        }
        if lookups.1 >= LOOKUPS_PER_MINUTE {
            return Err(Refusal::KeyService);
        }
        lookups.1 += 1;
        Ok(())
    }

    async fn fetch(&self, kid: &str, now_secs: i64) -> Result<DecodingKey, Refusal> {
        let failed = |error: reqwest::Error| {
            tracing::warn!(error = %error.without_url(), "installation key service failed");
            Refusal::KeyService
        };
        let response = self.http.get(format!("{}/{kid}", self.origin)).send().await.map_err(failed)?;
        if let Some(date) = response.headers().get(reqwest::header::DATE).and_then(|date| date.to_str().ok())
            && let Ok(date) = chrono::DateTime::parse_from_rfc2822(date)
        {
            self.ahead_secs.store(date.timestamp() - now_secs, Ordering::Relaxed);
        }
        match response.status().as_u16() {
            200 => {}
            404 => {
                self.unknown.insert(kid.to_owned(), ());
                return Err(Refusal::UnknownKey);
            }
            status => {
                tracing::warn!(status, "installation key service failed");
                return Err(Refusal::KeyService);
            }
        }
        let pem = response.bytes().await.map_err(failed)?;
        if pem.len() > MAX_PEM {
            return Err(Refusal::KeyService);
        }
        DecodingKey::from_rsa_pem(&pem).map_err(|_| Refusal::KeyService)
    }
}
