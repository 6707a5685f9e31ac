//! The one place that decides what may overwrite what in the copy. Runs inside the tenant's write transaction.

use crate::jira::worklogs::{RemoteVisibility, RemoteWorklog};
use crate::worklogs::property;
use hourbook_crypto::tenant::TenantCipher;
use hourbook_store::error::Result;
use hourbook_store::plain::Plain;
use hourbook_store::tenant::tombstones::{self, Cause, Tombstone};
use hourbook_store::tenant::worklogs::{self, Version, Visibility, Worklog};
use hourbook_store::tenant::{TenantConn, tags};
use std::collections::HashMap;

/// The account id that Atlassian gives when there is none; never stored.
const NOBODY: &str = "unknown";

/// What becomes of a worklog that Jira returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It is newer than or as new as what we have.
    Write,
    /// It went with its issue or project and is back.
    Revive,
    /// We know better already.
    Skip,
}

/// Decides about a complete read. `begun_at` is when the read was asked for, by our clock.
pub fn decide(have: Option<Version>, tombstone: Option<Tombstone>, updated: i64, begun_at: i64) -> Decision {
    match tombstone {
        Some(Tombstone { cause: Cause::Worklog, .. }) => return Decision::Skip,
        Some(Tombstone { cause: Cause::Container(_), recorded_at }) => {
            // A read from before the deletion proves nothing against it.
            return if begun_at > recorded_at { Decision::Revive } else { Decision::Skip };
        }
        None => {}
    }
    match have {
        Some(version) if version.updated > updated => Decision::Skip,
        // As old as what we have, but asked for before somebody wanted it read once more.
        Some(version) if version.updated == updated && asked_too_early(version, begun_at) => Decision::Skip,
        _ => Decision::Write,
    }
}

fn asked_too_early(version: Version, begun_at: i64) -> bool {
    version.read_after.is_some_and(|after| begun_at < after)
}

/// Writes what Jira returned, tags included; returns how many rows were written.
///
/// # Errors
/// When the database fails.
pub fn read(db: &mut TenantConn<'_>, returned: Vec<RemoteWorklog>, begun_at: i64) -> Result<i64> {
    let ids: Vec<i64> = returned.iter().map(|worklog| worklog.id).collect();
    let have = worklogs::versions(db, &ids)?;
    let tombstones = tombstones::of(db, &ids)?;
    let mut rows: HashMap<i64, Worklog> = HashMap::with_capacity(returned.len());
    let mut back = Vec::new();
    let mut catalogue = Catalogue::load(db)?;
    for remote in returned {
        let id = remote.id;
        match decide(have.get(&id).copied(), tombstones.get(&id).copied(), remote.updated, begun_at) {
            Decision::Skip => continue,
            Decision::Revive => back.push(id),
            Decision::Write => {}
        }
        let tags = catalogue.learn(db, &remote)?;
        let mut row = complete_row(db.cipher(), remote, tags);
        row.read_after = have
            .get(&id)
            .filter(|version| asked_too_early(**version, begun_at))
            .and_then(|version| version.read_after);
        rows.insert(id, row);
    }
    tombstones::lift(db, &back)?;
    let mut rows: Vec<Worklog> = rows.into_values().collect();
    rows.sort_unstable_by_key(|row| row.id);
    worklogs::put(db, &rows)?;
    Ok(i64::try_from(rows.len()).unwrap_or(i64::MAX))
}

fn complete_row(cipher: &TenantCipher, remote: RemoteWorklog, tags: Vec<i64>) -> Worklog {
    Worklog {
        id: remote.id,
        issue_id: remote.issue_id,
        account_id: account(remote.author.and_then(|author| author.account_id)),
        comment: remote.comment.map(|raw| Plain::new(raw.get())),
        created: remote.created,
        updated: remote.updated,
        started: remote.started,
        seconds: remote.time_spent_seconds,
        visibility: visibility(cipher, remote.visibility.as_ref()),
        tags,
        read_after: None,
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
struct Catalogue(HashMap<i64, i64>);

impl Catalogue {
    fn load(db: &mut TenantConn<'_>) -> Result<Self> {
        Ok(Self(tags::named_at(db)?))
    }

    /// Ids of the worklog's tags; unknown ones join the catalogue, a later name replaces an earlier one.
    fn learn(&mut self, db: &mut TenantConn<'_>, remote: &RemoteWorklog) -> Result<Vec<i64>> {
        let Some(value) = remote.hourbook() else { return Ok(Vec::new()) };
        let mut ids = Vec::new();
        for tag in property::tags(value) {
            match self.0.get(&tag.id) {
                Some(named_at) if *named_at >= remote.updated => {}
                Some(_) => tags::rename(db, tag.id, &tag.name, remote.updated)?,
                None => {
                    let new =
                        tags::Tag { id: tag.id, name: tag.name, named_at: remote.updated, archived: false };
                    tags::put(db, &new)?;
                }
            }
            let named_at = self.0.entry(tag.id).or_insert(remote.updated);
            *named_at = remote.updated.max(*named_at);
            ids.push(tag.id);
        }
        ids.sort_unstable();
        ids.dedup();
        Ok(ids)
    }
}

/// Notes that the worklogs themselves were deleted; returns how many the copy had.
///
/// # Errors
/// When the database fails.
pub fn deleted(db: &mut TenantConn<'_>, ids: &[i64], now: i64) -> Result<i64> {
    remove(db, ids, Cause::Worklog, now)
}

/// Notes that an issue or project went with its worklogs; returns how many the copy had.
///
/// # Errors
/// When the database fails.
pub fn container_gone(db: &mut TenantConn<'_>, container: i64, issues: &[i64], now: i64) -> Result<i64> {
    let ids = worklogs::ids_on_issues(db, issues)?;
    remove(db, &ids, Cause::Container(container), now)
}

fn remove(db: &mut TenantConn<'_>, ids: &[i64], cause: Cause, now: i64) -> Result<i64> {
    tombstones::put(db, ids, cause, now)?;
    let removed = worklogs::delete(db, ids)?;
    Ok(i64::try_from(removed).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HAVE: Option<Version> = Some(Version { updated: 10, read_after: None });

    #[test]
    fn newer_and_equal_reads_are_written_older_ones_are_not() {
        assert_eq!(decide(None, None, 10, 0), Decision::Write);
        assert_eq!(decide(HAVE, None, 11, 0), Decision::Write);
        assert_eq!(decide(HAVE, None, 10, 0), Decision::Write);
        assert_eq!(decide(HAVE, None, 9, 0), Decision::Skip);
    }

    #[test]
    fn a_read_from_before_it_was_wanted_does_not_count() {
        let wanted = Some(Version { updated: 10, read_after: Some(100) });
        assert_eq!(decide(wanted, None, 10, 99), Decision::Skip);
        assert_eq!(decide(wanted, None, 10, 100), Decision::Write);
        assert_eq!(decide(wanted, None, 11, 99), Decision::Write, "newer is newer");
    }

    #[test]
    fn a_deletion_wins_over_every_read_unless_its_container_is_back() {
        let own = Some(Tombstone { cause: Cause::Worklog, recorded_at: 5 });
        assert_eq!(decide(None, own, 99, 99), Decision::Skip);
        let project = Some(Tombstone { cause: Cause::Container(7), recorded_at: 5 });
        assert_eq!(decide(None, project, 99, 5), Decision::Skip, "asked before the deletion");
        assert_eq!(decide(None, project, 99, 6), Decision::Revive);
    }
}
