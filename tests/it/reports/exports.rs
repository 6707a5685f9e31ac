//! Files: the same numbers as on the screen, in forms that programs read, and for nobody else.

use super::{about_march, everyone_may_report, march, work};
use crate::support::client::Reply;
use crate::support::{ANA, BEN, CLEO, World, eventually};
use serde_json::{Value, json};
use std::io::Read;
use std::time::Duration;

fn march_definition(mut of: Value) -> Value {
    of["range"] = json!({ "first": "2026-03-01", "last": "2026-03-31" });
    of["zone"] = json!("UTC");
    of
}

async fn export(world: &World, account: &str, definition: Value, format: Value) -> Reply {
    let mut body = format;
    body["definition"] = march_definition(definition);
    let reply = world.as_user(account).post("/api/v1/reports/export", &body).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    reply
}

/// Two people, three days, one comment that a spreadsheet would compute.
async fn filled() -> World {
    let world = World::installed().await;
    everyone_may_report(&world).await;
    let nasty = hourbook_simulator::views::document("=HYPERLINK(\"canary\"),\r\n\"quoted\" canary");
    let logged = world.site.log_work(ANA, world.ids.issue, work(march(2, 9, 0), 5400));
    world.site.change_work(logged, |worklog| worklog.comment = Some(nasty));
    world.site.log_work(BEN, world.ids.issue, work(march(3, 9, 0), 600));
    world.site.log_work(BEN, world.ids.issue, work(march(5, 9, 0), 3600));
    world.site.log_work(CLEO, world.ids.secret_issue, work(march(5, 9, 30), 1));
    world.settle(&world.site).await;
    world
}

/// Reads CSV with a reader that is not ours.
fn records(text: &str) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
}

#[tokio::test]
async fn csv_is_what_the_screen_shows() {
    let world = filled().await;
    let definition = json!({ "rows": ["user"], "columns": "day", "measures": ["seconds", "days"] });
    let screen = about_march(
        &world,
        ANA,
        json!({ "rows": ["user"], "columns": "day", "measures": ["seconds", "days"], "zone": "UTC" }),
    )
    .await;
    let file = export(&world, ANA, definition.clone(), json!({ "format": "csv" })).await;
    assert_eq!(file.headers["content-type"], "text/csv; charset=utf-8");
    assert_eq!(
        file.headers["content-disposition"],
        "attachment; filename=\"hourbook-summary-2026-03-01-2026-03-31.csv\""
    );
    let records = records(&file.text);
    assert_eq!(records[0][..5], ["user", "user id", "seconds", "hours", "days"]);
    assert_eq!(records[0][5..8], ["2026-03-01 seconds", "2026-03-01 hours", "2026-03-01 days"]);
    // Every cell, the total too.
    let rows = screen["items"].as_array().unwrap().iter().chain([&screen["total"]]);
    for (row, record) in rows.zip(&records[1..]) {
        let number = |at: usize| record[at].parse::<f64>().unwrap();
        let seconds = |values: &Value| values[0].as_f64().unwrap();
        assert_eq!((number(2), number(4)), (seconds(&row["values"]), row["values"][1].as_f64().unwrap()));
        assert!((number(3) - seconds(&row["values"]) / 3600.0).abs() < 0.0001);
        for day in 0..31 {
            let cell = row["cells"].as_array().unwrap().iter().find(|cell| cell[0] == day);
            assert_eq!(number(5 + 3 * day), cell.map_or(0.0, |cell| seconds(&cell[1])), "{record:?}");
        }
    }
    assert_eq!(records[4][0], "Total");
    assert!(
        records[5..].iter().all(|record| record[0].starts_with("# ") && record.len() == records[0].len())
    );
    assert!(file.text.contains(screen["stamp"]["checksum"].as_str().unwrap()), "the stamp goes along");
    assert!(file.text.contains("\r\n") && !file.text.replace("\r\n", "").contains('\n'), "RFC 4180");

    let plain =
        export(&world, ANA, definition, json!({ "format": "csv", "stamp": false, "bom": true })).await;
    assert!(plain.text.starts_with('\u{feff}'));
    assert_eq!(records.len() - plain.text.lines().count(), 7, "without the stamp");
    world.end().await;
}

#[tokio::test]
async fn what_a_spreadsheet_would_compute_is_text() {
    let world = filled().await;
    let file = export(&world, ANA, json!({ "kind": "details" }), json!({ "format": "csv" })).await;
    let records = records(&file.text);
    let comment = records[0].iter().position(|name| name == "comment").unwrap();
    assert!(records[1][comment].starts_with("'=HYPERLINK(\"canary\"),"), "{:?}", records[1]);
    assert!(records[1][comment].contains("\"quoted\" canary"), "nothing else is lost");
    let lines = export(&world, ANA, json!({ "kind": "details" }), json!({ "format": "jsonl" })).await;
    let first: Value = serde_json::from_str(lines.text.lines().next().unwrap()).unwrap();
    assert!(first["row"]["comment"].as_str().unwrap().starts_with("=HYPERLINK"), "no spreadsheet reads this");
    assert_eq!((&first["row"]["seconds"], &first["row"]["hours"]), (&json!(5400), &json!(1.5)));
    let last: Value = serde_json::from_str(lines.text.lines().last().unwrap()).unwrap();
    assert_eq!(last["stamp"]["worklogs"], 4);
    world.end().await;
}

/// A part of an XLSX file.
fn part(bytes: &[u8], name: &str) -> String {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
    let mut text = String::new();
    archive.by_name(name).unwrap().read_to_string(&mut text).unwrap();
    text
}

