//! Whether a definition makes sense, and what it means where it does not say.

use super::{Definition, Dimension, Filters, Kind, Measure, RangeInput, Sort, SortBy};
use crate::error::{AppError, AppResult};
use chrono::{NaiveDate, Weekday};
use chrono_tz::Tz;
use hourbook_engine::calendar::Relative;

/// Levels of rows.
const MOST_ROWS: usize = 4;
/// Days of a range: a hundred years.
const MOST_DAYS: i64 = 36_600;
/// Entries of one list of a filter.
const MOST_LISTED: usize = 1000;
/// Characters of a JQL query.
const LONGEST_JQL: usize = 10_000;

/// In whose zone a worklog has its day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ZoneRule {
    /// The viewer's, as Jira's profile says.
    Viewer,
    /// Each author's own.
    Author,
    /// This one.
    Fixed(Tz),
}

/// Which days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range {
    /// By today.
    Relative(Relative),
    /// First and last.
    Days(NaiveDate, NaiveDate),
}

/// A definition that makes sense, with everything that it leaves out.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// What is shown.
    pub kind: Kind,
    /// Which days.
    pub range: Range,
    /// In whose zone.
    pub zone: ZoneRule,
    /// The first day of the week.
    pub week_start: Weekday,
    /// What counts.
    pub filters: Filters,
    /// Issue ids of the filter.
    pub issues: (Vec<i64>, Vec<i64>),
    /// Tag ids of the filter: any, all, none.
    pub tags: [Vec<i64>; 3],
    /// Levels of rows.
    pub rows: Vec<Dimension>,
    /// The level of columns.
    pub columns: Option<Dimension>,
    /// What is measured.
    pub measures: Vec<Measure>,
    /// In which order.
    pub sort: Option<Sort>,
    /// Groups of the first level.
    pub top: Option<usize>,
}

impl Checked {
    /// The levels: rows, then the one of columns.
    pub fn levels(&self) -> Vec<Dimension> {
        self.rows.iter().copied().chain(self.columns).collect()
    }

    /// Whether effective time is needed.
    pub fn needs_effective(&self) -> bool {
        self.kind == Kind::Overlaps || self.measures.contains(&Measure::Effective)
    }
}

fn invalid(field: &str, text: impl Into<String>) -> AppError {
    AppError::invalid(field, "definition_invalid", text)
}

fn date(field: &str, text: &str) -> AppResult<NaiveDate> {
    text.parse().map_err(|_| invalid(field, format!("{field} is a day such as 2026-03-01.")))
}

fn range(input: &RangeInput) -> AppResult<Range> {
    match (input.relative, input.last_days, &input.first, &input.last) {
        (Some(name), None, None, None) => Ok(Range::Relative(name.into())),
        (None, Some(days), None, None) if days > 0 && i64::from(days) <= MOST_DAYS => {
            Ok(Range::Relative(Relative::LastDays(days)))
        }
        (None, Some(_), None, None) => {
            Err(invalid("range.lastDays", format!("lastDays is a number from 1 to {MOST_DAYS}.")))
        }
        (None, None, Some(first), Some(last)) => {
            let (first, last) = (date("range.first", first)?, date("range.last", last)?);
            if last < first {
                return Err(invalid("range.last", "The last day comes before the first."));
            }
            if (last - first).num_days() >= MOST_DAYS {
                return Err(invalid("range.last", format!("A range has {MOST_DAYS} days at most.")));
            }
            Ok(Range::Days(first, last))
        }
        _ => Err(invalid(
            "range",
            "range is one of {\"relative\": \"thisWeek\"}, {\"lastDays\": 30} or {\"first\": \"2026-03-01\", \"last\": \"2026-03-31\"}.",
        )),
    }
}

fn zone(text: Option<&str>) -> AppResult<ZoneRule> {
    match text {
        None | Some("viewer") => Ok(ZoneRule::Viewer),
        Some("author") => Ok(ZoneRule::Author),
        Some(name) => name
            .parse()
            .map(ZoneRule::Fixed)
            .map_err(|_| invalid("zone", "zone is viewer, author, or an IANA name such as Europe/Berlin.")),
    }
}

fn ids(field: &str, texts: &[String]) -> AppResult<Vec<i64>> {
    texts
        .iter()
        .map(|text| text.parse::<i64>().ok().filter(|id| *id > 0))
        .collect::<Option<_>>()
        .ok_or_else(|| invalid(field, format!("{field} has numeric ids, not keys or names.")))
}

fn short(field: &str, list: &[String]) -> AppResult<()> {
    if list.len() <= MOST_LISTED {
        return Ok(());
    }
    Err(invalid(field, format!("{field} has {MOST_LISTED} entries at most.")))
}

