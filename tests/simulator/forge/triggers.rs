//! Triggers by the clock: every five minutes and by the hour, now and then skipped or doubled, never sent again.

use crate::site::Site;
use rand::Rng;

/// How often each comes, ms.
pub const EVERY: [i64; 2] = [5 * 60_000, 60 * 60_000];
/// Their modules.
const MODULES: [&str; 2] = ["hourbook-minutes", "hourbook-hour"];

impl Site {
    /// Sends the triggers whose turn it is. Turns that passed while a clock was moved come once.
    pub(crate) async fn tick(&self) {
        let now = self.clock.now_ms();
        let mut due = Vec::new();
        {
            let mut state = self.state();
            let habits = state.habits.clone();
            if let Some(app) = state.forge.as_mut() {
                for (at, module) in MODULES.into_iter().enumerate() {
                    if app.next[at] <= now && !habits.stopped {
                        app.next[at] = now + EVERY[at];
                        due.push(module);
                    }
                }
            }
            due.retain(|_| rand::rng().random_range(0..100) >= habits.skipped);
            let twice: Vec<&str> =
                due.iter().copied().filter(|_| rand::rng().random_range(0..100) < habits.doubled).collect();
            due.extend(twice);
        }
        for module in due {
            self.trigger(module).await;
        }
    }

    /// Sends one trigger now; returns the status of the answer.
    pub async fn trigger(&self, module: &str) -> u16 {
        if self.state().forge.is_none() {
            return 204;
        }
        let body = self.context_body(module);
        self.call_remote("/forge/schedule", module, &body).await
    }
}
