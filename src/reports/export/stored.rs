//! Long exports: made beside the request into sealed files in the vault, for the one who asked, on whichever node they
//! are fetched. They are looked through again then, and are gone after a day, and with the tenant.

use super::{Style, file_name, pieces};
use crate::app::App;
use crate::auth::{Caller, permission};
use crate::backup::file::{self, Content, Header, Of, Writing};
use crate::backup::vault::Vault;
use crate::error::{AppError, AppResult};
use crate::reports::facts::{self, Needs, Progress};
use crate::reports::report::Report;
use crate::tenants::Tenant;
use bytes::Bytes;
use futures_util::TryStreamExt;
use moka::sync::Cache;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::io;
use std::io::{BufRead, BufReader, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::mpsc;
use utoipa::ToSchema;

/// How long a file is kept, ms.
pub const KEPT_MS: i64 = 24 * 3_600_000;
/// Files of one person at once.
const MOST: usize = 10;
/// Bytes that are read at once.
const PIECE: usize = 256 * 1024;

/// What stands in a file before the export itself: one line of JSON, sealed with it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Meta {
    account_id: String,
    name: String,
    style: Style,
    worklogs: u64,
    /// Whether only the creator's own worklogs are in it.
    narrowed: bool,
    /// Issues and restricted worklogs that the creator may see for it to be handed out.
    issues: Vec<i64>,
    restricted: Vec<i64>,
}

/// An export of somebody's.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Export {
    /// Random.
    pub id: String,
    /// `running`, `done` or `failed`.
    pub state: &'static str,
    /// The name of the file.
    pub name: String,
    /// Worklogs that were counted.
    pub worklogs: u64,
    /// Bytes that were made so far, before they are compressed and sealed; absent where the server was started since.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// When it was asked for.
    pub created_at: String,
    /// When it will be gone.
    pub gone_at: String,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// How one stands that was asked for since the start.
struct Running {
    tenant_id: String,
    meta: Meta,
    created_at: i64,
    bytes: AtomicU64,
    /// `None` while it is made.
    ended: Mutex<Option<Result<(), String>>>,
}

impl Running {
    fn is_of(&self, caller: &Caller) -> bool {
        self.tenant_id == caller.tenant.id && self.meta.account_id == caller.account_id
    }

    fn told(&self, id: &str) -> Export {
        let ended = self.ended.lock();
        let (state, error) = match &*ended {
            None => ("running", None),
            Some(Ok(())) => ("done", None),
            Some(Err(error)) => ("failed", Some(error.clone())),
        };
        let bytes = self.bytes.load(Ordering::Relaxed);
        told(id, state, &self.meta, self.created_at, Some(bytes), error)
    }
}

fn told(
    id: &str,
    state: &'static str,
    meta: &Meta,
    created_at: i64,
    bytes: Option<u64>,
    error: Option<String>,
) -> Export {
    Export {
        id: id.to_owned(),
        state,
        name: meta.name.clone(),
        worklogs: meta.worklogs,
        bytes,
        created_at: crate::jira::time::rfc3339(created_at),
        gone_at: crate::jira::time::rfc3339(created_at + KEPT_MS),
        error,
    }
}

/// Exports that were asked for since the start, by id.
pub struct Exports(Cache<String, Arc<Running>>);

impl Default for Exports {
    fn default() -> Self {
        let day = std::time::Duration::from_millis(KEPT_MS.unsigned_abs());
        Self(Cache::builder().max_capacity(10_000).time_to_live(day).build())
    }
}

impl Exports {
    /// Forgets a tenant's.
    pub fn forget(&self, tenant_id: &str) {
        let of_tenant: Vec<_> =
            self.0.iter().filter(|(_, running)| running.tenant_id == tenant_id).map(|(id, _)| id).collect();
        of_tenant.iter().for_each(|id| self.0.invalidate(id.as_ref()));
    }
}

/// Below which all of them are.
const ALL: &str = "exports";
/// One that is being made has a mark with what it will be, so that other nodes know of it.
const MARK: &str = ".making";
/// A mark that is this old was left by a node that went, ms.
const GIVEN_UP_MS: i64 = 3_600_000;

/// Prefix of an installation's exports.
pub fn of_tenant(tenant_id: &str) -> String {
    format!("{ALL}/{tenant_id}")
}

fn path(tenant_id: &str, id: &str) -> String {
    format!("{ALL}/{tenant_id}/{id}")
}

fn mark(tenant_id: &str, id: &str) -> String {
    path(tenant_id, id) + MARK
}

