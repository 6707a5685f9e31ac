//! Worklogs as reports need them: nothing sealed, nothing that Jira does not return at present.

use super::schema::worklogs::dsl as w;
use super::{TenantConn, schema, tags};
use crate::conn::on;
use crate::error::Result;
use diesel::connection::DefaultLoadingMode;
use diesel::pg::PgRowByRowLoadingMode;
use diesel::prelude::*;

/// Rows of one statement.
const ROWS: usize = 1000;

/// A worklog without what is sealed.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = schema::worklogs)]
pub struct Row {
    /// Jira's worklog id.
    #[diesel(column_name = client_worklog_id)]
    pub id: i64,
    /// The author; empty where Jira names nobody.
    pub account_id: String,
    /// Jira's issue id.
    #[diesel(column_name = client_issue_id)]
    pub issue_id: i64,
    /// When the work was started, ms.
    pub started: i64,
    /// Time spent.
    #[diesel(column_name = time_spent_seconds)]
    pub seconds: i64,
    /// Kind of restriction; 0 is none.
    visibility: i16,
}

impl Row {
    /// Whether not everybody who may see the issue may see it.
    pub fn is_restricted(&self) -> bool {
        self.visibility != 0
    }
}

/// The rows of [`each`] on a connection of one backend.
macro_rules! stream {
    ($conn:ident, $mode:ty, $started:expr, $tell:expr) => {{
        let mut query =
            w::worklogs.filter(w::unreadable_since.is_null()).select(Row::as_select()).into_boxed();
        if let Some((from, to)) = $started {
            query = query.filter(w::started.ge(from).and(w::started.lt(to)));
        }
        for row in query.order(w::client_worklog_id).load_iter::<Row, $mode>($conn)? {
            $tell(&row?);
        }
    }};
}

/// Tells all worklogs that started in `[from, to)` ms, or all there are, with the ids of their tags, ascending.
pub fn each(
    db: &mut TenantConn<'_>,
    started: Option<(i64, i64)>,
    mut tell: impl FnMut(&Row, &[i64]),
) -> Result<()> {
    use schema::worklog_tags::dsl as wt;
    let tagged: Vec<(i64, i64)> = match started {
        None => on!(db.conn, |c| wt::worklog_tags.order((wt::client_worklog_id, wt::tag_id)).load(c))?,
        Some((from, to)) => on!(db.conn, |c| wt::worklog_tags
            .inner_join(w::worklogs)
            .filter(w::started.ge(from).and(w::started.lt(to)))
            .order((wt::client_worklog_id, wt::tag_id))
            .select((wt::client_worklog_id, wt::tag_id))
            .load(c))?,
    };
    let (mut at, mut tags) = (0, Vec::new());
    let mut one = |row: &Row| {
        tags.clear();
        while let Some((id, tag)) = tagged.get(at).filter(|(id, _)| *id <= row.id) {
            at += 1;
            if *id == row.id {
                tags.push(*tag);
            }
        }
        tell(row, &tags);
    };
    // Row by row on both: a million of them need not be in memory twice.
    on!(db.conn, |sqlite| stream!(sqlite, DefaultLoadingMode, started, one), |postgres| stream!(
        postgres,
        PgRowByRowLoadingMode,
        started,
        one
    ));
    Ok(())
}

/// Those of the given worklogs that are to be shown, with the ids of their tags, ascending.
pub fn some(db: &mut TenantConn<'_>, ids: &[i64]) -> Result<Vec<(Row, Vec<i64>)>> {
    let mut found = Vec::with_capacity(ids.len());
    for some in ids.chunks(ROWS) {
        let rows: Vec<Row> = on!(db.conn, |c| w::worklogs
            .filter(w::client_worklog_id.eq_any(some).and(w::unreadable_since.is_null()))
            .select(Row::as_select())
            .load(c))?;
        let mut tags = tags::of_worklogs(db, some)?;
        found.extend(rows.into_iter().map(|row| {
            let tags = tags.remove(&row.id).unwrap_or_default();
            (row, tags)
        }));
    }
    Ok(found)
}

/// The longest worklog there is, seconds.
pub fn longest(db: &mut TenantConn<'_>) -> Result<i64> {
    let longest: Option<i64> =
        on!(db.conn, |c| w::worklogs.select(diesel::dsl::max(w::time_spent_seconds)).first(c))?;
    Ok(longest.unwrap_or(0))
}
