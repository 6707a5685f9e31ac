//! `hourbook forge`: the folder that `forge deploy` takes, manifest and pages.

use super::output;
use crate::config::{self, Env};
use crate::web::assets;
use anyhow::{Context, ensure};
use std::fs;
use std::path::Path;

const MANIFEST: &str = include_str!("../../deploy/forge/manifest.yml");
/// Where the manifest says that the pages are.
const PAGES: &str = "static/pages";

/// The manifest of an app whose server is at `base_url`.
pub fn manifest(app_id: &str, base_url: &str) -> String {
    MANIFEST.replace("{{appId}}", app_id).replace("{{baseUrl}}", base_url)
}

/// Writes the folder; what is in it already is replaced, file by file.
///
/// # Errors
/// When the settings are wrong, the server was built without its pages, or a file cannot be written.
pub fn run(env: &Env, folder: &Path) -> anyhow::Result<()> {
    let (app_id, base_url) = config::app_of_forge(env)?;
    ensure!(
        base_url.starts_with("https://"),
        "HOURBOOK_BASE_URL: Forge calls https addresses alone, and this is {base_url}"
    );
    let pages = folder.join(PAGES);
    // Names of former builds would stay for ever.
    if pages.exists() {
        fs::remove_dir_all(&pages).with_context(|| format!("removing {}", pages.display()))?;
    }
    let mut written = 0;
    for (name, content) in assets::plain() {
        let path = pages.join(&name);
        fs::create_dir_all(path.parent().unwrap_or(&pages))?;
        fs::write(&path, content).with_context(|| format!("writing {}", path.display()))?;
        written += 1;
    }
    ensure!(written > 0, "{}", assets::MISSING);
    let path = folder.join("manifest.yml");
    fs::write(&path, manifest(&app_id, &base_url)).with_context(|| format!("writing {}", path.display()))?;
    output::line(format!(
        "{}: the manifest of {app_id} and {written} files of the pages, for the server at {base_url}.",
        folder.display()
    ));
    output::line("Deploy it from there: forge lint && forge deploy --environment production");
    Ok(())
}
