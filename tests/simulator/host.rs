//! Pages of the simulated Jira that a person recognises: an issue with the app's panel in it, the app's own pages, all
//! in iframes on the app's origin, over Atlassian's bridge. A cookie says who looks; anybody may be anybody.

pub(crate) mod forge;

use crate::control;
use crate::site::Site;
use crate::state::{Issue, State, User};
use actix_web::web::{self, ServiceConfig, get, post};
use actix_web::{HttpRequest, HttpResponse};
use std::fmt::Write;

/// Atlassian's bridge from npm, as the front end's build copies it.
#[derive(rust_embed::Embed)]
#[folder = "../../frontend/dist-host"]
#[allow_missing = true]
struct Bridge;

const SCRIPT: &str = include_str!("host/host.js");
const FORGE: &str = include_str!("host/forge.js");
const STYLE: &str = include_str!("host/host.css");
/// Name of the cookie that says who looks.
const SESSION: &str = "session";
/// Name of the cookie that says how it looks.
const THEME: &str = "theme";
/// People that the switch offers.
const OFFERED: usize = 4;
/// Languages that the switch offers, as Jira names them.
const LOCALES: [(&str, &str); 2] = [("en_US", "English"), ("de_DE", "Deutsch")];

/// Registers the pages.
pub(crate) fn configure(config: &mut ServiceConfig) {
    config
        .route("/", get().to(home))
        .route("/browse/{key}", get().to(issue))
        .route("/plugins/servlet/ac/{app}/{module}", get().to(app_page))
        .route("/jira/apps/{app}/{environment}/{module}", get().to(forge_page))
        .route("/host/forge/remote", post().to(forge::remote))
        .route("/host/forge/invoke", post().to(forge::invoke))
        .route("/host/as/{account}", get().to(become_somebody))
        .route("/host/theme/{theme}", get().to(change_theme))
        .route("/host/locale/{locale}", get().to(change_locale))
        .route("/favicon.ico", get().to(HttpResponse::NoContent))
        .route("/host/token", get().to(token))
        .route("/host/control", post().to(control::act))
        .route("/host/{file}", get().to(file));
}

/// The account that a browser is logged in as.
pub(crate) fn session(request: &HttpRequest) -> Option<String> {
    cookie(request, SESSION)
}

fn cookie(request: &HttpRequest, name: &str) -> Option<String> {
    let header = request.headers().get("cookie")?.to_str().ok()?;
    let pairs = header.split(';').filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(known, _)| *known == name).map(|(_, value)| value.to_owned()).next()
}

/// Who looks, and how.
struct Viewer {
    user: User,
    theme: String,
    locale: String,
}

impl Viewer {
    fn of(request: &HttpRequest, state: &State) -> Option<Self> {
        let known = session(request).and_then(|account| state.users.get(&account));
        Some(Self {
            user: known.or_else(|| state.users.values().next())?.clone(),
            theme: cookie(request, THEME).filter(|theme| theme == "dark").unwrap_or_else(|| "light".into()),
            locale: cookie(request, "locale").unwrap_or_else(|| LOCALES[0].0.into()),
        })
    }
}

async fn home(request: HttpRequest, site: web::Data<Site>) -> HttpResponse {
    let viewer = Viewer::of(&request, &site.state());
    let Some(viewer) = viewer else { return HttpResponse::NotFound().body("Nobody is here.") };
    let mut body = String::from("<div class=\"list\"><h1>For you</h1><ul>");
    for issue in site.state().issues.values().take(25) {
        let (key, summary) = (&issue.key, escape(&issue.summary));
        let _ = write!(body, "<li><a href=\"/browse/{key}\">{key}</a> {summary}</li>");
    }
    page(&site, &request, &viewer, None, &(body + "</ul></div>"))
}

