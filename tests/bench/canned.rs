//! A Jira that answers from memory: what the transfer of its pages takes is the limit of a full sync.

use actix_web::web::{self, Bytes, Data};
use actix_web::{App, HttpResponse, HttpServer};
use serde::Deserialize;
use serde_json::{Value, json};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

pub const PAGE: usize = 1000;
const BASE: i64 = 1_700_000_000_000;
/// The work is spread over the three years before.
const YEARS_MS: i64 = 3 * 365 * 86_400_000;
pub const PEOPLE: usize = 1000;
pub const ISSUES: usize = 20_000;

pub struct Canned {
    pub url: String,
    pub worklogs: usize,
    /// Calls for reports, and what they returned altogether.
    pub asked: AtomicUsize,
    pub returned: AtomicUsize,
    feed: Vec<Bytes>,
    lists: Vec<Bytes>,
}

#[derive(Deserialize)]
struct Since {
    since: i64,
}

impl Canned {
    /// Pages of a feed, a second between two worklogs, and the worklogs of each page.
    pub fn start(worklogs: usize) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let pages = worklogs / PAGE;
        let canned = Arc::new(Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            worklogs,
            asked: AtomicUsize::new(0),
            returned: AtomicUsize::new(0),
            feed: (0..pages).map(|page| feed(page, pages)).collect(),
            lists: (0..pages).map(|page| list(page, worklogs)).collect(),
        });
        let data = Data::from(Arc::clone(&canned));
        let server = HttpServer::new(move || {
            App::new()
                .app_data(data.clone())
                .app_data(web::PayloadConfig::new(1 << 20))
                .route("/rest/api/3/worklog/updated", web::get().to(updated))
                .route("/rest/api/3/worklog/deleted", web::get().to(deleted))
                .route("/rest/api/3/worklog/list", web::post().to(read))
                .route("/rest/api/3/issue/bulkfetch", web::post().to(issues))
                .route("/rest/api/3/permissions/check", web::post().to(permissions))
                .route("/rest/api/3/user/bulk", web::get().to(people))
        })
        .workers(1)
        .disable_signals()
        .listen(listener)
        .unwrap()
        .run();
        tokio::spawn(server);
        canned
    }
}

fn id(at: usize) -> i64 {
    i64::try_from(at).unwrap() + 1
}

fn time(at: usize) -> i64 {
    BASE + i64::try_from(at).unwrap() * 1000
}

fn feed(page: usize, pages: usize) -> Bytes {
    let values: Vec<Value> = (page * PAGE..(page + 1) * PAGE)
        .map(|at| json!({ "worklogId": id(at), "updatedTime": time(at), "properties": [] }))
        .collect();
    json!({ "since": time(page * PAGE), "until": time((page + 1) * PAGE - 1), "lastPage": page + 1 == pages, "values": values }).to_string().into()
}

/// Four addresses in every user, as Jira sends them.
fn avatars() -> Value {
    let url = |size: &str| {
        format!(
            "https://avatar-management--avatars.us-west-2.prod.public.atl-paas.net/5b10a2844c20165700ede21g/a0b1c2d3-e4f5/{size}"
        )
    };
    json!({ "48x48": url("48"), "24x24": url("24"), "16x16": url("16"), "32x32": url("32") })
}

fn list(page: usize, all: usize) -> Bytes {
    let worklogs: Vec<Value> = (page * PAGE..(page + 1) * PAGE)
        .map(|at| {
            let instant = hourbook::jira::time::format(time(at));
            let before = YEARS_MS / i64::try_from(all).unwrap() * i64::try_from(all - at).unwrap();
            let started = hourbook::jira::time::format(BASE - before);
            let user = json!({ "self": "https://acme.atlassian.net/rest/api/3/user?accountId=5b10a2844c20165700ede21g",
                "accountId": format!("5b10a2844c20165700e{:05}", at * 7 % PEOPLE), "accountType": "atlassian", "active": true,
                "displayName": "Somebody Else", "timeZone": "Europe/Berlin", "avatarUrls": avatars() });
            json!({ "self": format!("https://acme.atlassian.net/rest/api/3/issue/{}/worklog/{}", issue(at), id(at)),
                "id": id(at).to_string(), "issueId": issue(at).to_string(), "author": user, "updateAuthor": user,
                "comment": { "type": "doc", "version": 1, "content": [{ "type": "paragraph", "content": [
                    { "type": "text", "text": "reviewed the plan and wrote down what is still to be done" }] }] },
                "created": instant, "updated": instant, "started": started, "timeSpent": "1h", "timeSpentSeconds": 3600, "properties": [] })
        })
        .collect();
    Value::Array(worklogs).to_string().into()
}

