//! What of the control database is copied: not who runs at the moment and what nodes told each other.

use super::schema;
use crate::conn::{Conn, on};
use crate::dump::{Summary, dumped, tables};
use crate::error::Result;
use diesel::RunQueryDsl;
use std::io::{Read, Write};

dumped!(Installations of schema::installations by (tenant_id) {
    tenant_id: String,
    client_key: String,
    base_url: String,
    display_url: String,
    oauth_client_id: Option<String>,
    region: String,
    state: String,
    state_reason: Option<String>,
    state_since: i64,
    shared_secret: Option<Vec<u8>>,
    previous_secret: Option<Vec<u8>>,
    previous_secret_until: Option<i64>,
    installed_at: i64,
    proven_at: Option<i64>,
    incremental_secs: i64,
    next_incremental_at: i64,
    next_reconcile_at: i64,
    receipt_id: String,
    wipe: Option<String>,
    next_backup_at: i64,
    backup_at: Option<i64>,
    backup_bytes: Option<i64>,
    backup_checked_at: Option<i64>,
    next_accounts_at: i64,
});

dumped!(ForgeInstallations of schema::forge_installations by (installation_id) {
    installation_id: String,
    tenant_id: String,
    cloud_id: String,
    environment_id: String,
    environment: String,
    app_version: String,
    state: String,
    state_since: i64,
    first_heard_at: i64,
    heard_at: i64,
    system_token: Option<Vec<u8>>,
    system_token_until: Option<i64>,
});

dumped!(Licences of schema::licences by (tenant_id) {
    tenant_id: String,
    state: String,
    state_since: i64,
    evaluation: bool,
    ends_at: Option<i64>,
});

dumped!(AccountReports of schema::account_reports by (account_digest) {
    account_digest: String,
    held_since: i64,
    next_at: i64,
    closed: bool,
    seen_at: i64,
});

dumped!(Jobs of schema::jobs by (id) {
    id: i64,
    tenant_id: String,
    kind: String,
    lane: String,
    subject: String,
    state: String,
    run_after: i64,
    attempts: i32,
    created_at: i64,
    finished_at: Option<i64>,
    error: Option<String>,
    node_id: Option<String>,
    fence: i64,
});

dumped!(Placements of schema::placements by (tenant_id) {
    tenant_id: String,
    server: String,
    database_name: String,
    password: Option<Vec<u8>>,
});

dumped!(Holds of schema::holds by (tenant_id) {
    tenant_id: String,
    kind: String,
    reason: String,
    since: i64,
});

dumped!(Receipts of schema::receipts by (receipt_id) {
    receipt_id: String,
    issued_at: i64,
    body: String,
    signature: String,
});

tables!(Installations, Jobs, Receipts, Placements, Holds, ForgeInstallations, Licences, AccountReports,);

/// Writes the content as a stream: see [`crate::dump`].
///
/// # Errors
/// When the database cannot be read or the stream not be written.
pub fn write(conn: &mut Conn, sink: &mut dyn Write) -> Result<Summary> {
    dump(conn, sink)
}

/// Reads a stream into an empty control database. Tokens of fences go on behind all that were given out.
///
/// # Errors
/// When the stream is broken or of a newer version; then nothing may be committed.
pub fn read(conn: &mut Conn, source: impl Read) -> Result<Summary> {
    let summary = load(conn, source)?;
    on!(conn, |_sqlite| (), |postgres| {
        let set = "SELECT setval(pg_get_serial_sequence('jobs', 'id'), max(id)) FROM jobs HAVING max(id) IS NOT NULL";
        diesel::sql_query(set).execute(postgres)?;
    });
    conn.batch("UPDATE fence SET token = (SELECT COALESCE(MAX(fence), 0) + 1000000000 FROM jobs)")?;
    Ok(summary)
}
