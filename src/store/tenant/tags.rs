//! Tags: a catalogue of sealed names, and which worklog has which.

use super::schema::{tags::dsl as t, worklog_tags::dsl as wt};
use super::worklogs::{self, Worklog};
use super::{TenantConn, schema};
use crate::conn::on;
use crate::error::Result;
use crate::plain::Plain;
use diesel::prelude::*;
use hourbook_crypto::tenant::{Field, Place};
use std::collections::HashMap;

const ROWS: usize = 1000;

/// A tag of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// Random; stays when the tag is renamed or the copy rebuilt.
    pub id: i64,
    /// Its name.
    pub name: Plain,
    /// As of which instant the name holds; a later one wins.
    pub named_at: i64,
    /// Kept on old worklogs, no longer offered for new ones.
    pub archived: bool,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = schema::tags)]
struct Row {
    tag_id: i64,
    name: Vec<u8>,
    named_at: i64,
    archived: bool,
}

fn place(row: &[u8; 8]) -> Place<'_> {
    Place { field: Field::TagName, row }
}

/// The whole catalogue by id.
pub fn all(db: &mut TenantConn<'_>) -> Result<Vec<Tag>> {
    let rows: Vec<Row> = on!(db.conn, |c| t::tags.order(t::tag_id).select(Row::as_select()).load(c))?;
    rows.into_iter().map(|row| open(db, row)).collect()
}

/// One tag.
pub fn find(db: &mut TenantConn<'_>, id: i64) -> Result<Option<Tag>> {
    let row = on!(db.conn, |c| t::tags.find(id).select(Row::as_select()).first(c).optional())?;
    row.map(|row| open(db, row)).transpose()
}

fn open(db: &TenantConn<'_>, row: Row) -> Result<Tag> {
    let name = worklogs::open_text(db, place(&row.tag_id.to_be_bytes()), &row.name)?;
    Ok(Tag { id: row.tag_id, name, named_at: row.named_at, archived: row.archived })
}

/// As of when each tag has its name; nothing is decrypted.
pub fn named_at(db: &mut TenantConn<'_>) -> Result<HashMap<i64, i64>> {
    let rows: Vec<(i64, i64)> = on!(db.conn, |c| t::tags.select((t::tag_id, t::named_at)).load(c))?;
    Ok(rows.into_iter().collect())
}

/// Gives a tag another name.
pub fn rename(db: &mut TenantConn<'_>, id: i64, name: &Plain, named_at: i64) -> Result<()> {
    let sealed = db.cipher.seal(place(&id.to_be_bytes()), name.expose().as_bytes());
    on!(db.conn, |c| diesel::update(t::tags.find(id))
        .set((t::name.eq(sealed), t::named_at.eq(named_at)))
        .execute(c))?;
    Ok(())
}

/// Adds a tag or replaces the one with its id.
pub fn put(db: &mut TenantConn<'_>, tag: &Tag) -> Result<()> {
    let sealed = db.cipher.seal(place(&tag.id.to_be_bytes()), tag.name.expose().as_bytes());
    let row = Row { tag_id: tag.id, name: sealed, named_at: tag.named_at, archived: tag.archived };
    on!(db.conn, |c| diesel::insert_into(t::tags)
        .values(&row)
        .on_conflict(t::tag_id)
        .do_update()
        .set((t::name.eq(&row.name), t::named_at.eq(row.named_at), t::archived.eq(row.archived)))
        .execute(c))?;
    Ok(())
}

/// Removes a tag that no worklog has; false if one has it.
pub fn delete_unused(db: &mut TenantConn<'_>, id: i64) -> Result<bool> {
    if count_uses(db, id)? > 0 {
        return Ok(false);
    }
    on!(db.conn, |c| diesel::delete(t::tags.find(id)).execute(c))?;
    Ok(true)
}

/// How many worklogs have the tag.
pub fn count_uses(db: &mut TenantConn<'_>, id: i64) -> Result<i64> {
    Ok(on!(db.conn, |c| wt::worklog_tags.filter(wt::tag_id.eq(id)).count().get_result(c))?)
}

pub(super) fn of_worklogs(db: &mut TenantConn<'_>, ids: &[i64]) -> Result<HashMap<i64, Vec<i64>>> {
    let mut tags: HashMap<i64, Vec<i64>> = HashMap::new();
    for some in ids.chunks(ROWS) {
        let rows: Vec<(i64, i64)> = on!(db.conn, |c| wt::worklog_tags
            .filter(wt::client_worklog_id.eq_any(some))
            .order((wt::client_worklog_id, wt::tag_id))
            .select((wt::client_worklog_id, wt::tag_id))
            .load(c))?;
        for (worklog, tag) in rows {
            tags.entry(worklog).or_default().push(tag);
        }
    }
    Ok(tags)
}

pub(super) fn replace_on(db: &mut TenantConn<'_>, worklogs: &[Worklog]) -> Result<()> {
    for some in worklogs.chunks(ROWS) {
        let ids: Vec<i64> = some.iter().map(|worklog| worklog.id).collect();
        on!(db.conn, |c| diesel::delete(wt::worklog_tags.filter(wt::client_worklog_id.eq_any(&ids)))
            .execute(c))?;
    }
    add_to(db, worklogs)
}

pub(super) fn add_to(db: &mut TenantConn<'_>, worklogs: &[Worklog]) -> Result<()> {
    let rows: Vec<_> = worklogs
        .iter()
        .flat_map(|worklog| worklog.tags.iter().map(|tag| (worklog.id, *tag)))
        .map(|(worklog, tag)| (wt::client_worklog_id.eq(worklog), wt::tag_id.eq(tag)))
        .collect();
    for some in rows.chunks(ROWS) {
        on!(db.conn, |c| diesel::insert_into(wt::worklog_tags)
            .values(some)
            .on_conflict_do_nothing()
            .execute(c))?;
    }
    Ok(())
}
