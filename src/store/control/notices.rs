//! Notices: what every node has to forget or learn of a tenant. Written in the transaction that makes them true, read
//! by all nodes several times a second.

use super::schema::nodes::dsl as node;
use super::schema::notices::dsl as n;
use crate::conn::{Conn, on};
use crate::error::Result;
use diesel::prelude::*;

/// What a notice is about. Its name is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// Its secrets, addresses, keys or place changed: what is remembered of it is of before.
    Changed,
    /// It is closed, or out of reach: nothing of it stays in memory.
    Gone,
    /// It is held back, or its database is another: nobody goes on with the one that is open.
    Held,
    /// Permissions in its site changed, or whatever else reports show.
    Permissions,
    /// Issues changed, by the ids in the subject.
    Issues,
    /// Its host brought a newer token.
    Token,
    /// What its host says of its licence changed.
    Licence,
}

impl What {
    const ALL: [Self; 7] =
        [Self::Changed, Self::Gone, Self::Held, Self::Permissions, Self::Issues, Self::Token, Self::Licence];

    fn name(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Gone => "gone",
            Self::Held => "held",
            Self::Permissions => "permissions",
            Self::Issues => "issues",
            Self::Token => "token",
            Self::Licence => "licence",
        }
    }
}

/// A notice.
#[derive(Debug, Clone)]
pub struct Notice {
    /// Grows with each.
    pub id: i64,
    /// When, by the clock of the node that posted it.
    pub posted_at: i64,
    /// What it is about; `None` for one that a newer version posted, which this one knows nothing of.
    pub what: Option<What>,
    /// Whose.
    pub tenant_id: String,
    /// Its clientKey, or ids of issues with commas between.
    pub subject: String,
}

/// Posts a notice; returns its number.
pub fn post(conn: &mut Conn, what: What, tenant_id: &str, subject: &str, now: i64) -> Result<i64> {
    Ok(on!(conn, |c| diesel::insert_into(n::notices)
        .values((
            n::posted_at.eq(now),
            n::what.eq(what.name()),
            n::tenant_id.eq(tenant_id),
            n::subject.eq(subject),
        ))
        .returning(n::id)
        .get_result(c))?)
}

/// Notices behind a number, in their order.
pub fn since(conn: &mut Conn, after: i64) -> Result<Vec<Notice>> {
    let rows: Vec<(i64, i64, String, String, String)> =
        on!(conn, |c| n::notices.filter(n::id.gt(after)).order(n::id).load(c))?;
    let row = |(id, posted_at, what, tenant_id, subject): (_, _, String, _, _)| {
        let what = What::ALL.into_iter().find(|known| known.name() == what);
        Notice { id, posted_at, what, tenant_id, subject }
    };
    Ok(rows.into_iter().map(row).collect())
}

/// The number of the newest notice; 0 before the first.
pub fn newest(conn: &mut Conn) -> Result<i64> {
    let newest: Option<i64> = on!(conn, |c| n::notices.select(diesel::dsl::max(n::id)).first(c))?;
    Ok(newest.unwrap_or(0))
}

/// How many living nodes have not taken a notice in yet.
pub fn unseen(conn: &mut Conn, id: i64) -> Result<i64> {
    Ok(on!(conn, |c| node::nodes.filter(node::notice.lt(id)).count().get_result(c))?)
}

/// Forgets notices from before an instant, but never the newest: numbers only grow.
pub fn prune(conn: &mut Conn, before: i64) -> Result<usize> {
    let newest = newest(conn)?;
    let old = n::notices.filter(n::posted_at.lt(before).and(n::id.lt(newest)));
    Ok(on!(conn, |c| diesel::delete(old).execute(c))?)
}

/// Forgets what is told of a tenant that was forgotten.
pub fn forget(conn: &mut Conn, tenant_id: &str) -> Result<()> {
    on!(conn, |c| diesel::update(n::notices.filter(n::tenant_id.eq(tenant_id)))
        .set((n::tenant_id.eq(""), n::subject.eq("")))
        .execute(c))?;
    Ok(())
}
