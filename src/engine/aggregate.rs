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
use std::borrow::Cow;
use std::ops::Range;

/// Groups that are kept as an array; more are kept in a map.
const DENSE: u128 = 1 << 21;

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

    /// What each day counts under: the same for all that count.
    pub(crate) fn days_that_count(&self) -> Vec<u32> {
        (0_u32..).take(self.clock.days()).map(|day| if self.days.counts(day) { 0 } else { SKIP }).collect()
    }

    /// Whether a row counts, whatever its day: as anybody's, or as what only its author sees.
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
        let day = self.clock.day(account, start).and_then(|day| u32::try_from(day).ok());
        seen && day.is_some_and(|day| self.days.counts(day))
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
    pub worklogs: u32,
    /// People, if they were asked for.
    pub people: u32,
    /// Days with work, if they were asked for.
    pub days: u32,
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
    let all = wanted(question.rows, question.columns, question.rows);
    let distinct = Distinct::of(question, &all);
    // From the finest to the coarsest.
    let mut made: Vec<(bool, Wanted, Cells)> = Vec::new();
    for depth in (0..=question.rows).rev() {
        for columns in [true, false].into_iter().filter(|columns| question.columns || !columns) {
            let wanted = wanted(question.rows, columns, depth);
            // The coarsest of those that will do: it has the fewest cells.
            let finer = made.iter().rev().find(|(_, finer, _)| {
                (0..LEVELS).all(|level| match (finer[level], wanted[level]) {
                    (true, false) => !question.many[level],
                    (has, needs) => has == needs,
                })
            });
            let mut cells = match finer {
                Some((_, _, finer)) => roll_up(finer, &wanted),
                None => from_rows(question, &wanted),
            };
            distinct.fill(&wanted, &mut cells);
            made.push((columns, wanted, cells));
        }
    }
    let mut totals = Totals::default();
    for (columns, _, cells) in made.into_iter().rev() {
        if columns { totals.columns.push(cells) } else { totals.rows.push(cells) }
    }
    totals
}

fn wanted(rows: usize, columns: bool, depth: usize) -> Wanted {
    std::array::from_fn(|level| level < depth || (columns && level == rows))
}

fn reduce(key: &Key, wanted: &Wanted) -> Key {
    std::array::from_fn(|level| if wanted[level] { key[level] } else { 0 })
}

fn roll_up(finer: &Cells, wanted: &Wanted) -> Cells {
    let mut cells = Cells::new();
    let add = |cells: &mut Cells, key: Key, cell: &Cell| match cells.last_mut() {
        Some((last, sums)) if *last == key => sums.add(cell),
        _ => {
            let mut sums = Cell::default();
            sums.add(cell);
            cells.push((key, sums));
        }
    };
    // Where the last level goes, what belongs together lies together already.
    finer.iter().for_each(|(key, cell)| add(&mut cells, reduce(key, wanted), cell));
    if cells.is_sorted_by_key(|(key, _)| *key) {
        return cells;
    }
    cells.sort_unstable_by_key(|(key, _)| *key);
    let mut merged = Cells::new();
    cells.iter().for_each(|(key, cell)| add(&mut merged, *key, cell));
    merged
}

/// In the order of their values, which the finest ones mostly come in.
fn sorted(mut cells: Cells) -> Cells {
    if !cells.is_sorted_by_key(|(key, _)| *key) {
        cells.sort_unstable_by_key(|(key, _)| *key);
    }
    cells
}

/// The axes, with only some levels told apart, and how a group's number comes from theirs.
struct Grid<'a> {
    accounts: Cow<'a, Axis>,
    slots: Cow<'a, Axis>,
    tagsets: Cow<'a, Axis>,
    days: Cow<'a, Axis>,
    /// Of accounts, slots, sets of tags and days. Each has fewer than 2^30 groups: all of them together have numbers.
    strides: [u128; 4],
    size: u128,
}

impl<'a> Grid<'a> {
    fn new(question: &Question<'a>, wanted: &Wanted) -> Self {
        let (accounts, slots) = (question.accounts.project(wanted), question.slots.project(wanted));
        let (tagsets, days) = (question.tagsets.project(wanted), question.days.project(wanted));
        let mut size = 1_u128;
        let mut stride = |axis: &Axis| {
            let stride = size;
            size *= axis.len().max(1) as u128;
            stride
        };
        // Days vary slowest: rows are in their order, so that what is added to lies close together.
        let strides = [stride(&accounts), stride(&slots), stride(&tagsets), stride(&days)];
        Self { accounts, slots, tagsets, days, strides, size }
    }

