//! From a definition to what it is about: days, people, issues; and what Jira has to be asked for it.

use super::definition::{Checked, Dimension, Kind, Range, ZoneRule};
use super::facts::{self, Cost, Gathered, Known, Needs, Progress};
use super::prepare::{self, Preparation};
use super::projections::{self, State};
use crate::app::App;
use crate::auth::{Caller, permission};
use crate::error::{AppError, AppResult};
use crate::jira::error::JiraError;
use crate::jira::issues::IssueFacts;
use crate::jira::meter::Class;
use crate::jira::sign::Scopes;
use crate::jira::site::Acting;
use crate::jira::worklogs::LIST_MAX;
use chrono::{DateTime, NaiveDate};
use chrono_tz::Tz;
use hourbook_engine::axis::Axis;
use hourbook_engine::calendar::{Offsets, day_number};
use hourbook_engine::effective;
use hourbook_engine::projection::Snapshot;
use hourbook_engine::scan::{self, Clock, Touched, Zone};
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::HashSet;
use std::sync::Arc;

/// Issues that JQL found: to be included, and to be excluded.
type FoundByJql = (Option<Arc<HashSet<i64>>>, Option<Arc<HashSet<i64>>>);

const DAY: i64 = 86_400;

/// How a question is asked.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Whether names are wanted beside ids.
    pub names: bool,
    /// Whether a Jira admin wants to know how many worklogs do not count for them.
    pub count_hidden: bool,
}

/// In whose zone the days are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZoneTold {
    /// `viewer`, `author` or `fixed`.
    pub rule: &'static str,
    /// The zone; of `author` the one that stands in for people whose zone is not known.
    pub name: String,
    /// People with worklogs in the range whose zone is not known.
    pub unknown: usize,
}

/// What came of looking.
pub enum Looked {
    /// Everything is known.
    Ready(Box<Scope>),
    /// Jira has to be asked so much that it is done beside the request.
    Preparing(Arc<Preparation>),
}

/// What a question is about, with everything known that it needs.
pub struct Scope {
    /// The worklogs.
    pub state: State,
    /// The days.
    pub clock: Clock,
    /// First and last day.
    pub days: (NaiveDate, NaiveDate),
    /// In whose zone.
    pub zone: ZoneTold,
    /// Whether only the viewer's own worklogs count, because they lack the report right.
    pub narrowed: bool,
    /// Accounts that pass the filters, by code.
    pub accounts: Vec<bool>,
    /// Sets of tags that pass the filters, by code.
    pub tagsets: Vec<bool>,
    /// Slots that have worklogs in the range.
    pub touched: Touched,
    /// Issues that the viewer may browse, among those that were touched.
    pub allowed: FxHashSet<i64>,
    /// Facts of these, where they are needed.
    pub facts: FxHashMap<i64, Arc<IssueFacts>>,
    /// Restricted worklogs that the viewer may see, among those that were touched.
    pub restricted: FxHashSet<i64>,
    /// What JQL found: included and excluded.
    pub jql: FoundByJql,
    /// The viewer's account, if it has worklogs.
    pub viewer: Option<u32>,
}

/// What is known before Jira is asked who may see what.
struct Draft {
    state: State,
    days: (NaiveDate, NaiveDate),
    zone: Tz,
    narrowed: bool,
    accounts: Vec<bool>,
    tagsets: Vec<bool>,
    touched: Touched,
    jql: FoundByJql,
    /// The days, a day more at both ends where authors have zones of their own.
    around: Clock,
}

/// What came of a first look.
enum Drafted {
    Draft(Box<Draft>),
    /// Groups of people have to be known first.
    Asks(Needs),
}

impl Draft {
    fn viewer(&self, caller: &Caller) -> Option<u32> {
        self.state.snapshot.account(&caller.account_id)
    }

    fn people(&self) -> Vec<Arc<str>> {
        with_work(&self.state.snapshot, &self.touched)
    }

