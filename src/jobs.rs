//! Work behind the requests: durable, one lane per tenant and kind of work, safe to run twice.

pub mod runner;
pub mod schedule;

use crate::app::App;
use hourbook_store::control::jobs::{self, NewJob};
use hourbook_store::error::Result;
use tokio::sync::Notify;

/// Wakes the runner when something was enqueued.
#[derive(Default)]
pub struct Wake(Notify);

impl Wake {
    /// There is work.
    pub fn now(&self) {
        self.0.notify_one();
    }

    /// Waits for work.
    pub async fn wait(&self) {
        self.0.notified().await;
    }
}

/// Every type of job. Its name is stored, so a name once used keeps its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Reads everything from Jira.
    SyncFull,
    /// Reads what changed since the last sync.
    SyncIncremental,
    /// Compares the whole copy with Jira's feeds.
    SyncReconcile,
    /// Reads what webhooks did not carry.
    Complete,
    /// Reads worklogs that the copy does not have yet. The subject is their ids, with commas between.
    Fetch,
    /// Asks again for worklogs that are hidden.
    Recheck,
    /// An issue went: its worklogs go too. The subject is the issue's id.
    IssueGone,
    /// A project went: its worklogs go too. The subject is the project's id.
    ProjectGone,
    /// A project is back: its worklogs are read again. The subject is the project's id.
    ProjectRestored,
    /// Reports accounts to Atlassian, and follows what it says of them.
    Accounts,
    /// A site refused us: does it let us in again?
    Probe,
    /// A backup of a tenant, read back by the month.
    Backup,
    /// Puts a backup in the place of a tenant's database. The subject is its file name, or empty for the newest.
    Restore,
    /// Writes a tenant's content into the vault for an operator. The subject is its whole name there.
    Export,
    /// Moves a tenant's database. The subject is where to.
    Move,
    /// Restores the newest backup of a tenant into scratch space, as a proof.
    Drill,
    /// A new version of a tenant's key, and everything sealed under it.
    Reseal,
    /// A backup of the keyring and the control database. Of no tenant.
    SystemBackup,
    /// Other master keys are configured: take them over and wrap by the first. Of no tenant.
    Rewrap,
    /// An installation is closed: remove what is left and write the receipt.
    Wipe,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 20] = [
        Self::SyncFull,
        Self::SyncIncremental,
        Self::SyncReconcile,
        Self::Complete,
        Self::Fetch,
        Self::Recheck,
        Self::IssueGone,
        Self::ProjectGone,
        Self::ProjectRestored,
        Self::Accounts,
        Self::Probe,
        Self::Backup,
        Self::Restore,
        Self::Export,
        Self::Move,
        Self::Drill,
        Self::Reseal,
        Self::SystemBackup,
        Self::Rewrap,
        Self::Wipe,
    ];

    /// The stored name.
    pub fn name(self) -> &'static str {
        match self {
            Self::SyncFull => "sync.full",
            Self::SyncIncremental => "sync.incremental",
            Self::SyncReconcile => "sync.reconcile",
            Self::Complete => "complete",
            Self::Fetch => "fetch",
            Self::Recheck => "recheck",
            Self::IssueGone => "issue.gone",
            Self::Accounts => "accounts",
            Self::Probe => "probe",
            Self::ProjectGone => "project.gone",
            Self::ProjectRestored => "project.restored",
            Self::Backup => "backup",
            Self::Restore => "restore",
            Self::Export => "export",
            Self::Move => "move",
            Self::Drill => "drill",
            Self::Reseal => "reseal",
            Self::SystemBackup => "system.backup",
            Self::Rewrap => "system.rewrap",
            Self::Wipe => "wipe",
        }
    }

    /// Jobs of one lane of a tenant never run at once.
    pub fn lane(self) -> &'static str {
        match self {
            // A sync writes what a restored or moved database would lose.
            Self::SyncFull | Self::SyncIncremental | Self::SyncReconcile | Self::Restore | Self::Move => {
                "sync"
            }
            Self::Complete | Self::Fetch | Self::Recheck => "complete",
            Self::IssueGone | Self::ProjectGone | Self::ProjectRestored => "project",
            Self::Accounts => "accounts",
            Self::Probe => "probe",
            Self::Backup | Self::Export | Self::Drill | Self::Reseal => "backup",
            Self::SystemBackup | Self::Rewrap => "system",
            Self::Wipe => "wipe",
        }
    }

    /// Kinds that may take hours: they never get all the slots.
    pub const LONG: [Self; 2] = [Self::SyncFull, Self::SyncReconcile];

    /// Kinds that keep the copy in step with Jira: they end some time after the licence.
    pub fn is_sync(self) -> bool {
        matches!(
            self,
            Self::SyncFull
                | Self::SyncIncremental
                | Self::SyncReconcile
                | Self::Complete
                | Self::Fetch
                | Self::Recheck
        )
    }

    /// Kinds that are of no tenant: their jobs have an empty one.
    pub fn is_of_the_system(self) -> bool {
        matches!(self, Self::SystemBackup | Self::Rewrap)
    }

    /// The kind with a stored name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// A job of this kind for a tenant.
    pub fn for_tenant<'a>(self, tenant_id: &'a str, subject: &'a str, run_after: i64) -> NewJob<'a> {
        NewJob { tenant_id, kind: self.name(), lane: self.lane(), subject, run_after }
    }
}

/// Enqueues a job that may run at once; returns its id.
///
/// # Errors
/// When the control database fails.
pub async fn enqueue(app: &App, tenant_id: &str, kind: Kind, subject: &str) -> Result<i64> {
    enqueue_after(app, tenant_id, kind, subject, 0).await
}

/// Enqueues a job that may run after a delay (ms): what is asked for meanwhile is the same job.
///
/// # Errors
/// When the control database fails.
pub async fn enqueue_after(
    app: &App,
    tenant_id: &str,
    kind: Kind,
    subject: &str,
    delay_ms: i64,
) -> Result<i64> {
    let (tenant_id, subject, now) = (tenant_id.to_owned(), subject.to_owned(), app.clock.now_ms());
    let due = now + delay_ms;
    let id = app
        .control
        .write(move |conn| jobs::enqueue(conn, &kind.for_tenant(&tenant_id, &subject, due), now))
        .await?;
    app.wake.now();
    Ok(id)
}
