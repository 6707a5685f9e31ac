//! Logs and error reports. What may be in them: ids, the route's template, durations, counts. Never a target with
//! its query, a comment, a tag, a name, a token, a secret or a body.

use crate::config::Reporting;
use secrecy::ExposeSecret;
use sentry::protocol::Event;
use std::io::{self, IsTerminal};
use std::sync::Arc;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

/// Keeps error reports flowing until it is dropped.
pub struct Guard {
    _sentry: Option<sentry::ClientInitGuard>,
}

/// Starts logging to standard error, and error reports if a DSN is configured.
pub fn start(reporting: &Reporting) -> Guard {
    let (json, filter) = match reporting.log.strip_prefix("json:") {
        Some(filter) => (true, filter),
        None => (false, reporting.log.as_str()),
    };
    let (filter, complaint) = match EnvFilter::try_new(filter) {
        Ok(filter) => (filter, None),
        Err(error) => (EnvFilter::new("info"), Some(error.to_string())),
    };
    let sentry = reporting.sentry_dsn.as_ref().map(|dsn| sentry::init(sentry_options(dsn.expose_secret())));
    let output = if json {
        tracing_subscriber::fmt::layer().json().with_writer(io::stderr).boxed()
    } else {
        let colours = io::stderr().is_terminal();
        tracing_subscriber::fmt::layer().with_ansi(colours).with_writer(io::stderr).boxed()
    };
    // A second start in one process (tests) keeps the first subscriber.
    let _ = tracing_subscriber::registry()
        .with(output.with_filter(filter))
        .with(sentry::integrations::tracing::ErrorLayer::new())
        .try_init();
    if let Some(error) = complaint {
        tracing::warn!(%error, "HOURBOOK_LOG is not a filter; using info");
    }
    Guard { _sentry: sentry }
}

fn sentry_options(dsn: &str) -> sentry::ClientOptions {
    let mut options = sentry::ClientOptions::default();
    options.dsn = dsn.parse().ok();
    options.send_default_pii = false;
    options.release = Some(env!("CARGO_PKG_VERSION").into());
    options.before_send = Some(Arc::new(|event| Some(scrub(event))));
    options.before_breadcrumb = Some(Arc::new(|_| None));
    options
}

/// Leaves of an error report what a log line would have: no request, no user, no breadcrumbs, no local values.
pub fn scrub(mut event: Event<'static>) -> Event<'static> {
    event.request = None;
    event.user = None;
    event.server_name = None;
    event.breadcrumbs = Vec::new().into();
    for exception in event.exception.iter_mut() {
        if let Some(text) = exception.value.as_mut() {
            *text = redact(text);
        }
        for frame in exception.stacktrace.iter_mut().flat_map(|trace| trace.frames.iter_mut()) {
            frame.vars.clear();
        }
    }
    if let Some(message) = event.message.as_mut() {
        *message = redact(message);
    }
    event
}

/// Cuts whatever looks like a token or a query out of a text.
pub fn redact(text: &str) -> String {
    text.split(' ')
        .map(|word| {
            let token = word.contains("eyJ") || word.contains("jwt=");
            match word.split_once('?') {
                _ if token => "[redacted]".into(),
                Some((before, query)) if query.contains('=') => format!("{before}?[redacted]"),
                _ => word.to_owned(),
            }
        })
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use sentry::protocol::{Exception, Request, User};

    #[test]
    fn an_error_report_keeps_no_request_user_or_token() {
        let mut event = Event::new();
        event.request = Some(Request { query_string: Some("jwt=eyJhbGciOi".into()), ..Request::default() });
        event.user = Some(User { id: Some("canary".into()), ..User::default() });
        event.message = Some("GET https://a.example/x?jwt=eyJ0 failed".into());
        event.exception =
            vec![Exception { value: Some("bad eyJhbGci.x.y".into()), ..Exception::default() }].into();
        let text = serde_json::to_string(&scrub(event)).expect("JSON");
        assert!(!text.contains("eyJ") && !text.contains("canary") && text.contains("failed"), "{text}");
    }

    #[test]
    fn options_scrub_and_send_no_personal_data() {
        let options = sentry_options("http://key@127.0.0.1:1/1");
        assert!(options.dsn.is_some() && !options.send_default_pii);
        assert!(options.before_send.is_some() && options.before_breadcrumb.is_some());
    }
}
