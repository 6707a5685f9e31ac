//! A report as columns and fields, whatever the kind of file.

use crate::reports::definition::{Dimension, Kind, Measure};
use crate::reports::report::{Content, Report};
use crate::reports::stamp::Stamp;
use crate::reports::values::Member;
use crate::reports::worklogs::{self, Line};
use hourbook_engine::aggregate::Cell;
use hourbook_engine::tree::Node;
use std::io;

/// A field of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Field {
    /// Nothing.
    Empty,
    /// Text, as it is.
    Text(String),
    /// A number of things.
    Count(u64),
    /// Seconds, as their number.
    Seconds(u64),
    /// The same seconds as hours: a true number, or a duration.
    Hours(u64),
    /// A day, `2026-03-01`.
    Day(String),
}

impl Field {
    fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }
}

/// What a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The names of the columns.
    Head,
    /// A row.
    Body,
    /// The total.
    Total,
}

/// A kind of file, written row by row.
pub trait Sheet: Send {
    /// Writes a row.
    fn row(&mut self, part: Part, fields: &[Field]);
    /// Writes what comes behind the total.
    fn end(&mut self, stamp: &Stamp);
    /// What was written since the last time.
    ///
    /// # Errors
    /// When it could not be written.
    fn take(&mut self) -> io::Result<Vec<u8>>;
}

/// The stamp in words, a name and a value each.
pub fn about(stamp: &Stamp) -> Vec<(&'static str, String)> {
    let mut lines = vec![
        ("In step with Jira as of", stamp.in_step_as_of.clone().unwrap_or_else(|| "not yet".into())),
        ("Computed at", stamp.computed_at.clone()),
        ("Worklogs counted", stamp.worklogs.to_string()),
        ("Changes not taken in yet", stamp.pending.to_string()),
        ("Zone of the days", format!("{} ({})", stamp.zone.name, stamp.zone.rule)),
        ("Visibility", stamp.visibility.to_owned()),
    ];
    lines.extend(stamp.narrowed.map(|narrowed| ("Only your own", narrowed.to_owned())));
    lines.extend(stamp.warnings.iter().map(|warning| ("Warning", warning.message.clone())));
    lines.push(("SHA-256 of the result", stamp.checksum.clone()));
    lines
}

/// Which columns a file has.
pub struct Columns {
    levels: Vec<Dimension>,
    measures: Vec<Measure>,
    /// Codes and names of the columns of a table.
    columns: Vec<(u32, String)>,
    /// Of a list of worklogs instead.
    list: Option<Kind>,
}

fn name(dimension: Dimension) -> &'static str {
    match dimension {
        Dimension::User => "user",
        Dimension::Project => "project",
        Dimension::Parent => "parent",
        Dimension::Issue => "issue",
        Dimension::IssueType => "issue type",
        Dimension::Status => "status",
        Dimension::Component => "component",
        Dimension::FixVersion => "fix version",
        Dimension::Label => "label",
        Dimension::Tag => "tag",
        Dimension::Day => "day",
        Dimension::Week => "week",
        Dimension::Month => "month",
        Dimension::Quarter => "quarter",
        Dimension::Year => "year",
        Dimension::Weekday => "weekday",
    }
}

fn has_key(dimension: Dimension) -> bool {
    matches!(dimension, Dimension::Issue | Dimension::Parent | Dimension::Project)
}

/// What stands for a value: its name, or what bucket it is.
fn shown(value: &Member) -> String {
    let bucket = value.state.filter(|_| value.id.is_none()).map(|state| format!("({state})"));
    value.name.clone().or(bucket).or_else(|| value.id.clone()).unwrap_or_default()
}

