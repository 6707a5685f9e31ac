//! Worklogs proved to be deleted, so that a late event does not bring them back.

use super::schema::tombstones::dsl as t;
use super::{TenantConn, schema};
use crate::among::among;
use crate::conn::on;
use crate::error::Result;
use diesel::prelude::*;
use diesel::upsert::excluded;
use std::collections::HashMap;

/// What proved the deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The worklog itself: its id never comes back.
    Worklog,
    /// Its issue or project went, by that id; a restored one brings it back.
    Container(i64),
}

/// A deletion and when we learnt of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tombstone {
    /// What proved it.
    pub cause: Cause,
    /// When we learnt of it, by our clock.
    pub recorded_at: i64,
}

#[derive(Insertable)]
#[diesel(table_name = schema::tombstones, treat_none_as_default_value = false)]
struct Row {
    client_worklog_id: i64,
    cause: i16,
    client_container_id: Option<i64>,
    recorded_at: i64,
}

/// Notes deletions. A deletion of the worklog itself replaces one by its container, never the other way.
pub fn put(db: &mut TenantConn<'_>, ids: &[i64], cause: Cause, now: i64) -> Result<()> {
    let (kind, container) = match cause {
        Cause::Worklog => (0, None),
        Cause::Container(id) => (1, Some(id)),
    };
    for some in ids.chunks(1000) {
        let rows: Vec<Row> = some
            .iter()
            .map(|id| Row {
                client_worklog_id: *id,
                cause: kind,
                client_container_id: container,
                recorded_at: now,
            })
            .collect();
        let insert = || diesel::insert_into(t::tombstones).values(&rows);
        match cause {
            Cause::Worklog => on!(db.conn, |c| insert()
                .on_conflict(t::client_worklog_id)
                .do_update()
                .set((
                    t::cause.eq(excluded(t::cause)),
                    t::client_container_id.eq(excluded(t::client_container_id)),
                    t::recorded_at.eq(excluded(t::recorded_at)),
                ))
                .execute(c))?,
            Cause::Container(_) => on!(db.conn, |c| insert().on_conflict_do_nothing().execute(c))?,
        };
    }
    Ok(())
}

/// The tombstones of the given worklogs.
pub fn of(db: &mut TenantConn<'_>, ids: &[i64]) -> Result<HashMap<i64, Tombstone>> {
    let newest: Option<i64> =
        on!(db.conn, |c| t::tombstones.select(diesel::dsl::max(t::client_worklog_id)).first(c))?;
    let mut found = HashMap::new();
    for some in super::up_to(ids, newest).chunks(1000) {
        let rows: Vec<(i64, Option<i64>, i64)> = on!(db.conn, |c| t::tombstones
            .filter(among(t::client_worklog_id, some))
            .select((t::client_worklog_id, t::client_container_id, t::recorded_at))
            .load(c))?;
        found.extend(rows.into_iter().map(|(id, container, recorded_at)| {
            let cause = container.map_or(Cause::Worklog, Cause::Container);
            (id, Tombstone { cause, recorded_at })
        }));
    }
    Ok(found)
}

/// Lifts the tombstones of worklogs that Jira returned again after their container was restored.
pub fn lift(db: &mut TenantConn<'_>, ids: &[i64]) -> Result<()> {
    for some in ids.chunks(1000) {
        on!(db.conn, |c| diesel::delete(t::tombstones.filter(t::client_worklog_id.eq_any(some))).execute(c))?;
    }
    Ok(())
}

/// Worklogs that went with an issue or project.
pub fn of_container(db: &mut TenantConn<'_>, container_id: i64) -> Result<Vec<i64>> {
    Ok(on!(db.conn, |c| t::tombstones
        .filter(t::client_container_id.eq(container_id))
        .order(t::client_worklog_id)
        .select(t::client_worklog_id)
        .load(c))?)
}
