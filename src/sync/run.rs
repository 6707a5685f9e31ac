//! One run of a sync: both feeds, in pages, resumable at the page it had reached.
//!
//! All cursors are Jira's time. A worklog that is not returned is not deleted: only the deleted feed, a delete event
//! or the deletion of its issue or project removes it.

mod failed;
pub(super) mod pages;
mod verify;

pub use verify::VERIFIED;

use super::feed::{FeedError, Walk, jira_cause};
use super::status::{IN_STEP, PAUSED, Progress, Shown, WAITS_FOR_TOKEN, waits_for_quota};
use super::{apply, complete, told};
use crate::alarm::{self, Alarm};
use crate::app::App;
use crate::jira::client::SiteClient;
use crate::jira::error::JiraError;
use crate::jira::meter::Class;
use crate::jira::worklogs::Feed;
use crate::jobs::{self, Kind};
use crate::lifecycle::forge::are_rivals;
use crate::tenants::Tenant;
use crate::worklogs::intent;
use hourbook_store::control::notices::{self, What};
use hourbook_store::control::{installations, jobs as queue};
use hourbook_store::tenant::runs::{self, End};
use hourbook_store::tenant::{TenantConn, TenantDb, cursors, intents, settings, worklogs};
use pages::{ReadPage, Reader};
use std::sync::Arc;
use tokio::sync::mpsc;

/// By how much a run looks back behind the last one, ms.
const OVERLAP_MS: i64 = 5 * 60_000;
/// Jira withholds the last minute of its feeds; its clock is told in whole seconds.
pub(super) const WITHHELD_MS: i64 = 61_000;
/// How much rarer incremental syncs grow while webhooks arrive: from 15 minutes to an hour.
const SLOWEST: i64 = 4;
/// Pages that a full sync takes before it lets others have a turn, if there are any.
const TURN: usize = 20;
/// Pages that are written in one transaction if they wait; a few MiB each.
const TOGETHER: usize = 4;
/// Hidden worklogs that an incremental sync asks for again: one call.
const RECHECKED: i64 = 1000;

/// Cursor: how far the updated feed is consumed.
const UPDATED: &str = "updated";
/// Cursor: how far the deleted feed is consumed.
const DELETED: &str = "deleted";
/// Cursor: how far a full sync has come that has not ended.
const FULL: &str = "full";
/// Cursor: how far a run has come in the updated feed; it counts once the run has consumed all of it.
const UPDATED_SO_FAR: &str = "updated.so_far";
/// Cursor: what a run will be in step with once it has ended well.
const IN_STEP_SO_FAR: &str = "in_step.so_far";

/// What a run is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Read everything.
    Full,
    /// Read what changed since the last run.
    Incremental,
    /// Compare everything, read what differs.
    Reconcile,
}

impl Mode {
    fn kind(self) -> Kind {
        match self {
            Self::Full => Kind::SyncFull,
            Self::Incremental => Kind::SyncIncremental,
            Self::Reconcile => Kind::SyncReconcile,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Incremental => "incremental",
            Self::Reconcile => "reconcile",
        }
    }
}

/// What a run works with.
struct Run {
    app: Arc<App>,
    tenant: Arc<Tenant>,
    db: TenantDb,
    jira: SiteClient,
    mode: Mode,
    run_id: i64,
    shown: Shown,
    progress: Progress,
    /// Pages of this turn.
    turn: usize,
}

/// What became of a turn.
enum Turn {
    /// The run has ended well.
    Done,
    /// Others are waiting: it goes on behind them.
    Others,
}

/// What the updated feed brought.
#[derive(Default)]
struct Missed {
    /// Worklogs that the copy did not have in this version.
    differing: usize,
    /// Every worklog that the feed named, ascending; 8 bytes each, for a reconciliation only.
    named: Vec<i64>,
    /// The feed was left before its end.
    left: bool,
}

/// The job.
///
/// # Errors
/// When Jira or the database fails; what was consumed stays consumed.
pub async fn run(app: &Arc<App>, tenant: &Arc<Tenant>, wanted: Mode) -> anyhow::Result<()> {
    let db = app.db(tenant).await?;
    let never_full = db.read(|db| cursors::get(db, UPDATED)).await?.is_none();
    // Until the first full sync has ended there is nothing to add to.
    let mode = if never_full { Mode::Full } else { wanted };
    let class = if mode == Mode::Full { Class::Full } else { Class::Incremental };
    let now = app.clock.now_ms();
    let begun = db
        .write(move |db| {
            if never_full {
                // Made at once at the end, which is several times faster than row by row.
                worklogs::drop_indexes(db)?;
            }
            runs::begin(db, mode.name(), now)
        })
        .await?;
    // One that only waited is shown to go on.
    let before = app.progresses.get(&tenant.id).filter(|before| before.run_id == begun.run_id);
    let progress = Progress {
        run_id: begun.run_id,
        kind: mode.name(),
        started_at: begun.started_at,
        counts: begun.counts(),
        waits_until: None,
        ..before.unwrap_or_default()
    };
    let mut run = Run {
        app: Arc::clone(app),
        tenant: Arc::clone(tenant),
        jira: app.jira.as_app(&tenant.site, class),
        shown: Shown::begin(app, &tenant.id, progress),
        db,
        mode,
        run_id: begun.run_id,
        progress,
        turn: 0,
    };
    let result = run.work(never_full).await;
    run.end(result).await
}