    fn has_many(&self) -> bool {
        self.accounts.has_many() || self.slots.has_many() || self.tagsets.has_many()
    }

    fn key(&self, group: u128) -> Key {
        let part = |axis: &Axis, stride: u128| {
            let at = group / stride % axis.len().max(1) as u128;
            axis.key(usize::try_from(at).unwrap_or(usize::MAX))
        };
        let axes = [&self.accounts, &self.slots, &self.tagsets, &self.days];
        let parts: [Key; 4] = std::array::from_fn(|at| part(axes[at], self.strides[at]));
        // Each level is decided by one axis; the others have 0 there.
        std::array::from_fn(|level| parts.iter().map(|part| part[level]).sum())
    }

    /// Tells all groups with their values: in the order of these, as long as no axis decides levels on both sides of
    /// another's.
    fn each(&self, mut tell: impl FnMut(usize, Key)) {
        let strides = self.strides.map(|stride| usize::try_from(stride).unwrap_or(usize::MAX));
        let [accounts, slots, tagsets, days] = strides;
        let mut axes: [(&Axis, usize); 4] =
            [(&self.accounts, accounts), (&self.slots, slots), (&self.tagsets, tagsets), (&self.days, days)];
        axes.sort_by_key(|(axis, _)| axis.first_level());
        let [first, second, third, fourth] = axes.map(|(axis, stride)| {
            move |(at, key): (usize, Key)| {
                let and = move |(group, own): (usize, &Key)| {
                    (at + group * stride, std::array::from_fn(|level| key[level] + own[level]))
                };
                axis.keys().iter().enumerate().map(and)
            }
        });
        for one in first((0, Key::default())) {
            for two in second(one) {
                for three in third(two) {
                    fourth(three).for_each(|(at, key)| tell(at, key));
                }
            }
        }
    }

    /// For each day its group.
    fn groups_of_days(&self, days: usize) -> Vec<u32> {
        (0_u32..).take(days).map(|day| self.days.groups_of(day).next().unwrap_or(SKIP)).collect()
    }

