//! A report: its levels, its table or list, and what is told about it.

use super::checksum;
use super::definition::{Checked, Dimension, Kind, Measure, Sort, SortBy};
use super::facts::Known;
use super::scope::{self, Looked, Options, Scope};
use super::stamp::{self, Stamp};
use super::values::{HIDDEN, NONE, Value, Values};
use crate::app::App;
use crate::auth::Caller;
use crate::error::{AppError, AppResult};
use crate::jira::issues::{IssueFacts, Named};
use chrono::{Datelike, NaiveDate};
use hourbook_engine::aggregate::{self, Cell, Question, Totals};
use hourbook_engine::axis::{Axis, LEVELS};
use hourbook_engine::calendar::{Period, date, day_number};
use hourbook_engine::effective::{self, Effective, Overlap, Place};
use hourbook_engine::list::List;
use hourbook_engine::segment::Row;
use hourbook_engine::tree::{self, Node, Order};
use hourbook_store::tenant::tags;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

/// Columns at most: more cannot be read, and would make an answer of millions of cells.
const MOST_COLUMNS: usize = 400;

/// A level of rows, or the one of columns.
pub struct Level {
    /// What it is made of.
    pub dimension: Dimension,
    /// Its values.
    pub values: Values,
    ranks: Vec<u32>,
}

/// An answer.
pub struct Report {
    /// What was asked.
    pub checked: Checked,
    /// What it was about.
    pub scope: Scope,
    /// The levels: rows, then the one of columns.
    pub levels: Vec<Level>,
    /// Names of tags by id.
    pub tags: HashMap<i64, String>,
    /// Of lists of worklogs: people by account code.
    pub people: Vec<Value>,
    /// Whether names were asked for.
    pub names: bool,
    /// Of details: the digest of the worklogs by start and id, however they are shown.
    pub digest: Option<[u8; 32]>,
    /// The total.
    pub total: Node,
    /// What is shown.
    pub content: Content,
    /// What proves it.
    pub stamp: Stamp,
}

/// What is shown.
pub enum Content {
    /// Rows below the total, parents before children, and the codes of the columns in their order.
    Table {
        /// All rows.
        rows: Vec<Node>,
        /// Codes of the columns.
        columns: Vec<u32>,
    },
    /// Worklogs.
    Details {
        /// In order.
        list: List,
        /// Their effective seconds, if they were asked for.
        effective: Option<Effective>,
    },
    /// Worklogs that cover time that counts already.
    Overlaps(Vec<Overlap>),
}

/// What came of asking.
pub enum Answered {
    /// The report.
    Report(Box<Report>),
    /// It takes long to find out what is needed; it goes on.
    Preparing(Arc<super::prepare::Preparation>),
}

impl Report {
    /// The values of the first level of a table whose name, key or id has `search` in it, in order.
    pub fn values(&self, search: &str) -> Vec<Value> {
        let Content::Table { rows, .. } = &self.content else { return Vec::new() };
        let Some(level) = self.levels.first() else { return Vec::new() };
        let search = search.trim().to_lowercase();
        let first = rows.iter().filter(|node| node.depth == 1 && node.rest_of.is_none());
        let values = first.map(|node| level.values.get(node.key[0])).filter(|value| value.id.is_some());
        values.filter(|value| value.mentions(&search)).cloned().collect()
    }
}

/// Answers a question.
///
/// # Errors
/// 503 where Jira cannot be asked: never a smaller number.
pub async fn answer(
    app: &Arc<App>,
    caller: &Caller,
    checked: Checked,
    options: Options,
) -> AppResult<Answered> {
    let scope = match scope::look(app, caller, &checked, options).await? {
        Looked::Ready(scope) => *scope,
        Looked::Preparing(preparation) => return Ok(Answered::Preparing(preparation)),
    };
    let db = app.db(&caller.tenant).await?;
    let catalogue = db.read(tags::all).await?;
    let tags: HashMap<i64, String> =
        catalogue.into_iter().map(|tag| (tag.id, tag.name.expose().to_owned())).collect();
    let about = stamp::about(app, caller).await?;
    let known = (Arc::clone(app), caller.clone());
    // Arithmetic over up to millions of rows: not on the threads that serve, and not for everybody at once.
    let _turn = app.counting.acquire().await.map_err(|closed| AppError::internal(&closed))?;
    let report = tokio::task::spawn_blocking(move || {
        let (app, caller) = known;
        compute(&Known::of(&app, &caller), checked, scope, tags, options, about)
    });
    let report = report.await.map_err(|panicked| AppError::internal(&panicked))??;
    Ok(Answered::Report(Box::new(report)))
}

