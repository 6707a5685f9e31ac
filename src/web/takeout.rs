//! Everything that is kept of a site, as one file for its admin: JSON Lines, one thing a line.

use super::extract::{ContextCaller, Shared};
use super::me::ActView;
use super::saved::SavedView;
use super::settings;
use super::tags::TagView;
use super::worklogs::WorklogView;
use crate::app::App;
use crate::auth::Caller;
use crate::error::{AppError, AppResult, Problem};
use crate::jira::site::Acting;
use crate::jira::time;
use crate::reports::saved;
use crate::tags;
use crate::worklogs::list as lists;
use actix_web::HttpResponse;
use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use bytes::Bytes;
use futures_util::{Stream, stream};
use hourbook_store::tenant::audit;
use serde::Serialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// Worklogs of one step.
const STEP: usize = 1000;

/// Everything that is kept, as far as Jira shows it to the admin who asks: tags, settings, saved reports, acts,
/// worklogs. The last line counts what was withheld; a file without it broke off.
///
/// # Errors
/// 403 for others than Jira admins. If Jira cannot be asked in between, the file breaks off.
#[utoipa::path(get, path = "/api/v1/privacy/export", responses((status = 200, description = "JSON Lines", body = String), (status = 403, body = Problem)))]
pub async fn export(app: Shared, caller: ContextCaller) -> AppResult<HttpResponse> {
    let db = app.db(&caller.0.tenant).await?;
    let (account, now) = (caller.0.account_id.clone(), app.clock.now_ms());
    db.write(move |db| audit::record(db, Some(&account), "privacy.export", None, now)).await?;
    let name = format!("hourbook-everything-{}.jsonl", &time::rfc3339(app.clock.now_ms())[..10]);
    // A file comes straight from here, on Forge without the token that restricted worklogs are asked for with: they are
    // withheld then, and counted.
    let caller = match caller.0.acting {
        Acting::Unable => Caller { acting: Acting::Withheld, ..caller.0 },
        _ => caller.0,
    };
    let pieces = pieces(app.into_inner(), caller);
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "application/x-ndjson"))
        .insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")))
        .streaming(pieces))
}

/// How far the file is.
enum At {
    Begin,
    /// Behind this start and id.
    Worklogs(Option<(i64, i64)>),
    End,
}

struct Making {
    app: Arc<App>,
    caller: Caller,
    at: At,
    worklogs: usize,
    withheld: usize,
}

fn pieces(app: Arc<App>, caller: Caller) -> impl Stream<Item = AppResult<Bytes>> {
    let making = Making { app, caller, at: At::Begin, worklogs: 0, withheld: 0 };
    stream::try_unfold(making, async |mut making| {
        let Some(text) = making.step().await? else { return Ok(None) };
        Ok(Some((Bytes::from(text), making)))
    })
}

/// A line: what it is, and the thing itself.
fn line(kind: &str, of: impl Serialize) -> AppResult<String> {
    let mut value = serde_json::to_value(of).map_err(|error| AppError::internal(&error))?;
    if let Value::Object(fields) = &mut value {
        fields.insert("kind".into(), kind.into());
    }
    Ok(format!("{value}\n"))
}

impl Making {
    async fn step(&mut self) -> AppResult<Option<String>> {
        match self.at {
            At::Begin => {
                self.at = At::Worklogs(None);
                self.beginning().await.map(Some)
            }
            At::Worklogs(after) => {
                let step = lists::everything(&self.app, &self.caller, after, STEP).await?;
                self.worklogs += step.items.len();
                self.withheld += step.withheld;
                self.at = step.next.map_or(At::End, |next| At::Worklogs(Some(next)));
                let lines =
                    step.items.into_iter().map(|visible| line("worklog", WorklogView::whole(visible)));
                let mut text = lines.collect::<AppResult<String>>()?;
                if matches!(self.at, At::End) {
                    let end = json!({ "worklogs": self.worklogs, "withheld": self.withheld });
                    text += &line("end", end)?;
                }
                Ok(Some(text))
            }
            At::End => Ok(None),
        }
    }

    async fn beginning(&self) -> AppResult<String> {
        let (app, caller) = (&self.app, &self.caller);
        let db = app.db(&caller.tenant).await?;
        let mut text = line(
            "site",
            json!({
                "url": caller.tenant.site.base_url.as_str(), "exportedAt": time::rfc3339(app.clock.now_ms()),
                "exportedBy": caller.account_id,
            }),
        )?;
        text += &line("settings", db.read(settings::read).await?)?;
        for tag in tags::all(&db).await? {
            text += &line("tag", TagView::from(tag))?;
        }
        for report in saved::list(app, caller).await? {
            text += &line("report", SavedView::from(report))?;
        }
        for act in db.read(|db| audit::latest(db, i64::MAX, i64::MAX)).await? {
            text += &line("act", ActView::from(act))?;
        }
        Ok(text)
    }
}
