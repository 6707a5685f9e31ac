//! Values of dimensions: codes for the engine, names for people.

use crate::jira::issues::{IssueFacts, Named};
use crate::jira::users::Person;
use serde::Serialize;
use std::collections::HashMap;
use utoipa::ToSchema;

/// Code of the bucket of what has no value.
pub const NONE: u32 = 0;
/// Code of the bucket of one's own worklogs on issues that one may not see.
pub const HIDDEN: u32 = 1;

/// A member of a dimension: one of its values.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// Jira's id, the id of a tag, or the first day of a period; null for a bucket.
    pub id: Option<String>,
    /// The key of an issue or project.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Its name, if names were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `none` (the bucket of what has no value), `hidden` (one's own worklogs on issues that one may not see), `former`
    /// (a person who left), `unknown` (nobody is named any more).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<&'static str>,
}

impl Member {
    fn bucket(state: &'static str) -> Self {
        Self { state: Some(state), ..Self::default() }
    }

    /// Only an id.
    pub fn of_id(id: impl Into<String>) -> Self {
        Self { id: Some(id.into()), ..Self::default() }
    }

    /// Something of Jira's.
    pub fn named(named: &Named) -> Self {
        Self {
            id: Some(named.id.clone()),
            key: named.key.clone(),
            name: Some(named.name.clone()),
            state: None,
        }
    }

    /// An issue, with its facts if they are known and names were asked for.
    pub fn issue(id: i64, facts: Option<&IssueFacts>) -> Self {
        Self {
            key: facts.map(|facts| facts.key.clone()),
            name: facts.map(|facts| facts.summary.clone()),
            ..Self::of_id(id.to_string())
        }
    }

    /// A person; `known` is what Jira says of them, if names were asked for.
    pub fn person(account_id: &str, known: Option<&Person>, names: bool) -> Self {
        if account_id.is_empty() {
            return Self::bucket("unknown");
        }
        let active = known.is_some_and(|person| person.active);
        Self {
            id: Some(account_id.to_owned()),
            key: None,
            name: known.and_then(|person| person.display_name.clone()),
            state: (names && !active).then_some("former"),
        }
    }

    /// Whether name, key or id have a text in lower case in them.
    pub fn mentions(&self, text: &str) -> bool {
        [&self.name, &self.key, &self.id].into_iter().flatten().any(|own| own.to_lowercase().contains(text))
    }

    /// What it is sorted by: buckets at the end.
    fn rank(&self) -> (bool, String, &str) {
        let text =
            self.key.as_deref().map(natural).or_else(|| self.name.as_ref().map(|name| name.to_lowercase()));
        (self.id.is_none(), text.unwrap_or_default(), self.id.as_deref().unwrap_or_default())
    }
}

/// A key so that its number sorts as a number.
fn natural(key: &str) -> String {
    match key.rsplit_once('-').and_then(|(project, number)| Some((project, number.parse::<u64>().ok()?))) {
        Some((project, number)) => format!("{}-{number:020}", project.to_lowercase()),
        None => key.to_lowercase(),
    }
}

/// The values of one level.
#[derive(Debug)]
pub struct Values {
    known: Vec<Member>,
    codes: HashMap<String, u32>,
}

impl Default for Values {
    fn default() -> Self {
        Self { known: vec![Member::bucket("none"), Member::bucket("hidden")], codes: HashMap::new() }
    }
}

impl Values {
    /// The code of a value by its id.
    pub fn code(&mut self, id: &str, make: impl FnOnce() -> Member) -> u32 {
        if let Some(code) = self.codes.get(id) {
            return *code;
        }
        let code = u32::try_from(self.known.len()).unwrap_or(u32::MAX);
        self.known.push(make());
        self.codes.insert(id.to_owned(), code);
        code
    }

    /// A value by its code.
    pub fn get(&self, code: u32) -> &Member {
        self.known.get(code as usize).unwrap_or(&self.known[NONE as usize])
    }

    /// The codes of everything that is no bucket, in the order in which they came.
    pub fn codes(&self) -> impl Iterator<Item = u32> {
        HIDDEN + 1..u32::try_from(self.known.len()).unwrap_or(u32::MAX)
    }

    /// For each code its place among the others: by name, or, of periods, as they came.
    pub fn ranks(&self, as_they_came: bool) -> Vec<u32> {
        if as_they_came {
            return (0..u32::try_from(self.known.len()).unwrap_or(u32::MAX)).collect();
        }
        let mut order: Vec<(u32, (bool, String, &str))> =
            (0_u32..).zip(&self.known).map(|(code, value)| (code, value.rank())).collect();
        order.sort_by(|one, other| one.1.cmp(&other.1));
        let mut ranks = vec![0; self.known.len()];
        for (rank, (code, _)) in (0_u32..).zip(order) {
            ranks[code as usize] = rank;
        }
        ranks
    }
}
