//! One run of a sync: both feeds, in pages, resumable at the page it had reached.
//!
//! All cursors are Jira's time. A worklog that is not returned is not deleted: only the deleted feed, a delete event
//! or the deletion of its issue or project removes it.

use super::feed::{Page, Walk, jira_cause};
use super::status::{IN_STEP, PAUSED, Progress, Shown};
use super::{apply, complete, events};
use crate::app::App;
use crate::jira::client::SiteClient;
use crate::jira::error::JiraError;
use crate::jira::meter::Class;
use crate::jira::worklogs::{Feed, LIST_MAX, RemoteWorklog};
use crate::tenants::Tenant;
use futures_util::{StreamExt, TryStreamExt, stream};
use hourbook_store::control::installations;
use hourbook_store::tenant::runs;
use hourbook_store::tenant::{TenantConn, TenantDb, cursors, intents, settings, worklogs};
use std::sync::Arc;
use tokio::sync::mpsc;

/// Reads in flight at once.
const IN_FLIGHT: usize = 4;
/// By how much a run looks back behind the last one, ms.
const OVERLAP_MS: i64 = 5 * 60_000;
/// Jira withholds the last minute of its feeds; its clock is told in whole seconds.
const WITHHELD_MS: i64 = 61_000;
/// How much rarer incremental syncs grow while webhooks arrive: from 15 minutes to an hour.
const SLOWEST: i64 = 4;
/// An idempotency key is known for a week; the daily reconciliation forgets older ones.
const INTENTS_KEPT_MS: i64 = 7 * 86_400_000;
/// Rows of one step over the copy.
const STEP: i64 = 10_000;

/// Cursor: how far the updated feed is consumed.
const UPDATED: &str = "updated";
/// Cursor: how far the deleted feed is consumed.
const DELETED: &str = "deleted";
/// Cursor: how far a full sync has come that has not ended.
const FULL: &str = "full";

/// No event tells that the app was disabled: it is learnt from 401 and 403.
const NOT_LET_IN: &str = "Jira does not let Hourbook in at present: the app is disabled there, or was removed. \
                          A Jira admin can enable it under Apps; Hourbook then goes on by itself.";

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
    db: Arc<TenantDb>,
    jira: SiteClient,
    mode: Mode,
    run_id: i64,
    shown: Shown,
    progress: Progress,
    /// Time of the feed's first change, to tell how much is left.
    first_change: Option<i64>,
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
    let run_id = db.write(move |db| runs::begin(db, mode.name(), now)).await?;
    let progress = Progress { kind: mode.name(), started_at: now, ..Progress::default() };
    let mut run = Run {
        app: Arc::clone(app),
        tenant: Arc::clone(tenant),
        jira: app.jira.as_app(&tenant.site, class),
        shown: Shown::begin(app, &tenant.id, progress),
        db,
        mode,
        run_id,
        progress,
        first_change: None,
    };
    let result = run.work(never_full).await;
    run.end(result).await
}

impl Run {
    async fn work(&mut self, never_full: bool) -> anyhow::Result<()> {
        let missed = self.walk_updated().await?;
        self.walk_deleted(never_full).await?;
        if self.mode == Mode::Reconcile {
            self.look_for_unnamed(&missed.named).await?;
        }
        self.progress.counts.written += complete::unread(&self.db, &self.jira).await?;
        complete::projects(&self.db, &self.jira).await?;
        if self.mode == Mode::Reconcile {
            let before = self.app.clock.now_ms() - INTENTS_KEPT_MS;
            self.db.write(move |db| intents::prune(db, before)).await?;
        }
        self.plan_next(missed.differing).await
    }

