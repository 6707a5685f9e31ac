//! The reference: loops over rows, days by chrono, sets by the standard library.

use super::{Ask, Log, VIEWER, name, zone_of};
use crate::aggregate::{Cell, Cells};
use crate::axis::Key;
use crate::calendar::Period;
use crate::projection::Snapshot;
use chrono::{Datelike, Days, NaiveDate, TimeZone, Weekday};
use std::collections::{BTreeMap, BTreeSet};

/// The bucket of rows that have no value.
pub const NOTHING: u32 = 0;
/// The bucket of one's own worklogs on issues that one may not browse.
const HIDDEN: u32 = 99;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dimension {
    User,
    Project,
    Issue,
    Components,
    Tag,
    Day,
    Week,
    Month,
    Year,
    Weekday,
}

impl Dimension {
    pub fn is_of_issues(self: &Dimension) -> bool {
        matches!(self, Self::Project | Self::Issue | Self::Components)
    }

    pub fn period(self) -> Option<Period> {
        Some(match self {
            Self::Day => Period::Day,
            Self::Week => Period::Week,
            Self::Month => Period::Month,
            Self::Year => Period::Year,
            Self::Weekday => Period::Weekday,
            _ => return None,
        })
    }

    pub fn values_of_issue(self, issue: i64, hidden: bool) -> Vec<u32> {
        let issue = u32::try_from(issue).expect("small");
        match self {
            _ if hidden => vec![HIDDEN],
            Self::Project => vec![issue % 3 + 1],
            Self::Components if issue % 4 == 0 => vec![NOTHING],
            Self::Components => (1..=issue % 4).collect(),
            _ => vec![issue],
        }
    }

    fn values(self, log: &Log, day: NaiveDate, hidden: bool, week_start: Weekday) -> Vec<u32> {
        let back = |day: NaiveDate| {
            let mut day = day;
            while day.weekday() != week_start {
                day = day.pred_opt().expect("not the first day");
            }
            day
        };
        let since = |from: NaiveDate, to: NaiveDate| u32::try_from((to - from).num_days()).expect("later");
        let thursday = NaiveDate::from_ymd_opt(1970, 1, 1).expect("a day");
        match self {
            Self::User => vec![u32::from(log.account)],
            Self::Project | Self::Issue | Self::Components => self.values_of_issue(log.issue, hidden),
            Self::Tag if log.tags.is_empty() => vec![NOTHING],
            Self::Tag => log.tags.iter().map(|tag| u32::try_from(*tag).expect("small")).collect(),
            Self::Day => vec![since(thursday, day)],
            // Week 0 is the first one that begins after 1969-12-28.
            Self::Week => vec![since(back(thursday), back(day)) / 7 - u32::from(week_start != Weekday::Mon)],
            Self::Month => vec![u32::try_from(day.year()).expect("AD") * 12 + day.month0()],
            Self::Year => vec![u32::try_from(day.year()).expect("AD")],
            Self::Weekday => vec![since(back(day), day)],
        }
    }
}

pub fn is_browsable(issue: i64) -> bool {
    issue % 4 != 3
}

pub fn passes(id: i64) -> bool {
    id % 2 == 0
}

pub fn is_own(snapshot: &Snapshot, id: i64) -> bool {
    let viewer = snapshot.account(&name(VIEWER));
    snapshot.parts().iter().any(|part| {
        let segment = part.segment;
        (0..segment.len()).any(|at| {
            let row = segment.row(at);
            row.id == id && Some(row.account) == viewer && u32::try_from(at).is_ok_and(|at| !part.is_dead(at))
        })
    })
}

struct Group {
    seconds: u64,
    effective: u64,
    worklogs: u32,
    people: BTreeSet<u8>,
    days: BTreeSet<NaiveDate>,
}

/// Groups by key.
type Groups = BTreeMap<Key, Group>;

pub struct Answer {
    pub ids: Vec<i64>,
    /// Worklog, seconds that count already, and with which.
    pub overlaps: Vec<(i64, u32, i64)>,
    groups: BTreeMap<(usize, bool), Groups>,
}

impl Answer {
    pub fn cells(&self, depth: usize, columns: bool) -> Cells {
        let Some(groups) = self.groups.get(&(depth, columns)) else { return Vec::new() };
        groups
            .iter()
            .map(|(key, group)| {
                let cell = Cell {
                    seconds: group.seconds,
                    effective: group.effective,
                    worklogs: group.worklogs,
                    people: u32::try_from(group.people.len()).expect("few"),
                    days: u32::try_from(group.days.len()).expect("few"),
                };
                (*key, cell)
            })
            .collect()
    }
}

