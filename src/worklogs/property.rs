//! The worklog property `hourbook`: tags and the idempotency key, in Jira, so that the copy can be rebuilt.
//!
//! Version 1 is `{"v": 1, "tags": [{"id": "...", "name": "..."}], "key": "<hash>"}`. Anybody with edit rights can
//! write it, so whatever does not fit is ignored and counted, and unknown fields survive our edits.

use hourbook_store::plain::Plain;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// Tags on one worklog at most.
pub const MOST_TAGS: usize = 20;
/// Characters of a tag's name at most.
pub const LONGEST_NAME: usize = 100;
/// Characters of a property at most, by Jira.
const LONGEST: usize = 32_768;
/// Tag ids are random below 2^53, so that they are exact in JavaScript too.
pub const TAG_ID_LIMIT: i64 = 1 << 53;

/// A tag as a worklog carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CarriedTag {
    /// The tag's id.
    pub id: i64,
    /// Its name when the worklog was written.
    pub name: Plain,
}

/// The tags in a property, and how much of it does not fit and is left out.
pub fn tags(value: &Value) -> (Vec<CarriedTag>, i64) {
    let listed = match (value.get("v").and_then(Value::as_i64), value.get("tags")) {
        (Some(1), Some(Value::Array(listed))) => listed.as_slice(),
        (Some(1), None) => &[],
        _ => return (Vec::new(), 1),
    };
    let tags: Vec<CarriedTag> = listed.iter().filter_map(tag).take(MOST_TAGS).collect();
    let junk = listed.len() - tags.len();
    (tags, i64::try_from(junk).unwrap_or(i64::MAX))
}

fn tag(value: &Value) -> Option<CarriedTag> {
    let id: i64 = value.get("id")?.as_str()?.parse().ok()?;
    let name = value.get("name")?.as_str()?;
    let fits = (1..TAG_ID_LIMIT).contains(&id) && is_name(name);
    fits.then(|| CarriedTag { id, name: Plain::new(name) })
}

/// Whether a text can be the name of a tag.
pub fn is_name(name: &str) -> bool {
    let length = name.chars().count();
    (1..=LONGEST_NAME).contains(&length) && name.trim() == name && !name.chars().any(char::is_control)
}

/// What marks a worklog as the result of a request: see [`marker`].
pub fn key(value: &Value) -> Option<&str> {
    value.get("key").and_then(Value::as_str)
}

/// The property with these tags; whatever else `before` had stays.
pub fn with_tags(before: Option<&Value>, tags: &[CarriedTag], key: Option<&str>) -> Value {
    let mut fields = match before {
        Some(Value::Object(fields)) => fields.clone(),
        _ => Map::new(),
    };
    let listed = fields.get("tags").and_then(Value::as_array).cloned().unwrap_or_default();
    let tags: Vec<Value> = tags
        .iter()
        .map(|tag| {
            let id = tag.id.to_string();
            let same = |known: &&Value| known.get("id").and_then(Value::as_str) == Some(&id);
            let mut known = listed.iter().find(same).cloned().unwrap_or_else(|| json!({ "id": id }));
            known["name"] = json!(tag.name.expose());
            known
        })
        .collect();
    fields.insert("v".into(), json!(1));
    fields.insert("tags".into(), Value::Array(tags));
    if let Some(key) = key {
        fields.insert("key".into(), json!(key));
    }
    Value::Object(fields)
}

/// Hash of an idempotency key; bound to the account, so that keys of two people never meet.
pub fn key_hash(account_id: &str, key: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(account_id.as_bytes());
    hash.update([0]);
    hash.update(key.as_bytes());
    hex::encode(&hash.finalize()[..16])
}

/// What the property of a created worklog carries to find it by: bound to the account, the key and the request, so
/// that whoever copies it onto another worklog gains nothing by it.
pub fn marker(key_hash: &str, request_hash: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(key_hash.as_bytes());
    hash.update([0]);
    hash.update(request_hash.as_bytes());
    hex::encode(&hash.finalize()[..16])
}

/// Whether Jira takes the property: it has a limit for its text.
pub fn fits(value: &Value) -> bool {
    value.to_string().chars().count() <= LONGEST
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn junk_in_the_property_is_ignored() {
        for (junk, count) in [
            (json!(null), 1),
            (json!("text"), 1),
            (json!({ "v": 2, "tags": [{ "id": "1", "name": "a" }] }), 1),
            (json!({ "v": 1, "tags": "no list" }), 1),
            (
                json!({ "v": 1, "tags": [{ "id": 7, "name": "number" }, { "id": "x", "name": "a" }, { "id": "-1", "name": "a" }] }),
                3,
            ),
            (
                json!({ "v": 1, "tags": [{ "id": "1", "name": "" }, { "id": "1", "name": "x".repeat(101) }, { "id": "1", "name": "a\nb" }] }),
                3,
            ),
        ] {
            assert_eq!(tags(&junk), (vec![], count), "{junk}");
        }
        let many: Vec<Value> = (1..40).map(|id| json!({ "id": id.to_string(), "name": "a" })).collect();
        let (kept, junk) = tags(&json!({ "v": 1, "tags": many }));
        assert_eq!((kept.len(), junk), (MOST_TAGS, 19));
        assert_eq!(tags(&json!({ "v": 1, "key": "k" })), (vec![], 0), "no tags are no junk");
    }

    #[test]
    fn unknown_fields_survive_an_edit() {
        let old = json!([{ "id": "5", "name": "old", "colour": "red" }, { "id": "6", "name": "gone" }]);
        let before = json!({ "v": 1, "tags": old, "key": "k", "other": { "app": true } });
        let tag = CarriedTag { id: 5, name: Plain::new("review") };
        let after = with_tags(Some(&before), &[tag], None);
        let new = json!([{ "id": "5", "name": "review", "colour": "red" }]);
        assert_eq!(after, json!({ "v": 1, "tags": new, "key": "k", "other": { "app": true } }));
    }
}
