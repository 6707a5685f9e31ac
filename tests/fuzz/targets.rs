//! What is fuzzed: whatever comes from outside, with what has to hold of it. Shared by the fuzzer (`make fuzz`) and by
//! the test that replays the corpus in every run.

use hourbook::auth::connect::{context, qsh, server};
use hourbook::auth::jwt;
use hourbook::backup::file;
use hourbook::backup::vault::{Vault, Whereabouts};
use hourbook::jira::configuration::TimeTracking;
use hourbook::jira::system_tokens::SystemToken;
use hourbook::jira::worklogs::{ChangedWorklogs, RemoteWorklog};
use hourbook::sync::events::{self, Event};
use hourbook::sync::feed::Steps;
use hourbook::worklogs::{adf, duration, input, property};
use hourbook_crypto::datakey::DataKey;
use hourbook_crypto::tenant::TenantCipher;
use serde_json::Value;
use std::sync::LazyLock;

/// A target by its name.
pub type Target = (&'static str, fn(&[u8]));

pub const ALL: [Target; 8] = [
    ("tokens", tokens),
    ("query_hash", query_hash),
    ("documents", documents),
    ("durations", durations),
    ("feeds", feeds),
    ("webhooks", webhooks),
    ("backups", backups),
    ("properties", properties),
];

const SECRET: &[u8] = b"a secret that the fuzzer does not know";

/// Nothing that was not signed is a token, however it is put together.
pub fn tokens(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    assert!(context::verify(text, SECRET, 1_700_000_000).is_err());
    assert!(server::verify(text, SECRET, "GET", "/connect/panel?a=b", "", 1_700_000_000).is_err());
    let _ = jwt::unverified_issuer(text);
    // Forge's token for the app is opaque: nothing but its end is read, and that is soon.
    if let Some(token) = SystemToken::read(text, 1_000) {
        assert!(token.until <= 1_000 + 5 * 3_600_000);
    }
    let _ = jwt::key_id(text, &[jsonwebtoken::Algorithm::RS256]);
}

/// The hash does not depend on the order of parameters, nor on the token among them.
pub fn query_hash(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let canonical = qsh::canonical("GET", text, "");
    assert!(canonical.starts_with("GET&"));
    let Some((path, query)) = text.split_once('?') else { return };
    if path.contains('#') || query.contains(['?', '#']) {
        return;
    }
    let mut parts: Vec<&str> = query.split('&').collect();
    parts.reverse();
    let reversed = format!("{path}?{}", parts.join("&"));
    assert_eq!(qsh::canonical("GET", &reversed, ""), canonical);
    assert_eq!(qsh::canonical("GET", &format!("{text}&jwt=a.b.c"), ""), canonical);
}

/// A text survives its way through a document, and no document is too deep or too odd to be read.
pub fn documents(data: &[u8]) {
    if let Ok(value) = serde_json::from_slice::<Value>(data) {
        let text = adf::to_text(&value);
        let _ = input::comment(None, Some(value));
        assert!(text.len() <= data.len() * 8 + 64, "{} bytes of text", text.len());
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    let document = adf::from_text(text);
    assert!(adf::is_document(&document));
    let plain = text.replace("\r\n", "\n");
    let once = adf::to_text(&document);
    assert_eq!(once, plain.trim_end_matches('\n'));
}

/// Whatever is understood is a time that can be logged, and says the same to everybody.
pub fn durations(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let site = TimeTracking::default();
    for language in ["en", "de", "hu"] {
        match duration::read(text, &site, language) {
            Ok(reading) => {
                assert!((1..=365 * 86_400 * 10).contains(&reading.seconds), "{text:?}: {}", reading.seconds);
                assert!(reading.start.is_none_or(|start| (0..1440).contains(&start)), "{text:?}");
                let again = duration::read(&format!("{}s", reading.seconds), &site, language);
                if let Ok(again) = again {
                    assert_eq!(again.seconds, reading.seconds);
                }
            }
            Err(problem) => assert!(!problem.message.is_empty()),
        }
    }
}

/// Pages of a feed move the position forward or end the walk; worklogs of another shape are refused as a whole.
pub fn feeds(data: &[u8]) {
    let _ = serde_json::from_slice::<Vec<RemoteWorklog>>(data);
    let mut steps = Steps::new(0);
    for line in data.split(|byte| *byte == b'\n') {
        let Ok(page) = serde_json::from_slice::<ChangedWorklogs>(line) else { continue };
        let before = steps.since();
        if let Ok(page) = steps.take(page) {
            assert!(steps.since() >= before, "never back");
            assert!(page.until >= before && steps.since() <= page.until, "never beyond what was read");
        }
    }
}

/// An event that is understood is kept as it was understood.
pub fn webhooks(data: &[u8]) {
    let (of_forge, identifier) = events::forge::parse(data, 1_700_000_000_000);
    assert!(of_forge.is_err() || identifier.starts_with("forge:"), "{identifier}");
    for read in [events::parse(data), of_forge] {
        if let Ok(Some(event)) = read.map(|read| read.event) {
            let kept = serde_json::to_vec(&event).expect("an event is written");
            assert_eq!(serde_json::from_slice::<Event>(&kept).expect("and read"), event);
        }
    }
}

static BACKUP_CIPHER: LazyLock<TenantCipher> =
    LazyLock::new(|| TenantCipher::new("t", &DataKey::generate(1)));

/// A folder for sealed files, and the runtime that its reads and writes need.
static VAULT: LazyLock<(tempfile::TempDir, tokio::runtime::Runtime, Vault)> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let entered = runtime.enter();
    let vault = Vault::open(&Whereabouts::Folder(folder.path().to_owned())).expect("a vault");
    drop(entered);
    (folder, runtime, vault)
});

