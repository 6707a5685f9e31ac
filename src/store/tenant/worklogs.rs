//! Worklogs of the copy. Comments are sealed on the way in and opened on the way out.

use super::schema::worklogs::dsl as w;
use super::{TenantConn, schema, tags};
use crate::among::among;
use crate::conn::{Conn, on};
use crate::error::Result;
use crate::plain::Plain;
use diesel::prelude::*;
use diesel::upsert::excluded;
use hourbook_crypto::tenant::{Field, Place};
use std::collections::HashMap;

/// Rows of one statement: far below SQLite's 32,766 binds.
const ROWS: usize = 1000;

/// Who may see a worklog within Jira, besides those who may see its issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Visibility {
    /// Everybody who may see the issue.
    Everyone,
    /// Not told by the source: restricted until read.
    Unknown,
    /// Members of a group; the opaque id of the group.
    Group(String),
    /// Holders of a project role; the opaque id of the role.
    Role(String),
}

impl Visibility {
    fn to_row(&self) -> (i16, Option<&str>) {
        match self {
            Self::Everyone => (0, None),
            Self::Unknown => (1, None),
            Self::Group(id) => (2, Some(id)),
            Self::Role(id) => (3, Some(id)),
        }
    }

    fn from_row(kind: i16, id: Option<String>) -> Self {
        match (kind, id) {
            (0, _) => Self::Everyone,
            (2, Some(id)) => Self::Group(id),
            (3, Some(id)) => Self::Role(id),
            // Whatever cannot be told is restricted.
            _ => Self::Unknown,
        }
    }
}

/// A worklog as the copy has it. Instants are milliseconds since 1970, UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worklog {
    /// Jira's worklog id.
    pub id: i64,
    /// Jira's issue id.
    pub issue_id: i64,
    /// The author.
    pub account_id: String,
    /// The comment as Jira gave it, JSON: an ADF document, or a string where a webhook told it in text.
    pub comment: Option<Plain>,
    /// When it was created.
    pub created: i64,
    /// When it was last changed.
    pub updated: i64,
    /// When the work was started.
    pub started: i64,
    /// Time spent.
    pub seconds: i64,
    /// Who may see it.
    pub visibility: Visibility,
    /// Ids of its tags, ascending.
    pub tags: Vec<i64>,
    /// Something that its source did not carry has still to be read from Jira, by a read that begins at or after
    /// this instant of our clock.
    pub read_after: Option<i64>,
    /// Jira did not return it to a read that began then, and nothing proves that it was deleted: kept, hidden from
    /// everybody, counted.
    pub unreadable_since: Option<i64>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = schema::worklogs, treat_none_as_default_value = false)]
struct Row {
    client_worklog_id: i64,
    account_id: String,
    client_issue_id: i64,
    comment: Option<Vec<u8>>,
    created: i64,
    updated: i64,
    started: i64,
    time_spent_seconds: i64,
    visibility: i16,
    visibility_id: Option<String>,
    read_after: Option<i64>,
    unreadable_since: Option<i64>,
}

fn place(row: &[u8; 8]) -> Place<'_> {
    Place { field: Field::Comment, row }
}

fn to_row(db: &TenantConn<'_>, worklog: &Worklog) -> Row {
    let (visibility, visibility_id) = worklog.visibility.to_row();
    let key = worklog.id.to_be_bytes();
    Row {
        client_worklog_id: worklog.id,
        account_id: worklog.account_id.clone(),
        client_issue_id: worklog.issue_id,
        comment: worklog
            .comment
            .as_ref()
            .map(|comment| db.cipher.seal(place(&key), comment.expose().as_bytes())),
        created: worklog.created,
        updated: worklog.updated,
        started: worklog.started,
        time_spent_seconds: worklog.seconds,
        visibility,
        visibility_id: visibility_id.map(str::to_owned),
        read_after: worklog.read_after,
        unreadable_since: worklog.unreadable_since,
    }
}

fn from_row(db: &TenantConn<'_>, row: Row, tags: Vec<i64>) -> Result<Worklog> {
    let key = row.client_worklog_id.to_be_bytes();
    let comment = match row.comment {
        Some(sealed) => Some(open_text(db, place(&key), &sealed)?),
        None => None,
    };
    Ok(Worklog {
        id: row.client_worklog_id,
        issue_id: row.client_issue_id,
        account_id: row.account_id,
        comment,
        created: row.created,
        updated: row.updated,
        started: row.started,
        seconds: row.time_spent_seconds,
        visibility: Visibility::from_row(row.visibility, row.visibility_id),
        tags,
        read_after: row.read_after,
        unreadable_since: row.unreadable_since,
    })
}

