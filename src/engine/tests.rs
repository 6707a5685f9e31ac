//! The engine against a reference that loops over rows and shares no code with it.

mod reference;

use crate::aggregate::{self, Question, Totals};
use crate::axis::{Axis, LEVELS};
use crate::calendar::{Offsets, Period, Relative, day_number};
use crate::effective::{self, Effective, Place};
use crate::list::List;
use crate::projection::{Builder, Snapshot, Worklog};
use crate::scan::{self, Clock, Zone};
use chrono::{NaiveDate, TimeZone, Weekday};
use chrono_tz::Tz;
use proptest::prelude::*;
use reference::{Dimension, NOTHING};
use std::collections::BTreeMap;

/// A worklog of a test.
#[derive(Debug, Clone, PartialEq)]
struct Log {
    id: i64,
    account: u8,
    issue: i64,
    start: i64,
    seconds: i64,
    tags: Vec<i64>,
    restricted: bool,
}

/// What a test asks.
#[derive(Debug, Clone)]
struct Ask {
    rows: Vec<Dimension>,
    column: Option<Dimension>,
    first: i32,
    days: i32,
    zones: Vec<Tz>,
    week_start: Weekday,
    accounts: Vec<bool>,
    issues: Vec<bool>,
    without_tag: Option<i64>,
    /// Only every so many days, counted from 1970, if some are left out.
    every: Option<i32>,
}

const ACCOUNTS: u8 = 5;
const ISSUES: i64 = 9;
/// Whose question it is.
const VIEWER: u8 = 2;

/// Around days on which clocks do odd things: Apia left out a day, São Paulo changed at midnight, St. John's a minute
/// after it.
const ODD: [i64; 6] =
    [1_325_203_200, 1_518_912_000, 1_541_300_400, 1_289_097_000, 1_774_742_400, 1_784_073_600];
const ZONES: [Tz; 8] = [
    Tz::UTC,
    Tz::Pacific__Apia,
    Tz::America__Sao_Paulo,
    Tz::America__St_Johns,
    Tz::Europe__Berlin,
    Tz::Asia__Kathmandu,
    Tz::America__Los_Angeles,
    Tz::Pacific__Kiritimati,
];

fn logs(most: usize) -> impl Strategy<Value = Vec<Log>> {
    let log = (
        1..200_i64,
        0..ACCOUNTS,
        1..=ISSUES,
        (0..2_usize, -2000..2000_i64),
        prop_oneof![9 => 0..40_i64, 1 => 300..1500_i64].prop_map(|units| units * 300),
        prop::collection::btree_set(1..4_i64, 0..3),
        prop::bool::weighted(0.2),
    );
    let log = log.prop_map(|(id, account, issue, (odd, at), seconds, tags, restricted)| Log {
        id,
        account,
        issue,
        start: ODD[odd] + at * 300,
        seconds,
        tags: tags.into_iter().collect(),
        restricted,
    });
    prop::collection::vec(log, 0..most).prop_map(|logs| {
        let by_id: BTreeMap<i64, Log> = logs.into_iter().map(|log| (log.id, log)).collect();
        by_id.into_values().collect()
    })
}

fn asks() -> impl Strategy<Value = Ask> {
    use Dimension::{Components, Day, Issue, Month, Project, Tag, User, Week, Weekday as OfWeek, Year};
    let dimension =
        || prop::sample::select(vec![User, Project, Issue, Components, Tag, Day, Week, Month, Year, OfWeek]);
    let rows = prop::collection::vec(dimension(), 0..5).prop_map(|mut rows| {
        let mut seen = Vec::new();
        rows.retain(|row| !seen.contains(row) && (seen.push(*row), true).1);
        rows
    });
    (
        rows,
        prop::option::of(prop::sample::select(vec![Day, Week, Month, Tag])),
        (0..2_usize, -9..3_i32, 1..12_i32),
        prop::collection::vec(prop::sample::select(ZONES.to_vec()), 1..4),
        prop::sample::select(vec![Weekday::Mon, Weekday::Sun, Weekday::Sat]),
        prop_oneof![
            prop::collection::vec(prop::bool::weighted(0.8), ACCOUNTS as usize),
            prop::collection::vec(prop::bool::weighted(0.3), ACCOUNTS as usize),
        ],
        prop::collection::vec(prop::bool::weighted(0.8), ISSUES as usize + 1),
        prop::option::weighted(0.3, 1..4_i64),
        prop::option::weighted(0.3, 2..4_i32),
    )
        .prop_map(
            |(rows, column, (odd, from, days), zones, week_start, accounts, issues, without_tag, every)| {
                Ask {
                    column: column.filter(|column| !rows.contains(column)),
                    rows,
                    first: i32::try_from(ODD[odd] / 86_400).expect("near") + from,
                    days,
                    zones,
                    week_start,
                    accounts,
                    issues,
                    without_tag,
                    every,
                }
            },
        )
}

