//! The worklogs of a report, row by row: what a list shows and what an export writes.

use super::report::{Content, Report, row_at};
use super::values::Member;
use crate::error::AppResult;
use crate::worklogs::adf;
use chrono::{DateTime, FixedOffset, NaiveDate, SecondsFormat};
use hourbook_engine::effective::{Overlap, Place};
use hourbook_engine::segment::Row;
use hourbook_store::error::Result;
use hourbook_store::tenant::{TenantConn, TenantDb, worklogs};
use serde::Serialize;
use std::collections::HashMap;
use std::sync::Arc;
use utoipa::ToSchema;

/// A worklog in a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// Jira's worklog id.
    pub worklog_id: String,
    /// Who worked.
    pub user: Member,
    /// The issue; of one's own on an issue that one may not see, only that.
    pub issue: Member,
    /// When it was started, in the zone of the report.
    pub started: String,
    /// The day that it belongs to.
    pub day: String,
    /// Time spent.
    pub seconds: u32,
    /// Effective time, if it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effective: Option<u32>,
    /// Of an overlap: how much of it counts already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overlap: Option<u32>,
    /// Of an overlap: the worklog that reaches furthest into it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub with: Option<String>,
    /// Its tags.
    pub tags: Vec<Member>,
    /// The comment as plain text; not of overlaps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Whether only some of those who see the issue may see it.
    pub restricted: bool,
}

/// How many worklogs a list has.
pub fn count(report: &Report) -> usize {
    match &report.content {
        Content::Details { list, .. } => list.len(),
        Content::Overlaps(overlaps) => overlaps.len(),
        Content::Table { .. } => 0,
    }
}

/// Some worklogs of a list, with their comments.
///
/// # Errors
/// When the database cannot be read.
pub async fn page(db: &TenantDb, report: &Arc<Report>, offset: usize, limit: usize) -> AppResult<Vec<Line>> {
    let report = Arc::clone(report);
    Ok(db.read(move |db| lines(db, &report, offset, limit)).await?)
}

/// The same on a connection.
///
/// # Errors
/// When the database cannot be read, or a comment does not open.
pub fn lines(db: &mut TenantConn<'_>, report: &Report, offset: usize, limit: usize) -> Result<Vec<Line>> {
    match &report.content {
        Content::Details { list, effective } => {
            let places: Vec<Place> = list.page(offset, limit).collect();
            let ids: Vec<i64> = places.iter().map(|place| row_at(&report.scope, *place).id).collect();
            let mut comments = comments(db, &ids)?;
            let line = |place: &Place| {
                let row = row_at(&report.scope, *place);
                let effective = effective.as_ref().map(|all| all.seconds(*place));
                Line { comment: comments.remove(&row.id), effective, ..line(report, row) }
            };
            Ok(places.iter().map(line).collect())
        }
        Content::Overlaps(overlaps) => {
            let line = |overlap: &Overlap| Line {
                overlap: Some(overlap.seconds),
                with: Some(overlap.with.to_string()),
                ..line(report, row_at(&report.scope, overlap.place))
            };
            Ok(overlaps.iter().skip(offset).take(limit).map(line).collect())
        }
        Content::Table { .. } => Ok(Vec::new()),
    }
}

fn comments(db: &mut TenantConn<'_>, ids: &[i64]) -> Result<HashMap<i64, String>> {
    let text = |json: &str| serde_json::from_str(json).map(|document| adf::to_text(&document)).ok();
    let found = worklogs::by_ids(db, ids)?.into_iter();
    Ok(found.filter_map(|worklog| Some((worklog.id, text(worklog.comment?.expose())?))).collect())
}

fn line(report: &Report, row: Row) -> Line {
    let snapshot = &report.scope.state.snapshot;
    let slot = snapshot.slots().get(row.slot as usize);
    let scope = &report.scope;
    let issue = match slot.filter(|slot| scope.allowed.contains(&slot.issue)) {
        Some(slot) => {
            let facts = scope.facts.get(&slot.issue).filter(|_| report.names);
            Member::issue(slot.issue, facts.map(|facts| &**facts))
        }
        None => Member { state: Some("hidden"), ..Member::default() },
    };
    let (started, day) = local(report, row);
    let tags = snapshot.tagsets().get(row.tagset as usize);
    let tag = |id: &i64| Member { name: report.tags.get(id).cloned(), ..Member::of_id(id.to_string()) };
    Line {
        worklog_id: row.id.to_string(),
        user: report.people.get(row.account as usize).cloned().unwrap_or_default(),
        issue,
        started: started.to_rfc3339_opts(SecondsFormat::Secs, true),
        day: day.to_string(),
        seconds: row.seconds,
        effective: None,
        overlap: None,
        with: None,
        tags: tags.into_iter().flat_map(|tags| tags.iter().map(tag)).collect(),
        comment: None,
        restricted: slot.is_some_and(|slot| slot.restricted.is_some()),
    }
}

/// When a worklog was started by the clock of the report, and the day of that.
fn local(report: &Report, row: Row) -> (DateTime<FixedOffset>, NaiveDate) {
    let ahead = i32::try_from(report.scope.clock.ahead(row.account, row.start)).unwrap_or(0);
    let utc = DateTime::from_timestamp(row.start, 0).unwrap_or_default();
    let offset = FixedOffset::east_opt(ahead).unwrap_or_else(|| chrono::Offset::fix(&chrono::Utc));
    let local = utc.with_timezone(&offset);
    (local, local.date_naive())
}