pub(super) fn open_text(db: &TenantConn<'_>, place: Place<'_>, sealed: &[u8]) -> Result<Plain> {
    let bytes = db.cipher.open(place, sealed)?;
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| crate::error::Error::Corrupt("a clear text is not UTF-8".into()))?;
    Ok(Plain::new(text))
}

/// Writes worklogs with their tags, replacing what is there. Whether they may is decided by the caller,
/// in the same transaction. Every tag has to be in the catalogue.
pub fn put(db: &mut TenantConn<'_>, worklogs: &[Worklog]) -> Result<()> {
    put_keeping_tags(db, worklogs)?;
    tags::replace_on(db, worklogs)
}

/// Rows of a statement whose text is always the same, so that it is prepared once.
const PREPARED: usize = 50;

/// Like [`put`] for worklogs that are not in the copy yet: nothing is replaced, which is quicker.
pub fn put_new(db: &mut TenantConn<'_>, worklogs: &[Worklog]) -> Result<()> {
    let rows: Vec<Row> = worklogs.iter().map(|worklog| to_row(db, worklog)).collect();
    insert(db.conn, &rows)?;
    db.touched.add(worklogs.iter().map(|worklog| worklog.id));
    tags::add_to(db, worklogs)
}

fn insert(conn: &mut Conn, rows: &[Row]) -> Result<()> {
    on!(
        conn,
        |sqlite| {
            let (arrays, rest) = rows.as_chunks::<PREPARED>();
            for some in arrays {
                diesel::insert_into(w::worklogs).values(some).execute(sqlite)?;
            }
            for row in rest {
                diesel::insert_into(w::worklogs).values(row).execute(sqlite)?;
            }
        },
        |postgres| {
            diesel::copy_from(w::worklogs).from_insertable(rows).execute(postgres)?;
        }
    );
    Ok(())
}

/// Like [`put`], but the tags stay as they are: for sources that do not carry them.
pub fn put_keeping_tags(db: &mut TenantConn<'_>, worklogs: &[Worklog]) -> Result<()> {
    for some in worklogs.chunks(ROWS) {
        let rows: Vec<Row> = some.iter().map(|worklog| to_row(db, worklog)).collect();
        on!(db.conn, |sqlite| replace(&rows, sqlite), |postgres| replace_in_columns(&rows, postgres))?;
    }
    db.touched.add(worklogs.iter().map(|worklog| worklog.id));
    Ok(())
}

fn replace(rows: &[Row], c: &mut SqliteConnection) -> QueryResult<usize> {
    diesel::insert_into(w::worklogs)
        .values(rows)
        .on_conflict(w::client_worklog_id)
        .do_update()
        .set((
            w::account_id.eq(excluded(w::account_id)),
            w::client_issue_id.eq(excluded(w::client_issue_id)),
            w::comment.eq(excluded(w::comment)),
            w::created.eq(excluded(w::created)),
            w::updated.eq(excluded(w::updated)),
            w::started.eq(excluded(w::started)),
            w::time_spent_seconds.eq(excluded(w::time_spent_seconds)),
            w::visibility.eq(excluded(w::visibility)),
            w::visibility_id.eq(excluded(w::visibility_id)),
            w::read_after.eq(excluded(w::read_after)),
            w::unreadable_since.eq(excluded(w::unreadable_since)),
        ))
        .execute(c)
}

