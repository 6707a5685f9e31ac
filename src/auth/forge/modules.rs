//! Keys of the app's modules in `deploy/forge/manifest.yml`. A token is given to one module, and a route takes tokens
//! of its own modules only: what a page's token can be read from a browser must not pass for an event of Jira's.

use crate::auth::TokenKind;

/// Pages.
const PAGES: &[&str] = &["hourbook-panel", "hourbook-reports", "hourbook-admin"];
/// Triggers of product and lifecycle events.
const TRIGGERS: &[&str] =
    &["hourbook-worklogs", "hourbook-issues", "hourbook-projects", "hourbook-users", "hourbook-lifecycle"];
/// Triggers by the clock.
const SCHEDULES: &[&str] = &["hourbook-minutes", "hourbook-hour"];
/// Before a removal.
const REMOVALS: &[&str] = &["hourbook-uninstall"];

/// The modules whose tokens a kind of route takes; none for routes of Connect.
pub fn of(kind: TokenKind) -> &'static [&'static str] {
    match kind {
        TokenKind::Invocation => PAGES,
        TokenKind::Event => TRIGGERS,
        TokenKind::Schedule => SCHEDULES,
        TokenKind::Removal => REMOVALS,
        TokenKind::None | TokenKind::Install | TokenKind::Server | TokenKind::Page | TokenKind::Context => {
            &[]
        }
    }
}