/// No file that was not sealed opens; one that was, changed by what the fuzzer says, does not either. Nor is what is in
/// it taken for the content of a database unless one was written.
pub fn backups(data: &[u8]) {
    let read = |bytes: &[u8]| -> anyhow::Result<Vec<u8>> {
        let key = |_: &file::Header| Ok(BACKUP_CIPHER.backup_key().1.clone());
        let (_, mut content) = file::open_from(bytes, key)?;
        let mut out = Vec::new();
        std::io::Read::read_to_end(&mut content, &mut out)?;
        file::ended(content)?;
        Ok(out)
    };
    assert!(read(data).is_err(), "nobody sealed this");
    assert!(hourbook_store::dump::check(data).is_err(), "no digest fits by chance");
    let (folder, _, vault) = &*VAULT;
    let header = file::Header::new(file::Of::Tenant { tenant: "t".into(), version: 1 }, 1);
    let mut sealed =
        file::Writing::create(vault, "one", &header, BACKUP_CIPHER.backup_key().1).expect("begun");
    std::io::Write::write_all(&mut sealed, data).expect("written");
    sealed.finish().expect("finished");
    let mut bytes = std::fs::read(folder.path().join("one")).expect("a file");
    assert_eq!(read(&bytes).expect("opens"), data);
    if let [first, second, flip, ..] = data {
        let at = (usize::from(*first) * 256 + usize::from(*second)) % bytes.len();
        if let Some(byte) = bytes.get_mut(at).filter(|_| *flip != 0) {
            *byte ^= flip;
            assert!(read(&bytes).is_err(), "a byte was changed");
        }
    }
}

/// Others write the property too: what is taken from it is bounded, and an edit keeps what it does not know.
pub fn properties(data: &[u8]) {
    let Ok(value) = serde_json::from_slice::<Value>(data) else { return };
    let (tags, junk) = property::tags(&value);
    assert!(tags.len() <= property::MOST_TAGS && junk >= 0);
    for tag in &tags {
        assert!((1..property::TAG_ID_LIMIT).contains(&tag.id) && property::is_name(tag.name.expose()));
    }
    let written = property::with_tags(Some(&value), &tags, Some("marker"));
    assert_eq!(property::key(&written), Some("marker"));
    let (again, _) = property::tags(&written);
    assert_eq!(again, tags);
    if let Some(fields) = value.as_object() {
        for (name, field) in fields.iter().filter(|(name, _)| !["v", "tags", "key"].contains(&name.as_str()))
        {
            assert_eq!(written.get(name), Some(field), "an unknown field survives");
        }
    }
}
