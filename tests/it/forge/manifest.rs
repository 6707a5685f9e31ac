//! The manifest that is deployed against the server that it speaks of. Forge's own rules are checked by its own package
//! (`frontend/build/forge-manifest.cjs`), which lets through what is looked at here.

use hourbook::auth::TokenKind;
use hourbook::auth::forge::modules;
use hourbook::cli::forge::manifest;
use hourbook::web::routes;
use serde_yaml_ng::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Events of Jira and of an app's life that the platform documents; an unknown one is never sent, without a word.
const EVENTS: &[&str] = &[
    "avi:forge:installed:app",
    "avi:forge:upgraded:app",
    "avi:jira:created:issue",
    "avi:jira:updated:issue",
    "avi:jira:deleted:issue",
    "avi:jira:created:worklog",
    "avi:jira:updated:worklog",
    "avi:jira:deleted:worklog",
    "avi:jira:created:project",
    "avi:jira:updated:project",
    "avi:jira:softdeleted:project",
    "avi:jira:deleted:project",
    "avi:jira:archived:project",
    "avi:jira:unarchived:project",
    "avi:jira:restored:project",
    "avi:jira:created:user",
    "avi:jira:updated:user",
    "avi:jira:deleted:user",
];
/// Longest key of a remote or an endpoint.
const LONGEST_KEY: usize = 23;

fn parsed() -> Value {
    let text = manifest("ari:cloud:ecosystem::app/1", "https://hourbook.example.com");
    assert!(!text.contains("{{"), "everything is filled in");
    serde_yaml_ng::from_str(&text).unwrap()
}

fn list<'a>(value: &'a Value, name: &str) -> Vec<&'a Value> {
    value[name].as_sequence().unwrap_or_else(|| panic!("{name} is a list")).iter().collect()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} is a text in {value:?}"))
}

#[test]
fn every_address_of_the_manifest_is_one_of_the_server() {
    let manifest = parsed();
    let remotes = list(&manifest, "remotes");
    assert_eq!(remotes.len(), 1);
    assert!(text(remotes[0], "baseUrl").starts_with("https://"));
    let table = routes::all();
    let (mut kinds, mut known) = (BTreeMap::new(), BTreeSet::new());
    for endpoint in list(&manifest["modules"], "endpoint") {
        let key = text(endpoint, "key");
        assert!(key.len() <= LONGEST_KEY, "{key}");
        assert_eq!(text(endpoint, "remote"), text(remotes[0], "key"));
        assert!(known.insert(key.to_owned()), "{key} twice");
        let Some(path) = endpoint["route"]["path"].as_str() else {
            // Of pages: each call names its own path.
            assert_eq!(endpoint["auth"]["appUserToken"]["enabled"], true, "writes are the person's own");
            assert!(
                endpoint["auth"]["appSystemToken"].is_null(),
                "{key}: a page brings nothing of the app's"
            );
            kinds.insert(key, TokenKind::Invocation);
            continue;
        };
        assert_eq!(endpoint["auth"]["appSystemToken"]["enabled"], true, "{key}: every call brings a token");
        assert!(endpoint["auth"]["appUserToken"].is_null(), "{key}: nobody's person");
        let route = table.iter().find(|route| route.method == "POST" && route.path == path);
        kinds.insert(key, route.unwrap_or_else(|| panic!("{path} is no route")).token);
    }
    for (key, kind) in &kinds {
        assert!(modules::of(*kind).contains(key), "{key}: a token that names it is refused there");
    }
    // Each module's token is taken by the route that it calls, and every module that the server knows is there.
    for (kind, entries) in manifest["modules"].as_mapping().unwrap() {
        for module in entries.as_sequence().unwrap().iter().filter(|_| kind != "endpoint") {
            let key = text(module, "key");
            let endpoint = module["endpoint"].as_str().or_else(|| module["resolver"]["endpoint"].as_str());
            let endpoint = endpoint.unwrap_or_else(|| panic!("{key} calls nothing"));
            let token = kinds.get(endpoint).unwrap_or_else(|| panic!("{key}: no endpoint {endpoint}"));
            assert!(modules::of(*token).contains(&key), "{key}: its token is refused by {endpoint}");
            assert!(known.insert(key.to_owned()), "{key} twice");
        }
    }
    let kinds = [TokenKind::Invocation, TokenKind::Event, TokenKind::Schedule, TokenKind::Removal];
    let expected: BTreeSet<String> =
        kinds.iter().flat_map(|kind| modules::of(*kind)).map(|key| (*key).to_owned()).collect();
    assert_eq!(known, expected);
}

