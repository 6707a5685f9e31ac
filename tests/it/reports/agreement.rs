//! The projection against SQL over the same database, in memory and out of it, and after a backup came back.

use super::{about_march, ask, march, work};
use crate::support::{ANA, World, postgres};
use hourbook::jobs::Kind;
use hourbook_simulator::seed::{self, Size};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A site of some size, whose first seeded person administers it too.
async fn seeded() -> World {
    let world = World::start().await;
    seed::fill(&world.site, 7, Size { users: 40, issues: 300, worklogs: 4000 });
    world.cloud.clock.advance_ms(120_000);
    world.clock.advance_ms(120_000);
    world.install_both().await;
    world
}

/// Sums of two columns by a group, straight from the tenant's database.
async fn by_sql(world: &World, tenant: &str, group: &str, condition: &str) -> BTreeMap<String, (u64, u64)> {
    let sql = format!(
        "SELECT CAST({group} AS TEXT) || '|' || sum(time_spent_seconds) || '|' || count(*) FROM worklogs \
         WHERE unreadable_since IS NULL AND {condition} GROUP BY {group}"
    );
    let rows = world.in_tenant(tenant, &sql).await;
    let row = |row: String| {
        let mut parts = row.rsplitn(3, '|');
        let (count, seconds) =
            (parts.next().unwrap().parse().unwrap(), parts.next().unwrap().parse().unwrap());
        (parts.next().unwrap().to_owned(), (seconds, count))
    };
    rows.into_iter().map(row).collect()
}

fn by_report(answer: &Value) -> BTreeMap<String, (u64, u64)> {
    let number = |row: &Value, at: usize| row["values"][at].as_u64().unwrap();
    let rows = answer["items"].as_array().unwrap().iter();
    rows.map(|row| (row["value"]["id"].as_str().unwrap().to_owned(), (number(row, 0), number(row, 1))))
        .collect()
}

#[tokio::test]
async fn reports_and_sql_agree_to_the_second() {
    let world = seeded().await;
    let tenant = world.tenant_id(&world.site).await;
    let ids = world.ids;
    let in_issues = format!("client_issue_id NOT IN ({})", ids.issue);
    let [day, month] = if postgres::on_postgres() {
        [
            "date(to_timestamp(started / 1000) AT TIME ZONE 'UTC')",
            "date(date_trunc('month', to_timestamp(started / 1000) AT TIME ZONE 'UTC'))",
        ]
    } else {
        ["date(started / 1000, 'unixepoch')", "date(started / 1000, 'unixepoch', 'start of month')"]
    };
    let mut runner = TestRunner::deterministic();
    let ranges = (0..900_i64, 1..800_i64, 0..4_usize);
    for _ in 0..60 {
        let (ago, days, shape) = ranges.new_tree(&mut runner).unwrap().current();
        let today = chrono::DateTime::from_timestamp_millis(world.clock.now_ms()).unwrap().date_naive();
        let first = today - chrono::Days::new(ago.unsigned_abs());
        let last = first + chrono::Days::new(days.unsigned_abs());
        let ms = |day: chrono::NaiveDate| day.and_hms_opt(0, 0, 0).unwrap().and_utc().timestamp_millis();
        let (dimension, group) =
            [("user", "account_id"), ("issue", "client_issue_id"), ("day", day), ("month", month)][shape];
        let definition = json!({
            "range": { "first": first.to_string(), "last": last.to_string() }, "zone": "UTC", "rows": [dimension],
            "measures": ["seconds", "worklogs"], "filters": { "issues": { "exclude": [ids.issue.to_string()] } },
        });
        let body = json!({ "definition": definition, "limit": 10_000, "names": false });
        let reply = world.as_user(ANA).post("/api/v1/reports/query", &body).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        let condition =
            format!("started >= {} AND started < {} AND {in_issues}", ms(first), ms(last) + 86_400_000);
        let expected = by_sql(&world, &tenant, group, &condition).await;
        assert_eq!(by_report(&reply.json), expected, "{definition}");
    }
    world.end().await;
}

/// The parts of an answer that are its result.
fn result(answer: &Value) -> Value {
    json!([answer["total"], answer["items"], answer["worklogs"], answer["stamp"]["checksum"]])
}

