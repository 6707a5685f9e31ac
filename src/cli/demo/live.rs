//! The live demo: people work, webhooks get lost, and a table shows how the copy keeps up.

use super::activity::Activity;
use super::stage::Stage;
use crate::cli::output;
use hourbook_simulator::seed;
use hourbook_simulator::state::Delivery;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Out of a hundred webhooks.
const LUCK: Delivery = Delivery { lost: 5, doubled: 10, late: 20, held: false, spares_containers: false };
/// How often the table is drawn anew, and printed where there is no terminal.
const TABLE: Duration = Duration::from_secs(1);
const PRINTED: Duration = Duration::from_secs(10);

/// Runs until Ctrl-C, or for some seconds.
pub async fn run(stage: &Stage, seed: u64, seconds: Option<u64>) -> anyhow::Result<()> {
    stage.install().await?;
    addresses(stage);
    output::line(format!(
        "People are at work now; of their webhooks {} % are lost, {} % doubled, {} % late. What was lost is found by an \
         incremental sync a minute or two later, because Jira withholds the last minute of its feeds. Ctrl-C ends it.",
        LUCK.lost, LUCK.doubled, LUCK.late
    ));
    let deadline = async {
        match seconds {
            Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        result = show(stage) => result?,
        () = work(stage, seed) => {}
        () = deadline => {}
        result = tokio::signal::ctrl_c() => result?,
    }
    Ok(())
}

fn addresses(stage: &Stage) {
    let ana = seed::account(0);
    let Some(first) = stage.sites.first() else { return };
    let issue = first.site.state().issues.keys().next().copied().unwrap_or_default();
    output::line("Look at (the pages' links are signed and hold for three minutes):");
    for (name, url) in [
        ("API", format!("{}/api/openapi.json", stage.url())),
        ("descriptor", format!("{}/atlassian-connect.json", stage.url())),
        ("metrics", format!("http://{}/metrics", stage.running.ops)),
        ("tenants", format!("http://{}/ops/tenants", stage.running.ops)),
        ("panel", first.site.page_url(&format!("/connect/panel?issueId={issue}"), &ana)),
        ("reports", first.site.page_url("/connect/reports", &ana)),
        ("admin", first.site.page_url("/connect/admin", &ana)),
    ] {
        output::line(format!("  {name:10} {url}"));
    }
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