/// Who sees a worklog: whether its facts too.
fn seen(log: &Log) -> Option<bool> {
    let own = log.account == VIEWER;
    match is_browsable(log.issue) {
        true => (own || !log.restricted || passes(log.id)).then_some(true),
        false => own.then_some(false),
    }
}

/// Seconds of a worklog that no earlier one of the same person covers, by units of five minutes; and with which it
/// overlaps furthest.
fn effective(log: &Log, logs: &[Log]) -> (u64, i64) {
    let earlier: Vec<&Log> = logs
        .iter()
        .filter(|other| other.account == log.account && seen(other).is_some())
        .filter(|other| (other.start, other.id) < (log.start, log.id))
        .collect();
    let units = (0..log.seconds / 300).map(|unit| log.start + unit * 300);
    let free = units
        .filter(|at| !earlier.iter().any(|other| (other.start..other.start + other.seconds).contains(at)));
    let free = u64::try_from(free.count()).expect("small") * 300;
    let end = |other: &Log| other.start + other.seconds;
    let furthest = earlier.iter().map(|other| end(other)).max().unwrap_or(0);
    let with = earlier
        .iter()
        .filter(|other| end(other) == furthest)
        .min_by_key(|other| (other.start, other.id))
        .map_or(log.id, |other| other.id);
    (free, with)
}

pub fn answer(logs: &[Log], ask: &Ask) -> Answer {
    let first = NaiveDate::from_ymd_opt(1970, 1, 1).expect("a day")
        + Days::new(u64::try_from(ask.first).expect("later"));
    let last = first + Days::new(u64::try_from(ask.days - 1).expect("some"));
    let mut answer = Answer { ids: Vec::new(), overlaps: Vec::new(), groups: BTreeMap::new() };
    let mut counted: Vec<&Log> = Vec::new();
    for log in logs {
        let zone = ask.zones[zone_of(ask, log.account)];
        let day = zone.timestamp_opt(log.start, 0).single().expect("an instant").date_naive();
        let Some(facts) = seen(log) else { continue };
        let issue = ask.issues[usize::try_from(log.issue).expect("small")];
        let tagged = ask.without_tag.is_some_and(|tag| log.tags.contains(&tag));
        // What one may not know of an issue cannot be asked for, nor left out.
        let kept = ask.accounts[log.account as usize] && !tagged && (issue || !facts);
        let since = i32::try_from((day - NaiveDate::default()).num_days()).expect("near");
        let is_left_out = ask.every.is_some_and(|every| since % every != 0);
        if !(first..=last).contains(&day) || !kept || is_left_out {
            continue;
        }
        counted.push(log);
        let (effective, with) = effective(log, logs);
        let seconds = u64::try_from(log.seconds).expect("positive");
        if effective < seconds {
            answer.overlaps.push((log.id, u32::try_from(seconds - effective).expect("small"), with));
        }
        for depth in 0..=ask.rows.len() {
            for columns in [false, true] {
                let Some(keys) = keys(log, ask, day, !facts, depth, columns) else { continue };
                let groups = answer.groups.entry((depth, columns)).or_default();
                for key in keys {
                    let group = groups.entry(key).or_insert_with(|| Group {
                        seconds: 0,
                        effective: 0,
                        worklogs: 0,
                        people: BTreeSet::new(),
                        days: BTreeSet::new(),
                    });
                    group.seconds += seconds;
                    group.effective += effective;
                    group.worklogs += 1;
                    group.people.insert(log.account);
                    group.days.insert(day);
                }
            }
        }
    }
    counted.sort_by_key(|log| (log.start, log.id));
    answer.ids = counted.iter().map(|log| log.id).collect();
    answer.overlaps.sort_unstable();
    answer
}

/// The groups that a worklog counts under, each once.
fn keys(
    log: &Log,
    ask: &Ask,
    day: NaiveDate,
    hidden: bool,
    depth: usize,
    columns: bool,
) -> Option<BTreeSet<Key>> {
    let column = if columns { Some(ask.column?) } else { None };
    let levels = ask.rows[..depth].iter().copied().enumerate();
    let levels = levels.chain(column.map(|column| (ask.rows.len(), column)));
    let mut keys = vec![Key::default()];
    for (level, dimension) in levels {
        let values = dimension.values(log, day, hidden, ask.week_start);
        keys = keys
            .iter()
            .flat_map(|key| {
                values.iter().map(|value| {
                    let mut key = *key;
                    key[level] = *value;
                    key
                })
            })
            .collect();
    }
    Some(keys.into_iter().collect())
}
