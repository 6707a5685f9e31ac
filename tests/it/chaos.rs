//! The copy under fire: a site on which people and apps do anything at random, a network that loses, doubles, delays
//! and reorders, a Jira that fails, and a server in a process of its own that is killed at any moment. At the end
//! there is quiet, and the copy has to be equal to Jira: ids, issues, authors, seconds, starts, comments, tags,
//! visibilities. And whatever people sent was written once.
//!
//! A run is a seed. `CHAOS_SEED=7` replays one, `CHAOS_SECS=600` goes on with new ones for so long (`make chaos`).

mod compare;
pub mod process;
mod script;

use crate::support::logs;
use script::Chaos;
use std::time::{Duration, Instant};

/// Seeds of the short run that every test run makes.
const SHORT: std::ops::Range<u64> = 1..4;

/// What several runs came to.
#[derive(Debug, Default)]
struct Total {
    seeds: u64,
    acts: u64,
    events: u64,
    writes: u64,
    kills: u64,
}

async fn run(seed: u64, total: &mut Total) {
    let mut chaos = Chaos::new(seed).await;
    chaos.play().await;
    let told = chaos.end().await;
    total.seeds += 1;
    total.acts += told.acts;
    total.events += told.events;
    total.writes += told.writes;
    total.kills += told.kills;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_copy_equals_jira_whatever_happens() {
    logs::capture();
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let mut total = Total::default();
    match (number("CHAOS_SEED"), number("CHAOS_SECS")) {
        (Some(seed), _) => run(seed, &mut total).await,
        (None, Some(secs)) => {
            let begun = Instant::now();
            let first = rand::random_range(1_000_u64..1_000_000);
            for seed in first.. {
                if begun.elapsed() >= Duration::from_secs(secs) {
                    break;
                }
                run(seed, &mut total).await;
                eprintln!("seed {seed} passed; {total:?}");
            }
        }
        (None, None) => {
            for seed in SHORT {
                run(seed, &mut total).await;
            }
        }
    }
    eprintln!("chaos: {total:?}");
}

/// Not a test: the server of a run, started by it in a process of its own so that it can be killed.
#[tokio::test]
#[ignore = "started by the chaos test"]
async fn child() {
    process::serve().await;
}
