//! Reading what other sources did not carry: tags and visibility after a webhook, worklogs that Jira did not return
//! when it was asked, projects of new issues.

use super::apply;
use super::run::WITHHELD_MS;
use crate::app::App;
use crate::jira::client::SiteClient;
use crate::jira::issues::BULK_MAX;
use crate::jira::meter::Class;
use crate::jobs::{self, Kind};
use crate::tenants::Tenant;
use hourbook_store::tenant::issues::{self, Issue};
use hourbook_store::tenant::{TenantDb, worklogs};

/// Worklogs that one read asks for.
const READ: i64 = 1000;
/// Passes over what waits: an absence counts only once it was asked for on purpose.
const PASSES: usize = 3;

/// What came of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Completed {
    /// Rows written.
    pub written: i64,
    /// Worklogs that are hidden from now on.
    pub hidden: i64,
}

/// The job.
///
/// # Errors
/// When Jira or the database fails; what was read stays.
pub async fn run(app: &App, tenant: &Tenant) -> anyhow::Result<()> {
    let db = app.db(tenant).await?;
    let jira = app.jira.as_app(&tenant.site, Class::Event);
    unread(&db, &jira).await?;
    projects(&db, &jira).await
}

/// The job that reads worklogs which the copy does not have yet: their events did not carry enough.
///
/// # Errors
/// When Jira or the database fails.
pub async fn fetch(app: &App, tenant: &Tenant, ids: &str) -> anyhow::Result<()> {
    let ids = ids.split(',').map(str::parse).collect::<Result<Vec<i64>, _>>()?;
    let db = app.db(tenant).await?;
    let jira = app.jira.as_app(&tenant.site, Class::Event);
    ask(&db, &jira, ids.clone()).await?;
    let lacking = db.read(move |db| Ok(ids.len() - apply::known(db, &ids)?.len()));
    if lacking.await? > 0 {
        // Jira lags behind its own events: the feed tells once it has withheld its minute.
        jobs::enqueue_after(app, &tenant.id, Kind::SyncIncremental, "", WITHHELD_MS).await?;
    }
    projects(&db, &jira).await
}

/// The job that looks whether hidden worklogs are to be had again.
///
/// # Errors
/// When Jira or the database fails; what was read stays.
pub async fn recheck(app: &App, tenant: &Tenant) -> anyhow::Result<()> {
    let db = app.db(tenant).await?;
    let jira = app.jira.as_app(&tenant.site, Class::Event);
    hidden(&db, &jira, i64::MAX).await?;
    Ok(())
}

/// Has worklogs read once more: a property is written apart from its worklog without changing the worklog's
/// `updated`, so that a read from before cannot be told from one after; and a 404 says nothing of where it went.
///
/// # Errors
/// When a database fails.
pub async fn again(app: &App, tenant: &Tenant, id: i64) -> hourbook_store::error::Result<()> {
    let db = app.db(tenant).await?;
    let now = app.clock.now_ms();
    db.write(move |db| worklogs::mark_unread(db, &[id], now)).await?;
    jobs::enqueue(app, &tenant.id, Kind::Complete, "").await?;
    Ok(())
}

/// Reads the worklogs that wait for it. Those that Jira does not return are asked for once more, then hidden.
///
/// # Errors
/// When Jira or the database fails.
pub async fn unread(db: &TenantDb, jira: &SiteClient) -> anyhow::Result<Completed> {
    let now = jira.clock().now_ms();
    db.write(move |db| worklogs::clamp_unread(db, now)).await?;
    let mut done = Completed::default();
    for _ in 0..PASSES {
        let (mut after, mut once_more) = (0, false);
        loop {
            let ids = db.read(move |db| worklogs::unread(db, after, READ)).await?;
            let Some(last) = ids.last() else { break };
            after = *last;
            let (completed, ask_again) = ask(db, jira, ids).await?;
            done.written += completed.written;
            done.hidden += completed.hidden;
            once_more |= ask_again;
        }
        if !once_more {
            break;
        }
    }
    Ok(done)
}

/// Asks Jira for worklogs and takes in what it returns and what it does not.
///
/// # Errors
/// When Jira or the database fails.
pub async fn ask(db: &TenantDb, jira: &SiteClient, ids: Vec<i64>) -> anyhow::Result<(Completed, bool)> {
    let begun_at = jira.clock().now_ms();
    let returned = jira.worklogs_by_id(&ids).await?;
    let now = jira.clock().now_ms();
    let (applied, absent) = db
        .write(move |db| {
            let missing = apply::missing(&ids, &returned);
            Ok((apply::read(db, returned, begun_at)?, apply::absent(db, &missing, begun_at, now)?))
        })
        .await?;
    jira.ignored(applied.junk);
    Ok((Completed { written: applied.written, hidden: absent.hidden }, absent.ask_again))
}

/// Asks for up to `limit` hidden worklogs again; returns how many are shown from now on.
///
/// # Errors
/// When Jira or the database fails.
pub async fn hidden(db: &TenantDb, jira: &SiteClient, limit: i64) -> anyhow::Result<i64> {
    let (mut after, mut asked, mut back) = (0, 0, 0);
    while asked < limit {
        let step = READ.min(limit - asked);
        let ids = db.read(move |db| worklogs::unreadable(db, after, step)).await?;
        let Some(last) = ids.last() else { break };
        after = *last;
        asked += i64::try_from(ids.len())?;
        back += ask(db, jira, ids).await?.0.written;
    }
    Ok(back)
}

/// Learns the projects of issues that are new in the copy.
///
/// # Errors
/// When Jira or the database fails.
pub async fn projects(db: &TenantDb, jira: &SiteClient) -> anyhow::Result<()> {
    loop {
        let unknown = db.read(|db| worklogs::issues_without_project(db, 5000)).await?;
        if unknown.is_empty() {
            return Ok(());
        }
        for some in unknown.chunks(BULK_MAX) {
            let found = jira.projects_of(some).await?;
            let known: Vec<Issue> =
                some.iter().map(|id| Issue { id: *id, project_id: found.get(id).copied() }).collect();
            db.write(move |db| issues::put(db, &known)).await?;
        }
    }
}