#[tokio::test]
async fn xlsx_has_real_durations_and_dates() {
    let world = filled().await;
    let bytes = export(&world, ANA, json!({ "kind": "details" }), json!({ "format": "xlsx" })).await.bytes;
    let sheet = part(&bytes, "xl/worksheets/sheet1.xml");
    assert!(sheet.contains(r#"<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/>"#));
    // 2026-03-02 as a date, an hour and a half as a part of a day.
    assert!(sheet.contains(r#"<c r="A2" s="2"><v>46083</v></c>"#), "{sheet}");
    assert!(sheet.contains(r#"s="3"><v>0.0625</v>"#), "{sheet}");
    assert!(sheet.contains("Total") && !sheet.contains("<script"));
    assert_eq!(sheet.matches("<row ").count(), 6);
    let about = part(&bytes, "xl/worksheets/sheet2.xml");
    assert!(about.contains("In step with Jira as of") && about.contains("SHA-256"), "{about}");
    assert!(part(&bytes, "xl/workbook.xml").contains(r#"<sheet name="About" sheetId="2" r:id="rId2"/>"#));
    assert!(part(&bytes, "[Content_Types].xml").contains("sheet2.xml"));
    world.end().await;
}

async fn begin(world: &World, account: &str) -> String {
    let body = json!({ "format": "csv", "definition": march_definition(json!({ "kind": "details" })) });
    let begun = world.as_user(account).post("/api/v1/exports", &body).await;
    assert_eq!(begun.status, 202, "{}", begun.text);
    let path = begun.headers["location"].to_str().unwrap().to_owned();
    eventually("the export is made", || async {
        let now = world.as_user(account).get(&path).await.json;
        if now["state"] == "done" { Ok(()) } else { Err(now.to_string()) }
    })
    .await;
    path
}

#[tokio::test]
async fn long_exports_are_sealed_bound_to_their_creator_and_gone_after_a_day() {
    let mut world = filled().await;
    let path = begin(&world, CLEO).await;
    let file = world.as_user(CLEO).get(&format!("{path}/file")).await;
    let now = export(&world, CLEO, json!({ "kind": "details" }), json!({ "format": "csv" })).await;
    let body = |text: &str| {
        text.lines().filter(|line| !line.starts_with("# Computed")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!((file.status, body(&file.text)), (200, body(&now.text)));
    for stranger in [ANA, BEN] {
        assert_eq!(world.as_user(stranger).get(&path).await.status, 404, "it is Cleo's");
        assert_eq!(world.as_user(stranger).get(&format!("{path}/file")).await.status, 404);
        assert_eq!(world.as_user(stranger).delete(&path).await.status, 404);
    }
    // Ids that are no ids reach no file.
    assert_eq!(world.as_user(CLEO).get("/api/v1/exports/..%2Fworklogs/file").await.status, 404);
    // It outlives the server; the data folder has nothing of it in clear.
    world.halt().await;
    crate::support::logs::assert_no_canary_in(&world.data_dir());
    world.boot().await;
    assert_eq!(world.as_user(CLEO).get("/api/v1/exports").await.json[0]["state"], "done");
    assert_eq!(world.as_user(CLEO).get(&format!("{path}/file")).await.text, file.text);
    let files = || async { world.running().app.vault.list("exports").await.unwrap().len() };
    assert_eq!(files().await, 1);
    world.advance(Duration::from_secs(24 * 3600 + 1));
    assert_eq!(world.as_user(CLEO).get(&format!("{path}/file")).await.status, 404, "after a day");
    hourbook::jobs::schedule::tidy(&world.running().app).await;
    assert_eq!(files().await, 0);
    world.end().await;
}

/// Between making and fetching, what somebody may see can shrink.
#[tokio::test]
async fn a_file_is_looked_through_again_when_it_is_fetched() {
    let world = filled().await;
    let path = begin(&world, CLEO).await;
    world.site.change_issue(world.ids.secret_issue, |issue| {
        issue.hidden_from.insert(CLEO.to_owned());
    });
    world.settle(&world.site).await;
    let refused = world.as_user(CLEO).get(&format!("{path}/file")).await;
    assert_eq!((refused.status, refused.json["code"].as_str()), (409, Some("export_outdated")));
    assert_eq!(world.as_user(CLEO).get(&path).await.status, 404, "removed");
    let path = begin(&world, BEN).await;
    let set = world.as_user(ANA).put("/api/v1/settings", &json!({ "reportRight": "admins" })).await;
    assert_eq!(set.status, 200);
    assert_eq!(
        world.as_user(BEN).get(&format!("{path}/file")).await.json["code"],
        "export_outdated",
        "the right is gone"
    );
    assert_eq!(world.as_user(BEN).delete(&path).await.status, 404);
    let own = begin(&world, BEN).await;
    assert_eq!(world.as_user(BEN).get(&format!("{own}/file")).await.status, 200, "one's own is one's own");
    assert_eq!(world.as_user(BEN).delete(&own).await.status, 204);
    world.end().await;
}

#[tokio::test]
async fn an_export_goes_with_the_tenant() {
    let world = filled().await;
    begin(&world, ANA).await;
    let tenant = world.tenant_id(&world.site).await;
    let of_tenant = hourbook::reports::export::stored::of_tenant(&tenant);
    assert!(!world.running().app.vault.list(&of_tenant).await.unwrap().is_empty());
    assert_eq!(world.uninstall(&world.site).await, 204);
    eventually("its exports are gone", || async {
        let left = world.running().app.vault.remains(&of_tenant).await.unwrap();
        if left > 0 { Err(format!("{left} are left")) } else { Ok(()) }
    })
    .await;
    world.end_unchecked().await;
}