/// The same with one bind for each column instead of one for each value: twice as fast on PostgreSQL.
fn replace_in_columns(rows: &[Row], c: &mut PgConnection) -> QueryResult<usize> {
    use diesel::sql_types::{Array, BigInt, Binary, Nullable, SmallInt, Text};
    fn column<'a, T>(rows: &'a [Row], of: impl Fn(&'a Row) -> T) -> Vec<T> {
        rows.iter().map(of).collect()
    }
    diesel::sql_query(
        "INSERT INTO worklogs (client_worklog_id, account_id, client_issue_id, comment, created, updated, started, \
         time_spent_seconds, visibility, visibility_id, read_after, unreadable_since) \
         SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) \
         ON CONFLICT (client_worklog_id) DO UPDATE SET \
         account_id = excluded.account_id, client_issue_id = excluded.client_issue_id, comment = excluded.comment, \
         created = excluded.created, updated = excluded.updated, started = excluded.started, \
         time_spent_seconds = excluded.time_spent_seconds, visibility = excluded.visibility, \
         visibility_id = excluded.visibility_id, read_after = excluded.read_after, \
         unreadable_since = excluded.unreadable_since",
    )
    .bind::<Array<BigInt>, _>(column(rows, |row| row.client_worklog_id))
    .bind::<Array<Text>, _>(column(rows, |row| &row.account_id))
    .bind::<Array<BigInt>, _>(column(rows, |row| row.client_issue_id))
    .bind::<Array<Nullable<Binary>>, _>(column(rows, |row| row.comment.as_deref()))
    .bind::<Array<BigInt>, _>(column(rows, |row| row.created))
    .bind::<Array<BigInt>, _>(column(rows, |row| row.updated))
    .bind::<Array<BigInt>, _>(column(rows, |row| row.started))
    .bind::<Array<BigInt>, _>(column(rows, |row| row.time_spent_seconds))
    .bind::<Array<SmallInt>, _>(column(rows, |row| row.visibility))
    .bind::<Array<Nullable<Text>>, _>(column(rows, |row| row.visibility_id.as_deref()))
    .bind::<Array<Nullable<BigInt>>, _>(column(rows, |row| row.read_after))
    .bind::<Array<Nullable<BigInt>>, _>(column(rows, |row| row.unreadable_since))
    .execute(c)
}

/// Worklogs by id, in no particular order; absent ones are left out.
pub fn by_ids(db: &mut TenantConn<'_>, ids: &[i64]) -> Result<Vec<Worklog>> {
    let mut found = Vec::with_capacity(ids.len());
    for some in ids.chunks(ROWS) {
        let rows = on!(db.conn, |c| w::worklogs
            .filter(w::client_worklog_id.eq_any(some))
            .select(Row::as_select())
            .load(c))?;
        found.extend(open_rows(db, rows)?);
    }
    Ok(found)
}

/// What the copy has of a worklog, as far as ordering needs it; nothing is decrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Version {
    /// When it was last changed.
    pub updated: i64,
    /// See [`Worklog::read_after`].
    pub read_after: Option<i64>,
    /// See [`Worklog::unreadable_since`].
    pub unreadable_since: Option<i64>,
}

/// Versions of the given worklogs that are in the copy.
pub fn versions(db: &mut TenantConn<'_>, ids: &[i64]) -> Result<HashMap<i64, Version>> {
    let newest: Option<i64> =
        on!(db.conn, |c| w::worklogs.select(diesel::dsl::max(w::client_worklog_id)).first(c))?;
    let ids = super::up_to(ids, newest);
    let mut found = HashMap::with_capacity(ids.len());
    for some in ids.chunks(ROWS) {
        let rows: Vec<(i64, i64, Option<i64>, Option<i64>)> = on!(db.conn, |c| w::worklogs
            .filter(among(w::client_worklog_id, some))
            .select((w::client_worklog_id, w::updated, w::read_after, w::unreadable_since))
            .load(c))?;
        found.extend(rows.into_iter().map(|(id, updated, read_after, unreadable_since)| {
            (id, Version { updated, read_after, unreadable_since })
        }));
    }
    Ok(found)
}

/// Which worklogs a list shows.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Started at or after.
    pub from: Option<i64>,
    /// Started before.
    pub to: Option<i64>,
    /// On this issue.
    pub issue_id: Option<i64>,
    /// By this author.
    pub account_id: Option<String>,
    /// With this tag.
    pub tag_id: Option<i64>,
    /// Behind this position (start and id of the last one seen).
    pub after: Option<(i64, i64)>,
    /// The newest first.
    pub newest_first: bool,
}

