//! The report engine, over worklogs of three years: fifteen shapes, each with a visibility mask (a tenth of the issues
//! hidden) and a tag filter (one tag left out), against DuckDB, the best SQLite index, and a scan written by hand.

use hourbook_engine::aggregate::{self, Cell, Question};
use hourbook_engine::axis::Axis;
use hourbook_engine::calendar::{Offsets, Period};
use hourbook_engine::projection::{Builder, Snapshot, Worklog};
use hourbook_engine::scan::{Clock, Zone};
use hourbook_engine::tree::{self, Order};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::process::Command;
use std::time::Instant;
use tempfile::TempDir;

/// 2023-01-01, and three years from then.
const FIRST_DAY: i32 = 19_358;
const DAYS: i32 = 1096;
const DAY: i64 = 86_400;
const LEFT_OUT: i64 = 3;

/// What a site of that size has.
#[derive(Clone, Copy)]
struct Size {
    rows: usize,
    accounts: u32,
    issues: u32,
}

const SIZES: [Size; 4] = [
    Size { rows: 10_000, accounts: 50, issues: 500 },
    Size { rows: 100_000, accounts: 200, issues: 5_000 },
    Size { rows: 1_000_000, accounts: 1_000, issues: 50_000 },
    Size { rows: 10_000_000, accounts: 5_000, issues: 500_000 },
];

/// A worklog, with codes in place of ids. Sets of tags: 0 is none, the others one tag each.
#[derive(Clone, Copy)]
struct Row {
    start: i64,
    account: u32,
    issue: u32,
    tag: u32,
    seconds: u32,
}

fn rows(size: Size) -> Vec<Row> {
    let mut rng = StdRng::seed_from_u64(7);
    let first = i64::from(FIRST_DAY) * DAY;
    let mut rows: Vec<Row> = (0..size.rows)
        .map(|_| Row {
            start: first + rng.random_range(0..i64::from(DAYS) * DAY),
            account: rng.random_range(0..size.accounts),
            issue: rng.random_range(0..size.issues),
            tag: if rng.random_ratio(1, 4) { rng.random_range(1..9) } else { 0 },
            seconds: rng.random_range(1..32) * 900,
        })
        .collect();
    // As ids are given: by time, about.
    rows.sort_by_key(|row| row.start);
    rows
}

fn is_visible(issue: u32) -> bool {
    issue % 10 != 7
}

fn project(rows: &[Row]) -> Snapshot {
    let mut builder = Builder::with_capacity(rows.len());
    for (id, row) in (1..).zip(rows) {
        let account = format!("712020:5b10a284-4c20-1657-00ed-e{:011}", row.account);
        let worklog = Worklog {
            id,
            issue: i64::from(row.issue) + 10_000,
            account: &account,
            started_ms: row.start * 1000,
            seconds: i64::from(row.seconds),
            restricted: false,
        };
        let tag = [i64::from(row.tag)];
        builder.push(worklog, if row.tag == 0 { &[] } else { &tag });
    }
    builder.build()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    UserByMonth,
    ByIssue,
    TopIssues,
    TwentyUsers,
    TwoHundredIssues,
}

#[derive(Clone, Copy)]
struct Shape {
    what: What,
    range: &'static str,
    first: i32,
    last: i32,
}

/// Fifteen of them.
fn shapes() -> Vec<Shape> {
    let what = [What::UserByMonth, What::ByIssue, What::TopIssues, What::TwentyUsers, What::TwoHundredIssues];
    let from = FIRST_DAY + 365 + 365;
    // May and the second quarter of the last year, and everything.
    let ranges = [
        ("month", from + 121, from + 151),
        ("quarter", from + 91, from + 181),
        ("three years", FIRST_DAY, FIRST_DAY + DAYS - 1),
    ];
    let shape = |what| ranges.map(|(range, first, last)| Shape { what, range, first, last });
    what.into_iter().flat_map(shape).collect()
}

impl Shape {
    fn name(&self) -> String {
        let what = match self.what {
            What::UserByMonth => "by user and month",
            What::ByIssue => "by issue",
            What::TopIssues => "top 100 issues",
            What::TwentyUsers => "20 users by month",
            What::TwoHundredIssues => "200 issues by user and month",
        };
        format!("{what}, {}", self.range)
    }

