//! A call of Jira's REST API, and its answer.

use super::error::JiraError;
use bytes::Bytes;
use reqwest::Method;
use reqwest::header::HeaderMap;

/// One call. Paths are built from numbers and fixed words, so that nothing in them needs encoding.
pub struct Call {
    pub(super) method: Method,
    pub(super) path: String,
    query: Vec<(&'static str, String)>,
    pub(super) body: Option<Bytes>,
    /// Safe to send again when it is unknown whether it arrived.
    pub(super) repeatable: bool,
    /// Whether it changes an issue.
    writes: bool,
    /// Whether it goes to Atlassian's gateway itself, and not to a site.
    pub(super) of_cloud: bool,
}

impl Call {
    /// A read.
    pub fn get(path: impl Into<String>) -> Self {
        Self {
            method: Method::GET,
            path: path.into(),
            query: Vec::new(),
            body: None,
            repeatable: true,
            writes: false,
            of_cloud: false,
        }
    }

    /// A POST that only reads.
    pub fn query(path: impl Into<String>, body: &serde_json::Value) -> Self {
        Self { body: Some(Bytes::from(body.to_string())), method: Method::POST, ..Self::get(path) }
    }

    /// A write, never sent twice by itself.
    pub fn write(method: Method, path: impl Into<String>, body: Option<&serde_json::Value>) -> Self {
        Self {
            method,
            body: body.map(|body| Bytes::from(body.to_string())),
            repeatable: false,
            writes: true,
            ..Self::get(path)
        }
    }

    /// The same to Atlassian's gateway itself.
    pub fn of_cloud(self) -> Self {
        Self { of_cloud: true, ..self }
    }

    /// Adds a query parameter.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    /// What Jira counts together: the method and the path with its ids replaced.
    pub(super) fn endpoint(&self) -> String {
        let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        // The first number is the version of the API.
        let parts = self.path.split('/').enumerate().map(|(at, part)| match part {
            id if at > 3 && plain(id) => "{id}",
            word => word,
        });
        format!("{} {}", self.method, parts.collect::<Vec<_>>().join("/"))
    }

    /// The issue that it changes.
    pub(super) fn writes_to(&self) -> Option<i64> {
        let behind = self.path.split("/issue/").nth(1).filter(|_| self.writes)?;
        behind.split('/').next()?.parse().ok()
    }

    /// Path and query as they are sent and signed.
    pub(super) fn target(&self) -> String {
        if self.query.is_empty() {
            return self.path.clone();
        }
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(&self.query);
        format!("{}?{}", self.path, query.finish())
    }
}

/// A successful answer.
pub struct Answer {
    /// The body.
    pub body: Bytes,
    /// The headers.
    pub headers: HeaderMap,
    /// Jira's clock, ms, from the `Date` header; it has whole seconds only.
    pub date_ms: Option<i64>,
}

impl Answer {
    /// Reads the body as JSON.
    ///
    /// # Errors
    /// [`JiraError::Unexpected`] names where it does not fit, without the content.
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T, JiraError> {
        // Checked once: serde would check each text of a page on its own.
        let text = std::str::from_utf8(&self.body)
            .map_err(|_| JiraError::Unexpected("an answer that is not UTF-8".into()))?;
        serde_json::from_str(text).map_err(|error| {
            JiraError::Unexpected(format!(
                "{:?} at line {} column {}",
                error.classify(),
                error.line(),
                error.column()
            ))
        })
    }
}
