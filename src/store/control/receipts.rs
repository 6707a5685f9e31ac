//! Receipts: what remains of a wiped installation.

use super::schema::receipts::dsl as r;
use crate::conn::{Conn, on};
use crate::error::Result;
use diesel::prelude::*;

/// A signed statement that an installation's data is gone.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = super::schema::receipts)]
pub struct Receipt {
    /// Unguessable name of the receipt.
    pub receipt_id: String,
    /// When it was signed.
    pub issued_at: i64,
    /// The signed text, JSON.
    pub body: String,
    /// Ed25519 signature over `body`, hex.
    pub signature: String,
}

/// Adds a receipt; the first of its name stays.
pub fn insert(conn: &mut Conn, receipt: &Receipt) -> Result<()> {
    on!(conn, |c| diesel::insert_into(r::receipts).values(receipt).on_conflict_do_nothing().execute(c))?;
    Ok(())
}

/// The receipt of an installation of which something is known still.
pub fn of_tenant(conn: &mut Conn, tenant_id: &str) -> Result<Option<Receipt>> {
    use super::schema::installations::dsl as i;
    let name: Option<String> =
        on!(conn, |c| i::installations.find(tenant_id).select(i::receipt_id).first(c).optional())?;
    match name {
        Some(name) => find(conn, &name),
        None => Ok(None),
    }
}

/// A receipt by its unguessable name.
pub fn find(conn: &mut Conn, receipt_id: &str) -> Result<Option<Receipt>> {
    Ok(on!(conn, |c| r::receipts.find(receipt_id).select(Receipt::as_select()).first(c).optional())?)
}
