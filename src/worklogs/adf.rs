//! Comments: Atlassian Document Format and plain text (<https://developer.atlassian.com/cloud/jira/platform/apis/document/structure/>).

use serde_json::{Value, json};

/// Deepest nesting that is read; Jira's own editor stays far below.
const DEEPEST: usize = 64;

/// A document that says `text`: a paragraph per block of lines, a break per line.
pub fn from_text(text: &str) -> Value {
    let paragraphs: Vec<Value> = text
        .replace("\r\n", "\n")
        .split("\n\n")
        .map(|block| {
            let mut content = Vec::new();
            for (at, line) in block.split('\n').enumerate() {
                if at > 0 {
                    content.push(json!({ "type": "hardBreak" }));
                }
                if !line.is_empty() {
                    content.push(json!({ "type": "text", "text": line }));
                }
            }
            json!({ "type": "paragraph", "content": content })
        })
        .collect();
    json!({ "type": "doc", "version": 1, "content": paragraphs })
}

/// A document that says nothing: how a comment is cleared.
pub fn empty() -> Value {
    json!({ "type": "doc", "version": 1, "content": [] })
}

/// Whether a value can be a document.
pub fn is_document(value: &Value) -> bool {
    value.get("type").and_then(Value::as_str) == Some("doc")
        && value.get("version").and_then(Value::as_i64) == Some(1)
        && value.get("content").is_some_and(Value::is_array)
        && depth(value, 0) <= DEEPEST
}

/// Whether a document has more to it than paragraphs of plain text, which text could not give back.
pub fn is_rich(document: &Value) -> bool {
    let plain = match document.get("type").and_then(Value::as_str) {
        Some("doc" | "paragraph" | "hardBreak") => true,
        Some("text") => document.get("marks").and_then(Value::as_array).is_none_or(Vec::is_empty),
        _ => document.is_string(),
    };
    !plain || document.get("content").and_then(Value::as_array).into_iter().flatten().any(is_rich)
}

fn depth(value: &Value, at: usize) -> usize {
    if at > DEEPEST {
        return at;
    }
    match value {
        Value::Array(items) => items.iter().map(|item| depth(item, at + 1)).max().unwrap_or(at),
        Value::Object(fields) => fields.values().map(|field| depth(field, at + 1)).max().unwrap_or(at),
        _ => at,
    }
}

/// What a comment says, without its form. Takes a document, or a string as older events carry it.
pub fn to_text(comment: &Value) -> String {
    let mut out = String::new();
    match comment {
        Value::String(text) => out.push_str(text),
        _ if comment.get("type").and_then(Value::as_str) == Some("doc") => write_blocks(comment, &mut out),
        _ => write_node(comment, &mut out, 0),
    }
    out.trim_end_matches('\n').to_owned()
}

/// The blocks of a document with an empty line between them, as [`from_text`] reads them.
fn write_blocks(document: &Value, out: &mut String) {
    let blocks = document.get("content").and_then(Value::as_array).into_iter().flatten();
    for (at, block) in blocks.enumerate() {
        if at > 0 {
            out.push_str("\n\n");
        }
        let before = out.len();
        write_node(block, out, 1);
        // The one that ends the block.
        if out.len() > before && out.ends_with('\n') {
            out.pop();
        }
    }
}

fn write_node(node: &Value, out: &mut String, at: usize) {
    if at > DEEPEST {
        return;
    }
    let attr = |name: &str| node.get("attrs").and_then(|attrs| attrs.get(name)).and_then(Value::as_str);
    match node.get("type").and_then(Value::as_str).unwrap_or_default() {
        "text" => out.push_str(node.get("text").and_then(Value::as_str).unwrap_or_default()),
        "hardBreak" => out.push('\n'),
        "mention" | "emoji" | "status" => {
            out.push_str(attr("text").or(attr("shortName")).unwrap_or_default())
        }
        "inlineCard" | "blockCard" | "embedCard" => out.push_str(attr("url").unwrap_or_default()),
        "rule" => out.push_str("---\n"),
        kind => {
            if kind == "listItem" {
                out.push_str("- ");
            }
            for child in node.get("content").and_then(Value::as_array).into_iter().flatten() {
                write_node(child, out, at + 1);
            }
            end_block(kind, out);
        }
    }
}

fn end_block(kind: &str, out: &mut String) {
    match kind {
        "paragraph" | "heading" | "codeBlock" => out.push('\n'),
        "tableCell" | "tableHeader" => {
            while out.ends_with('\n') {
                out.pop();
            }
            out.push('\t');
        }
        "tableRow" => out.push('\n'),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_comes_back_as_it_went_in() {
        for text in ["review", "two\nlines", "two\n\nblocks", "odd\n\n\nspaces", "Grüße 宮崎 🎉", ""] {
            let document = from_text(text);
            assert!(is_document(&document));
            assert_eq!(to_text(&document), text);
        }
        assert_eq!(to_text(&from_text("a\r\nb\n\nc\n")), "a\nb\n\nc");
    }

    #[test]
    fn rich_documents_read_as_text() {
        let rich = json!({ "type": "doc", "version": 1, "content": [
            { "type": "heading", "attrs": { "level": 2 }, "content": [{ "type": "text", "text": "Plan" }] },
            { "type": "bulletList", "content": [
                { "type": "listItem", "content": [{ "type": "paragraph", "content": [
                    { "type": "mention", "attrs": { "id": "1", "text": "@Ana" } },
                    { "type": "text", "text": " checks", "marks": [{ "type": "strong" }] } ] }] },
                { "type": "listItem", "content": [{ "type": "paragraph", "content": [
                    { "type": "inlineCard", "attrs": { "url": "https://example.com" } } ] }] } ] },
            { "type": "somethingNew", "content": [{ "type": "text", "text": "kept" }] } ] });
        assert_eq!(to_text(&rich), "Plan\n\n- @Ana checks\n- https://example.com\n\nkept");
        assert_eq!(to_text(&json!("wiki *text*")), "wiki *text*");
        assert!(is_rich(&rich) && is_rich(&rich["content"][0]));
        let bold = json!({ "type": "doc", "version": 1, "content": [{ "type": "paragraph", "content": [
            { "type": "text", "text": "so", "marks": [{ "type": "strong" }] }] }] });
        assert!(is_rich(&bold));
        assert!(
            !is_rich(&from_text("two\nlines\n\nblocks")) && !is_rich(&empty()) && !is_rich(&json!("text"))
        );
    }

    #[test]
    fn what_is_no_document_is_refused() {
        let mut deep = json!([]);
        for _ in 0..200 {
            deep = json!([deep]);
        }
        for bad in [
            json!("x"),
            json!({ "type": "doc", "version": 2, "content": [] }),
            json!({ "type": "paragraph" }),
            json!({ "type": "doc", "version": 1, "content": deep }),
        ] {
            assert!(!is_document(&bad));
        }
    }
}
