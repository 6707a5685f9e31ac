//! What a Jira admin is told about their data: what is stored, how it is backed up, and how its end will be proved.

use super::extract::{ContextCaller, Shared};
use crate::error::{AppError, AppResult, Problem};
use crate::jira::time;
use crate::reports::export::stored;
use actix_web::web;
use hourbook_store::control::installations;
use hourbook_store::tenant::columns::COLUMNS;
use serde::Serialize;
use utoipa::ToSchema;

/// A column of the tenant's database.
#[derive(Serialize, ToSchema)]
pub struct ColumnView {
    /// `table.column`.
    column: &'static str,
    /// Why it is stored.
    reason: &'static str,
}

/// The backups of the tenant.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupView {
    /// When the last one was made; null before the first night.
    last_at: Option<String>,
    /// Its size, sealed.
    bytes: Option<i64>,
    /// When one was last read back as a test.
    read_back_at: Option<String>,
    /// When the next one is due.
    next_at: String,
    /// Days that each is kept.
    kept_days: i64,
}

/// How the deletion will be proved.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReceiptPromise {
    /// The key (Ed25519, hex) that will have signed the receipt. Keep it before you uninstall.
    public_key: String,
    /// Where the receipt will be for 30 days after the app was uninstalled. Keep it too: nobody can guess it.
    url: String,
    /// Hours after the keys are destroyed at which the last backup of them is gone.
    last_key_copy_gone_after_hours: i64,
    /// Days after which the site's address, its clientKey and dates are removed too.
    account_kept_days: i64,
}

/// What is known to Hourbook, and what becomes of it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PrivacyView {
    /// Region in which the data lives.
    region: String,
    /// Every column that is stored of this Jira site.
    stored: Vec<ColumnView>,
    backup: BackupView,
    /// Hours that an export which somebody asked for is kept, sealed: the only files with names and issue facts in them,
    /// which otherwise are in memory for an hour at most.
    exports_kept_hours: i64,
    receipt: ReceiptPromise,
}

/// What is stored, where, and how its deletion will be proved. Read it before uninstalling.
///
/// # Errors
/// 403 for others than Jira admins.
#[utoipa::path(get, path = "/api/v1/privacy", responses((status = 200, body = PrivacyView), (status = 403, body = Problem)))]
pub async fn privacy(app: Shared, caller: ContextCaller) -> AppResult<web::Json<PrivacyView>> {
    let id = caller.0.tenant.id.clone();
    let found = app.control.read(move |conn| installations::find(conn, &id)).await?;
    let found =
        found.ok_or_else(|| AppError::unauthorized("unknown_tenant", "Hourbook is not installed here."))?;
    Ok(web::Json(PrivacyView {
        region: found.region,
        stored: COLUMNS.iter().map(|(column, reason)| ColumnView { column, reason }).collect(),
        backup: BackupView {
            last_at: found.backup_at.map(time::rfc3339),
            bytes: found.backup_bytes,
            read_back_at: found.backup_checked_at.map(time::rfc3339),
            next_at: time::rfc3339(found.next_backup_at),
            kept_days: app.config.backups.days,
        },
        exports_kept_hours: stored::KEPT_MS / 3_600_000,
        receipt: ReceiptPromise {
            public_key: app.receipt_key.public_hex(),
            url: format!("{}/receipts/{}", app.config.base_url, found.receipt_id),
            last_key_copy_gone_after_hours: app.config.backups.key_copies_ms / 3_600_000,
            account_kept_days: crate::lifecycle::forget::ACCOUNT_KEPT_MS / 86_400_000,
        },
    }))
}
