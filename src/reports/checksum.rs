//! The checksum of a result: over ids and numbers, not over names, and the same in whatever order it is shown.

use super::report::{Content, Report, row_at};
use super::scope::Scope;
use hourbook_engine::aggregate::Cell;
use hourbook_engine::effective::Effective;
use hourbook_engine::list::List;
use hourbook_engine::tree::Node;
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// Bytes that are digested at once.
const PIECE: usize = 64 * 1024;

/// Of a whole report.
pub fn of(report: &Report) -> String {
    let mut digest = Sha256::new();
    let (first, last) = report.scope.days;
    digest.update(format!("{:?} {first} {last} {:?}\n", report.checked.kind, report.scope.zone));
    digest.update(format!("{:?} {:?}\n", report.checked.levels(), report.checked.measures));
    digest.update(node(report, &report.total));
    match &report.content {
        Content::Table { rows, .. } => {
            let mut lines: Vec<String> = rows.iter().map(|row| node(report, row)).collect();
            lines.sort_unstable();
            lines.iter().for_each(|line| digest.update(line));
        }
        Content::Details { .. } => digest.update(report.digest.unwrap_or_default()),
        Content::Overlaps(overlaps) => {
            let mut lines: Vec<_> = overlaps
                .iter()
                .map(|overlap| (row_at(&report.scope, overlap.place).id, overlap.seconds, overlap.with))
                .collect();
            lines.sort_unstable();
            digest.update(format!("{lines:?}"));
        }
    }
    hex::encode(digest.finalize())
}

/// Of worklogs by start and id.
pub fn of_list(scope: &Scope, list: &List, effective: Option<&Effective>) -> [u8; 32] {
    let mut digest = Sha256::new();
    let mut piece = Vec::with_capacity(PIECE + 24);
    for place in list.page(0, usize::MAX) {
        let row = row_at(scope, place);
        piece.extend_from_slice(&row.id.to_be_bytes());
        piece.extend_from_slice(&row.start.to_be_bytes());
        piece.extend_from_slice(&row.seconds.to_be_bytes());
        piece.extend_from_slice(&effective.map_or(0, |all| all.seconds(place)).to_be_bytes());
        if piece.len() >= PIECE {
            digest.update(&piece);
            piece.clear();
        }
    }
    digest.update(&piece);
    digest.finalize().into()
}

/// A row as a line: ids of its levels, its sums, and those of its columns.
fn node(report: &Report, node: &Node) -> String {
    let mut line = String::new();
    for (level, code) in report.levels.iter().zip(&node.key).take(node.depth) {
        let value = level.values.get(*code);
        let rest = node.rest_of.map(|_| "rest");
        let id = rest.or(value.id.as_deref()).or(value.state).unwrap_or_default();
        // Writing to a string does not fail.
        let _ = write!(line, "{id:?}/");
    }
    sums(&mut line, &node.cell);
    let columns = report.levels.last().filter(|_| report.checked.columns.is_some());
    let mut cells: Vec<String> = node
        .columns
        .iter()
        .filter_map(|(code, cell)| {
            let value = columns?.values.get(*code);
            let mut text = format!("{:?}", value.id.as_deref().or(value.state));
            sums(&mut text, cell);
            Some(text)
        })
        .collect();
    cells.sort_unstable();
    line + &cells.concat() + "\n"
}

fn sums(line: &mut String, cell: &Cell) {
    let Cell { seconds, effective, worklogs, people, days } = cell;
    let _ = write!(line, " {seconds} {effective} {worklogs} {people} {days};");
}
