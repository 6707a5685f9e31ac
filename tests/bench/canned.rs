//! A Jira that answers from memory: what the transfer of its pages takes is the limit of a full sync.

use actix_web::web::{self, Bytes, Data};
use actix_web::{App, HttpResponse, HttpServer};
use serde::Deserialize;
use serde_json::{Value, json};
use std::net::TcpListener;
use std::sync::Arc;

pub const PAGE: usize = 1000;
const BASE: i64 = 1_700_000_000_000;

pub struct Canned {
    pub url: String,
    pub worklogs: usize,
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
            feed: (0..pages).map(|page| feed(page, pages)).collect(),
            lists: (0..pages).map(list).collect(),
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

fn list(page: usize) -> Bytes {
    let worklogs: Vec<Value> = (page * PAGE..(page + 1) * PAGE)
        .map(|at| {
            let instant = hourbook::jira::time::format(time(at));
            let user = json!({ "self": "https://acme.atlassian.net/rest/api/3/user?accountId=5b10a2844c20165700ede21g",
                "accountId": format!("5b10a2844c20165700e{:05}", at % 200), "accountType": "atlassian", "active": true,
                "displayName": "Somebody Else", "timeZone": "Europe/Berlin", "avatarUrls": avatars() });
            json!({ "self": format!("https://acme.atlassian.net/rest/api/3/issue/{}/worklog/{}", at % 5000 + 1, id(at)),
                "id": id(at).to_string(), "issueId": (at % 5000 + 1).to_string(), "author": user, "updateAuthor": user,
                "comment": { "type": "doc", "version": 1, "content": [{ "type": "paragraph", "content": [
                    { "type": "text", "text": "reviewed the plan and wrote down what is still to be done" }] }] },
                "created": instant, "updated": instant, "started": instant, "timeSpent": "1h", "timeSpentSeconds": 3600, "properties": [] })
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

async fn issues() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "issues": [], "issueErrors": [] }))
}