/// A page of worklogs by start and id, the oldest first unless it says otherwise; without those that are unreadable.
pub fn page(db: &mut TenantConn<'_>, filter: &Filter, limit: i64) -> Result<Vec<Worklog>> {
    let rows: Vec<Row> = on!(db.conn, |c| {
        let mut query =
            w::worklogs.filter(w::unreadable_since.is_null()).select(Row::as_select()).into_boxed();
        if let Some(from) = filter.from {
            query = query.filter(w::started.ge(from));
        }
        if let Some(to) = filter.to {
            query = query.filter(w::started.lt(to));
        }
        if let Some(issue_id) = filter.issue_id {
            query = query.filter(w::client_issue_id.eq(issue_id));
        }
        if let Some(account_id) = &filter.account_id {
            query = query.filter(w::account_id.eq(account_id));
        }
        if let Some(tag_id) = filter.tag_id {
            let tagged = schema::worklog_tags::table
                .filter(schema::worklog_tags::tag_id.eq(tag_id))
                .select(schema::worklog_tags::client_worklog_id);
            query = query.filter(w::client_worklog_id.eq_any(tagged));
        }
        query = match filter.after {
            Some((started, id)) if filter.newest_first => {
                let behind = w::started.eq(started).and(w::client_worklog_id.lt(id));
                query.filter(w::started.le(started)).filter(w::started.lt(started).or(behind))
            }
            Some((started, id)) => {
                let behind = w::started.eq(started).and(w::client_worklog_id.gt(id));
                query.filter(w::started.ge(started)).filter(w::started.gt(started).or(behind))
            }
            None => query,
        };
        query = match filter.newest_first {
            true => query.order((w::started.desc(), w::client_worklog_id.desc())),
            false => query.order((w::started, w::client_worklog_id)),
        };
        query.limit(limit).load(c)
    })?;
    open_rows(db, rows)
}

fn open_rows(db: &mut TenantConn<'_>, rows: Vec<Row>) -> Result<Vec<Worklog>> {
    let ids: Vec<i64> = rows.iter().map(|row| row.client_worklog_id).collect();
    let mut tags = tags::of_worklogs(db, &ids)?;
    rows.into_iter()
        .map(|row| {
            let tags = tags.remove(&row.client_worklog_id).unwrap_or_default();
            from_row(db, row, tags)
        })
        .collect()
}

/// Removes worklogs; returns how many there were.
pub fn delete(db: &mut TenantConn<'_>, ids: &[i64]) -> Result<usize> {
    let mut removed = 0;
    for some in ids.chunks(ROWS) {
        removed += on!(db.conn, |c| diesel::delete(w::worklogs.filter(w::client_worklog_id.eq_any(some)))
            .execute(c))?;
    }
    if removed > 0 {
        db.touched.add(ids.iter().copied());
    }
    Ok(removed)
}

/// Ids of the worklogs on the given issues.
pub fn ids_on_issues(db: &mut TenantConn<'_>, issue_ids: &[i64]) -> Result<Vec<i64>> {
    let mut ids = Vec::new();
    for some in issue_ids.chunks(ROWS) {
        let on: Vec<i64> = on!(db.conn, |c| w::worklogs
            .filter(w::client_issue_id.eq_any(some))
            .select(w::client_worklog_id)
            .load(c))?;
        ids.extend(on);
    }
    Ok(ids)
}

/// Worklogs that have still to be read from Jira, oldest id first.
pub fn unread(db: &mut TenantConn<'_>, after: i64, limit: i64) -> Result<Vec<i64>> {
    Ok(on!(db.conn, |c| w::worklogs
        .filter(w::read_after.is_not_null().and(w::client_worklog_id.gt(after)))
        .order(w::client_worklog_id)
        .limit(limit)
        .select(w::client_worklog_id)
        .load(c))?)
}

/// Marks worklogs as to be read from Jira, by a read that begins at or after an instant.
pub fn mark_unread(db: &mut TenantConn<'_>, ids: &[i64], now: i64) -> Result<()> {
    for some in ids.chunks(ROWS) {
        on!(db.conn, |c| diesel::update(w::worklogs.filter(among(w::client_worklog_id, some)))
            .set(w::read_after.eq(now))
            .execute(c))?;
    }
    Ok(())
}

/// Hides worklogs that Jira did not return to a read that began at an instant.
pub fn mark_unreadable(db: &mut TenantConn<'_>, ids: &[i64], begun_at: i64) -> Result<()> {
    for some in ids.chunks(ROWS) {
        on!(db.conn, |c| diesel::update(w::worklogs.filter(among(w::client_worklog_id, some)))
            .set((w::unreadable_since.eq(begun_at), w::read_after.eq(None::<i64>)))
            .execute(c))?;
    }
    db.touched.add(ids.iter().copied());
    Ok(())
}

