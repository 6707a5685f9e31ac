//! Receipts of deletion, by their unguessable names: whoever has one may read it.

use super::extract::{Anybody, Shared};
use crate::error::{AppError, AppResult, Problem};
use actix_web::web;
use hourbook_store::control::receipts;
use serde::Serialize;
use utoipa::ToSchema;

/// A signed receipt.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReceiptView {
    /// The signed text, JSON.
    body: String,
    /// Ed25519 signature over `body`, hex.
    signature: String,
    /// The key that verifies it, hex.
    public_key: String,
}

/// How long a receipt is shown, ms: as long as the account information is kept. It itself stays.
const SHOWN_MS: i64 = 30 * 86_400_000;

/// A receipt, from the wipe on and for 30 days.
///
/// # Errors
/// 404 if there is none of that name.
#[utoipa::path(get, path = "/receipts/{receiptId}", params(("receiptId" = String, Path)), responses((status = 200, body = ReceiptView), (status = 404, body = Problem)))]
pub async fn receipt(app: Shared, _: Anybody, path: web::Path<String>) -> AppResult<web::Json<ReceiptView>> {
    let id = path.into_inner();
    let found = app.control.read(move |conn| receipts::find(conn, &id)).await?;
    let since = app.clock.now_ms() - SHOWN_MS;
    let receipt = found.filter(|receipt| receipt.issued_at > since);
    let receipt =
        receipt.ok_or_else(|| AppError::not_found("receipt_not_found", "There is no such receipt."))?;
    Ok(web::Json(ReceiptView {
        body: receipt.body,
        signature: receipt.signature,
        public_key: app.receipt_key.public_hex(),
    }))
}
