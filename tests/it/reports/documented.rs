//! What README and OpenAPI show works as it stands there.

use crate::support::{ANA, World};
use serde_json::{Value, json};

const README: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md"));

/// JSON that the section on reports shows.
fn shown() -> Vec<Value> {
    let section = README.split("### Reports").nth(1).expect("a section on reports");
    let section = section.split("\n## ").next().unwrap();
    section
        .split("```json\n")
        .skip(1)
        .map(|rest| serde_json::from_str(rest.split("```").next().unwrap()).expect("JSON"))
        .collect()
}

#[tokio::test]
async fn the_readmes_questions_are_answered() {
    let world = World::installed().await;
    let shown = shown();
    assert!(shown.len() >= 4, "{shown:?}");
    for body in shown {
        let path = if body.get("format").is_some() {
            "/api/v1/reports/export"
        } else if body.get("title").is_some() {
            "/api/v1/reports"
        } else {
            "/api/v1/reports/query"
        };
        let reply = world.as_user(ANA).post(path, &body).await;
        assert!(matches!(reply.status, 200 | 201), "{body} {}", reply.text);
    }
    world.end().await;
}

#[tokio::test]
async fn the_documents_examples_are_answered() {
    let world = World::installed().await;
    let document = world.as_user(ANA).get("/api/openapi.json").await.json;
    let mut tried = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        if path.contains('{') || !(path.starts_with("/api/v1/reports") || path.starts_with("/api/v1/exports"))
        {
            continue;
        }
        let Some(body) = methods["post"]["requestBody"]["content"].get("application/json") else { continue };
        let example = &body["example"];
        assert!(example.is_object(), "{path} shows no example");
        let reply = world.as_user(ANA).post(path, example).await;
        assert!(matches!(reply.status, 200..=202), "{path} {}", reply.text);
        tried += 1;
    }
    assert!(tried >= 6, "{tried}");
    for export in world.as_user(ANA).get("/api/v1/exports").await.json.as_array().unwrap() {
        crate::support::eventually("the export ends", || async {
            let one = world
                .as_user(ANA)
                .get(&format!("/api/v1/exports/{}", export["id"].as_str().unwrap()))
                .await
                .json;
            if one["state"] == json!("done") { Ok(()) } else { Err(one.to_string()) }
        })
        .await;
    }
    world.end().await;
}