fn compute(
    known: &Known<'_>,
    checked: Checked,
    scope: Scope,
    tags: HashMap<i64, String>,
    options: Options,
    about: stamp::About,
) -> AppResult<Report> {
    let mut made = Making { known, checked: &checked, scope: &scope, tags: &tags, names: options.names };
    let (axes, values) = made.axes();
    let levels: Vec<Level> = checked
        .levels()
        .into_iter()
        .zip(values)
        .map(|(dimension, values)| {
            let ranks = values.ranks(dimension.period().is_some());
            Level { dimension, values, ranks }
        })
        .collect();
    let found = checked.needs_effective().then(|| {
        effective::of(&scope.state.snapshot, &scope.clock, &axes.accounts, &axes.visible, scope.viewer)
    });
    let (effective, overlaps) = found.unzip();
    let question = axes.question(&checked, &scope, effective.as_ref());
    let totals = aggregate::totals(&question);
    let total = tree::total(&totals);
    let mut digest = None;
    let content = match checked.kind {
        Kind::Summary | Kind::Timesheet | Kind::Pivot => table(&checked, &levels, &totals)?,
        Kind::Details => {
            let mut list = List::of(&question);
            digest = Some(checksum::of_list(&scope, &list, effective.as_ref()));
            sort_list(&mut list, &question, &checked, &scope, known);
            Content::Details { list, effective }
        }
        Kind::Overlaps => {
            let overlaps = overlaps.unwrap_or_default();
            Content::Overlaps(overlapping(overlaps, &question, &checked, &scope, known))
        }
    };
    let is_list = matches!(checked.kind, Kind::Details | Kind::Overlaps);
    let people = if is_list { made.people() } else { Vec::new() };
    let mut report = Report {
        people,
        digest,
        names: options.names,
        stamp: Stamp::new(about, &scope, options.count_hidden, &total.cell),
        checked,
        levels,
        tags,
        total,
        content,
        scope,
    };
    report.stamp.checksum = checksum::of(&report);
    Ok(report)
}

fn table(checked: &Checked, levels: &[Level], totals: &Totals) -> AppResult<Content> {
    let order = ByName { sort: checked.sort, levels };
    let rows = tree::rows(totals, &order, checked.top);
    let mut columns: Vec<u32> = Vec::new();
    if let (Some(dimension), Some(level)) = (checked.columns, levels.last()) {
        columns = match dimension.period() {
            // Also those without work.
            Some(_) => level.values.codes().collect(),
            None => tree::total(totals).columns.iter().map(|(code, _)| *code).collect(),
        };
        columns.sort_by_key(|code| level.rank(*code));
        if columns.len() > MOST_COLUMNS {
            let detail = format!(
                "That would be {} columns; {MOST_COLUMNS} are the most. Take a coarser column or a shorter range.",
                columns.len()
            );
            return Err(AppError::invalid("columns", "too_many_columns", detail));
        }
    }
    Ok(Content::Table { rows, columns })
}

impl Level {
    fn rank(&self, code: u32) -> u32 {
        self.ranks.get(code as usize).copied().unwrap_or(u32::MAX)
    }
}

/// Siblings by name, or by a measure; parts of the calendar in their own order.
struct ByName<'a> {
    sort: Option<Sort>,
    levels: &'a [Level],
}

impl Order for ByName<'_> {
    fn compare(&self, level: usize, one: (u32, &Cell), other: (u32, &Cell)) -> Ordering {
        let Some(level) = self.levels.get(level) else { return Ordering::Equal };
        let by_name = || level.rank(one.0).cmp(&level.rank(other.0));
        let Some(sort) = self.sort.filter(|_| level.dimension.period().is_none()) else { return by_name() };
        let measure = |cell: &Cell| match sort.by {
            SortBy::Seconds => cell.seconds,
            SortBy::Effective => cell.effective,
            SortBy::Worklogs => cell.worklogs.into(),
            SortBy::People => cell.people.into(),
            SortBy::Days => cell.days.into(),
            SortBy::Name | SortBy::Started => 0,
        };
        let by_measure = measure(one.1).cmp(&measure(other.1));
        match (sort.by, sort.descending) {
            (SortBy::Name, true) => by_name().reverse(),
            (_, true) => by_measure.reverse().then_with(by_name),
            (_, false) => by_measure.then_with(by_name),
        }
    }
}

