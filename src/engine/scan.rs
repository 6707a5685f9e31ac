//! Which rows a question is about, in runs: neighbours in a segment that belong to the same group of days.

use crate::axis::{Axis, SKIP};
use crate::calendar::Offsets;
use crate::projection::{Part, Snapshot};
use crate::segment::Segment;
use std::ops::Range;

/// Reading rows by lists pays when they are fewer than one in this many.
const LISTS_PAY: usize = if cfg!(test) { 1 } else { 4 };
/// Looking at the lists of members pays when there are that many rows for each.
const ROWS_A_MEMBER: usize = if cfg!(test) { 4 } else { 64 };

/// The days of a question, and the zone in which they are days.
#[derive(Debug, Clone)]
pub struct Clock {
    /// The first day.
    pub first: i32,
    /// The last day, included.
    pub last: i32,
    /// Whose clock.
    pub zone: Zone,
}

/// Whose clock tells the day.
#[derive(Debug, Clone)]
pub enum Zone {
    /// One for all.
    Fixed(Offsets),
    /// The author's: a position in `offsets` for each account.
    Authors {
        /// Zones.
        offsets: Vec<Offsets>,
        /// Which of them an account has; the first one where nothing is said.
        of_account: Vec<u16>,
    },
}

impl Clock {
    /// How many days there are.
    pub fn days(&self) -> usize {
        usize::try_from(self.last - self.first + 1).unwrap_or(0)
    }

    /// Instants between which all starts lie, seconds since 1970; the second is exclusive.
    pub fn span(&self) -> (i64, i64) {
        match &self.zone {
            Zone::Fixed(offsets) => offsets.span(self.first, self.last),
            Zone::Authors { offsets, .. } => {
                let spans = offsets.iter().map(|offsets| offsets.span(self.first, self.last));
                spans.reduce(|one, other| (one.0.min(other.0), one.1.max(other.1))).unwrap_or((0, 0))
            }
        }
    }

    fn offsets(&self, account: u32) -> Option<&Offsets> {
        match &self.zone {
            Zone::Fixed(offsets) => Some(offsets),
            Zone::Authors { offsets, of_account } => {
                let zone = of_account.get(account as usize).copied().unwrap_or(0);
                offsets.get(zone as usize)
            }
        }
    }

    /// How far the clock of an account is ahead of UTC at an instant, seconds.
    pub fn ahead(&self, account: u32, instant: i64) -> i64 {
        self.offsets(account).map_or(0, |offsets| offsets.ahead(instant))
    }

    /// The day of a start of an account, counted from the first one; `None` outside the range.
    pub fn day(&self, account: u32, start: i64) -> Option<usize> {
        let day = self.offsets(account)?.day(start);
        usize::try_from(day.checked_sub(self.first)?).ok().filter(|day| *day < self.days())
    }
}

/// The rows of a member among some.
type ListOf = for<'a> fn(&'a Segment, u32, &Range<usize>) -> &'a [u32];

/// Where the rows are found.
enum Source {
    /// All between two instants.
    Range,
    /// Lists of rows.
    Lists(Vec<u32>, ListOf),
}

/// Rows that somebody's question is about; what does not count on an axis may be among them.
pub struct Scan<'a> {
    part: Part<'a>,
    clock: &'a Clock,
    within: Range<usize>,
    source: Source,
}

impl<'a> Scan<'a> {
    /// The cheapest way to the rows of a part that may count on both axes.
    pub fn new(part: Part<'a>, clock: &'a Clock, accounts: &Axis, slots: &Axis) -> Self {
        let (from, to) = clock.span();
        let within = part.segment.between(from, to);
        let most = within.len() / LISTS_PAY;
        let few = within.len() / ROWS_A_MEMBER;
        let lists = |axis: &Axis, of: ListOf| {
            let members: Vec<u32> = axis.members().take(few + 1).collect();
            if members.len() > few {
                return None;
            }
            let rows: usize = members.iter().map(|member| of(part.segment, *member, &within).len()).sum();
            (rows < most).then_some((rows, Source::Lists(members, of)))
        };
        let ways = [lists(accounts, Segment::of_account), lists(slots, Segment::of_slot)];
        let best = ways.into_iter().flatten().min_by_key(|(rows, _)| *rows);
        let source = best.map_or(Source::Range, |(_, source)| source);
        Self { part, clock, within, source }
    }

    /// The rows of one account.
    pub fn of_account(part: Part<'a>, clock: &'a Clock, account: u32) -> Self {
        let (from, to) = clock.span();
        let within = part.segment.between(from, to);
        Self { part, clock, within, source: Source::Lists(vec![account], Segment::of_account) }
    }

    /// Tells the runs of rows, in no particular order, each with what `of_day` has for its day; none of days that it
    /// has [`SKIP`] for.
    pub fn runs(&self, of_day: &[u32], mut tell: impl FnMut(Range<usize>, u32)) {
        let mut tell = |rows: Range<usize>, value: u32| {
            if value != SKIP {
                tell(rows, value);
            }
        };
        match &self.clock.zone {
            Zone::Fixed(offsets) => {
                let slices = self.slices(offsets, of_day);
                self.cut(&slices, tell);
            }
            Zone::Authors { .. } => self.each(|row| {
                let (account, start) = (self.part.segment.account[row], self.part.segment.start[row]);
                if let Some(day) = self.clock.day(account, start) {
                    tell(row..row + 1, of_day[day]);
                }
            }),
        }
    }

