//! Lifecycle calls that were taken. Their bodies are not signed, so a token that was seen must not vouch for another one.

use super::schema::taken::dsl as t;
use crate::conn::{Conn, on};
use crate::error::Result;
use diesel::prelude::*;

/// Takes a call until an instant; false if its token came with another body before.
pub fn take(conn: &mut Conn, token_hash: &str, body_hash: &str, until: i64) -> Result<bool> {
    on!(conn, |c| diesel::insert_into(t::taken)
        .values((t::token_hash.eq(token_hash), t::body_hash.eq(body_hash), t::until.eq(until)))
        .on_conflict_do_nothing()
        .execute(c))?;
    let first: String = on!(conn, |c| t::taken.find(token_hash).select(t::body_hash).first(c))?;
    Ok(first == body_hash)
}

/// Forgets calls whose tokens hold no more.
pub fn prune(conn: &mut Conn, now: i64) -> Result<usize> {
    Ok(on!(conn, |c| diesel::delete(t::taken.filter(t::until.lt(now))).execute(c))?)
}
