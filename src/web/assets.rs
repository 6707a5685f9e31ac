//! The built front end, embedded: files under hashed names that may be cached for ever, and which of them a page needs.

use crate::error::{AppError, AppResult};
use actix_web::http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

/// What `npm run build` makes of `frontend/`. Debug builds read it from there, others carry it.
#[derive(rust_embed::Embed)]
#[folder = "frontend/dist"]
#[allow_missing = true]
struct Built;

/// What to do where it is missing.
pub const MISSING: &str = "the front end is not built: run `make web`, then build again";
/// Whoever asks for a hashed name gets the same bytes for ever.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// Vite's list of what was built from what.
const MANIFEST: &str = "manifest.json";
/// The module that begins everything.
const ENTRY: &str = "index.html";

/// A built module.
#[derive(Deserialize)]
struct Chunk {
    file: String,
    #[serde(default)]
    imports: Vec<String>,
    #[serde(default)]
    css: Vec<String>,
}

/// Files of a page, by path below `/static/`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files {
    /// The module to run.
    pub entry: String,
    /// Modules that it will want, the first of them at once.
    pub modules: BTreeSet<String>,
    /// Style sheets.
    pub styles: BTreeSet<String>,
}

/// Files of the page that shows a view, such as `panel`; none if the front end is not built.
pub fn files(view: &str) -> Option<Files> {
    let manifest = Built::get(MANIFEST)?;
    let chunks: HashMap<String, Chunk> = serde_json::from_slice(&manifest.data).ok()?;
    let mut files = Files { entry: chunks.get(ENTRY)?.file.clone(), ..Files::default() };
    let mut wanted = vec![ENTRY.to_owned(), format!("src/{view}/index.tsx")];
    while let Some(chunk) = wanted.pop().and_then(|name| chunks.get(&name)) {
        files.styles.extend(chunk.css.iter().cloned());
        if files.modules.insert(chunk.file.clone()) {
            wanted.extend(chunk.imports.iter().cloned());
        }
    }
    files.modules.remove(&files.entry);
    Some(files)
}

/// Every built file as it is, for another server than this one: its path and its content.
pub fn plain() -> impl Iterator<Item = (String, Cow<'static, [u8]>)> {
    // Packed twins are this server's own, and so is the list.
    let is_plain = |name: &str| name != MANIFEST && !name.ends_with(".br") && !name.ends_with(".gz");
    Built::iter()
        .filter(move |name| is_plain(name))
        .filter_map(|name| Some((name.to_string(), Built::get(&name)?.data)))
}

/// Whether there is a front end to show.
pub fn is_built() -> bool {
    files("panel").is_some()
}

/// A built file.
///
/// # Errors
/// 404 for one that this version does not have.
#[utoipa::path(get, path = "/static/assets/{file}", params(("file" = String, Path)), responses((status = 200, description = "A file of the front end; its name changes with its content")))]
pub async fn file(path: web::Path<String>, request: HttpRequest) -> AppResult<HttpResponse> {
    let name = format!("assets/{path}");
    let missing = || AppError::not_found("not_found", "There is no such file in this version of Hourbook.");
    let kind = media_type(&name).ok_or_else(missing)?;
    let accepted = request.headers().get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or("");
    let takes = |encoding: &str| {
        accepted.split(',').any(|one| one.split(';').next().unwrap_or_default().trim() == encoding)
    };
    let mut response = HttpResponse::Ok();
    response.insert_header((CONTENT_TYPE, kind)).insert_header((VARY, "Accept-Encoding"));
    // Modules are fetched with CORS, and from Forge's origin too: there is nothing secret in them.
    response.insert_header((CACHE_CONTROL, FOR_EVER)).insert_header(("Access-Control-Allow-Origin", "*"));
    response.insert_header(("Cross-Origin-Resource-Policy", "cross-origin"));
    for (encoding, ending) in [("br", ".br"), ("gzip", ".gz")] {
        if let Some(packed) = takes(encoding).then(|| Built::get(&format!("{name}{ending}"))).flatten() {
            return Ok(response.insert_header((CONTENT_ENCODING, encoding)).body(bytes_of(packed.data)));
        }
    }
    let plain = Built::get(&name).ok_or_else(missing)?;
    Ok(response.body(bytes_of(plain.data)))
}

fn bytes_of(data: Cow<'static, [u8]>) -> web::Bytes {
    match data {
        Cow::Borrowed(bytes) => web::Bytes::from_static(bytes),
        Cow::Owned(bytes) => bytes.into(),
    }
}

fn media_type(name: &str) -> Option<&'static str> {
    Some(match name.rsplit_once('.')?.1 {
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        _ => return None,
    })
}
