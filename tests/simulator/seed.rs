//! Life-like sites from a seed.

use crate::site::Site;
use crate::state::{Issue, Project, User, Worklog};
use crate::views;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::json;
use std::collections::{BTreeMap, HashSet};

const DAY_MS: i64 = 86_400_000;
const FIRST: [&str; 20] = [
    "Ana", "Ben", "Chloe", "Dmitri", "Elif", "Farid", "Greta", "Hiro", "Ines", "Jonas", "Kira", "Liam",
    "Mei", "Nils", "Olga", "Pablo", "Quinn", "Rosa", "Sven", "Tara",
];
const LAST: [&str; 20] = [
    "Abe", "Bauer", "Costa", "Diaz", "Eriksen", "Fischer", "Garcia", "Haddad", "Ito", "Jensen", "Kowalski",
    "Lund", "Moreau", "Novak", "Okafor", "Petrov", "Quist", "Rossi", "Silva", "Tanaka",
];
const DOING: [&str; 12] = [
    "review",
    "pairing",
    "fixing the build",
    "call with the customer",
    "writing tests",
    "planning",
    "reading logs",
    "release notes",
    "data migration",
    "on-call",
    "design",
    "cleaning up",
];

const ZONES: [&str; 3] = ["Europe/Berlin", "America/New_York", "Asia/Tokyo"];

/// How large a site is.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// People; the first is a Jira admin.
    pub users: usize,
    /// Issues.
    pub issues: usize,
    /// Worklogs.
    pub worklogs: usize,
}

/// Account id of a seeded person.
pub fn account(number: usize) -> String {
    format!("5b10a2844c20165700e{number:05}")
}

/// Fills a site: people work on working days, on a few issues at a time, over the last two years.
pub fn fill(site: &Site, seed: u64, size: Size) {
    let mut rng = StdRng::seed_from_u64(seed);
    let now = site.clock.now_ms();
    let mut state = site.state();
    for number in 0..size.users {
        let name = format!("{} {}", FIRST[number % 20], LAST[number / 20 % 20]);
        let user = User {
            account_id: account(number),
            display_name: name,
            active: !rng.random_ratio(1, 25) || number < 3,
            admin: number == 0,
            may_work: true,
            groups: HashSet::new(),
            time_zone: Some(ZONES[number % ZONES.len()].into()),
        };
        state.users.insert(user.account_id.clone(), user);
    }
    let mut issues = Vec::with_capacity(size.issues);
    let projects = (size.issues / 250).clamp(1, 20);
    for number in 0..projects {
        let id = state.next_id();
        let key = format!("P{number:02}");
        state.projects.insert(id, Project { id, key: key.clone(), deleted: false });
        for at in 0..size.issues.div_ceil(projects) {
            if issues.len() == size.issues {
                break;
            }
            let issue_id = state.next_id();
            let summary = format!("{} for {key}", DOING[rng.random_range(0..DOING.len())]);
            let issue = Issue {
                id: issue_id,
                key: format!("{key}-{}", at + 1),
                project_id: id,
                summary,
                issue_type: ["Task", "Bug", "Story"][at % 3].into(),
                status: ["To Do", "In Progress", "Done"][at % 4 % 3].into(),
                components: if at % 5 == 0 { vec!["api".into(), "web".into()] } else { Vec::new() },
                labels: if at % 7 == 0 { vec!["urgent".into()] } else { Vec::new() },
                original: if at % 3 == 0 { 8 * 3600 } else { 0 },
                remaining: if at % 3 == 0 { 5 * 3600 } else { 0 },
                ..Issue::default()
            };
            state.issues.insert(issue_id, issue);
            issues.push(issue_id);
        }
    }
    let span = 730 * DAY_MS;
    let step = span / i64::try_from(size.worklogs.max(1)).unwrap_or(1);
    for at in 0..size.worklogs {
        let worklog = work(&mut rng, &issues, size.users, now - span + step * i64::try_from(at).unwrap_or(0));
        let id = state.next_id();
        // Nothing of it lies in the minute that the feeds withhold.
        let latest = now - 120_000;
        let (created, updated) = (worklog.created.min(latest), worklog.updated.min(latest));
        state.put(Worklog { id, created, updated, ..worklog });
    }
}

fn work(rng: &mut StdRng, issues: &[i64], users: usize, around: i64) -> Worklog {
    let author = rng.random_range(0..users.max(1));
    // Everybody has a neighbourhood of issues that moves on slowly.
    let near =
        (author * 31 + usize::try_from(around / (30 * DAY_MS)).unwrap_or(0) * 7 + rng.random_range(0..12))
            % issues.len().max(1);
    let day = around - around.rem_euclid(DAY_MS);
    let started = day + rng.random_range(7 * 4..18 * 4) * 15 * 60_000;
    let created = (started + rng.random_range(0..8) * 3_600_000).min(around + DAY_MS).max(day);
    let mut properties = BTreeMap::new();
    if rng.random_ratio(1, 4) {
        let tag = rng.random_range(1..7);
        let name = ["billable", "support", "internal", "travel", "training", "research"][tag - 1];
        let value = json!({ "v": 1, "tags": [{ "id": tag.to_string(), "name": name }] });
        properties.insert("hourbook".into(), value);
    }
    let said = rng.random_ratio(7, 10).then(|| views::document(DOING[rng.random_range(0..DOING.len())]));
    Worklog {
        id: 0,
        issue_id: issues[near],
        author: account(author),
        comment: said,
        created,
        updated: created + rng.random_range(0..60_000),
        started,
        seconds: rng.random_range(1..24) * 900,
        restriction: None,
        properties,
    }
}