    /// Tells the groups of a row on a day of a group.
    fn each_group(&self, segment: &Segment, row: usize, day: u32, own: bool, mut tell: impl FnMut(u128)) {
        let [by_account, by_slot, by_tags, by_day] = self.strides;
        let slot = segment.slot[row];
        let day = u128::from(day) * by_day;
        let mut with_slot = |slot: u32| {
            for account in self.accounts.groups_of(segment.account[row]) {
                for tags in self.tagsets.groups_of(segment.tagset[row]) {
                    let group = day + u128::from(account) * by_account + u128::from(slot) * by_slot;
                    tell(group + u128::from(tags) * by_tags);
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
    /// Effective seconds lie beside the others, and only if they are asked for.
    Dense {
        sums: Vec<Sum>,
        effective: Vec<u64>,
    },
    Sparse(FxHashMap<u128, (Sum, u64)>),
}

#[derive(Clone, Copy, Default)]
struct Sum {
    seconds: u64,
    worklogs: u64,
}

impl Sums {
    fn add(&mut self, group: u128, seconds: u32, more: u32) {
        let (sum, effective) = match self {
            Self::Dense { sums, effective } => {
                let at = usize::try_from(group).unwrap_or(usize::MAX);
                (&mut sums[at], effective.get_mut(at))
            }
            Self::Sparse(sums) => {
                let (sum, effective) = sums.entry(group).or_default();
                (sum, Some(effective))
            }
        };
        sum.seconds += u64::from(seconds);
        sum.worklogs += 1;
        if let Some(effective) = effective {
            *effective += u64::from(more);
        }
    }

    fn cells(self, grid: &Grid<'_>) -> Cells {
        let cell = |key: Key, sum: Sum, effective: u64| {
            let Sum { seconds, worklogs } = sum;
            // A segment has fewer than 2^32 rows.
            let worklogs = u32::try_from(worklogs).unwrap_or(u32::MAX);
            (key, Cell { seconds, effective, worklogs, ..Cell::default() })
        };
        sorted(match self {
            Self::Dense { sums, effective } => {
                let counted = sums.iter().filter(|sum| sum.worklogs > 0).count();
                let mut cells = Cells::with_capacity(counted);
                grid.each(|at, key| {
                    if sums[at].worklogs > 0 {
                        cells.push(cell(key, sums[at], effective.get(at).copied().unwrap_or(0)));
                    }
                });
                cells
            }
            Self::Sparse(sums) => {
                let cell = |(group, (sum, effective))| cell(grid.key(group), sum, effective);
                sums.into_iter().map(cell).collect()
            }
        })
    }
}

fn from_rows(question: &Question<'_>, wanted: &Wanted) -> Cells {
    let grid = Grid::new(question, wanted);
    let days = grid.groups_of_days(question.clock.days());
    let is_dense = grid.size <= DENSE;
    let mut sums = if is_dense {
        // One place more, for what counts under nothing.
        let places = usize::try_from(grid.size + 1).unwrap_or(1);
        let effective = if question.effective.is_some() { places } else { 0 };
        Sums::Dense { sums: vec![Sum::default(); places], effective: vec![0; effective] }
    } else {
        Sums::Sparse(FxHashMap::default())
    };
    for (at, part) in question.snapshot.parts().into_iter().enumerate() {
        if part.segment.is_empty() {
            continue;
        }
        let scan = Scan::new(part, question.clock, question.accounts, question.slots);
        match &mut sums {
            Sums::Dense { sums, effective } if !grid.has_many() => {
                let tables = Tables::new(question, &grid);
                tables.add_all(&scan, part.segment, &days, sums);
                if let Some(all) = question.effective {
                    tables.add_effective(&scan, part.segment, &days, all.of_part(at), effective);
                }
            }
            sums => add_each(question, &grid, &scan, (at, part.segment), &days, false, sums),
        }
        if let Some(viewer) = question.own_viewer() {
            let scan = Scan::of_account(part, question.clock, viewer);
            add_each(question, &grid, &scan, (at, part.segment), &days, true, &mut sums);
        }
    }
    sums.cells(&grid)
}

/// Adds row by row: for rows that count several times, and for more groups than an array holds.
fn add_each(
    question: &Question<'_>,
    grid: &Grid<'_>,
    scan: &Scan<'_>,
    (at, segment): (usize, &Segment),
    days: &[u32],
    own: bool,
    sums: &mut Sums,
) {
    scan.runs(days, |rows, day| {
        for row in rows {
            let effective = question.effective.map_or(0, |all| all.seconds(Place { part: at, row }));
            grid.each_group(segment, row, day, own, |group| {
                sums.add(group, segment.seconds[row], effective);
            });
        }
    });
}

/// What each member adds to a group's number, for rows that count once at most.
struct Tables<'a> {
    /// Without it every account counts under one group.
    accounts: Option<Cow<'a, [u32]>>,
    slots: Cow<'a, [u32]>,
    tagsets: Option<Cow<'a, [u32]>>,
    by_day: u32,
    size: u32,
}

impl<'a> Tables<'a> {
    fn new(question: &Question<'_>, grid: &'a Grid<'_>) -> Self {
        let stride = |at: usize| u32::try_from(grid.strides[at]).unwrap_or(SKIP);
        let snapshot = question.snapshot;
        let table = |axis: &'a Axis, members: usize, at: usize| {
            (!axis.is_trivial(members)).then(|| axis.table(members, stride(at)))
        };
        Self {
            accounts: table(&grid.accounts, snapshot.accounts().len(), 0),
            slots: grid.slots.table(snapshot.slots().len(), stride(1)),
            tagsets: table(&grid.tagsets, snapshot.tagsets().len(), 2),
            by_day: stride(3),
            size: u32::try_from(grid.size).unwrap_or(SKIP),
        }
    }

    fn add_all(&self, scan: &Scan<'_>, segment: &Segment, days: &[u32], sums: &mut [Sum]) {
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
        });
    }

    fn add_effective(
        &self,
        scan: &Scan<'_>,
        segment: &Segment,
        days: &[u32],
        (column, first): (&[u32], usize),
        sums: &mut [u64],
    ) {
        scan.runs(days, |rows, day| {
            for row in rows.filter(|_| day != SKIP) {
                sums[self.group(segment, row, day * self.by_day)] += u64::from(column[row - first]);
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
        let of = |table: &Option<Cow<'_, [u32]>>, column: &[u32]| {
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
        let keyed = |found: FxHashSet<(u128, u32)>| {
            found.into_iter().map(|(group, member)| (grid.key(group), member)).collect()
        };
        Self { people: keyed(people), days: keyed(days) }
    }

    /// Counts the different ones of each group.
    fn fill(&self, wanted: &Wanted, cells: &mut Cells) {
        let count = |found: &[(Key, u32)]| {
            let different: FxHashSet<(Key, u32)> =
                found.iter().map(|(key, member)| (reduce(key, wanted), *member)).collect();
            let mut counts: FxHashMap<Key, u32> = FxHashMap::default();
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
