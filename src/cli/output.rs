//! What the command line prints. The only place that writes to standard output.

use std::io::Write;
use std::process::ExitCode;

/// A line on standard output; a reader that went away ends the output quietly.
pub fn line(text: impl AsRef<str>) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{}", text.as_ref());
}

/// An error with its causes on standard error.
pub fn failure(error: &anyhow::Error) -> ExitCode {
    let mut out = std::io::stderr().lock();
    let _ = writeln!(out, "hourbook: {error:#}");
    ExitCode::FAILURE
}

/// Columns, each as wide as its widest cell.
pub fn table(rows: &[Vec<String>]) {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    for row in rows {
        let mut text = String::new();
        for column in 0..columns {
            let cell = row.get(column).map(String::as_str).unwrap_or_default();
            text.push_str(&format!("{cell:<width$}  ", width = width(column).unwrap_or(0)));
        }
        line(text.trim_end());
    }
}