/// The name of each account, for sorting.
fn names_of(scope: &Scope, known: &Known<'_>) -> Vec<String> {
    let accounts = scope.state.snapshot.accounts().iter();
    let name = |account: &Arc<str>| {
        let person = known.person(account);
        person
            .and_then(|person| person.display_name.clone())
            .map_or_else(|| account.to_string(), |name| name.to_lowercase())
    };
    accounts.map(name).collect()
}

fn sort_list(list: &mut List, question: &Question<'_>, checked: &Checked, scope: &Scope, known: &Known<'_>) {
    let Some(sort) = checked.sort else { return };
    let row = |place: Place| row_at(scope, place);
    // Turned round twice, ties stay in the order of their start.
    if sort.descending {
        list.reverse();
    }
    match sort.by {
        SortBy::Name => {
            let names = names_of(scope, known);
            list.sort_by_key(question, |place, _| names.get(row(place).account as usize).cloned());
        }
        SortBy::Seconds => list.sort_by_key(question, |place, _| row(place).seconds),
        SortBy::Effective => {
            list.sort_by_key(question, |place, _| question.effective.map(|all| all.seconds(place)))
        }
        _ => list.sort_by_key(question, |_, started| started),
    }
    if sort.descending {
        list.reverse();
    }
}

fn overlapping(
    mut overlaps: Vec<Overlap>,
    question: &Question<'_>,
    checked: &Checked,
    scope: &Scope,
    known: &Known<'_>,
) -> Vec<Overlap> {
    overlaps.retain(|overlap| question.holds(overlap.place));
    let names = names_of(scope, known);
    let row = |overlap: &Overlap| row_at(scope, overlap.place);
    overlaps.sort_by_key(|overlap| (row(overlap).start, row(overlap).id));
    match checked.sort.map(|sort| sort.by) {
        Some(SortBy::Name) => {
            overlaps.sort_by_key(|overlap| names.get(row(overlap).account as usize).cloned());
        }
        Some(SortBy::Seconds) => overlaps.sort_by_key(|overlap| overlap.seconds),
        _ => {}
    }
    if checked.sort.is_some_and(|sort| sort.descending) {
        overlaps.reverse();
    }
    overlaps
}

/// A row by its place.
pub fn row_at(scope: &Scope, place: Place) -> Row {
    scope.state.snapshot.parts()[place.part].segment.row(place.row)
}

/// What the engine is asked with.
struct Axes {
    accounts: Axis,
    slots: Axis,
    tagsets: Axis,
    days: Axis,
    visible: Vec<bool>,
}

impl Axes {
    fn question<'a>(
        &'a self,
        checked: &Checked,
        scope: &'a Scope,
        effective: Option<&'a Effective>,
    ) -> Question<'a> {
        let levels = checked.levels();
        Question {
            snapshot: &scope.state.snapshot,
            clock: &scope.clock,
            accounts: &self.accounts,
            slots: &self.slots,
            tagsets: &self.tagsets,
            days: &self.days,
            viewer: scope.viewer,
            rows: checked.rows.len(),
            columns: checked.columns.is_some(),
            many: std::array::from_fn(|level| levels.get(level).is_some_and(|level| level.has_many())),
            effective,
            people: checked.measures.contains(&Measure::People),
            days_worked: checked.measures.contains(&Measure::Days),
        }
    }
}

/// Makes axes and their values.
struct Making<'a> {
    known: &'a Known<'a>,
    checked: &'a Checked,
    scope: &'a Scope,
    tags: &'a HashMap<i64, String>,
    names: bool,
}

/// Levels of an axis, with their places among all.
type Own = Vec<(usize, Dimension)>;

