//! Effective time: what a worklog's interval has beyond those of the same person that began earlier (ties by id), as
//! far as the viewer may see them. Sums of it are the union of a person's intervals, each second once.

use crate::axis::Axis;
use crate::projection::Snapshot;
use crate::scan::Clock;

/// Where a row is: the part of the snapshot, and the position in its segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// 0 or 1.
    pub part: usize,
    /// Position in the segment.
    pub row: usize,
}

/// Effective seconds of the rows in a range.
#[derive(Debug, Clone, Default)]
pub struct Effective {
    seconds: [Vec<u32>; 2],
    first: [usize; 2],
}

/// A worklog that others of the same person cover in part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overlap {
    /// The worklog.
    pub place: Place,
    /// Of which that many seconds count already.
    pub seconds: u32,
    /// Id of the one that reaches furthest into it, of those that began earlier.
    pub with: i64,
}

impl Effective {
    pub(crate) fn of_part(&self, part: usize) -> (&[u32], usize) {
        (&self.seconds[part], self.first[part])
    }

    /// Effective seconds of a row in the range.
    pub fn seconds(&self, place: Place) -> u32 {
        let at = place.row.checked_sub(self.first[place.part]);
        at.and_then(|at| self.seconds[place.part].get(at)).copied().unwrap_or(0)
    }
}

/// How far back one has to look from the beginning of a range, seconds: the longest worklog of the accounts.
pub fn reach(snapshot: &Snapshot, accounts: &Axis) -> i64 {
    let longest = |account: u32| snapshot.parts().map(|part| part.segment.longest(account));
    accounts.members().flat_map(longest).max().map_or(0, i64::from)
}

/// Walks each person's visible worklogs in their order. `visible` tells which slots the viewer may see; their own
/// worklogs, `viewer`'s, always.
pub fn of(
    snapshot: &Snapshot,
    clock: &Clock,
    accounts: &Axis,
    visible: &[bool],
    viewer: Option<u32>,
) -> (Effective, Vec<Overlap>) {
    let (from, to) = clock.span();
    let parts = snapshot.parts();
    let mut effective = Effective::default();
    for (at, part) in parts.iter().enumerate() {
        let within = part.segment.between(from, to);
        effective.first[at] = within.start;
        effective.seconds[at] = vec![0; within.len()];
    }
    let mut overlaps = Vec::new();
    for account in accounts.members() {
        let sees_all = viewer == Some(account);
        let mut walk = Walk::default();
        for place in of_account(snapshot, account, from, to) {
            let segment = parts[place.part].segment;
            let slot = segment.slot[place.row] as usize;
            if !sees_all && !visible.get(slot).copied().unwrap_or(false) {
                continue;
            }
            let (start, seconds, id) =
                (segment.start[place.row], segment.seconds[place.row], segment.id[place.row]);
            let (counted, with) = walk.take(start, seconds, id);
            if start < from {
                continue;
            }
            effective.seconds[place.part][place.row - effective.first[place.part]] = counted;
            if counted < seconds {
                overlaps.push(Overlap { place, seconds: seconds - counted, with });
            }
        }
    }
    (effective, overlaps)
}

/// How far a person's time is covered.
#[derive(Default)]
struct Walk {
    covered_to: Option<(i64, i64)>,
}

impl Walk {
    /// The seconds of an interval that nothing before covers, and the id of what reaches furthest into it.
    fn take(&mut self, start: i64, seconds: u32, id: i64) -> (u32, i64) {
        let end = start + i64::from(seconds);
        let (covered_to, with) = self.covered_to.unwrap_or((i64::MIN, id));
        if end > covered_to {
            self.covered_to = Some((end, id));
        }
        let counted = end - start.max(covered_to.min(end));
        (u32::try_from(counted).unwrap_or(0), with)
    }
}

/// A person's rows that reach into a range, by start and id.
fn of_account(
    snapshot: &Snapshot,
    account: u32,
    from: i64,
    to: i64,
) -> impl Iterator<Item = Place> + use<'_> {
    let parts = snapshot.parts();
    let [base, changed] = parts.map(|part| {
        let back = i64::from(part.segment.longest(account));
        let within = part.segment.between(from.saturating_sub(back), to);
        part.segment.of_account(account, &within)
    });
    let key = move |part: usize, row: u32| {
        let segment = parts[part].segment;
        (segment.start[row as usize], segment.id[row as usize])
    };
    let mut base = base.iter().copied().filter(move |row| !parts[0].is_dead(*row)).peekable();
    let mut changed = changed.iter().copied().peekable();
    std::iter::from_fn(move || {
        let part = match (base.peek(), changed.peek()) {
            (Some(one), Some(other)) => usize::from(key(1, *other) < key(0, *one)),
            (Some(_), None) => 0,
            _ => 1,
        };
        let row = if part == 0 { base.next() } else { changed.next() }?;
        Some(Place { part, row: row as usize })
    })
}
