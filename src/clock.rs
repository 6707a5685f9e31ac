//! The one source of "now".

use parking_lot::Mutex;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// The system's clock, shifted by an offset that tests move.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    offset_ms: Arc<AtomicI64>,
}

impl Clock {
    /// A clock that shows the system's time.
    pub fn system() -> Self {
        Self::default()
    }

    /// Milliseconds since 1970, UTC.
    pub fn now_ms(&self) -> i64 {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let system = i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX);
        system.saturating_add(self.offset_ms.load(Ordering::Relaxed))
    }

    /// Seconds since 1970, UTC.
    pub fn now_secs(&self) -> i64 {
        self.now_ms().div_euclid(1000)
    }

    /// Moves the clock for everyone who shares it.
    pub fn advance_ms(&self, by: i64) {
        self.offset_ms.fetch_add(by, Ordering::Relaxed);
    }
}

/// Pause between two looks at a site's clock, ms: expired tokens must not make us call it each time.
const PAUSE_MS: i64 = 60_000;

/// When each site's clock was last looked at because a token was signed at another time.
#[derive(Debug, Default)]
pub struct ClockChecks(Mutex<HashMap<String, i64>>);

impl ClockChecks {
    /// Whether the clock of a tenant's site may be looked at; notes that it is.
    pub fn due(&self, tenant_id: &str, now_ms: i64) -> bool {
        let mut checks = self.0.lock();
        checks.retain(|_, at| (now_ms - *at).abs() < PAUSE_MS);
        match checks.entry(tenant_id.to_owned()) {
            Entry::Occupied(_) => false,
            Entry::Vacant(free) => {
                free.insert(now_ms);
                true
            }
        }
    }
}
