//! Reports: asking, what asking costs, and waiting for what takes long.

use super::extract::{ContextCaller, Shared};
use crate::auth::Caller;
use crate::error::{AppError, AppResult, Problem};
use crate::reports::definition::{Definition, Dimension, Kind, Measure, RangeInput};
use crate::reports::facts::Cost;
use crate::reports::prepare::{Preparation, Stage};
use crate::reports::report::{self, Answered, Content, Report};
use crate::reports::scope::{self, Options};
use crate::reports::stamp::Stamp;
use crate::reports::values::Member;
use crate::reports::worklogs::{self, Line};
use actix_web::{HttpResponse, web};
use hourbook_engine::aggregate::Cell;
use hourbook_engine::tree::Node;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// Rows of an answer at most.
const MOST: usize = 10_000;

/// A question.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct QueryInput {
    /// What is asked.
    definition: Definition,
    /// Rows to leave out at the beginning.
    #[serde(default)]
    offset: usize,
    /// Rows at most: 1 to 10,000, default 1000.
    #[serde(default)]
    limit: Option<usize>,
    /// Whether names are told beside ids; default true. Without them less has to be asked of Jira.
    #[serde(default)]
    names: Option<bool>,
    /// For Jira admins: whether the stamp tells how many worklogs of the range do not count for them.
    #[serde(default)]
    count_hidden: bool,
}

impl QueryInput {
    /// A page of a saved definition.
    pub(super) fn of(definition: Definition, offset: usize, limit: Option<usize>) -> Self {
        Self { definition, offset, limit, names: None, count_hidden: false }
    }

    fn options(&self) -> Options {
        Options { names: self.names.unwrap_or(true), count_hidden: self.count_hidden }
    }
}

/// A report.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReportView {
    kind: Kind,
    /// The days that were meant.
    range: DaysView,
    /// Levels of rows.
    rows: Vec<DimensionView>,
    /// The level of columns, with its values in order.
    #[serde(skip_serializing_if = "Option::is_none")]
    columns: Option<ColumnsView>,
    /// What `values` and `cells` have, in this order.
    measures: Vec<MeasureView>,
    /// The total: what counts under several values counts once in it.
    total: RowView,
    /// Rows of the table, parents before children.
    #[serde(skip_serializing_if = "Option::is_none")]
    items: Option<Vec<RowView>>,
    /// Worklogs, of details and overlaps.
    #[serde(skip_serializing_if = "Option::is_none")]
    worklogs: Option<Vec<Line>>,
    page: PageView,
    stamp: Stamp,
}

/// First and last day.
#[derive(Serialize, ToSchema)]
pub struct DaysView {
    first: String,
    last: String,
}

/// A level of rows.
#[derive(Serialize, ToSchema)]
pub struct DimensionView {
    dimension: Dimension,
    /// Whether the parts add up to the whole; not where a worklog counts under several values.
    additive: bool,
}

/// The level of columns.
#[derive(Serialize, ToSchema)]
pub struct ColumnsView {
    dimension: Dimension,
    /// Whether the columns add up to the row.
    additive: bool,
    /// `cells` refer to these by position.
    values: Vec<Member>,
}

/// A measure.
#[derive(Serialize, ToSchema)]
pub struct MeasureView {
    name: Measure,
    /// Whether the parts add up to the whole.
    additive: bool,
}

/// A row of the table.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RowView {
    /// 0 for the total, then 1, 2 and so on.
    depth: usize,
    /// The value of its level; the levels above are those of the rows before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Member>,
    /// How many groups were put together, of the row behind the top ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    rest_of: Option<usize>,
    /// One for each measure; null where it cannot be known.
    values: Vec<Option<u64>>,
    /// For each column that has worklogs its position and its measures.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cells: Vec<(usize, Vec<Option<u64>>)>,
}

/// Which rows these are.
#[derive(Serialize, ToSchema)]
pub struct PageView {
    offset: usize,
    limit: usize,
    /// All there are.
    count: usize,
}

