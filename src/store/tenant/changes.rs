//! Which worklogs each transaction touched, so that what reports keep in memory is brought up to date instead of
//! being read again.

use super::TenantConn;
use super::schema::changes::dsl as c;
use crate::conn::on;
use crate::error::Result;
use diesel::prelude::*;

/// Transactions that are remembered.
const KEPT: i64 = 500;
/// Worklogs of one transaction that are named; of more, it is only noted that there were many.
const MOST: usize = 20_000;

/// What a transaction touched so far.
#[derive(Debug, Default)]
pub(super) struct Touched {
    ids: Vec<i64>,
    all: bool,
}

impl Touched {
    pub(super) fn add(&mut self, ids: impl IntoIterator<Item = i64>) {
        if !self.all {
            self.ids.extend(ids);
            self.all = self.ids.len() > MOST;
        }
    }

    pub(super) fn add_all(&mut self) {
        self.all = true;
    }
}

/// What was touched since a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Since {
    /// These worklogs; some of them perhaps more than once.
    Some(Vec<i64>),
    /// Nobody knows: everything has to be read.
    Unknown,
}

/// The number of the newest transaction that touched a worklog; 0 before the first.
pub fn newest(db: &mut TenantConn<'_>) -> Result<i64> {
    let newest: Option<i64> = on!(db.conn, |c| c::changes.select(diesel::dsl::max(c::seq)).first(c))?;
    Ok(newest.unwrap_or(0))
}

/// What was touched behind a transaction.
pub fn since(db: &mut TenantConn<'_>, seq: i64) -> Result<Since> {
    let rows: Vec<(i64, Option<Vec<u8>>)> =
        on!(db.conn, |c| c::changes.filter(c::seq.gt(seq)).order(c::seq).load(c))?;
    let follows = rows.first().is_none_or(|(first, _)| *first == seq + 1);
    let packed: Option<Vec<Vec<u8>>> = rows.into_iter().map(|(_, ids)| ids).collect();
    let Some(packed) = packed.filter(|_| follows) else { return Ok(Since::Unknown) };
    let ids = packed.iter().flat_map(|ids| ids.as_chunks::<8>().0.iter());
    Ok(Since::Some(ids.map(|id| i64::from_be_bytes(*id)).collect()))
}

/// Notes what a transaction touched, at its end.
pub(super) fn note(db: &mut TenantConn<'_>) -> Result<()> {
    let touched = std::mem::take(&mut db.touched);
    if touched.ids.is_empty() && !touched.all {
        return Ok(());
    }
    let packed =
        (!touched.all).then(|| touched.ids.iter().flat_map(|id| id.to_be_bytes()).collect::<Vec<u8>>());
    let seq = newest(db)? + 1;
    on!(db.conn, |c| diesel::insert_into(c::changes)
        .values((c::seq.eq(seq), c::worklog_ids.eq(packed)))
        .execute(c))?;
    on!(db.conn, |c| diesel::delete(c::changes.filter(c::seq.le(seq - KEPT))).execute(c))?;
    Ok(())
}
