//! The completeness stamp: what an answer is worth, told with it.

use super::scope::Scope;
use crate::app::App;
use crate::auth::Caller;
use crate::error::AppResult;
use crate::jira::time;
use crate::sync::status::{self, Status};
use hourbook_engine::aggregate::Cell;
use hourbook_engine::scan;
use serde::Serialize;
use utoipa::ToSchema;

/// Older than this, the copy counts as behind: incremental syncs are an hour apart at most.
const BEHIND_MS: i64 = 2 * 3_600_000;

/// What everybody is told about what they do not see. A number by filter would tell what is hidden.
const VISIBILITY: &str = "Only worklogs that you may see in Jira are counted.";
const NARROWED: &str = "Only your own worklogs are counted: reports on other people's work need a right that a Jira admin gives in Hourbook's settings.";

/// What an answer is worth.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Stamp {
    /// Jira's time up to which the copy is in step; null before the first full sync has ended.
    pub in_step_as_of: Option<String>,
    /// When this was computed.
    pub computed_at: String,
    /// `inStep`, or the code of the first warning.
    pub state: &'static str,
    /// What one should know before relying on it; empty if nothing.
    pub warnings: Vec<Warning>,
    /// Worklogs that were counted.
    pub worklogs: u64,
    /// Changes that are known and not taken in yet, of the whole site.
    pub pending: i64,
    /// In whose zone the days are.
    pub zone: ZoneView,
    /// SHA-256 over the whole result, without names: equal results have equal checksums.
    pub checksum: String,
    /// One sentence about what does not count.
    pub visibility: &'static str,
    /// Why only one's own worklogs count, if so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub narrowed: Option<&'static str>,
    /// For Jira admins who ask: worklogs in the range that do not count for them, whatever the filters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hidden: Option<HiddenView>,
}

/// Something to know before relying on an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Warning {
    /// Stable name.
    pub code: &'static str,
    /// In words.
    pub message: String,
}

/// In whose zone the days are.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ZoneView {
    /// `viewer`, `author` or `fixed`.
    pub rule: &'static str,
    /// IANA name; of `author` the one that stands in where an author's is not known.
    pub name: String,
    /// Authors whose zone is not known.
    pub unknown_authors: usize,
}

/// Worklogs in the range that do not count for the viewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HiddenView {
    /// On issues that they may not browse.
    pub by_permission: u64,
    /// Restricted to a group or role that they are not in.
    pub by_visibility: u64,
    /// In the whole copy: Jira does not return them to the app at present.
    pub unreadable: i64,
}

/// What the sync says.
pub struct About {
    status: Status,
    pending: i64,
    now: i64,
}

/// Looks how the copy stands.
///
/// # Errors
/// When a database fails.
pub async fn about(app: &App, caller: &Caller) -> AppResult<About> {
    let status = status::of(app, &caller.tenant).await?;
    Ok(About { pending: status.pending, status, now: app.clock.now_ms() })
}

fn warnings(about: &About, scope: &Scope) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut warn = |code: &'static str, message: String| warnings.push(Warning { code, message });
    let reason = || about.status.reason.clone().unwrap_or_default();
    match (about.status.state, scope.state.in_step) {
        ("installing" | "full", None) => {
            warn("fullSync", "The first sync is running: worklogs are still missing.".into());
        }
        ("full", Some(_)) => warn("fullSync", "A full sync is running: some worklogs may be missing.".into()),
        ("paused", _) => warn("paused", format!("Syncing is paused. {}", reason())),
        ("failed", _) => warn("failed", format!("The last sync failed. {}", reason())),
        (_, None) => warn("fullSync", "The first sync has not ended: worklogs are still missing.".into()),
        _ => {}
    }
    let age = scope.state.in_step.map(|in_step| about.now - in_step);
    if let Some(age) = age.filter(|age| *age > BEHIND_MS) {
        warn("behind", format!("The copy was last in step with Jira {} hours ago.", age / 3_600_000));
    }
    if about.pending > 0 {
        warn("pending", format!("{} changes are known and not taken in yet.", about.pending));
    }
    warnings
}

impl Stamp {
    /// Of a scope; the checksum comes later.
    pub fn new(about: About, scope: &Scope, count_hidden: bool, total: &Cell) -> Self {
        let warnings = warnings(&about, scope);
        Self {
            in_step_as_of: scope.state.in_step.map(time::rfc3339),
            computed_at: time::rfc3339(about.now),
            state: warnings.first().map_or("inStep", |warning| warning.code),
            warnings,
            worklogs: total.worklogs.into(),
            pending: about.pending,
            zone: ZoneView {
                rule: scope.zone.rule,
                name: scope.zone.name.clone(),
                unknown_authors: scope.zone.unknown,
            },
            checksum: String::new(),
            visibility: VISIBILITY,
            narrowed: scope.narrowed.then_some(NARROWED),
            hidden: count_hidden.then(|| hidden(scope)),
        }
    }
}

fn hidden(scope: &Scope) -> HiddenView {
    let slots = scope.state.snapshot.slots();
    let [_, by_permission, by_visibility] =
        scan::count(&scope.state.snapshot, &scope.clock, |account, slot| {
            let Some(slot) = slots.get(slot as usize) else { return 0 };
            if scope.viewer == Some(account) {
                0
            } else if !scope.allowed.contains(&slot.issue) {
                1
            } else {
                2 * usize::from(slot.restricted.is_some_and(|id| !scope.restricted.contains(&id)))
            }
        });
    HiddenView { by_permission, by_visibility, unreadable: scope.state.unreadable }
}
