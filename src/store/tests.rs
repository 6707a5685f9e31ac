//! The schema: each column with its reason (promises E12 and E13). And files that are opened beside the server.

use crate::conn::{Conn, on, to_file};
use crate::tenant::columns::COLUMNS;
use crate::{migrate, tenant};
use diesel::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;

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
    let rows: Vec<Column> = on!(conn, |c| diesel::sql_query(sql).load(c)).expect("the schema can be read");
    rows.into_iter().map(|row| row.name).collect()
}

/// A bulk load drops and makes indexes by statements of its own: they have to be those of the migrations.
#[test]
fn the_indexes_of_a_bulk_load_are_those_of_the_migrations() {
    let dir = tempfile::TempDir::new().expect("a folder");
    let path = dir.path().join("template.db");
    migrate::make_template(&path).expect("a template");
    let mut conn = to_file(&path).expect("a connection");
    for (name, create) in crate::tenant::worklogs::BULK_INDEXES {
        let sql = format!("SELECT sql AS name FROM sqlite_master WHERE type = 'index' AND name = '{name}'");
        let found: Column =
            on!(&mut conn, |c| diesel::sql_query(sql).get_result(c)).expect("the index is there");
        assert_eq!(found.name, create);
    }
}

#[test]
fn every_column_of_a_tenant_database_has_its_reason() {
    let dir = tempfile::TempDir::new().expect("a folder");
    let path = dir.path().join("template.db");
    migrate::make_template(&path).expect("a template");
    let mut conn = to_file(&path).expect("a connection");
    let reasons: BTreeMap<&str, &str> = COLUMNS.iter().copied().collect();
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

/// A command follows a tenant while the server closes its database: it waits for the lock.
#[test]
fn following_a_tenant_waits_for_locks() {
    let dir = tempfile::TempDir::new().expect("a folder");
    migrate::make_template(&tenant::file(dir.path())).expect("a database");
    let mut held = to_file(&tenant::file(dir.path())).expect("a connection");
    held.batch("BEGIN EXCLUSIVE").expect("a lock");
    let (folder, (begun, has_begun)) = (dir.path().to_owned(), std::sync::mpsc::channel());
    let follower = std::thread::spawn(move || {
        begun.send(()).expect("somebody waits");
        tenant::latest_run(&folder)
    });
    has_begun.recv().expect("it has begun");
    std::thread::sleep(Duration::from_millis(200));
    held.batch("COMMIT").expect("the end of the lock");
    assert!(follower.join().expect("no panic").expect("it could be read").is_none());
}

/// A wiped database is not made anew by whoever wanted to look into it.
#[test]
fn looking_into_a_database_makes_none() {
    let dir = tempfile::TempDir::new().expect("a folder");
    let gone = dir.path().join("wiped & gone?.db");
    assert!(crate::conn::to_existing_file(&gone).is_err());
    assert!(!gone.exists());
    migrate::make_template(&gone).expect("a database");
    assert!(!columns(&mut crate::conn::to_existing_file(&gone).expect("a connection")).is_empty());
}
