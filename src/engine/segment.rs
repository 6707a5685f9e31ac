//! Rows as columns, sorted by start. Scans read four columns (20 bytes a row); beside them are the ids and the lists
//! of rows by id, person and slot.

use std::ops::Range;

/// A worklog as the engine knows it; codes are positions in the dictionaries of the projection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// When the work was started: seconds since 1970, UTC.
    pub start: i64,
    /// Jira's worklog id.
    pub id: i64,
    /// The author.
    pub account: u32,
    /// What is seen or hidden as one: an issue, or one restricted worklog.
    pub slot: u32,
    /// Time spent. More than 136 years count as 136 years.
    pub seconds: u32,
    /// Its set of tags; 0 is the empty one.
    pub tagset: u32,
}

/// For each member the rows that it has, ascending: all lists in one array.
#[derive(Debug, Default)]
struct Postings {
    offsets: Vec<u32>,
    rows: Vec<u32>,
}

impl Postings {
    /// By counting: two passes over the column.
    fn of(column: &[u32]) -> Self {
        let members = column.iter().max().map_or(0, |largest| *largest as usize + 1);
        let mut offsets = vec![0_u32; members + 1];
        for member in column {
            offsets[*member as usize + 1] += 1;
        }
        for at in 1..offsets.len() {
            offsets[at] += offsets[at - 1];
        }
        let mut next = offsets.clone();
        let mut rows = vec![0_u32; column.len()];
        for (row, member) in (0_u32..).zip(column) {
            let at = &mut next[*member as usize];
            rows[*at as usize] = row;
            *at += 1;
        }
        Self { offsets, rows }
    }

    fn of_member(&self, member: u32) -> &[u32] {
        let at = member as usize;
        match (self.offsets.get(at), self.offsets.get(at + 1)) {
            (Some(from), Some(to)) => &self.rows[*from as usize..*to as usize],
            _ => &[],
        }
    }

    fn bytes(&self) -> usize {
        4 * (self.offsets.capacity() + self.rows.capacity())
    }
}

/// Rows by start and id, ascending; fewer than 2^32.
#[derive(Debug, Default)]
pub struct Segment {
    pub(crate) start: Vec<i64>,
    pub(crate) account: Vec<u32>,
    pub(crate) slot: Vec<u32>,
    pub(crate) seconds: Vec<u32>,
    pub(crate) id: Vec<i64>,
    pub(crate) tagset: Vec<u32>,
    by_id: Vec<u32>,
    of_account: Postings,
    of_slot: Postings,
    /// The longest worklog of each person, seconds: how far back one has to look for what overlaps.
    longest: Vec<u32>,
}

impl Segment {
    /// Sorts rows into columns.
    pub fn new(mut rows: Vec<Row>) -> Self {
        rows.sort_unstable_by_key(|row| (row.start, row.id));
        let column = |of: fn(&Row) -> u32| -> Vec<u32> { rows.iter().map(of).collect() };
        let (account, slot) = (column(|row| row.account), column(|row| row.slot));
        let (seconds, tagset) = (column(|row| row.seconds), column(|row| row.tagset));
        let start: Vec<i64> = rows.iter().map(|row| row.start).collect();
        let id: Vec<i64> = rows.iter().map(|row| row.id).collect();
        drop(rows);
        let mut by_id: Vec<u32> = (0_u32..).take(id.len()).collect();
        by_id.sort_unstable_by_key(|row| id[*row as usize]);
        let (of_account, of_slot) = (Postings::of(&account), Postings::of(&slot));
        let mut longest = vec![0; of_account.offsets.len().saturating_sub(1)];
        for (account, seconds) in account.iter().zip(&seconds) {
            let longest = &mut longest[*account as usize];
            *longest = (*seconds).max(*longest);
        }
        Self { start, account, slot, seconds, id, tagset, by_id, of_account, of_slot, longest }
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.start.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.start.is_empty()
    }

    /// A row by its position.
    pub fn row(&self, at: usize) -> Row {
        Row {
            start: self.start[at],
            id: self.id[at],
            account: self.account[at],
            slot: self.slot[at],
            seconds: self.seconds[at],
            tagset: self.tagset[at],
        }
    }

    /// The position of a worklog.
    pub fn position(&self, id: i64) -> Option<u32> {
        let found = self.by_id.binary_search_by_key(&id, |row| self.id[*row as usize]).ok()?;
        self.by_id.get(found).copied()
    }

    /// Positions of the rows that start in `[from, to)`.
    pub fn between(&self, from: i64, to: i64) -> Range<usize> {
        let begin = self.start.partition_point(|start| *start < from);
        begin..begin + self.start[begin..].partition_point(|start| *start < to)
    }

    /// Positions of a person's rows among `within`, ascending.
    pub fn of_account(&self, account: u32, within: &Range<usize>) -> &[u32] {
        narrow(self.of_account.of_member(account), within)
    }

    /// Positions of a slot's rows among `within`, ascending.
    pub fn of_slot(&self, slot: u32, within: &Range<usize>) -> &[u32] {
        narrow(self.of_slot.of_member(slot), within)
    }

    /// The longest worklog of a person, seconds.
    pub fn longest(&self, account: u32) -> u32 {
        self.longest.get(account as usize).copied().unwrap_or(0)
    }

    /// Bytes of the columns that every scan reads.
    pub fn scan_bytes(&self) -> usize {
        8 * self.start.capacity()
            + 4 * (self.account.capacity() + self.slot.capacity() + self.seconds.capacity())
    }

    /// Bytes of everything.
    pub fn bytes(&self) -> usize {
        let lists = self.of_account.bytes() + self.of_slot.bytes() + 4 * self.longest.capacity();
        let beside = 8 * self.id.capacity() + 4 * (self.tagset.capacity() + self.by_id.capacity());
        self.scan_bytes() + beside + lists
    }
}

fn narrow<'a>(rows: &'a [u32], within: &Range<usize>) -> &'a [u32] {
    let from = rows.partition_point(|row| (*row as usize) < within.start);
    let rows = &rows[from..];
    &rows[..rows.partition_point(|row| (*row as usize) < within.end)]
}
