//! Issues and projects that go and come back. No event names their worklogs, so our own map does; Jira is asked
//! before anything goes, because issues may have moved to another project, and worklogs to another issue, without
//! any event.

use super::run::pages;
use super::{apply, complete};
use crate::app::App;
use crate::jira::client::SiteClient;
use crate::jira::issues::BULK_MAX;
use crate::jira::meter::Class;
use crate::jira::worklogs::LIST_MAX;
use crate::jobs::{self, Kind};
use crate::tenants::Tenant;
use hourbook_store::tenant::issues::{self, Issue};
use hourbook_store::tenant::{TenantDb, tombstones, worklogs};

/// Takes the worklogs of a deleted issue along.
///
/// # Errors
/// When Jira or the database fails; safe to run again.
pub async fn issue_gone(app: &App, tenant: &Tenant, issue_id: i64) -> anyhow::Result<()> {
    let db = app.db(tenant).await?;
    let jira = app.jira.as_app(&tenant.site, Class::Event);
    let removed = take_along(&db, &jira, issue_id, vec![issue_id]).await?;
    tracing::info!(issue.id = issue_id, removed, "the worklogs of a deleted issue are gone");
    Ok(())
}

/// Takes the worklogs of a deleted project along. Issues that moved away before, or that are still there, stay.
///
/// # Errors
/// When Jira or the database fails; safe to run again.
pub async fn project_gone(app: &App, tenant: &Tenant, project_id: i64) -> anyhow::Result<()> {
    let db = app.db(tenant).await?;
    let jira = app.jira.as_app(&tenant.site, Class::Event);
    // Of new issues the project is not known yet: whether they went is seen by asking for their worklogs.
    let now = app.clock.now_ms();
    db.write(move |db| {
        let ids = worklogs::ids_without_project(db)?;
        worklogs::mark_unread(db, &ids, now)
    })
    .await?;
    let mapped = db.read(move |db| issues::of_project(db, project_id)).await?;
    let mut removed = 0;
    for some in mapped.chunks(BULK_MAX) {
        let found = jira.projects_of(some).await?;
        let elsewhere: Vec<Issue> =
            found.iter().map(|(id, project)| Issue { id: *id, project_id: Some(*project) }).collect();
        db.write(move |db| issues::put(db, &elsewhere)).await?;
        let went: Vec<i64> = some.iter().filter(|id| !found.contains_key(id)).copied().collect();
        removed += take_along(&db, &jira, project_id, went).await?;
    }
    complete::unread(&db, &jira).await?;
    tracing::info!(project.id = project_id, removed, "the worklogs of a deleted project are gone");
    Ok(())
}

/// Removes the worklogs on issues that are gone, except those that Jira returns under another issue.
async fn take_along(db: &TenantDb, jira: &SiteClient, container: i64, went: Vec<i64>) -> anyhow::Result<i64> {
    let on_them = went.clone();
    let ids = db.read(move |db| worklogs::ids_on_issues(db, &on_them)).await?;
    let mut removed = 0;
    for some in ids.chunks(LIST_MAX) {
        let begun_at = jira.clock().now_ms();
        let mut moved = jira.worklogs_by_id(some).await?;
        moved.retain(|worklog| !went.contains(&worklog.issue_id));
        let gone = apply::missing(some, &moved);
        let now = jira.clock().now_ms();
        removed += db
            .write(move |db| {
                apply::read(db, moved, begun_at)?;
                apply::went_along(db, container, &gone, now)
            })
            .await?;
    }
    Ok(removed)
}

/// Reads the worklogs of a restored project again. Those that went with it are known; what the copy never had, because
/// the project was away when it was made, stands in the feeds at times that are long consumed: everything is compared.
///
/// # Errors
/// When Jira or the database fails; safe to run again.
pub async fn project_restored(app: &App, tenant: &Tenant, project_id: i64) -> anyhow::Result<()> {
    let db = app.db(tenant).await?;
    let jira = app.jira.as_app(&tenant.site, Class::Event);
    let went = db.read(move |db| tombstones::of_container(db, project_id)).await?;
    for some in went.chunks(LIST_MAX) {
        let begun_at = jira.clock().now_ms();
        let returned = jira.worklogs_by_id(some).await?;
        db.write(move |db| apply::read(db, returned, begun_at)).await?;
    }
    db.write(pages::forget_passed).await?;
    jobs::enqueue(app, &tenant.id, Kind::SyncReconcile, "").await?;
    Ok(())
}
