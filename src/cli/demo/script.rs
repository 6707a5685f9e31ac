//! The scripted demo: install, sync, activity, comparison, uninstall, and the check that nothing is left.

use super::activity::Activity;
use super::compare::compare;
use super::stage::{Shown, Stage};
use crate::cli::output;
use anyhow::{Context, ensure};
use hourbook_simulator::pages::PageProof;
use hourbook_simulator::seed;
use hourbook_simulator::state::Delivery;
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};

/// Out of a hundred webhooks.
const LUCK: Delivery = Delivery { lost: 10, doubled: 15, late: 30, held: false, spares_containers: false };
/// What people do in each site.
const STEPS: usize = 150;
/// Words that stand in seeded comments and names, and must stand in no file.
const CLEAR: [&str; 4] = ["fixing the build", "call with the customer", "Ana Abe", "billable"];

/// What was checked.
#[derive(Default)]
struct Checks {
    held: usize,
    failed: usize,
}

impl Checks {
    fn check(&mut self, holds: bool, what: impl AsRef<str>) {
        let mark = if holds { "ok    " } else { "FAILED" };
        output::line(format!("{mark} {}", what.as_ref()));
        if holds {
            self.held += 1;
        } else {
            self.failed += 1;
        }
    }
}

/// Runs the script.
pub async fn run(stage: &Stage, seed: u64) -> anyhow::Result<()> {
    let mut checks = Checks::default();
    stage.install().await?;
    equal(&mut checks, stage, "after the full sync").await?;
    clear_text(&mut checks, stage)?;
    writing(&mut checks, stage).await;
    activity(stage, seed).await;
    let lost: u64 = stage.sites.iter().map(|shown| shown.site.state().lost).sum();
    output::line(format!("       people did {STEPS} things in each site; {lost} webhooks were lost"));
    // Jira withholds the last minute of its feeds.
    stage.advance(Duration::from_secs(90))?;
    for shown in &stage.sites {
        sync(stage, shown).await?;
    }
    equal(&mut checks, stage, "after people worked and webhooks got lost, doubled and late").await?;
    clear_text(&mut checks, stage)?;
    uninstall(&mut checks, stage).await?;
    equal(&mut checks, stage, "after the other's uninstall").await?;
    output::line(format!("{} passed, {} failed", checks.held, checks.failed));
    ensure!(checks.failed == 0, "{} checks did not hold", checks.failed);
    Ok(())
}

/// Every installed site's copy equals its Jira.
async fn equal(checks: &mut Checks, stage: &Stage, when: &str) -> anyhow::Result<()> {
    for shown in stage.sites.iter().filter(|shown| shown.site.has_app()) {
        let found = compare(&shown.site).await?;
        checks.check(
            found.differing == 0,
            format!(
                "{}: {} worklogs in Jira, {} here, {} differ {when}",
                shown.name, found.jira, found.copy, found.differing
            ),
        );
    }
    Ok(())
}

async fn sync(stage: &Stage, shown: &Shown) -> anyhow::Result<()> {
    shown.site.webhooks_delivered().await;
    let body = json!({ "kind": "incremental" });
    let (status, _) =
        shown.site.page_calls(&seed::account(0), "POST", "/api/v1/sync", Some(&body), None).await;
    ensure!(status == 202, "the sync was answered {status}");
    let begun = Instant::now();
    let asked_at = crate::jira::time::rfc3339(stage.clock.now_ms());
    loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let state = stage.sync_state(&shown.site).await?;
        let fresh = state["lastSuccess"].as_str().is_some_and(|at| at >= asked_at.as_str());
        if fresh && state["state"] == "idle" && state["pending"] == 0 {
            return Ok(());
        }
        ensure!(begun.elapsed() < Duration::from_secs(60), "the sync does not end: {state}");
    }
}

async fn activity(stage: &Stage, seed: u64) {
    for shown in &stage.sites {
        shown.site.deliver_webhooks(LUCK);
        let mut people = Activity::new(&shown.site, seed);
        for _ in 0..STEPS {
            people.step(&shown.site).await;
        }
        shown.site.deliver_webhooks(Delivery::default());
    }
}