    fn takes_account(&self, account: u32) -> bool {
        self.what != What::TwentyUsers || account % 50 == 13 && account / 50 < 20
    }

    fn takes_issue(&self, issue: u32) -> bool {
        self.what != What::TwoHundredIssues || issue % 37 == 5 && issue / 37 < 200
    }

    fn by_issue(&self) -> bool {
        matches!(self.what, What::ByIssue | What::TopIssues)
    }

    fn instants(&self) -> (i64, i64) {
        (i64::from(self.first) * DAY, i64::from(self.last + 1) * DAY)
    }

    fn sql(&self, size: Size) -> String {
        let (from, to) = self.instants();
        let list = |all: u32, takes: &dyn Fn(u32) -> bool| {
            (0..all).filter(|one| takes(*one)).map(|one| one.to_string()).collect::<Vec<_>>().join(",")
        };
        let more = match self.what {
            What::TwentyUsers => {
                format!("AND account IN ({})", list(size.accounts, &|one| self.takes_account(one)))
            }
            What::TwoHundredIssues => {
                format!("AND issue IN ({})", list(size.issues, &|one| self.takes_issue(one)))
            }
            _ => String::new(),
        };
        let group = if self.by_issue() { "issue" } else { "account, ym" };
        let top =
            if self.what == What::TopIssues { "ORDER BY sum(seconds) DESC, issue LIMIT 100" } else { "" };
        format!(
            "SELECT {group}, sum(seconds) FROM w WHERE start >= {from} AND start < {to} AND tagset <> {LEFT_OUT} \
             AND issue IN (SELECT issue FROM v) {more} GROUP BY {group} {top}"
        )
    }
}

/// What the product makes of a definition before it asks the engine.
struct Asked {
    clock: Clock,
    accounts: Axis,
    slots: Axis,
    tagsets: Axis,
    days: Axis,
    by_issue: bool,
}

fn number(text: &str) -> u32 {
    text.rsplit('e').next().unwrap().parse().unwrap()
}

impl Asked {
    fn new(snapshot: &Snapshot, shape: &Shape) -> Self {
        // UTC, as the others count.
        let zone = Zone::Fixed(Offsets::around(chrono_tz::Tz::UTC, shape.first, shape.last));
        let clock = Clock { first: shape.first, last: shape.last, zone };
        let by_issue = shape.by_issue();
        let mut accounts = Axis::new(if by_issue { &[] } else { &[0] }, snapshot.accounts().len());
        // Values are numbered as they are met.
        for (code, account) in (0_u32..).zip(snapshot.accounts()) {
            if shape.takes_account(number(account)) {
                accounts.count(code, &[[code].as_slice()][..usize::from(!by_issue)]);
            }
        }
        let mut slots = Axis::new(if by_issue { &[0] } else { &[] }, snapshot.slots().len());
        for (code, slot) in (0_u32..).zip(snapshot.slots()) {
            let issue = u32::try_from(slot.issue - 10_000).unwrap();
            if is_visible(issue) && shape.takes_issue(issue) {
                slots.count(code, &[[code].as_slice()][..usize::from(by_issue)]);
            }
        }
        let mut tagsets = Axis::new(&[], snapshot.tagsets().len());
        for (code, tags) in (0_u32..).zip(snapshot.tagsets()) {
            if !tags.contains(&LEFT_OUT) {
                tagsets.count(code, &[]);
            }
        }
        let mut days = Axis::new(if by_issue { &[] } else { &[1] }, clock.days());
        for (day, at) in (shape.first..=shape.last).zip(0..) {
            let month = Period::Month.number(day, chrono::Weekday::Mon).unsigned_abs();
            days.count(at, &[[month].as_slice()][..usize::from(!by_issue)]);
        }
        Self { clock, accounts, slots, tagsets, days, by_issue }
    }