impl Making<'_> {
    fn axes(&mut self) -> (Axes, Vec<Values>) {
        let levels = self.checked.levels();
        let mut values: Vec<Values> = levels.iter().map(|_| Values::default()).collect();
        let of = |wanted: fn(&Dimension) -> bool| -> Own {
            levels.iter().copied().enumerate().filter(|(_, level)| wanted(level)).collect()
        };
        let accounts = self.accounts(&of(|level| *level == Dimension::User), &mut values);
        let tagsets = self.tagsets(&of(|level| *level == Dimension::Tag), &mut values);
        let (slots, visible) = self.slots(&of(|level| level.is_of_issue()), &mut values);
        let days = self.days(&of(|level| level.period().is_some()), &mut values);
        (Axes { accounts, slots, tagsets, days, visible }, values)
    }

    fn accounts(&self, own: &Own, values: &mut [Values]) -> Axis {
        let snapshot = &self.scope.state.snapshot;
        let mut axis = new_axis(own, snapshot.accounts().len());
        let touched = self.scope.accounts.iter().zip(&self.scope.touched.accounts);
        for (code, account) in (0_u32..)
            .zip(snapshot.accounts())
            .zip(touched)
            .filter_map(|(account, (pass, touched))| (*pass && *touched).then_some(account))
        {
            let user = own.first().map(|(level, _)| {
                values[*level].code(account, || {
                    Value::person(account, self.known.person(account).as_deref(), self.names)
                })
            });
            axis.count(code, &user.as_ref().map(std::slice::from_ref).into_iter().collect::<Vec<_>>());
        }
        axis
    }

    fn tagsets(&self, own: &Own, values: &mut [Values]) -> Axis {
        let snapshot = &self.scope.state.snapshot;
        let mut axis = new_axis(own, snapshot.tagsets().len());
        for ((code, tags), _) in
            (0_u32..).zip(snapshot.tagsets()).zip(&self.scope.tagsets).filter(|(_, pass)| **pass)
        {
            let Some((level, _)) = own.first() else {
                axis.count(code, &[]);
                continue;
            };
            let codes: Vec<u32> =
                tags.iter().map(|tag| values[*level].code(&tag.to_string(), || self.tag(*tag))).collect();
            axis.count(code, &[or_none(&codes)]);
        }
        axis
    }

    fn tag(&self, id: i64) -> Value {
        Value { name: self.tags.get(&id).cloned(), ..Value::of_id(id.to_string()) }
    }

    /// Which slots count, under what; and which the viewer sees, counted or not.
    fn slots(&self, own: &Own, values: &mut [Values]) -> (Axis, Vec<bool>) {
        let scope = self.scope;
        let snapshot = &scope.state.snapshot;
        let mut axis = new_axis(own, snapshot.slots().len());
        let mut visible = vec![false; snapshot.slots().len()];
        for ((code, slot), _) in
            (0_u32..).zip(snapshot.slots()).zip(&scope.touched.slots).filter(|(_, touched)| **touched)
        {
            if !scope.allowed.contains(&slot.issue) {
                // The time of one's own work on it, without anything of the issue: what is asked of issues is not met.
                if !self.asks_for_issues() {
                    axis.count_own(code, &vec![HIDDEN; own.len()]);
                }
                continue;
            }
            let is_own =
                |id: i64| scope.viewer.is_some() && snapshot.row(id).map(|row| row.account) == scope.viewer;
            let seen = slot.restricted.is_none_or(|id| scope.restricted.contains(&id) || is_own(id));
            visible[code as usize] = seen;
            let facts = scope.facts.get(&slot.issue);
            if seen && self.picks(slot.issue, facts.map(|facts| &**facts)) {
                let codes: Vec<Vec<u32>> = own
                    .iter()
                    .map(|(level, dimension)| {
                        self.of_issue(
                            *dimension,
                            slot.issue,
                            facts.map(|facts| &**facts),
                            &mut values[*level],
                        )
                    })
                    .collect();
                axis.count(code, &codes.iter().map(|codes| or_none(codes)).collect::<Vec<_>>());
            }
        }
        (axis, visible)
    }

    fn asks_for_issues(&self) -> bool {
        let filters = &self.checked.filters;
        !filters.projects.include.is_empty()
            || !filters.issues.include.is_empty()
            || filters.jql.include.is_some()
    }

    /// Whether an issue passes the filters.
    fn picks(&self, issue: i64, facts: Option<&IssueFacts>) -> bool {
        let (include, exclude) = &self.checked.issues;
        let by_id = (include.is_empty() || include.contains(&issue)) && !exclude.contains(&issue);
        let (found, left_out) = &self.scope.jql;
        let by_jql = found.as_ref().is_none_or(|found| found.contains(&issue))
            && !left_out.as_ref().is_some_and(|found| found.contains(&issue));
        let project = facts.and_then(|facts| facts.project.as_ref()).map(|project| project.id.as_str());
        by_id && by_jql && self.checked.filters.projects.takes(project.into_iter())
    }

    fn of_issue(
        &self,
        dimension: Dimension,
        issue: i64,
        facts: Option<&IssueFacts>,
        values: &mut Values,
    ) -> Vec<u32> {
        if dimension == Dimension::Issue {
            return vec![
                values.code(&issue.to_string(), || Value::issue(issue, facts.filter(|_| self.names))),
            ];
        }
        let Some(facts) = facts else { return Vec::new() };
        let mut one = |named: &Named| values.code(&named.id, || self.named(named));
        match dimension {
            Dimension::Project => facts.project.iter().map(&mut one).collect(),
            Dimension::Parent => facts.parent.iter().map(&mut one).collect(),
            Dimension::IssueType => facts.issue_type.iter().map(&mut one).collect(),
            Dimension::Status => facts.status.iter().map(&mut one).collect(),
            Dimension::Component => facts.components.iter().map(&mut one).collect(),
            Dimension::FixVersion => facts.fix_versions.iter().map(&mut one).collect(),
            _ => {
                let label = |label: &String| Value { name: Some(label.clone()), ..Value::of_id(label) };
                facts.labels.iter().map(|text| values.code(text, || label(text))).collect()
            }
        }
    }

    /// Everybody who has worklogs in the range.
    fn people(&self) -> Vec<Value> {
        let accounts = self.scope.state.snapshot.accounts().iter().zip(&self.scope.touched.accounts);
        let person = |(account, touched): (&Arc<str>, &bool)| match touched {
            true => Value::person(account, self.known.person(account).as_deref(), self.names),
            false => Value::default(),
        };
        accounts.map(person).collect()
    }

    fn named(&self, named: &Named) -> Value {
        if self.names { Value::named(named) } else { Value::of_id(&named.id) }
    }

    fn days(&self, own: &Own, values: &mut [Values]) -> Axis {
        let clock = &self.scope.clock;
        let week_start = self.checked.week_start;
        let mut axis = new_axis(own, clock.days());
        for (level, dimension) in own {
            // In their own order, also where the range begins in the middle of a week.
            if *dimension == Dimension::Weekday {
                (0..7).for_each(|number| {
                    values[*level].code(&number.to_string(), || weekday(number, week_start));
                });
            }
        }
        for (member, day) in (0_u32..).zip(clock.first..=clock.last) {
            let codes: Vec<[u32; 1]> = own
                .iter()
                .map(|(level, dimension)| {
                    let period = dimension.period().unwrap_or(Period::Day);
                    let number = period.number(day, week_start);
                    [values[*level].code(&number.to_string(), || of_period(period, number, week_start))]
                })
                .collect();
            axis.count(member, &codes.iter().map(<[u32; 1]>::as_slice).collect::<Vec<_>>());
        }
        axis
    }
}

