//! Counters for the operator, served on the operator's port.

use crate::alarm::Alarm;
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
    /// Alarms by kind.
    pub alarms: IntCounterVec,
    /// Restorations of backups as a proof, by outcome.
    pub drills: IntCounterVec,
    /// Connections to database servers, by server.
    pub connections: IntGaugeVec,
    /// Whether a database server could not be reached the last time, by server.
    pub down: IntGaugeVec,
    /// What was ignored because it does not fit, by what it was.
    pub ignored: IntCounterVec,
    /// Installations by state.
    pub installations: IntGaugeVec,
    /// Work that waits, by queue.
    pub waiting: IntGaugeVec,
    /// Bytes that are kept in memory, by what for.
    pub memory: IntGaugeVec,
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
        let alarms = counter("hourbook_alarms_total", "What an operator has to look at", &["alarm"]);
        // Each is there from the start, so that a rule on its growth has something to compare with.
        Alarm::ALL.iter().for_each(|alarm| alarms.with_label_values(&[alarm.name()]).reset());
        let drills = counter("hourbook_drills_total", "Backups restored as a proof", &["outcome"]);
        let ignored = counter("hourbook_ignored_total", "What did not fit and was ignored", &["what"]);
        let request_seconds = HistogramVec::new(
            HistogramOpts::new("hourbook_request_seconds", "Seconds per answer"),
            &["route"],
        )
        .expect("a valid metric");
        registry.register(Box::new(request_seconds.clone())).expect("registered once");
        let gauge = |name: &str, help: &str, label: &str| {
            let gauge = IntGaugeVec::new(Opts::new(name, help), &[label]).expect("a valid metric");
            registry.register(Box::new(gauge.clone())).expect("registered once");
            gauge
        };
        let waiting = gauge("hourbook_waiting", "Work that waits", "queue");
        let memory = gauge("hourbook_memory_bytes", "Bytes that are kept in memory", "what");
        let connections = gauge("hourbook_connections", "Connections to database servers", "server");
        let down = gauge("hourbook_server_down", "1 if a database server could not be reached", "server");
        let installations = gauge("hourbook_installations", "Installations by state", "state");
        Self {
            requests,
            request_seconds,
            webhooks,
            jira_calls,
            jobs,
            alarms,
            drills,
            connections,
            down,
            ignored,
            installations,
            waiting,
            memory,
            registry,
        }
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
