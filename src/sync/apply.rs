//! Takes what Jira returned into the copy, as [`super::order`] decides. Runs inside the tenant's write transaction.

use super::order::{self, Known, OfAbsence, OfRead};
use super::told::CONTAINER_GONE;
use crate::jira::worklogs::{RemoteVisibility, RemoteWorklog};
use crate::worklogs::property;
use hourbook_crypto::tenant::TenantCipher;
use hourbook_store::error::Result;
use hourbook_store::plain::Plain;
use hourbook_store::tenant::accounts::Closed;
use hourbook_store::tenant::tombstones::{self, Cause};
use hourbook_store::tenant::worklogs::{self, Visibility, Worklog};
use hourbook_store::tenant::{TenantConn, cursors, tags};
use std::collections::{HashMap, HashSet};

/// The account id that Atlassian gives when there is none; never stored.
const NOBODY: &str = "unknown";

/// What came of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Applied {
    /// Rows written.
    pub written: i64,
    /// Things in the worklog property that do not fit and were ignored.
    pub junk: i64,
}

/// What is known of worklogs.
pub(super) fn known(db: &mut TenantConn<'_>, ids: &[i64]) -> Result<HashMap<i64, Known>> {
    let versions = worklogs::versions(db, ids)?;
    let mut tombstones = tombstones::of(db, ids)?;
    let mut known: HashMap<i64, Known> = versions
        .into_iter()
        .map(|(id, version)| (id, Known { version: Some(version), tombstone: tombstones.remove(&id) }))
        .collect();
    known.extend(
        tombstones
            .into_iter()
            .map(|(id, tombstone)| (id, Known { version: None, tombstone: Some(tombstone) })),
    );
    Ok(known)
}

/// Writes what Jira returned to a read that began at `begun_at`, tags included.
///
/// # Errors
/// When the database fails.
pub fn read(db: &mut TenantConn<'_>, returned: Vec<RemoteWorklog>, begun_at: i64) -> Result<Applied> {
    let ids: Vec<i64> = returned.iter().map(|worklog| worklog.id).collect();
    let known = known(db, &ids)?;
    let authors = known_authors(db, &returned, &known)?;
    let mut catalogue = Catalogue::load(db)?;
    let closed = Closed::load(db)?;
    let gone_at = cursors::get(db, CONTAINER_GONE)?.filter(|gone_at| begun_at <= *gone_at);
    let (mut back, mut again) = (Vec::new(), Vec::new());
    // What came without properties says nothing of tags.
    let (mut tagged, mut untagged) = (Vec::new(), Vec::new());
    let mut new = Vec::with_capacity(returned.len());
    for remote in returned {
        let id = remote.id;
        let is_new = !known.contains_key(&id);
        let known = known.get(&id).copied().unwrap_or_default();
        let read_after = match order::of_read(known, remote.updated, begun_at) {
            OfRead::Skip => continue,
            OfRead::AskAgain => {
                again.push(id);
                continue;
            }
            OfRead::Revive => {
                back.push(id);
                None
            }
            OfRead::Write { read_after } => read_after,
        };
        let carries_tags = remote.properties.is_some();
        let tags = catalogue.learn(db, &remote)?;
        let mut row = complete_row(db.cipher(), remote, tags);
        row.read_after = read_after.max(gone_at.map(|at| at + 1));
        row.account_id = closed.stands_for(db, row.account_id);
        if row.account_id.is_empty() {
            row.account_id = authors.get(&id).cloned().unwrap_or_default();
        }
        let rows = match carries_tags {
            true if is_new => &mut new,
            true => &mut tagged,
            false => &mut untagged,
        };
        rows.push(row);
    }
    tombstones::lift(db, &back)?;
    // By a read that begins later than this one.
    worklogs::mark_unread(db, &again, begun_at + 1)?;
    let (new, tagged, untagged) = (in_order(new), in_order(tagged), in_order(untagged));
    worklogs::put_new(db, &new)?;
    worklogs::put(db, &tagged)?;
    worklogs::put_keeping_tags(db, &untagged)?;
    let written = i64::try_from(new.len() + tagged.len() + untagged.len()).unwrap_or(i64::MAX);
    Ok(Applied { written, junk: catalogue.junk })
}

/// Rows by id, each once: neighbours in the file are written together.
fn in_order(mut rows: Vec<Worklog>) -> Vec<Worklog> {
    rows.sort_by_key(|row| row.id);
    rows.dedup_by_key(|row| row.id);
    rows
}

/// The authors that we know of worklogs for which Jira names nobody any more: a deleted user's account stays.
fn known_authors(
    db: &mut TenantConn<'_>,
    returned: &[RemoteWorklog],
    known: &HashMap<i64, Known>,
) -> Result<HashMap<i64, String>> {
    let nameless: Vec<i64> = returned
        .iter()
        .filter(|remote| author(remote).is_empty() && known.contains_key(&remote.id))
        .map(|remote| remote.id)
        .collect();
    let rows = if nameless.is_empty() { Vec::new() } else { worklogs::by_ids(db, &nameless)? };
    Ok(rows.into_iter().map(|row| (row.id, row.account_id)).collect())
}

fn author(remote: &RemoteWorklog) -> String {
    account(remote.author.as_ref().and_then(|author| author.account_id.clone()))
}

