//! What may overwrite what in the copy: for one worklog, from what is known of it. Nothing here touches a database,
//! so that `order/model.rs` can walk every order in which events, reads and crashes may come.

use hourbook_store::tenant::tombstones::{Cause, Tombstone};
use hourbook_store::tenant::worklogs::Version;

#[cfg(test)]
mod model;

/// How long Jira's own answers may lag behind its events, ms. Only then is an older version believed: a site that was
/// restored from a backup has older ones.
const LAG_MS: i64 = 5 * 60_000;

/// What is known of one worklog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Known {
    /// What the copy has of it.
    pub version: Option<Version>,
    /// Whether and how it was deleted.
    pub tombstone: Option<Tombstone>,
}

/// What becomes of a worklog that Jira returned to a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OfRead {
    /// It is written. It still waits for a later read if that was wanted after this one had begun.
    Write {
        /// The new [`Version::read_after`].
        read_after: Option<i64>,
    },
    /// It went with its issue or project and is back.
    Revive,
    /// It is older than what we have, and nobody had asked about it: it has to be asked for once more.
    AskAgain,
    /// We know better already.
    Skip,
}

/// Decides about a complete read. `begun_at` is when the read was asked for, by our clock.
pub fn of_read(known: Known, updated: i64, begun_at: i64) -> OfRead {
    match known.tombstone {
        Some(Tombstone { cause: Cause::Worklog, .. }) => return OfRead::Skip,
        Some(Tombstone { cause: Cause::Container(_), recorded_at }) => {
            // A read from before the deletion proves nothing against it.
            return if begun_at > recorded_at { OfRead::Revive } else { OfRead::Skip };
        }
        None => {}
    }
    let Some(have) = known.version else { return OfRead::Write { read_after: None } };
    let asked_too_early = have.read_after.is_some_and(|after| begun_at < after);
    let gone_since = have.unreadable_since.is_some_and(|since| begun_at < since);
    if have.updated > updated {
        return match have.read_after {
            None if !gone_since => OfRead::AskAgain,
            Some(after) if begun_at >= after.saturating_add(LAG_MS) => OfRead::Write { read_after: None },
            _ => OfRead::Skip,
        };
    }
    if have.updated == updated && (asked_too_early || gone_since) {
        return OfRead::Skip;
    }
    OfRead::Write { read_after: have.read_after.filter(|_| asked_too_early) }
}

/// What becomes of a worklog that Jira did not return to a read. That is no proof of a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OfAbsence {
    /// It was asked for on purpose and is not to be had: hidden from everybody, kept.
    Hide,
    /// It has to be asked for once more before anything follows.
    AskAgain,
    /// Nothing new.
    Skip,
}

/// Decides about an absence from an answer to a read that began at `begun_at`.
pub fn of_absence(known: Known, begun_at: i64) -> OfAbsence {
    match known.version {
        None => OfAbsence::Skip,
        Some(Version { read_after: Some(after), .. }) if after > begun_at => OfAbsence::Skip,
        Some(Version { read_after: Some(_), .. }) => OfAbsence::Hide,
        Some(Version { unreadable_since: Some(since), .. }) if since >= begun_at => OfAbsence::Skip,
        // Still not to be had: what an earlier read may yet return does not count.
        Some(Version { unreadable_since: Some(_), .. }) => OfAbsence::Hide,
        // A read that began later may have returned it already, so this one alone does not count.
        Some(_) => OfAbsence::AskAgain,
    }
}

/// What becomes of a worklog of which an event tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OfEvent {
    /// What the event carries is written; the rest has to be read.
    Write,
    /// It contradicts what we have: the worklog has to be read.
    ReadAgain,
    /// It told nothing new, but a read is still due.
    ReadIsDue,
    /// It went with its issue or project, and something tells of it: a sync has to look.
    LookSoon,
    /// We know better already.
    Skip,
}

