//! The schema: each column with its reason. Promises E12 and E13 live here.

use crate::conn::Conn;
use crate::migrate;
use diesel::prelude::*;
use std::collections::BTreeMap;

/// Why each column of a tenant database is there. Names and issue fields have no place in this list.
#[rustfmt::skip]
const REASONS: &[(&str, &str)] = &[
    ("worklogs.client_worklog_id", "promised"),
    ("worklogs.account_id", "promised"),
    ("worklogs.client_issue_id", "promised"),
    ("worklogs.comment", "promised, sealed"),
    ("worklogs.created", "promised"),
    ("worklogs.updated", "promised"),
    ("worklogs.started", "promised"),
    ("worklogs.time_spent_seconds", "promised"),
    ("worklogs.visibility", "kind of restriction: a restricted worklog must not be shown to everybody"),
    ("worklogs.visibility_id", "opaque id of the group or role, a keyed digest where Jira gives only a name"),
    ("worklogs.read_after", "a webhook does not carry everything: what is still to be read, and since when"),
    ("worklogs.unreadable_since", "Jira does not return it, without proof of its deletion: kept, hidden, counted"),
    ("tags.tag_id", "random id of a tag"),
    ("tags.name", "promised, sealed"),
    ("tags.named_at", "which of two names is newer"),
    ("tags.archived", "no longer offered"),
    ("worklog_tags.client_worklog_id", "which worklog has the tag"),
    ("worklog_tags.tag_id", "which tag it has"),
    ("issues.client_issue_id", "opaque id: a deleted project must take its worklogs along"),
    ("issues.client_project_id", "opaque id: a deleted project must take its worklogs along"),
    ("tombstones.client_worklog_id", "a late event must not bring a deleted worklog back"),
    ("tombstones.cause", "whether it may come back with its issue or project"),
    ("tombstones.client_container_id", "opaque id of the issue or project that went"),
    ("tombstones.recorded_at", "a read from before the deletion proves nothing against it"),
    ("cursors.name", "which feed"),
    ("cursors.value", "how far it is consumed, in Jira's time"),
    ("settings.name", "which setting: fixed words of ours"),
    ("settings.value", "its value: fixed words of ours and the site's hours per day"),
    ("sync_runs.run_id", "history for the admin"),
    ("sync_runs.kind", "history for the admin"),
    ("sync_runs.state", "history for the admin"),
    ("sync_runs.started_at", "history for the admin"),
    ("sync_runs.finished_at", "history for the admin"),
    ("sync_runs.pages", "history for the admin"),
    ("sync_runs.written", "history for the admin"),
    ("sync_runs.deleted", "history for the admin"),
    ("sync_runs.unreadable", "worklogs that Jira names but does not return"),
    ("sync_runs.error", "why it failed: our own words"),
    ("write_intents.account_id", "whose write"),
    ("write_intents.key_hash", "hash of the idempotency key"),
    ("write_intents.request_hash", "the same key with another request is refused"),
    ("write_intents.client_issue_id", "where to look for a lost answer"),
    ("write_intents.started", "when to look for a lost answer"),
    ("write_intents.client_worklog_id", "what came of it"),
    ("write_intents.claimed_at", "since when it is open"),
    ("audit.audit_id", "order of acts"),
    ("audit.recorded_at", "when"),
    ("audit.account_id", "who, by opaque id"),
    ("audit.action", "what: fixed words of ours"),
    ("audit.subject", "on what: an id, never a name"),
];

/// Words that no column of a tenant database may have in its name.
const FORBIDDEN: [&str; 12] = [
    "summary",
    "display",
    "mail",
    "issue_key",
    "project_key",
    "title",
    "description",
    "avatar",
    "status",
    "assignee",
    "label",
    "username",
];

#[derive(QueryableByName)]
struct Column {
    #[diesel(sql_type = diesel::sql_types::Text)]
    name: String,
}

/// Columns of all tables, `table.column`.
fn columns(conn: &mut Conn) -> Vec<String> {
    let sql = "SELECT m.name || '.' || p.name AS name FROM sqlite_master m JOIN pragma_table_info(m.name) p \
               WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%' AND m.name NOT LIKE '__diesel%' ORDER BY 1";
    let rows: Vec<Column> = diesel::sql_query(sql).load(conn).expect("the schema can be read");
    rows.into_iter().map(|row| row.name).collect()
}

/// A bulk load drops and makes indexes by statements of its own: they have to be those of the migrations.
#[test]
fn the_indexes_of_a_bulk_load_are_those_of_the_migrations() {
    let dir = tempfile::TempDir::new().expect("a folder");
    let path = dir.path().join("template.db");
    migrate::make_template(&path).expect("a template");
    let mut conn = Conn::establish(path.to_str().expect("UTF-8")).expect("a connection");
    for (name, create) in crate::tenant::worklogs::BULK_INDEXES {
        let sql = format!("SELECT sql AS name FROM sqlite_master WHERE type = 'index' AND name = '{name}'");
        let found: Column = diesel::sql_query(sql).get_result(&mut conn).expect("the index is there");
        assert_eq!(found.name, create);
    }
}

#[test]
fn every_column_of_a_tenant_database_has_its_reason() {
    let dir = tempfile::TempDir::new().expect("a folder");
    let path = dir.path().join("template.db");
    migrate::make_template(&path).expect("a template");
    let mut conn = Conn::establish(path.to_str().expect("UTF-8")).expect("a connection");
    let reasons: BTreeMap<&str, &str> = REASONS.iter().copied().collect();
    let found = columns(&mut conn);
    for column in &found {
        assert!(reasons.contains_key(column.as_str()), "{column} has no reason to be stored");
        let bad = FORBIDDEN.iter().find(|word| column.contains(*word));
        assert_eq!(bad, None, "{column} sounds like issue data or a name");
        let name = column.rsplit('.').next().expect("a name");
        assert!(
            name != "name" || ["tags.name", "cursors.name", "settings.name"].contains(&column.as_str()),
            "{column}"
        );
    }
    let mut listed: Vec<&str> = reasons.keys().copied().collect();
    listed.retain(|column| !found.iter().any(|found| found == column));
    assert_eq!(listed, Vec::<&str>::new(), "reasons for columns that are not there");
}
