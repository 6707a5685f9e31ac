//! Sums of groups.
//!
//! A group is a value for each level: up to four of rows, one of columns. Every axis gives a part of the group, so
//! that a row costs as many look-ups as there are axes, however many levels there are. The finest sums are taken from
//! the rows; coarser ones from finer ones where no level is lost under which a worklog counts several times, and from
//! the rows again where one is.

use crate::axis::{Axis, Key, LEVELS, SKIP};
use crate::effective::{Effective, Place};
use crate::projection::Snapshot;
use crate::scan::{Clock, Scan};
use crate::segment::Segment;
use rustc_hash::{FxHashMap, FxHashSet};
use std::ops::Range;

/// Groups that are kept as an array; more are kept in a map.
const DENSE: u64 = 1 << 21;
/// Larger than any place in the array, and three of it are still a number of 32 bits.
const OUT: u32 = 1 << 30;

/// What is asked.
pub struct Question<'a> {
    /// The worklogs.
    pub snapshot: &'a Snapshot,
    /// The days.
    pub clock: &'a Clock,
    /// What each account counts under.
    pub accounts: &'a Axis,
    /// What each slot counts under: filters on issues, and what the viewer may see.
    pub slots: &'a Axis,
    /// What each set of tags counts under.
    pub tagsets: &'a Axis,
    /// What each day counts under, the first day being 0.
    pub days: &'a Axis,
    /// The viewer's account, for what only they see of their own.
    pub viewer: Option<u32>,
    /// Levels of rows.
    pub rows: usize,
    /// Whether the level behind them is one of columns.
    pub columns: bool,
    /// Under which levels a worklog may count several times.
    pub many: [bool; LEVELS],
    /// Effective seconds, if they are asked for.
    pub effective: Option<&'a Effective>,
    /// Whether people are counted.
    pub people: bool,
    /// Whether days with work are counted.
    pub days_worked: bool,
}

impl Question<'_> {
    /// The viewer, if they have worklogs that only they see.
    pub(crate) fn own_viewer(&self) -> Option<u32> {
        self.viewer.filter(|viewer| self.slots.has_own() && self.accounts.counts(*viewer))
    }

    /// Whether a row counts: as anybody's, or as what only its author sees.
    pub(crate) fn counts(&self, segment: &Segment, row: usize, own: bool) -> bool {
        let slot = segment.slot[row];
        let seen = if own { self.slots.own(slot).is_some() } else { self.slots.counts(slot) };
        seen && self.accounts.counts(segment.account[row]) && self.tagsets.counts(segment.tagset[row])
    }
}

impl Question<'_> {
    /// Whether a worklog is among those that the question is about.
    pub fn holds(&self, place: Place) -> bool {
        let segment = self.snapshot.parts()[place.part].segment;
        let (account, start) = (segment.account[place.row], segment.start[place.row]);
        let is_own = self.own_viewer() == Some(account);
        let seen =
            self.counts(segment, place.row, false) || (is_own && self.counts(segment, place.row, true));
        seen && self.clock.day(account, start).is_some()
    }
}

/// The sums of a group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cell {
    /// Time spent.
    pub seconds: u64,
    /// Effective time, seconds.
    pub effective: u64,
    /// Worklogs.
    pub worklogs: u64,
    /// People, if they were asked for.
    pub people: u64,
    /// Days with work, if they were asked for.
    pub days: u64,
}

impl Cell {
    /// Takes in sums that have no worklog in common. People and days are not sums.
    pub fn add(&mut self, other: &Self) {
        self.seconds += other.seconds;
        self.effective += other.effective;
        self.worklogs += other.worklogs;
    }
}

/// Groups in the order of their values.
pub type Cells = Vec<(Key, Cell)>;

/// The sums of all groups that a table shows.
#[derive(Debug, Default)]
pub struct Totals {
    /// For each depth the groups of that many levels: at 0 the total.
    pub rows: Vec<Cells>,
    /// The same for each column; empty without columns.
    pub columns: Vec<Cells>,
}

/// Which levels are told apart.
type Wanted = [bool; LEVELS];

