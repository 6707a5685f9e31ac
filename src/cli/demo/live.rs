//! The live demo: people work, webhooks get lost, and a table shows how the copy keeps up.

use super::Options;
use super::activity::Activity;
use super::stage::{Shown, Stage};
use crate::cli::output;
use anyhow::Context;
use hourbook_simulator::site::Site;
use hourbook_simulator::state::{Delivery, Issue};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::{Map, Value, json};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Out of a hundred webhooks.
const LUCK: Delivery = Delivery { lost: 5, doubled: 10, late: 20, held: false, spares_containers: false };
/// How often the table is drawn anew, and printed where there is no terminal.
const TABLE: Duration = Duration::from_secs(1);
const PRINTED: Duration = Duration::from_secs(10);

/// Runs until Ctrl-C, or for some seconds.
pub async fn run(stage: &Stage, options: &Options) -> anyhow::Result<()> {
    stage.install().await?;
    addresses(stage);
    if let Some(file) = &options.links {
        std::fs::write(file, serde_json::to_vec_pretty(&links(stage))?).context("writing the addresses")?;
    }
    let deadline = async {
        match options.seconds {
            Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
            None => std::future::pending().await,
        }
    };
    if options.still {
        tokio::select! {
            () = deadline => {}
            result = tokio::signal::ctrl_c() => result?,
        }
        return Ok(());
    }
    output::line(format!(
        "People are at work now; of their webhooks {} % are lost, {} % doubled, {} % late. What was lost is found by an \
         incremental sync a minute or two later, because Jira withholds the last minute of its feeds. Ctrl-C ends it.",
        LUCK.lost, LUCK.doubled, LUCK.late
    ));
    tokio::select! {
        result = show(stage) => result?,
        () = work(stage, options.seed) => {}
        () = deadline => {}
        result = tokio::signal::ctrl_c() => result?,
    }
    Ok(())
}

/// The issue of a site that is shown first: one with an estimate and with some work on it, as far as there is.
fn shown_issue(site: &Site) -> Option<(i64, String)> {
    let state = site.state();
    let work = |issue: &Issue| state.by_issue.get(&issue.id).map_or(0, |on_it| on_it.len().min(4));
    let estimated = state.issues.values().filter(|issue| issue.original > 0);
    // The first of those that have as much.
    let shown = estimated.rev().max_by_key(|issue| work(issue));
    shown.map(|issue| (issue.id, issue.key.clone()))
}

fn addresses(stage: &Stage) {
    let Some(first) = stage.sites.first() else { return };
    let (site, key) = (&first.site.base_url, shown_issue(&first.site).unwrap_or_default().1);
    output::line("Look at, as anybody, in light and dark (the switches are at the top of each page):");
    for (name, url) in [
        ("issue", format!("{site}/browse/{key}")),
        ("reports", first.site.app_page_url("hourbook-reports")),
        ("admin", first.site.app_page_url("hourbook-admin")),
        ("API", format!("{}/api/openapi.json", stage.url())),
        ("metrics", format!("http://{}/metrics", stage.running.ops)),
        ("tenants", format!("http://{}/ops/tenants", stage.running.ops)),
    ] {
        output::line(format!("  {name:10} {url}"));
    }
    for shown in &stage.sites {
        if let Some(licence) = shown.licence {
            output::line(format!("  {:10} {}", licence.name(), shown.site.app_page_url("hourbook-reports")));
        }
    }
}

/// Everything that a browser test has to know.
fn links(stage: &Stage) -> Value {
    let site = |shown: &Shown| {
        let (issue_id, issue_key) = shown_issue(&shown.site).unwrap_or_default();
        json!({
            "url": shown.site.base_url,
            "issue": { "id": issue_id.to_string(), "key": issue_key },
            "reports": shown.site.app_page_url("hourbook-reports"),
            "admin": shown.site.app_page_url("hourbook-admin"),
            "people": shown.site.state().users.keys().take(4).collect::<Vec<_>>(),
        })
    };
    let sites: Map<String, Value> =
        stage.sites.iter().map(|shown| (shown.name.to_owned(), site(shown))).collect();
    json!({ "app": stage.url(), "sites": sites })
}

async fn work(stage: &Stage, seed: u64) {
    let mut people: Vec<_> =
        stage.sites.iter().map(|shown| (shown, Activity::new(&shown.site, seed))).collect();
    stage.sites.iter().for_each(|shown| shown.site.deliver_webhooks(LUCK));
    loop {
        for (shown, activity) in &mut people {
            activity.step(&shown.site).await;
            tokio::time::sleep(Duration::from_millis(60)).await;
        }
    }
}

async fn show(stage: &Stage) -> anyhow::Result<()> {
    let bars = MultiProgress::new();
    let style = ProgressStyle::with_template("{msg}")?;
    let line = |text: &str| {
        let bar = bars.add(ProgressBar::new_spinner().with_style(style.clone()));
        bar.set_message(text.to_owned());
        bar
    };
    let head = format!(
        "{:8} {:>9} {:>9} {:>6} {:>8} {:>6} {:>12} {:>10}",
        "SITE", "JIRA", "HOURBOOK", "DRIFT", "PENDING", "LAG s", "STATE", "LOST"
    );
    line(&head);
    let rows: Vec<_> = stage.sites.iter().map(|shown| (shown, line(""))).collect();
    let terminal = std::io::stderr().is_terminal();
    let mut printed = Instant::now();
    loop {
        let print = !terminal && printed.elapsed() >= PRINTED;
        if print {
            printed = Instant::now();
            output::line(&head);
        }
        for (shown, bar) in &rows {
            let sync = stage.sync_state(&shown.site).await?;
            let (jira, lost) = {
                let state = shown.site.state();
                (i64::try_from(state.worklogs.len())?, state.lost)
            };
            let number = |name: &str| sync[name].as_i64().unwrap_or_default();
            let row = format!(
                "{:8} {jira:>9} {:>9} {:>6} {:>8} {:>6} {:>12} {lost:>10}",
                shown.name,
                number("worklogs"),
                jira - number("worklogs"),
                number("pending"),
                number("lagSeconds"),
                sync["state"].as_str().unwrap_or_default(),
            );
            if print {
                output::line(&row);
            }
            bar.set_message(row);
        }
        tokio::time::sleep(TABLE).await;
    }
}
