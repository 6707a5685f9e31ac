//! Nodes that share the control database: who lives, by the database's own clock, and what one does for all.

use super::jobs;
use super::schema::duties::dsl as d;
use super::schema::nodes::dsl as n;
use crate::conn::{Conn, on};
use crate::error::Result;
use diesel::prelude::*;
use diesel::sql_types::BigInt;

/// A node that has not been heard of for so long, ms, is dead: its work is taken over.
pub const DEAD_MS: i64 = 5_000;

/// A node that lives.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = super::schema::nodes)]
pub struct Node {
    /// Random; another one after each start.
    pub node_id: String,
    /// The version of Hourbook that it runs.
    pub version: String,
    /// When it started, by the database's clock.
    pub started_at: i64,
    /// When it was last heard of, by the database's clock.
    pub seen_at: i64,
    /// The newest notice that it has taken in.
    pub notice: i64,
}

/// What a heartbeat finds.
#[derive(Debug)]
pub struct Beat {
    /// Nodes that live, this one included, by id.
    pub live: Vec<Node>,
    /// The others had given this one up, and may have taken its work over.
    pub was_dead: bool,
    /// Jobs of dead nodes that wait again.
    pub requeued: usize,
}

/// Milliseconds since 1970 by the database's clock: nodes' clocks differ.
fn now(conn: &mut Conn) -> Result<i64> {
    #[derive(QueryableByName)]
    struct Now {
        #[diesel(sql_type = BigInt)]
        now: i64,
    }
    let now: Now = on!(
        conn,
        |sqlite| diesel::sql_query("SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER) AS now")
            .get_result(sqlite),
        |postgres| diesel::sql_query("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now")
            .get_result(postgres)
    )?;
    Ok(now.now)
}

/// Says that a node lives and which notices it has taken in; buries the dead. `first` is a node's first heartbeat.
/// `at` is the time that jobs go by.
pub fn beat(
    conn: &mut Conn,
    node_id: &str,
    version: &str,
    notice: i64,
    first: bool,
    at: i64,
) -> Result<Beat> {
    let now = now(conn)?;
    let alive = on!(conn, |c| diesel::update(n::nodes.find(node_id))
        .set((n::seen_at.eq(now), n::notice.eq(notice)))
        .execute(c))?;
    if alive == 0 {
        let row = (
            n::node_id.eq(node_id),
            n::version.eq(version),
            n::started_at.eq(now),
            n::seen_at.eq(now),
            n::notice.eq(notice),
        );
        on!(conn, |c| diesel::insert_into(n::nodes).values(row).execute(c))?;
    }
    on!(conn, |c| diesel::delete(n::nodes.filter(n::seen_at.lt(now - DEAD_MS))).execute(c))?;
    let requeued = jobs::requeue_of_the_dead(conn, at)?;
    Ok(Beat { live: live(conn)?, was_dead: alive == 0 && !first, requeued })
}

/// Nodes that live, by id.
pub fn live(conn: &mut Conn) -> Result<Vec<Node>> {
    Ok(on!(conn, |c| n::nodes.order(n::node_id).select(Node::as_select()).load(c))?)
}

/// Forgets all other nodes: where there can only be one, they are of before.
pub fn only(conn: &mut Conn, node_id: &str) -> Result<()> {
    on!(conn, |c| diesel::delete(n::nodes.filter(n::node_id.ne(node_id))).execute(c))?;
    Ok(())
}

/// A node says that it goes: its work is free at once.
pub fn leave(conn: &mut Conn, node_id: &str, at: i64) -> Result<()> {
    on!(conn, |c| diesel::delete(n::nodes.find(node_id)).execute(c))?;
    jobs::requeue_of_the_dead(conn, at)?;
    Ok(())
}

/// Takes a duty that is done once every `every` ms; false if somebody has done it since.
pub fn take_duty(conn: &mut Conn, name: &str, every: i64, at: i64) -> Result<bool> {
    let done: Option<i64> = on!(conn, |c| d::duties.find(name).select(d::done_at).first(c).optional())?;
    // One from the future was done by a clock that has been set back since.
    if done.is_some_and(|done| (done..done + every).contains(&at)) {
        return Ok(false);
    }
    on!(conn, |c| diesel::insert_into(d::duties)
        .values((d::name.eq(name), d::done_at.eq(at)))
        .on_conflict(d::name)
        .do_update()
        .set(d::done_at.eq(at))
        .execute(c))?;
    Ok(true)
}
