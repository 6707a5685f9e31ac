//! Webhooks: signed, at least once, in no order; tried again on 5xx, dropped for good on other 4xx.

use crate::forge::events;
use crate::site::Site;
use crate::state::{Failed, Host, Outgoing, State};
use rand::Rng;
use serde_json::Value;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Path of the app's webhooks.
const PATH: &str = "/connect/webhooks";
/// Tries after the first.
const RETRIES: u32 = 5;
/// Nothing takes so long, ms, but a clock that is moved.
const MOVED_MS: i64 = 120_000;
/// The same for tokens of Forge, which live for seconds.
const TOKEN_MOVED_MS: i64 = 20_000;
/// Pause between tries, ms; Jira waits minutes.
const PAUSE_MS: i64 = 150;
/// Delay of a late one, ms.
const LATE_MS: i64 = 400;
/// Deliveries at once.
const AT_ONCE: usize = 8;

impl Site {
    /// Sends an event to the app as far as the delivery's luck goes.
    pub(crate) fn emit(&self, state: &mut State, event: &str, mut body: Value) {
        body["timestamp"] = self.clock.now_ms().into();
        if state.forge.is_some()
            && let Some((name, told)) = events::in_words_of_forge(state.habits.full_worklogs, event, &body)
        {
            self.send_out(state, Host::Forge, &name, told);
        }
        if state.installation.is_some() {
            body["webhookEvent"] = event.into();
            self.send_out(state, Host::Connect, event, body);
        }
    }

    fn send_out(&self, state: &mut State, host: Host, event: &str, body: Value) {
        let now = self.clock.now_ms();
        state.emitted += 1;
        let mut rng = rand::rng();
        let delivery = state.delivery;
        // Of what goes with an issue or project no feed tells: their loss is a matter of its own.
        let told_once = delivery.spares_containers && !event.contains("worklog");
        if rng.random_range(0..100) < delivery.lost && !told_once {
            state.lost += 1;
            return;
        }
        let late = rng.random_range(0..100) < delivery.late;
        let due = now + if late { rng.random_range(0..LATE_MS) } else { 0 };
        let outgoing = Outgoing {
            host,
            identifier: format!("{:016x}", rng.random::<u64>()),
            event: event.to_owned(),
            body,
            due,
            tries: 0,
        };
        if rng.random_range(0..100) < delivery.doubled {
            state.outbox.push_back(Outgoing { due: now + rng.random_range(0..LATE_MS), ..outgoing.clone() });
        }
        state.outbox.push_back(outgoing);
        self.wake.notify_one();
    }

    /// Waits until nothing is on its way.
    pub async fn webhooks_delivered(&self) {
        loop {
            {
                let state = self.state();
                if state.outbox.is_empty() && state.in_flight == 0 {
                    return;
                }
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Posts one event by whichever way it goes; the status of the answer, 0 if there was none.
    pub async fn post(&self, outgoing: &Outgoing) -> u16 {
        match outgoing.host {
            Host::Connect => self.post_webhook(outgoing).await,
            Host::Forge => self.post_event(&outgoing.event, outgoing.body.clone(), outgoing.tries).await,
        }
    }

    /// Posts one webhook; the status of the answer, 0 if there was none.
    async fn post_webhook(&self, outgoing: &Outgoing) -> u16 {
        let Some(installation) = self.state().installation.clone() else { return 204 };
        let token = self.signed("POST", PATH, None, &installation.secret);
        let mut request = self
            .http
            .post(format!("{}{PATH}", installation.app_url))
            .header("Authorization", format!("JWT {token}"))
            .header("X-Atlassian-Webhook-Identifier", &outgoing.identifier)
            .header("X-Atlassian-Webhook-Flow", "Primary");
        if outgoing.tries > 0 {
            request = request.header("X-Atlassian-Webhook-Retry", outgoing.tries.to_string());
        }
        request.json(&outgoing.body).send().await.map_or(0, |response| response.status().as_u16())
    }
}

/// Delivers for as long as the site lives.
pub(crate) async fn deliver(site: Weak<Site>) {
    loop {
        let Some(site) = site.upgrade() else { return };
        site.tick().await;
        let batch = take_due(&site);
        if batch.is_empty() {
            let pause = tokio::time::sleep(Duration::from_millis(20));
            tokio::select! { () = site.wake.notified() => {} () = pause => {} }
            continue;
        }
        let posts: Vec<_> = batch
            .into_iter()
            .map(|outgoing| {
                let site = Arc::clone(&site);
                tokio::spawn(async move {
                    let signed_at = site.clock.now_ms();
                    let status = site.post(&outgoing).await;
                    settle(&site, outgoing, status, signed_at);
                })
            })
            .collect();
        for post in posts {
            let _ = post.await;
        }
    }
}

fn take_due(site: &Site) -> Vec<Outgoing> {
    let now = site.clock.now_ms();
    let mut state = site.state();
    if state.delivery.held {
        return Vec::new();
    }
    let mut batch = Vec::new();
    let mut rest = std::collections::VecDeque::with_capacity(state.outbox.len());
    while let Some(outgoing) = state.outbox.pop_front() {
        if outgoing.due <= now && batch.len() < AT_ONCE {
            batch.push(outgoing);
        } else {
            rest.push_back(outgoing);
        }
    }
    state.outbox = rest;
    state.in_flight += batch.len();
    batch
}

fn settle(site: &Site, outgoing: Outgoing, status: u16, signed_at: i64) {
    let now = site.clock.now_ms();
    let mut state = site.state();
    state.in_flight -= 1;
    match status {
        // The clock was moved while it was on its way, as happens in tests alone: its token was of another time.
        401 if now - signed_at >= MOVED_MS => state.outbox.push_back(outgoing),
        200..=299 => state.delivered += 1,
        401 if outgoing.host == Host::Forge && (now - signed_at).abs() > TOKEN_MOVED_MS => {
            state.outbox.push_back(outgoing);
        }
        // Whatever the app answers, Forge tries four times more, and then forgets the event.
        other if outgoing.host == Host::Forge => {
            let due = now + state.habits.retry_ms;
            if outgoing.tries < events::RETRIES {
                state.outbox.push_back(Outgoing { tries: outgoing.tries + 1, due, ..outgoing });
            } else {
                state.lost += 1;
            }
            if other == 401 {
                state.refused.push((String::from("an event of Forge"), other));
            }
        }
        0 | 408 | 409 | 425 | 429 | 500..=599 if outgoing.tries < RETRIES => {
            state.outbox.push_back(Outgoing { tries: outgoing.tries + 1, due: now + PAUSE_MS, ..outgoing });
        }
        0 | 408 | 409 | 425 | 429 | 500..=599 => state.failed.push(Failed {
            id: outgoing.identifier,
            body: outgoing.body.to_string(),
            url: PATH.into(),
            failure_time: now,
        }),
        other => state.refused.push((outgoing.event, other)),
    }
}