fn not_found() -> AppError {
    AppError::not_found("export_not_found", "There is no such export. They are kept for 24 hours.")
}

/// Begins an export.
///
/// # Errors
/// 409 where the caller has too many; see [`list`].
pub async fn begin(app: &Arc<App>, caller: &Caller, report: Arc<Report>, style: Style) -> AppResult<Export> {
    if list(app, caller).await?.len() >= MOST {
        return Err(AppError::conflict(
            "too_many_exports",
            format!("There are {MOST} exports of yours. Delete one first."),
        ));
    }
    let id = hex::encode(hourbook_crypto::nonce::random::<16>());
    let meta = Meta {
        account_id: caller.account_id.clone(),
        name: file_name(&report, style.format),
        style,
        worklogs: report.stamp.worklogs,
        narrowed: report.scope.narrowed,
        issues: report.scope.allowed.iter().copied().collect(),
        restricted: report.scope.restricted.iter().copied().collect(),
    };
    let running = Arc::new(Running {
        tenant_id: caller.tenant.id.clone(),
        meta,
        created_at: app.clock.now_ms(),
        bytes: AtomicU64::new(0),
        ended: Mutex::new(None),
    });
    app.exports.0.insert(id.clone(), Arc::clone(&running));
    let told = running.told(&id);
    let (app, caller) = (Arc::clone(app), caller.clone());
    tokio::spawn(async move {
        let made = make(&app, &caller.tenant, &id, report, &running).await;
        let ended = made.map_err(|error| {
            tracing::error!(error = format!("{error:#}"), tenant.id = caller.tenant.id, "an export failed");
            "It could not be written. Try again.".to_owned()
        });
        *running.ended.lock() = Some(ended);
    });
    Ok(told)
}

/// Begins a sealed file with its first line.
fn begin_file(vault: &Vault, path: &str, tenant: &Tenant, running: &Running) -> anyhow::Result<Writing> {
    let (version, key) = tenant.cipher.backup_key();
    let header = Header::new(Of::Export { tenant: tenant.id.clone(), version }, running.created_at);
    let mut first = serde_json::to_vec(&running.meta)?;
    first.push(b'\n');
    let mut file = Writing::create(vault, path, &header, key)?;
    file.write_all(&first)?;
    Ok(file)
}

