//! Projects that go and come back. No event names their worklogs, so our own map does.

use super::apply;
use crate::app::App;
use crate::jira::issues::BULK_MAX;
use crate::jira::meter::Class;
use crate::jira::worklogs::LIST_MAX;
use crate::tenants::Tenant;
use hourbook_store::tenant::issues::{self, Issue};
use hourbook_store::tenant::tombstones;

/// Takes the worklogs of a deleted project along. Issues that moved away before, or that are still there, stay.
///
/// # Errors
/// When Jira or the database fails; safe to run again.
pub async fn gone(app: &App, tenant: &Tenant, project_id: i64) -> anyhow::Result<()> {
    let db = app.db(tenant).await?;
    let jira = app.jira.as_app(&tenant.site, Class::Event);
    let mapped = db.read(move |db| issues::of_project(db, project_id)).await?;
    let mut removed = 0;
    for some in mapped.chunks(BULK_MAX) {
        let found = jira.projects_of(some).await?;
        let elsewhere: Vec<Issue> =
            found.iter().map(|(id, project)| Issue { id: *id, project_id: Some(*project) }).collect();
        let went: Vec<i64> = some.iter().filter(|id| !found.contains_key(id)).copied().collect();
        let now = app.clock.now_ms();
        removed += db
            .write(move |db| {
                issues::put(db, &elsewhere)?;
                apply::container_gone(db, project_id, &went, now)
            })
            .await?;
    }
    tracing::info!(project.id = project_id, removed, "the worklogs of a deleted project are gone");
    Ok(())
}

/// Reads the worklogs of a restored project again.
///
/// # Errors
/// When Jira or the database fails; safe to run again.
pub async fn restored(app: &App, tenant: &Tenant, project_id: i64) -> anyhow::Result<()> {
    let db = app.db(tenant).await?;
    let jira = app.jira.as_app(&tenant.site, Class::Event);
    let went = db.read(move |db| tombstones::of_container(db, project_id)).await?;
    for some in went.chunks(LIST_MAX) {
        let begun_at = app.clock.now_ms();
        let returned = jira.worklogs_by_id(some).await?;
        db.write(move |db| apply::read(db, returned, begun_at)).await?;
    }
    Ok(())
}