    /// Consumes the updated feed: pages are fetched one after the other, the worklogs of several at once.
    async fn walk_updated(&mut self) -> anyhow::Result<Missed> {
        let since = self.start_of_updated().await?;
        let collect = self.mode == Mode::Reconcile;
        let (pages, arrived) = mpsc::channel(2);
        let reader = Reader {
            db: Arc::clone(&self.db),
            jira: self.jira.clone(),
            only_differing: self.mode != Mode::Full,
        };
        let walk = Walk::new(self.jira.clone(), Feed::Updated, since);
        let produce = produce(walk, reader, pages);
        let consume = async {
            // Taken in, so that a failure to write closes the channel and ends the producer too.
            let mut arrived = arrived;
            let mut missed = Missed::default();
            while let Some(read) = arrived.recv().await {
                missed.differing += read.worklogs.len();
                if collect {
                    missed.named.extend(read.page.changes.iter().map(|change| change.worklog_id));
                }
                self.take(read).await?;
            }
            missed.named.sort_unstable();
            anyhow::Ok(missed)
        };
        let (produced, consumed) = tokio::join!(produce, consume);
        // The producer's failure may only follow from the consumer's: the first cause is told.
        let missed = consumed?;
        produced?;
        self.finish_updated().await?;
        Ok(missed)
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

    /// Writes a page and the position behind it in one transaction.
    async fn take(&mut self, read: ReadPage) -> anyhow::Result<()> {
        if self.progress.counts.pages == 0 {
            self.site_answers().await?;
        }
        let ReadPage { page, worklogs, begun_at } = read;
        self.first_change = self.first_change.or(page.changes.first().map(|change| change.updated_time));
        let mode = self.mode;
        let (until, asked_at, last) = (page.until, page.asked_at, page.last);
        let mut counts = self.progress.counts;
        counts.pages += 1;
        let run_id = self.run_id;
        counts = self
            .db
            .write(move |db| {
                counts.written += apply::read(db, worklogs, begun_at)?;
                if mode == Mode::Full {
                    cursors::set(db, FULL, until)?;
                }
                if cursors::get(db, DELETED)?.is_none() {
                    // What is deleted from here on is found in the deleted feed.
                    cursors::set(db, DELETED, asked_at.map_or(0, |at| at - OVERLAP_MS))?;
                }
                advance(db, UPDATED_SO_FAR, until)?;
                // Without Jira's own clock nothing is claimed.
                if let Some(asked_at) = asked_at.filter(|_| last) {
                    advance(db, IN_STEP_SO_FAR, asked_at - WITHHELD_MS)?;
                }
                runs::progress(db, run_id, counts)?;
                Ok(counts)
            })
            .await?;
        self.progress.counts = counts;
        self.progress.fraction = fraction(self.first_change, until, asked_at);
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
        while let Some(page) = walk.next().await? {
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
        Ok(())
    }

    /// Both feeds name every worklog that lives; what the copy has beyond that is asked for one by one. What Jira
    /// does not return either is kept and counted.
    async fn look_for_unnamed(&mut self, named: &[i64]) -> anyhow::Result<()> {
        let mut after = 0;
        loop {
            let step = self.db.read(move |db| worklogs::walk(db, after, STEP)).await?;
            let Some(last) = step.last() else { return Ok(()) };
            after = *last;
            let unnamed: Vec<i64> = step.into_iter().filter(|id| named.binary_search(id).is_err()).collect();
            for some in unnamed.chunks(LIST_MAX) {
                let begun_at = self.app.clock.now_ms();
                let returned = self.jira.worklogs_by_id(some).await?;
                let missing = some.len().saturating_sub(returned.len());
                self.progress.counts.unreadable += i64::try_from(missing)?;
                self.progress.counts.written +=
                    self.db.write(move |db| apply::read(db, returned, begun_at)).await?;
            }
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
                installations::supersede_others(conn, &this, now)
            })
            .await?;
        for (other, client_key) in superseded {
            tracing::warn!(
                tenant.id = other,
                by = self.tenant.id,
                "another installation took over this site"
            );
            self.app.forget(&other, &client_key);
        }
        Ok(())
    }

    /// While webhooks arrive and miss nothing, incremental syncs grow rarer; once one is missed they are as often
    /// as configured.
    async fn plan_next(&self, missed: usize) -> anyhow::Result<()> {
        let (base, now) = (self.app.config.incremental_secs, self.app.clock.now_ms());
        let last_webhook = self.db.read(|db| cursors::get(db, events::LAST_WEBHOOK)).await?;
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
    async fn end(self, result: anyhow::Result<()>) -> anyhow::Result<()> {
        let (run_id, now) = (self.run_id, self.app.clock.now_ms());
        let counts = self.progress.counts;
        let paused = match result.as_ref().err().and_then(jira_cause) {
            Some(JiraError::NotFound(_)) => self.why_not_found().await,
            Some(JiraError::Unauthorized | JiraError::Forbidden(_)) => Some(NOT_LET_IN.to_owned()),
            _ => None,
        };
        let text = result.as_ref().err().map(|error| paused.clone().unwrap_or_else(|| format!("{error:#}")));
        let pausing = paused.is_some();
        self.db
            .write(move |db| {
                settings::put_or_clear(db, PAUSED, paused.as_deref())?;
                if text.is_none() {
                    let as_of = cursors::get(db, IN_STEP_SO_FAR)?;
                    if let Some(as_of) = as_of {
                        advance(db, IN_STEP, as_of)?;
                    }
                }
                runs::progress(db, run_id, counts)?;
                runs::end(db, run_id, text.as_deref(), now)
            })
            .await?;
        if result.is_ok() {
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
        // A pause is no failure: the schedule looks again.
        if pausing { Ok(()) } else { result }
    }

    /// Worklog calls answer 404 while time tracking is off.
    async fn why_not_found(&self) -> Option<String> {
        let tracking = self.jira.time_tracking().await.ok()?;
        (!tracking.enabled).then(|| {
            "Time tracking is switched off in Jira. A Jira admin can switch it on under Settings, Issues, \
             Time tracking; Hourbook then goes on by itself."
                .to_owned()
        })
    }
}

/// Cursor: how far a run has come in the updated feed; it counts once the run has consumed all of it.
const UPDATED_SO_FAR: &str = "updated.so_far";
/// Cursor: what a run will be in step with once it has ended well.
const IN_STEP_SO_FAR: &str = "in_step.so_far";

/// What the updated feed brought.
#[derive(Default)]
struct Missed {
    /// Worklogs that the copy did not have in this version.
    differing: usize,
    /// Every worklog that the feed named, ascending; 8 bytes each, for a reconciliation only.
    named: Vec<i64>,
}

/// A page of the feed with the worklogs that were read for it.
struct ReadPage {
    page: Page,
    worklogs: Vec<RemoteWorklog>,
    begun_at: i64,
}

#[derive(Clone)]
struct Reader {
    db: Arc<TenantDb>,
    jira: SiteClient,
    only_differing: bool,
}

impl Reader {
    async fn read(self, page: Page) -> anyhow::Result<ReadPage> {
        let mut ids: Vec<i64> = page.changes.iter().map(|change| change.worklog_id).collect();
        ids.sort_unstable();
        ids.dedup();
        if self.only_differing {
            let asked = ids.clone();
            let have = self.db.read(move |db| worklogs::versions(db, &asked)).await?;
            let differs = |id: &i64| {
                let newest = page.changes.iter().filter(|change| change.worklog_id == *id);
                let newest = newest.map(|change| change.updated_time).max();
                have.get(id).is_none_or(|have| have.read_after.is_some() || Some(have.updated) < newest)
            };
            ids.retain(differs);
        }
        let begun_at = self.jira.clock().now_ms();
        let mut worklogs = Vec::with_capacity(ids.len());
        for some in ids.chunks(LIST_MAX) {
            worklogs.extend(self.jira.worklogs_by_id(some).await?);
        }
        Ok(ReadPage { page, worklogs, begun_at })
    }
}

/// Fetches pages and their worklogs, in order, a few at once; memory holds no more than those.
async fn produce(walk: Walk, reader: Reader, pages: mpsc::Sender<ReadPage>) -> anyhow::Result<()> {
    let feed = stream::try_unfold(walk, |mut walk| async move {
        anyhow::Ok(walk.next().await?.map(|page| (page, walk)))
    });
    let reads = feed.map_ok(|page| reader.clone().read(page)).try_buffered(IN_FLIGHT);
    let mut reads = std::pin::pin!(reads);
    while let Some(read) = reads.next().await {
        if pages.send(read?).await.is_err() {
            anyhow::bail!("the pages could not be written");
        }
    }
    Ok(())
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