fn name(account: u8) -> String {
    format!("account-{account}")
}

fn worklog<'a>(log: &Log, account: &'a str) -> Worklog<'a> {
    Worklog {
        id: log.id,
        issue: log.issue,
        account,
        started_ms: log.start * 1000 + 999,
        seconds: log.seconds,
        restricted: log.restricted,
    }
}

fn snapshot(logs: &[Log]) -> Snapshot {
    let mut builder = Builder::with_capacity(logs.len());
    for log in logs {
        builder.push(worklog(log, &name(log.account)), &log.tags);
    }
    builder.build()
}

/// A question of the engine, made as the product makes it: axes from filters and visibility.
struct Asked {
    clock: Clock,
    accounts: Axis,
    slots: Axis,
    tagsets: Axis,
    days: Axis,
    visible: Vec<bool>,
}

fn zone_of(ask: &Ask, account: u8) -> usize {
    account as usize % ask.zones.len()
}

fn number(snapshot: &Snapshot, code: usize) -> u8 {
    let account = &snapshot.accounts()[code];
    account.trim_start_matches("account-").parse().expect("a test's account")
}

/// What each day counts under.
fn days_axis(ask: &Ask, clock: &Clock, of_days: &[(usize, Dimension)]) -> Axis {
    let mut days = Axis::new(&of_days.iter().map(|(level, _)| *level).collect::<Vec<_>>(), clock.days());
    for day in 0..clock.days() {
        let number = ask.first + i32::try_from(day).expect("few");
        if ask.every.is_some_and(|every| number % every != 0) {
            continue;
        }
        let values: Vec<[u32; 1]> = of_days
            .iter()
            .map(|(_, dimension)| {
                let period = dimension.period().expect("a period");
                // Above zero for all periods of these years.
                [u32::try_from(period.number(number, ask.week_start)).expect("after 1970")]
            })
            .collect();
        let values: Vec<&[u32]> = values.iter().map(<[u32; 1]>::as_slice).collect();
        days.count(u32::try_from(day).expect("few"), &values);
    }
    days
}

impl Asked {
    fn new(snapshot: &Snapshot, ask: &Ask) -> Self {
        let last = ask.first + ask.days - 1;
        let offsets: Vec<Offsets> =
            ask.zones.iter().map(|zone| Offsets::around(*zone, ask.first, last)).collect();
        let zone = match offsets.as_slice() {
            [one] => Zone::Fixed(one.clone()),
            _ => Zone::Authors {
                of_account: (0..snapshot.accounts().len())
                    .map(|code| u16::try_from(zone_of(ask, number(snapshot, code))).expect("few"))
                    .collect(),
                offsets,
            },
        };
        let clock = Clock { first: ask.first, last, zone };
        let all: Vec<Dimension> = ask.rows.iter().copied().chain(ask.column).collect();
        let levels = |wanted: fn(&Dimension) -> bool| -> Vec<(usize, Dimension)> {
            all.iter().copied().enumerate().filter(|(_, dimension)| wanted(dimension)).collect()
        };
        let axis = |levels: &[(usize, Dimension)], members: usize| {
            Axis::new(&levels.iter().map(|(level, _)| *level).collect::<Vec<_>>(), members)
        };

        let of_accounts = levels(|dimension| *dimension == Dimension::User);
        let mut accounts = axis(&of_accounts, snapshot.accounts().len());
        for code in 0..snapshot.accounts().len() {
            let account = number(snapshot, code);
            if ask.accounts[account as usize] {
                let value = [u32::from(account)];
                accounts.count(u32::try_from(code).expect("few"), &vec![&value[..]; of_accounts.len()]);
            }
        }

        let of_tags = levels(|dimension| *dimension == Dimension::Tag);
        let mut tagsets = axis(&of_tags, snapshot.tagsets().len());
        for (code, tags) in (0_u32..).zip(snapshot.tagsets()) {
            if ask.without_tag.is_some_and(|tag| tags.contains(&tag)) {
                continue;
            }
            let mut values: Vec<u32> = tags.iter().map(|tag| u32::try_from(*tag).expect("small")).collect();
            if values.is_empty() {
                values.push(NOTHING);
            }
            tagsets.count(code, &vec![&values[..]; of_tags.len()]);
        }

        let of_slots = levels(|dimension| dimension.is_of_issues());
        let mut slots = axis(&of_slots, snapshot.slots().len());
        let mut visible = vec![false; snapshot.slots().len()];
        for (code, slot) in (0_u32..).zip(snapshot.slots()) {
            let browsable = reference::is_browsable(slot.issue);
            let passed = slot.restricted.is_none_or(reference::passes);
            visible[code as usize] = browsable && passed;
            let own = slot.restricted.is_some_and(|id| reference::is_own(snapshot, id));
            let values = |hidden: bool| -> Vec<Vec<u32>> {
                of_slots.iter().map(|(_, dimension)| dimension.values_of_issue(slot.issue, hidden)).collect()
            };
            if browsable && (passed || own) {
                if ask.issues[usize::try_from(slot.issue).expect("small")] {
                    let values = values(false);
                    slots.count(code, &values.iter().map(Vec::as_slice).collect::<Vec<_>>());
                }
            } else if !browsable {
                let hidden: Vec<u32> = values(true).concat();
                slots.count_own(code, &hidden);
            }
        }

        let days = days_axis(ask, &clock, &levels(|dimension| dimension.period().is_some()));
        Self { clock, accounts, slots, tagsets, days, visible }
    }

