//! Pages of the updated feed with their worklogs: fetched one after the other, read several at once.

use super::super::feed::{FeedError, Page, Walk};
use super::super::{apply, complete};
use crate::jira::client::SiteClient;
use crate::jira::worklogs::{LIST_MAX, RemoteWorklog};
use crate::task;
use futures_util::{StreamExt, TryStreamExt, stream};
use hourbook_store::error::Result;
use hourbook_store::tenant::{TenantConn, TenantDb, cursors, worklogs};
use std::collections::BTreeSet;
use tokio::sync::mpsc;

/// Reads in flight at once.
const IN_FLIGHT: usize = 4;
/// Rows of one step over the copy.
const STEP: i64 = 1000;
/// Cursor: the latest instant at which more changed than a page of the updated feed holds, read issue by issue.
const PASSED: &str = "updated.passed";

/// From now on every such instant is read again: something came back that was not there when it was passed.
pub(in crate::sync) fn forget_passed(db: &mut TenantConn<'_>) -> Result<()> {
    cursors::clear(db, PASSED)
}

/// A page of the feed with the worklogs that were read for it.
pub(super) struct ReadPage {
    pub(super) page: Page,
    pub(super) worklogs: Vec<RemoteWorklog>,
    /// What was asked for and not returned: no proof of a deletion.
    pub(super) missing: Vec<i64>,
    pub(super) begun_at: i64,
}

/// Reads the worklogs that a page names.
#[derive(Clone)]
pub(super) struct Reader {
    pub(super) db: TenantDb,
    pub(super) jira: SiteClient,
    /// Whether those are left out that the copy has in this version.
    pub(super) only_differing: bool,
}

impl Reader {
    async fn read(self, page: Page) -> anyhow::Result<ReadPage> {
        let mut ids: Vec<i64> = page.changes.iter().map(|change| change.worklog_id).collect();
        ids.sort_unstable();
        ids.dedup();
        if self.only_differing {
            let asked = ids.clone();
            let have = self.db.read(move |db| worklogs::versions(db, &asked)).await?;
            let differs = |id: &i64| {
                let newest = page.changes.iter().filter(|change| change.worklog_id == *id);
                let newest = newest.map(|change| change.updated_time).max();
                have.get(id).is_none_or(|have| {
                    let incomplete = have.read_after.is_some() || have.unreadable_since.is_some();
                    incomplete || Some(have.updated) < newest
                })
            };
            ids.retain(differs);
        }
        let begun_at = self.jira.clock().now_ms();
        let mut worklogs = Vec::with_capacity(ids.len());
        for some in ids.chunks(LIST_MAX) {
            worklogs.extend(self.jira.worklogs_by_id(some).await?);
        }
        let missing = apply::missing(&ids, &worklogs);
        Ok(ReadPage { page, worklogs, missing, begun_at })
    }

    /// The way out of a tie overflow in the updated feed: every issue on which time was spent is read as a whole.
    async fn by_issue(&self, at: i64) -> anyhow::Result<()> {
        // Runs overlap: an incremental one need not do it again for an instant that an earlier one has passed.
        let passed = self.db.read(|db| cursors::get(db, PASSED)).await?;
        if self.only_differing && passed.is_some_and(|passed| passed >= at) {
            return Ok(());
        }
        let issues = self.issues_with_time().await?;
        tracing::warn!(at, issues = issues.len(), "tie overflow: reading issue by issue");
        let reads =
            stream::iter(issues).map(|issue_id| self.read_issue(issue_id)).buffer_unordered(IN_FLIGHT);
        reads.try_for_each(|()| async { Ok(()) }).await?;
        let passed = passed.map_or(at, |passed| passed.max(at));
        self.db.write(move |db| cursors::set(db, PASSED, passed)).await?;
        Ok(())
    }

    /// What a search finds, and what the copy knows: the search index may lag behind.
    async fn issues_with_time(&self) -> anyhow::Result<BTreeSet<i64>> {
        let mut issues: BTreeSet<i64> = self.db.read(worklogs::issues).await?.into_iter().collect();
        let mut token: Option<String> = None;
        loop {
            let (found, next) = self.jira.issues_with_time(token.as_deref()).await?;
            issues.extend(found);
            match next {
                Some(next) => token = Some(next),
                None => return Ok(issues),
            }
        }
    }

    async fn read_issue(&self, issue_id: i64) -> anyhow::Result<()> {
        let mut start_at = Some(0);
        while let Some(from) = start_at {
            let begun_at = self.jira.clock().now_ms();
            let (worklogs, next) = match self.jira.worklogs_of_issue(issue_id, from).await {
                // An issue of our map that is gone or hidden by now: the feed cannot name its worklogs either.
                Err(crate::jira::error::JiraError::NotFound(_)) => return Ok(()),
                other => other?,
            };
            let applied = self.db.write(move |db| apply::read(db, worklogs, begun_at)).await?;
            self.jira.ignored(applied.junk);
            start_at = next;
        }
        Ok(())
    }

    /// The way out of a tie overflow in the deleted feed: everything that the copy has is asked for. What is not
    /// returned is hidden, which is all that can be known of it.
    pub(super) async fn whole_copy(&self) -> anyhow::Result<()> {
        let mut after = 0;
        loop {
            let ids = self.db.read(move |db| worklogs::walk(db, after, STEP)).await?;
            let Some(last) = ids.last() else { return Ok(()) };
            after = *last;
            complete::ask(&self.db, &self.jira, ids).await?;
        }
    }
}

/// Fetches pages and their worklogs, in order, a few at once; memory holds no more than those.
pub(super) async fn produce(walk: Walk, reader: Reader, pages: mpsc::Sender<ReadPage>) -> anyhow::Result<()> {
    let detour = reader.clone();
    let feed = stream::try_unfold((walk, detour), |(mut walk, detour)| async move {
        loop {
            match walk.next().await {
                Ok(page) => return anyhow::Ok(page.map(|page| (page, (walk, detour)))),
                Err(FeedError::TieOverflow(at)) => {
                    detour.by_issue(at).await?;
                    walk.pass(at);
                }
                Err(other) => return Err(other.into()),
            }
        }
    });
    // Each in a task of its own: what was fetched is parsed on all cores.
    let reads = feed.map_ok(|page| task::spawn(reader.clone().read(page))).try_buffered(IN_FLIGHT);
    let mut reads = std::pin::pin!(reads);
    while let Some(read) = reads.next().await {
        if pages.send(read?).await.is_err() {
            // Whoever took the pages in has stopped: its reason is told there.
            return Ok(());
        }
    }
    Ok(())
}
