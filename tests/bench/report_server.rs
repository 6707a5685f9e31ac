//! Reports as people get them: whole HTTP answers of the real binary over a million worklogs, what the first question
//! costs, and exports of everything.

use crate::canned::{Canned, ISSUES, PEOPLE};
use crate::full_sync::{CLIENT, SECRET, install, synced};
use crate::process::Server;
use futures_util::StreamExt;
use hourbook::clock::Clock;
use hourbook_simulator::cloud::Cloud;
use hourbook_simulator::tokens;
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const WORKLOGS: usize = 1_000_000;

struct Asker {
    http: reqwest::Client,
    server: Server,
}

impl Asker {
    fn token(&self) -> String {
        let now = Clock::system().now_secs();
        let claims = json!({ "iss": CLIENT, "iat": now, "exp": now + 60, "sub": "5b10a2844c20165700e00007", "qsh": "context-qsh" });
        format!("JWT {}", tokens::hs256(&claims, SECRET))
    }

    async fn post(&self, path: &str, body: &Value) -> reqwest::Response {
        let request =
            self.http.post(format!("{}{path}", self.server.url)).header("Authorization", self.token());
        request.json(body).send().await.unwrap()
    }

    async fn get(&self, path: &str) -> Value {
        let request =
            self.http.get(format!("{}{path}", self.server.url)).header("Authorization", self.token());
        request.send().await.unwrap().json().await.unwrap()
    }

