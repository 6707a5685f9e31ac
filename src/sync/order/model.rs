//! One worklog under every order of what can happen to it, checked exhaustively: people change, move, hide and
//! delete it in Jira; events arrive late, twice, or never; reads overlap, miss it, or are lost in a crash; its
//! project goes and comes back. The functions under test are the ones that the copy is written by.
//!
//! In every state: a deleted worklog is not shown, versions never go back, and of two reads the one that began later
//! decides whether it is shown. From every state, an incremental sync makes the copy equal to Jira as far as a feed
//! tells of the difference, and a reconciliation makes it equal in any case.

use super::{Known, OfAbsence, OfEvent, OfRead, of_absence, of_event, of_read};
use hourbook_store::tenant::tombstones::{Cause, Tombstone};
use hourbook_store::tenant::worklogs::Version;
use std::collections::HashMap;

/// The project that may go and come back.
const PROJECT: i64 = 1;

/// What a worklog says. A change makes a new `updated`; a silent one (a bulk move, a property) does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Content {
    updated: i64,
    silent: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Event {
    Changed(Content),
    Deleted,
    ProjectGone,
    ProjectRestored,
}

/// A read on its way: when it began, and what Jira answered, once it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Read {
    begun_at: i64,
    answer: Option<Option<Content>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    /// Our clock: grows with everything that we note a time for.
    now: i64,
    // Jira.
    truth: Option<Content>,
    project_gone: bool,
    hidden: bool,
    changes_left: u8,
    silent_left: u8,
    project_left: u8,
    hidings_left: u8,
    // On the way.
    events: Vec<Event>,
    reads: Vec<Read>,
    crashes_left: u8,
    // The copy.
    known: Known,
    row: Option<Content>,
    /// The read that began last of those taken in: when, whether it returned the worklog, and which version we had
    /// then.
    latest_read: Option<(i64, bool, Option<i64>)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Action {
    Change,
    ChangeSilently,
    Delete,
    ProjectGoes,
    ProjectComesBack,
    Hide,
    Show,
    Deliver(usize),
    DeliverAndKeep(usize),
    Lose(usize),
    BeginRead,
    JiraAnswers(usize),
    TakeIn(usize),
    Crash,
}

impl State {
    fn readable(&self) -> Option<Content> {
        self.truth.filter(|_| !self.project_gone && !self.hidden)
    }

    fn emit(&mut self, event: Event) {
        self.events.push(event);
        self.events.sort_unstable();
    }

    fn write(&mut self, content: Content, read_after: Option<i64>) {
        self.known.version = Some(Version { updated: content.updated, read_after, unreadable_since: None });
        self.known.tombstone = None;
        self.row = Some(content);
    }

    fn remove(&mut self, cause: Cause) {
        // As the database does: a deletion of the worklog itself is final.
        let is_final = self.known.tombstone.is_some_and(|tombstone| tombstone.cause == Cause::Worklog);
        if !is_final {
            self.known.tombstone = Some(Tombstone { cause, recorded_at: self.now });
        }
        self.known.version = None;
        self.row = None;
    }

    fn take_in_event(&mut self, event: Event) {
        match event {
            Event::Changed(content) => {
                let row = self.row;
                match of_event(self.known, content.updated, || row == Some(content)) {
                    OfEvent::Write => self.write(content, Some(self.now)),
                    OfEvent::ReadAgain => self.want_read(),
                    OfEvent::ReadIsDue | OfEvent::LookSoon | OfEvent::Skip => {}
                }
            }
            Event::Deleted => self.remove(Cause::Worklog),
            // Jira is asked first: only what it does not return goes.
            Event::ProjectGone if self.readable().is_none() && self.row.is_some() => {
                self.remove(Cause::Container(PROJECT));
            }
            Event::ProjectGone => {}
            // Its worklogs are read again.
            Event::ProjectRestored => self.begin_read(),
        }
    }

    fn want_read(&mut self) {
        if let Some(version) = self.known.version.as_mut() {
            version.read_after = Some(self.now);
        }
    }

    fn begin_read(&mut self) {
        self.reads.push(Read { begun_at: self.now, answer: None });
        self.reads.sort_unstable();
    }

    fn take_in_read(&mut self, read: Read) {
        match read.answer {
            Some(Some(content)) => match of_read(self.known, content.updated, read.begun_at) {
                OfRead::Write { read_after } => self.write(content, read_after),
                OfRead::Revive => self.write(content, None),
                OfRead::AskAgain => self.want_read(),
                OfRead::Skip => {}
            },
            Some(None) => match of_absence(self.known, read.begun_at) {
                OfAbsence::Hide => {
                    if let Some(version) = self.known.version.as_mut() {
                        (version.unreadable_since, version.read_after) = (Some(read.begun_at), None);
                    }
                }
                OfAbsence::AskAgain => self.want_read(),
                OfAbsence::Skip => {}
            },
            None => return,
        }
        if self.latest_read.is_none_or(|(begun_at, ..)| begun_at <= read.begun_at) {
            let returned = matches!(read.answer, Some(Some(_)));
            self.latest_read = Some((read.begun_at, returned, self.row.map(|row| row.updated)));
        }
    }