/// Writes the file: pieces come from the database, a thread of its own compresses and seals them.
async fn make(
    app: &App,
    tenant: &Arc<Tenant>,
    id: &str,
    report: Arc<Report>,
    running: &Arc<Running>,
) -> anyhow::Result<()> {
    let db = app.db(tenant).await?;
    let (send, mut receive) = mpsc::channel::<Option<Bytes>>(2);
    let (vault, of, about) = (app.vault.clone(), Arc::clone(tenant), Arc::clone(running));
    let (path, mark) = (path(&tenant.id, id), mark(&tenant.id, id));
    let marked = mark.clone();
    let writing = tokio::task::spawn_blocking(move || -> anyhow::Result<()> {
        begin_file(&vault, &marked, &of, &about)?.finish()?;
        let mut file = begin_file(&vault, &path, &of, &about)?;
        loop {
            match receive.blocking_recv() {
                Some(Some(piece)) => file.write_all(&piece)?,
                Some(None) => return file.finish().map(drop),
                // Whoever makes the pieces has failed: what there is goes.
                None => return Ok(()),
            }
        }
    });
    let mut pieces = std::pin::pin!(pieces(db, report, running.meta.style));
    let made = loop {
        match pieces.try_next().await {
            Ok(Some(piece)) => {
                running.bytes.fetch_add(piece.len() as u64, Ordering::Relaxed);
                if send.send(Some(piece)).await.is_err() {
                    break Ok(());
                }
            }
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    if made.is_ok() {
        // Fails only where the thread has failed: its error is told below.
        let _ = send.send(None).await;
    }
    drop(send);
    let written = writing.await?;
    app.vault.remove(&mark).await?;
    made?;
    written
}

/// The caller's exports, newest first.
///
/// # Errors
/// When the folder cannot be read.
pub async fn list(app: &App, caller: &Caller) -> AppResult<Vec<Export>> {
    let mut found: Vec<(i64, Export)> = app
        .exports
        .0
        .iter()
        .filter(|(_, running)| running.is_of(caller))
        .map(|(id, running)| (running.created_at, running.told(&id)))
        .filter(|(created_at, _)| created_at + KEPT_MS > app.clock.now_ms())
        .collect();
    // And those of other nodes, or from before the start.
    let known: HashSet<String> = found.iter().map(|(_, export)| export.id.clone()).collect();
    for (id, created_at, meta, state) in others(app, &caller.tenant, &known).await? {
        if meta.account_id == caller.account_id && created_at + KEPT_MS > app.clock.now_ms() {
            found.push((created_at, told(&id, state, &meta, created_at, None, given_up(state))));
        }
    }
    found.sort_by_key(|(created_at, _)| std::cmp::Reverse(*created_at));
    Ok(found.into_iter().map(|(_, export)| export).collect())
}

/// Why one failed that no node makes any more.
fn given_up(state: &str) -> Option<String> {
    (state == "failed").then(|| "It could not be written. Try again.".to_owned())
}

/// What a mark of that age means.
fn state_of_mark(app: &App, created_at: i64) -> &'static str {
    if created_at + GIVEN_UP_MS > app.clock.now_ms() { "running" } else { "failed" }
}

async fn others(
    app: &App,
    tenant: &Arc<Tenant>,
    known: &HashSet<String>,
) -> AppResult<Vec<(String, i64, Meta, &'static str)>> {
    let objects = app.vault.list(&of_tenant(&tenant.id)).await;
    let objects = objects.map_err(|error| AppError::internal(&format!("{error:#}")))?;
    let mut found: Vec<(String, i64, Meta, &'static str)> = Vec::new();
    // The export itself sorts before its mark.
    for object in objects {
        let name = object.path.rsplit('/').next().unwrap_or_default();
        let id = name.strip_suffix(MARK).unwrap_or(name).to_owned();
        if known.contains(&id) || found.iter().any(|(there, ..)| *there == id) {
            continue;
        }
        match read_meta(app, tenant, &object.path).await {
            Ok((created_at, meta)) => {
                let is_mark = name.ends_with(MARK);
                let state = if is_mark { state_of_mark(app, created_at) } else { "done" };
                found.push((id, created_at, meta, state));
            }
            Err(error) => tracing::warn!(error = format!("{error:#}"), "an export does not open"),
        }
    }
    Ok(found)
}

async fn read_meta(app: &App, tenant: &Arc<Tenant>, path: &str) -> anyhow::Result<(i64, Meta)> {
    let (vault, tenant, path) = (app.vault.clone(), Arc::clone(tenant), path.to_owned());
    tokio::task::spawn_blocking(move || {
        let (header, meta, _) = open(&vault, &path, &tenant)?;
        Ok((header.created_at, meta))
    })
    .await?
}

fn open(vault: &Vault, path: &str, tenant: &Tenant) -> anyhow::Result<(Header, Meta, BufReader<Content>)> {
    let (header, content) = file::open(vault, path, |header| match &header.of {
        Of::Export { tenant: of, version } if *of == tenant.id => {
            Ok(tenant.cipher.backup_key_of(*version)?.clone())
        }
        _ => anyhow::bail!("not an export of this tenant"),
    })?;
    let mut content = BufReader::with_capacity(PIECE, content);
    let mut first = Vec::new();
    content.read_until(b'\n', &mut first)?;
    Ok((header, serde_json::from_slice(&first)?, content))
}

/// One of the caller's.
///
/// # Errors
/// 404 for one that is not the caller's, or gone.
pub async fn find(app: &App, caller: &Caller, id: &str) -> AppResult<Export> {
    let is_kept = |created_at: i64| created_at + KEPT_MS > app.clock.now_ms();
    if let Some(running) = app.exports.0.get(id) {
        let is_theirs = running.is_of(caller) && is_kept(running.created_at);
        return is_theirs.then(|| running.told(id)).ok_or_else(not_found);
    }
    // Of another node, or from before the start; a name that is none of ours reaches no file.
    if id.len() != 32 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(not_found());
    }
    let failed = |error: anyhow::Error| AppError::internal(&format!("{error:#}"));
    let (whole, mark) = (path(&caller.tenant.id, id), mark(&caller.tenant.id, id));
    let is_whole = app.vault.has(&whole).await.map_err(failed)?;
    if !is_whole && !app.vault.has(&mark).await.map_err(failed)? {
        return Err(not_found());
    }
    let at = if is_whole { whole } else { mark };
    let (created_at, meta) = read_meta(app, &caller.tenant, &at).await.map_err(failed)?;
    let state = if is_whole { "done" } else { state_of_mark(app, created_at) };
    let is_theirs = meta.account_id == caller.account_id && is_kept(created_at);
    is_theirs.then(|| told(id, state, &meta, created_at, None, given_up(state))).ok_or_else(not_found)
}

/// Removes one of the caller's.
///
/// # Errors
/// See [`find`].
pub async fn delete(app: &App, caller: &Caller, id: &str) -> AppResult<()> {
    let export = find(app, caller, id).await?;
    if export.state == "running" {
        return Err(AppError::conflict("export_running", "It is being made. Delete it when that has ended."));
    }
    app.exports.0.invalidate(id);
    let failed = |error: anyhow::Error| AppError::internal(&format!("{error:#}"));
    app.vault.remove(&mark(&caller.tenant.id, id)).await.map_err(failed)?;
    app.vault.remove(&path(&caller.tenant.id, id)).await.map_err(failed)
}

/// A file to hand out.
pub struct Download {
    /// Its name.
    pub name: String,
    /// How it is written.
    pub style: Style,
    content: BufReader<Content>,
}

/// Opens one of the caller's, after asking Jira again whether they may still see everything that is in it.
///
/// # Errors
/// 404 for one that is not the caller's, or gone; 409 where it is not ready, or holds what they may not see any more:
/// then it is removed.
pub async fn fetch(app: &App, caller: &Caller, id: &str) -> AppResult<Download> {
    let export = find(app, caller, id).await?;
    match export.state {
        "done" => {}
        "running" => {
            return Err(
                AppError::conflict("export_running", "It is being made. Try again in a moment.").after(2)
            );
        }
        _ => return Err(AppError::conflict("export_failed", "It could not be made. Ask for it again.")),
    }
    let (vault, path, tenant) = (app.vault.clone(), path(&caller.tenant.id, id), Arc::clone(&caller.tenant));
    let opened = tokio::task::spawn_blocking(move || open(&vault, &path, &tenant)).await;
    let opened = opened.map_err(|panicked| AppError::internal(&panicked))?;
    let (_, meta, content) = opened.map_err(|error| AppError::internal(&format!("{error:#}")))?;
    if meta.account_id != caller.account_id {
        return Err(not_found());
    }
    if !may_still_see(app, caller, &meta).await? {
        delete(app, caller, id).await?;
        return Err(AppError::conflict(
            "export_outdated",
            "What you may see in Jira has changed since this was made, so it was removed. Ask for it again.",
        ));
    }
    Ok(Download { name: meta.name, style: meta.style, content })
}

async fn may_still_see(app: &App, caller: &Caller, meta: &Meta) -> AppResult<bool> {
    if !meta.narrowed && !permission::may_report(app, caller).await? {
        return Ok(false);
    }
    let needs = Needs { issues: meta.issues.clone(), ..Needs::default() };
    facts::find_out(app, caller, &needs, &Progress::default()).await?;
    let freshness = permission::Freshness::Reports;
    let issues = meta.issues.iter().copied();
    let (allowed, _) = permission::known_browsable(app, caller, issues, freshness);
    if !meta.issues.iter().all(|issue| allowed.contains(issue)) {
        return Ok(false);
    }
    let visible = permission::restricted_visible(app, caller, &meta.restricted, freshness).await?;
    Ok(meta.restricted.iter().all(|id| visible.contains(id)))
}

impl Download {
    /// Its bytes, in pieces; each is proved before it is handed out.
    pub fn pieces(self) -> impl futures_util::Stream<Item = AppResult<Bytes>> {
        futures_util::stream::try_unfold(self.content, async |mut content| {
            let read = tokio::task::spawn_blocking(move || -> io::Result<_> {
                let mut piece = vec![0; PIECE];
                let length = content.read(&mut piece)?;
                piece.truncate(length);
                Ok((content, piece))
            });
            let read = read.await.map_err(|panicked| AppError::internal(&panicked))?;
            let (content, piece) = read.map_err(|error| AppError::internal(&error))?;
            Ok(Some((Bytes::from(piece), content)).filter(|(piece, _)| !piece.is_empty()))
        })
    }
}

/// Housekeeping: removes exports of all tenants that are older than a day.
///
/// # Errors
/// When the vault cannot be asked.
pub async fn tidy(app: &App, now: i64) -> anyhow::Result<usize> {
    let mut removed = 0;
    for object in app.vault.list(ALL).await? {
        let (vault, path) = (app.vault.clone(), object.path.clone());
        let header = tokio::task::spawn_blocking(move || file::header(&vault, &path)).await?;
        let created_at = header.map_or(0, |header| header.created_at);
        if created_at + KEPT_MS <= now {
            app.vault.remove(&object.path).await?;
            removed += 1;
        }
    }
    Ok(removed)
}
