//! What leaves: a report as a file, row by row. Nothing of it is on disk in clear, and no more of it in memory than a
//! few thousand rows, however long it is.

mod csv;
mod jsonl;
mod sheet;
pub mod stored;
mod xlsx;

use super::definition::Kind;
use super::report::{Content, Report};
use super::worklogs;
use crate::error::{AppError, AppResult};
use bytes::Bytes;
use futures_util::stream::{self, Stream};
use hourbook_store::tenant::TenantDb;
use serde::{Deserialize, Serialize};
use sheet::{Columns, Part, Sheet};
use std::sync::Arc;
use utoipa::ToSchema;

/// Rows that are made at once.
const STEP: usize = 2000;

/// Kinds of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Format {
    /// RFC 4180, UTF-8.
    Csv,
    /// For Excel and its kin: times as durations, days as dates.
    Xlsx,
    /// A JSON object in each line: rows, the total, the stamp.
    Jsonl,
}

impl Format {
    /// Media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            Self::Jsonl => "application/jsonl",
        }
    }

    /// End of a file's name.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Xlsx => "xlsx",
            Self::Jsonl => "jsonl",
        }
    }
}

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Style {
    /// Kind of file.
    pub format: Format,
    /// Of CSV: begins with a byte order mark, without which Excel takes it for another encoding.
    pub bom: bool,
    /// Of CSV: ends with the stamp in rows that begin with `#`.
    pub stamp: bool,
}

/// The name of a file.
pub fn file_name(report: &Report, format: Format) -> String {
    let kind = match report.checked.kind {
        Kind::Summary => "summary",
        Kind::Details => "details",
        Kind::Timesheet => "timesheet",
        Kind::Pivot => "pivot",
        Kind::Overlaps => "overlaps",
    };
    let (first, last) = report.scope.days;
    format!("hourbook-{kind}-{first}-{last}.{}", format.extension())
}

/// A file in the making.
struct Making {
    db: TenantDb,
    report: Arc<Report>,
    columns: Columns,
    sheet: Box<dyn Sheet>,
    at: usize,
    ended: bool,
}

/// The bytes of a file, in pieces. An error in between ends it without an end, so that nobody takes it for whole.
pub fn pieces(db: TenantDb, report: Arc<Report>, style: Style) -> impl Stream<Item = AppResult<Bytes>> {
    let columns = Columns::of(&report);
    let sheet: Box<dyn Sheet> = match style.format {
        Format::Csv => Box::new(csv::Csv::new(style)),
        Format::Jsonl => Box::new(jsonl::Jsonl::new(&columns)),
        Format::Xlsx => Box::new(xlsx::Xlsx::new(&columns, columns.count(&report))),
    };
    let making = Making { db, report, columns, sheet, at: 0, ended: false };
    stream::try_unfold(Some(making), async |making| match making {
        Some(making) if !making.ended => {
            let (making, bytes) = step(making).await?;
            Ok(Some((bytes, Some(making))))
        }
        _ => Ok(None),
    })
}

/// How many rows there are, those that only sum up others among them.
pub fn rows(report: &Report) -> usize {
    match &report.content {
        Content::Table { rows, .. } => rows.len(),
        Content::Details { .. } | Content::Overlaps(_) => worklogs::count(report),
    }
}

/// The next piece, made on the thread that reads the database.
async fn step(mut making: Making) -> AppResult<(Making, Bytes)> {
    let db = making.db.clone();
    let made = db.read(move |db| {
        if making.at == 0 {
            making.sheet.row(Part::Head, &making.columns.head());
        }
        let to = making.at + STEP;
        match &making.report.content {
            Content::Table { rows, .. } => {
                for at in making.at..to.min(rows.len()) {
                    if let Some(fields) = making.columns.of_node(&making.report, at) {
                        making.sheet.row(Part::Body, &fields);
                    }
                }
            }
            Content::Details { .. } | Content::Overlaps(_) => {
                for line in worklogs::lines(db, &making.report, making.at, STEP)? {
                    making.sheet.row(Part::Body, &making.columns.of_line(&line));
                }
            }
        }
        making.at = to;
        if to >= rows(&making.report) {
            making.sheet.row(Part::Total, &making.columns.total(&making.report));
            making.sheet.end(&making.report.stamp);
            making.ended = true;
        }
        let bytes = making.sheet.take();
        Ok((making, bytes))
    });
    let (making, bytes) = made.await?;
    let bytes = bytes.map_err(|error| AppError::internal(&error))?;
    Ok((making, Bytes::from(bytes)))
}
