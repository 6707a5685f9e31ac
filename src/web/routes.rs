//! THE table of every public path, grouped by who calls. Each route takes one kind of token.

use super::forge::{self, answers};
use super::{
    assets, descriptor, exports, extract, health, lifecycle, me, openapi, pages, privacy, receipts, reports,
    saved, settings, sync, tags, takeout, webhooks, worklogs,
};
use crate::auth::{Right, TokenKind};
use crate::config::Forge;
use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig, delete, get, post, put};
use std::sync::LazyLock;

/// One route.
pub struct Route {
    /// The HTTP method.
    pub method: &'static str,
    /// Path template.
    pub path: String,
    /// What proves its caller.
    pub token: TokenKind,
    /// What the caller needs beyond that.
    pub right: Right,
    /// Whether it costs us or Jira much: it is then limited for each caller.
    pub costly: bool,
    /// Whether it writes what the app is paid for: it is refused where the licence has expired. What protects or tidies
    /// up (settings, syncs, deleting a report) is not.
    pub licensed: bool,
    /// Whether it answers for suspended installations too: for telling that they are, and nothing else.
    pub also_suspended: bool,
    handler: fn() -> actix_web::Route,
}

fn route(
    method: &'static str,
    path: &'static str,
    token: TokenKind,
    handler: fn() -> actix_web::Route,
) -> Route {
    let path = path.to_owned();
    let right = Right::Caller;
    Route { method, path, token, right, costly: false, licensed: false, also_suspended: false, handler }
}

impl Route {
    fn admin(self) -> Self {
        Self { right: Right::JiraAdmin, ..self }
    }

    fn also_suspended(self) -> Self {
        Self { also_suspended: true, ..self }
    }

    fn costly(self) -> Self {
        Self { costly: true, ..self }
    }

    fn licensed(self) -> Self {
        Self { licensed: true, ..self }
    }

    /// The same for pages of Forge.
    fn of_forge(&self) -> Self {
        Self { path: format!("{FORGE}{}", self.path), token: TokenKind::Invocation, ..*self }
    }
}

/// Below it is what Forge calls.
pub const FORGE: &str = "/forge";

static TABLE: LazyLock<Vec<Route>> = LazyLock::new(all);

/// What is declared of the route that a request has come to; one that is not in the table has no callers.
pub fn declared(method: &str, path: &str) -> Option<&'static Route> {
    TABLE.iter().find(|route| route.method == method && route.path == path)
}

/// Every route of the public port.
pub fn all() -> Vec<Route> {
    let mut table = own();
    // A page's own calls are the same on every host, and so is what stands behind them.
    let of_forge: Vec<Route> =
        table.iter().filter(|route| route.token == TokenKind::Context).map(Route::of_forge).collect();
    table.extend(of_forge);
    table
}

