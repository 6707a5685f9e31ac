//! Worklogs: lists, the panel of an issue, and writing. JSON keeps Jira's names.

use super::extract::{ContextCaller, Language, Shared};
use super::me::{self, LicenceView};
use super::params;
use super::tags::TagView;
use crate::auth::Caller;
use crate::auth::permission::Visible;
use crate::error::{AppError, AppResult, Problem};
use crate::jira::configuration::TimeTracking;
use crate::jira::time;
use crate::worklogs::create::{self, NewWorklog};
use crate::worklogs::edit::{Change, Edited};
use crate::worklogs::input::{self, Fields};
use crate::worklogs::{adf, delete as deletion, edit as change, list as lists, site_time};
use crate::{tags, worklogs};
use actix_web::{HttpRequest, HttpResponse, web};
use hourbook_store::tenant::worklogs::{Filter, Visibility, Worklog};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

/// Worklogs that the panel shows at first.
const PANEL: usize = 50;
/// Characters of an idempotency key.
const KEY: std::ops::RangeInclusive<usize> = 1..=255;

/// A worklog.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorklogView {
    /// Jira's worklog id.
    id: String,
    /// Jira's issue id; null for one's own worklog on an issue that one may not browse.
    issue_id: Option<String>,
    /// The author; null where Jira names nobody any more.
    account_id: Option<String>,
    /// RFC 3339, UTC.
    started: String,
    /// RFC 3339, UTC.
    created: String,
    /// RFC 3339, UTC.
    updated: String,
    /// Time spent, seconds.
    time_spent_seconds: i64,
    /// The comment as plain text.
    comment: Option<String>,
    /// The comment as an Atlassian document: where one worklog is asked for, and in the panel if text does not say all
    /// of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    comment_adf: Option<Value>,
    /// Ids of its tags.
    tags: Vec<String>,
    /// Whether only some of those who see the issue may see it.
    restricted: bool,
}

impl WorklogView {
    fn new(worklog: Worklog, issue_visible: bool) -> Self {
        let comment =
            worklog.comment.as_ref().and_then(|text| serde_json::from_str::<Value>(text.expose()).ok());
        Self {
            id: worklog.id.to_string(),
            issue_id: issue_visible.then(|| worklog.issue_id.to_string()),
            account_id: Some(worklog.account_id).filter(|id| !id.is_empty()),
            started: time::rfc3339(worklog.started),
            created: time::rfc3339(worklog.created),
            updated: time::rfc3339(worklog.updated),
            time_spent_seconds: worklog.seconds,
            comment: comment.as_ref().map(adf::to_text),
            comment_adf: comment.map(|comment| match comment {
                Value::String(text) => adf::from_text(&text),
                document => document,
            }),
            tags: worklog.tags.iter().map(i64::to_string).collect(),
            restricted: worklog.visibility != Visibility::Everyone,
        }
    }

    fn listed(visible: Visible) -> Self {
        Self { comment_adf: None, ..Self::whole(visible) }
    }

    /// All of it.
    pub(super) fn whole(visible: Visible) -> Self {
        Self::new(visible.worklog, visible.issue_visible)
    }

    /// With the comment as a document where text does not say all of it.
    fn in_panel(visible: Visible) -> Self {
        let view = Self::whole(visible);
        Self { comment_adf: view.comment_adf.filter(adf::is_rich), ..view }
    }
}

/// A page of worklogs.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorklogList {
    items: Vec<WorklogView>,
    /// Null at the end.
    next_cursor: Option<String>,
}

impl From<lists::Page> for WorklogList {
    fn from(page: lists::Page) -> Self {
        Self {
            items: page.items.into_iter().map(WorklogView::listed).collect(),
            next_cursor: page.next.map(params::cursor),
        }
    }
}

/// Which worklogs to list.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    /// A day or an instant; inclusive.
    from: Option<String>,
    /// A day or an instant; exclusive.
    to: Option<String>,
    /// Jira's issue id.
    issue: Option<String>,
    /// The author.
    account: Option<String>,
    /// A tag's id.
    tag: Option<String>,
    /// IANA zone of the days; UTC if absent.
    zone: Option<String>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
    /// 1 to 1000, default 100.
    limit: Option<String>,
}

