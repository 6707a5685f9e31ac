//! What Jira's answers mean to us.

use serde::Deserialize;
use std::collections::BTreeMap;

/// Jira's own words for a refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// The messages, for the person who asked.
    pub text: String,
    /// The first field that Jira complains about.
    pub field: Option<String>,
}

/// Why a call to Jira did not succeed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum JiraError {
    /// 401: our signature or token is not accepted.
    #[error("Jira does not accept our signature")]
    Unauthorized,
    /// Forge's token for acting as the app has run out, or there was none yet: the next call of Forge brings one.
    #[error("waits for Forge to bring a token")]
    NoSystemToken,
    /// The request brought no token for acting as its person.
    #[error("the request carries no token of its person")]
    NoUserToken,
    /// 403: not allowed.
    #[error("Jira forbids it")]
    Forbidden(Reason),
    /// 404: not there, not visible, or time tracking is off.
    #[error("Jira knows no such thing")]
    NotFound(Reason),
    /// 400 and its kin. Jira uses 400 for missing permission on worklogs too.
    #[error("Jira refuses the request")]
    BadRequest(Reason),
    /// 413: a limit per issue.
    #[error("Jira's limit is reached")]
    TooLarge(Reason),
    /// 429, or our own meter holds the call back.
    #[error("no calls for {wait_secs} s")]
    RateLimited {
        /// Seconds until another try is worth it.
        wait_secs: i64,
    },
    /// Jira cannot be reached or fails; nothing was changed.
    #[error("Jira is not available: {0}")]
    Unavailable(String),
    /// A write was sent and no answer came: it may have happened.
    #[error("the outcome is unknown: {0}")]
    OutcomeUnknown(String),
    /// An answer that is not in the contract.
    #[error("unexpected answer: {0}")]
    Unexpected(String),
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct ErrorBody {
    error_messages: Vec<String>,
    errors: BTreeMap<String, serde_json::Value>,
}

impl Reason {
    /// Reads Jira's error body; `otherwise` stands in where it says nothing.
    pub fn from_body(body: &[u8], otherwise: &str) -> Self {
        let parsed: ErrorBody = serde_json::from_slice(body).unwrap_or_default();
        let field = parsed.errors.keys().next().cloned();
        let mut texts: Vec<String> =
            parsed.errors.values().filter_map(|value| value.as_str().map(str::to_owned)).collect();
        texts.extend(parsed.error_messages);
        let text = texts.join(" ").trim().chars().take(1000).collect::<String>();
        Self { text: if text.is_empty() { otherwise.to_owned() } else { text }, field }
    }
}
