//! What asking Atlassian for public keys has in common: only so often in a minute, so that forged tokens cannot make us
//! hammer the service, and its clock is listened to.

use super::jwt::Refusal;
use bytes::Bytes;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};

const LOOKUPS_PER_MINUTE: u32 = 30;

/// A service that has public keys.
pub struct KeyService {
    http: reqwest::Client,
    lookups: Mutex<(i64, u32)>,
    /// One asks, the others take what it got.
    pub asking: tokio::sync::Mutex<()>,
    /// By how much the service's clock is ahead of ours, seconds, as it last said.
    ahead_secs: AtomicI64,
}

impl KeyService {
    /// Nothing is asked yet.
    pub fn new(http: reqwest::Client) -> Self {
        Self {
            http,
            lookups: Mutex::new((0, 0)),
            asking: tokio::sync::Mutex::default(),
            ahead_secs: AtomicI64::new(0),
        }
    }

    /// The time by Atlassian's clock, as far as it is known.
    pub fn atlassian_secs(&self, now_secs: i64) -> i64 {
        now_secs + self.ahead_secs.load(Ordering::Relaxed)
    }

    /// What is at an address, at most `longest` bytes; `None` if nothing is.
    ///
    /// # Errors
    /// [`Refusal::KeyService`] if it cannot be known at present.
    pub async fn get(&self, url: &str, longest: usize, now_secs: i64) -> Result<Option<Bytes>, Refusal> {
        self.take_lookup(now_secs)?;
        let failed = |error: reqwest::Error| {
            tracing::warn!(error = %error.without_url(), "a service of public keys failed");
            Refusal::KeyService
        };
        let response = self.http.get(url).send().await.map_err(failed)?;
        if let Some(date) = response.headers().get(reqwest::header::DATE).and_then(|date| date.to_str().ok())
            && let Ok(date) = chrono::DateTime::parse_from_rfc2822(date)
        {
            self.ahead_secs.store(date.timestamp() - now_secs, Ordering::Relaxed);
        }
        match response.status().as_u16() {
            200 => {}
            404 => return Ok(None),
            status => {
                tracing::warn!(status, "a service of public keys failed");
                return Err(Refusal::KeyService);
            }
        }
        let body = response.bytes().await.map_err(failed)?;
        if body.len() > longest {
            return Err(Refusal::KeyService);
        }
        Ok(Some(body))
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
}