/// Worklogs across issues, by start. Without the report right, one's own.
///
/// # Errors
/// 400 for a parameter; 503 if Jira cannot be asked.
#[utoipa::path(get, path = "/api/v1/worklogs", params(ListQuery), responses((status = 200, body = WorklogList), (status = 400, body = Problem)))]
pub async fn list(
    app: Shared,
    caller: ContextCaller,
    query: web::Query<ListQuery>,
) -> AppResult<web::Json<WorklogList>> {
    let zone = params::zone(query.zone.as_deref())?;
    let instant = |name: &str, text: &Option<String>| {
        text.as_deref().map(|text| params::instant(name, text, zone)).transpose()
    };
    let id =
        |name: &str, text: &Option<String>| text.as_deref().map(|text| params::id(name, text)).transpose();
    let filter = Filter {
        from: instant("from", &query.from)?,
        to: instant("to", &query.to)?,
        issue_id: id("issue", &query.issue)?,
        account_id: query.account.clone(),
        tag_id: id("tag", &query.tag)?,
        after: query.cursor.as_deref().map(params::position).transpose()?,
        newest_first: false,
    };
    let limit = params::limit(query.limit.as_deref())?;
    let page = lists::across_issues(&app, &caller.0, filter, limit).await?;
    Ok(web::Json(page.into()))
}

/// Position in a list.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct PageQuery {
    /// Which start comes first: `oldest` (the default) or `newest`.
    order: Option<String>,
    /// `nextCursor` of the page before, in the same order.
    cursor: Option<String>,
    /// 1 to 1000, default 100.
    limit: Option<String>,
}

/// The worklogs of an issue, by start.
///
/// # Errors
/// 404 for an issue that the caller may not browse.
#[utoipa::path(get, path = "/api/v1/issues/{issueId}/worklogs", params(("issueId" = String, Path), PageQuery), responses((status = 200, body = WorklogList), (status = 404, body = Problem)))]
pub async fn of_issue(
    app: Shared,
    caller: ContextCaller,
    path: web::Path<String>,
    query: web::Query<PageQuery>,
) -> AppResult<web::Json<WorklogList>> {
    let issue_id = params::id("issueId", &path)?;
    let after = query.cursor.as_deref().map(params::position).transpose()?;
    let limit = params::limit(query.limit.as_deref())?;
    let newest_first = match query.order.as_deref() {
        None | Some("oldest") => false,
        Some("newest") => true,
        Some(_) => return Err(AppError::invalid("order", "order_invalid", "order is oldest or newest.")),
    };
    Ok(web::Json(lists::of_issue(&app, &caller.0, issue_id, after, newest_first, limit).await?.into()))
}

/// One worklog, with its comment as a document.
///
/// # Errors
/// 404 if it is not there or not to be seen.
#[utoipa::path(get, path = "/api/v1/issues/{issueId}/worklogs/{worklogId}", params(("issueId" = String, Path), ("worklogId" = String, Path)), responses((status = 200, body = WorklogView), (status = 404, body = Problem)))]
pub async fn one(
    app: Shared,
    caller: ContextCaller,
    path: web::Path<(String, String)>,
) -> AppResult<web::Json<WorklogView>> {
    let (issue_id, id) = ids(&path)?;
    let visible = lists::one(&app, &caller.0, issue_id, id).await?;
    Ok(web::Json(WorklogView::whole(visible)))
}

fn ids(path: &(String, String)) -> AppResult<(i64, i64)> {
    Ok((params::id("issueId", &path.0)?, params::id("worklogId", &path.1)?))
}

/// Everything that the panel of an issue shows.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PanelView {
    /// The newest first; those before them come with `order=newest`.
    worklogs: WorklogList,
    tags: Vec<TagView>,
    /// Whether the caller may add tags.
    may_create_tags: bool,
    /// When the caller's last work of the last day and a half ended, whatever the issue: where the next may begin.
    last_end: Option<String>,
    settings: PanelSettings,
    /// The licence, if it has expired: then nothing can be logged.
    #[serde(skip_serializing_if = "Option::is_none")]
    licence: Option<LicenceView>,
}

/// How the site counts time.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PanelSettings {
    working_hours_per_day: f64,
    working_days_per_week: f64,
    default_unit: String,
    time_tracking_enabled: bool,
}

impl From<TimeTracking> for PanelSettings {
    fn from(site: TimeTracking) -> Self {
        Self {
            working_hours_per_day: site.working_hours_per_day,
            working_days_per_week: site.working_days_per_week,
            default_unit: site.default_unit,
            time_tracking_enabled: site.enabled,
        }
    }
}