    /// Rows and the sum of what is shown.
    fn answer(&self, snapshot: &Snapshot, what: What) -> (usize, u64) {
        let question = Question {
            snapshot,
            clock: &self.clock,
            accounts: &self.accounts,
            slots: &self.slots,
            tagsets: &self.tagsets,
            days: &self.days,
            viewer: None,
            rows: if self.by_issue { 1 } else { 2 },
            columns: false,
            many: [false; 5],
            effective: None,
            people: false,
            days_worked: false,
        };
        let totals = aggregate::totals(&question);
        if what == What::TopIssues {
            let shown = tree::rows(&totals, &Largest, Some(100));
            let shown = shown.iter().filter(|row| row.rest_of.is_none());
            return shown.fold((0, 0), |(rows, sum), row| (rows + 1, sum + row.cell.seconds));
        }
        let finest = totals.rows.last().unwrap();
        (finest.len(), finest.iter().map(|(_, cell)| cell.seconds).sum())
    }
}

struct Largest;

impl Order for Largest {
    fn compare(&self, _: usize, one: (u32, &Cell), other: (u32, &Cell)) -> Ordering {
        other.1.seconds.cmp(&one.1.seconds).then(one.0.cmp(&other.0))
    }
}

/// The columns as a programmer would lay them out for this one question.
struct Columns {
    start: Vec<i64>,
    account: Vec<u32>,
    issue: Vec<u32>,
    tag: Vec<u32>,
    seconds: Vec<u32>,
}

impl Columns {
    fn new(rows: &[Row]) -> Self {
        Self {
            start: rows.iter().map(|row| row.start).collect(),
            account: rows.iter().map(|row| row.account).collect(),
            issue: rows.iter().map(|row| row.issue).collect(),
            tag: rows.iter().map(|row| row.tag).collect(),
            seconds: rows.iter().map(|row| row.seconds).collect(),
        }
    }

    /// A loop over the range: mask, tag, group, sum; then the groups that have something, for the top ones the largest.
    fn scan(
        &self,
        size: Size,
        shape: &Shape,
        months: &[(i64, i64)],
        masks: &(Vec<bool>, Vec<bool>),
    ) -> Vec<(usize, u64)> {
        let (issues, accounts) = masks;
        let mut sums =
            vec![0_u64; if shape.by_issue() { size.issues } else { size.accounts } as usize * months.len()];
        for (month, (from, to)) in months.iter().enumerate() {
            let begin = self.start.partition_point(|start| start < from);
            let end = self.start.partition_point(|start| start < to);
            let columns = self.account[begin..end].iter().zip(&self.issue[begin..end]);
            let columns = columns.zip(&self.tag[begin..end]).zip(&self.seconds[begin..end]);
            for (((account, issue), tag), seconds) in columns {
                if i64::from(*tag) == LEFT_OUT || !issues[*issue as usize] || !accounts[*account as usize] {
                    continue;
                }
                let group = if shape.by_issue() { *issue } else { *account };
                sums[group as usize * months.len() + month] += u64::from(*seconds);
            }
        }
        let mut found: Vec<(usize, u64)> = sums.into_iter().enumerate().filter(|(_, sum)| *sum > 0).collect();
        if shape.what == What::TopIssues && found.len() > 100 {
            found.select_nth_unstable_by_key(99, |(issue, sum)| (std::cmp::Reverse(*sum), *issue));
            found.truncate(100);
            found.sort_unstable_by_key(|(issue, sum)| (std::cmp::Reverse(*sum), *issue));
        }
        found
    }
}

/// First and last instants of the months of a shape; of shapes by issue everything is one.
fn months(shape: &Shape) -> Vec<(i64, i64)> {
    if shape.by_issue() {
        return vec![shape.instants()];
    }
    let mut months: BTreeMap<i32, (i64, i64)> = BTreeMap::new();
    for day in shape.first..=shape.last {
        let month = months
            .entry(Period::Month.number(day, chrono::Weekday::Mon))
            .or_insert((i64::from(day) * DAY, 0));
        month.1 = i64::from(day + 1) * DAY;
    }
    months.into_values().collect()
}

/// Median of some rounds, ms.
fn median(rounds: usize, mut work: impl FnMut()) -> f64 {
    let mut taken: Vec<f64> = (0..rounds)
        .map(|_| {
            let begun = Instant::now();
            work();
            begun.elapsed().as_secs_f64() * 1000.0
        })
        .collect();
    taken.sort_by(f64::total_cmp);
    taken[taken.len() / 2]
}