/// A write through the panel: in Jira as the person, once.
async fn writing(checks: &mut Checks, stage: &Stage) {
    let Some(shown) = stage.sites.first() else { return };
    let site = &shown.site;
    let issue = site.state().issues.keys().next().copied().unwrap_or_default();
    let path = format!("/api/v1/issues/{issue}/worklogs");
    let body =
        json!({ "started": "2026-03-02T09:00:00Z", "duration": "1h 30m", "comment": "logged in the panel" });
    let person = seed::account(1);
    let log = || site.page_calls(&person, "POST", &path, Some(&body), Some("demo-key-0001"));
    let (first, made) = log().await;
    let (again, same) = log().await;
    let id: i64 = made["id"].as_str().and_then(|id| id.parse().ok()).unwrap_or_default();
    let in_jira = site.state().worklogs.get(&id).map(|worklog| (worklog.author.clone(), worklog.seconds));
    checks.check(
        first == 201 && in_jira == Some((person.clone(), 5400)),
        "a worklog logged in the panel is in Jira, by the person",
    );
    checks.check(again == 200 && same == made, "the same request again writes nothing and answers the same");
    let refused = json!({ "started": "2026-03-02T09:00:00Z", "duration": "1:75" });
    let (status, problem) =
        site.page_calls(&person, "POST", &path, Some(&refused), Some("demo-key-0002")).await;
    checks.check(
        status == 400 && problem["field"] == "duration",
        format!("bad input is refused: {}", problem["detail"]),
    );
}

/// No comment, name or tag stands in clear in any file.
fn clear_text(checks: &mut Checks, stage: &Stage) -> anyhow::Result<()> {
    let (mut files, mut found) = (0, Vec::new());
    search(&stage.data_dir, &mut files, &mut found)?;
    checks.check(
        found.is_empty(),
        format!("no comment, tag or name in clear in {files} files{}", found.join(", ")),
    );
    Ok(())
}

fn search(folder: &Path, files: &mut usize, found: &mut Vec<String>) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            search(&path, files, found)?;
            continue;
        }
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            // A write-ahead log goes when its last connection closes.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error.into()),
        };
        *files += 1;
        for word in CLEAR {
            if bytes.windows(word.len()).any(|window| window == word.as_bytes()) {
                found.push(format!("; {word:?} in {}", path.display()));
            }
        }
    }
    Ok(())
}

async fn uninstall(checks: &mut Checks, stage: &Stage) -> anyhow::Result<()> {
    let Some(shown) = stage.sites.first() else { return Ok(()) };
    let site = &shown.site;
    let tenant = stage.tenant_of(site).await?;
    let proof = site.page_proof(&seed::account(0)).context("the site has Hourbook")?;
    let in_jira = site.state().worklogs.len();
    let status = site.uninstall().await;
    checks.check(status == 204, format!("{}: uninstalled, answered {status}", shown.name));
    let (refused, told) = site.calls_with(&proof, "GET", "/api/v1/me", None, None).await;
    // Forge takes 401 for a bad token, which these are not.
    checks.check(
        matches!(refused, 401 | 403) && told["code"] == "unknown_tenant",
        "its pages are answered at once that Hourbook is not installed",
    );

    let receipt = wait_for_receipt(stage, &tenant).await?;
    let folder = crate::tenants::folder(&stage.data_dir, &tenant);
    checks.check(!folder.exists(), "its database files are gone");
    checks.check(stage.running.app.inbox.count(&tenant).await? == 0, "its queued webhooks are gone");
    let anybody = PageProof { api: stage.url(), headers: Vec::new() };
    let (status, shown_receipt) =
        site.calls_with(&anybody, "GET", &format!("/receipts/{receipt}"), None, None).await;
    let text = |name: &str| shown_receipt[name].as_str().unwrap_or_default().to_owned();
    let verified =
        hourbook_crypto::receipt::verify_hex(&text("publicKey"), text("body").as_bytes(), &text("signature"));
    checks.check(status == 200 && verified.is_ok(), "its receipt is signed by Hourbook's key");
    let body: Value = serde_json::from_str(&text("body"))?;
    output::line(format!("       the receipt says that there were {}", body["existed"]));
    checks.check(site.state().worklogs.len() == in_jira, format!("Jira still has all {in_jira} worklogs"));
    Ok(())
}

async fn wait_for_receipt(stage: &Stage, tenant: &str) -> anyhow::Result<String> {
    use hourbook_store::control::receipts;
    let begun = Instant::now();
    loop {
        let id = tenant.to_owned();
        if let Some(receipt) =
            stage.running.app.control.read(move |conn| receipts::of_tenant(conn, &id)).await?
        {
            return Ok(receipt.receipt_id);
        }
        ensure!(begun.elapsed() < Duration::from_secs(30), "no receipt was written");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