/// Answers a question.
pub fn totals(question: &Question<'_>) -> Totals {
    let mut sums: Vec<(Wanted, Cells)> = Vec::new();
    let all = wanted(question.rows, question.columns, question.rows);
    let distinct = Distinct::of(question, &all);
    let mut cells = |depth: usize, columns: bool| {
        let wanted = wanted(question.rows, columns, depth);
        let finer = sums.iter().find(|(finer, _)| {
            (0..LEVELS).all(|level| match (finer[level], wanted[level]) {
                (true, false) => !question.many[level],
                (has, needs) => has == needs,
            })
        });
        let mut cells = match finer {
            Some((_, finer)) => roll_up(finer, &wanted),
            None => from_rows(question, &wanted),
        };
        sums.push((wanted, cells.clone()));
        distinct.fill(&wanted, &mut cells);
        cells
    };
    let mut totals = Totals::default();
    for depth in (0..=question.rows).rev() {
        if question.columns {
            totals.columns.push(cells(depth, true));
        }
        totals.rows.push(cells(depth, false));
    }
    totals.rows.reverse();
    totals.columns.reverse();
    totals
}

fn wanted(rows: usize, columns: bool, depth: usize) -> Wanted {
    std::array::from_fn(|level| level < depth || (columns && level == rows))
}

fn reduce(key: &Key, wanted: &Wanted) -> Key {
    std::array::from_fn(|level| if wanted[level] { key[level] } else { 0 })
}

fn roll_up(finer: &Cells, wanted: &Wanted) -> Cells {
    let mut sums: FxHashMap<Key, Cell> = FxHashMap::default();
    for (key, cell) in finer {
        sums.entry(reduce(key, wanted)).or_default().add(cell);
    }
    sorted(sums.into_iter())
}

fn sorted(cells: impl Iterator<Item = (Key, Cell)>) -> Cells {
    let mut cells: Cells = cells.collect();
    cells.sort_unstable_by_key(|(key, _)| *key);
    cells
}

/// The axes, with only some levels told apart, and how a group's number comes from theirs.
struct Grid {
    accounts: Axis,
    slots: Axis,
    tagsets: Axis,
    days: Axis,
    /// Of accounts, slots, sets of tags and days.
    strides: [u64; 4],
    size: u64,
}

impl Grid {
    fn new(question: &Question<'_>, wanted: &Wanted) -> Self {
        let (accounts, slots) = (question.accounts.project(wanted), question.slots.project(wanted));
        let (tagsets, days) = (question.tagsets.project(wanted), question.days.project(wanted));
        let mut size = 1_u64;
        // Days vary fastest: rows are in their order, so that what is added to lies close together.
        let mut stride = |axis: &Axis| {
            let stride = size;
            size = size.saturating_mul(axis.len().max(1) as u64);
            stride
        };
        let days_stride = stride(&days);
        let strides = [stride(&accounts), stride(&slots), stride(&tagsets), days_stride];
        Self { accounts, slots, tagsets, days, strides, size }
    }

    fn has_many(&self) -> bool {
        self.accounts.has_many() || self.slots.has_many() || self.tagsets.has_many()
    }

    fn key(&self, group: u64) -> Key {
        let part = |axis: &Axis, stride: u64| {
            let at = group / stride % axis.len().max(1) as u64;
            axis.key(usize::try_from(at).unwrap_or(usize::MAX))
        };
        let axes = [&self.accounts, &self.slots, &self.tagsets, &self.days];
        let parts: [Key; 4] = std::array::from_fn(|at| part(axes[at], self.strides[at]));
        // Each level is decided by one axis; the others have 0 there.
        std::array::from_fn(|level| parts.iter().map(|part| part[level]).sum())
    }

    /// For each day its group.
    fn groups_of_days(&self, days: usize) -> Vec<u32> {
        (0_u32..).take(days).map(|day| self.days.groups_of(day).next().unwrap_or(SKIP)).collect()
    }

    /// Tells the groups of a row on a day of a group.
    fn each_group(&self, segment: &Segment, row: usize, day: u32, own: bool, mut tell: impl FnMut(u64)) {
        let [by_account, by_slot, by_tags, by_day] = self.strides;
        let slot = segment.slot[row];
        let day = u64::from(day) * by_day;
        let mut with_slot = |slot: u32| {
            for account in self.accounts.groups_of(segment.account[row]) {
                for tags in self.tagsets.groups_of(segment.tagset[row]) {
                    let group = day + u64::from(account) * by_account + u64::from(slot) * by_slot;
                    tell(group + u64::from(tags) * by_tags);
                }
            }
        };
        if own {
            self.slots.own(slot).into_iter().for_each(&mut with_slot);
        } else {
            self.slots.groups_of(slot).for_each(&mut with_slot);
        }
    }
}

/// Sums while they are made.
enum Sums {
    Dense(Vec<Sum>),
    Sparse(FxHashMap<u64, Sum>),
}

