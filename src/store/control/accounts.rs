//! Which accounts were reported to Atlassian and when, under digests of their ids. One account may have worked for
//! several tenants, and is reported once in a cycle for all of them.

use super::schema::account_reports::dsl as a;
use crate::conn::{Conn, on};
use crate::error::Result;
use diesel::prelude::*;

/// What is to be done about an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It is to be reported now, by whoever asked: held or brought up to date at this instant (ms).
    Report {
        /// See above.
        held_since: i64,
    },
    /// Its turn comes later.
    NotYet,
    /// Its owner closed it.
    Closed,
}

/// An account's row.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = super::schema::account_reports, primary_key(account_digest))]
struct Report {
    account_digest: String,
    held_since: i64,
    next_at: i64,
    closed: bool,
    seen_at: i64,
}

fn put(conn: &mut Conn, report: &Report) -> Result<()> {
    on!(conn, |c| diesel::insert_into(a::account_reports)
        .values(report)
        .on_conflict(a::account_digest)
        .do_update()
        .set(report)
        .execute(c))?;
    Ok(())
}

fn find(conn: &mut Conn, digest: &str) -> Result<Option<Report>> {
    Ok(on!(conn, |c| a::account_reports.find(digest).select(Report::as_select()).first(c).optional())?)
}

/// Takes an account's turn, if it has come: nobody else does until `until`. An account that was not known is held
/// since `since`.
pub fn take_turn(conn: &mut Conn, digest: &str, since: i64, until: i64, now: i64) -> Result<Turn> {
    let known = find(conn, digest)?;
    let held_since = known.as_ref().map_or(since, |known| known.held_since);
    let (closed, due) = known.as_ref().map_or((false, true), |known| (known.closed, known.next_at <= now));
    let next_at = if due && !closed { until } else { known.map_or(until, |known| known.next_at) };
    put(conn, &Report { account_digest: digest.to_owned(), held_since, next_at, closed, seen_at: now })?;
    Ok(match (closed, due) {
        (true, _) => Turn::Closed,
        (false, true) => Turn::Report { held_since },
        (false, false) => Turn::NotYet,
    })
}

/// Notes that an account was reported, and what came of it.
pub fn reported(conn: &mut Conn, digest: &str, next_at: i64, held_since: i64, closed: bool) -> Result<()> {
    on!(conn, |c| diesel::update(a::account_reports.find(digest))
        .set((a::next_at.eq(next_at), a::held_since.eq(held_since), a::closed.eq(closed)))
        .execute(c))?;
    Ok(())
}

/// Forgets accounts that no tenant has had since an instant.
pub fn prune(conn: &mut Conn, before: i64) -> Result<usize> {
    Ok(on!(conn, |c| diesel::delete(a::account_reports.filter(a::seen_at.lt(before))).execute(c))?)
}
