//! What can be asked: the same words in a query and in a saved report.

mod checked;

pub use checked::{Checked, Range, ZoneRule};

use chrono::Weekday;
use hourbook_engine::aggregate::Cell;
use hourbook_engine::calendar::{Period, Relative};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

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
            Self::Worklogs => Some(cell.worklogs.into()),
            Self::People => (!is_rest).then_some(cell.people.into()),
            Self::Days => (!is_rest).then_some(cell.days.into()),
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
    /// What counts under all of these, as rows and columns of a table have it: how a number of one becomes the list of
    /// its worklogs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub within: Vec<Within>,
}

/// A member of a dimension, told as an answer tells it: by its id, or of a bucket by its state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Within {
    /// The level that it is a member of.
    pub dimension: Dimension,
    /// Its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Without an id: `none`, `hidden` or `unknown`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
}

impl Within {
    /// Whether something that counts under these ids counts under it: without any, under the bucket of what has none.
    pub fn takes<'a>(&self, mut ids: impl Iterator<Item = &'a str>) -> bool {
        match &self.id {
            Some(id) => ids.any(|known| known == id),
            None => self.state.as_deref() == Some("none") && ids.next().is_none(),
        }
    }

    /// Whether it is the bucket of one's own work on issues that one may not see.
    pub fn is_hidden(&self) -> bool {
        self.id.is_none() && self.state.as_deref() == Some("hidden")
    }
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
