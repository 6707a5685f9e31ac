//! Nodes that share the work: each says several times a minute that it lives, and takes in what the others tell.
//!
//! Work belongs to whoever claimed it, for as long as its node lives ([`nodes::DEAD_MS`]). What memory holds of a tenant
//! is trusted only while this node hears of changes: see [`Nodes::is_current`]. A server on files is the only node, and
//! has nobody to hear of.

use crate::app::App;
use hourbook_store::control::nodes;
use hourbook_store::control::notices::{self, Notice, What};
use hourbook_store::error::Result;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

/// How often notices are looked for.
const LISTEN: Duration = Duration::from_millis(300);
/// How often a node says that it lives.
const BEAT: Duration = Duration::from_secs(1);
/// Who has not heard of anything for so long trusts its memory no more.
const CURRENT: Duration = Duration::from_secs(2);
/// How long all nodes are waited for: dead ones are buried sooner.
const HEARD_WITHIN: Duration = Duration::from_secs(30);
/// Version of this build.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// This node, and what it knows of the others.
pub struct Nodes {
    id: String,
    /// Whether there may be others.
    shared: bool,
    /// Ids of nodes that live.
    live: Mutex<Vec<String>>,
    /// The newest notice that was taken in.
    notice: AtomicI64,
    heard: Mutex<Option<Instant>>,
    leaving: AtomicBool,
    /// Issues that changed, by tenant: told to the others together.
    stale: Mutex<BTreeMap<String, BTreeSet<i64>>>,
}

impl Nodes {
    /// A node with a name of its own; `shared` if there may be others.
    pub fn new(shared: bool) -> Self {
        let id = hex::encode(hourbook_crypto::nonce::random::<8>());
        Self {
            live: Mutex::new(vec![id.clone()]),
            id,
            shared,
            notice: AtomicI64::new(0),
            heard: Mutex::new(None),
            leaving: AtomicBool::new(false),
            stale: Mutex::default(),
        }
    }

    /// Name of this node.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether there may be others.
    pub fn is_shared(&self) -> bool {
        self.shared
    }

    /// This node is about to stop.
    pub fn leaving(&self) {
        self.leaving.store(true, Ordering::Release);
    }

    /// Whether this node is about to stop.
    pub fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Acquire)
    }

    /// How many nodes live.
    pub fn live(&self) -> usize {
        self.live.lock().len().max(1)
    }

    /// Whether this node has heard of all that the others told until a moment ago. If not, what it remembers of a tenant
    /// may have been destroyed since.
    pub fn is_current(&self) -> bool {
        !self.shared || self.heard.lock().is_some_and(|at| at.elapsed() < CURRENT)
    }

    /// Whether a tenant's webhooks are this node's to apply: each tenant's are one node's, and when nodes come and go
    /// only theirs change hands. Two nodes that disagree for a moment apply the same twice, which is harmless.
    pub fn is_mine(&self, tenant_id: &str) -> bool {
        let weight = |node: &String| Sha256::digest(format!("{node}/{tenant_id}"));
        self.live.lock().iter().max_by_key(|node| weight(node)).is_none_or(|node| *node == self.id)
    }

    /// An issue changed: the others are told within a moment.
    pub fn issue_changed(&self, tenant_id: &str, issue_id: i64) {
        if self.shared {
            self.stale.lock().entry(tenant_id.to_owned()).or_default().insert(issue_id);
        }
    }
}

/// Joins the others; on files, whoever was there before is gone.
///
/// # Errors
/// When the control database fails.
pub async fn join(app: &App) -> Result<()> {
    let (id, shared, at) = (app.nodes.id.clone(), app.nodes.shared, app.clock.now_ms());
    let (newest, beat) = app
        .control
        .write(move |conn| {
            if !shared {
                nodes::only(conn, &id)?;
            }
            let newest = notices::newest(conn)?;
            Ok((newest, nodes::beat(conn, &id, VERSION, newest, true, at)?))
        })
        .await?;
    app.nodes.notice.store(newest, Ordering::Release);
    if beat.requeued > 0 {
        tracing::info!(count = beat.requeued, "interrupted jobs wait again");
    }
    take_in_beat(app, &beat);
    Ok(())
}

fn take_in_beat(app: &App, beat: &nodes::Beat) {
    let ids: Vec<String> = beat.live.iter().map(|node| node.node_id.clone()).collect();
    *app.nodes.heard.lock() = Some(Instant::now());
    let mut live = app.nodes.live.lock();
    if *live != ids {
        tracing::info!(nodes = ids.len(), "nodes that share the work");
        *live = ids;
    }
    app.jira.meter.share_among(live.len().max(1));
}

