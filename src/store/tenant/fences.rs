//! Fences: a piece of work that was taken over must not write any more, however late it wakes up.
//!
//! A job gets a higher token each time that it is claimed. The highest that a lane has written with stands in the
//! tenant's database and is compared in the transaction that writes.

use super::TenantConn;
use super::schema::fences::dsl as f;
use crate::conn::on;
use crate::error::{Error, Result};
use diesel::prelude::*;

/// A floor under all lanes: set when a database is put in place, so that nothing from before writes to it.
const FLOOR: &str = "*";

/// A floor above all.
const SHUT: i64 = i64::MAX;

/// The token with which a piece of work writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    /// Work of one lane takes turns.
    pub lane: String,
    /// Higher for each turn.
    pub token: i64,
}

/// Lets the holder of a fence write; a person's write has none.
///
/// # Errors
/// [`Error::Fenced`] if somebody came with a higher token; [`Error::Held`] if nobody writes here any more.
pub(super) fn pass(db: &mut TenantConn<'_>, fence: Option<&Fence>) -> Result<()> {
    let Some(fence) = fence else {
        let floor: Option<i64> =
            on!(db.conn, |c| f::fences.find(FLOOR).select(f::token).first(c).optional())?;
        return if floor == Some(SHUT) { Err(Error::Held) } else { Ok(()) };
    };
    let rows: Vec<(String, i64)> = on!(db.conn, |c| f::fences
        .filter(f::lane.eq(&fence.lane).or(f::lane.eq(FLOOR)))
        .select((f::lane, f::token))
        .load(c))?;
    if rows.iter().any(|(lane, token)| lane == FLOOR && *token == SHUT) {
        return Err(Error::Held);
    }
    if rows.iter().any(|(_, token)| *token > fence.token) {
        return Err(Error::Fenced);
    }
    if rows.iter().any(|(lane, token)| *lane == fence.lane && *token == fence.token) {
        return Ok(());
    }
    put(db, &fence.lane, fence.token)
}

/// From now on, nobody writes here: the content is about to be somewhere else. [`raise_floor`] lets writers in again.
pub fn shut(db: &mut TenantConn<'_>) -> Result<()> {
    put(db, FLOOR, SHUT)
}

/// From now on, nobody with a lower token writes, whatever the lane.
pub fn raise_floor(db: &mut TenantConn<'_>, token: i64) -> Result<()> {
    put(db, FLOOR, token)
}

fn put(db: &mut TenantConn<'_>, lane: &str, token: i64) -> Result<()> {
    on!(db.conn, |c| diesel::insert_into(f::fences)
        .values((f::lane.eq(lane), f::token.eq(token)))
        .on_conflict(f::lane)
        .do_update()
        .set(f::token.eq(token))
        .execute(c))?;
    Ok(())
}