fn new_axis(own: &Own, members: usize) -> Axis {
    Axis::new(&own.iter().map(|(level, _)| *level).collect::<Vec<_>>(), members)
}

fn or_none(codes: &[u32]) -> &[u32] {
    if codes.is_empty() { &[NONE] } else { codes }
}

fn weekday(number: i32, week_start: chrono::Weekday) -> Value {
    let day = Period::Weekday.first_day(number, week_start);
    Value {
        name: Some(day.format("%A").to_string()),
        ..Value::of_id(day.weekday().number_from_monday().to_string())
    }
}

/// A period: its first day is its id.
fn of_period(period: Period, number: i32, week_start: chrono::Weekday) -> Value {
    let first = period.first_day(number, week_start);
    let name = match period {
        Period::Weekday => return weekday(number, week_start),
        Period::Day => first.to_string(),
        Period::Week => week_name(first),
        Period::Month => first.format("%Y-%m").to_string(),
        Period::Quarter => format!("{} Q{}", first.year(), first.month0() / 3 + 1),
        Period::Year => first.year().to_string(),
    };
    Value { name: Some(name), ..Value::of_id(first.to_string()) }
}

/// The ISO number of a week that begins on a Monday; of others the days, because no number of theirs is a standard.
fn week_name(first: NaiveDate) -> String {
    if first.weekday() == chrono::Weekday::Mon {
        let week = first.iso_week();
        return format!("{}-W{:02}", week.year(), week.week());
    }
    format!("{first} to {}", date(day_number(first) + 6))
}

/// Levels that a table can have, as the engine counts them.
const _: () = assert!(LEVELS == 5);