/// The fields of a value of a dimension: key and name or only one of them, and the id.
fn of_value(dimension: Dimension, value: &Member) -> Vec<Field> {
    if dimension == Dimension::Day {
        return vec![value.id.clone().map_or(Field::Empty, Field::Day)];
    }
    let mut fields = Vec::with_capacity(3);
    if has_key(dimension) {
        fields.push(value.key.clone().map_or_else(|| Field::text(shown(value)), Field::Text));
        let named = value.name.clone().filter(|_| value.key.is_some());
        fields.push(named.map_or(Field::Empty, Field::Text));
    } else {
        fields.push(Field::text(shown(value)));
    }
    if dimension.period().is_none() && dimension != Dimension::Label {
        fields.push(value.id.clone().map_or(Field::Empty, Field::Text));
    }
    fields
}

fn head_of(dimension: Dimension) -> Vec<String> {
    let name = name(dimension);
    let mut head = vec![name.to_owned()];
    if has_key(dimension) {
        head.push(format!("{name} name"));
    }
    if dimension.period().is_none() && dimension != Dimension::Label {
        head.push(format!("{name} id"));
    }
    head
}

fn head_of_measure(measure: Measure) -> &'static [&'static str] {
    match measure {
        Measure::Seconds => &["seconds", "hours"],
        Measure::Effective => &["effective seconds", "effective hours"],
        Measure::Worklogs => &["worklogs"],
        Measure::People => &["people"],
        Measure::Days => &["days"],
    }
}

fn of_measure(measure: Measure, value: Option<u64>) -> Vec<Field> {
    match (measure, value) {
        (Measure::Seconds | Measure::Effective, Some(value)) => {
            vec![Field::Seconds(value), Field::Hours(value)]
        }
        (_, Some(value)) => vec![Field::Count(value)],
        (_, None) => vec![Field::Empty; head_of_measure(measure).len()],
    }
}

impl Columns {
    /// Of a report.
    pub fn of(report: &Report) -> Self {
        let checked = &report.checked;
        let codes = match &report.content {
            Content::Table { columns, .. } => columns.as_slice(),
            Content::Details { .. } | Content::Overlaps(_) => &[],
        };
        let level = report.levels.last();
        let columns = codes.iter().filter_map(|code| Some((*code, shown(level?.values.get(*code)))));
        Self {
            levels: checked.rows.clone(),
            measures: checked.measures.clone(),
            columns: columns.collect(),
            list: matches!(checked.kind, Kind::Details | Kind::Overlaps).then_some(checked.kind),
        }
    }

    /// The names of the columns.
    pub fn head(&self) -> Vec<Field> {
        let mut head: Vec<String> = match self.list {
            None => self.levels.iter().flat_map(|level| head_of(*level)).collect(),
            Some(_) => {
                let mut head = vec!["day".to_owned(), "started".to_owned()];
                head.extend([Dimension::User, Dimension::Issue].into_iter().flat_map(head_of));
                head.push("worklog id".into());
                head
            }
        };
        head.extend(
            self.measured()
                .iter()
                .flat_map(|measure| head_of_measure(*measure))
                .map(|name| (*name).to_owned()),
        );
        for (_, column) in &self.columns {
            let names = self.measures.iter().flat_map(|measure| head_of_measure(*measure));
            head.extend(names.map(|name| format!("{column} {name}")));
        }
        match self.list {
            Some(Kind::Overlaps) => {
                head.extend(["overlap seconds", "overlap hours", "overlaps with"].map(str::to_owned))
            }
            Some(_) => head.extend(["tags", "comment", "restricted"].map(str::to_owned)),
            None => {}
        }
        head.into_iter().map(Field::Text).collect()
    }

    /// What is measured; of a worklog itself only its time.
    fn measured(&self) -> Vec<Measure> {
        let of_list = |measure: &Measure| matches!(measure, Measure::Seconds | Measure::Effective);
        match self.list {
            None => self.measures.clone(),
            Some(_) => {
                let mut measures: Vec<Measure> = self.measures.iter().copied().filter(of_list).collect();
                if !measures.contains(&Measure::Seconds) {
                    measures.insert(0, Measure::Seconds);
                }
                measures
            }
        }
    }

    /// How many rows there are between the head and the total.
    pub fn count(&self, report: &Report) -> usize {
        match &report.content {
            Content::Table { rows, .. } => rows.iter().filter(|node| self.is_shown(node)).count(),
            Content::Details { .. } | Content::Overlaps(_) => worklogs::count(report),
        }
    }