fn sqlite(rows: &[Row], size: Size) -> Connection {
    let mut conn = Connection::open_in_memory().unwrap();
    conn.execute_batch(
        "PRAGMA cache_size = -1000000; PRAGMA temp_store = MEMORY;
         CREATE TABLE w (id INTEGER PRIMARY KEY, start INTEGER, ym INTEGER, account INTEGER, issue INTEGER, tagset INTEGER, seconds INTEGER);
         CREATE TABLE v (issue INTEGER PRIMARY KEY)",
    )
    .unwrap();
    let all = conn.transaction().unwrap();
    {
        let mut insert = all
            .prepare("INSERT INTO w (start, ym, account, issue, tagset, seconds) VALUES (?, ?, ?, ?, ?, ?)")
            .unwrap();
        for row in rows {
            insert.execute((row.start, month_of(row), row.account, row.issue, row.tag, row.seconds)).unwrap();
        }
        let mut visible = all.prepare("INSERT INTO v VALUES (?)").unwrap();
        for issue in (0..size.issues).filter(|issue| is_visible(*issue)) {
            visible.execute([issue]).unwrap();
        }
    }
    all.commit().unwrap();
    conn.execute_batch(
        "CREATE INDEX by_start ON w (start, account, issue, tagset, ym, seconds);
         CREATE INDEX by_account ON w (account, start, issue, tagset, ym, seconds);
         CREATE INDEX by_issue ON w (issue, start, account, tagset, ym, seconds);
         ANALYZE",
    )
    .unwrap();
    conn
}

fn month_of(row: &Row) -> i32 {
    let day = i32::try_from(row.start.div_euclid(DAY)).unwrap();
    Period::Month.number(day, chrono::Weekday::Mon)
}

/// The quickest of the indexes that fit, each tried.
fn best_index(conn: &Connection, shape: &Shape, size: Size, rounds: usize) -> f64 {
    let sql = shape.sql(size);
    let own = match shape.what {
        What::TwentyUsers => "INDEXED BY by_account",
        What::TwoHundredIssues => "INDEXED BY by_issue",
        _ => "",
    };
    let tried = ["", "INDEXED BY by_start", own].map(|index| {
        let mut query = conn.prepare(&sql.replacen("FROM w ", &format!("FROM w {index} "), 1)).unwrap();
        median(rounds, || {
            let mut rows = query.query([]).unwrap();
            while rows.next().unwrap().is_some() {}
        })
    });
    tried.into_iter().fold(f64::MAX, f64::min)
}

