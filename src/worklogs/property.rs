//! The worklog property `hourbook`: tags and the idempotency key, in Jira, so that the copy can be rebuilt.
//!
//! Version 1 is `{"v": 1, "tags": [{"id": "...", "name": "..."}], "key": "<hash>"}`. Anybody with edit rights can
//! write it, so whatever does not fit is ignored, and unknown fields survive our edits.

use hourbook_store::plain::Plain;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// Tags on one worklog at most.
pub const MOST_TAGS: usize = 20;
/// Characters of a tag's name at most.
pub const LONGEST_NAME: usize = 100;
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

/// The tags in a property; junk is left out.
pub fn tags(value: &Value) -> Vec<CarriedTag> {
    if value.get("v").and_then(Value::as_i64) != Some(1) {
        return Vec::new();
    }
    let listed = value.get("tags").and_then(Value::as_array);
    listed.into_iter().flatten().filter_map(tag).take(MOST_TAGS).collect()
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

/// The hash of an idempotency key in a property.
pub fn key(value: &Value) -> Option<&str> {
    value.get("key").and_then(Value::as_str)
}

/// The property with these tags; whatever else `before` had stays.
pub fn with_tags(before: Option<&Value>, tags: &[CarriedTag], key: Option<&str>) -> Value {
    let mut fields = match before {
        Some(Value::Object(fields)) => fields.clone(),
        _ => Map::new(),
    };
    let tags: Vec<Value> =
        tags.iter().map(|tag| json!({ "id": tag.id.to_string(), "name": tag.name.expose() })).collect();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn junk_in_the_property_is_ignored() {
        for junk in [
            json!(null),
            json!("text"),
            json!({ "v": 2, "tags": [{ "id": "1", "name": "a" }] }),
            json!({ "v": 1, "tags": "no list" }),
            json!({ "v": 1, "tags": [{ "id": 7, "name": "number" }, { "id": "x", "name": "a" }, { "id": "-1", "name": "a" }] }),
            json!({ "v": 1, "tags": [{ "id": "1", "name": "" }, { "id": "1", "name": "x".repeat(101) }, { "id": "1", "name": "a\nb" }] }),
        ] {
            assert_eq!(tags(&junk), [], "{junk}");
        }
        let many: Vec<Value> = (1..40).map(|id| json!({ "id": id.to_string(), "name": "a" })).collect();
        assert_eq!(tags(&json!({ "v": 1, "tags": many })).len(), MOST_TAGS);
    }

    #[test]
    fn unknown_fields_survive_an_edit() {
        let before = json!({ "v": 1, "tags": [], "key": "k", "other": { "app": true } });
        let tag = CarriedTag { id: 5, name: Plain::new("review") };
        let after = with_tags(Some(&before), &[tag], None);
        assert_eq!(
            after,
            json!({ "v": 1, "tags": [{ "id": "5", "name": "review" }], "key": "k", "other": { "app": true } })
        );
    }
}
