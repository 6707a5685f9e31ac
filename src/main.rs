//! The one binary: `hourbook serve` and the operator's verbs.

use clap::Parser;
use hourbook::cli::Cli;
use std::process::ExitCode;

fn main() -> ExitCode {
    hourbook::cli::run(Cli::parse())
}