/// Hides all worklogs, or those on the given issues, until they are read again.
pub fn hide(db: &mut TenantConn<'_>, issue_ids: Option<&[i64]>, now: i64) -> Result<usize> {
    let hidden = (w::unreadable_since.eq(now), w::read_after.eq(None::<i64>));
    db.touched.add_all();
    let Some(issue_ids) = issue_ids else {
        return Ok(on!(db.conn, |c| diesel::update(w::worklogs.filter(w::unreadable_since.is_null()))
            .set(hidden)
            .execute(c))?);
    };
    let mut count = 0;
    for some in issue_ids.chunks(ROWS) {
        let shown = w::client_issue_id.eq_any(some).and(w::unreadable_since.is_null());
        count += on!(db.conn, |c| diesel::update(w::worklogs.filter(shown)).set(hidden).execute(c))?;
    }
    Ok(count)
}

/// Worklogs that are unreadable, behind an id, ascending.
pub fn unreadable(db: &mut TenantConn<'_>, after: i64, limit: i64) -> Result<Vec<i64>> {
    Ok(on!(db.conn, |c| w::worklogs
        .filter(w::unreadable_since.is_not_null().and(w::client_worklog_id.gt(after)))
        .order(w::client_worklog_id)
        .limit(limit)
        .select(w::client_worklog_id)
        .load(c))?)
}

/// Unreadable worklogs of an issue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unreadable {
    /// The issue.
    pub issue_id: i64,
    /// How many there are.
    pub worklogs: i64,
    /// Since when the first of them is, by our clock.
    pub since: Option<i64>,
}

/// Issues with unreadable worklogs, those with the most first.
pub fn unreadable_by_issue(db: &mut TenantConn<'_>, limit: i64) -> Result<Vec<Unreadable>> {
    use diesel::dsl::{count_star, min};
    let found: Vec<(i64, i64, Option<i64>)> = on!(db.conn, |c| w::worklogs
        .filter(w::unreadable_since.is_not_null())
        .group_by(w::client_issue_id)
        .select((w::client_issue_id, count_star(), min(w::unreadable_since)))
        .order((count_star().desc(), w::client_issue_id))
        .limit(limit)
        .load(c))?;
    let row = |(issue_id, worklogs, since)| Unreadable { issue_id, worklogs, since };
    Ok(found.into_iter().map(row).collect())
}

/// After our clock was set back, what is to be read counts from now: a read could not begin late enough otherwise.
pub fn clamp_unread(db: &mut TenantConn<'_>, now: i64) -> Result<usize> {
    Ok(on!(db.conn, |c| diesel::update(w::worklogs.filter(w::read_after.gt(now)))
        .set(w::read_after.eq(now))
        .execute(c))?)
}

/// Indexes that a bulk load is slowed down by, as the migrations make them; a test compares them.
pub(crate) const BULK_INDEXES: [(&str, &str); 2] = [
    ("worklogs_by_start", "CREATE INDEX worklogs_by_start ON worklogs (started, client_worklog_id)"),
    ("worklogs_by_issue", "CREATE INDEX worklogs_by_issue ON worklogs (client_issue_id, started)"),
];

/// Drops the indexes that slow a bulk load down. Everything goes on working, slower.
pub fn drop_indexes(db: &mut TenantConn<'_>) -> Result<()> {
    BULK_INDEXES.iter().try_for_each(|(name, _)| db.conn.batch(&format!("DROP INDEX IF EXISTS {name}")))
}

/// Makes the indexes again that are missing. What is sorted for it are ids and instants, which may go through a
/// temporary file (SQLite unlinks it while it is open): millions of them would not stay in memory.
pub fn make_indexes(db: &mut TenantConn<'_>) -> Result<()> {
    spool(db.conn, "FILE")?;
    for (_, create) in BULK_INDEXES {
        db.conn.batch(&create.replace("CREATE INDEX", "CREATE INDEX IF NOT EXISTS"))?;
    }
    spool(db.conn, "MEMORY")
}