    fn question<'a>(
        &'a self,
        snapshot: &'a Snapshot,
        ask: &Ask,
        effective: Option<&'a Effective>,
    ) -> Question<'a> {
        let dimensions: Vec<Dimension> = ask.rows.iter().copied().chain(ask.column).collect();
        Question {
            snapshot,
            clock: &self.clock,
            accounts: &self.accounts,
            slots: &self.slots,
            tagsets: &self.tagsets,
            days: &self.days,
            viewer: snapshot.account(&name(VIEWER)),
            rows: ask.rows.len(),
            columns: ask.column.is_some(),
            many: std::array::from_fn(|level| {
                matches!(dimensions.get(level), Some(Dimension::Tag | Dimension::Components))
            }),
            effective,
            people: true,
            days_worked: true,
        }
    }
}

fn answer(snapshot: &Snapshot, ask: &Ask) -> (Totals, Vec<i64>, Vec<(i64, u32, i64)>) {
    let asked = Asked::new(snapshot, ask);
    let viewer = snapshot.account(&name(VIEWER));
    let (effective, overlaps) =
        effective::of(snapshot, &asked.clock, &asked.accounts, &asked.visible, viewer);
    let question = asked.question(snapshot, ask, Some(&effective));
    let list = List::of(&question);
    let id = |place: Place| snapshot.parts()[place.part].segment.row(place.row).id;
    let ids = list.page(0, usize::MAX).map(id).collect();
    let mut overlaps: Vec<_> = overlaps.iter().map(|one| (id(one.place), one.seconds, one.with)).collect();
    // Those of the days in question, as the product tells them.
    overlaps.retain(|(id, _, _)| {
        list.page(0, usize::MAX).any(|place| snapshot.parts()[place.part].segment.row(place.row).id == *id)
    });
    overlaps.sort_unstable();
    (aggregate::totals(&question), ids, overlaps)
}

fn check(snapshot: &Snapshot, logs: &[Log], ask: &Ask) {
    let (totals, ids, overlaps) = answer(snapshot, ask);
    let expected = reference::answer(logs, ask);
    assert_eq!(ids, expected.ids, "the worklogs themselves");
    assert_eq!(overlaps, expected.overlaps, "overlaps");
    for depth in 0..=ask.rows.len() {
        assert_eq!(totals.rows[depth], expected.cells(depth, false), "{depth} levels");
        if ask.column.is_some() {
            assert_eq!(totals.columns[depth], expected.cells(depth, true), "{depth} levels by column");
        }
    }
    sums_add_up(&totals, ask);
}

