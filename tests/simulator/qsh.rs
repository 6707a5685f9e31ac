//! The query string hash as Jira computes it; written apart from Hourbook's.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Hash of a request whose target has no base path.
pub fn hash(method: &str, target: &str) -> String {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut path = path.replace('&', "%26");
    if path.len() > 1 && path.ends_with('/') {
        path.pop();
    }
    let mut sorted: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for part in query.split('&').filter(|part| !part.is_empty() && !part.starts_with("jwt=")) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let plain =
            |text: &str| percent_decode_str(&text.replace('+', "%20")).decode_utf8_lossy().to_string();
        let name = utf8_percent_encode(&plain(name), KEPT).to_string();
        sorted.entry(name).or_default().push(plain(value));
    }
    let mut parts = Vec::new();
    for (name, mut values) in sorted {
        values.sort();
        let encoded: Vec<String> =
            values.iter().map(|value| utf8_percent_encode(value, KEPT).to_string()).collect();
        parts.push(format!("{name}={}", encoded.join(",")));
    }
    hex::encode(Sha256::digest(format!("{method}&{path}&{}", parts.join("&"))))
}
