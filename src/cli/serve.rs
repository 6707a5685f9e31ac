//! `hourbook serve`.

use crate::clock::Clock;
use crate::config::{Config, Env};
use crate::web::server;
use tokio::signal::unix::{SignalKind, signal};

/// Runs until it is told to stop.
///
/// # Errors
/// All problems of the configuration at once; a port or a data folder that is taken.
pub async fn run(env: &Env) -> anyhow::Result<()> {
    let config = Config::from_env(env)?;
    let listeners = server::bind(&config)?;
    let running = server::start(config, Clock::system(), listeners).await?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => {}
        result = tokio::signal::ctrl_c() => result?,
    }
    tracing::info!("stopping");
    running.stop().await;
    Ok(())
}