/// A site that does not fit in memory is read for the days in question, with the same answers.
#[tokio::test]
async fn without_memory_the_answers_are_the_same() {
    let mut world = seeded().await;
    let overlapping = work(march(9, 23, 0), 7200);
    world.site.log_work(ANA, world.ids.issue, overlapping.clone());
    world.site.log_work(
        ANA,
        world.ids.issue,
        hourbook_simulator::people::Work { started: march(10, 0, 30), ..overlapping },
    );
    world.settle(&world.site).await;
    let questions = [
        json!({ "rows": ["user", "project"], "columns": "week", "measures": ["seconds", "effective", "people", "days"] }),
        json!({ "rows": ["component"], "filters": { "tags": { "none": ["1"] } } }),
        json!({ "kind": "details" }),
        json!({ "kind": "overlaps" }),
    ];
    let ranges = [
        json!({ "first": "2026-03-10", "last": "2026-03-20" }),
        json!({ "first": "2026-01-01", "last": "2026-12-31" }),
    ];
    let answers = async |world: &World| {
        let mut all = Vec::new();
        for question in &questions {
            for range in &ranges {
                let mut definition = question.clone();
                (definition["range"], definition["zone"]) = (range.clone(), json!("author"));
                let reply = ask(world, ANA, &definition).await;
                assert_eq!(reply.status, 200, "{}", reply.text);
                all.push(result(&reply.json));
            }
        }
        all
    };
    let with_memory = answers(&world).await;
    let tenant = world.tenant_id(&world.site).await;
    assert!(world.running().app.projections.holds(&tenant));
    world.halt().await;
    world.env.insert("HOURBOOK_REPORT_MEMORY_MB".into(), "0".into());
    world.boot().await;
    assert_eq!(answers(&world).await, with_memory);
    assert!(!world.running().app.projections.holds(&tenant), "nothing was kept");
    world.end().await;
}

/// What was kept of another history of the database is not taken for this one.
#[tokio::test]
async fn a_restored_database_is_read_anew() {
    let world = World::installed().await;
    let tenant = world.tenant_id(&world.site).await;
    world.run_job(&world.site, Kind::Backup, "").await;
    let total = async || {
        about_march(&world, ANA, json!({ "rows": [], "zone": "UTC" })).await["total"]["values"][0].clone()
    };
    let first = world.site.log_work(ANA, world.ids.issue, work(march(2, 9, 0), 100));
    world.settle(&world.site).await;
    assert_eq!(total().await, 100);
    world.site.deliver_webhooks(hourbook_simulator::state::Delivery { lost: 100, ..Default::default() });
    world.site.delete_work(first);
    world.site.log_work(ANA, world.ids.issue, work(march(2, 9, 0), 7));
    world.advance(std::time::Duration::from_secs(120));
    world.run_job(&world.site, Kind::Restore, "").await;
    world.sync(&world.site, "incremental").await;
    // More changes than there were when it was last asked, but others.
    world.site.deliver_webhooks(hourbook_simulator::state::Delivery::default());
    for _ in 0..4 {
        world.site.log_work(ANA, world.ids.issue, work(march(3, 9, 0), 1));
        world.settle(&world.site).await;
    }
    assert_eq!(total().await, 11);
    assert_eq!(world.tenant_id(&world.site).await, tenant, "the same installation");
    world.end().await;
}

/// The member of a row or column, as a filter names it.
fn within(dimension: &str, member: &Value) -> Value {
    match member["id"].as_str() {
        Some(id) => json!({ "dimension": dimension, "id": id }),
        None => json!({ "dimension": dimension, "state": member["state"] }),
    }
}

#[tokio::test]
async fn behind_every_number_of_a_table_are_its_worklogs() {
    let world = seeded().await;
    let shapes = [
        json!({ "rows": ["user", "project"], "columns": "week" }),
        json!({ "rows": ["issueType", "component", "label"], "columns": "tag" }),
        json!({ "rows": ["status", "weekday"], "columns": "month" }),
        json!({ "rows": ["parent", "tag"], "columns": "day" }),
        json!({ "rows": ["issue", "fixVersion"] }),
    ];
    let mut checked = 0;
    for mut shape in shapes {
        shape["range"] = json!({ "first": "2026-02-10", "last": "2026-03-10" });
        shape["zone"] = json!("author");
        let answer = ask(&world, ANA, &shape).await.json;
        let levels: Vec<&str> =
            shape["rows"].as_array().unwrap().iter().map(|row| row.as_str().unwrap()).collect();
        let mut path: Vec<Value> = Vec::new();
        for row in answer["items"].as_array().unwrap() {
            let depth = usize::try_from(row["depth"].as_u64().unwrap()).unwrap();
            path.truncate(depth - 1);
            path.push(within(levels[depth - 1], &row["value"]));
            let mut numbers = vec![(path.clone(), row["values"][0].clone())];
            // One cell of each row is enough.
            if let Some(cell) = row["cells"].as_array().and_then(|cells| cells.last()) {
                let column =
                    &answer["columns"]["values"][usize::try_from(cell[0].as_u64().unwrap()).unwrap()];
                let mut path = path.clone();
                path.push(within(shape["columns"].as_str().unwrap(), column));
                numbers.push((path, cell[1][0].clone()));
            }
            for (path, seconds) in numbers.into_iter().filter(|_| checked % 3 == 0 || depth > 1) {
                let details = json!({ "kind": "details", "range": shape["range"], "zone": "author",
                    "filters": { "within": path } });
                let listed = ask(&world, ANA, &details).await.json;
                let sum: u64 = listed["worklogs"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|line| line["seconds"].as_u64().unwrap())
                    .sum();
                assert_eq!(json!(sum), seconds, "{path:?}");
                assert_eq!(listed["total"]["values"][0], seconds, "{path:?}");
            }
            checked += 1;
            if checked % 80 == 0 {
                break;
            }
        }
    }
    assert!(checked > 100, "{checked}");
    world.end().await;
}