    /// What people see of it.
    fn shown(&self) -> Option<Content> {
        self.row.filter(|_| self.known.version.is_some_and(|version| version.unreadable_since.is_none()))
    }

    /// No event arrives any more; an incremental sync reads what the feeds name and we do not have, what waits to be
    /// read, and what is hidden.
    fn synced(&self) -> Self {
        let mut state = self.clone();
        state.events.clear();
        state.reads.clear();
        for _ in 0..2 {
            state.now += 1;
            if state.truth.is_none() {
                state.remove(Cause::Worklog);
            }
            let fed = state.readable().map(|content| content.updated);
            let due = match state.known.version {
                None => fed.is_some(),
                Some(version) => {
                    let waits = version.read_after.is_some() || version.unreadable_since.is_some();
                    waits || fed.is_some_and(|updated| updated > version.updated)
                }
            };
            if due {
                state.take_in_read(Read { begun_at: state.now, answer: Some(state.readable()) });
            }
        }
        state
    }

    /// Whether a feed tells of all that Jira has otherwise.
    fn feeds_tell(&self) -> bool {
        let silent = self
            .truth
            .zip(self.row)
            .is_some_and(|(truth, row)| truth.updated == row.updated && truth.silent != row.silent);
        let gone_without_a_word = self.truth.is_some() && self.readable().is_none();
        !silent && !gone_without_a_word
    }

    /// No event arrives any more; a reconciliation looks at both feeds and reads everything again. Twice, because
    /// what is missing has to be asked for on purpose.
    fn reconciled(&self) -> Self {
        let mut state = self.clone();
        state.events.clear();
        state.reads.clear();
        for _ in 0..2 {
            state.now += 1;
            if state.truth.is_none() {
                state.remove(Cause::Worklog);
            }
            state.take_in_read(Read { begun_at: state.now, answer: Some(state.readable()) });
        }
        state
    }
}

/// The world; how much may happen in it bounds the number of states.
struct World {
    changes: u8,
    silent: u8,
    hidings: u8,
    projects: u8,
    crashes: u8,
    reads: usize,
    /// How far our clock may go: it bounds how often an event comes twice and a read begins.
    latest: i64,
}

impl World {
    fn beginning(&self) -> State {
        let content = Content { updated: 1, silent: 0 };
        State {
            now: 1,
            truth: Some(content),
            project_gone: false,
            hidden: false,
            changes_left: self.changes,
            silent_left: self.silent,
            project_left: self.projects,
            hidings_left: self.hidings,
            events: vec![Event::Changed(content)],
            reads: Vec::new(),
            crashes_left: self.crashes,
            known: Known::default(),
            row: None,
            latest_read: None,
        }
    }

    fn actions(&self, state: &State) -> Vec<Action> {
        let lives = state.truth.is_some() && !state.project_gone;
        let jira = [
            (lives && state.changes_left > 0, Action::Change),
            (lives && state.silent_left > 0, Action::ChangeSilently),
            (lives, Action::Delete),
            (state.truth.is_some() && !state.project_gone && state.project_left > 0, Action::ProjectGoes),
            (state.project_gone, Action::ProjectComesBack),
            (lives && !state.hidden && state.hidings_left > 0, Action::Hide),
            (state.hidden, Action::Show),
            (state.reads.len() < self.reads, Action::BeginRead),
            (state.crashes_left > 0 && !state.reads.is_empty(), Action::Crash),
        ];
        let mut actions: Vec<Action> =
            jira.into_iter().filter(|(may, _)| *may).map(|(_, action)| action).collect();
        for at in 0..state.events.len() {
            actions.extend([Action::Deliver(at), Action::DeliverAndKeep(at), Action::Lose(at)]);
        }
        for (at, read) in state.reads.iter().enumerate() {
            actions.push(if read.answer.is_none() { Action::JiraAnswers(at) } else { Action::TakeIn(at) });
        }
        actions
    }

    fn after(&self, before: &State, action: &Action) -> Option<State> {
        let mut state = before.clone();
        match *action {
            Action::Change => {
                state.changes_left -= 1;
                let truth = state.truth.as_mut()?;
                (truth.updated, truth.silent) = (truth.updated + 1, 0);
                let content = *truth;
                state.emit(Event::Changed(content));
            }
            Action::ChangeSilently => {
                state.silent_left -= 1;
                state.truth.as_mut()?.silent += 1;
            }
            Action::Delete => {
                state.truth = None;
                state.emit(Event::Deleted);
            }
            Action::ProjectGoes => {
                (state.project_gone, state.project_left) = (true, state.project_left - 1);
                state.emit(Event::ProjectGone);
            }
            Action::ProjectComesBack => {
                state.project_gone = false;
                state.emit(Event::ProjectRestored);
            }
            Action::Hide => (state.hidden, state.hidings_left) = (true, state.hidings_left - 1),
            Action::Show => state.hidden = false,
            Action::Deliver(at) => {
                state.now += 1;
                let event = state.events.remove(at);
                state.take_in_event(event);
            }
            Action::DeliverAndKeep(at) => {
                state.now += 1;
                state.take_in_event(state.events[at]);
            }
            Action::Lose(at) => {
                state.events.remove(at);
            }
            Action::BeginRead => {
                state.now += 1;
                state.begin_read();
            }
            Action::JiraAnswers(at) => {
                state.reads[at].answer = Some(state.readable());
                state.reads.sort_unstable();
            }
            Action::TakeIn(at) => {
                state.now += 1;
                let read = state.reads.remove(at);
                state.take_in_read(read);
            }
            Action::Crash => {
                state.crashes_left -= 1;
                state.reads.clear();
            }
        }
        // Delivering twice without an end would make the clock run for ever.
        (state.now <= self.latest && state.events.len() <= 3 && state != *before).then_some(state)
    }
}

