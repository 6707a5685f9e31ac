//! Snapshots of tenants' worklogs, kept in memory: made at the first question, brought up to date by what changed,
//! dropped by weight. What does not fit is read for the days in question alone.

use crate::app::App;
use crate::error::AppResult;
use crate::sync::status::IN_STEP;
use crate::tenants::Tenant;
use hourbook_engine::projection::{Builder, Snapshot, Worklog};
use hourbook_store::error::Result;
use hourbook_store::tenant::changes::{self, Since};
use hourbook_store::tenant::{RESTORED, TenantConn, cursors, reporting, worklogs};
use moka::sync::Cache;
use std::sync::Arc;
use std::time::Duration;

/// Of how many changed worklogs a new snapshot is read instead of being brought up to date.
const MANY: usize = 50_000;
/// Bytes that a worklog needs at least: what surely does not fit is not tried.
const LEAST_BYTES: u64 = 44;
/// Unused ones go.
const IDLE: Duration = Duration::from_secs(3600);

/// A state of a tenant's worklogs, and what was so in the same transaction.
#[derive(Clone)]
pub struct State {
    /// The worklogs.
    pub snapshot: Arc<Snapshot>,
    /// Jira's time up to which the copy is in step.
    pub in_step: Option<i64>,
    /// Worklogs that are hidden from everybody, because Jira does not return them at present.
    pub unreadable: i64,
    /// The newest transaction in it.
    seq: i64,
    /// When the database was last put in place from a backup: another history since then.
    restored: Option<i64>,
}

/// Snapshots by tenant.
pub struct Projections {
    kept: Cache<String, State>,
    most_bytes: u64,
}

impl Projections {
    /// Keeps that many bytes at most.
    pub fn new(most_bytes: u64) -> Self {
        let weigh =
            |_: &String, state: &State| u32::try_from(state.snapshot.bytes().1 / 1024).unwrap_or(u32::MAX);
        let kept = Cache::builder().weigher(weigh).max_capacity(most_bytes / 1024).time_to_idle(IDLE).build();
        Self { kept, most_bytes }
    }

    /// Forgets a tenant.
    pub fn forget(&self, tenant_id: &str) {
        self.kept.invalidate(tenant_id);
    }

    /// Forgets all tenants.
    pub fn forget_all(&self) {
        self.kept.invalidate_all();
    }

    /// Whether something is kept of a tenant.
    pub fn holds(&self, tenant_id: &str) -> bool {
        self.kept.contains_key(tenant_id)
    }

    /// Bytes that are kept.
    pub fn bytes(&self) -> u64 {
        self.kept.weighted_size() * 1024
    }
}

/// The worklogs as they are now. `needed` are the instants (ms) between which they start that the question is about,
/// and `back` says whether those that reach into them are needed too: where a tenant's worklogs do not fit in memory,
/// only these are read.
///
/// # Errors
/// When the database cannot be read.
pub async fn state(app: &App, tenant: &Tenant, needed: (i64, i64), back: bool) -> AppResult<State> {
    let db = app.db(tenant).await?;
    // One at a time brings it up to date; the others find it so.
    let _turn = app.turns.take(format!("{}/projection", tenant.id)).await;
    let kept = app.projections.kept.get(&tenant.id);
    let most = app.projections.most_bytes;
    let (state, is_whole) = db.read(move |db| read(db, kept, most, needed, back)).await?;
    if is_whole {
        app.projections.kept.insert(tenant.id.clone(), state.clone());
        // A tenant that was closed meanwhile leaves nothing behind.
        if app.tenants.by_id(&tenant.id).await?.is_none() {
            app.projections.forget(&tenant.id);
        }
    }
    Ok(state)
}

/// The state, and whether it has all worklogs.
fn read(
    db: &mut TenantConn<'_>,
    kept: Option<State>,
    most_bytes: u64,
    needed: (i64, i64),
    back: bool,
) -> Result<(State, bool)> {
    let seq = changes::newest(db)?;
    let restored = cursors::get(db, RESTORED)?;
    let kept = kept.filter(|kept| kept.restored == restored && kept.seq <= seq);
    let (mut snapshot, mut is_whole) = (None, true);
    if let Some(kept) = kept {
        snapshot = match changes::since(db, kept.seq)? {
            Since::Some(ids) if ids.is_empty() => Some(kept.snapshot),
            Since::Some(ids) if ids.len() <= MANY => Some(Arc::new(bring_up(db, &kept.snapshot, ids)?)),
            _ => None,
        };
    }
    let snapshot = match snapshot {
        Some(snapshot) => snapshot,
        None => {
            let count = u64::try_from(worklogs::count(db)?).unwrap_or(0);
            is_whole = count * LEAST_BYTES <= most_bytes;
            let longest = if back && !is_whole { reporting::longest(db)? * 1000 } else { 0 };
            let range = (!is_whole).then_some((needed.0.saturating_sub(longest), needed.1));
            Arc::new(build(db, usize::try_from(if is_whole { count } else { 0 }).unwrap_or(0), range)?)
        }
    };
    let state = State {
        snapshot,
        in_step: cursors::get(db, IN_STEP)?,
        unreadable: worklogs::count_unreadable(db)?,
        seq,
        restored,
    };
    Ok((state, is_whole))
}

fn engine_row(row: &reporting::Row) -> Worklog<'_> {
    Worklog {
        id: row.id,
        issue: row.issue_id,
        account: &row.account_id,
        started_ms: row.started,
        seconds: row.seconds,
        restricted: row.is_restricted(),
    }
}

fn build(db: &mut TenantConn<'_>, count: usize, range: Option<(i64, i64)>) -> Result<Snapshot> {
    let mut builder = Builder::with_capacity(count);
    reporting::each(db, range, |row, tags| builder.push(engine_row(row), tags))?;
    Ok(builder.build())
}

fn bring_up(db: &mut TenantConn<'_>, snapshot: &Snapshot, mut touched: Vec<i64>) -> Result<Snapshot> {
    touched.sort_unstable();
    touched.dedup();
    let rows = reporting::some(db, &touched)?;
    Ok(snapshot.after(&touched, rows.iter().map(|(row, tags)| (engine_row(row), tags.as_slice()))))
}
