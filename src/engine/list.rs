//! The worklogs that a question is about, themselves.

use crate::aggregate::Question;
use crate::effective::Place;
use crate::scan::Scan;

/// Bit that tells the part in a packed place.
const CHANGED: u64 = 1 << 63;

/// Worklogs by start and id, 8 bytes each.
pub struct List(Vec<u64>);

impl List {
    /// The worklogs that count on all axes, by start and id.
    pub fn of(question: &Question<'_>) -> Self {
        let mut lists: Vec<Vec<u64>> = Vec::new();
        let days = question.days_that_count();
        for (at, part) in question.snapshot.parts().into_iter().enumerate() {
            let mut rows: Vec<u64> = Vec::new();
            let mut tell = |own: bool, range: std::ops::Range<usize>| {
                let counting = range.filter(|row| question.counts(part.segment, *row, own));
                rows.extend(counting.map(|row| row as u64 | if at == 1 { CHANGED } else { 0 }));
            };
            let scan = Scan::new(part, question.clock, question.accounts, question.slots);
            scan.runs(&days, |range, _| tell(false, range));
            if let Some(viewer) = question.own_viewer() {
                Scan::of_account(part, question.clock, viewer).runs(&days, |range, _| tell(true, range));
            }
            rows.sort_unstable();
            lists.push(rows);
        }
        let mut list = Self(lists.concat());
        list.sort_by_key(question, |_, key| key);
        list
    }

    /// Sorts by something else; ties stay as they are.
    pub fn sort_by_key<K: Ord>(&mut self, question: &Question<'_>, key: impl Fn(Place, (i64, i64)) -> K) {
        let parts = question.snapshot.parts();
        self.0.sort_by_key(|packed| {
            let place = unpack(*packed);
            let segment = parts[place.part].segment;
            key(place, (segment.start[place.row], segment.id[place.row]))
        });
    }

    /// The other way round.
    pub fn reverse(&mut self) {
        self.0.reverse();
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Some of them, from a position on.
    pub fn page(&self, offset: usize, limit: usize) -> impl Iterator<Item = Place> + '_ {
        self.0.iter().skip(offset).take(limit).map(|packed| unpack(*packed))
    }
}

fn unpack(packed: u64) -> Place {
    Place {
        part: usize::from(packed & CHANGED != 0),
        row: usize::try_from(packed & !CHANGED).unwrap_or(usize::MAX),
    }
}
