//! `hourbook demo`: the whole life of an installation against a simulated Jira Cloud.

mod activity;
mod compare;
mod live;
mod script;
mod stage;

use clap::Args;

/// How a site installs Hourbook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Host {
    /// Atlassian Connect.
    Connect,
    /// Forge, with this server as the remote.
    Forge,
    /// Both, on different sites.
    Both,
}

/// How to show it.
#[derive(Args)]
pub struct Options {
    /// Run once from install to wiped, print each check, and exit 0 only if all held.
    #[arg(long)]
    script: bool,
    /// Which host the sites install Hourbook by; with `both`, the large ones by Connect and the small ones by Forge,
    /// one of them without a licence and one on trial.
    #[arg(long, value_enum, default_value_t = Host::Connect)]
    host: Host,
    /// Worklogs of the largest of the three sites.
    #[arg(long, default_value_t = 100_000)]
    worklogs: usize,
    /// End the live demo after so many seconds instead of at Ctrl-C.
    #[arg(long)]
    seconds: Option<u64>,
    /// Let nobody work but whoever looks: for browser tests and pictures.
    #[arg(long)]
    still: bool,
    /// Write the addresses of everything into a file, as JSON, once it is all there.
    #[arg(long, value_name = "FILE")]
    links: Option<std::path::PathBuf>,
    /// Seed of the sites and of what people do.
    #[arg(long, default_value_t = 7)]
    seed: u64,
}

/// Runs the demo.
///
/// # Errors
/// When something cannot be started, or a check of the script does not hold.
pub async fn run(options: Options) -> anyhow::Result<()> {
    let stage = stage::Stage::build(&options).await?;
    let result = if options.script {
        script::run(&stage, options.seed).await
    } else {
        live::run(&stage, &options).await
    };
    stage.clear().await?;
    result
}