    fn issues(&self) -> Vec<i64> {
        let slots = self.state.snapshot.slots().iter().zip(&self.touched.slots);
        let mut issues: Vec<i64> =
            slots.filter(|(_, touched)| **touched).map(|(slot, _)| slot.issue).collect();
        issues.sort_unstable();
        issues.dedup();
        issues
    }

    /// Restricted worklogs on issues that the viewer may browse.
    fn restricted(&self, is_allowed: impl Fn(i64) -> bool, viewer: Option<u32>) -> Vec<i64> {
        let slots = self.state.snapshot.slots().iter().zip(&self.touched.slots);
        slots
            .filter(|(slot, touched)| **touched && is_allowed(slot.issue))
            .filter_map(|(slot, _)| slot.restricted)
            .filter(|id| viewer.is_none() || self.state.snapshot.row(*id).map(|row| row.account) != viewer)
            .collect()
    }
}

/// Accounts that have worklogs among what was looked at.
fn with_work(snapshot: &Snapshot, touched: &Touched) -> Vec<Arc<str>> {
    let accounts = snapshot.accounts().iter().zip(&touched.accounts);
    accounts.filter(|(_, touched)| **touched).map(|(account, _)| Arc::clone(account)).collect()
}

/// An axis of what passes.
fn passing(pass: &[bool]) -> Axis {
    let mut axis = Axis::new(&[], pass.len());
    for (member, _) in (0_u32..).zip(pass).filter(|(_, pass)| **pass) {
        axis.count(member, &[]);
    }
    axis
}

/// Tells what a question costs at most, and whether it would be found out beside the request. It does not depend on
/// filters on people or tags, and is told in whole calls: by a number for one person and one day it could be seen that
/// there is something hidden.
///
/// # Errors
/// Those of [`look`].
pub async fn estimate(
    app: &App,
    caller: &Caller,
    checked: &Checked,
    options: Options,
) -> AppResult<(Cost, bool)> {
    let mut draft = match draft(app, caller, checked, options).await? {
        Drafted::Draft(draft) => draft,
        Drafted::Asks(needs) => {
            let cost = Gathered::of(app, caller, &needs).cost();
            return Ok((cost, cost.calls > app.config.tuning.calls_inline));
        }
    };
    let narrow = needs(&draft, checked, options);
    let prepared = Gathered::of(app, caller, &narrow).cost().calls > app.config.tuning.calls_inline;
    let snapshot = &draft.state.snapshot;
    let seen = |account: &Arc<str>| !draft.narrowed || **account == *caller.account_id;
    let accounts: Vec<bool> = snapshot.accounts().iter().map(seen).collect();
    draft.touched = touch(snapshot, &draft.around, &accounts, None, None);
    let mut cost = Gathered::of(app, caller, &needs(&draft, checked, options)).cost();
    // At worst they all lie on issues that the viewer may browse.
    let restricted = draft.restricted(|_| true, draft.viewer(caller));
    let calls = permission::restricted_calls(app, caller, &restricted);
    cost.add(calls, LIST_MAX);
    Ok((cost, prepared))
}

/// Tries to have everything known at once, while events say that issues change.
const TRIES: usize = 3;

/// Finds out what a question is about, or begins to where that takes long.
///
/// # Errors
/// 503 where Jira cannot be asked; Jira's own words where it refuses JQL.
pub async fn look(app: &Arc<App>, caller: &Caller, checked: &Checked, options: Options) -> AppResult<Looked> {
    let mut drafted = draft(app, caller, checked, options).await?;
    for _ in 0..TRIES {
        let needs = match &drafted {
            Drafted::Draft(draft) => needs(draft, checked, options),
            Drafted::Asks(needs) => needs.clone(),
        };
        permission::ask_in_request(app, caller, needs.issues.iter().copied()).await?;
        let gathered = Gathered::of(app, caller, &needs);
        let cost = gathered.cost();
        match drafted {
            Drafted::Draft(draft) if gathered.is_complete() => {
                return Ok(Looked::Ready(Box::new(settle(app, caller, checked, *draft, gathered).await?)));
            }
            _ if cost.calls > app.config.tuning.calls_inline => {
                return Ok(Looked::Preparing(prepare::begin(app, caller, needs, cost)));
            }
            unready => drafted = unready,
        }
        facts::find_out(app, caller, &needs, &Progress::default()).await?;
        if matches!(drafted, Drafted::Asks(_)) {
            drafted = draft(app, caller, checked, options).await?;
        }
    }
    let detail = "Issues changed in Jira while this was answered. Ask again.";
    Err(AppError::unavailable("changed_meanwhile", detail).after(1))
}