/// Decides about an event that carries a version; `same` compares its content with ours, if the versions are equal.
pub fn of_event(known: Known, updated: i64, same: impl FnOnce() -> bool) -> OfEvent {
    match known.tombstone {
        Some(Tombstone { cause: Cause::Worklog, .. }) => return OfEvent::Skip,
        Some(Tombstone { cause: Cause::Container(_), .. }) => return OfEvent::LookSoon,
        None => {}
    }
    match known.version {
        Some(have) if have.updated > updated => OfEvent::Skip,
        Some(have) if have.updated < updated => OfEvent::Write,
        Some(have) if have.unreadable_since.is_some() || !same() => OfEvent::ReadAgain,
        Some(have) if have.read_after.is_some() => OfEvent::ReadIsDue,
        Some(_) => OfEvent::Skip,
        None => OfEvent::Write,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn have(read_after: Option<i64>, unreadable_since: Option<i64>) -> Known {
        let version = Some(Version { updated: 10, read_after, unreadable_since });
        Known { version, tombstone: None }
    }

    fn gone(cause: Cause) -> Known {
        Known { version: None, tombstone: Some(Tombstone { cause, recorded_at: 5 }) }
    }

    const WRITE: OfRead = OfRead::Write { read_after: None };

    #[test]
    fn newer_and_equal_reads_are_written_older_ones_are_not() {
        assert_eq!(of_read(Known::default(), 10, 0), WRITE);
        assert_eq!(of_read(have(None, None), 11, 0), WRITE);
        assert_eq!(of_read(have(None, None), 10, 0), WRITE);
        assert_eq!(of_read(have(None, None), 9, 0), OfRead::AskAgain);
        assert_eq!(of_read(have(Some(5), None), 9, 6), OfRead::Skip, "Jira may lag behind its event");
        assert_eq!(of_read(have(Some(5), None), 9, 4 + LAG_MS), OfRead::Skip);
        assert_eq!(of_read(have(Some(5), None), 9, 5 + LAG_MS), WRITE, "it is so: a backup was restored");
    }

    #[test]
    fn a_read_from_before_it_was_wanted_does_not_count() {
        let wanted = have(Some(100), None);
        assert_eq!(of_read(wanted, 10, 99), OfRead::Skip);
        assert_eq!(of_read(wanted, 10, 100), WRITE);
        assert_eq!(of_read(wanted, 11, 99), OfRead::Write { read_after: Some(100) }, "newer is newer");
    }

    #[test]
    fn a_deletion_wins_over_every_read_unless_its_container_is_back() {
        assert_eq!(of_read(gone(Cause::Worklog), 99, 99), OfRead::Skip);
        assert_eq!(of_read(gone(Cause::Container(7)), 99, 5), OfRead::Skip, "asked before the deletion");
        assert_eq!(of_read(gone(Cause::Container(7)), 99, 6), OfRead::Revive);
    }

    #[test]
    fn one_absence_alone_hides_nothing() {
        assert_eq!(of_absence(have(None, None), 50), OfAbsence::AskAgain);
        assert_eq!(of_absence(have(Some(60), None), 50), OfAbsence::Skip, "wanted later than asked");
        assert_eq!(of_absence(have(Some(60), None), 60), OfAbsence::Hide);
        assert_eq!(of_absence(have(None, Some(60)), 60), OfAbsence::Skip, "hidden already");
        assert_eq!(of_absence(have(None, Some(60)), 70), OfAbsence::Hide, "still hidden, since later");
        assert_eq!(of_read(have(None, Some(60)), 10, 59), OfRead::Skip, "read before it was missing");
        assert_eq!(of_read(have(None, Some(60)), 10, 60), WRITE, "and back");
    }

    #[test]
    fn events_write_what_is_newer_and_ask_about_contradictions() {
        assert_eq!(of_event(Known::default(), 10, || true), OfEvent::Write);
        assert_eq!(of_event(have(None, None), 11, || true), OfEvent::Write);
        assert_eq!(of_event(have(None, None), 9, || true), OfEvent::Skip);
        assert_eq!(of_event(have(None, None), 10, || true), OfEvent::Skip);
        assert_eq!(of_event(have(None, None), 10, || false), OfEvent::ReadAgain);
        assert_eq!(of_event(have(Some(3), None), 10, || true), OfEvent::ReadIsDue);
        assert_eq!(of_event(have(None, Some(3)), 10, || true), OfEvent::ReadAgain, "it lives");
        assert_eq!(of_event(gone(Cause::Worklog), 99, || true), OfEvent::Skip);
        assert_eq!(of_event(gone(Cause::Container(7)), 99, || true), OfEvent::LookSoon);
    }
}