#[rustfmt::skip]
fn own() -> Vec<Route> {
    use TokenKind::{Context, Event, Install, None, Page, Removal, Schedule, Server};
    vec![
        // Anybody.
        route("GET", "/healthz", None, || get().to(health::healthz)),
        route("GET", "/readyz", None, || get().to(health::readyz)),
        route("GET", "/atlassian-connect.json", None, || get().to(descriptor::descriptor)),
        route("GET", "/static/icon.svg", None, || get().to(descriptor::icon)),
        route("GET", "/static/assets/{file}", None, || get().to(assets::file)),
        route("GET", "/api/openapi.json", None, || get().to(openapi::document)),
        route("GET", "/receipts/{receiptId}", None, || get().to(receipts::receipt)),
        // Atlassian's installation service.
        route("POST", "/connect/installed", Install, || post().to(lifecycle::installed)),
        route("POST", "/connect/uninstalled", Install, || post().to(lifecycle::uninstalled)),
        // Jira's server.
        route("POST", "/connect/webhooks", Server, || post().to(webhooks::webhook)),
        // Forge.
        route("POST", "/forge/events", Event, || post().to(forge::event)),
        route("POST", "/forge/schedule", Schedule, || post().to(forge::schedule)),
        route("POST", "/forge/uninstall", Removal, || post().to(forge::removal)),
        // Pages in an iframe.
        route("GET", "/connect/panel", Page, || get().to(pages::panel)),
        route("GET", "/connect/reports", Page, || get().to(pages::reports)),
        route("GET", "/connect/admin", Page, || get().to(pages::admin)).admin(),
        // The pages' own calls.
        route("GET", "/api/v1/me", Context, || get().to(me::me)),
        route("GET", "/api/v1/settings", Context, || get().to(settings::settings)),
        route("PUT", "/api/v1/settings", Context, || put().to(settings::change)).admin(),
        route("GET", "/api/v1/privacy", Context, || get().to(privacy::privacy)).admin(),
        route("GET", "/api/v1/privacy/export", Context, || get().to(takeout::export)).admin().costly(),
        route("GET", "/api/v1/audit", Context, || get().to(me::audit)).admin(),
        route("GET", "/api/v1/sync", Context, || get().to(sync::status)).also_suspended(),
        route("POST", "/api/v1/sync", Context, || post().to(sync::start)).admin().costly(),
        route("GET", "/api/v1/sync/failures", Context, || get().to(sync::failures)).admin(),
        route("GET", "/api/v1/tags", Context, || get().to(tags::list)),
        route("POST", "/api/v1/tags", Context, || post().to(tags::create)).licensed(),
        route("PUT", "/api/v1/tags/{tagId}", Context, || put().to(tags::change)).admin().licensed(),
        route("DELETE", "/api/v1/tags/{tagId}", Context, || delete().to(tags::delete)).admin().licensed(),
        route("POST", "/api/v1/reports/query", Context, || post().to(reports::query)),
        route("POST", "/api/v1/reports/cost", Context, || post().to(reports::cost)),
        route("POST", "/api/v1/reports/values", Context, || post().to(reports::values)),
        route("POST", "/api/v1/reports/export", Context, || post().to(exports::now)).costly(),
        route("GET", "/api/v1/reports/preparations/{preparationId}", Context, || get().to(reports::preparation)),
        route("GET", "/api/v1/reports", Context, || get().to(saved::list)),
        route("POST", "/api/v1/reports", Context, || post().to(saved::create)).licensed(),
        route("GET", "/api/v1/reports/{reportId}", Context, || get().to(saved::one)),
        route("PUT", "/api/v1/reports/{reportId}", Context, || put().to(saved::change)).licensed(),
        route("DELETE", "/api/v1/reports/{reportId}", Context, || delete().to(saved::delete)),
        route("POST", "/api/v1/reports/{reportId}/duplicate", Context, || post().to(saved::duplicate)).licensed(),
        route("POST", "/api/v1/reports/{reportId}/query", Context, || post().to(saved::run)),
        route("GET", "/api/v1/exports", Context, || get().to(exports::list)),
        route("POST", "/api/v1/exports", Context, || post().to(exports::begin)).costly(),
        route("GET", "/api/v1/exports/{exportId}", Context, || get().to(exports::one)),
        route("GET", "/api/v1/exports/{exportId}/file", Context, || get().to(exports::fetch)),
        route("DELETE", "/api/v1/exports/{exportId}", Context, || delete().to(exports::delete)),
        route("GET", "/api/v1/worklogs", Context, || get().to(worklogs::list)),
        route("GET", "/api/v1/issues/{issueId}/panel", Context, || get().to(worklogs::panel)),
        route("GET", "/api/v1/issues/{issueId}/worklogs", Context, || get().to(worklogs::of_issue)),
        route("POST", "/api/v1/issues/{issueId}/worklogs", Context, || post().to(worklogs::create)).licensed(),
        route("GET", "/api/v1/issues/{issueId}/worklogs/{worklogId}", Context, || get().to(worklogs::one)),
        route("PUT", "/api/v1/issues/{issueId}/worklogs/{worklogId}", Context, || put().to(worklogs::edit)).licensed(),
        route("DELETE", "/api/v1/issues/{issueId}/worklogs/{worklogId}", Context, || delete().to(worklogs::delete)).licensed(),
    ]
}

/// Registers the table. What is Forge's is there where the app is registered with it, and answers as Forge wants it.
pub fn configure(config: &mut ServiceConfig, forge: Option<&Forge>) {
    let (of_forge, others): (Vec<Route>, Vec<Route>) =
        all().into_iter().partition(|route| route.path.starts_with(FORGE));
    for route in others {
        config.route(&route.path, (route.handler)().wrap(from_fn(extract::prove_first)));
    }
    if let Some(forge) = forge {
        let mut scope = web::scope(FORGE);
        for route in of_forge {
            let below = route.path.strip_prefix(FORGE).unwrap_or_default();
            scope = scope.route(below, (route.handler)().wrap(from_fn(extract::prove_first)));
        }
        config.service(
            scope
                .default_service(web::to(health::not_found))
                .wrap(from_fn(answers::as_forge_wants))
                .wrap(answers::cross_origin(forge.origins.clone())),
        );
    }
    config.default_service(web::to(health::not_found));
}