/// Everything up to the questions to Jira that may be many.
async fn draft(app: &App, caller: &Caller, checked: &Checked, options: Options) -> AppResult<Drafted> {
    if options.count_hidden {
        permission::require_admin(app, caller).await?;
    }
    let narrowed = !permission::may_report(app, caller).await?;
    let zone = match checked.zone {
        ZoneRule::Fixed(zone) => zone,
        ZoneRule::Viewer | ZoneRule::Author => zone_of_viewer(app, caller).await?,
    };
    let days = match checked.range {
        Range::Days(first, last) => (first, last),
        Range::Relative(relative) => {
            let now = DateTime::from_timestamp_millis(app.clock.now_ms()).unwrap_or_default();
            relative.days(now.with_timezone(&zone).date_naive(), checked.week_start)
        }
    };
    let (first, last) = (day_number(days.0), day_number(days.1));
    // A day more at both ends: zones are up to 14 hours ahead and 12 behind.
    let needed = ((i64::from(first) - 1) * DAY * 1000, (i64::from(last) + 2) * DAY * 1000);
    let state = projections::state(app, &caller.tenant, needed, checked.needs_effective()).await?;
    let snapshot = &state.snapshot;

    let own = |account: &str| account == caller.account_id;
    let people = &checked.filters.people;
    let passes =
        |account: &Arc<str>| (!narrowed || own(account)) && people.takes(std::iter::once(&**account));
    let mut accounts: Vec<bool> = snapshot.accounts().iter().map(passes).collect();
    let [any, all, none] = &checked.tags;
    let tagged = |tags: &Arc<[i64]>| {
        let has = |tag: &i64| tags.binary_search(tag).is_ok();
        (any.is_empty() || any.iter().any(has)) && all.iter().all(has) && !none.iter().any(has)
    };
    let tagsets: Vec<bool> = snapshot.tagsets().iter().map(tagged).collect();

    let around = Clock { first, last, zone: Zone::Fixed(Offsets::around(zone, first, last)) };
    let clock = match checked.zone {
        ZoneRule::Author => Clock { first: first - 1, last: last + 1, ..around },
        ZoneRule::Viewer | ZoneRule::Fixed(_) => around,
    };
    if !checked.filters.groups.is_empty()
        && let Err(needs) = keep_members(app, caller, checked, snapshot, &clock, &mut accounts)
    {
        return Ok(Drafted::Asks(needs));
    }
    let jql = (
        found(app, caller, checked.filters.jql.include.as_deref()).await?,
        found(app, caller, checked.filters.jql.exclude.as_deref()).await?,
    );
    let everybody = vec![true; accounts.len()];
    let looked_at = if options.count_hidden { &everybody } else { &accounts };
    let touched = if checked.needs_effective() {
        // What reaches into the range counts too, whatever it is about.
        let back = effective::reach(snapshot, &passing(looked_at)).div_euclid(DAY) + 1;
        let earlier = clock.first.saturating_sub(i32::try_from(back).unwrap_or(i32::MAX / 2));
        let zone = Zone::Fixed(Offsets::around(zone, earlier, clock.last));
        touch(snapshot, &Clock { first: earlier, last: clock.last, zone }, looked_at, None, None)
    } else if options.count_hidden {
        touch(snapshot, &clock, looked_at, None, None)
    } else {
        let slots = slots_by_id(snapshot, checked, &jql);
        touch(snapshot, &clock, looked_at, slots.as_deref(), Some(&tagsets))
    };
    let around = clock;
    Ok(Drafted::Draft(Box::new(Draft {
        state,
        days,
        zone,
        narrowed,
        accounts,
        tagsets,
        touched,
        jql,
        around,
    })))
}

