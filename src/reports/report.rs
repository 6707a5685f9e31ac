//! A report: its levels, its table or list, and what is told about it.

use super::axes::Making;
use super::checksum;
use super::definition::{Checked, Dimension, Kind, Sort, SortBy};
use super::facts::Known;
use super::scope::{self, Looked, Options, Scope};
use super::stamp::{self, Stamp};
use super::values::{Member, Values};
use crate::app::App;
use crate::auth::Caller;
use crate::error::{AppError, AppResult};
use hourbook_engine::aggregate::{self, Cell, Question, Totals};
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
    pub people: Vec<Member>,
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
    pub fn values(&self, search: &str) -> Vec<Member> {
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
    let making = Making { known, checked: &checked, scope: &scope, tags: &tags, names: options.names };
    let (axes, values) = making.axes();
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
    let people = if is_list { making.people() } else { Vec::new() };
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
