//! What of a tenant's database is copied, and how a copy is proved. Fences and the list of changes are of the database
//! and not of its content: a copy begins with none.

use super::{TenantConn, schema, worklogs};
use crate::conn::{Conn, on};
use crate::dump::{Summary, dumped, tables};
use crate::error::Result;
use diesel::RunQueryDsl;
use std::io::{Read, Write};

dumped!(Worklogs of schema::worklogs by (client_worklog_id) {
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
});

dumped!(Tags of schema::tags by (tag_id) {
    tag_id: i64,
    name: Vec<u8>,
    named_at: i64,
    archived: bool,
});

dumped!(WorklogTags of schema::worklog_tags by (client_worklog_id, tag_id) {
    client_worklog_id: i64,
    tag_id: i64,
});

dumped!(Issues of schema::issues by (client_issue_id) {
    client_issue_id: i64,
    client_project_id: Option<i64>,
});

dumped!(Tombstones of schema::tombstones by (client_worklog_id) {
    client_worklog_id: i64,
    cause: i16,
    client_container_id: Option<i64>,
    recorded_at: i64,
});

dumped!(Cursors of schema::cursors by (name) {
    name: String,
    value: i64,
});

dumped!(Settings of schema::settings by (name) {
    name: String,
    value: String,
});

dumped!(SyncRuns of schema::sync_runs by (run_id) {
    run_id: i64,
    kind: String,
    state: String,
    started_at: i64,
    finished_at: Option<i64>,
    pages: i64,
    written: i64,
    deleted: i64,
    unreadable: i64,
    error: Option<String>,
});

dumped!(WriteIntents of schema::write_intents by (account_id, key_hash) {
    account_id: String,
    key_hash: String,
    request_hash: String,
    client_issue_id: i64,
    started: i64,
    client_worklog_id: Option<i64>,
    claimed_at: i64,
});

dumped!(Audit of schema::audit by (audit_id) {
    audit_id: i64,
    recorded_at: i64,
    account_id: Option<String>,
    action: String,
    subject: Option<String>,
});

dumped!(SavedReports of schema::saved_reports by (report_id) {
    report_id: i64,
    account_id: String,
    definition: Vec<u8>,
    version: i64,
    changed_at: i64,
});

dumped!(ClosedAccounts of schema::closed_accounts by (pseudonym) {
    pseudonym: String,
    closed_at: i64,
});

tables!(
    Tags,
    Worklogs,
    WorklogTags,
    Issues,
    Tombstones,
    Cursors,
    Settings,
    SyncRuns,
    WriteIntents,
    Audit,
    SavedReports,
    ClosedAccounts,
);

/// Writes the content as a stream: see [`crate::dump`].
///
/// # Errors
/// When the database cannot be read or the stream not be written.
pub fn write(db: &mut TenantConn<'_>, sink: &mut dyn Write) -> Result<Summary> {
    dump(db.conn, sink)
}

/// Reads a stream into an empty database.
///
/// # Errors
/// When the stream is broken or of a newer version; then nothing may be committed.
pub fn read(db: &mut TenantConn<'_>, source: impl Read) -> Result<Summary> {
    // In the order of one index, others are made more quickly at the end.
    worklogs::drop_indexes(db)?;
    let summary = load(db.conn, source)?;
    worklogs::make_indexes(db)?;
    count_on(db.conn)?;
    Ok(summary)
}

/// Numbers that the database gives out go on behind those that were copied; SQLite sees to it by itself.
fn count_on(conn: &mut Conn) -> Result<()> {
    for (table, column) in [("sync_runs", "run_id"), ("audit", "audit_id")] {
        let set = format!(
            "SELECT setval(pg_get_serial_sequence('{table}', '{column}'), max({column})) FROM {table} HAVING \
             max({column}) IS NOT NULL"
        );
        on!(conn, |_sqlite| (), |postgres| {
            diesel::sql_query(set).execute(postgres)?;
        });
    }
    Ok(())
}