/// Leaves of the accounts those that the filter on groups takes; or tells whose groups have to be known for it.
fn keep_members(
    app: &App,
    caller: &Caller,
    checked: &Checked,
    snapshot: &Snapshot,
    clock: &Clock,
    accounts: &mut [bool],
) -> Result<(), Needs> {
    let touched = touch(snapshot, clock, accounts, None, None);
    let needs = Needs { members: with_work(snapshot, &touched), ..Needs::default() };
    if !Gathered::of(app, caller, &needs).is_complete() {
        return Err(needs);
    }
    let known = Known::of(app, caller);
    for (account, passes) in snapshot.accounts().iter().zip(accounts) {
        let of = known.groups(account);
        let ids = of.iter().flat_map(|groups| groups.iter().map(String::as_str));
        *passes &= checked.filters.groups.takes(ids);
    }
    Ok(())
}

fn touch(
    snapshot: &Snapshot,
    clock: &Clock,
    accounts: &[bool],
    slots: Option<&[bool]>,
    tagsets: Option<&[bool]>,
) -> Touched {
    let slots = slots.map_or_else(|| Axis::all(snapshot.slots().len()), passing);
    let tagsets = tagsets.map_or_else(|| Axis::all(snapshot.tagsets().len()), passing);
    scan::touched(snapshot, clock, &passing(accounts), &slots, &tagsets)
}

/// Slots that pass filters on ids alone, if there are such; one's own on hidden issues are found without.
fn slots_by_id(snapshot: &Snapshot, checked: &Checked, jql: &FoundByJql) -> Option<Vec<bool>> {
    let (include, _) = &checked.issues;
    if include.is_empty() && jql.0.is_none() {
        return None;
    }
    let include: HashSet<i64> = include.iter().copied().collect();
    let passes = |issue: &i64| {
        (include.is_empty() || include.contains(issue))
            && jql.0.as_ref().is_none_or(|found| found.contains(issue))
    };
    Some(snapshot.slots().iter().map(|slot| passes(&slot.issue)).collect())
}

/// The zone of the viewer's profile; UTC where they do not tell.
async fn zone_of_viewer(app: &App, caller: &Caller) -> AppResult<Tz> {
    let viewer: Arc<str> = caller.account_id.as_str().into();
    let needs = Needs { people: vec![Arc::clone(&viewer)], ..Needs::default() };
    facts::find_out(app, caller, &needs, &Progress::default()).await?;
    let person = Known::of(app, caller).person(&viewer);
    let zone = person.as_ref().and_then(|person| person.time_zone.as_deref());
    Ok(zone.and_then(|zone| zone.parse().ok()).unwrap_or(Tz::UTC))
}

/// What JQL finds for the viewer; asked as the viewer.
async fn found(app: &App, caller: &Caller, jql: Option<&str>) -> AppResult<Option<Arc<HashSet<i64>>>> {
    let Some(jql) = jql else { return Ok(None) };
    match search(app, caller, jql).await {
        Ok(found) => {
            let found = Arc::new(found);
            // A file that is fetched next, straight from here, brings no token of the person's.
            if matches!(caller.acting, Acting::Token(_)) {
                app.facts.found(caller, jql, &found);
            }
            Ok(Some(found))
        }
        Err(JiraError::NoUserToken) => {
            let before = app.facts.found_before(caller, jql);
            before.map(Some).ok_or_else(|| JiraError::NoUserToken.into())
        }
        Err(JiraError::BadRequest(reason)) => {
            Err(AppError::invalid("filters.jql", "jql_refused", format!("Jira says: {}", reason.text)))
        }
        Err(error) => Err(error.into()),
    }
}

