//! The accounts that a tenant's data is kept under: reported to Atlassian week by week, and forgotten when their owners
//! close them. Totals stay; the id that names a person does not.

use crate::alarm::{self, Alarm};
use crate::app::App;
use crate::jira::accounts::{REPORT_MAX, Status};
use crate::jira::error::JiraError;
use crate::jira::meter::Class;
use crate::reports::saved;
use crate::tenants::Tenant;
use hourbook_store::control::accounts::{self as register, Turn};
use hourbook_store::control::installations;
use hourbook_store::tenant::accounts;
use hourbook_store::tenant::{TenantDb, audit};
use sha2::{Digest, Sha256};

/// An account's turn is ours for so long, ms: then whoever took it is taken to have failed.
const TURN_MS: i64 = 10 * 60_000;
/// Accounts that no tenant has any more are remembered for so long, ms.
const UNSEEN_MS: i64 = 30 * 86_400_000;

/// The job: reports the accounts whose turn it is.
///
/// # Errors
/// When a database fails or Atlassian does not take the report; what was taken stays.
pub async fn run(app: &App, tenant: &Tenant) -> anyhow::Result<()> {
    let db = app.db(tenant).await?;
    let id = tenant.id.clone();
    let found = app.control.read(move |conn| installations::find(conn, &id)).await?;
    let Some(since) = found.map(|found| found.installed_at) else { return Ok(()) };
    let held: Vec<String> = db.read(accounts::held).await?.into_iter().collect();
    for some in held.chunks(REPORT_MAX) {
        let (due, closed) = turns(app, some.to_vec(), since).await?;
        forget(app, tenant, &db, closed).await?;
        if !due.is_empty() {
            report(app, tenant, &db, due).await?;
        }
    }
    Ok(())
}

/// Whose turn it is, with the instant since which each is held; and which were closed, as another tenant has learnt.
async fn turns(app: &App, ids: Vec<String>, since: i64) -> anyhow::Result<(Vec<(String, i64)>, Vec<String>)> {
    let now = app.clock.now_ms();
    let taken = app.control.write(move |conn| {
        let (mut due, mut closed) = (Vec::new(), Vec::new());
        for id in ids {
            match register::take_turn(conn, &digest(&id), since, now + TURN_MS, now)? {
                Turn::Report { held_since } => due.push((id, held_since)),
                Turn::Closed => closed.push(id),
                Turn::NotYet => {}
            }
        }
        Ok((due, closed))
    });
    Ok(taken.await?)
}

async fn report(app: &App, tenant: &Tenant, db: &TenantDb, due: Vec<(String, i64)>) -> anyhow::Result<()> {
    let now = app.clock.now_ms();
    let answer = match app.jira.as_app(&tenant.site, Class::Incremental).report_accounts(&due).await {
        Ok(answer) => answer,
        Err(error) => {
            // Their turn comes again at once, for whoever tries next.
            app.control
                .write(move |conn| {
                    due.iter()
                        .try_for_each(|(id, since)| register::reported(conn, &digest(id), now, *since, false))
                })
                .await?;
            return refused(app, tenant, error);
        }
    };
    let next_at = now + answer.cycle_ms;
    let with = |status: Status| {
        let such = answer.accounts.iter().filter(move |account| account.status == status);
        such.map(|account| account.account_id.clone()).collect::<Vec<_>>()
    };
    let (closed, updated) = (with(Status::Closed), with(Status::Updated));
    // Erased here before the register says so: what is cut off in between is reported once more.
    forget(app, tenant, db, closed.clone()).await?;
    if !updated.is_empty() {
        // Nothing but the id is held; names that memory has are asked for anew.
        app.facts.all_changed(&tenant.id);
    }
    tracing::info!(
        tenant.id = tenant.id,
        reported = due.len(),
        closed = closed.len(),
        updated = updated.len(),
        "accounts reported"
    );
    app.control
        .write(move |conn| {
            for (id, held_since) in due {
                let since = if updated.contains(&id) { now } else { held_since };
                register::reported(conn, &digest(&id), next_at, since, closed.contains(&id))?;
            }
            Ok(())
        })
        .await?;
    Ok(())
}

/// What a refusal of the gateway means: nothing about the site, whose own refusals suspend a tenant.
fn refused(app: &App, tenant: &Tenant, error: JiraError) -> anyhow::Result<()> {
    match error {
        JiraError::Unauthorized
        | JiraError::Forbidden(_)
        | JiraError::NotFound(_)
        | JiraError::BadRequest(_) => {
            alarm::raise(app, Alarm::Accounts, &tenant.id, &error.to_string());
            anyhow::bail!("Atlassian does not take the report of accounts: {error}")
        }
        error => Err(error.into()),
    }
}

/// Puts pseudonyms in the place of closed accounts.
async fn forget(app: &App, tenant: &Tenant, db: &TenantDb, closed: Vec<String>) -> anyhow::Result<()> {
    let now = app.clock.now_ms();
    let any = !closed.is_empty();
    for account_id in closed {
        app.permissions.forget(&tenant.id);
        db.write(move |db| {
            accounts::close(db, &account_id, now, |report, pseudonym| {
                saved::without(report, &account_id, pseudonym)
            })?;
            audit::record(db, None, "account.closed", None, now)
        })
        .await?;
        app.facts.all_changed(&tenant.id);
    }
    if any {
        // Pages from before still have the id in them.
        db.scrub(accounts::TABLES).await?;
    }
    Ok(())
}

/// Forgets accounts that no tenant has had for a month.
///
/// # Errors
/// When the control database fails.
pub async fn tidy(app: &App) -> anyhow::Result<()> {
    let before = app.clock.now_ms() - UNSEEN_MS;
    app.control.write(move |conn| register::prune(conn, before)).await?;
    Ok(())
}

fn digest(account_id: &str) -> String {
    hex::encode(Sha256::digest(format!("hourbook account {account_id}")))
}
