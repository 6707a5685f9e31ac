//! Benchmarks: figures as ratios to a limit measured in the same run, written to `BENCHMARKS.md`.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a benchmark fails by panicking and prints its figures"
)]

mod backups;
mod canned;
#[path = "../it/support/postgres.rs"]
#[allow(dead_code, reason = "tests need more of it")]
mod cluster;
mod fleet;
mod forge;
mod full_sync;
mod load;
#[path = "../it/support/ports.rs"]
mod ports;
mod postgres;
mod process;
mod report_server;
mod reports;
mod tenants;
mod upsert;
mod webhooks;

use std::fmt::Write;
use std::process::Command;

/// As in the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    if std::env::args().any(|arg| arg == "--test" || arg == "--list") {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    // `cargo bench --bench bench -- full` runs one section and writes nothing.
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| name.contains(wanted));
    let mut page = head();
    if is_wanted("webhooks") {
        page += &runtime.block_on(webhooks::run());
    }
    if is_wanted("forge") {
        page += &runtime.block_on(forge::run());
    }
    if is_wanted("upsert") {
        page += &runtime.block_on(upsert::run());
    }
    if is_wanted("full_sync") {
        page += &runtime.block_on(full_sync::run());
    }
    if is_wanted("tenants") {
        page += &runtime.block_on(tenants::run());
    }
    if is_wanted("fleet") {
        page += &runtime.block_on(fleet::run());
    }
    if is_wanted("backups") {
        page += &runtime.block_on(backups::run());
    }
    if is_wanted("postgres") {
        page += &runtime.block_on(postgres::run());
    }
    let large = std::env::var_os("HOURBOOK_BENCH_LARGE").is_some();
    if is_wanted("engine") {
        page += &reports::run(large);
    }
    if is_wanted("report_server") {
        page += &runtime.block_on(report_server::run());
    }
    print!("{page}");
    if !wanted.is_empty() {
        return;
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/BENCHMARKS.md");
    // The pages' own figures come from a browser: `make bench-pages`.
    if let Some((_, pages)) = std::fs::read_to_string(path).unwrap_or_default().split_once("\n## Pages\n") {
        page = format!("{}\n\n## Pages\n{pages}", page.trim_end());
    }
    std::fs::write(path, page).unwrap();
}

fn head() -> String {
    let first = |command: &str, args: &[&str]| {
        let output = Command::new(command).args(args).output();
        output
            .map(|output| {
                String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned()
            })
            .unwrap_or_default()
    };
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map(|rest| rest.trim_start_matches([' ', '\t', ':']).to_owned());
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory = memory
        .lines()
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .nth(1)
        .and_then(|kib| kib.parse::<u64>().ok())
        .unwrap_or(0);
    let mut page = String::from(
        "# Benchmarks\n\nWritten by `make bench`. Read ratios, not absolutes: the machine is shared, and load generator, simulated Jira and server share its cores.\n\n",
    );
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let _ = writeln!(
        page,
        "- machine: {cores} cores of {}, {} GiB",
        model.unwrap_or_else(|| "an unnamed processor".into()),
        memory / 1024 / 1024
    );
    let _ = writeln!(page, "- system: {}", first("uname", &["-sr"]));
    let _ = writeln!(
        page,
        "- versions: {}, hourbook {}",
        first("rustc", &["--version"]),
        env!("CARGO_PKG_VERSION")
    );
    let _ = writeln!(page, "- command: `make bench` (`cargo bench --bench bench`)\n");
    page
}