async fn search(app: &App, caller: &Caller, jql: &str) -> Result<HashSet<i64>, JiraError> {
    let jira = caller.in_person(&app.jira, Class::Read, Scopes::Read);
    let (mut found, mut token) = (HashSet::new(), None::<String>);
    loop {
        let (page, next) = jira.search(jql, token.as_deref()).await?;
        found.extend(page);
        match next {
            Some(next) if token.as_ref() != Some(&next) => token = Some(next),
            _ => return Ok(found),
        }
    }
}

fn needs(draft: &Draft, checked: &Checked, options: Options) -> Needs {
    let levels = checked.levels();
    let lists = matches!(checked.kind, Kind::Details | Kind::Overlaps);
    let shows_users = lists || levels.contains(&Dimension::User);
    let shows_issues = options.names && (lists || levels.contains(&Dimension::Issue));
    let asked = levels.iter().copied().chain(checked.filters.within.iter().map(|within| within.dimension));
    let of_facts = asked.clone().any(|level| level.is_of_issue() && level != Dimension::Issue);
    let people = (options.names && shows_users) || checked.zone == ZoneRule::Author;
    Needs {
        issues: draft.issues(),
        facts: shows_issues || of_facts || !checked.filters.projects.is_empty(),
        people: if people { draft.people() } else { Vec::new() },
        members: Vec::new(),
    }
}

/// The rest: what is left to ask is asked as the viewer.
async fn settle(
    app: &App,
    caller: &Caller,
    checked: &Checked,
    draft: Draft,
    gathered: Gathered,
) -> AppResult<Scope> {
    let viewer = draft.viewer(caller);
    let restricted = draft.restricted(|issue| gathered.allowed.contains(&issue), viewer);
    let freshness = permission::Freshness::Reports;
    let restricted = permission::restricted_visible(app, caller, &restricted, freshness).await?;
    let (first, last) = (day_number(draft.days.0), day_number(draft.days.1));
    let fixed = Offsets::around(draft.zone, first, last);
    let (rule, zone, unknown) = match checked.zone {
        ZoneRule::Viewer => ("viewer", Zone::Fixed(fixed), 0),
        ZoneRule::Fixed(_) => ("fixed", Zone::Fixed(fixed), 0),
        ZoneRule::Author => {
            let (zone, unknown) = authors(app, caller, &draft, fixed);
            ("author", zone, unknown)
        }
    };
    Ok(Scope {
        clock: Clock { first, last, zone },
        days: draft.days,
        zone: ZoneTold { rule, name: draft.zone.name().to_owned(), unknown },
        narrowed: draft.narrowed,
        accounts: draft.accounts,
        tagsets: draft.tagsets,
        touched: draft.touched,
        allowed: gathered.allowed,
        facts: gathered.facts,
        restricted,
        jql: draft.jql,
        viewer,
        state: draft.state,
    })
}

/// Each author's zone; the viewer's where it is not known. And for how many it is not.
fn authors(app: &App, caller: &Caller, draft: &Draft, fallback: Offsets) -> (Zone, usize) {
    let known = Known::of(app, caller);
    let (first, last) = (day_number(draft.days.0), day_number(draft.days.1));
    let (mut zones, mut offsets, mut unknown) = (vec![draft.zone], vec![fallback], 0);
    let accounts = draft.state.snapshot.accounts().iter().zip(&draft.touched.accounts);
    let of_account = accounts.map(|(account, touched)| {
        if !touched {
            return 0;
        }
        let person = known.person(account);
        let zone = person.and_then(|person| person.time_zone.as_deref()?.parse::<Tz>().ok());
        let Some(zone) = zone else {
            unknown += 1;
            return 0;
        };
        let at = zones.iter().position(|known| *known == zone).unwrap_or_else(|| {
            zones.push(zone);
            offsets.push(Offsets::around(zone, first, last));
            zones.len() - 1
        });
        u16::try_from(at).unwrap_or(0)
    });
    let of_account = of_account.collect();
    (Zone::Authors { offsets, of_account }, unknown)
}