async fn issue(request: HttpRequest, path: web::Path<String>, site: web::Data<Site>) -> HttpResponse {
    let found = {
        let state = site.state();
        let viewer = Viewer::of(&request, &state);
        let issue = state.issues.values().find(|issue| issue.key == *path).cloned();
        issue.zip(viewer)
    };
    let Some((issue, viewer)) = found else { return HttpResponse::NotFound().body("No such issue.") };
    if !site.state().may_browse(&viewer.user.account_id, issue.id) {
        return HttpResponse::NotFound().body("There is no such issue, or you may not see it.");
    }
    let by_forge = site.state().forge.is_some();
    let panel = if by_forge {
        forge::place(&site, "hourbook-panel", false)
    } else {
        let url = site.page_url(&format!("/connect/panel?issueId={}", issue.id), &viewer.user.account_id);
        format!("<div data-frame=\"{}\" data-module=\"hourbook-panel\"></div>", escape(&url))
    };
    let (key, summary) = (&issue.key, escape(&issue.summary));
    let body = format!(
        "<div class=\"issue\"><div><div class=\"crumbs\">Projects / {} / <a href=\"/browse/{key}\">{key}</a></div>\
         <h1>{summary}</h1><h2>Description</h2><p class=\"prose\">What has to be done is written here, as in any issue. \
         The time that it takes is in the panel.</p><h2>Activity</h2><p class=\"crumbs\">Comments, history and the \
         worklogs of Jira itself.</p></div><aside><div><span class=\"status\">{}</span></div><section class=\"card\">\
         <h2>Details</h2><dl><dt>Type</dt><dd>{}</dd><dt>Labels</dt><dd>{}</dd></dl></section>\
         <section class=\"card\"><h2>Time</h2>{panel}</section>\
         </aside></div>",
        key.split('-').next().unwrap_or_default(),
        escape(&issue.status),
        escape(&issue.issue_type),
        if issue.labels.is_empty() { "None".into() } else { escape(&issue.labels.join(", ")) },
    );
    page(&site, &request, &viewer, Some(&issue), &body)
}

async fn app_page(
    request: HttpRequest,
    path: web::Path<(String, String)>,
    site: web::Data<Site>,
) -> HttpResponse {
    let at = match path.1.as_str() {
        "hourbook-reports" => "/connect/reports",
        "hourbook-admin" => "/connect/admin",
        _ => return HttpResponse::NotFound().body("No such page."),
    };
    let viewer = Viewer::of(&request, &site.state());
    let Some(viewer) = viewer else { return HttpResponse::NotFound().body("Nobody is here.") };
    let url = escape(&site.page_url(at, &viewer.user.account_id));
    let body =
        format!("<div class=\"full\"><div data-frame=\"{url}\" data-module=\"{}\"></div></div>", path.1);
    page(&site, &request, &viewer, None, &body)
}

async fn forge_page(
    request: HttpRequest,
    path: web::Path<(String, String, String)>,
    site: web::Data<Site>,
) -> HttpResponse {
    let viewer = Viewer::of(&request, &site.state());
    let module = path.2.as_str();
    let (Some(viewer), true) = (viewer, ["hourbook-reports", "hourbook-admin"].contains(&module)) else {
        return HttpResponse::NotFound().body("No such page.");
    };
    let body = format!("<div class=\"full\">{}</div>", forge::place(&site, module, true));
    page(&site, &request, &viewer, None, &body)
}

