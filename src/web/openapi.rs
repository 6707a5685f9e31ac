//! The OpenAPI document, made from the handlers.

use super::{
    assets, descriptor, exports, forge, health, lifecycle, me, pages, privacy, receipts, reports, saved,
    settings, sync, tags, takeout, webhooks, worklogs,
};
use actix_web::HttpResponse;
use utoipa::OpenApi;

/// Collects the handlers.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Hourbook",
        description = "Time tracking for Jira Cloud. Errors are problem+json (RFC 9457) with a stable code. Calls of pages carry the host's context token: `Authorization: JWT <token>`. Below `/forge`, the same calls carry Forge's invocation token: `Authorization: Bearer <token>`; errors are application/json there, and 401 says that the token is bad."
    ),
    paths(
        health::healthz,
        health::readyz,
        descriptor::descriptor,
        descriptor::icon,
        assets::file,
        document,
        receipts::receipt,
        lifecycle::installed,
        lifecycle::uninstalled,
        webhooks::webhook,
        forge::event,
        forge::schedule,
        forge::removal,
        pages::panel,
        pages::reports,
        pages::admin,
        me::me,
        settings::settings,
        settings::change,
        me::audit,
        privacy::privacy,
        takeout::export,
        reports::query,
        reports::cost,
        reports::values,
        reports::preparation,
        exports::now,
        saved::list,
        saved::create,
        saved::one,
        saved::change,
        saved::delete,
        saved::duplicate,
        saved::run,
        exports::list,
        exports::begin,
        exports::one,
        exports::fetch,
        exports::delete,
        sync::status,
        sync::start,
        sync::failures,
        tags::list,
        tags::create,
        tags::change,
        tags::delete,
        worklogs::list,
        worklogs::panel,
        worklogs::of_issue,
        worklogs::create,
        worklogs::one,
        worklogs::edit,
        worklogs::delete,
    )
)]
pub struct Document;

/// The document, each operation under a name of its own: several handlers are called `list`.
fn openapi() -> utoipa::openapi::OpenApi {
    let mut document = Document::openapi();
    for (path, item) in &mut document.paths.paths {
        let operations = [
            ("get", &mut item.get),
            ("post", &mut item.post),
            ("put", &mut item.put),
            ("delete", &mut item.delete),
        ];
        for (method, operation) in operations {
            if let Some(operation) = operation {
                let words = path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
                let name = std::iter::once(method).chain(words).collect::<Vec<_>>().join("_");
                operation.operation_id = Some(name);
            }
        }
    }
    document
}

/// The document as JSON.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn render() -> Result<String, serde_json::Error> {
    openapi().to_pretty_json()
}

/// Serves the document.
#[utoipa::path(get, path = "/api/openapi.json", responses((status = 200, description = "This document")))]
pub async fn document() -> HttpResponse {
    HttpResponse::Ok().json(openapi())
}
