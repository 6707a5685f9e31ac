//! What people do: most of them in Jira itself, some through Hourbook's panel.

use hourbook_simulator::people::Work;
use hourbook_simulator::seed;
use hourbook_simulator::site::Site;
use rand::rngs::StdRng;
use rand::seq::IteratorRandom;
use rand::{Rng, SeedableRng};
use serde_json::json;

const DOING: [&str; 5] = ["review", "pairing on the parser", "support call", "release", "writing it down"];

/// People at work in one site.
pub struct Activity {
    rng: StdRng,
    users: usize,
    issues: Vec<i64>,
    recent: Vec<i64>,
}

impl Activity {
    /// People of a site, from a seed.
    pub fn new(site: &Site, seed: u64) -> Self {
        let state = site.state();
        Self {
            rng: StdRng::seed_from_u64(seed),
            users: state.users.len(),
            issues: state.issues.keys().copied().collect(),
            recent: state.worklogs.keys().rev().take(50).copied().collect(),
        }
    }

    /// Somebody does something.
    pub async fn step(&mut self, site: &Site) {
        let account = seed::account(self.rng.random_range(0..self.users.min(3)));
        let Some(issue) = self.issues.iter().choose(&mut self.rng).copied() else { return };
        let seconds = self.rng.random_range(1..16) * 900;
        let doing = DOING[self.rng.random_range(0..DOING.len())];
        match self.rng.random_range(0..10) {
            0..5 => {
                let id = site.log_work(&account, issue, Work::of(seconds, doing));
                self.recent.push(id);
            }
            5..8 => {
                if let Some(id) = self.recent.iter().choose(&mut self.rng) {
                    site.change_work(*id, |worklog| worklog.seconds = seconds);
                }
            }
            8 => {
                if !self.recent.is_empty() {
                    let at = self.rng.random_range(0..self.recent.len());
                    site.delete_work(self.recent.swap_remove(at));
                }
            }
            _ => {
                let started = crate::jira::time::rfc3339(site.clock.now_ms());
                let body = json!({ "started": started, "timeSpentSeconds": seconds, "comment": doing });
                let key = format!("{:032x}", self.rng.random::<u128>());
                let path = format!("/api/v1/issues/{issue}/worklogs");
                site.page_calls(&account, "POST", &path, Some(&body), Some(&key)).await;
            }
        }
    }
}
