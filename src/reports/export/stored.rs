//! Long exports: made beside the request into sealed files, for the one who asked. They are looked through again when
//! they are fetched, and are gone after a day, and with the tenant.

use super::{Style, file_name, pieces};
use crate::app::App;
use crate::auth::{Caller, permission};
use crate::backup::file::{self, Content, Header, Of, Writing};
use crate::error::{AppError, AppResult};
use crate::reports::facts::{self, Needs, Progress};
use crate::reports::report::Report;
use crate::tenants::{self, Tenant};
use bytes::Bytes;
use futures_util::TryStreamExt;
use moka::sync::Cache;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::{fs, io};
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

fn folder(app: &App, tenant_id: &str) -> PathBuf {
    tenants::folder(&app.config.storage.data_dir, tenant_id)
}

fn path(app: &App, tenant_id: &str, id: &str) -> PathBuf {
    folder(app, tenant_id).join(format!("export-{id}.sealed"))
}

/// The id in a file's name.
fn id_of(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()?.strip_prefix("export-")?.strip_suffix(".sealed")
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

/// Writes the file: pieces come from the database, a thread of its own compresses and seals them.
async fn make(
    app: &App,
    tenant: &Tenant,
    id: &str,
    report: Arc<Report>,
    running: &Running,
) -> anyhow::Result<()> {
    let db = app.db(tenant).await?;
    let (version, key) = tenant.cipher.backup_key();
    let of = Of::Export { tenant: tenant.id.clone(), version };
    let header = Header::new(of, running.created_at, 0);
    let (path, key) = (path(app, &tenant.id, id), key.clone());
    let mut first = serde_json::to_vec(&running.meta)?;
    first.push(b'\n');
    let (send, mut receive) = mpsc::channel::<Option<Bytes>>(2);
    let writing = tokio::task::spawn_blocking(move || -> anyhow::Result<()> {
        let mut file = Writing::create(&path, &header, &key)?;
        file.write_all(&first)?;
        loop {
            match receive.blocking_recv() {
                Some(Some(piece)) => file.write_all(&piece)?,
                Some(None) => return file.finish().map(drop),
                // Whoever makes the pieces has failed: what there is goes.
                None => break,
            }
        }
        drop(file);
        fs::remove_file(path.with_extension("part"))?;
        Ok(())
    });
    let mut pieces = std::pin::pin!(pieces(db, report, running.meta.style));
    while let Some(piece) = pieces.try_next().await? {
        running.bytes.fetch_add(piece.len() as u64, Ordering::Relaxed);
        if send.send(Some(piece)).await.is_err() {
            break;
        }
    }
    // Fails only where the thread has failed: its error is told below.
    let _ = send.send(None).await;
    writing.await?
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
    // And those from before the start.
    let known: HashSet<String> = found.iter().map(|(_, export)| export.id.clone()).collect();
    let (folder, tenant) = (folder(app, &caller.tenant.id), Arc::clone(&caller.tenant));
    let others = tokio::task::spawn_blocking(move || others(&folder, &tenant, &known));
    let others = others.await.map_err(|panicked| AppError::internal(&panicked))?;
    let others = others.map_err(|error| AppError::internal(&error))?;
    let mine = others.into_iter().filter(|(_, created_at, meta)| {
        meta.account_id == caller.account_id && created_at + KEPT_MS > app.clock.now_ms()
    });
    found.extend(
        mine.map(|(id, created_at, meta)| (created_at, told(&id, "done", &meta, created_at, None, None))),
    );
    found.sort_by_key(|(created_at, _)| std::cmp::Reverse(*created_at));
    Ok(found.into_iter().map(|(_, export)| export).collect())
}

fn others(folder: &Path, tenant: &Tenant, known: &HashSet<String>) -> io::Result<Vec<(String, i64, Meta)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let Some(id) = id_of(&path).filter(|id| !known.contains(*id)) else { continue };
        match open(&path, tenant) {
            Ok((header, meta, _)) => found.push((id.to_owned(), header.created_at, meta)),
            Err(error) => tracing::warn!(error = format!("{error:#}"), "an export does not open"),
        }
    }
    Ok(found)
}

fn open(path: &Path, tenant: &Tenant) -> anyhow::Result<(Header, Meta, BufReader<Content>)> {
    let (header, content) = file::content(path, |header| match &header.of {
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
    // From before the start; a name that is none of ours reaches no file.
    if id.len() != 32 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(not_found());
    }
    let (path, tenant) = (path(app, &caller.tenant.id, id), Arc::clone(&caller.tenant));
    let opened = tokio::task::spawn_blocking(move || path.exists().then(|| open(&path, &tenant)).transpose());
    let opened = opened.await.map_err(|panicked| AppError::internal(&panicked))?;
    let opened = opened.map_err(|error| AppError::internal(&format!("{error:#}")))?;
    let (header, meta, _) = opened.ok_or_else(not_found)?;
    let is_theirs = meta.account_id == caller.account_id && is_kept(header.created_at);
    is_theirs.then(|| told(id, "done", &meta, header.created_at, None, None)).ok_or_else(not_found)
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
    let path = path(app, &caller.tenant.id, id);
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(AppError::internal(&error)),
        _ => Ok(()),
    }
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
    let (path, tenant) = (path(app, &caller.tenant.id, id), Arc::clone(&caller.tenant));
    let opened = tokio::task::spawn_blocking(move || open(&path, &tenant)).await;
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

/// All files of tenants, of which some are exports.
fn files(data_dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let tenants = match fs::read_dir(data_dir.join("tenants")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        tenants => tenants?,
    };
    for tenant in tenants {
        // One that is wiped just now has no files any more.
        let Ok(files) = fs::read_dir(tenant?.path()) else { continue };
        for file in files {
            found.push(file?.path());
        }
    }
    Ok(found)
}

/// Housekeeping: removes exports of all tenants that are older than a day.
///
/// # Errors
/// When a folder cannot be read.
pub fn tidy(data_dir: &Path, now: i64) -> anyhow::Result<usize> {
    let mut removed = 0;
    for path in files(data_dir)?.into_iter().filter(|path| id_of(path).is_some()) {
        let created_at = file::header(&path).map_or(0, |header| header.created_at);
        if created_at + KEPT_MS <= now {
            fs::remove_file(&path)?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// Removes what a former server was writing when it ended; before anything is written.
///
/// # Errors
/// When a folder cannot be read.
pub fn remove_halves(data_dir: &Path) -> anyhow::Result<()> {
    for path in files(data_dir)? {
        let is_half = path.extension().is_some_and(|end| end == "part");
        if is_half && id_of(&path.with_extension("sealed")).is_some() {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}
