//! Takes into the copy what events told, in batches. Runs inside the tenant's write transaction; what has to
//! follow outside of it is returned.

use super::apply;
use super::events::{Event, Seen, Told};
use super::order::{self, Known, OfEvent};
use crate::worklogs::adf;
use hourbook_store::error::Result;
use hourbook_store::plain::Plain;
use hourbook_store::tenant::accounts::Closed;
use hourbook_store::tenant::tombstones::{Cause, Tombstone};
use hourbook_store::tenant::worklogs::{self, Version, Visibility, Worklog};
use hourbook_store::tenant::{TenantConn, cursors, issues};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Cursor that tells when the last webhook was applied, by our clock.
pub const LAST_WEBHOOK: &str = "webhook";

/// Cursor: when an issue or project last went, by our clock. What a read from before returned may have gone with it,
/// so that it has to be read again.
pub(super) const CONTAINER_GONE: &str = "container_gone";

/// What has to follow outside the tenant's transaction.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct FollowUps {
    /// Worklogs wait for a complete read.
    pub complete: bool,
    /// Hidden worklogs are to be asked for again.
    pub recheck: bool,
    /// Worklogs that the copy does not have yet, to be read.
    pub fetch: BTreeSet<i64>,
    /// Issues that went.
    pub issues_gone: Vec<i64>,
    /// Projects that went.
    pub projects_gone: Vec<i64>,
    /// Projects that are back.
    pub projects_restored: Vec<i64>,
    /// The copy may lack something: look soon.
    pub sync: bool,
    /// The site's time tracking settings are to be read again.
    pub time_tracking: bool,
    /// Remembered permissions no longer hold.
    pub permissions: bool,
}

/// Applies events in their order of arrival; the state at the end does not depend on it.
///
/// # Errors
/// When the database fails; nothing is applied then.
pub fn apply(db: &mut TenantConn<'_>, events: &[Event], now: i64) -> Result<FollowUps> {
    let mut follow = FollowUps::default();
    let closed = Closed::load(db)?;
    let mut batch = Batch::load(db, events, now)?;
    for event in events {
        match event {
            Event::Worklog(seen) => {
                let told = of_pseudonym(db, &closed, seen.told.clone());
                batch.take(&Seen { told, ..seen.clone() }, &mut follow);
            }
            Event::WorklogTouched { id, told } => {
                let told = told.clone().map(|told| of_pseudonym(db, &closed, told));
                batch.touch(*id, told.as_ref(), &mut follow);
            }
            Event::WorklogDeleted { id } => batch.delete(*id),
            Event::IssueMoved { issue_id, project_id } => {
                issues::moved(db, *issue_id, *project_id)?;
                // The project that it moved to may have gone before we heard of the move.
                batch.write(db)?;
                let on_it = worklogs::ids_on_issues(db, &[*issue_id])?;
                worklogs::mark_unread(db, &on_it, now)?;
                batch = Batch::load(db, events, now)?;
                follow.permissions = true;
                follow.complete |= !on_it.is_empty();
            }
            Event::IssueDeleted { issue_id } => {
                cursors::set(db, CONTAINER_GONE, now)?;
                follow.issues_gone.push(*issue_id);
            }
            Event::ProjectGone { project_id } => {
                cursors::set(db, CONTAINER_GONE, now)?;
                follow.projects_gone.push(*project_id);
                follow.permissions = true;
            }
            Event::ProjectRestored { project_id } => {
                follow.projects_restored.push(*project_id);
                follow.permissions = true;
            }
            Event::TimeTrackingChanged => follow.time_tracking = true,
            Event::AccessBlocked { issue_ids } => {
                // What this batch wrote is hidden too.
                batch.write(db)?;
                worklogs::hide(db, Some(issue_ids.as_slice()).filter(|ids| !ids.is_empty()), now)?;
                (follow.permissions, follow.recheck) = (true, true);
                batch = Batch::load(db, events, now)?;
            }
        }
    }
    batch.write(db)?;
    cursors::set(db, LAST_WEBHOOK, now)?;
    Ok(follow)
}

/// Work of a closed account is its pseudonym's.
fn of_pseudonym(db: &TenantConn<'_>, closed: &Closed, told: Told) -> Told {
    Told { account_id: closed.stands_for(db, told.account_id.clone()), ..told }
}

fn worklog_id(event: &Event) -> Option<i64> {
    match event {
        Event::Worklog(seen) => Some(seen.id),
        Event::WorklogTouched { id, .. } | Event::WorklogDeleted { id } => Some(*id),
        _ => None,
    }
}

/// What a batch of events comes to, gathered before anything is written.
struct Batch {
    now: i64,
    known: HashMap<i64, Known>,
    /// What is in the copy, opened only where something hangs on it.
    opened: HashMap<i64, Worklog>,
    rows: BTreeMap<i64, Worklog>,
    unread: BTreeSet<i64>,
    deleted: BTreeSet<i64>,
}