/// What is found out beside the request.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PreparationView {
    id: String,
    /// `running`, `done` (ask again) or `failed`.
    state: &'static str,
    /// Calls to Jira that were answered.
    done: usize,
    /// What it costs.
    cost: Cost,
    /// Why it failed, as a problem.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl From<&Preparation> for PreparationView {
    fn from(preparation: &Preparation) -> Self {
        let (state, error) = match preparation.stage() {
            Stage::Running => ("running", None),
            Stage::Done => ("done", None),
            Stage::Failed(error) => ("failed", Some(error.detail().to_owned())),
        };
        Self { id: preparation.id.clone(), state, done: preparation.done(), cost: preparation.cost, error }
    }
}

/// What a question would cost.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CostView {
    /// At Jira, from now on and at most: what is remembered costs nothing.
    cost: Cost,
    /// Whether it would be found out beside the request.
    prepared: bool,
}

/// How a preparation is told: with where to ask.
pub(super) fn preparing(preparation: &Preparation) -> HttpResponse {
    HttpResponse::Accepted()
        .insert_header(("Location", format!("/api/v1/reports/preparations/{}", preparation.id)))
        .insert_header(("Retry-After", "1"))
        .json(PreparationView::from(preparation))
}

/// Answers a question over all worklogs that the caller may see.
///
/// # Errors
/// 400 for a definition that makes no sense; 503 if Jira cannot be asked: never a smaller number.
#[utoipa::path(post, path = "/api/v1/reports/query", request_body(content = QueryInput, example = json!({ "definition": { "range": { "relative": "lastMonth" }, "rows": ["user", "project"], "columns": "week", "measures": ["seconds", "days"] } })), responses((status = 200, body = ReportView), (status = 202, body = PreparationView, description = "It takes many calls to Jira to know who may see what. They are made; ask again when it is done."), (status = 400, body = Problem), (status = 503, body = Problem)))]
pub async fn query(
    app: Shared,
    caller: ContextCaller,
    body: web::Json<QueryInput>,
) -> AppResult<HttpResponse> {
    answer(&app, &caller.0, &body).await
}

/// The answer to a question.
pub(super) async fn answer(app: &Shared, caller: &Caller, input: &QueryInput) -> AppResult<HttpResponse> {
    let limit = input.limit.unwrap_or(1000);
    if !(1..=MOST).contains(&limit) {
        let detail = format!("limit is a number from 1 to {MOST}.");
        return Err(AppError::invalid("limit", "limit_invalid", detail));
    }
    let checked = input.definition.check()?;
    match report::answer(app, caller, checked, input.options()).await? {
        Answered::Preparing(preparation) => Ok(preparing(&preparation)),
        Answered::Report(report) => {
            let report: Arc<Report> = Arc::from(report);
            let db = app.db(&caller.tenant).await?;
            let lines = worklogs::page(&db, &report, input.offset, limit).await?;
            Ok(HttpResponse::Ok().json(view(&report, lines, input.offset, limit)))
        }
    }
}

/// Which values a filter can pick from.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ValuesInput {
    /// The days that are looked at.
    range: RangeInput,
    /// Of what: not of a period.
    dimension: Dimension,
    /// A part of the name or key; all if absent.
    #[serde(default)]
    search: String,
    /// Values at most: 1 to 1000, default 50.
    #[serde(default)]
    limit: Option<usize>,
}

/// Values to pick from.
#[derive(Serialize, ToSchema)]
pub struct ValuesView {
    /// By name; people who have left are among them.
    items: Vec<Member>,
    /// How many there are that fit the search.
    count: usize,
}

/// The people, projects, issues and so on that worklogs of a range have: those that the caller may see, and no others.
///
/// # Errors
/// Those of a query.
#[utoipa::path(post, path = "/api/v1/reports/values", request_body(content = ValuesInput, example = json!({ "range": { "lastDays": 90 }, "dimension": "user", "search": "ana" })), responses((status = 200, body = ValuesView), (status = 202, body = PreparationView), (status = 400, body = Problem), (status = 503, body = Problem)))]
pub async fn values(
    app: Shared,
    caller: ContextCaller,
    body: web::Json<ValuesInput>,
) -> AppResult<HttpResponse> {
    let limit = body.limit.unwrap_or(50);
    if !(1..=1000).contains(&limit) {
        return Err(AppError::invalid("limit", "limit_invalid", "limit is a number from 1 to 1000."));
    }
    if body.dimension.period().is_some() {
        let detail = "Periods are not picked: the range says which days.";
        return Err(AppError::invalid("dimension", "dimension_invalid", detail));
    }
    let definition =
        Definition { range: body.range.clone(), rows: Some(vec![body.dimension]), ..Definition::default() };
    let options = Options { names: true, count_hidden: false };
    match report::answer(&app, &caller.0, definition.check()?, options).await? {
        Answered::Preparing(preparation) => Ok(preparing(&preparation)),
        Answered::Report(report) => {
            let items = report.values(&body.search);
            let count = items.len();
            Ok(HttpResponse::Ok().json(ValuesView { items: items.into_iter().take(limit).collect(), count }))
        }
    }
}

