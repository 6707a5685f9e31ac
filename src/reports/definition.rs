//! What can be asked: the same words in a query and in a saved report.

use crate::error::{AppError, AppResult};
use chrono::{NaiveDate, Weekday};
use chrono_tz::Tz;
use hourbook_engine::aggregate::Cell;
use hourbook_engine::calendar::{Period, Relative};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Levels of rows.
const MOST_ROWS: usize = 4;
/// Days of a range: a hundred years.
const MOST_DAYS: i64 = 36_600;
/// Entries of one list of a filter.
const MOST_LISTED: usize = 1000;
/// Characters of a JQL query.
const LONGEST_JQL: usize = 10_000;

/// A report, as it is asked for and as it is saved.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Definition {
    /// What is shown; `summary` if absent.
    #[serde(default)]
    pub kind: Kind,
    /// Which days.
    pub range: RangeInput,
    /// In whose zone a worklog has its day: `viewer` (the default), `author`, or an IANA name such as `Europe/Berlin`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// The first day of the week; `monday` if absent.
    #[serde(default)]
    pub week_start: WeekStart,
    /// What counts.
    #[serde(default)]
    pub filters: Filters,
    /// Up to four levels; if absent `project` for a summary and a pivot, `user` for a timesheet. Not for details and
    /// overlaps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<Vec<Dimension>>,
    /// `day`, `week`, `month`, `quarter` or `tag`; if absent `day` for a timesheet, `month` for a pivot, else none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<Dimension>,
    /// What is measured; `seconds` if absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub measures: Vec<Measure>,
    /// In which order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sort: Option<Sort>,
    /// Only that many groups of the first level; the others become one row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top: Option<usize>,
}

/// Kinds of report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// Sums of groups.
    #[default]
    Summary,
    /// The worklogs themselves.
    Details,
    /// People by days.
    Timesheet,
    /// Rows by columns.
    Pivot,
    /// Worklogs of a person that cover the same time.
    Overlaps,
}

/// Which days: `relative`, or `lastDays`, or `first` and `last`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RangeInput {
    /// Told by today, whenever it is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relative: Option<RelativeName>,
    /// That many days, the last of which is today.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_days: Option<u32>,
    /// The first day, such as `2026-03-01`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
    /// The last day, included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<String>,
}

/// Ranges that are told by today.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum RelativeName {
    /// The day that it is.
    Today,
    /// The day before.
    Yesterday,
    /// The week that today is in, as a whole.
    ThisWeek,
    /// The week before that.
    LastWeek,
    /// The month that today is in, as a whole.
    ThisMonth,
    /// The month before that.
    LastMonth,
    /// The quarter that today is in, as a whole.
    ThisQuarter,
    /// The quarter before that.
    LastQuarter,
    /// The year that today is in, as a whole.
    ThisYear,
    /// The year before that.
    LastYear,
}

impl From<RelativeName> for Relative {
    fn from(name: RelativeName) -> Self {
        match name {
            RelativeName::Today => Self::Today,
            RelativeName::Yesterday => Self::Yesterday,
            RelativeName::ThisWeek => Self::This(Period::Week),
            RelativeName::LastWeek => Self::Last(Period::Week),
            RelativeName::ThisMonth => Self::This(Period::Month),
            RelativeName::LastMonth => Self::Last(Period::Month),
            RelativeName::ThisQuarter => Self::This(Period::Quarter),
            RelativeName::LastQuarter => Self::Last(Period::Quarter),
            RelativeName::ThisYear => Self::This(Period::Year),
            RelativeName::LastYear => Self::Last(Period::Year),
        }
    }
}

/// The first day of the week.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "days of the week")]
pub enum WeekStart {
    #[default]
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

impl From<WeekStart> for Weekday {
    fn from(start: WeekStart) -> Self {
        match start {
            WeekStart::Monday => Self::Mon,
            WeekStart::Tuesday => Self::Tue,
            WeekStart::Wednesday => Self::Wed,
            WeekStart::Thursday => Self::Thu,
            WeekStart::Friday => Self::Fri,
            WeekStart::Saturday => Self::Sat,
            WeekStart::Sunday => Self::Sun,
        }
    }
}

/// What rows and columns are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Dimension {
    /// Who worked.
    User,
    /// The project of the issue.
    Project,
    /// The parent of the issue: its epic, or the issue of a subtask.
    Parent,
    /// The issue.
    Issue,
    /// The type of the issue.
    IssueType,
    /// The status of the issue, as it is now.
    Status,
    /// Its components: the time counts under each.
    Component,
    /// The versions that it is fixed in: the time counts under each.
    FixVersion,
    /// Its labels: the time counts under each.
    Label,
    /// The tags of the worklog: the time counts under each.
    Tag,
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
    /// Days of the week.
    Weekday,
}