impl Run {
    async fn work(&mut self, never_full: bool) -> anyhow::Result<Turn> {
        if self.mode != Mode::Full {
            self.drain_failed_webhooks().await?;
        }
        let missed = self.walk_updated().await?;
        if missed.left {
            return Ok(Turn::Others);
        }
        self.walk_deleted(never_full).await?;
        if self.mode == Mode::Reconcile {
            self.look_for_unnamed(&missed.named).await?;
            self.read_a_part_again().await?;
            self.compare(missed.named).await?;
        }
        let rechecked = if self.mode == Mode::Incremental { RECHECKED } else { i64::MAX };
        self.progress.counts.written += complete::hidden(&self.db, &self.jira, rechecked).await?;
        let completed = complete::unread(&self.db, &self.jira).await?;
        self.progress.counts.written += completed.written;
        self.progress.counts.unreadable += completed.hidden;
        complete::projects(&self.db, &self.jira).await?;
        if self.mode == Mode::Reconcile {
            let before = self.app.clock.now_ms() - intent::KEPT_MS;
            self.db.write(move |db| intents::prune(db, before)).await?;
        }
        self.plan_next(missed.differing).await?;
        Ok(Turn::Done)
    }

    /// Consumes the updated feed: pages are fetched one after the other, the worklogs of several at once.
    async fn walk_updated(&mut self) -> anyhow::Result<Missed> {
        let since = self.start_of_updated().await?;
        let collect = self.mode == Mode::Reconcile;
        let (pages, arrived) = mpsc::channel(TOGETHER);
        let reader = self.reader();
        let walk = Walk::new(self.jira.clone(), Feed::Updated, since);
        let produce = pages::produce(walk, reader, pages);
        let consume = async {
            // Taken in, so that leaving early closes the channel and ends the producer too.
            let mut arrived = arrived;
            let mut missed = Missed::default();
            loop {
                let mut pages = Vec::new();
                if arrived.recv_many(&mut pages, TOGETHER).await == 0 {
                    break;
                }
                for read in &pages {
                    missed.differing += read.worklogs.len();
                    if collect {
                        missed.named.extend(read.page.changes.iter().map(|change| change.worklog_id));
                    }
                }
                let (count, last) = (pages.len(), pages.last().is_some_and(|read| read.page.last));
                self.take(pages).await?;
                if !last && self.others_wait(count).await? {
                    missed.left = true;
                    break;
                }
            }
            missed.named.sort_unstable();
            anyhow::Ok(missed)
        };
        let (produced, consumed) = tokio::join!(produce, consume);
        // The producer's failure may only follow from the consumer's: the first cause is told.
        let missed = consumed?;
        if !missed.left {
            produced?;
            self.finish_updated().await?;
        }
        Ok(missed)
    }

    /// A full sync may take hours; whoever waits for a slot gets a turn after some pages of it.
    async fn others_wait(&mut self, pages: usize) -> anyhow::Result<bool> {
        self.turn += pages;
        if self.mode != Mode::Full || self.turn < TURN {
            return Ok(false);
        }
        self.turn = 0;
        let (id, now) = (self.tenant.id.clone(), self.app.clock.now_ms());
        Ok(self.app.control.read(move |conn| queue::others_wait(conn, &id, now)).await?)
    }

    async fn start_of_updated(&self) -> anyhow::Result<i64> {
        let mode = self.mode;
        let since = self
            .db
            .read(move |db| {
                Ok(match mode {
                    Mode::Full => cursors::get(db, FULL)?.unwrap_or(0),
                    Mode::Reconcile => 0,
                    Mode::Incremental => cursors::get(db, UPDATED)?.map_or(0, |until| until - OVERLAP_MS),
                })
            })
            .await?;
        Ok(since.max(0))
    }

