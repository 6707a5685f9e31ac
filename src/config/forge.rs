//! What the Forge adapter needs to know of the app.

use super::{Reader, number, secure};
use crate::sites::AllowedSites;

/// The app as it is registered with Forge.
#[derive(Debug, Clone)]
pub struct Forge {
    /// `HOURBOOK_FORGE_APP_ID`: `ari:cloud:ecosystem::app/<uuid>`, the audience of invocation tokens.
    pub app_id: String,
    /// `HOURBOOK_FORGE_KEYS_URL`: the key set of invocation tokens.
    pub keys_url: String,
    /// `HOURBOOK_FORGE_ENVIRONMENTS`: types of the app's environments that may call.
    pub environments: Vec<String>,
    /// `HOURBOOK_FORGE_ORIGINS`: where Forge's pages come from, which call by themselves.
    pub origins: AllowedSites,
    /// `HOURBOOK_FORGE_UNINSTALL_MINUTES`, in ms: so long an announced removal may be withdrawn.
    pub uninstall_grace_ms: i64,
}

const ENVIRONMENTS: [&str; 3] = ["PRODUCTION", "STAGING", "DEVELOPMENT"];

pub(super) fn app_id(text: &str) -> Result<String, &'static str> {
    let id = text.strip_prefix("ari:cloud:ecosystem::app/");
    match id.filter(|id| !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')) {
        Some(_) => Ok(text.to_owned()),
        None => Err("ari:cloud:ecosystem::app/ and the app's UUID, as its manifest has it"),
    }
}

fn keys_url(text: &str) -> Result<String, &'static str> {
    secure(text).map(|url| url.to_string())
}

fn environments(text: &str) -> Result<Vec<String>, String> {
    let named: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
    match named.iter().find(|name| !ENVIRONMENTS.contains(&name.as_str())) {
        Some(unknown) => Err(format!("{unknown:?} is none of {}", ENVIRONMENTS.join(", "))),
        None => Ok(named),
    }
}

impl Reader<'_> {
    /// Without an app id there is no Forge.
    pub(super) fn forge(&mut self) -> Option<Forge> {
        let app_id = self.optional("HOURBOOK_FORGE_APP_ID", app_id);
        let keys_url = self.parsed(
            "HOURBOOK_FORGE_KEYS_URL",
            "https://forge.cdn.prod.atlassian-dev.net/.well-known/jwks.json",
            keys_url,
        );
        let environments = self.parsed("HOURBOOK_FORGE_ENVIRONMENTS", "PRODUCTION", environments);
        let origins =
            self.parsed("HOURBOOK_FORGE_ORIGINS", "*.cdn.prod.atlassian-dev.net", AllowedSites::parse);
        let minutes =
            self.parsed("HOURBOOK_FORGE_UNINSTALL_MINUTES", "10", |text| number(text, 0, 7 * 24 * 60));
        Some(Forge {
            app_id: app_id?,
            keys_url: keys_url?,
            environments: environments?,
            origins: origins?,
            uninstall_grace_ms: minutes? * 60_000,
        })
    }
}
