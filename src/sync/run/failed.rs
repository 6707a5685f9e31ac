//! Webhooks that Jira gave up after its retries. It keeps them for three days, so that hours of ours that nobody
//! heard are not lost: not even events that no feed tells of, such as the deletion of a project.

use super::super::events;
use super::super::inbox::place;
use super::Run;
use crate::jira::error::JiraError;
use anyhow::Context;
use hourbook_store::inbox::NewEvent;
use hourbook_store::tenant::cursors;

/// Cursor: the time of the last failure that was taken in, in Jira's time.
const AT: &str = "failed_webhooks";

impl Run {
    /// Puts what Jira could not deliver into the inbox. What arrived after all is there already, under the same
    /// identifier.
    pub(super) async fn drain_failed_webhooks(&self) -> anyhow::Result<()> {
        let mut after = self.db.read(|db| cursors::get(db, AT)).await?.unwrap_or(0);
        loop {
            let page = match self.jira.failed_webhooks(after).await {
                // Only Connect apps have this list.
                Err(JiraError::Forbidden(_) | JiraError::NotFound(_)) => return Ok(()),
                other => other?,
            };
            let Some(newest) = page.iter().map(|failed| failed.failure_time).max() else { return Ok(()) };
            let mut taken = 0;
            for failed in page {
                let Some(body) = failed.body else { continue };
                match events::parse(body.as_bytes()).map(|read| read.event) {
                    Ok(Some(event)) => self.put_into_inbox(failed.id, &event).await?,
                    Ok(None) => continue,
                    // What it told is found by this very run, as far as a feed tells it.
                    Err(reason) => {
                        tracing::warn!(reason, "a webhook of an unknown shape");
                        continue;
                    }
                }
                taken += 1;
            }
            tracing::info!(taken, "webhooks that Jira had given up are taken in");
            // Several may have failed in one millisecond: it is asked for again as long as it brings something new.
            after = if newest - 1 > after { newest - 1 } else { newest };
            self.db.write(move |db| cursors::set(db, AT, after)).await?;
        }
    }

    async fn put_into_inbox(&self, identifier: String, event: &events::Event) -> anyhow::Result<()> {
        let text = serde_json::to_vec(event)?;
        let body = Some(self.tenant.cipher.seal(place(&identifier), &text));
        let new = NewEvent {
            tenant_id: self.tenant.id.clone(),
            identifier,
            received_at: self.app.clock.now_ms(),
            body,
        };
        self.app.inbox.append(new).await.context("taking in a webhook that Jira had given up")
    }
}
