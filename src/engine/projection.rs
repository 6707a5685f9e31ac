//! What reports read: a snapshot of all worklogs at one state of the database, and how the next one is made of it.

use crate::segment::{Row, Segment};
use rustc_hash::FxHashMap;
use std::collections::HashMap;
use std::sync::Arc;

/// What stands for nothing: the empty set of tags.
pub const NO_TAGS: u32 = 0;

/// A worklog as it comes from the database.
#[derive(Debug, Clone, Copy)]
pub struct Worklog<'a> {
    /// Jira's worklog id.
    pub id: i64,
    /// Jira's issue id.
    pub issue: i64,
    /// The author; empty where Jira names nobody.
    pub account: &'a str,
    /// When the work was started: milliseconds since 1970, UTC. Reports read it to the second.
    pub started_ms: i64,
    /// Time spent.
    pub seconds: i64,
    /// Whether not everybody who may see the issue may see it.
    pub restricted: bool,
}

impl Worklog<'_> {
    fn start(&self) -> i64 {
        self.started_ms.div_euclid(1000)
    }

    fn counted_seconds(&self) -> u32 {
        u32::try_from(self.seconds.max(0)).unwrap_or(u32::MAX)
    }

    fn slot(&self) -> Slot {
        Slot { issue: self.issue, restricted: self.restricted.then_some(self.id) }
    }
}

/// What is seen or hidden as one: the unrestricted worklogs of an issue, or one restricted worklog. With this, a scan
/// that knows what each slot counts under has decided visibility too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot {
    /// Jira's issue id.
    pub issue: i64,
    /// Jira's worklog id, where it is restricted.
    pub restricted: Option<i64>,
}

/// Codes of accounts, slots and sets of tags. They only grow, until the projection is built anew.
#[derive(Debug, Clone)]
struct Dictionaries {
    accounts: Vec<Arc<str>>,
    account_codes: HashMap<Arc<str>, u32>,
    slots: Vec<Slot>,
    /// Slots of issues by issue, of restricted worklogs by worklog and issue.
    issue_codes: FxHashMap<i64, u32>,
    restricted_codes: FxHashMap<(i64, i64), u32>,
    tagsets: Vec<Arc<[i64]>>,
    tagset_codes: HashMap<Arc<[i64]>, u32>,
}

impl Default for Dictionaries {
    fn default() -> Self {
        let empty: Arc<[i64]> = Arc::from([]);
        Self {
            accounts: Vec::new(),
            account_codes: HashMap::new(),
            slots: Vec::new(),
            issue_codes: FxHashMap::default(),
            restricted_codes: FxHashMap::default(),
            tagsets: vec![Arc::clone(&empty)],
            tagset_codes: HashMap::from([(empty, NO_TAGS)]),
        }
    }
}

fn next_code<T>(known: &[T]) -> u32 {
    u32::try_from(known.len()).unwrap_or(u32::MAX)
}

impl Dictionaries {
    fn account(&mut self, account: &str) -> u32 {
        if let Some(code) = self.account_codes.get(account) {
            return *code;
        }
        let (code, account) = (next_code(&self.accounts), Arc::<str>::from(account));
        self.accounts.push(Arc::clone(&account));
        self.account_codes.insert(account, code);
        code
    }

    fn slot(&mut self, slot: Slot) -> u32 {
        let slots = &mut self.slots;
        let new = || {
            slots.push(slot);
            next_code(slots) - 1
        };
        match slot.restricted {
            None => *self.issue_codes.entry(slot.issue).or_insert_with(new),
            Some(id) => *self.restricted_codes.entry((id, slot.issue)).or_insert_with(new),
        }
    }

    fn known_slot(&self, slot: Slot) -> Option<u32> {
        match slot.restricted {
            None => self.issue_codes.get(&slot.issue).copied(),
            Some(id) => self.restricted_codes.get(&(id, slot.issue)).copied(),
        }
    }

