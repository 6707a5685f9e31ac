//! Saved reports. What one asks, its title and with whom it is shared are sealed as a whole.

use super::schema::saved_reports::dsl as s;
use super::{TenantConn, schema, worklogs};
use crate::conn::on;
use crate::error::Result;
use crate::plain::Plain;
use diesel::prelude::*;
use hourbook_crypto::tenant::{Field, Place};

/// A saved report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    /// Random.
    pub id: i64,
    /// Whose it is.
    pub account_id: String,
    /// JSON: title, sharing and definition.
    pub definition: Plain,
    /// Counts its changes, from 1.
    pub version: i64,
    /// When it was last changed, by our clock.
    pub changed_at: i64,
}

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = schema::saved_reports, primary_key(report_id))]
struct Row {
    report_id: i64,
    account_id: String,
    definition: Vec<u8>,
    version: i64,
    changed_at: i64,
}

fn place(row: &[u8; 8]) -> Place<'_> {
    Place { field: Field::SavedReport, row }
}

fn open(db: &TenantConn<'_>, row: Row) -> Result<Saved> {
    let definition = worklogs::open_text(db, place(&row.report_id.to_be_bytes()), &row.definition)?;
    Ok(Saved {
        id: row.report_id,
        account_id: row.account_id,
        definition,
        version: row.version,
        changed_at: row.changed_at,
    })
}

/// All of them, oldest change first.
pub fn all(db: &mut TenantConn<'_>) -> Result<Vec<Saved>> {
    let rows: Vec<Row> = on!(db.conn, |c| s::saved_reports
        .order((s::changed_at, s::report_id))
        .select(Row::as_select())
        .load(c))?;
    rows.into_iter().map(|row| open(db, row)).collect()
}

/// One of them.
pub fn find(db: &mut TenantConn<'_>, id: i64) -> Result<Option<Saved>> {
    let row = on!(db.conn, |c| s::saved_reports.find(id).select(Row::as_select()).first(c).optional())?;
    row.map(|row| open(db, row)).transpose()
}

/// Adds one, or replaces the one with its id.
pub fn put(db: &mut TenantConn<'_>, saved: &Saved) -> Result<()> {
    let sealed = db.cipher.seal(place(&saved.id.to_be_bytes()), saved.definition.expose().as_bytes());
    let row = Row {
        report_id: saved.id,
        account_id: saved.account_id.clone(),
        definition: sealed,
        version: saved.version,
        changed_at: saved.changed_at,
    };
    on!(db.conn, |c| diesel::insert_into(s::saved_reports)
        .values(&row)
        .on_conflict(s::report_id)
        .do_update()
        .set(&row)
        .execute(c))?;
    Ok(())
}

/// Removes one.
pub fn delete(db: &mut TenantConn<'_>, id: i64) -> Result<()> {
    on!(db.conn, |c| diesel::delete(s::saved_reports.find(id)).execute(c))?;
    Ok(())
}