/// Tells what a question would cost at Jira, without asking it.
///
/// # Errors
/// 400 for a definition that makes no sense.
#[utoipa::path(post, path = "/api/v1/reports/cost", request_body(content = QueryInput, example = json!({ "definition": { "range": { "relative": "thisYear" }, "rows": ["issue"] } })), responses((status = 200, body = CostView), (status = 400, body = Problem)))]
pub async fn cost(
    app: Shared,
    caller: ContextCaller,
    body: web::Json<QueryInput>,
) -> AppResult<web::Json<CostView>> {
    let checked = body.definition.check()?;
    let (cost, prepared) = scope::estimate(&app, &caller.0, &checked, body.options()).await?;
    Ok(web::Json(CostView { cost, prepared }))
}

/// How finding out stands.
///
/// # Errors
/// 404 for one that is not the caller's, or long over.
#[utoipa::path(get, path = "/api/v1/reports/preparations/{preparationId}", params(("preparationId" = String, Path)), responses((status = 200, body = PreparationView), (status = 404, body = Problem)))]
pub async fn preparation(
    app: Shared,
    caller: ContextCaller,
    path: web::Path<String>,
) -> AppResult<web::Json<PreparationView>> {
    let found = app.preparations.find(&caller.0, &path);
    let found = found.ok_or_else(|| {
        AppError::not_found("preparation_not_found", "There is no such preparation. Ask the question again.")
    })?;
    Ok(web::Json(PreparationView::from(&*found)))
}

fn view(report: &Report, lines: Vec<Line>, offset: usize, limit: usize) -> ReportView {
    let checked = &report.checked;
    let (items, count, columns) = match &report.content {
        Content::Table { rows, columns } => {
            let items = rows.iter().skip(offset).take(limit).map(|node| row(report, node, columns)).collect();
            (Some(items), rows.len(), columns.as_slice())
        }
        Content::Details { .. } | Content::Overlaps(_) => (None, worklogs::count(report), [].as_slice()),
    };
    let of_columns = report.levels.last().filter(|_| checked.columns.is_some());
    let (first, last) = report.scope.days;
    ReportView {
        kind: checked.kind,
        range: DaysView { first: first.to_string(), last: last.to_string() },
        rows: checked
            .rows
            .iter()
            .map(|dimension| DimensionView { dimension: *dimension, additive: !dimension.has_many() })
            .collect(),
        columns: of_columns.map(|level| ColumnsView {
            dimension: level.dimension,
            additive: !level.dimension.has_many(),
            values: columns.iter().map(|code| level.values.get(*code).clone()).collect(),
        }),
        measures: checked
            .measures
            .iter()
            .map(|measure| MeasureView { name: *measure, additive: measure.is_additive() })
            .collect(),
        total: row(report, &report.total, columns),
        worklogs: items.is_none().then_some(lines),
        items,
        page: PageView { offset, limit, count },
        stamp: report.stamp.clone(),
    }
}

fn row(report: &Report, node: &Node, columns: &[u32]) -> RowView {
    let is_rest = node.rest_of.is_some();
    let level =
        node.depth.checked_sub(1).filter(|_| !is_rest).and_then(|at| Some((report.levels.get(at)?, at)));
    let measures =
        |cell: &Cell| report.checked.measures.iter().map(|measure| measure.of(cell, is_rest)).collect();
    let cells = columns.iter().enumerate().filter_map(|(at, code)| {
        let found = node.columns.binary_search_by_key(code, |(code, _)| *code).ok()?;
        Some((at, measures(&node.columns.get(found)?.1)))
    });
    RowView {
        depth: node.depth,
        value: level.map(|(level, at)| level.values.get(node.key[at]).clone()),
        rest_of: node.rest_of,
        values: measures(&node.cell),
        cells: cells.collect(),
    }
}