    /// `tags` ascending, each once.
    fn tagset(&mut self, tags: &[i64]) -> u32 {
        if let Some(code) = self.tagset_codes.get(tags) {
            return *code;
        }
        let (code, tags) = (next_code(&self.tagsets), Arc::<[i64]>::from(tags));
        self.tagsets.push(Arc::clone(&tags));
        self.tagset_codes.insert(tags, code);
        code
    }

    fn row(&mut self, worklog: Worklog<'_>, tags: &[i64]) -> Row {
        Row {
            start: worklog.start(),
            id: worklog.id,
            account: self.account(worklog.account),
            slot: self.slot(worklog.slot()),
            seconds: worklog.counted_seconds(),
            tagset: self.tagset(tags),
        }
    }

    /// The same without learning anything; `None` where something of it is new.
    fn known_row(&self, worklog: Worklog<'_>, tags: &[i64]) -> Option<Row> {
        Some(Row {
            start: worklog.start(),
            id: worklog.id,
            account: *self.account_codes.get(worklog.account)?,
            slot: self.known_slot(worklog.slot())?,
            seconds: worklog.counted_seconds(),
            tagset: *self.tagset_codes.get(tags)?,
        })
    }

    fn bytes(&self) -> usize {
        // A hash map keeps a byte for each place beside its entry.
        let map = |capacity: usize, entry: usize| capacity * 8 / 7 * (entry + 1);
        let accounts: usize = self.accounts.iter().map(|account| account.len() + 16 + 16).sum();
        let tagsets: usize = self.tagsets.iter().map(|tags| 8 * tags.len() + 16 + 16).sum();
        accounts
            + tagsets
            + map(self.account_codes.capacity(), 24)
            + map(self.tagset_codes.capacity(), 24)
            + map(self.issue_codes.capacity(), 16)
            + map(self.restricted_codes.capacity(), 24)
            + 24 * self.slots.capacity()
    }
}

/// Rows of the large segment that no longer hold.
#[derive(Debug, Clone, Default)]
pub(crate) struct Dead {
    /// Ascending.
    pub(crate) rows: Vec<u32>,
    bits: Vec<u64>,
}

impl Dead {
    pub(crate) fn contains(&self, row: u32) -> bool {
        self.bits.get(row as usize / 64).is_some_and(|word| word >> (row % 64) & 1 == 1)
    }

    fn add(&mut self, mut rows: Vec<u32>, len: usize) {
        rows.retain(|row| !self.contains(*row));
        self.bits.resize(len.div_ceil(64), 0);
        for row in &rows {
            self.bits[*row as usize / 64] |= 1 << (row % 64);
        }
        self.rows.extend(rows);
        self.rows.sort_unstable();
        self.rows.dedup();
    }
}

/// Changes that a projection keeps beside its large segment before it makes one of both.
const LEAST_BESIDE: usize = if cfg!(test) { 6 } else { 1024 };
/// The same as a part of the large segment: one in this many.
const PART_BESIDE: usize = 64;

/// All worklogs at one state of the database. Immutable: whoever has one reads that state.
#[derive(Debug, Default)]
pub struct Snapshot {
    dictionaries: Arc<Dictionaries>,
    base: Arc<Segment>,
    dead: Dead,
    changed: Segment,
}

/// A part of a snapshot, for scans.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// The rows.
    pub segment: &'a Segment,
    pub(crate) dead: Option<&'a Dead>,
}

impl Part<'_> {
    pub(crate) fn is_dead(&self, row: u32) -> bool {
        self.dead.is_some_and(|dead| dead.contains(row))
    }
}

impl Snapshot {
    /// What to scan: the large segment, then what changed since.
    pub fn parts(&self) -> [Part<'_>; 2] {
        let dead = Some(&self.dead).filter(|dead| !dead.rows.is_empty());
        [Part { segment: &self.base, dead }, Part { segment: &self.changed, dead: None }]
    }