#[derive(Clone, Copy, Default)]
struct Sum {
    seconds: u64,
    worklogs: u64,
    effective: u64,
}

impl Sums {
    fn at(&mut self, group: u64) -> &mut Sum {
        match self {
            Self::Dense(sums) => &mut sums[usize::try_from(group).unwrap_or(usize::MAX)],
            Self::Sparse(sums) => sums.entry(group).or_default(),
        }
    }

    fn cells(self, grid: &Grid) -> Cells {
        let cell = |(group, sum): (u64, Sum)| {
            let Sum { seconds, worklogs, effective } = sum;
            (grid.key(group), Cell { seconds, effective, worklogs, ..Cell::default() })
        };
        let counted = |(_, sum): &(u64, Sum)| sum.worklogs > 0;
        match self {
            Self::Dense(sums) => sorted((0_u64..).zip(sums).filter(counted).map(cell)),
            Self::Sparse(sums) => sorted(sums.into_iter().filter(counted).map(cell)),
        }
    }
}

fn from_rows(question: &Question<'_>, wanted: &Wanted) -> Cells {
    let grid = Grid::new(question, wanted);
    let days = grid.groups_of_days(question.clock.days());
    let is_dense = grid.size <= DENSE;
    let mut sums = if is_dense {
        // One place more, for what counts under nothing.
        Sums::Dense(vec![Sum::default(); usize::try_from(grid.size + 1).unwrap_or(1)])
    } else {
        Sums::Sparse(FxHashMap::default())
    };
    for (at, part) in question.snapshot.parts().into_iter().enumerate() {
        let scan = Scan::new(part, question.clock, question.accounts, question.slots);
        match &mut sums {
            Sums::Dense(sums) if !grid.has_many() => {
                let tables = Tables::new(question, &grid);
                tables.add_all(&scan, part.segment, &days, question.effective.map(|all| (all, at)), sums);
            }
            sums => add_each(question, &grid, &scan, (at, part.segment), &days, false, sums),
        }
        if let Some(viewer) = question.own_viewer() {
            let scan = Scan::of_account(part, question.clock, viewer);
            add_each(question, &grid, &scan, (at, part.segment), &days, true, &mut sums);
        }
    }
    if let Sums::Dense(sums) = &mut sums {
        sums.pop();
    }
    sums.cells(&grid)
}

/// Adds row by row: for rows that count several times, and for more groups than an array holds.
fn add_each(
    question: &Question<'_>,
    grid: &Grid,
    scan: &Scan<'_>,
    (at, segment): (usize, &Segment),
    days: &[u32],
    own: bool,
    sums: &mut Sums,
) {
    scan.runs(days, |rows, day| {
        for row in rows.filter(|_| day != SKIP) {
            let effective = question.effective.map_or(0, |all| all.seconds(Place { part: at, row }));
            grid.each_group(segment, row, day, own, |group| {
                let sum = sums.at(group);
                sum.seconds += u64::from(segment.seconds[row]);
                sum.worklogs += 1;
                sum.effective += u64::from(effective);
            });
        }
    });
}

/// What each member adds to a group's number, for rows that count once at most.
struct Tables {
    /// Without it every account counts under one group.
    accounts: Option<Vec<u32>>,
    slots: Vec<u32>,
    tagsets: Option<Vec<u32>>,
    by_day: u32,
    size: u32,
}

impl Tables {
    fn new(question: &Question<'_>, grid: &Grid) -> Self {
        let stride = |at: usize| u32::try_from(grid.strides[at]).unwrap_or(OUT);
        let snapshot = question.snapshot;
        let table = |axis: &Axis, members: usize, at: usize| {
            (!axis.is_trivial(members)).then(|| axis.table(members, stride(at), OUT))
        };
        Self {
            accounts: table(&grid.accounts, snapshot.accounts().len(), 0),
            slots: grid.slots.table(snapshot.slots().len(), stride(1), OUT),
            tagsets: table(&grid.tagsets, snapshot.tagsets().len(), 2),
            by_day: stride(3),
            size: u32::try_from(grid.size).unwrap_or(OUT),
        }
    }