fn complete_row(cipher: &TenantCipher, remote: RemoteWorklog, tags: Vec<i64>) -> Worklog {
    Worklog {
        id: remote.id,
        issue_id: remote.issue_id,
        account_id: author(&remote),
        // Without a copy: what is left of a clear text is wiped.
        comment: remote.comment.map(|raw| Plain::new(Box::<str>::from(raw))),
        created: remote.created,
        updated: remote.updated,
        started: remote.started,
        seconds: remote.time_spent_seconds,
        visibility: visibility(cipher, remote.visibility.as_ref()),
        tags,
        read_after: None,
        unreadable_since: None,
    }
}

/// An author that Jira does not name is stored as empty, never as a person called "unknown".
pub fn account(account_id: Option<String>) -> String {
    account_id.filter(|id| id != NOBODY).unwrap_or_default()
}

/// Keeps the opaque id of a restriction; where Jira gives only a name, a keyed digest stands for it.
fn visibility(cipher: &TenantCipher, remote: Option<&RemoteVisibility>) -> Visibility {
    let Some(remote) = remote else { return Visibility::Everyone };
    let id = |kind: &str| match (&remote.identifier, &remote.value) {
        (Some(identifier), value) if Some(identifier) != value.as_ref() => Some(identifier.clone()),
        (_, Some(name)) => Some(format!("digest:{}", cipher.digest(kind, name))),
        _ => None,
    };
    match remote.r#type.as_deref() {
        Some("group") => id("group").map_or(Visibility::Unknown, Visibility::Group),
        Some("role") => id("role").map_or(Visibility::Unknown, Visibility::Role),
        _ => Visibility::Unknown,
    }
}

/// The tags that are known, to learn those that worklogs bring along.
struct Catalogue {
    named_at: HashMap<i64, i64>,
    junk: i64,
}

impl Catalogue {
    fn load(db: &mut TenantConn<'_>) -> Result<Self> {
        Ok(Self { named_at: tags::named_at(db)?, junk: 0 })
    }

    /// Ids of the worklog's tags; unknown ones join the catalogue, a later name replaces an earlier one.
    fn learn(&mut self, db: &mut TenantConn<'_>, remote: &RemoteWorklog) -> Result<Vec<i64>> {
        let Some(value) = remote.hourbook() else { return Ok(Vec::new()) };
        let mut ids = Vec::new();
        let (carried, junk) = property::tags(value);
        self.junk += junk;
        for tag in carried {
            match self.named_at.get(&tag.id) {
                Some(named_at) if *named_at >= remote.updated => {}
                Some(_) => tags::rename(db, tag.id, &tag.name, remote.updated)?,
                None => {
                    let new =
                        tags::Tag { id: tag.id, name: tag.name, named_at: remote.updated, archived: false };
                    tags::put(db, &new)?;
                }
            }
            let named_at = self.named_at.entry(tag.id).or_insert(remote.updated);
            *named_at = remote.updated.max(*named_at);
            ids.push(tag.id);
        }
        ids.sort_unstable();
        ids.dedup();
        Ok(ids)
    }
}

/// What absences came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Absent {
    /// Worklogs that are hidden from now on.
    pub hidden: i64,
    /// Worklogs that have to be asked for once more.
    pub ask_again: bool,
}

/// Takes in that Jira did not return worklogs to a read that began at `begun_at`: no proof of a deletion.
///
/// # Errors
/// When the database fails.
pub fn absent(db: &mut TenantConn<'_>, ids: &[i64], begun_at: i64, now: i64) -> Result<Absent> {
    let known = known(db, ids)?;
    let decided = |wanted: OfAbsence| -> Vec<i64> {
        let decide = |id: &&i64| known.get(id).map(|known| order::of_absence(*known, begun_at));
        ids.iter().filter(|id| decide(id) == Some(wanted)).copied().collect()
    };
    let (hidden, again) = (decided(OfAbsence::Hide), decided(OfAbsence::AskAgain));
    worklogs::mark_unreadable(db, &hidden, begun_at)?;
    worklogs::mark_unread(db, &again, now)?;
    let shown = |id: &&i64| {
        known.get(id).and_then(|known| known.version).is_some_and(|have| have.unreadable_since.is_none())
    };
    let newly = hidden.iter().filter(shown).count();
    Ok(Absent { hidden: i64::try_from(newly).unwrap_or(i64::MAX), ask_again: !again.is_empty() })
}

/// Which of the ids that were asked for are not among what was returned.
pub fn missing(asked: &[i64], returned: &[RemoteWorklog]) -> Vec<i64> {
    let returned: HashSet<i64> = returned.iter().map(|worklog| worklog.id).collect();
    asked.iter().filter(|id| !returned.contains(id)).copied().collect()
}

/// Notes that the worklogs themselves were deleted; returns how many the copy had.
///
/// # Errors
/// When the database fails.
pub fn deleted(db: &mut TenantConn<'_>, ids: &[i64], now: i64) -> Result<i64> {
    remove(db, ids, Cause::Worklog, now)
}

/// Notes that worklogs went with an issue or project; returns how many the copy had.
///
/// # Errors
/// When the database fails.
pub fn went_along(db: &mut TenantConn<'_>, container: i64, ids: &[i64], now: i64) -> Result<i64> {
    remove(db, ids, Cause::Container(container), now)
}

fn remove(db: &mut TenantConn<'_>, ids: &[i64], cause: Cause, now: i64) -> Result<i64> {
    tombstones::put(db, ids, cause, now)?;
    let removed = worklogs::delete(db, ids)?;
    Ok(i64::try_from(removed).unwrap_or(i64::MAX))
}
