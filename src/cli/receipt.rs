//! `hourbook receipt`: checks a receipt of deletion, offline.

use super::output;
use anyhow::{Context, ensure};
use clap::Subcommand;
use serde::Deserialize;
use serde_json::Value;
use std::path::PathBuf;

/// What to do.
#[derive(Subcommand)]
pub enum Verb {
    /// Check the signature of a receipt and show what it says. Asks nobody and needs no Hourbook server.
    Verify {
        /// The receipt, as it was downloaded.
        file: PathBuf,
        /// The public key (hex) that the admin page showed before the app was uninstalled.
        #[arg(long)]
        key: String,
    },
}

#[derive(Deserialize)]
struct Signed {
    body: String,
    signature: String,
}

/// Runs one of the verbs.
///
/// # Errors
/// When the file is no receipt, or was not signed by that key.
pub fn run(verb: Verb) -> anyhow::Result<()> {
    let Verb::Verify { file, key } = verb;
    let text = std::fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
    let signed: Signed =
        serde_json::from_str(&text).context("not a receipt: `body` and `signature` are expected")?;
    let checked = hourbook_crypto::receipt::verify_hex(&key, signed.body.as_bytes(), &signed.signature);
    ensure!(
        checked != Err(hourbook_crypto::Error::Refused),
        "NOT VALID: the receipt was changed, or was not signed by this key"
    );
    checked?;
    output::line("Valid: signed by this key, and not changed since.");
    let body: Value = serde_json::from_str(&signed.body).context("a receipt of another kind")?;
    let mut rows: Vec<Vec<String>> =
        ["receipt", "installation", "issuedAt", "keyDestroyedAt", "lastKeyCopyGoneBy"]
            .map(|name| vec![name.to_owned(), plain(&body[name])])
            .to_vec();
    for (name, count) in body["existed"].as_object().into_iter().flatten() {
        rows.push(vec![format!("existed: {name}"), plain(count)]);
    }
    for place in body["places"].as_array().into_iter().flatten() {
        rows.push(vec![format!("emptied: {}", plain(&place["place"])), plain(&place["removedAt"])]);
    }
    output::table(&rows);
    Ok(())
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
