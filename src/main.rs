//! The one binary: `hourbook serve` and the operator's verbs.

use clap::Parser;
use hourbook::cli::Cli;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    hourbook::cli::run(Cli::parse())
}