    /// Writes pages and the position behind them in one transaction.
    async fn take(&mut self, pages: Vec<ReadPage>) -> anyhow::Result<()> {
        let Some(newest) = pages.last() else { return Ok(()) };
        if self.progress.counts.pages == 0 {
            self.site_answers().await?;
        }
        let (until, asked_at, last) = (newest.page.until, newest.page.asked_at, newest.page.last);
        let first =
            pages.first().and_then(|read| read.page.changes.first()).map(|change| change.updated_time);
        self.progress.first_change = self.progress.first_change.or(first);
        // What is deleted from here on is found in the deleted feed.
        let deleted_from = pages.iter().find_map(|read| read.page.asked_at).map_or(0, |at| at - OVERLAP_MS);
        let mode = self.mode;
        let mut counts = self.progress.counts;
        counts.pages += i64::try_from(pages.len())?;
        let (run_id, now) = (self.run_id, self.app.clock.now_ms());
        let write = move |db: &mut TenantConn<'_>| {
            let mut junk = 0;
            for read in pages {
                let applied = apply::read(db, read.worklogs, read.begun_at)?;
                counts.written += applied.written;
                junk += applied.junk;
                counts.unreadable += apply::absent(db, &read.missing, read.begun_at, now)?.hidden;
            }
            if mode == Mode::Full {
                cursors::set(db, FULL, until)?;
            }
            if cursors::get(db, DELETED)?.is_none() {
                cursors::set(db, DELETED, deleted_from)?;
            }
            advance(db, UPDATED_SO_FAR, until)?;
            // Without Jira's own clock nothing is claimed.
            if let Some(asked_at) = asked_at.filter(|_| last) {
                advance(db, IN_STEP_SO_FAR, asked_at - WITHHELD_MS)?;
            }
            runs::progress(db, run_id, counts)?;
            Ok((counts, junk))
        };
        // The position goes with the pages: after a loss of power, a full sync goes on from an earlier one.
        let (taken, junk) = match mode {
            Mode::Full => self.db.write_relaxed(write).await?,
            Mode::Incremental | Mode::Reconcile => self.db.write(write).await?,
        };
        self.jira.ignored(junk);
        self.progress.counts = taken;
        self.progress.fraction = fraction(self.progress.first_change, until, asked_at);
        self.shown.update(self.progress);
        Ok(())
    }

    /// The whole feed is consumed: only now does its position count for incremental runs.
    async fn finish_updated(&mut self) -> anyhow::Result<()> {
        self.db
            .write(|db| {
                let until = cursors::get(db, UPDATED_SO_FAR)?.unwrap_or(0);
                cursors::clear(db, UPDATED_SO_FAR)?;
                cursors::clear(db, FULL)?;
                // Left out during the first load.
                worklogs::make_indexes(db)?;
                advance(db, UPDATED, until)
            })
            .await?;
        Ok(())
    }

    async fn walk_deleted(&mut self, never_full: bool) -> anyhow::Result<()> {
        let everything = self.mode != Mode::Incremental && !never_full;
        let since = match self.db.read(|db| cursors::get(db, DELETED)).await? {
            Some(until) if !everything => (until - OVERLAP_MS).max(0),
            _ => 0,
        };
        let mut walk = Walk::new(self.jira.clone(), Feed::Deleted, since);
        loop {
            let page = match walk.next().await {
                Ok(Some(page)) => page,
                Ok(None) => return Ok(()),
                Err(FeedError::TieOverflow(at)) => {
                    tracing::warn!(at, "tie overflow among deletions: asking for the whole copy");
                    self.reader().whole_copy().await?;
                    walk.pass(at);
                    continue;
                }
                Err(other) => return Err(other.into()),
            };
            let ids: Vec<i64> = page.changes.iter().map(|change| change.worklog_id).collect();
            let (until, now, run_id) = (page.until, self.app.clock.now_ms(), self.run_id);
            let mut counts = self.progress.counts;
            counts.pages += 1;
            self.progress.counts = self
                .db
                .write(move |db| {
                    counts.deleted += apply::deleted(db, &ids, now)?;
                    advance(db, DELETED, until)?;
                    runs::progress(db, run_id, counts)?;
                    Ok(counts)
                })
                .await?;
            self.shown.update(self.progress);
        }
    }

    /// The site accepts our signature: only now may this installation take the place of another on the same site.
    async fn site_answers(&self) -> anyhow::Result<()> {
        let (id, now) = (self.tenant.id.clone(), self.app.clock.now_ms());
        let superseded = self
            .app
            .control
            .write(move |conn| {
                if !installations::mark_proven(conn, &id, now)? {
                    return Ok(Vec::new());
                }
                let Some(this) = installations::find(conn, &id)? else { return Ok(Vec::new()) };
                let rival = |key: &str| are_rivals(&this.client_key, key);
                let others = installations::supersede_others(conn, &this, rival, now)?;
                for (other, client_key) in &others {
                    notices::post(conn, What::Gone, other, client_key, now)?;
                }
                Ok(others)
            })
            .await?;
        for (other, client_key) in superseded {
            self.app.forget(&other, &client_key);
            alarm::raise(&self.app, Alarm::Superseded, &other, "another installation took over its site");
        }
        Ok(())
    }

    /// While webhooks arrive and miss nothing, incremental syncs grow rarer; once one is missed they are as often
    /// as configured.
    async fn plan_next(&self, missed: usize) -> anyhow::Result<()> {
        let (base, now) = (self.app.config.incremental_secs, self.app.clock.now_ms());
        let last_webhook = self.db.read(|db| cursors::get(db, told::LAST_WEBHOOK)).await?;
        let incremental = self.mode == Mode::Incremental;
        let id = self.tenant.id.clone();
        self.app
            .control
            .write(move |conn| {
                let Some(found) = installations::find(conn, &id)? else { return Ok(()) };
                let since = now - found.incremental_secs * 1000;
                let webhooks_arrive = last_webhook.is_some_and(|at| at >= since);
                let secs = if incremental && missed == 0 && webhooks_arrive {
                    (found.incremental_secs * 2).min(base * SLOWEST)
                } else {
                    base
                };
                installations::schedule_incremental(conn, &id, now + secs * 1000, secs)
            })
            .await?;
        Ok(())
    }

    /// Notes how the run ended.
    async fn end(mut self, result: anyhow::Result<Turn>) -> anyhow::Result<()> {
        let (run_id, now, counts) = (self.run_id, self.app.clock.now_ms(), self.progress.counts);
        let end = match &result {
            Ok(Turn::Done) => End::Done,
            Ok(Turn::Others) => End::Waiting("Other sites have their turn.".into()),
            Err(error) => self.how_it_failed(error, now),
        };
        let noted = end.clone();
        self.db
            .write(move |db| {
                if noted == End::Done {
                    settings::put_or_clear(db, PAUSED, None)?;
                    if let Some(as_of) = cursors::get(db, IN_STEP_SO_FAR)? {
                        advance(db, IN_STEP, as_of)?;
                    }
                }
                runs::progress(db, run_id, counts)?;
                runs::end(db, run_id, &noted, now)
            })
            .await?;
        // Not of a tenant that was closed meanwhile: nobody would forget it any more.
        if matches!(end, End::Waiting(_)) {
            self.shown.keep(self.progress);
        }
        match result {
            Ok(Turn::Done) => self.told(now),
            // Behind whoever waits.
            Ok(Turn::Others) => {
                jobs::enqueue(&self.app, &self.tenant.id, self.mode.kind(), "").await?;
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn how_it_failed(&mut self, error: &anyhow::Error, now: i64) -> End {
        let wait_secs = match jira_cause(error) {
            Some(JiraError::RateLimited { wait_secs }) => wait_secs,
            Some(JiraError::NoSystemToken) => return End::Waiting(WAITS_FOR_TOKEN.into()),
            _ => return End::Failed(format!("{error:#}")),
        };
        let until = now.saturating_add(wait_secs.saturating_mul(1000));
        self.progress.waits_until = Some(until);
        End::Waiting(waits_for_quota(until))
    }

    fn told(&self, now: i64) {
        let counts = self.progress.counts;
        tracing::info!(
            tenant.id = self.tenant.id,
            mode = self.mode.name(),
            pages = counts.pages,
            written = counts.written,
            deleted = counts.deleted,
            unreadable = counts.unreadable,
            duration_ms = now - self.progress.started_at,
            "sync ended"
        );
    }

    fn reader(&self) -> Reader {
        Reader { db: self.db.clone(), jira: self.jira.clone(), only_differing: self.mode != Mode::Full }
    }
}

/// Moves a cursor forward, never back.
fn advance(db: &mut TenantConn<'_>, name: &str, to: i64) -> hourbook_store::error::Result<()> {
    match cursors::get(db, name)? {
        Some(at) if at >= to => Ok(()),
        _ => cursors::set(db, name, to),
    }
}

fn fraction(first: Option<i64>, until: i64, now: Option<i64>) -> f64 {
    let (Some(first), Some(now)) = (first, now) else { return 0.0 };
    let whole = (now - first).max(1);
    #[expect(clippy::cast_precision_loss, reason = "a fraction of a span of time")]
    let part = (until - first) as f64 / whole as f64;
    part.clamp(0.0, 1.0)
}
