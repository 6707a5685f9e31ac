//! The Connect descriptor, with this server's base URL.

use super::extract::Shared;
use actix_web::HttpResponse;

const TEMPLATE: &str = include_str!("../../atlassian-connect.json");
const ICON: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><circle cx="12" cy="12" r="9" fill="none" stroke="#0c66e4" stroke-width="2"/><path d="M12 7v5l3.5 2" fill="none" stroke="#0c66e4" stroke-width="2" stroke-linecap="round"/></svg>"##;

/// The descriptor as Atlassian fetches it.
pub fn render(base_url: &str, app_key: &str) -> String {
    TEMPLATE.replace("{{baseUrl}}", base_url).replace("{{appKey}}", app_key)
}

/// Serves the descriptor.
#[utoipa::path(get, path = "/atlassian-connect.json", responses((status = 200, description = "The Connect descriptor")))]
pub async fn descriptor(app: Shared) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/json")
        .body(render(&app.config.base_url, &app.config.app_key))
}

/// The icon of the panel.
#[utoipa::path(get, path = "/static/icon.svg", responses((status = 200, description = "The icon of the panel")))]
pub async fn icon() -> HttpResponse {
    HttpResponse::Ok().content_type("image/svg+xml").body(ICON)
}
