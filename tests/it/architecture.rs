//! The invariants of `src/ARCHITECTURE.md` that a scan of the sources can hold.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn sources(below: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut folders = vec![root.join(below)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                // What the fuzzer builds is not ours.
                folders.extend(Some(path).filter(|path| !path.ends_with("fuzz/target")));
            } else if path.extension().is_some_and(|kind| kind == "rs") {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                found.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(!found.is_empty());
    found
}

/// Code without comments, so that words in them do not count.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.trim_start().starts_with("//"))
}

fn only_in(word: &str, allowed: &[&str]) {
    for (name, text) in sources("src") {
        if allowed.iter().any(|allowed| name.starts_with(allowed)) {
            continue;
        }
        let line = code(&text).find(|line| line.contains(word));
        assert_eq!(line, None, "{word} has no place in {name}");
    }
}

#[test]
fn libraries_stay_in_their_rooms() {
    only_in("diesel", &["src/store/"]);
    only_in("r2d2", &["src/store/"]);
    only_in("reqwest", &["src/jira/", "src/auth/"]);
    only_in("actix", &["src/web/", "src/error.rs"]);
    only_in("aes_gcm", &["src/crypto/"]);
    only_in("hourbook_simulator", &["src/cli/demo"]);
    only_in("std::env::var", &["src/config.rs"]);
    only_in("SystemTime", &["src/clock.rs"]);
    only_in("Utc::now", &[]);
    only_in("println!", &[]);
}

#[test]
fn features_do_not_know_the_web_and_jira_knows_no_database() {
    for (name, text) in sources("src") {
        let uses = |word: &str| code(&text).any(|line| line.contains(word));
        let is_below = |folders: &[&str]| folders.iter().any(|folder| name.starts_with(folder));
        if is_below(&[
            "src/lifecycle",
            "src/sync",
            "src/worklogs",
            "src/reports",
            "src/tags",
            "src/jobs",
            "src/auth",
            "src/tenants",
            "src/jira",
        ]) {
            assert!(!uses("crate::web"), "{name} uses the web layer");
        }
        if is_below(&["src/jira"]) {
            assert!(!uses("hourbook_store"), "{name} uses the store");
        }
        if is_below(&["src/crypto", "src/engine"]) {
            assert!(!uses("std::fs") && !uses("tokio") && !uses("std::net"), "{name} does I/O");
        }
        if is_below(&["src/store"]) {
            assert!(!uses("serde_json::Value") && !uses("http"), "{name} knows wire formats");
        }
    }
}

/// The only writers of worklogs: what applies Jira's answers.
#[test]
fn worklogs_are_written_by_apply_alone() {
    for (name, text) in sources("src") {
        let writes =
            code(&text).any(|line| line.contains("worklogs::put") || line.contains("worklogs::delete("));
        let allowed = ["src/sync/apply.rs", "src/sync/told.rs"].contains(&name.as_str());
        assert!(!writes || allowed, "{name} writes worklogs");
    }
}

#[test]
fn files_and_functions_stay_readable() {
    for (folder, most_lines, most_in_function) in [("src", 600, 80), ("tests", 800, 120)] {
        for (name, text) in sources(folder) {
            assert!(text.lines().count() <= most_lines, "{name} has {} lines", text.lines().count());
            let mut begun: Option<(usize, usize)> = None;
            for (at, line) in text.lines().enumerate() {
                let indent = line.len() - line.trim_start().len();
                let is_fn = [
                    "fn ",
                    "pub fn ",
                    "async fn ",
                    "pub async fn ",
                    "pub(crate) fn ",
                    "pub(super) fn ",
                    "pub(super) async fn ",
                ]
                .iter()
                .any(|start| line.trim_start().starts_with(start));
                // A declaration in a trait ends on its line.
                if is_fn && begun.is_none() && !line.ends_with(';') {
                    begun = Some((at, indent));
                }
                if let Some((from, depth)) = begun
                    && (line.trim_end() == format!("{}}}", " ".repeat(depth))
                        || (at == from && line.ends_with('}')))
                {
                    assert!(at - from <= most_in_function, "{name}:{} has {} lines", from + 1, at - from);
                    begun = None;
                }
            }
        }
    }
}

/// The production binary does not link the simulator, the demo does.
#[test]
fn the_simulator_is_not_in_production() {
    let tree = |features: &[&str]| {
        let output = Command::new(env!("CARGO"))
            .args(["tree", "--offline", "-e", "normal", "-p", "hourbook", "--prefix", "none"])
            .args(features)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(!tree(&[]).contains("hourbook-simulator"));
    assert!(tree(&["--features", "demo"]).contains("hourbook-simulator"));
}
