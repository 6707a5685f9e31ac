//! Counters for the operator, served on the operator's port.

use prometheus::{
    Encoder, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder,
};

/// All metrics of one server.
pub struct Metrics {
    registry: Registry,
    /// Answers by route template and status.
    pub requests: IntCounterVec,
    /// Seconds per answer by route template.
    pub request_seconds: HistogramVec,
    /// Webhooks by what became of them.
    pub webhooks: IntCounterVec,
    /// Calls to Jira by class and outcome.
    pub jira_calls: IntCounterVec,
    /// Jobs by kind and outcome.
    pub jobs: IntCounterVec,
    /// Work that waits, by queue.
    pub waiting: IntGaugeVec,
}

impl Metrics {
    /// Registers everything.
    pub fn new() -> Self {
        let registry = Registry::new();
        let counter = |name: &str, help: &str, labels: &[&str]| {
            let counter = IntCounterVec::new(Opts::new(name, help), labels).expect("a valid metric");
            registry.register(Box::new(counter.clone())).expect("registered once");
            counter
        };
        let requests =
            counter("hourbook_requests_total", "Answers by route and status", &["route", "status"]);
        let webhooks = counter("hourbook_webhooks_total", "Webhooks by outcome", &["outcome"]);
        let jira_calls = counter("hourbook_jira_calls_total", "Calls to Jira", &["class", "outcome"]);
        let jobs = counter("hourbook_jobs_total", "Jobs that ended", &["kind", "outcome"]);
        let request_seconds = HistogramVec::new(
            HistogramOpts::new("hourbook_request_seconds", "Seconds per answer"),
            &["route"],
        )
        .expect("a valid metric");
        registry.register(Box::new(request_seconds.clone())).expect("registered once");
        let waiting = IntGaugeVec::new(Opts::new("hourbook_waiting", "Work that waits"), &["queue"])
            .expect("a valid metric");
        registry.register(Box::new(waiting.clone())).expect("registered once");
        Self { registry, requests, request_seconds, webhooks, jira_calls, jobs, waiting }
    }

    /// The text that Prometheus reads.
    ///
    /// # Errors
    /// When a metric cannot be written as text.
    pub fn render(&self) -> Result<String, prometheus::Error> {
        let mut out = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut out)?;
        Ok(String::from_utf8_lossy(&out).into_owned())
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}