/// What Python says; `None` where there is no DuckDB.
fn duckdb(rows: &[Row], size: Size, rounds: usize) -> Option<Value> {
    let python = concat!(env!("CARGO_MANIFEST_DIR"), "/target/bench-python/bin/python");
    if !Path::new(python).exists() {
        println!("no DuckDB: `make bench` installs it, a bench run by itself goes without");
        return None;
    }
    let dir = TempDir::new().unwrap();
    let file = |name: &str| dir.path().join(name);
    let mut csv = BufWriter::new(File::create(file("w.csv")).unwrap());
    writeln!(csv, "start,ym,account,issue,tagset,seconds").unwrap();
    for row in rows {
        let Row { start, account, issue, tag, seconds } = row;
        writeln!(csv, "{start},{},{account},{issue},{tag},{seconds}", month_of(row)).unwrap();
    }
    csv.flush().unwrap();
    let visible: String =
        (0..size.issues).filter(|issue| is_visible(*issue)).map(|issue| format!("{issue}\n")).collect();
    fs::write(file("v.csv"), format!("issue\n{visible}")).unwrap();
    let shapes: Vec<Value> =
        shapes().iter().map(|shape| json!({ "name": shape.name(), "sql": shape.sql(size) })).collect();
    fs::write(file("shapes.json"), json!(shapes).to_string()).unwrap();
    let output = Command::new(python)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/bench/duckdb_shapes.py"))
        .args([file("w.csv"), file("v.csv")])
        .arg(rounds.to_string())
        .arg(file("shapes.json"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// Fifteen shapes over a million, or ten.
pub fn run(large: bool) -> String {
    let size = if large { SIZES[3] } else { SIZES[2] };
    let rounds = if large { 5 } else { 15 };
    let rows = rows(size);
    let duck = duckdb(&rows, size, rounds);
    let conn = sqlite(&rows, size);
    let snapshot = project(&rows);
    let columns = Columns::new(&rows);
    let version = duck
        .as_ref()
        .map_or_else(|| "not installed".into(), |duck| duck["version"].as_str().unwrap().to_owned());
    let mut page = format!(
        "## Reports: the engine\n\n{} worklogs of three years, {} people, {} issues; milliseconds, median of {rounds} rounds, one thread each. Every query has a visibility mask \
         (a tenth of the issues hidden) and a tag filter (one of eight left out). *DuckDB* {version}, in memory, asked from Python. *SQLite*: in memory, the quickest of its covering indexes. \
         *By hand*: a loop over the same columns, written for the one question.\n\n\
         | shape | Hourbook | DuckDB | SQLite | by hand | to DuckDB | to SQLite | to by hand |\n|---|---|---|---|---|---|---|---|\n",
        size.rows, size.accounts, size.issues
    );
    for shape in shapes() {
        let asked = Asked::new(&snapshot, &shape);
        let answer = asked.answer(&snapshot, shape.what);
        if let Some(duck) = &duck {
            assert_eq!(duck["sums"][shape.name()], json!([answer.0, answer.1]), "{}", shape.name());
        }
        let ours = median(rounds, || {
            std::hint::black_box(asked.answer(&snapshot, shape.what));
        });
        let masks = (
            (0..size.issues).map(|issue| is_visible(issue) && shape.takes_issue(issue)).collect(),
            (0..size.accounts).map(|account| shape.takes_account(account)).collect(),
        );
        let months = months(&shape);
        let hand = median(rounds, || {
            std::hint::black_box(columns.scan(size, &shape, &months, &masks));
        });
        let sql = best_index(&conn, &shape, size, 3);
        let duck = duck.as_ref().and_then(|duck| duck["times"][shape.name()].as_f64());
        let told = |time: Option<f64>| time.map_or_else(|| "-".into(), |time| format!("{time:.2}"));
        let _ = writeln!(
            page,
            "| {} | {ours:.2} | {} | {sql:.2} | {hand:.2} | {} | {:.3} | {:.2} |",
            shape.name(),
            told(duck),
            told(duck.map(|duck| ours / duck)),
            ours / sql,
            ours / hand
        );
    }
    page + "\n" + &memory_and_growth()
}

/// Bytes a row, how long a projection and a change take, and what a question costs at different sizes.
fn memory_and_growth() -> String {
    let mut page = String::from(
        "Growth: the same questions over sites of different size. *Same range*: a range that has 10,000 worklogs at each size. A change is one worklog that is written again, brought into the projection.\n\n\
         | worklogs | scan bytes a row | all bytes a row | projection made ms | a change ms | by user, same range ms | by user and month, everything ms |\n|---|---|---|---|---|---|---|\n",
    );
    for size in SIZES {
        let rows = rows(size);
        let begun = Instant::now();
        let snapshot = project(&rows);
        let made = begun.elapsed().as_secs_f64() * 1000.0;
        let (scan, all) = snapshot.bytes();
        let account = "712020:5b10a284-4c20-1657-00ed-e00000000001";
        let changed = Worklog {
            id: 77,
            issue: 10_005,
            account,
            started_ms: rows[76].start * 1000,
            seconds: 60,
            restricted: false,
        };
        let change = median(9, || {
            std::hint::black_box(snapshot.after(&[77], [(changed, [].as_slice())]));
        });
        let days = (i64::from(DAYS) * 10_000 / i64::try_from(size.rows).unwrap()).max(1);
        let last = FIRST_DAY + i32::try_from(days).unwrap() - 1;
        let narrow = Shape {
            what: What::UserByMonth,
            range: "",
            first: FIRST_DAY,
            last: last.min(FIRST_DAY + DAYS - 1),
        };
        let wide = Shape { last: FIRST_DAY + DAYS - 1, ..narrow };
        let [narrow, wide] = [narrow, wide].map(|shape| {
            let asked = Asked::new(&snapshot, &shape);
            median(9, || {
                std::hint::black_box(asked.answer(&snapshot, shape.what));
            })
        });
        let a_row = |bytes: usize| bytes as f64 / size.rows as f64;
        let _ = writeln!(
            page,
            "| {} | {:.1} | {:.1} | {made:.0} | {change:.2} | {narrow:.2} | {wide:.2} |",
            size.rows,
            a_row(scan),
            a_row(all)
        );
    }
    page + "\n"
}