/// Rows, columns and measures of a kind, where the definition does not say.
fn shape(definition: &Definition) -> AppResult<(Vec<Dimension>, Option<Dimension>)> {
    use Dimension::{Day, Month, Project, Quarter, Tag, User, Week};
    let rows = |otherwise: Dimension| definition.rows.clone().unwrap_or_else(|| vec![otherwise]);
    let (rows, columns) = match definition.kind {
        Kind::Summary => (rows(Project), definition.columns),
        Kind::Timesheet => (rows(User), definition.columns.or(Some(Day))),
        Kind::Pivot => (rows(Project), definition.columns.or(Some(Month))),
        Kind::Details | Kind::Overlaps => {
            let given = definition.rows.is_some() || definition.columns.is_some() || definition.top.is_some();
            if given {
                return Err(invalid("rows", "Details and overlaps have no rows, columns or top."));
            }
            (Vec::new(), None)
        }
    };
    if rows.len() > MOST_ROWS {
        return Err(invalid("rows", format!("There are {MOST_ROWS} levels of rows at most.")));
    }
    if !columns.is_none_or(|columns| matches!(columns, Day | Week | Month | Quarter | Tag)) {
        return Err(invalid("columns", "columns is day, week, month, quarter or tag."));
    }
    let levels: Vec<Dimension> = rows.iter().copied().chain(columns).collect();
    if let Some(twice) = levels.iter().enumerate().find(|(at, level)| levels[..*at].contains(level)) {
        return Err(invalid("rows", format!("{:?} stands twice in rows and columns.", twice.1)));
    }
    Ok((rows, columns))
}

fn sort(definition: &Definition, measures: &[Measure]) -> AppResult<Option<Sort>> {
    let Some(sort) = definition.sort else { return Ok(None) };
    let is_list = matches!(definition.kind, Kind::Details | Kind::Overlaps);
    let needed = match sort.by {
        SortBy::Name => return Ok(Some(sort)),
        SortBy::Started | SortBy::Seconds if is_list => return Ok(Some(sort)),
        SortBy::Effective if is_list && measures.contains(&Measure::Effective) => return Ok(Some(sort)),
        _ if is_list => {
            return Err(invalid(
                "sort.by",
                "Worklogs are sorted by name, started, seconds or, if it is among the measures, effective.",
            ));
        }
        SortBy::Started => return Err(invalid("sort.by", "Only worklogs themselves are sorted by started.")),
        SortBy::Seconds => Measure::Seconds,
        SortBy::Effective => Measure::Effective,
        SortBy::Worklogs => Measure::Worklogs,
        SortBy::People => Measure::People,
        SortBy::Days => Measure::Days,
    };
    if measures.contains(&needed) {
        return Ok(Some(sort));
    }
    Err(invalid("sort.by", "What is sorted by has to be among the measures."))
}

impl Definition {
    /// Checks that it makes sense, and fills in what it leaves out.
    ///
    /// # Errors
    /// 400 that names the field and what would be right.
    pub fn check(&self) -> AppResult<Checked> {
        let filters = &self.filters;
        for (field, pick) in [
            ("filters.people", &filters.people),
            ("filters.groups", &filters.groups),
            ("filters.projects", &filters.projects),
            ("filters.issues", &filters.issues),
        ] {
            short(field, &pick.include)?;
            short(field, &pick.exclude)?;
        }
        for jql in [&filters.jql.include, &filters.jql.exclude].into_iter().flatten() {
            if jql.trim().is_empty() || jql.chars().count() > LONGEST_JQL {
                return Err(invalid("filters.jql", format!("JQL has 1 to {LONGEST_JQL} characters.")));
            }
        }
        for within in &filters.within {
            let state = within.state.as_deref();
            if within.id.is_none() && !matches!(state, Some("none" | "hidden" | "unknown")) {
                return Err(invalid(
                    "filters.within",
                    "A member has an id, or the state none, hidden or unknown.",
                ));
            }
        }
        if filters.within.len() > MOST_ROWS + 1 {
            return Err(invalid("filters.within", "There is one member for each level at most."));
        }
        let mut measures = self.measures.clone();
        if measures.is_empty() {
            measures.push(Measure::Seconds);
        }
        if measures.iter().enumerate().any(|(at, measure)| measures[..at].contains(measure)) {
            return Err(invalid("measures", "A measure stands twice."));
        }
        if self.top == Some(0) {
            return Err(invalid("top", "top is 1 or more."));
        }
        let (rows, columns) = shape(self)?;
        Ok(Checked {
            kind: self.kind,
            range: range(&self.range)?,
            zone: zone(self.zone.as_deref())?,
            week_start: self.week_start.into(),
            issues: (
                ids("filters.issues.include", &filters.issues.include)?,
                ids("filters.issues.exclude", &filters.issues.exclude)?,
            ),
            tags: [
                ids("filters.tags.any", &filters.tags.any)?,
                ids("filters.tags.all", &filters.tags.all)?,
                ids("filters.tags.none", &filters.tags.none)?,
            ],
            filters: filters.clone(),
            rows,
            columns,
            sort: sort(self, &measures)?,
            measures,
            top: self.top,
        })
    }
}
