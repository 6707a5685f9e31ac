//! What a reconciliation looks at beyond the feeds: worklogs that no feed names, and worklogs that changed without
//! any trace. Moving worklogs in bulk makes no event and may leave `updated` as it was, so the copy is read again
//! bit by bit: all of a small one every day, a part of a large one.

use super::super::complete;
use super::super::status::{COMPARED_AT, COMPARED_COPY, COMPARED_JIRA};
use super::Run;
use crate::jira::worklogs::LIST_MAX;
use hourbook_store::tenant::{TenantConn, cursors, worklogs};

/// Rows that one reconciliation reads again, beyond those that the feeds do not name: a hundred calls.
pub const VERIFIED: i64 = 100_000;
/// Rows of one step over the copy.
const STEP: i64 = 10_000;
/// Cursor: the worklog up to which the copy has been read again.
const AT: &str = "verified";

impl Run {
    /// Both feeds name every worklog that lives; what the copy has beyond that is asked for.
    pub(super) async fn look_for_unnamed(&mut self, named: &[i64]) -> anyhow::Result<()> {
        let mut after = 0;
        loop {
            let step = self.db.read(move |db| worklogs::walk(db, after, STEP)).await?;
            let Some(last) = step.last() else { return Ok(()) };
            after = *last;
            let unnamed: Vec<i64> = step.into_iter().filter(|id| named.binary_search(id).is_err()).collect();
            for some in unnamed.chunks(LIST_MAX) {
                self.ask(some.to_vec()).await?;
            }
        }
    }

    /// Reads the next part of the copy again, wherever the last reconciliation stopped.
    pub(super) async fn read_a_part_again(&mut self) -> anyhow::Result<()> {
        let mut after = self.db.read(|db| cursors::get(db, AT)).await?.unwrap_or(0);
        let mut read = 0;
        while read < VERIFIED {
            let ids = self.db.read(move |db| worklogs::walk(db, after, 1000)).await?;
            let Some(last) = ids.last() else {
                after = 0;
                break;
            };
            after = *last;
            read += i64::try_from(ids.len())?;
            self.ask(ids).await?;
        }
        self.db.write(move |db| cursors::set(db, AT, after)).await?;
        Ok(())
    }

    /// Notes how many worklogs Jira's feed named, and how many the copy shows.
    pub(super) async fn compare(&mut self, mut named: Vec<i64>) -> anyhow::Result<()> {
        named.dedup();
        let (jira, now) = (i64::try_from(named.len())?, self.app.clock.now_ms());
        let note = move |db: &mut TenantConn<'_>| {
            let copy = worklogs::count(db)? - worklogs::count_unreadable(db)?;
            for (name, value) in [(COMPARED_AT, now), (COMPARED_JIRA, jira), (COMPARED_COPY, copy)] {
                cursors::set(db, name, value)?;
            }
            Ok(())
        };
        self.db.write(note).await?;
        Ok(())
    }

    async fn ask(&mut self, ids: Vec<i64>) -> anyhow::Result<()> {
        let (completed, _) = complete::ask(&self.db, &self.jira, ids).await?;
        self.progress.counts.written += completed.written;
        self.progress.counts.unreadable += completed.hidden;
        Ok(())
    }
}