    fn is_shown(&self, node: &Node) -> bool {
        node.depth == self.levels.len() || node.rest_of.is_some()
    }

    /// A row of the table; `None` for those that only sum up others.
    pub fn of_node(&self, report: &Report, at: usize) -> Option<Vec<Field>> {
        let Content::Table { rows, .. } = &report.content else { return None };
        let node = rows.get(at).filter(|node| self.is_shown(node))?;
        let mut fields = Vec::new();
        for (at, dimension) in self.levels.iter().enumerate() {
            match node.rest_of {
                Some(groups) if at == 0 => fields.push(Field::text(format!("({groups} others)"))),
                Some(_) => fields.push(Field::Empty),
                None => {
                    let value = report.levels.get(at)?.values.get(node.key[at]);
                    fields.extend(of_value(*dimension, value));
                    continue;
                }
            }
            fields.extend(std::iter::repeat_n(Field::Empty, head_of(*dimension).len() - 1));
        }
        fields.extend(self.sums(node));
        Some(fields)
    }

    fn sums(&self, node: &Node) -> Vec<Field> {
        let is_rest = node.rest_of.is_some();
        let of_cell = |cell: &Cell| -> Vec<Field> {
            self.measures.iter().flat_map(|measure| of_measure(*measure, measure.of(cell, is_rest))).collect()
        };
        let mut fields = of_cell(&node.cell);
        for (code, _) in &self.columns {
            let found = node.columns.binary_search_by_key(code, |(code, _)| *code).ok();
            let cell = found.and_then(|at| node.columns.get(at)).map(|(_, cell)| *cell);
            fields.extend(of_cell(&cell.unwrap_or_default()));
        }
        fields
    }

    /// A worklog.
    pub fn of_line(&self, line: &Line) -> Vec<Field> {
        let mut fields = vec![Field::Day(line.day.clone()), Field::text(&line.started)];
        fields.extend(of_value(Dimension::User, &line.user));
        fields.extend(of_value(Dimension::Issue, &line.issue));
        fields.push(Field::text(&line.worklog_id));
        for measure in self.measured() {
            let value = if measure == Measure::Effective { line.effective } else { Some(line.seconds) };
            fields.extend(of_measure(measure, value.map(u64::from)));
        }
        if self.list == Some(Kind::Overlaps) {
            fields.extend(of_measure(Measure::Seconds, line.overlap.map(u64::from)));
            fields.push(line.with.clone().map_or(Field::Empty, Field::Text));
        } else {
            let tags: Vec<String> = line.tags.iter().map(shown).collect();
            fields.push(Field::text(tags.join(", ")));
            fields.push(line.comment.clone().map_or(Field::Empty, Field::Text));
            fields.push(Field::text(if line.restricted { "yes" } else { "no" }));
        }
        fields
    }

    /// The total.
    pub fn total(&self, report: &Report) -> Vec<Field> {
        let width = self.head().len();
        let before = match self.list {
            None => self.levels.iter().map(|level| head_of(*level).len()).sum(),
            Some(_) => 8,
        };
        let mut fields = vec![Field::Empty; before];
        if let Some(first) = fields.first_mut() {
            *first = Field::text("Total");
        }
        match self.list {
            None => fields.extend(self.sums(&report.total)),
            Some(kind) => {
                let cell = &report.total.cell;
                let overlapping = kind == Kind::Overlaps;
                for measure in self.measured() {
                    // The total counts everything, the list only what overlaps: a sum of it would be another number.
                    fields.extend(of_measure(measure, measure.of(cell, false).filter(|_| !overlapping)));
                }
                if let Content::Overlaps(overlaps) = &report.content {
                    let sum = overlaps.iter().map(|overlap| u64::from(overlap.seconds)).sum();
                    fields.extend(of_measure(Measure::Seconds, Some(sum)));
                }
            }
        }
        fields.resize(width, Field::Empty);
        fields
    }
}