/// What holds in every state.
fn broken_rule(state: &State) -> Option<&'static str> {
    let (synced, reconciled) = (state.synced(), state.reconciled());
    let hidden = state.known.version.is_some_and(|version| version.unreadable_since.is_some());
    // Where nothing waits to be read, and the version is still that of the last read.
    let settled =
        state.known.version.filter(|version| version.read_after.is_none()).map(|version| version.updated);
    let last_returned = state
        .latest_read
        .filter(|(.., had)| settled.is_some() && *had == settled)
        .map(|(_, returned, _)| returned);
    let rules = [
        (
            "of two reads, the one that began later decides",
            last_returned.is_none_or(|returned| returned != hidden),
        ),
        (
            "an incremental sync finds what the feeds tell",
            !state.feeds_tell() || synced.shown() == state.readable(),
        ),
        ("a deleted worklog is not shown", state.known.tombstone.is_none() || state.row.is_none()),
        (
            "a row and what is known of it go together",
            state.row.map(|row| row.updated) == state.known.version.map(|version| version.updated),
        ),
        ("a reconciliation makes the copy equal to Jira", reconciled.shown() == state.readable()),
        (
            "behind a reconciliation nothing waits to be read",
            reconciled.known.version.is_none_or(|version| version.read_after.is_none()),
        ),
    ];
    rules.into_iter().find(|(_, holds)| !holds).map(|(rule, _)| rule)
}

/// Visits every state that can be reached; tells the way to the first in which a rule is broken.
fn check(world: &World) -> Vec<State> {
    let mut states = vec![world.beginning()];
    // Where each state was come from: by the index of the state before and the action.
    let mut came_from: Vec<Option<(usize, Action)>> = vec![None];
    let mut index: HashMap<State, usize> = HashMap::from([(world.beginning(), 0)]);
    let mut at = 0;
    while at < states.len() {
        let state = states[at].clone();
        if let Some(rule) = broken_rule(&state) {
            let mut way = Vec::new();
            let mut here = at;
            while let Some((before, action)) = &came_from[here] {
                way.push(format!("{action:?}"));
                here = *before;
            }
            way.reverse();
            panic!("broken: {rule}\nafter {}\nin {state:#?}", way.join(", "));
        }
        for action in world.actions(&state) {
            let Some(next) = world.after(&state, &action) else { continue };
            let goes_back = state.row.zip(next.row).is_some_and(|(before, now)| now.updated < before.updated);
            assert!(!goes_back, "an older version overwrites a newer one by {action:?} in {state:#?}");
            if !index.contains_key(&next) {
                index.insert(next.clone(), states.len());
                states.push(next);
                came_from.push(Some((at, action)));
            }
        }
        at += 1;
    }
    states
}

#[test]
fn one_worklog_under_changes_hidings_and_overlapping_reads() {
    let states =
        check(&World { changes: 1, silent: 1, hidings: 1, projects: 0, crashes: 1, reads: 2, latest: 5 });
    assert!(states.len() > 10_000, "{} states", states.len());
    // The interesting ones are among them.
    let hidden =
        |state: &State| state.known.version.is_some_and(|version| version.unreadable_since.is_some());
    assert!(states.iter().any(|state| hidden(state) && !state.hidden), "hidden here, back in Jira");
    let late = |read: &Read| matches!(read.answer, Some(Some(_)));
    let deleted = |state: &State| state.truth.is_none() && state.known.tombstone.is_some();
    assert!(states.iter().any(|state| deleted(state) && state.reads.iter().any(late)));
}

#[test]
fn one_worklog_that_is_hidden_under_many_reads() {
    let states =
        check(&World { changes: 0, silent: 0, hidings: 1, projects: 0, crashes: 0, reads: 2, latest: 8 });
    assert!(states.len() > 10_000, "{} states", states.len());
}

#[test]
fn one_worklog_in_a_project_that_goes_and_comes_back() {
    let states =
        check(&World { changes: 1, silent: 0, hidings: 0, projects: 1, crashes: 1, reads: 2, latest: 5 });
    assert!(states.len() > 10_000, "{} states", states.len());
}
