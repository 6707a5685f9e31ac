//! The command line, one file per verb. Verbs that change a running installation enqueue a job for the server.

pub mod backup;
#[cfg(feature = "demo")]
pub mod demo;
pub mod forge;
pub mod keys;
pub mod migrate;
mod offline;
pub mod openapi;
pub mod output;
pub mod receipt;
pub mod serve;
pub mod service;
pub mod tenant;

use crate::config::{self, Reporting};
use crate::telemetry;
use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// Time tracking for Jira Cloud that keeps a provable copy of every worklog.
#[derive(Parser)]
#[command(name = "hourbook", version, about)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server. Configured by environment, see deploy/env.example.
    Serve,
    /// Look at tenants, or ask the server to sync, move, export or wipe one.
    #[command(subcommand)]
    Tenant(tenant::Verb),
    /// Make, list, check and restore backups.
    #[command(subcommand)]
    Backup(backup::Verb),
    /// Look after master keys and tenants' keys.
    #[command(subcommand)]
    Keys(keys::Verb),
    /// Check a receipt of deletion.
    #[command(subcommand)]
    Receipt(receipt::Verb),
    /// Bring all databases up to date, several at a time; the server does the same for each as it opens it. On files, the
    /// server must not run.
    Migrate {
        /// Tenants at a time.
        #[arg(long, default_value_t = 8)]
        at_once: usize,
    },
    /// Once all tenants are on PostgreSQL: move installations, jobs and keys from files into the empty databases of
    /// HOURBOOK_DATABASE_URL. The server must not run.
    MoveService,
    /// Write the folder that `forge deploy` takes: the manifest for HOURBOOK_FORGE_APP_ID and HOURBOOK_BASE_URL, and the
    /// pages.
    Forge {
        /// The folder; made if need be.
        folder: PathBuf,
    },
    /// Print the OpenAPI document.
    Openapi,
    /// Show the whole life of an installation against a simulated Jira Cloud.
    #[cfg(feature = "demo")]
    Demo(demo::Options),
}

/// Runs the command line; errors go to standard error with their causes.
pub fn run(cli: Cli) -> ExitCode {
    let env = config::env();
    let _telemetry = telemetry::start(&Reporting::from_env(&env));
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return output::failure(&error.into()),
    };
    let result = runtime.block_on(async {
        match cli.command {
            Command::Serve => serve::run(&env).await,
            Command::Tenant(verb) => tenant::run(&env, verb).await,
            Command::Backup(verb) => backup::run(&env, verb).await,
            Command::Keys(verb) => keys::run(&env, verb).await,
            Command::Receipt(verb) => receipt::run(verb),
            Command::Migrate { at_once } => migrate::run(&env, at_once).await,
            Command::MoveService => service::run(&env).await,
            Command::Forge { folder } => forge::run(&env, &folder),
            Command::Openapi => openapi::run(),
            #[cfg(feature = "demo")]
            Command::Demo(options) => demo::run(options).await,
        }
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => output::failure(&error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
