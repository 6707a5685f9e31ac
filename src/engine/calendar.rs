//! Which day an instant belongs to, in a zone; and what days add up to.
//!
//! Days are counted from 1970-01-01. A worklog belongs to the day that the clock on the wall showed at its start.

use chrono::{DateTime, Datelike, Days, NaiveDate, Offset, TimeZone, Weekday};
use chrono_tz::Tz;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use std::sync::{Arc, LazyLock};

/// Seconds of a day of 24 hours.
const DAY: i64 = 86_400;
/// Offsets are looked at this often and found exactly in between: no zone has changed twice in that time.
const STEP: i64 = 6 * 3600;

/// A time of constant offset: from an instant on, what the clock is ahead of UTC, seconds.
type Piece = (i64, i64);

type ByYear = FxHashMap<(Tz, i32), Arc<[Piece]>>;

/// Pieces of zones by year; a year of a zone is looked at once.
static YEARS: LazyLock<Mutex<ByYear>> = LazyLock::new(Mutex::default);

/// Number of a day.
pub fn day_number(date: NaiveDate) -> i32 {
    date.num_days_from_ce() - EPOCH_FROM_CE
}

/// 1970-01-01 in days of the common era.
const EPOCH_FROM_CE: i32 = 719_163;

/// The date of a day's number; the last or first date there is for numbers beyond.
pub fn date(day: i32) -> NaiveDate {
    let end = if day < 0 { NaiveDate::MIN } else { NaiveDate::MAX };
    day.checked_add(EPOCH_FROM_CE).and_then(NaiveDate::from_num_days_from_ce_opt).unwrap_or(end)
}

fn offset_at(zone: Tz, instant: i64) -> i64 {
    let utc = DateTime::from_timestamp(instant, 0).unwrap_or_default().naive_utc();
    i64::from(zone.offset_from_utc_datetime(&utc).fix().local_minus_utc())
}

/// The pieces of a year, UTC.
fn pieces_of_year(zone: Tz, year: i32) -> Arc<[Piece]> {
    if let Some(known) = YEARS.lock().get(&(zone, year)) {
        return Arc::clone(known);
    }
    let first = |year: i32| i64::from(NaiveDate::from_yo_opt(year, 1).map_or(0, day_number)) * DAY;
    let (from, to) = (first(year), first(year + 1));
    let mut pieces = vec![(from, offset_at(zone, from))];
    let mut at = from;
    while at < to {
        let (next, before) = ((at + STEP).min(to), pieces.last().map_or(0, |piece| piece.1));
        let after = offset_at(zone, next);
        if after != before {
            let (mut old, mut new) = (at, next);
            while new - old > 1 {
                let middle = old + (new - old) / 2;
                if offset_at(zone, middle) == before { old = middle } else { new = middle }
            }
            pieces.push((new, after));
        }
        at = next;
    }
    let pieces: Arc<[Piece]> = pieces.into();
    YEARS.lock().insert((zone, year), Arc::clone(&pieces));
    pieces
}

/// The offsets of a zone over some time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offsets(Vec<Piece>);

impl Offsets {
    /// The offsets of a zone around some days, both included.
    pub fn around(zone: Tz, first: i32, last: i32) -> Self {
        let mut pieces: Vec<Piece> = Vec::new();
        // A day more at both ends: days of zones begin and end beside those of UTC.
        for year in date(first.saturating_sub(2)).year()..=date(last.saturating_add(2)).year() {
            for piece in pieces_of_year(zone, year).iter() {
                if pieces.last().is_none_or(|last| last.1 != piece.1) {
                    pieces.push(*piece);
                }
            }
        }
        Self(pieces)
    }

    /// How far the clock is ahead of UTC at an instant, seconds.
    pub fn ahead(&self, instant: i64) -> i64 {
        let at = self.0.partition_point(|piece| piece.0 <= instant).saturating_sub(1);
        self.0.get(at).map_or(0, |piece| piece.1)
    }

    /// The day of an instant: seconds since 1970, UTC.
    pub fn day(&self, instant: i64) -> i32 {
        i32::try_from((instant + self.ahead(instant)).div_euclid(DAY)).unwrap_or(i32::MAX)
    }