/// The panel of an issue in one answer.
///
/// # Errors
/// 404 for an issue that the caller may not browse.
#[utoipa::path(get, path = "/api/v1/issues/{issueId}/panel", params(("issueId" = String, Path)), responses((status = 200, body = PanelView), (status = 404, body = Problem)))]
pub async fn panel(
    app: Shared,
    caller: ContextCaller,
    path: web::Path<String>,
) -> AppResult<web::Json<PanelView>> {
    let issue_id = params::id("issueId", &path)?;
    let page = lists::of_issue(&app, &caller.0, issue_id, None, true, PANEL).await?;
    let db = app.db(&caller.0.tenant).await?;
    let tags = tags::all(&db).await?;
    let may_create_tags = tags::may_create(&app, &caller.0).await?;
    let last_end = lists::last_end(&app, &caller.0).await?;
    let settings = site_time::get(&app, &caller.0.tenant).await?;
    let next_cursor = page.next.map(params::cursor);
    let items = page.items.into_iter().map(WorklogView::in_panel).collect();
    Ok(web::Json(PanelView {
        worklogs: WorklogList { items, next_cursor },
        tags: tags.into_iter().map(TagView::from).collect(),
        may_create_tags,
        last_end: last_end.map(time::rfc3339),
        settings: settings.into(),
        licence: me::licence_for(&app, &caller, false).await?,
    }))
}

/// A worklog to write; on an edit, what is absent stays.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorklogInput {
    /// An instant with its zone.
    started: Option<String>,
    /// Time spent, seconds; or send `duration`.
    time_spent_seconds: Option<i64>,
    /// Time spent as typed, such as `1h 30m`.
    duration: Option<String>,
    /// The comment as plain text; empty clears it.
    comment: Option<String>,
    /// The comment as an Atlassian document; or send `comment`.
    comment_adf: Option<Value>,
    /// Ids of tags, at most 20.
    tags: Option<Vec<String>>,
    /// `auto`, `new`, `leave` or `manual`.
    adjust_estimate: Option<String>,
    /// With `new`: the remaining estimate, such as `2d`.
    new_estimate: Option<String>,
    /// With `manual`, on create: by how much the remaining estimate is reduced.
    reduce_by: Option<String>,
    /// On an edit: `updated` as it was seen. If Jira has a newer version, nothing is changed and both are returned.
    if_updated: Option<String>,
}

async fn fields(app: &Shared, caller: &Caller, body: WorklogInput, language: &Language) -> AppResult<Fields> {
    let site = match body.duration {
        Some(_) => site_time::get(app, &caller.tenant).await?,
        None => TimeTracking::default(),
    };
    Ok(Fields {
        started: body.started.as_deref().map(input::started).transpose()?,
        seconds: input::seconds(body.time_spent_seconds, body.duration.as_deref(), &site, &language.0)?,
        comment: input::comment(body.comment.as_deref(), body.comment_adf)?,
        tags: input::tags(body.tags.as_deref())?,
        estimate: input::estimate(
            body.adjust_estimate.as_deref(),
            body.new_estimate.as_deref(),
            body.reduce_by.as_deref().map(|by| ("reduceBy", by)),
        )?,
    })
}

fn missing(field: &str, how: &str) -> AppError {
    AppError::invalid(field, "field_missing", format!("{field} is missing: {how}."))
}

/// Logs work as the caller, in Jira and then here.
///
/// # Errors
/// 400 for the input, Jira's own refusal otherwise; 504 `outcome_unknown` if Jira did not say.
#[utoipa::path(post, path = "/api/v1/issues/{issueId}/worklogs", params(("issueId" = String, Path), ("Idempotency-Key" = String, Header, description = "1 to 255 characters, new for each new worklog")), request_body = WorklogInput, responses((status = 201, body = WorklogView), (status = 200, body = WorklogView, description = "Written before with the same key"), (status = 400, body = Problem), (status = 402, body = Problem), (status = 422, body = Problem), (status = 504, body = Problem)))]
pub async fn create(
    app: Shared,
    caller: ContextCaller,
    path: web::Path<String>,
    request: HttpRequest,
    language: Language,
    body: web::Json<WorklogInput>,
) -> AppResult<HttpResponse> {
    let issue_id = params::id("issueId", &path)?;
    let key = idempotency_key(&request)?;
    let fields = fields(&app, &caller.0, body.into_inner(), &language).await?;
    let new = NewWorklog {
        issue_id,
        key,
        started: fields
            .started
            .ok_or_else(|| missing("started", "an instant such as 2026-03-02T09:00:00+01:00"))?,
        seconds: fields
            .seconds
            .ok_or_else(|| missing("timeSpentSeconds", "send it, or duration such as 1h 30m"))?,
        fields,
    };
    let created = to_the_end(async move { create::create(&app, &caller.0, new).await }).await?;
    let view = WorklogView::new(created.worklog, true);
    Ok(if created.replayed { HttpResponse::Ok().json(view) } else { HttpResponse::Created().json(view) })
}