impl Batch {
    fn load(db: &mut TenantConn<'_>, events: &[Event], now: i64) -> Result<Self> {
        let ids: Vec<i64> = events.iter().filter_map(worklog_id).collect();
        let known = apply::known(db, &ids)?;
        let compared = events.iter().filter_map(|event| match event {
            Event::Worklog(seen) => {
                let have = known.get(&seen.id)?.version?;
                (have.updated == seen.updated || !seen.carries_all()).then_some(seen.id)
            }
            Event::WorklogTouched { id, .. } => Some(*id),
            _ => None,
        });
        let compared: BTreeSet<i64> = compared.collect();
        let compared: Vec<i64> = compared.into_iter().collect();
        let opened = worklogs::by_ids(db, &compared)?;
        Ok(Self {
            now,
            known,
            opened: opened.into_iter().map(|row| (row.id, row)).collect(),
            rows: BTreeMap::new(),
            unread: BTreeSet::new(),
            deleted: BTreeSet::new(),
        })
    }

    fn take(&mut self, seen: &Seen, follow: &mut FollowUps) {
        let known = self.known.get(&seen.id).copied().unwrap_or_default();
        let have = known.version.and_then(|_| self.rows.get(&seen.id).or_else(|| self.opened.get(&seen.id)));
        match order::of_event(known, seen.updated, || have.is_some_and(|have| same(have, &seen.told))) {
            OfEvent::Write => {
                let row = row(seen, have.cloned(), self.now);
                self.put(row);
                follow.complete = true;
            }
            OfEvent::ReadAgain => {
                self.read_again(seen.id);
                follow.complete = true;
            }
            OfEvent::ReadIsDue => follow.complete = true,
            OfEvent::LookSoon => follow.sync = true,
            OfEvent::Skip => {}
        }
    }

    /// The event does not carry enough: the worklog has to be read.
    ///
    /// Where the event tells something else than the copy has, nobody knows until then who may see it. Where it tells the
    /// same, as the events of our own writes do, the worklog stays as it is shown.
    fn touch(&mut self, id: i64, told: Option<&Told>, follow: &mut FollowUps) {
        match self.known.get(&id) {
            Some(Known { version: Some(_), .. }) => {
                let have = self.rows.get(&id).or_else(|| self.opened.get(&id)).cloned();
                let is_same = |have: &Worklog| told.is_some_and(|told| same(have, told));
                match have {
                    Some(have) if have.unreadable_since.is_none() && !is_same(&have) => self.put(Worklog {
                        visibility: Visibility::Unknown,
                        read_after: Some(self.now),
                        ..have
                    }),
                    _ => self.read_again(id),
                }
                follow.complete = true;
            }
            // Whatever comes late of a deleted worklog brings it not back.
            Some(Known { tombstone: Some(Tombstone { cause: Cause::Worklog, .. }), .. }) => {}
            _ => {
                follow.fetch.insert(id);
            }
        }
    }

    fn put(&mut self, row: Worklog) {
        let version = Version {
            updated: row.updated,
            read_after: row.read_after,
            unreadable_since: row.unreadable_since,
        };
        self.known.entry(row.id).or_default().version = Some(version);
        self.unread.remove(&row.id);
        self.rows.insert(row.id, row);
    }

    fn read_again(&mut self, id: i64) {
        if let Some(version) = self.known.get_mut(&id).and_then(|known| known.version.as_mut()) {
            version.read_after = Some(self.now);
            self.unread.insert(id);
        }
    }

    fn delete(&mut self, id: i64) {
        let tombstone = Tombstone { cause: Cause::Worklog, recorded_at: self.now };
        self.known.insert(id, Known { version: None, tombstone: Some(tombstone) });
        self.rows.remove(&id);
        self.unread.remove(&id);
        self.deleted.insert(id);
    }

    fn write(self, db: &mut TenantConn<'_>) -> Result<()> {
        let rows: Vec<Worklog> = self.rows.into_values().collect();
        // An event carries no tags: they stay.
        worklogs::put_keeping_tags(db, &rows)?;
        worklogs::mark_unread(db, &self.unread.into_iter().collect::<Vec<_>>(), self.now)?;
        let deleted: Vec<i64> = self.deleted.into_iter().collect();
        apply::deleted(db, &deleted, self.now)?;
        Ok(())
    }
}

/// What the event carries; what it does not carry stays, and who may see it is unknown until it was read.
fn row(seen: &Seen, have: Option<Worklog>, now: i64) -> Worklog {
    let told = &seen.told;
    let (known_account, known_comment) =
        have.map_or((String::new(), None), |have| (have.account_id, have.comment));
    Worklog {
        id: seen.id,
        issue_id: told.issue_id,
        account_id: if told.account_id.is_empty() { known_account } else { told.account_id.clone() },
        comment: told.comment.as_deref().map(Plain::new).or(known_comment),
        created: seen.created,
        updated: seen.updated,
        started: told.started,
        seconds: told.seconds,
        visibility: Visibility::Unknown,
        tags: Vec::new(),
        read_after: Some(now),
        unreadable_since: None,
    }
}

/// Whether an event tells what we have. It may carry the comment as text where we have a document.
fn same(have: &Worklog, told: &Told) -> bool {
    let text = |comment: &str| serde_json::from_str::<Value>(comment).map(|value| adf::to_text(&value)).ok();
    let same_comment = match (&have.comment, &told.comment) {
        (_, None) => true,
        (Some(have), Some(seen)) => text(have.expose()) == text(seen),
        (None, Some(seen)) => text(seen).is_some_and(|text| text.is_empty()),
    };
    have.issue_id == told.issue_id
        && have.started == told.started
        && have.seconds == told.seconds
        && (told.account_id.is_empty() || have.account_id == told.account_id)
        && same_comment
}