async fn updated(canned: Data<Canned>, since: web::Query<Since>) -> HttpResponse {
    // Asked from a millisecond before the last page's end, as the next page is.
    let at = usize::try_from((since.since + 1 - BASE).max(0) / 1000).unwrap();
    let page = at.div_ceil(PAGE);
    match canned.feed.get(page) {
        Some(page) => HttpResponse::Ok().content_type("application/json").body(page.clone()),
        None => deleted().await,
    }
}

async fn deleted() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "since": 0, "until": 0, "lastPage": true, "values": [] }))
}

async fn read(canned: Data<Canned>, body: Bytes) -> HttpResponse {
    #[derive(Deserialize)]
    struct Ids {
        ids: Vec<i64>,
    }
    let ids: Ids = serde_json::from_slice(&body).unwrap();
    let page = usize::try_from(ids.ids[0] - 1).unwrap() / PAGE;
    HttpResponse::Ok().content_type("application/json").body(canned.lists[page].clone())
}

fn issue(at: usize) -> usize {
    at * 7919 % ISSUES + 1
}

/// Facts of all that are asked for; the sync asks for their projects alone.
async fn issues(canned: Data<Canned>, body: web::Json<Value>) -> HttpResponse {
    if body["fields"].as_array().is_none_or(|fields| fields.len() == 1) {
        return HttpResponse::Ok().json(json!({ "issues": [], "issueErrors": [] }));
    }
    let named = |id: u64, name: &str| json!({ "id": id.to_string(), "name": name });
    let ids = body["issueIdsOrKeys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|id| id.as_str().unwrap().parse::<u64>().unwrap());
    let issues: Vec<Value> = ids
        .map(|id| {
            let project = json!({ "id": (id % 40).to_string(), "key": format!("P{}", id % 40), "name": format!("Project {}", id % 40) });
            json!({ "id": id.to_string(), "key": format!("P{}-{id}", id % 40), "fields": { "summary": format!("Something that has to be done, number {id}"),
                "project": project, "issuetype": named(id % 3, "Task"), "status": named(id % 4, "Done"),
                "components": if id % 5 == 0 { vec![named(1, "api")] } else { Vec::new() }, "fixVersions": [], "labels": [] } })
        })
        .collect();
    canned.count(issues.len());
    HttpResponse::Ok().json(json!({ "issues": issues, "issueErrors": [] }))
}

/// Everybody may browse everything and administers the site.
async fn permissions(canned: Data<Canned>, body: web::Json<Value>) -> HttpResponse {
    let issues = body["projectPermissions"][0]["issues"].as_array().cloned().unwrap_or_default();
    canned.count(issues.len());
    HttpResponse::Ok().json(json!({ "globalPermissions": ["ADMINISTER"],
        "projectPermissions": [{ "permission": "BROWSE_PROJECTS", "issues": issues, "projects": [] }] }))
}

async fn people(canned: Data<Canned>, query: web::Query<Vec<(String, String)>>) -> HttpResponse {
    let accounts = query.iter().filter(|(name, _)| name == "accountId");
    let values: Vec<Value> = accounts
        .map(|(_, id)| json!({ "accountId": id, "displayName": format!("Person {id}"), "active": true, "timeZone": "Europe/Berlin" }))
        .collect();
    canned.count(values.len());
    HttpResponse::Ok().json(json!({ "values": values, "isLast": true }))
}

impl Canned {
    fn count(&self, returned: usize) {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.returned.fetch_add(returned, Ordering::Relaxed);
    }
}