/// Where SQLite sorts what is large.
fn spool(conn: &mut Conn, to: &str) -> Result<()> {
    match conn {
        Conn::Sqlite(_) => conn.batch(&format!("PRAGMA temp_store = {to}")),
        Conn::Postgres(_) => Ok(()),
    }
}

/// The worklogs with the largest ids.
pub fn newest(db: &mut TenantConn<'_>, limit: i64) -> Result<Vec<Worklog>> {
    let rows = on!(db.conn, |c| w::worklogs
        .order(w::client_worklog_id.desc())
        .limit(limit)
        .select(Row::as_select())
        .load(c))?;
    open_rows(db, rows)
}

/// Seals anew the comments among the next `limit` worklogs behind an id that are sealed under an older version of the
/// key; the last id that was looked at, or `None` behind the last worklog.
pub fn reseal(db: &mut TenantConn<'_>, after: i64, limit: i64) -> Result<Option<i64>> {
    let rows: Vec<(i64, Option<Vec<u8>>)> = on!(db.conn, |c| w::worklogs
        .filter(w::client_worklog_id.gt(after))
        .order(w::client_worklog_id)
        .limit(limit)
        .select((w::client_worklog_id, w::comment))
        .load(c))?;
    let last = rows.last().map(|(id, _)| *id);
    for (id, comment) in rows {
        let Some(old) = comment.filter(|comment| !db.cipher.is_current(comment)) else { continue };
        let key = id.to_be_bytes();
        let clear = db.cipher.open(place(&key), &old)?;
        let fresh = db.cipher.seal(place(&key), &clear);
        on!(db.conn, |c| diesel::update(w::worklogs.find(id)).set(w::comment.eq(fresh)).execute(c))?;
    }
    Ok(last)
}

/// How many worklogs are unreadable.
pub fn count_unreadable(db: &mut TenantConn<'_>) -> Result<i64> {
    Ok(on!(db.conn, |c| w::worklogs.filter(w::unreadable_since.is_not_null()).count().get_result(c))?)
}

/// How many worklogs not everybody who sees their issue may see.
pub fn count_restricted(db: &mut TenantConn<'_>) -> Result<i64> {
    Ok(on!(db.conn, |c| w::worklogs.filter(w::visibility.ne(0)).count().get_result(c))?)
}

/// How many worklogs the copy has.
pub fn count(db: &mut TenantConn<'_>) -> Result<i64> {
    Ok(on!(db.conn, |c| w::worklogs.count().get_result(c))?)
}

/// How many worklogs have still to be read from Jira.
pub fn count_unread(db: &mut TenantConn<'_>) -> Result<i64> {
    Ok(on!(db.conn, |c| w::worklogs.filter(w::read_after.is_not_null()).count().get_result(c))?)
}

/// Ids of all worklogs behind an id, ascending: a walk over the copy in pages.
pub fn walk(db: &mut TenantConn<'_>, after: i64, limit: i64) -> Result<Vec<i64>> {
    Ok(on!(db.conn, |c| w::worklogs
        .filter(w::client_worklog_id.gt(after))
        .order(w::client_worklog_id)
        .limit(limit)
        .select(w::client_worklog_id)
        .load(c))?)
}

/// Issues with worklogs, ascending.
pub fn issues(db: &mut TenantConn<'_>) -> Result<Vec<i64>> {
    Ok(on!(db.conn, |c| w::worklogs.select(w::client_issue_id).distinct().order(w::client_issue_id).load(c))?)
}

/// Worklogs on issues whose project is not known.
pub fn ids_without_project(db: &mut TenantConn<'_>) -> Result<Vec<i64>> {
    use schema::issues;
    Ok(on!(db.conn, |c| w::worklogs
        .left_join(issues::table.on(issues::client_issue_id.eq(w::client_issue_id)))
        .filter(issues::client_project_id.is_null())
        .select(w::client_worklog_id)
        .load(c))?)
}

/// Issues with worklogs whose project is not known yet.
pub fn issues_without_project(db: &mut TenantConn<'_>, limit: i64) -> Result<Vec<i64>> {
    use schema::issues;
    Ok(on!(db.conn, |c| w::worklogs
        .left_join(issues::table.on(issues::client_issue_id.eq(w::client_issue_id)))
        .filter(issues::client_issue_id.is_null())
        .select(w::client_issue_id)
        .distinct()
        .limit(limit)
        .load(c))?)
}