    /// A whole answer; how often it was asked, and how long it took.
    async fn answer(&self, definition: &Value) -> (usize, f64, usize) {
        let body = json!({ "definition": definition });
        let begun = Instant::now();
        for asked in 1.. {
            let reply = self.post("/api/v1/reports/query", &body).await;
            match reply.status().as_u16() {
                200 => {
                    let length = reply.bytes().await.unwrap().len();
                    return (asked, begun.elapsed().as_secs_f64() * 1000.0, length);
                }
                202 => {
                    let preparation = format!(
                        "/api/v1/reports/preparations/{}",
                        reply.json::<Value>().await.unwrap()["id"].as_str().unwrap()
                    );
                    while self.get(&preparation).await["state"] == "running" {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                }
                status => panic!("{status} {}", reply.text().await.unwrap()),
            }
        }
        unreachable!()
    }
}

fn definitions() -> Vec<(&'static str, Value)> {
    let month = json!({ "first": "2023-09-01", "last": "2023-09-30" });
    let quarter = json!({ "first": "2023-07-01", "last": "2023-09-30" });
    let all = json!({ "first": "2020-11-01", "last": "2023-11-30" });
    let mut list = Vec::new();
    for (name, range) in [("a month", month), ("a quarter", quarter), ("three years", all)] {
        let named = |what: &str| -> &'static str { Box::leak(format!("{what}, {name}").into_boxed_str()) };
        list.push((
            named("people by month"),
            json!({ "range": range, "rows": ["user"], "columns": "month" }),
        ));
        list.push((named("projects and issues, top 20"), json!({ "range": range, "rows": ["project", "issue"], "top": 20, "sort": { "by": "seconds", "descending": true } })));
        list.push((
            named("components, effective time"),
            json!({ "range": range, "rows": ["component"], "measures": ["seconds", "effective"] }),
        ));
        list.push((named("details, first page"), json!({ "range": range, "kind": "details" })));
    }
    list
}

fn percentile(taken: &mut [f64], of: f64) -> f64 {
    taken.sort_by(f64::total_cmp);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a position in a list")]
    let at = ((taken.len() - 1) as f64 * of).round() as usize;
    taken[at]
}

pub async fn run() -> String {
    let http = hourbook::jira::client::http_client(Duration::from_secs(300)).unwrap();
    let cloud = Cloud::start();
    let site = Canned::start(WORKLOGS);
    let dir = TempDir::new().unwrap();
    let server = Server::start(&cloud, dir.path());
    server.ready(&http).await;
    install(&http, &server, &cloud, &site.url).await;
    synced(&http, &server, WORKLOGS).await;
    let asker = Asker { http: http.clone(), server };
    let before = asker.server.memory("VmRSS");
    let everything =
        json!({ "range": { "first": "2020-11-01", "last": "2023-11-30" }, "rows": ["project", "user"] });
    let told = asker
        .post("/api/v1/reports/cost", &json!({ "definition": everything }))
        .await
        .json::<Value>()
        .await
        .unwrap();
    let (asked, returned) = (site.asked.load(Ordering::Relaxed), site.returned.load(Ordering::Relaxed));
    let (tries, cold, _) = asker.answer(&everything).await;
    let calls = site.asked.load(Ordering::Relaxed) - asked;
    let returned = site.returned.load(Ordering::Relaxed) - returned;
    let after = asker.server.memory("VmRSS");
    let mut page = format!(
        "## Reports: whole answers\n\nThe binary in a process of its own, {WORKLOGS} worklogs of three years by {PEOPLE} people on {ISSUES} issues, against a Jira that answers at once from memory.\n\n\
         The first question, about everything by project and person: {:.2} s in {tries} tries, {calls} calls to Jira that returned {returned} objects; told beforehand: {} calls, {} points for certain, {} at worst. \
         The projection had been made for that answer about the cost. Memory {before:.0} MiB before, {after:.0} MiB after.\n\n\
         From then on, 40 answers each, milliseconds of the whole call over HTTP:\n\n| question | answer KiB | p50 | p95 |\n|---|---|---|---|\n",
        cold / 1000.0,
        told["cost"]["calls"],
        told["cost"]["pointsCertain"],
        told["cost"]["pointsWorst"]
    );
    let mut all = Vec::new();
    for (name, definition) in definitions() {
        asker.answer(&definition).await;
        let mut taken = Vec::new();
        let mut length = 0;
        for _ in 0..40 {
            let (_, ms, bytes) = asker.answer(&definition).await;
            taken.push(ms);
            length = bytes;
        }
        all.extend(taken.iter().copied());
        let (p50, p95) = (percentile(&mut taken, 0.5), percentile(&mut taken, 0.95));
        let _ = writeln!(page, "| {name} | {} | {p50:.1} | {p95:.1} |", length / 1024);
    }
    let _ = writeln!(
        page,
        "| all of them | | {:.1} | {:.1} |\n",
        percentile(&mut all, 0.5),
        percentile(&mut all, 0.95)
    );
    page += &exports(&asker).await;
    drop(asker);
    page + &without_memory(&cloud, &site, dir.path(), http).await
}

/// A site that does not fit in memory: only the days in question are read, for each answer.
async fn without_memory(cloud: &Cloud, site: &Canned, dir: &Path, http: reqwest::Client) -> String {
    let server = Server::start_without_memory(cloud, dir);
    server.ready(&http).await;
    let asker = Asker { http, server };
    let mut page = format!(
        "Without memory for reports (`HOURBOOK_REPORT_MEMORY_MB=0`), the same {} worklogs are read from disk for the days in question, with each answer; median of 5, milliseconds:\n\n| question | p50 |\n|---|---|\n",
        site.worklogs
    );
    for (name, definition) in definitions().into_iter().filter(|(name, _)| name.starts_with("people")) {
        asker.answer(&definition).await;
        let mut taken = Vec::new();
        for _ in 0..5 {
            taken.push(asker.answer(&definition).await.1);
        }
        let _ = writeln!(page, "| {name} | {:.0} |", percentile(&mut taken, 0.5));
    }
    page + "\n"
}

/// All worklogs as a file, at once and as one that is kept.
async fn exports(asker: &Asker) -> String {
    let mut page = String::from(
        "Exports of all worklogs with comments, streamed as the answer to a call; the last one into a sealed file. Memory is what the process grows by above what it had before.\n\n\
         | file | rows | MiB | s | rows/s | memory MiB |\n|---|---|---|---|---|---|\n",
    );
    let details = json!({ "range": { "first": "2020-11-01", "last": "2023-11-30" }, "kind": "details" });
    // What the first one leaves in caches counts for none.
    asker.answer(&details).await;
    for format in ["csv", "jsonl", "xlsx"] {
        let before = asker.server.memory("VmRSS");
        let begun = Instant::now();
        let body = json!({ "definition": details, "format": format });
        let mut pieces = asker.post("/api/v1/reports/export", &body).await.bytes_stream();
        let (mut length, mut highest) = (0, before);
        while let Some(piece) = pieces.next().await {
            let piece = piece.unwrap();
            // Looked at once in a mebibyte.
            if (length + piece.len()) >> 20 != length >> 20 {
                highest = highest.max(asker.server.memory("VmRSS"));
            }
            length += piece.len();
        }
        let secs = begun.elapsed().as_secs_f64();
        let _ = writeln!(
            page,
            "| {format} | {WORKLOGS} | {:.0} | {secs:.1} | {:.0} | {:.0} |",
            length as f64 / 1024.0 / 1024.0,
            WORKLOGS as f64 / secs,
            highest - before
        );
    }
    let before = asker.server.memory("VmRSS");
    let begun = Instant::now();
    let export = asker
        .post("/api/v1/exports", &json!({ "definition": details, "format": "csv" }))
        .await
        .json::<Value>()
        .await
        .unwrap();
    let path = format!("/api/v1/exports/{}", export["id"].as_str().unwrap());
    let mut highest = before;
    let made = loop {
        let now = asker.get(&path).await;
        highest = highest.max(asker.server.memory("VmRSS"));
        if now["state"] != "running" {
            assert_eq!(now["state"], "done", "{now}");
            break now;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let secs = begun.elapsed().as_secs_f64();
    let _ = writeln!(
        page,
        "| csv, sealed file | {WORKLOGS} | {:.0} | {secs:.1} | {:.0} | {:.0} |\n",
        made["bytes"].as_f64().unwrap() / 1024.0 / 1024.0,
        WORKLOGS as f64 / secs,
        highest - before
    );
    page
}
