//! Keys of the app's modules in `deploy/forge/manifest.yml`. A token is given to one module, and a route takes tokens
//! of its own modules only: a page's token, which can be read from a browser, must not pass for an event of Jira's.
//!
//! Endpoints are modules to Forge too (`core:endpoint`), and which key a token names, that of the module which calls or
//! that of the endpoint which it calls, is not certain. Either is taken: an endpoint is of one kind of route, too.

use crate::auth::TokenKind;

/// Pages, behind their endpoint.
const PAGES: &[&str] = &["hourbook-api", "hourbook-panel", "hourbook-reports", "hourbook-admin"];
/// Triggers of product and lifecycle events, behind their endpoint.
const TRIGGERS: &[&str] = &[
    "hourbook-events",
    "hourbook-worklogs",
    "hourbook-issues",
    "hourbook-projects",
    "hourbook-users",
    "hourbook-lifecycle",
];
/// Triggers by the clock, behind their endpoint.
const SCHEDULES: &[&str] = &["hourbook-schedule", "hourbook-minutes", "hourbook-hour"];
/// Before a removal, behind its endpoint.
const REMOVALS: &[&str] = &["hourbook-removal", "hourbook-uninstall"];

/// The modules and the endpoint whose tokens a kind of route takes; none for routes of Connect.
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