#[test]
fn events_and_triggers_are_such_as_come() {
    let manifest = parsed();
    let mut asked = BTreeSet::new();
    for trigger in list(&manifest["modules"], "trigger") {
        for event in list(trigger, "events") {
            let event = event.as_str().unwrap();
            assert!(EVENTS.contains(&event), "{event} is no event of Forge");
            assert!(asked.insert(event.to_owned()), "{event} would come twice");
        }
    }
    // What the copy lives on.
    for needed in ["created:worklog", "updated:worklog", "deleted:worklog", "updated:issue", "deleted:issue"]
    {
        assert!(asked.contains(&format!("avi:jira:{needed}")), "{needed}");
    }
    let intervals: Vec<&str> =
        list(&manifest["modules"], "scheduledTrigger").iter().map(|one| text(one, "interval")).collect();
    assert!(intervals.len() <= 5, "Forge allows five");
    assert_eq!(intervals.iter().filter(|interval| **interval == "fiveMinute").count(), 1, "and one of these");
    assert!(intervals.contains(&"hour"));
}

/// The least: each scope is needed, and nothing that is needed is missing.
#[test]
fn scopes_are_the_least() {
    let manifest = parsed();
    let scopes = manifest["permissions"]["scopes"].as_mapping().unwrap();
    let found: Vec<(&str, bool)> = scopes
        .iter()
        .map(|(name, options)| (name.as_str().unwrap(), options["allowImpersonation"] == true))
        .collect();
    assert_eq!(
        found,
        [
            ("read:jira-work", true),
            ("write:jira-work", true),
            ("read:jira-user", true),
            ("read:app-system-token", false),
            ("read:app-user-token", false),
            ("report:personal-data", false),
        ]
    );
    assert_eq!(manifest["app"]["licensing"]["enabled"], true);
    assert_eq!(manifest["remotes"][0]["storage"]["inScopeEUD"], true, "what is stored is end-user data");
    assert!(manifest["modules"]["jira:timeTrackingProvider"].is_null(), "Jira's own work log stays");
}

/// What is deployed: manifest and pages, and nothing that is this server's own.
#[test]
fn the_folder_that_is_deployed_has_everything() {
    let folder = tempfile::TempDir::new().unwrap();
    let run = |base_url: &str| {
        std::process::Command::new(env!("CARGO_BIN_EXE_hourbook"))
            .args(["forge", folder.path().to_str().unwrap()])
            .env_clear()
            .env("HOURBOOK_FORGE_APP_ID", "ari:cloud:ecosystem::app/1")
            .env("HOURBOOK_BASE_URL", base_url)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap()
    };
    let refused = run("http://127.0.0.1:8080");
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("https"), "{refused:?}");
    let pages = folder.path().join("static/pages");
    std::fs::create_dir_all(&pages).unwrap();
    std::fs::write(pages.join("former.js"), "of a former build").unwrap();
    let done = run("https://hourbook.example.com");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(!pages.join("former.js").exists());
    let index = std::fs::read_to_string(pages.join("index.html")).unwrap();
    let script = index.split("src=\"./").nth(1).unwrap().split('"').next().unwrap();
    assert!(pages.join(script).exists(), "{script}: addresses are relative");
    let names: Vec<String> = std::fs::read_dir(pages.join("assets"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(names.iter().any(|name| name.starts_with("forge-")), "{names:?}");
    assert!(names.iter().all(|name| name.ends_with(".js") || name.ends_with(".css")), "{names:?}");
}
