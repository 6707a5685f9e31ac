//! Everything that the suite logs, kept to be searched for planted words.

use std::io::Write;
use std::path::Path;
use std::sync::{LazyLock, Mutex};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

static LOGS: LazyLock<Mutex<Vec<u8>>> = LazyLock::new(Mutex::default);

struct Kept;

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOGS.lock().unwrap().extend_from_slice(bytes);
        if std::env::var_os("TEST_LOG").is_some() {
            eprint!("{}", String::from_utf8_lossy(bytes));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

struct Keeper;

impl MakeWriter<'_> for Keeper {
    type Writer = Kept;

    fn make_writer(&self) -> Kept {
        Kept
    }
}

/// Keeps logs from now on, ours in every detail. `TEST_LOG=1` shows them too.
pub fn capture() {
    let filter = EnvFilter::new("info,hourbook=trace,hourbook_store=trace,hourbook_crypto=trace");
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(Keeper).try_init();
}

/// The last warnings and errors of all tests.
pub fn warnings(most: usize) -> String {
    let text = text();
    let bad = text.lines().rev().filter(|line| line.contains(" WARN ") || line.contains("ERROR "));
    bad.take(most).collect::<Vec<_>>().join("\n")
}

/// What was logged so far.
pub fn text() -> String {
    String::from_utf8_lossy(&LOGS.lock().unwrap()).into_owned()
}

/// The word that the worlds plant, in any case.
const PLANTED: &str = "canary";
/// How the tokens of these worlds begin; long enough not to come up by chance in ciphertext.
const TOKENS: [&str; 2] = ["eyJ0eXAiOi", "eyJhbGciOi"];

/// The first planted word in some bytes.
pub fn planted_in(bytes: &[u8]) -> Option<&'static str> {
    let has = |bytes: &[u8], word: &str| memchr::memmem::find(bytes, word.as_bytes()).is_some();
    let lower = bytes.to_ascii_lowercase();
    if has(&lower, PLANTED) {
        return Some(PLANTED);
    }
    TOKENS.into_iter().find(|token| has(bytes, token))
}

/// No planted word in the logs of the whole suite so far.
pub fn assert_clean() {
    let text = text();
    let bad: Vec<&str> = text.lines().filter(|line| planted_in(line.as_bytes()).is_some()).take(3).collect();
    assert!(bad.is_empty(), "planted words in the log: {bad:#?}");
}

/// No planted word in any file below a folder. The clientKey is account information and may stand in the control
/// database, so it is looked for without its own word.
pub fn assert_no_canary_in(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            assert_no_canary_in(&path);
            continue;
        }
        let mut bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            // A write-ahead log goes when its last connection closes.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => panic!("{}: {error}", path.display()),
        };
        // And PostgreSQL knows a language of that name.
        for known in ["canary-client-one", "canary-client-two", "canary-client-new", "(Canary Islands"] {
            blank(&mut bytes, known.as_bytes());
        }
        if let Some(word) = planted_in(&bytes) {
            let lower = bytes.to_ascii_lowercase();
            let at = lower.windows(word.len()).position(|window| window == word.as_bytes()).unwrap_or(0);
            let around = &bytes[at.saturating_sub(40)..(at + 60).min(bytes.len())];
            panic!("{word} is planted in {}: {:?}", path.display(), String::from_utf8_lossy(around));
        }
    }
}

fn blank(bytes: &mut [u8], known: &[u8]) {
    let mut at = 0;
    while let Some(found) = memchr::memmem::find(&bytes[at..], known) {
        bytes[at + found..at + found + known.len()].fill(b'.');
        at += found + known.len();
    }
}
