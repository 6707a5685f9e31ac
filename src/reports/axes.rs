//! What each account, slot, set of tags and day counts under: filters, rights and dimensions made into the engine's axes.

use super::definition::{Checked, Dimension, Measure, Within};
use super::facts::Known;
use super::scope::Scope;
use super::values::{HIDDEN, Member, NONE, Values};
use crate::jira::issues::{IssueFacts, Named};
use chrono::{Datelike, NaiveDate};
use hourbook_engine::aggregate::Question;
use hourbook_engine::axis::Axis;
use hourbook_engine::calendar::{Period, date, day_number};
use hourbook_engine::effective::Effective;
use std::collections::HashMap;
use std::sync::Arc;

/// What the engine is asked with.
pub struct Axes {
    /// Of people.
    pub accounts: Axis,
    slots: Axis,
    tagsets: Axis,
    days: Axis,
    /// Slots that the viewer sees, whether they count or not.
    pub visible: Vec<bool>,
}

impl Axes {
    /// The question for the engine.
    pub fn question<'a>(
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
pub struct Making<'a> {
    /// What is remembered of people.
    pub known: &'a Known<'a>,
    /// What is asked.
    pub checked: &'a Checked,
    /// What it is about.
    pub scope: &'a Scope,
    /// Names of tags.
    pub tags: &'a HashMap<i64, String>,
    /// Whether names are wanted.
    pub names: bool,
}

/// Levels of an axis, with their places among all.
type Own = Vec<(usize, Dimension)>;

impl Making<'_> {
    /// The axes, and for each level its values.
    pub fn axes(&self) -> (Axes, Vec<Values>) {
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
            if !self.within(Dimension::User).all(|within| match account.is_empty() {
                true => within.id.is_none(),
                false => within.id.as_deref() == Some(account),
            }) {
                continue;
            }
            let user = own.first().map(|(level, _)| {
                values[*level].code(account, || {
                    Member::person(account, self.known.person(account).as_deref(), self.names)
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
            let ids: Vec<String> = tags.iter().map(i64::to_string).collect();
            if !self.within(Dimension::Tag).all(|within| within.takes(ids.iter().map(String::as_str))) {
                continue;
            }
            let Some((level, _)) = own.first() else {
                axis.count(code, &[]);
                continue;
            };
            let codes: Vec<u32> =
                tags.iter().zip(&ids).map(|(tag, id)| values[*level].code(id, || self.tag(*tag))).collect();
            axis.count(code, &[or_none(&codes)]);
        }
        axis
    }

    fn tag(&self, id: i64) -> Member {
        Member { name: self.tags.get(&id).cloned(), ..Member::of_id(id.to_string()) }
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
                if !self.asks_for_issues() && self.within_issues().all(|within| within.is_hidden()) {
                    axis.count_own(code, &vec![HIDDEN; own.len()]);
                }
                continue;
            }
            let is_own =
                |id: i64| scope.viewer.is_some() && snapshot.row(id).map(|row| row.account) == scope.viewer;
            let seen = slot.restricted.is_none_or(|id| scope.restricted.contains(&id) || is_own(id));
            visible[code as usize] = seen;
            let facts = scope.facts.get(&slot.issue);
            if seen
                && self.picks(slot.issue, facts.map(|facts| &**facts))
                && self.is_within(slot.issue, facts)
            {
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
                values.code(&issue.to_string(), || Member::issue(issue, facts.filter(|_| self.names))),
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
                let label = |label: &String| Member { name: Some(label.clone()), ..Member::of_id(label) };
                facts.labels.iter().map(|text| values.code(text, || label(text))).collect()
            }
        }
    }

    /// The members of a level that are asked for.
    fn within(&self, dimension: Dimension) -> impl Iterator<Item = &Within> {
        self.checked.filters.within.iter().filter(move |within| within.dimension == dimension)
    }

    fn within_issues(&self) -> impl Iterator<Item = &Within> {
        self.checked.filters.within.iter().filter(|within| within.dimension.is_of_issue())
    }

    /// Whether an issue counts under the members that are asked for.
    fn is_within(&self, issue: i64, facts: Option<&Arc<IssueFacts>>) -> bool {
        self.within_issues().all(|within| {
            let mut members = Values::default();
            let codes = self.of_issue(within.dimension, issue, facts.map(|facts| &**facts), &mut members);
            within.takes(codes.iter().filter_map(|code| members.get(*code).id.as_deref()))
        })
    }

    /// Whether a day counts under the members that are asked for.
    fn is_day_within(&self, day: i32) -> bool {
        let week_start = self.checked.week_start;
        self.checked.filters.within.iter().all(|within| {
            within.dimension.period().is_none_or(|period| {
                let member = of_period(period, period.number(day, week_start), week_start);
                within.takes(member.id.as_deref().into_iter())
            })
        })
    }

    /// Everybody who has worklogs in the range.
    pub fn people(&self) -> Vec<Member> {
        let accounts = self.scope.state.snapshot.accounts().iter().zip(&self.scope.touched.accounts);
        let person = |(account, touched): (&Arc<str>, &bool)| match touched {
            true => Member::person(account, self.known.person(account).as_deref(), self.names),
            false => Member::default(),
        };
        accounts.map(person).collect()
    }

    fn named(&self, named: &Named) -> Member {
        if self.names { Member::named(named) } else { Member::of_id(&named.id) }
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
            if !self.is_day_within(day) {
                continue;
            }
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

fn weekday(number: i32, week_start: chrono::Weekday) -> Member {
    let day = Period::Weekday.first_day(number, week_start);
    Member {
        name: Some(day.format("%A").to_string()),
        ..Member::of_id(day.weekday().number_from_monday().to_string())
    }
}

/// A period: its first day is its id.
fn of_period(period: Period, number: i32, week_start: chrono::Weekday) -> Member {
    let first = period.first_day(number, week_start);
    let name = match period {
        Period::Weekday => return weekday(number, week_start),
        Period::Day => first.to_string(),
        Period::Week => week_name(first),
        Period::Month => first.format("%Y-%m").to_string(),
        Period::Quarter => format!("{} Q{}", first.year(), first.month0() / 3 + 1),
        Period::Year => first.year().to_string(),
    };
    Member { name: Some(name), ..Member::of_id(first.to_string()) }
}

/// The ISO number of a week that begins on a Monday; of others the days, because no number of theirs is a standard.
fn week_name(first: NaiveDate) -> String {
    if first.weekday() == chrono::Weekday::Mon {
        let week = first.iso_week();
        return format!("{}-W{:02}", week.year(), week.week());
    }
    format!("{first} to {}", date(day_number(first) + 6))
}
