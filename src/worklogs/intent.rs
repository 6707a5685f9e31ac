//! Equal writes take turns: the second sees what the first did.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::{Arc, Weak};
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

/// How long the key of a write is remembered, ms.
pub const KEPT_MS: i64 = 7 * 86_400_000;

/// Turns by key.
#[derive(Default)]
pub struct Turns(Mutex<HashMap<String, Weak<AsyncMutex<()>>>>);

impl Turns {
    /// Waits until nobody else has the turn for this key.
    pub async fn take(&self, key: String) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.0.lock();
            if turns.len() > 1000 {
                turns.retain(|_, turn| turn.strong_count() > 0);
            }
            let known = turns.get(&key).and_then(Weak::upgrade);
            known.unwrap_or_else(|| {
                let fresh = Arc::new(AsyncMutex::new(()));
                turns.insert(key, Arc::downgrade(&fresh));
                fresh
            })
        };
        turn.lock_owned().await
    }
}