impl Dimension {
    /// The part of the calendar, if it is one.
    pub fn period(self) -> Option<Period> {
        Some(match self {
            Self::Day => Period::Day,
            Self::Week => Period::Week,
            Self::Month => Period::Month,
            Self::Quarter => Period::Quarter,
            Self::Year => Period::Year,
            Self::Weekday => Period::Weekday,
            _ => return None,
        })
    }

    /// Whether a worklog may count under several values.
    pub fn has_many(self) -> bool {
        matches!(self, Self::Component | Self::FixVersion | Self::Label | Self::Tag)
    }

    /// Whether it is a fact of the issue (or the issue itself).
    pub fn is_of_issue(self) -> bool {
        !matches!(self, Self::User | Self::Tag) && self.period().is_none()
    }
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Measure {
    /// Time spent, seconds.
    Seconds,
    /// Effective time, seconds: what overlaps counts once for each person.
    Effective,
    /// Number of worklogs.
    Worklogs,
    /// Number of people.
    People,
    /// Number of calendar days with work on them.
    Days,
}

impl Measure {
    /// What a cell measures; people and days of groups that were put together are not known.
    pub fn of(self, cell: &Cell, is_rest: bool) -> Option<u64> {
        match self {
            Self::Seconds => Some(cell.seconds),
            Self::Effective => Some(cell.effective),
            Self::Worklogs => Some(cell.worklogs),
            Self::People => (!is_rest).then_some(cell.people),
            Self::Days => (!is_rest).then_some(cell.days),
        }
    }

    /// Whether the parts add up to the whole.
    pub fn is_additive(self) -> bool {
        matches!(self, Self::Seconds | Self::Effective | Self::Worklogs)
    }
}

/// What a list is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum SortBy {
    /// The name; for details the person's.
    Name,
    /// When it was started; for details only.
    Started,
    /// Time spent.
    Seconds,
    /// Effective time.
    Effective,
    /// Number of worklogs.
    Worklogs,
    /// Number of people.
    People,
    /// Number of days.
    Days,
}

/// An order. Parts of the calendar stay in their own order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sort {
    /// What by.
    pub by: SortBy,
    /// The largest first.
    #[serde(default)]
    pub descending: bool,
}

/// What counts: all conditions together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Filters {
    /// Atlassian account ids; also of people who have left.
    #[serde(skip_serializing_if = "Pick::is_empty")]
    pub people: Pick,
    /// Jira's group ids, by who is in them now.
    #[serde(skip_serializing_if = "Pick::is_empty")]
    pub groups: Pick,
    /// Jira's project ids.
    #[serde(skip_serializing_if = "Pick::is_empty")]
    pub projects: Pick,
    /// Jira's issue ids.
    #[serde(skip_serializing_if = "Pick::is_empty")]
    pub issues: Pick,
    /// Issues that Jira finds for the viewer.
    #[serde(skip_serializing_if = "PickJql::is_empty")]
    pub jql: PickJql,
    /// Ids of tags.
    #[serde(skip_serializing_if = "PickTags::is_empty")]
    pub tags: PickTags,
}

/// Ids of which one has to be met, and ids of which none may be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Pick {
    /// One of these; without any, all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<String>,
    /// None of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
}

impl Pick {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.include.is_empty() && self.exclude.is_empty()
    }

    /// Whether something with these ids is picked.
    pub fn takes<'a>(&self, mut ids: impl Iterator<Item = &'a str> + Clone) -> bool {
        let among = |list: &[String], id: &str| list.iter().any(|one| one == id);
        let wanted = self.include.is_empty() || ids.clone().any(|id| among(&self.include, id));
        wanted && !ids.any(|id| among(&self.exclude, id))
    }
}

/// Issues by JQL.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PickJql {
    /// Only what this finds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub include: Option<String>,
    /// Nothing that this finds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exclude: Option<String>,
}

impl PickJql {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.include.is_none() && self.exclude.is_none()
    }
}

/// Worklogs by their tags.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PickTags {
    /// With one of these at least.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub any: Vec<String>,
    /// With all of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub all: Vec<String>,
    /// With none of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub none: Vec<String>,
}

impl PickTags {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.any.is_empty() && self.all.is_empty() && self.none.is_empty()
    }
}

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