    /// Worklogs in it.
    pub fn len(&self) -> usize {
        self.base.len() - self.dead.rows.len() + self.changed.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A worklog.
    pub fn row(&self, id: i64) -> Option<Row> {
        self.parts().into_iter().find_map(|part| {
            let at = part.segment.position(id).filter(|at| !part.is_dead(*at))?;
            Some(part.segment.row(at as usize))
        })
    }

    /// Accounts by code.
    pub fn accounts(&self) -> &[Arc<str>] {
        &self.dictionaries.accounts
    }

    /// The code of an account.
    pub fn account(&self, account: &str) -> Option<u32> {
        self.dictionaries.account_codes.get(account).copied()
    }

    /// Slots by code.
    pub fn slots(&self) -> &[Slot] {
        &self.dictionaries.slots
    }

    /// Sets of tags by code, each ascending.
    pub fn tagsets(&self) -> &[Arc<[i64]>] {
        &self.dictionaries.tagsets
    }

    /// Bytes of the columns that every scan reads, and of everything.
    pub fn bytes(&self) -> (usize, usize) {
        let scan = self.base.scan_bytes() + self.changed.scan_bytes();
        let dead = 4 * self.dead.rows.capacity() + 8 * self.dead.bits.capacity();
        (scan, self.base.bytes() + self.changed.bytes() + dead + self.dictionaries.bytes())
    }

    /// The snapshot after some worklogs changed: `changed` are as they are now, and of the `touched` ones that are not
    /// among them nothing is left.
    pub fn after<'a>(
        &self,
        touched: &[i64],
        changed: impl IntoIterator<Item = (Worklog<'a>, &'a [i64])>,
    ) -> Self {
        let mut dictionaries = Arc::clone(&self.dictionaries);
        let mut row = |worklog, tags| match dictionaries.known_row(worklog, tags) {
            Some(row) => row,
            // Copied only where something new comes along.
            None => Arc::make_mut(&mut dictionaries).row(worklog, tags),
        };
        let rows: Vec<Row> = changed.into_iter().map(|(worklog, tags)| row(worklog, tags)).collect();
        let mut gone: Vec<i64> = touched.to_vec();
        gone.extend(rows.iter().map(|row| row.id));
        gone.sort_unstable();
        gone.dedup();
        let mut dead = self.dead.clone();
        dead.add(gone.iter().filter_map(|id| self.base.position(*id)).collect(), self.base.len());
        let kept = (0..self.changed.len()).map(|at| self.changed.row(at));
        let mut beside: Vec<Row> = kept.filter(|row| gone.binary_search(&row.id).is_err()).collect();
        beside.extend(rows);
        if beside.len() + dead.rows.len() <= LEAST_BESIDE.max(self.base.len() / PART_BESIDE) {
            return Self { dictionaries, base: Arc::clone(&self.base), dead, changed: Segment::new(beside) };
        }
        let alive = (0_u32..).zip(0..self.base.len()).filter(|(row, _)| !dead.contains(*row));
        beside.extend(alive.map(|(_, at)| self.base.row(at)));
        Self {
            dictionaries,
            base: Arc::new(Segment::new(beside)),
            dead: Dead::default(),
            changed: Segment::default(),
        }
    }
}

/// Takes in all worklogs of a database.
#[derive(Debug, Default)]
pub struct Builder {
    dictionaries: Dictionaries,
    rows: Vec<Row>,
}

impl Builder {
    /// With room for that many worklogs.
    pub fn with_capacity(worklogs: usize) -> Self {
        Self { dictionaries: Dictionaries::default(), rows: Vec::with_capacity(worklogs) }
    }

    /// Takes in a worklog with its tags: ascending, each once.
    pub fn push(&mut self, worklog: Worklog<'_>, tags: &[i64]) {
        let row = self.dictionaries.row(worklog, tags);
        self.rows.push(row);
    }

    /// The snapshot of what was taken in.
    pub fn build(mut self) -> Snapshot {
        self.dictionaries.slots.shrink_to_fit();
        Snapshot {
            dictionaries: Arc::new(self.dictionaries),
            base: Arc::new(Segment::new(self.rows)),
            dead: Dead::default(),
            changed: Segment::default(),
        }
    }
}
