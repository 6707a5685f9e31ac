//! Jira's clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// The system's time, shifted.
#[derive(Debug, Clone, Default)]
pub struct Clock(Arc<AtomicI64>);

impl Clock {
    /// Milliseconds since 1970, UTC.
    pub fn now_ms(&self) -> i64 {
        let system = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        i64::try_from(system).unwrap_or(i64::MAX) + self.0.load(Ordering::Relaxed)
    }

    /// The time as HTTP tells it.
    pub fn http_date(&self) -> String {
        let now = chrono::DateTime::from_timestamp_millis(self.now_ms()).unwrap_or_default();
        now.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
    }

    /// Moves the clock.
    pub fn advance_ms(&self, by: i64) {
        self.0.fetch_add(by, Ordering::Relaxed);
    }
}