fn page(
    site: &Site,
    request: &HttpRequest,
    viewer: &Viewer,
    issue: Option<&Issue>,
    body: &str,
) -> HttpResponse {
    let (here, app) = (escape(request.path()), site.app_key());
    let state = site.state();
    let mut who = String::new();
    let switch = |to: String, name: &str, current: bool| {
        let current = if current { " aria-current=\"true\"" } else { "" };
        format!("<a href=\"{to}?to={here}\"{current}>{}</a>", escape(name))
    };
    for user in state.users.values().filter(|user| user.active).take(OFFERED) {
        let is_them = user.account_id == viewer.user.account_id;
        let role = if user.admin { " (admin)" } else { "" };
        let name = format!("{}{role}", user.display_name);
        who += &switch(format!("/host/as/{}", user.account_id), &name, is_them);
    }
    for theme in ["light", "dark"] {
        who += &switch(format!("/host/theme/{theme}"), theme, viewer.theme == theme);
    }
    for (locale, name) in LOCALES {
        who += &switch(format!("/host/locale/{locale}"), name, viewer.locale == locale);
    }
    let theme = &viewer.theme;
    let about = format!(
        "data-color-mode=\"{theme}\" data-theme=\"light:light dark:dark shape:shape spacing:spacing \
         typography:typography\" data-app=\"{app}\" data-account=\"{}\" data-locale=\"{}\" data-zone=\"{}\" \
         data-issue=\"{}\" data-key=\"{}\" data-cloud=\"{}\"",
        viewer.user.account_id,
        escape(&viewer.locale),
        escape(viewer.user.time_zone.as_deref().unwrap_or("UTC")),
        issue.map(|issue| issue.id.to_string()).unwrap_or_default(),
        issue.map(|issue| escape(&issue.key)).unwrap_or_default(),
        state.cloud_id,
    );
    let by_forge = state.forge.is_some();
    let [reports, admin] = ["hourbook-reports", "hourbook-admin"].map(|module| {
        if by_forge { forge::path(module) } else { format!("/plugins/servlet/ac/{app}/{module}") }
    });
    let scripts: &[&str] = if by_forge { &["forge.js"] } else { &["connect-host.js", "host.js"] };
    let scripts =
        scripts.iter().map(|name| format!("<script src=\"/host/{name}\"></script>")).collect::<String>();
    let html = format!(
        "<!doctype html><html lang=\"en\" {about}><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>Simulated Jira</title><link rel=\"stylesheet\" href=\"/host/host.css\">\
         </head><body><header class=\"top\"><strong>Jira (simulated)</strong><nav><a href=\"/\">For you</a>\
         <a href=\"{reports}\">Hourbook</a><a href=\"{admin}\">Administration</a></nav>\
         <div class=\"who\">{who}</div></header><main>{body}</main>{scripts}</body></html>"
    );
    let mut response = HttpResponse::Ok();
    if session(request).is_none() {
        // From the first page on one is somebody.
        response.insert_header(("Set-Cookie", cookie_of(SESSION, &viewer.user.account_id)));
    }
    response.content_type("text/html; charset=utf-8").body(html)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn cookie_of(name: &str, value: &str) -> String {
    format!("{name}={value}; Path=/; SameSite=Lax")
}

/// Sets a cookie and goes back.
fn remember(request: &HttpRequest, name: &str, value: &str) -> HttpResponse {
    let to = request.query_string().strip_prefix("to=").filter(|to| to.starts_with('/')).unwrap_or("/");
    HttpResponse::SeeOther()
        .insert_header(("Set-Cookie", cookie_of(name, value)))
        .insert_header(("Location", to))
        .finish()
}

async fn become_somebody(request: HttpRequest, path: web::Path<String>) -> HttpResponse {
    remember(&request, SESSION, &path)
}

async fn change_theme(request: HttpRequest, path: web::Path<String>) -> HttpResponse {
    remember(&request, THEME, &path)
}

async fn change_locale(request: HttpRequest, path: web::Path<String>) -> HttpResponse {
    remember(&request, "locale", &path)
}

async fn token(request: HttpRequest, site: web::Data<Site>) -> HttpResponse {
    let viewer = Viewer::of(&request, &site.state());
    match viewer {
        Some(viewer) => HttpResponse::Ok().body(site.context_token(&viewer.user.account_id)),
        None => HttpResponse::Unauthorized().finish(),
    }
}

/// Our half of the bridge, theirs, and the style.
async fn file(path: web::Path<String>) -> HttpResponse {
    match path.as_str() {
        "host.css" => HttpResponse::Ok().content_type("text/css").body(STYLE),
        "host.js" => HttpResponse::Ok().content_type("text/javascript").body(SCRIPT),
        "forge.js" => HttpResponse::Ok().content_type("text/javascript").body(FORGE),
        "connect-host.js" => bridge("connect-host.js"),
        _ => HttpResponse::NotFound().finish(),
    }
}

/// What pages of apps load.
pub(crate) async fn all_js() -> HttpResponse {
    bridge("iframe.js")
}

fn bridge(name: &str) -> HttpResponse {
    match Bridge::get(name) {
        Some(found) => HttpResponse::Ok().content_type("text/javascript").body(found.data.into_owned()),
        None => HttpResponse::NotFound().body("The front end is not built: make web."),
    }
}