/// Over single-valued dimensions the rows, the columns and the total are one sum.
fn sums_add_up(totals: &Totals, ask: &Ask) {
    let single = |dimension: &Dimension| !matches!(dimension, Dimension::Tag | Dimension::Components);
    if !ask.rows.iter().chain(&ask.column).all(single) {
        return;
    }
    let sum = |cells: &aggregate::Cells| {
        cells.iter().fold((0, 0, 0), |sum, (_, cell)| {
            (sum.0 + cell.seconds, sum.1 + cell.effective, sum.2 + cell.worklogs)
        })
    };
    let total = sum(&totals.rows[0]);
    totals.rows.iter().chain(&totals.columns).for_each(|cells| assert_eq!(sum(cells), total));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_engine_agrees_with_plain_loops(logs in logs(40), ask in asks()) {
        check(&snapshot(&logs), &logs, &ask);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    /// However a state came about, it is the same state.
    #[test]
    fn changes_come_to_what_a_new_projection_is(
        first in logs(40),
        steps in prop::collection::vec((logs(4), prop::collection::vec(1..200_i64, 0..8)), 1..6),
        ask in asks(),
    ) {
        let names: Vec<String> = (0..ACCOUNTS).map(name).collect();
        let mut kept = snapshot(&first);
        let mut logs: BTreeMap<i64, Log> = first.into_iter().map(|log| (log.id, log)).collect();
        for (changed, mut gone) in steps {
            // What is touched and still there is told again as it is.
            gone.retain(|id| changed.iter().all(|log| log.id != *id));
            logs.retain(|id, _| !gone.contains(id));
            logs.extend(changed.iter().map(|log| (log.id, log.clone())));
            let told = changed.iter().map(|log| (worklog(log, &names[log.account as usize]), log.tags.as_slice()));
            kept = kept.after(&gone, told);
            prop_assert_eq!(kept.len(), logs.len());
            check(&kept, &logs.values().cloned().collect::<Vec<_>>(), &ask);
        }
    }
}

proptest! {
    /// A day has the instants at which the clock on the wall shows it, whatever clocks do, and no other.
    #[test]
    fn stretches_are_the_instants_of_a_day(zone in prop::sample::select(ZONES.to_vec()), odd in 0..6_usize, by in -90_000..90_000_i64) {
        let instant = ODD[odd] + by;
        let shown = zone.timestamp_opt(instant, 0).single().expect("an instant").date_naive();
        let day = day_number(shown);
        let offsets = Offsets::around(zone, day - 3, day + 3);
        prop_assert_eq!(offsets.day(instant), day);
        let holds = |day: i32| offsets.stretches(day, day).any(|(from, to, _)| (from..to).contains(&instant));
        for other in day - 3..=day + 3 {
            prop_assert_eq!(holds(other), other == day, "{} on {}", instant, other);
        }
    }

    #[test]
    fn periods_are_whole_and_follow_each_other(day in 0..40_000_i32, start in 0..7_u8) {
        let week_start = Weekday::try_from(start).expect("a weekday");
        for period in [Period::Day, Period::Week, Period::Month, Period::Quarter, Period::Year] {
            let number = period.number(day, week_start);
            let (first, next) = (period.first_day(number, week_start), period.first_day(number + 1, week_start));
            let (first, next) = (day_number(first), day_number(next));
            prop_assert!(first <= day && day < next);
            prop_assert!((first..next).all(|day| period.number(day, week_start) == number));
        }
        prop_assert_eq!(
            chrono::Datelike::weekday(&Period::Week.first_day(Period::Week.number(day, week_start), week_start)),
            week_start
        );
    }
}

#[test]
fn a_day_may_be_left_out_and_another_come_twice() {
    let day = |year, month, day| day_number(NaiveDate::from_ymd_opt(year, month, day).expect("a day"));
    let length = |zone: Tz, day: i32| {
        let offsets = Offsets::around(zone, day, day);
        offsets.stretches(day, day).map(|(from, to, _)| to - from).sum::<i64>()
    };
    assert_eq!(length(Tz::Pacific__Apia, day(2011, 12, 30)), 0, "the date line moved");
    assert_eq!(length(Tz::Europe__Berlin, day(2026, 3, 29)), 23 * 3600);
    assert_eq!(length(Tz::Europe__Berlin, day(2026, 10, 25)), 25 * 3600);
    assert_eq!(
        length(Tz::America__St_Johns, day(2010, 11, 6)),
        25 * 3600 - 60,
        "back a minute after midnight"
    );
    assert_eq!(length(Tz::America__St_Johns, day(2010, 11, 7)), 24 * 3600 + 60);
}

#[test]
fn relative_ranges() {
    let date = |text: &str| text.parse::<NaiveDate>().expect("a date");
    let days = |relative: Relative, today: &str| {
        let (first, last) = relative.days(date(today), Weekday::Mon);
        format!("{first}..{last}")
    };
    assert_eq!(days(Relative::Today, "2026-03-01"), "2026-03-01..2026-03-01");
    assert_eq!(days(Relative::Yesterday, "2026-03-01"), "2026-02-28..2026-02-28");
    assert_eq!(days(Relative::This(Period::Week), "2026-03-01"), "2026-02-23..2026-03-01");
    assert_eq!(days(Relative::Last(Period::Week), "2026-03-02"), "2026-02-23..2026-03-01");
    assert_eq!(days(Relative::Last(Period::Month), "2026-03-31"), "2026-02-01..2026-02-28");
    assert_eq!(days(Relative::Last(Period::Quarter), "2026-01-01"), "2025-10-01..2025-12-31");
    assert_eq!(days(Relative::This(Period::Year), "2024-07-01"), "2024-01-01..2024-12-31");
    assert_eq!(days(Relative::LastDays(7), "2026-03-01"), "2026-02-23..2026-03-01");
    let (first, last) = Relative::This(Period::Week).days(date("2026-03-01"), Weekday::Sun);
    assert_eq!((first, last), (date("2026-03-01"), date("2026-03-07")));
}

/// The budget that is promised, with room for a busy machine: benchmarks have the figures.
#[test]
fn a_million_worklogs_are_answered_within_a_tenth_of_a_second() {
    const ROWS: i64 = 1_000_000;
    let day = 86_400;
    let accounts: Vec<String> = (0..500).map(|number| format!("account-{number}")).collect();
    let mut builder = Builder::with_capacity(1_000_000);
    for id in 0..ROWS {
        let account = &accounts[usize::try_from(id * 7919 % 500).expect("small")];
        let started_ms = (ODD[4] + id * 90) * 1000;
        let log =
            Worklog { id, issue: id * 31 % 20_000, account, started_ms, seconds: 900, restricted: false };
        builder.push(log, &[]);
    }
    let snapshot = builder.build();
    let first = i32::try_from(ODD[4] / day).expect("near");
    let last = first + i32::try_from(ROWS * 90 / day).expect("near");
    let zone = Zone::Fixed(Offsets::around(Tz::Europe__Berlin, first, last));
    let clock = Clock { first, last, zone };
    let (mut by_account, mut by_month) = (Axis::new(&[0], 500), Axis::new(&[1], clock.days()));
    (0..500).for_each(|code| by_account.count(code, &[&[code]]));
    for (member, day) in (0_u32..).zip(first..=last) {
        by_month.count(member, &[&[Period::Month.number(day, Weekday::Mon).unsigned_abs()]]);
    }
    let question = Question {
        snapshot: &snapshot,
        clock: &clock,
        accounts: &by_account,
        slots: &Axis::all(20_000),
        tagsets: &Axis::all(1),
        days: &by_month,
        viewer: None,
        rows: 1,
        columns: true,
        many: [false; LEVELS],
        effective: None,
        people: false,
        days_worked: false,
    };
    let mut taken: Vec<std::time::Duration> = (0..20)
        .map(|_| {
            let begun = std::time::Instant::now();
            let totals = aggregate::totals(&question);
            assert_eq!(totals.rows[0][0].1.worklogs, 1_000_000);
            begun.elapsed()
        })
        .collect();
    taken.sort();
    assert!(taken[18] < std::time::Duration::from_millis(100), "{taken:?}");
}

/// What is looked at before Jira is asked has everything that may count later.
#[test]
fn touched_is_what_the_range_has() {
    let log = |id, issue, start| Log {
        id,
        account: 1,
        issue,
        start,
        seconds: 60,
        tags: Vec::new(),
        restricted: id == 3,
    };
    let snapshot = snapshot(&[log(1, 1, ODD[0]), log(2, 2, ODD[0] + 40 * 86_400), log(3, 3, ODD[0])]);
    let first = i32::try_from(ODD[0] / 86_400).expect("near");
    let zone = Zone::Fixed(Offsets::around(Tz::UTC, first, first));
    let clock = Clock { first, last: first, zone };
    let all = Axis::all(9);
    let found = scan::touched(&snapshot, &clock, &all, &all, &all);
    let issues: Vec<i64> = snapshot
        .slots()
        .iter()
        .zip(&found.slots)
        .filter(|(_, touched)| **touched)
        .map(|(slot, _)| slot.issue)
        .collect();
    assert_eq!((issues, found.rows), (vec![1, 3], 2));
    assert_eq!(LEVELS, 5);
}