fn idempotency_key(request: &HttpRequest) -> AppResult<String> {
    let given = request.headers().get("idempotency-key").and_then(|value| value.to_str().ok());
    given.filter(|key| KEY.contains(&key.len())).map(str::to_owned).ok_or_else(|| {
        AppError::invalid(
            "Idempotency-Key",
            "idempotency_key_missing",
            "Send the header Idempotency-Key with 1 to 255 characters, new for each new worklog and the same on a retry.",
        )
    })
}

/// Changes a worklog as the caller, in Jira and then here.
///
/// # Errors
/// 400 for the input, Jira's own refusal otherwise.
#[utoipa::path(put, path = "/api/v1/issues/{issueId}/worklogs/{worklogId}", params(("issueId" = String, Path), ("worklogId" = String, Path)), request_body = WorklogInput, responses((status = 200, body = WorklogView), (status = 400, body = Problem), (status = 402, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem, description = "Jira has a newer version; `yours` and `current` tell both"), (status = 422, body = Problem)))]
pub async fn edit(
    app: Shared,
    caller: ContextCaller,
    path: web::Path<(String, String)>,
    language: Language,
    body: web::Json<WorklogInput>,
) -> AppResult<web::Json<WorklogView>> {
    let (issue_id, id) = ids(&path)?;
    let body = body.into_inner();
    let if_updated = body.if_updated.as_deref().map(input::seen).transpose()?;
    let fields = fields(&app, &caller.0, body.clone(), &language).await?;
    let change = Change { issue_id, id, fields, if_updated };
    match to_the_end(async move { change::edit(&app, &caller.0, change).await }).await? {
        Edited::Done(worklog) => Ok(web::Json(WorklogView::new(worklog, true))),
        Edited::Newer(worklog) => Err(newer(&body, worklog)),
    }
}

fn newer(sent: &WorklogInput, worklog: Worklog) -> AppError {
    let json = |value: serde_json::Result<Value>| value.unwrap_or(Value::Null);
    let changed = "Somebody changed this worklog since you saw it. Nothing was changed: compare both versions, and \
                   send yours again with the new value of ifUpdated if it is to stand.";
    AppError::conflict("newer_in_jira", changed).between(
        json(serde_json::to_value(sent)),
        json(serde_json::to_value(WorklogView::new(worklog, true))),
    )
}

/// What happens to the remaining estimate when a worklog is deleted.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeleteQuery {
    /// `auto`, `new`, `leave` or `manual`.
    adjust_estimate: Option<String>,
    /// With `new`: the remaining estimate.
    new_estimate: Option<String>,
    /// With `manual`: by how much the remaining estimate is increased.
    increase_by: Option<String>,
}

/// Deletes a worklog as the caller, in Jira and then here.
///
/// # Errors
/// Jira's own refusal.
#[utoipa::path(delete, path = "/api/v1/issues/{issueId}/worklogs/{worklogId}", params(("issueId" = String, Path), ("worklogId" = String, Path), DeleteQuery), responses((status = 204, description = "Deleted"), (status = 402, body = Problem), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub async fn delete(
    app: Shared,
    caller: ContextCaller,
    path: web::Path<(String, String)>,
    query: web::Query<DeleteQuery>,
) -> AppResult<HttpResponse> {
    let (issue_id, id) = ids(&path)?;
    let estimate = worklogs::input::estimate(
        query.adjust_estimate.as_deref(),
        query.new_estimate.as_deref(),
        query.increase_by.as_deref().map(|by| ("increaseBy", by)),
    )?;
    to_the_end(async move { deletion::delete(&app, &caller.0, issue_id, id, &estimate).await }).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// A write that was begun goes on when the caller hangs up: Jira may have done it already.
async fn to_the_end<T: 'static>(work: impl Future<Output = AppResult<T>> + 'static) -> AppResult<T> {
    match actix_web::rt::spawn(tracing::Instrument::in_current_span(work)).await {
        Ok(result) => result,
        Err(join) => Err(AppError::internal(&join)),
    }
}