    /// The stretches of time, ascending, that belong to days `first` to `last`: from, to (exclusive), day. A day has
    /// several where clocks were set back over midnight, and none where it was left out.
    pub fn stretches(&self, first: i32, last: i32) -> impl Iterator<Item = (i64, i64, i32)> + '_ {
        let ends = self.0.iter().skip(1).map(|piece| piece.0).chain([i64::MAX]);
        self.0.iter().zip(ends).flat_map(move |(&(begin, offset), end)| {
            let day_at = |instant: i64| (instant.saturating_add(offset)).div_euclid(DAY);
            let from = day_at(begin).max(i64::from(first));
            let to = day_at(end - 1).min(i64::from(last));
            (from..=to).map(move |day| {
                let midnight = day * DAY - offset;
                let day = i32::try_from(day).unwrap_or(i32::MAX);
                (midnight.max(begin), (midnight + DAY).min(end), day)
            })
        })
    }

    /// Instants between which all starts on the given days lie; the second is exclusive.
    pub fn span(&self, first: i32, last: i32) -> (i64, i64) {
        let mut stretches = self.stretches(first, last);
        let Some((from, to, _)) = stretches.next() else { return (0, 0) };
        stretches.fold((from, to), |span, (from, to, _)| (span.0.min(from), span.1.max(to)))
    }
}

/// A part of the calendar that worklogs are grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Period {
    /// Calendar days.
    Day,
    /// Weeks from the first day of the week on.
    Week,
    /// Calendar months.
    Month,
    /// Calendar quarters.
    Quarter,
    /// Calendar years.
    Year,
    /// Monday, Tuesday and so on.
    Weekday,
}

impl Period {
    /// The number of the period that a day belongs to: ascending in time, and for weekdays from the first day of the
    /// week on.
    pub fn number(self, day: i32, week_start: Weekday) -> i32 {
        let date = date(day);
        match self {
            Self::Day => day,
            // Day 0 was a Thursday.
            Self::Week => (day + 3 - days_from_monday(week_start)).div_euclid(7),
            Self::Month => date.year() * 12 + month0(date),
            Self::Quarter => date.year() * 4 + month0(date) / 3,
            Self::Year => date.year(),
            Self::Weekday => (day + 3 - days_from_monday(week_start)).rem_euclid(7),
        }
    }

    /// The first day of a period; of a weekday, one of them.
    pub fn first_day(self, number: i32, week_start: Weekday) -> NaiveDate {
        let first_of_month = |year: i32, month0: i32| {
            let month = u32::try_from(month0 + 1).unwrap_or(1);
            NaiveDate::from_ymd_opt(year, month, 1).unwrap_or(NaiveDate::MIN)
        };
        match self {
            Self::Day => date(number),
            Self::Week => date(number * 7 - 3 + days_from_monday(week_start)),
            Self::Month => first_of_month(number.div_euclid(12), number.rem_euclid(12)),
            Self::Quarter => first_of_month(number.div_euclid(4), number.rem_euclid(4) * 3),
            Self::Year => first_of_month(number, 0),
            Self::Weekday => date(number - 3 + days_from_monday(week_start)),
        }
    }
}

fn days_from_monday(weekday: Weekday) -> i32 {
    i32::try_from(weekday.num_days_from_monday()).unwrap_or(0)
}

fn month0(date: NaiveDate) -> i32 {
    i32::try_from(date.month0()).unwrap_or(0)
}

/// A range of days that is told by today.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Relative {
    /// Today.
    Today,
    /// The day before.
    Yesterday,
    /// The period that today is in, as a whole: days to come included.
    This(Period),
    /// The period before that.
    Last(Period),
    /// That many days, the last of which is today.
    LastDays(u32),
}

impl Relative {
    /// First and last day, seen from today.
    pub fn days(self, today: NaiveDate, week_start: Weekday) -> (NaiveDate, NaiveDate) {
        let whole = |period: Period, ago: i32| {
            let number = period.number(day_number(today), week_start) - ago;
            let next = period.first_day(number + 1, week_start);
            (period.first_day(number, week_start), next.pred_opt().unwrap_or(next))
        };
        match self {
            Self::Today => (today, today),
            Self::Yesterday => whole(Period::Day, 1),
            Self::This(period) => whole(period, 0),
            Self::Last(period) => whole(period, 1),
            Self::LastDays(days) => {
                let back = Days::new(u64::from(days.saturating_sub(1)));
                (today.checked_sub_days(back).unwrap_or(NaiveDate::MIN), today)
            }
        }
    }
}
