//! Walking a change feed. Jira pages by time alone and says neither whether `since` includes its instant nor what
//! happens when a thousand changes share one: each page is asked from one millisecond before the last one's end,
//! and what was seen is dropped.

use crate::jira::client::SiteClient;
use crate::jira::error::JiraError;
use crate::jira::worklogs::{Change, ChangedWorklogs, Feed};
use std::collections::HashSet;

/// Why a feed could not be walked to its end.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// A full page with nothing new: more changes share an instant than a page holds. The way out is to read what
    /// the feed cannot tell by another way and then to [`Walk::pass`] the instant.
    #[error("tie overflow: more changes share the instant {0} than a page of the feed holds")]
    TieOverflow(i64),
    /// Jira could not be asked.
    #[error(transparent)]
    Jira(#[from] JiraError),
}

/// What Jira said, if that is why something failed.
pub fn jira_cause(error: &anyhow::Error) -> Option<&JiraError> {
    match error.downcast_ref::<FeedError>() {
        Some(FeedError::Jira(jira)) => Some(jira),
        _ => error.downcast_ref::<JiraError>(),
    }
}

/// A page without what earlier pages had.
#[derive(Debug)]
pub struct Page {
    /// New changes, oldest first.
    pub changes: Vec<Change>,
    /// Jira's time up to which the feed is consumed with this page.
    pub until: i64,
    /// Jira's clock when it answered, ms.
    pub asked_at: Option<i64>,
    /// Whether the feed ends here.
    pub last: bool,
}

/// A position in a feed.
pub struct Walk {
    client: SiteClient,
    feed: Feed,
    steps: Steps,
}

impl Walk {
    /// Begins at an instant of Jira's time (ms).
    pub fn new(client: SiteClient, feed: Feed, since: i64) -> Self {
        Self { client, feed, steps: Steps::new(since) }
    }

    /// The next page, `None` behind the last.
    ///
    /// # Errors
    /// [`FeedError`]; the walk may be begun again at any page's end.
    pub async fn next(&mut self) -> Result<Option<Page>, FeedError> {
        if self.steps.done {
            return Ok(None);
        }
        loop {
            let page = self.client.changes(self.feed, self.steps.since).await?;
            match self.steps.take(page) {
                // The feed includes the instant that was passed: on to the one behind it.
                Err(FeedError::TieOverflow(at)) if self.steps.passed == Some(at) => self.steps.since = at + 1,
                other => return other.map(Some),
            }
        }
    }

    /// Goes on behind an instant at which there are more changes than a page holds. Whoever calls it has read them
    /// by another way.
    pub fn pass(&mut self, at: i64) {
        self.steps.pass(at);
    }
}

/// The arithmetic of a walk, without I/O.
pub struct Steps {
    since: i64,
    seen: HashSet<Change>,
    passed: Option<i64>,
    done: bool,
}

impl Steps {
    /// Begins at an instant of Jira's time (ms).
    pub fn new(since: i64) -> Self {
        Self { since, seen: HashSet::new(), passed: None, done: false }
    }

    /// Whether `since` includes its instant is not documented, so the instant itself is asked for once more.
    fn pass(&mut self, at: i64) {
        self.since = at;
        self.passed = Some(at);
    }

    /// From when on the next page is asked for, ms.
    pub fn since(&self) -> i64 {
        self.since
    }

    /// Takes a page in and moves on.
    ///
    /// # Errors
    /// [`FeedError::TieOverflow`] for a full page with nothing new.
    pub fn take(&mut self, page: ChangedWorklogs) -> Result<Page, FeedError> {
        let last = page.last_page || page.values.is_empty();
        let newest = page.values.iter().map(|change| change.updated_time).max();
        let until = page.until.max(newest).unwrap_or(self.since).max(self.since);
        let changes: Vec<Change> =
            page.values.iter().filter(|change| !self.seen.contains(change)).copied().collect();
        if changes.is_empty() && !last {
            return Err(FeedError::TieOverflow(until));
        }
        let next = until - 1;
        self.seen.extend(page.values);
        self.seen.retain(|change| change.updated_time >= next);
        self.since = next.max(self.since);
        self.done = last;
        Ok(Page { changes, until, asked_at: page.asked_at, last })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A feed of Jira: changes by time, pages of `size`, `since` inclusive or not.
    fn serve(changes: &[Change], since: i64, size: usize, inclusive: bool) -> ChangedWorklogs {
        let mut rest: Vec<Change> = changes
            .iter()
            .filter(|change| change.updated_time > since || (inclusive && change.updated_time == since))
            .copied()
            .collect();
        let last_page = rest.len() <= size;
        rest.truncate(size);
        ChangedWorklogs {
            until: rest.last().map(|change| change.updated_time),
            last_page,
            values: rest,
            asked_at: None,
        }
    }

    /// Walks to the end; returns what was found and the instants that had to be passed.
    fn walk(changes: &[Change], size: usize, inclusive: bool) -> (Vec<Change>, Vec<i64>) {
        let mut steps = Steps::new(0);
        let (mut found, mut passed) = (Vec::new(), Vec::new());
        for _ in 0..10_000 {
            if steps.done {
                return (found, passed);
            }
            match steps.take(serve(changes, steps.since, size, inclusive)) {
                Ok(page) => found.extend(page.changes),
                Err(FeedError::TieOverflow(at)) if steps.passed == Some(at) => steps.since = at + 1,
                Err(FeedError::TieOverflow(at)) => {
                    passed.push(at);
                    steps.pass(at);
                }
                Err(other) => panic!("{other}"),
            }
        }
        panic!("the walk does not end");
    }

    proptest! {
        /// Whatever the ties, a walk ends, finds nothing twice, and misses at most what shares an instant that it
        /// said it could not tell, or the one before.
        #[test]
        fn a_walk_finds_everything_once_or_says_what_it_passed(
            gaps in proptest::collection::vec(0_i64..3, 0..60),
            size in 1_usize..8,
            inclusive: bool,
        ) {
            let mut at = 5;
            let changes: Vec<Change> = (1_i64..).zip(gaps).map(|(worklog_id, gap)| {
                at += gap;
                Change { worklog_id, updated_time: at }
            }).collect();
            let (found, passed) = walk(&changes, size, inclusive);
            let mut once = found.clone();
            once.sort_unstable_by_key(|change| change.worklog_id);
            once.dedup();
            prop_assert_eq!(once.len(), found.len(), "twice");
            let near_passed = |change: &Change| {
                passed.iter().any(|at| (0..=1).contains(&(at - change.updated_time)))
            };
            for change in &changes {
                prop_assert!(found.contains(change) || near_passed(change), "{:?} is missing", change);
            }
            for at in &passed {
                // Only honest where a page cannot hold the ties of two neighbouring milliseconds.
                let near = |other: &&Change| (0..=1).contains(&(at - other.updated_time));
                prop_assert!(changes.iter().filter(near).count() >= size);
            }
        }
    }
}
