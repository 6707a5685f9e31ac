//! The query string hash: what binds a token to one request.
//!
//! Computed from the raw target as it came over the wire. The rules and their vectors are Atlassian's
//! (<https://developer.atlassian.com/cloud/bitbucket/query-string-hash/>); where the prose and the shipped
//! libraries differ, the libraries hold: repeated values sort by their decoded form.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// The qsh of tokens that a page gets for its own calls.
pub const CONTEXT: &str = "context-qsh";

const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Hash of a request in lower-case hex. `target` is path and query as sent, `base_path` the path of the base URL.
pub fn hash(method: &str, target: &str, base_path: &str) -> String {
    hex::encode(Sha256::digest(canonical(method, target, base_path).as_bytes()))
}

/// `METHOD&path&query` in the form that is hashed.
pub fn canonical(method: &str, target: &str, base_path: &str) -> String {
    let target = target.split('#').next().unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    format!("{}&{}&{}", method.to_ascii_uppercase(), canonical_path(path, base_path), canonical_query(query))
}

fn canonical_path(path: &str, base_path: &str) -> String {
    let base = base_path.trim_end_matches('/');
    // Cut on a segment boundary only: `/app` is no prefix of `/apples`.
    let rest = match path.strip_prefix(base) {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => rest,
        _ => path,
    };
    let rest = if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") };
    let rest = match rest.strip_suffix('/') {
        Some("") | None => rest.as_str(),
        Some(shorter) => shorter,
    };
    rest.replace('&', "%26")
}

fn canonical_query(query: &str) -> String {
    let mut parameters: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = form_decode(name);
        if name != "jwt" {
            parameters.entry(encode(&name)).or_default().push(form_decode(value));
        }
    }
    parameters
        .into_iter()
        .map(|(name, mut values)| {
            // The libraries sort UTF-16 code units, as JavaScript does.
            values.sort_by(|a, b| a.encode_utf16().cmp(b.encode_utf16()));
            let values: Vec<String> = values.iter().map(|value| encode(value)).collect();
            format!("{name}={}", values.join(","))
        })
        .collect::<Vec<_>>()
        .join("&")
}

fn form_decode(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, UNRESERVED).to_string()
}
