//! What an operator has to look at: logged as an error (and so reported), counted for the metrics.

use crate::app::App;

/// Kinds of alarms. Their names are labels of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alarm {
    /// A site refuses us: its installation is suspended.
    Refused,
    /// Another installation took a site over: the former one is suspended.
    Superseded,
    /// Our clock and Jira's differ by more than a minute.
    ClockSkew,
    /// A tenant has no backup of the last day.
    BackupOld,
    /// A wipe does not end.
    WipeOpen,
    /// Atlassian does not take the report of a tenant's accounts.
    Accounts,
}

impl Alarm {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Refused, Self::Superseded, Self::ClockSkew, Self::BackupOld, Self::WipeOpen, Self::Accounts];

    /// Its name in logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Superseded => "superseded",
            Self::ClockSkew => "clock_skew",
            Self::BackupOld => "backup_old",
            Self::WipeOpen => "wipe_open",
            Self::Accounts => "accounts",
        }
    }
}

/// Raises an alarm about a tenant. `detail` is in our own words, without content.
pub fn raise(app: &App, alarm: Alarm, tenant_id: &str, detail: &str) {
    app.metrics.alarms.with_label_values(&[alarm.name()]).inc();
    tracing::error!(alarm = alarm.name(), tenant.id = tenant_id, detail, "alarm");
}