    /// Rows that lie between two instants, and belong to days of equal value.
    fn slices(&self, offsets: &Offsets, of_day: &[u32]) -> Vec<(Range<usize>, u32)> {
        let mut stretches: Vec<(i64, i64, u32)> = Vec::new();
        for (from, to, day) in offsets.stretches(self.clock.first, self.clock.last) {
            let value = usize::try_from(day - self.clock.first).ok().and_then(|day| of_day.get(day));
            let Some(value) = value.copied() else { continue };
            match stretches.last_mut() {
                Some(last) if last.1 == from && last.2 == value => last.1 = to,
                _ => stretches.push((from, to, value)),
            }
        }
        let starts = &self.part.segment.start;
        let mut at = self.within.start;
        let mut reach = |instant: i64| {
            at += gallop(&starts[at..self.within.end], instant);
            at
        };
        let slices = stretches.into_iter().map(|(from, to, value)| (reach(from)..reach(to), value));
        slices.filter(|(rows, _)| !rows.is_empty()).collect()
    }

    fn cut(&self, slices: &[(Range<usize>, u32)], mut tell: impl FnMut(Range<usize>, u32)) {
        match &self.source {
            Source::Range => {
                let dead = self.part.dead.map(|dead| dead.rows.as_slice()).unwrap_or_default();
                let mut next_dead = dead.partition_point(|row| (*row as usize) < self.within.start);
                for (rows, value) in slices {
                    let mut from = rows.start;
                    while let Some(row) = dead.get(next_dead).map(|row| *row as usize) {
                        if row >= rows.end {
                            break;
                        }
                        next_dead += 1;
                        if row >= from {
                            tell(from..row, *value);
                            from = row + 1;
                        }
                    }
                    tell(from..rows.end, *value);
                }
            }
            Source::Lists(members, of) => {
                for member in members {
                    let mut at = 0;
                    for row in of(self.part.segment, *member, &self.within) {
                        let position = *row as usize;
                        if slices.get(at).is_some_and(|slice| slice.0.end <= position) {
                            at += slices[at..].partition_point(|slice| slice.0.end <= position);
                        }
                        let Some((rows, value)) = slices.get(at) else { break };
                        if rows.start <= position && !self.part.is_dead(*row) {
                            tell(position..position + 1, *value);
                        }
                    }
                }
            }
        }
    }

    /// Each row that is not dead, between the instants of the range.
    fn each(&self, mut tell: impl FnMut(usize)) {
        match &self.source {
            Source::Range => {
                let rows = self.within.clone();
                rows.filter(|row| !self.is_dead(*row)).for_each(&mut tell);
            }
            Source::Lists(members, of) => {
                for member in members {
                    let rows = of(self.part.segment, *member, &self.within).iter();
                    rows.map(|row| *row as usize).filter(|row| !self.is_dead(*row)).for_each(&mut tell);
                }
            }
        }
    }

    fn is_dead(&self, row: usize) -> bool {
        u32::try_from(row).is_ok_and(|row| self.part.is_dead(row))
    }
}

/// How many of the ascending `starts` lie before an instant, which is expected to be near.
fn gallop(starts: &[i64], instant: i64) -> usize {
    let mut step = 1;
    while starts.get(step - 1).is_some_and(|start| *start < instant) {
        step *= 2;
    }
    let (known, end) = (step / 2, (step - 1).min(starts.len()));
    known + starts[known..end].partition_point(|start| *start < instant)
}

/// Counts the rows of a range by what a caller says of their account and slot.
pub fn count<const CLASSES: usize>(
    snapshot: &Snapshot,
    clock: &Clock,
    class: impl Fn(u32, u32) -> usize,
) -> [u64; CLASSES] {
    let mut counts = [0; CLASSES];
    let days = vec![0; clock.days()];
    for part in snapshot.parts() {
        let segment = part.segment;
        let (accounts, slots) = (Axis::all(snapshot.accounts().len()), Axis::all(snapshot.slots().len()));
        Scan::new(part, clock, &accounts, &slots).runs(&days, |rows, _| {
            for row in rows {
                counts[class(segment.account[row], segment.slot[row])] += 1;
            }
        });
    }
    counts
}

/// Which slots and accounts have rows in the range, as far as both axes count them.
pub struct Touched {
    /// For each slot whether it has.
    pub slots: Vec<bool>,
    /// For each account whether it has.
    pub accounts: Vec<bool>,
    /// Rows that were found.
    pub rows: usize,
}

/// Looks what has rows at all before Jira is asked who may see it: of accounts and sets of tags that count.
pub fn touched(snapshot: &Snapshot, clock: &Clock, accounts: &Axis, slots: &Axis, tagsets: &Axis) -> Touched {
    let mut found = Touched {
        slots: vec![false; snapshot.slots().len()],
        accounts: vec![false; snapshot.accounts().len()],
        rows: 0,
    };
    let days = vec![0; clock.days()];
    for part in snapshot.parts() {
        let segment = part.segment;
        Scan::new(part, clock, accounts, slots).runs(&days, |rows, _| {
            for row in rows {
                let (account, slot) = (segment.account[row], segment.slot[row]);
                if accounts.counts(account) && slots.counts(slot) && tagsets.counts(segment.tagset[row]) {
                    found.slots[slot as usize] = true;
                    found.accounts[account as usize] = true;
                    found.rows += 1;
                }
            }
        });
    }
    found
}