    fn add_all(
        &self,
        scan: &Scan<'_>,
        segment: &Segment,
        days: &[u32],
        effective: Option<(&Effective, usize)>,
        sums: &mut [Sum],
    ) {
        scan.runs(days, |rows, day| {
            if day == SKIP {
                return;
            }
            let offset = day * self.by_day;
            match (&self.accounts, &self.tagsets) {
                (None, None) => self.add(segment, &rows, sums, |_| offset),
                (Some(accounts), None) => {
                    let column = &segment.account[rows.clone()];
                    self.add(segment, &rows, sums, |at| offset + accounts[column[at] as usize]);
                }
                (None, Some(tagsets)) => {
                    let column = &segment.tagset[rows.clone()];
                    self.add(segment, &rows, sums, |at| offset + tagsets[column[at] as usize]);
                }
                (Some(accounts), Some(tagsets)) => {
                    let (people, tags) = (&segment.account[rows.clone()], &segment.tagset[rows.clone()]);
                    self.add(segment, &rows, sums, |at| {
                        offset + accounts[people[at] as usize] + tagsets[tags[at] as usize]
                    });
                }
            }
            if let Some((effective, part)) = effective {
                let (column, first) = effective.of_part(part);
                for row in rows {
                    sums[self.group(segment, row, offset)].effective += u64::from(column[row - first]);
                }
            }
        });
    }

    /// The inner loop: everything that does not count is added to the last place.
    #[inline]
    fn add(&self, segment: &Segment, rows: &Range<usize>, sums: &mut [Sum], part: impl Fn(usize) -> u32) {
        let (slots, seconds) = (&segment.slot[rows.clone()], &segment.seconds[rows.clone()]);
        for (at, (slot, seconds)) in slots.iter().zip(seconds).enumerate() {
            let group = (part(at) + self.slots[*slot as usize]).min(self.size);
            let sum = &mut sums[group as usize];
            sum.seconds += u64::from(*seconds);
            sum.worklogs += 1;
        }
    }

    fn group(&self, segment: &Segment, row: usize, offset: u32) -> usize {
        let of = |table: &Option<Vec<u32>>, column: &[u32]| {
            table.as_ref().map_or(0, |table| table[column[row] as usize])
        };
        let group = offset
            + of(&self.accounts, &segment.account)
            + self.slots[segment.slot[row] as usize]
            + of(&self.tagsets, &segment.tagset);
        group.min(self.size) as usize
    }
}

/// Who and which days are in each of the finest groups.
struct Distinct {
    people: Vec<(Key, u32)>,
    days: Vec<(Key, u32)>,
}

impl Distinct {
    fn of(question: &Question<'_>, wanted: &Wanted) -> Self {
        if !question.people && !question.days_worked {
            return Self { people: Vec::new(), days: Vec::new() };
        }
        let grid = Grid::new(question, wanted);
        let groups = grid.groups_of_days(question.clock.days());
        let each_day: Vec<u32> = (0_u32..).take(groups.len()).collect();
        let (mut people, mut days) = (FxHashSet::default(), FxHashSet::default());
        for part in question.snapshot.parts() {
            let segment = part.segment;
            let mut look = |rows: Range<usize>, day: u32, own: bool| {
                let group_of_day = groups[day as usize];
                for row in rows.filter(|_| group_of_day != SKIP) {
                    grid.each_group(segment, row, group_of_day, own, |group| {
                        if question.people {
                            people.insert((group, segment.account[row]));
                        }
                        if question.days_worked {
                            days.insert((group, day));
                        }
                    });
                }
            };
            let scan = Scan::new(part, question.clock, question.accounts, question.slots);
            scan.runs(&each_day, |rows, day| look(rows, day, false));
            if let Some(viewer) = question.own_viewer() {
                let scan = Scan::of_account(part, question.clock, viewer);
                scan.runs(&each_day, |rows, day| look(rows, day, true));
            }
        }
        let keyed = |found: FxHashSet<(u64, u32)>| {
            found.into_iter().map(|(group, member)| (grid.key(group), member)).collect()
        };
        Self { people: keyed(people), days: keyed(days) }
    }

    /// Counts the different ones of each group.
    fn fill(&self, wanted: &Wanted, cells: &mut Cells) {
        let count = |found: &[(Key, u32)]| {
            let different: FxHashSet<(Key, u32)> =
                found.iter().map(|(key, member)| (reduce(key, wanted), *member)).collect();
            let mut counts: FxHashMap<Key, u64> = FxHashMap::default();
            different.into_iter().for_each(|(key, _)| *counts.entry(key).or_default() += 1);
            counts
        };
        if self.people.is_empty() && self.days.is_empty() {
            return;
        }
        let (people, days) = (count(&self.people), count(&self.days));
        for (key, cell) in cells {
            cell.people = people.get(key).copied().unwrap_or(0);
            cell.days = days.get(key).copied().unwrap_or(0);
        }
    }
}
