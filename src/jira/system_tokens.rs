//! Forge's tokens for acting as the app: they come with calls of Forge, hold for two to four hours, and cannot be asked
//! for (<https://developer.atlassian.com/platform/forge/remote/calling-product-apis/>).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::Mutex;
use secrecy::SecretString;
use serde::Deserialize;
use std::collections::HashMap;
use std::fmt;

/// A token is not used in the last of its time, ms: a call takes a while to arrive.
const MARGIN_MS: i64 = 30_000;
/// How long a token is taken to hold that does not say so, ms.
const UNTOLD_MS: i64 = 3_600_000;
/// How long a token holds at most, ms: one that says more is not believed.
const LONGEST_MS: i64 = 5 * 3_600_000;
/// Longest token that is kept.
const LONGEST: usize = 16 * 1024;

/// A token.
#[derive(Clone)]
pub struct SystemToken {
    /// What is sent.
    pub token: SecretString,
    /// Until when it holds, ms.
    pub until: i64,
}

impl fmt::Debug for SystemToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SystemToken until {}", self.until)
    }
}

impl SystemToken {
    /// A token as it came in a header; `None` for none that could be sent on. Nothing but its end is read from it.
    pub fn read(text: &str, now: i64) -> Option<Self> {
        #[derive(Deserialize)]
        struct End {
            exp: i64,
        }
        let plain = (1..=LONGEST).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        let payload = text.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
        let end = payload.and_then(|json| serde_json::from_slice::<End>(&json).ok());
        let until = end.map_or(now + UNTOLD_MS, |end| end.exp.saturating_mul(1000).min(now + LONGEST_MS));
        plain.then(|| Self { token: SecretString::from(text.to_owned()), until })
    }

    /// Whether it may still be sent.
    pub fn holds(&self, now: i64) -> bool {
        self.until - MARGIN_MS > now
    }
}

/// A token that Jira refused is not sent for so long, ms: right after an installation it refuses good ones for a while.
const REFUSED_MS: i64 = 60_000;

/// The newest token of a tenant, and until when it is not to be sent because Jira refused it.
struct Newest {
    token: SystemToken,
    rests_until: i64,
}

/// The newest token of each tenant.
#[derive(Default)]
pub struct SystemTokens(Mutex<HashMap<String, Newest>>);

impl SystemTokens {
    /// Whether a token with this end (ms) would hold longer than the one that there is.
    pub fn lacks(&self, tenant_id: &str, until: i64) -> bool {
        self.until(tenant_id).is_none_or(|newest| newest < until)
    }

    /// Takes a token if it holds longer than the one that there is.
    pub fn offer(&self, tenant_id: &str, token: SystemToken) {
        let mut tokens = self.0.lock();
        if tokens.get(tenant_id).is_none_or(|known| known.token.until < token.until) {
            tokens.insert(tenant_id.to_owned(), Newest { token, rests_until: 0 });
        }
    }

    /// A token that holds now.
    pub fn get(&self, tenant_id: &str, now: i64) -> Option<SystemToken> {
        let tokens = self.0.lock();
        let usable = tokens.get(tenant_id).filter(|known| known.rests_until <= now && known.token.holds(now));
        usable.map(|known| known.token.clone())
    }

    /// Jira did not accept the token with this end.
    pub fn refused(&self, tenant_id: &str, until: i64, now: i64) {
        if let Some(known) = self.0.lock().get_mut(tenant_id).filter(|known| known.token.until == until) {
            known.rests_until = now + REFUSED_MS;
        }
    }

    /// The end of the newest token, ms.
    pub fn until(&self, tenant_id: &str) -> Option<i64> {
        self.0.lock().get(tenant_id).map(|known| known.token.until)
    }

    /// Forgets a tenant's.
    pub fn forget(&self, tenant_id: &str) {
        self.0.lock().remove(tenant_id);
    }

    /// Forgets all.
    pub fn forget_all(&self) {
        self.0.lock().clear();
    }
}