/// Listens to the others until `stop` is done, then leaves.
pub async fn run(app: Arc<App>, mut stop: tokio::sync::watch::Receiver<bool>) {
    if !app.nodes.shared {
        return;
    }
    let mut last_beat = Instant::now();
    loop {
        tokio::select! {
            () = tokio::time::sleep(LISTEN) => {}
            _ = stop.changed() => break,
        }
        // Woken late, as after a pause of the whole machine: what was remembered may be of before a wipe.
        if !app.nodes.is_current() {
            app.forget_everything();
        }
        match listen(&app, last_beat.elapsed() >= BEAT).await {
            Ok(true) => last_beat = Instant::now(),
            Ok(false) => {}
            Err(error) => tracing::error!(%error, "other nodes cannot be heard"),
        }
    }
    let (id, at) = (app.nodes.id.clone(), app.clock.now_ms());
    if let Err(error) = app.control.write(move |conn| nodes::leave(conn, &id, at)).await {
        tracing::warn!(%error, "the others will notice by themselves that this node is gone");
    }
}

/// Takes in what is new, and says so if something was, or it is time to; returns whether it did.
async fn listen(app: &App, is_time: bool) -> Result<bool> {
    let after = app.nodes.notice.load(Ordering::Acquire);
    let begun = Instant::now();
    let new = app.control.read(move |conn| notices::since(conn, after)).await?;
    for notice in &new {
        take_in(app, notice).await;
        app.nodes.notice.store(notice.id, Ordering::Release);
    }
    let stale = std::mem::take(&mut *app.nodes.stale.lock());
    if new.is_empty() && stale.is_empty() && !is_time {
        *app.nodes.heard.lock() = Some(begun);
        return Ok(false);
    }
    let (id, at, newest) =
        (app.nodes.id.clone(), app.clock.now_ms(), app.nodes.notice.load(Ordering::Acquire));
    let beat = app
        .control
        .write(move |conn| {
            for (tenant_id, issues) in &stale {
                let ids: Vec<String> = issues.iter().map(i64::to_string).collect();
                notices::post(conn, What::Issues, tenant_id, &ids.join(","), at)?;
            }
            nodes::beat(conn, &id, VERSION, newest, false, at)
        })
        .await?;
    if beat.was_dead {
        tracing::warn!("the other nodes had given this one up; what it remembered is forgotten");
        app.forget_everything();
    }
    if beat.requeued > 0 {
        tracing::warn!(count = beat.requeued, "jobs of a dead node wait again");
        app.wake.now();
    }
    take_in_beat(app, &beat);
    Ok(true)
}

async fn take_in(app: &App, notice: &Notice) {
    let Notice { tenant_id, subject, .. } = notice;
    match notice.what {
        Some(What::Changed) => {
            app.forget_memory(tenant_id, subject);
            if let Err(error) = app.tenants.refresh(tenant_id).await {
                tracing::error!(%error, tenant.id = tenant_id, "a changed tenant could not be read");
            }
        }
        Some(What::Gone) | None => app.forget(tenant_id, subject),
        Some(What::Held) => {
            app.forget_memory(tenant_id, subject);
            app.projections.forget(tenant_id);
            app.tenants.set_aside(tenant_id);
        }
        // Read with the token when it is asked for next.
        Some(What::Token) => app.tenants.forget(subject),
        Some(What::Licence) => app.licences.forget(tenant_id),
        Some(What::Permissions) => {
            app.facts.all_changed(tenant_id);
            app.permissions.all_changed(tenant_id, notice.posted_at);
        }
        Some(What::Issues) => {
            for issue_id in subject.split(',').filter_map(|id| id.parse().ok()) {
                app.facts.issue_changed(tenant_id, issue_id);
                app.permissions.issue_changed(tenant_id, issue_id, notice.posted_at);
            }
        }
    }
}

/// Waits until every node that lives has taken a notice in.
///
/// # Errors
/// When one does not, or the control database fails.
pub async fn heard_by_all(app: &App, notice: i64) -> anyhow::Result<()> {
    if !app.nodes.shared {
        return Ok(());
    }
    let begun = Instant::now();
    loop {
        let unseen = app.control.read(move |conn| notices::unseen(conn, notice)).await?;
        if unseen == 0 {
            return Ok(());
        }
        anyhow::ensure!(begun.elapsed() < HEARD_WITHIN, "{unseen} nodes have not heard of it");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
