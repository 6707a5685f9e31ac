//! The simulator against Jira's own OpenAPI document: what we send, and what it answers.

use crate::config::shared;
use crate::support::{ANA, APP_KEY, BEN, World};
use hourbook_simulator::state::Exchange;
use hourbook_simulator::tokens;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Uses every endpoint, through the app where it calls it.
async fn use_everything(world: &World) {
    world.site.record();
    assert_eq!(world.site.install(&world.url(), APP_KEY).await, 204);
    world.settle(&world.site).await;
    let ben = world.as_user(BEN);
    let body =
        json!({ "started": "2026-03-02T09:00:00Z", "duration": "1h", "comment": "canary", "tags": ["77"] });
    let id =
        ben.log_work(world.ids.issue, "conformance-1", &body).await.json["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/issues/{}/worklogs/{id}", world.ids.issue);
    assert_eq!(ben.put(&path, &json!({ "timeSpentSeconds": 60, "tags": [] })).await.status, 200);
    assert_eq!(ben.put(&path, &json!({ "tags": ["77"] })).await.status, 200);
    assert_eq!(ben.get(&format!("/api/v1/issues/{}/panel", world.ids.issue)).await.status, 200);
    let refused = ben.log_work(world.ids.issue, "conformance-2", &json!({ "started": "2026-03-02T09:00:00Z", "timeSpentSeconds": 60, "adjustEstimate": "new", "newEstimate": "x" })).await;
    assert_eq!(refused.status, 422);
    assert_eq!(ben.delete(&path).await.status, 204);
    assert_eq!(ben.delete(&path).await.status, 404);
    world.sync(&world.site, "incremental").await;
    as_app(world, "POST", "/rest/api/3/search/jql", Some(json!({ "jql": "project = CAN", "maxResults": 1 })))
        .await;
    as_app(world, "GET", "/rest/api/3/mypermissions?permissions=ADMINISTER,BROWSE_PROJECTS", None).await;
    as_app(world, "GET", &format!("/rest/api/3/user/bulk?accountId={ANA}"), None).await;
    as_app(world, "GET", "/rest/api/3/serverInfo", None).await;
    as_app(world, "GET", &format!("/rest/api/3/issue/{}/editmeta", world.ids.issue), None).await;
    let page =
        format!("/rest/api/3/issue/{}/worklog?expand=properties&startAt=0&maxResults=5000", world.ids.issue);
    as_app(world, "GET", &page, None).await;
    let timed = json!({ "jql": "timespent > 0 ORDER BY id", "fields": ["id"], "maxResults": 5000 });
    as_app(world, "POST", "/rest/api/3/search/jql", Some(timed)).await;
}

async fn as_app(world: &World, method: &str, target: &str, body: Option<Value>) {
    let now = world.cloud.clock.now_ms() / 1000;
    let secret = world.site.state().installation.clone().unwrap().secret;
    let claims = json!({ "iss": APP_KEY, "iat": now, "exp": now + 60, "qsh": hourbook_simulator::qsh::hash(method, target) });
    let mut request = world
        .http
        .request(method.parse().unwrap(), format!("{}{target}", world.site.base_url))
        .header("Authorization", format!("JWT {}", tokens::hs256(&claims, &secret)));
    if let Some(body) = body {
        request = request.json(&body);
    }
    assert_eq!(request.send().await.unwrap().status(), 200, "{target}");
}

struct Document(Value);

impl Document {
    /// The operation of an exchange: its path template and description.
    fn operation(&self, exchange: &Exchange) -> Option<(String, &Value)> {
        let parts: Vec<&str> = exchange.path.split('/').collect();
        let fits = |template: &str| {
            let wanted: Vec<&str> = template.split('/').collect();
            wanted.len() == parts.len()
                && wanted.iter().zip(&parts).all(|(wanted, part)| wanted.starts_with('{') || wanted == part)
        };
        let method = exchange.method.to_lowercase();
        let mut found: Vec<(&String, &Value)> = self.0["paths"]
            .as_object()?
            .iter()
            .filter(|(template, methods)| fits(template) && methods.get(&method).is_some())
            .collect();
        found.sort_by_key(|(template, _)| template.matches('{').count());
        found
            .first()
            .map(|(template, methods)| (format!("{} {template}", exchange.method), &methods[method.as_str()]))
    }

    fn errors(&self, schema: &Value, instance: &Value) -> Vec<String> {
        let whole = json!({ "allOf": [schema], "components": self.0["components"] });
        let validator = jsonschema::options()
            .with_draft(jsonschema::Draft::Draft7)
            .should_validate_formats(false)
            .build(&whole)
            .unwrap();
        validator
            .iter_errors(instance)
            .map(|error| format!("{}: {error}", error.instance_path))
            .take(3)
            .collect()
    }

    fn check(&self, exchange: &Exchange, problems: &mut Vec<String>) -> Option<String> {
        let Some((name, operation)) = self.operation(exchange) else {
            problems.push(format!("{} {} is no operation of Jira", exchange.method, exchange.path));
            return None;
        };
        let known: Vec<&str> = operation["parameters"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|parameter| parameter["in"] == "query")
            .filter_map(|parameter| parameter["name"].as_str())
            .collect();
        for pair in exchange.query.split('&').filter(|pair| !pair.is_empty()) {
            let parameter = pair.split('=').next().unwrap();
            if !known.contains(&parameter) {
                problems.push(format!("{name} has no parameter {parameter}"));
            }
        }
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        if let Some(request) = exchange.request.as_ref().filter(|_| schema.is_object()) {
            problems.extend(
                self.errors(schema, request).into_iter().map(|error| format!("{name} request: {error}")),
            );
        }
        let Some(response) = operation["responses"].get(exchange.status.to_string()) else {
            problems.push(format!("{name} never answers {}", exchange.status));
            return Some(name);
        };
        let schema = &response["content"]["application/json"]["schema"];
        if let Some(body) = exchange.response.as_ref().filter(|_| schema.is_object()) {
            problems.extend(
                self.errors(schema, body)
                    .into_iter()
                    .map(|error| format!("{name} {} response: {error}", exchange.status)),
            );
        }
        Some(name)
    }
}

#[tokio::test]
async fn requests_and_answers_fit_jiras_openapi_document() {
    let Some(document) = shared("jira-openapi.json").map(Document) else { return };
    let world = World::start().await;
    use_everything(&world).await;
    let exchanges = world.site.state().exchanges.take().unwrap();
    let (mut problems, mut seen) = (Vec::new(), BTreeSet::new());
    let mut checked = BTreeSet::new();
    for exchange in &exchanges {
        // Connect's own resources are not in Jira's document.
        if exchange.path.starts_with("/rest/atlassian-connect/") {
            continue;
        }
        // One of each kind is enough: validating is slow.
        let kind = (
            exchange.method.clone(),
            exchange.path.clone(),
            exchange.query.split('=').next().map(str::to_owned),
            exchange.status,
        );
        if checked.insert(kind) {
            seen.extend(document.check(exchange, &mut problems));
        }
    }
    assert!(problems.is_empty(), "{problems:#?}");
    assert!(seen.len() >= 15, "{seen:#?}");
    world.end().await;
}
