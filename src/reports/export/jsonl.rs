//! JSON Lines: `{"row": {..}}` for each row, then `{"total": {..}}` and `{"stamp": {..}}`. A file without the last
//! line is not whole.

use super::sheet::{Columns, Field, Part, Sheet};
use crate::reports::stamp::Stamp;
use serde_json::{Map, Value, json};
use std::io;

/// A file in the making.
pub struct Jsonl {
    names: Vec<String>,
    out: Vec<u8>,
    failed: Option<serde_json::Error>,
}

impl Jsonl {
    /// An empty file.
    pub fn new(columns: &Columns) -> Self {
        let name = |field: &Field| match field {
            Field::Text(name) => name.clone(),
            _ => String::new(),
        };
        Self { names: columns.head().iter().map(name).collect(), out: Vec::new(), failed: None }
    }

    fn line(&mut self, value: &Value) {
        if let Err(error) = serde_json::to_writer(&mut self.out, value) {
            self.failed.get_or_insert(error);
        }
        self.out.push(b'\n');
    }
}

impl Sheet for Jsonl {
    fn row(&mut self, part: Part, fields: &[Field]) {
        let kind = match part {
            Part::Head => return,
            Part::Body => "row",
            Part::Total => "total",
        };
        let value = |field: &Field| match field {
            Field::Empty => Value::Null,
            Field::Text(text) | Field::Day(text) => json!(text),
            Field::Count(number) | Field::Seconds(number) => json!(number),
            #[expect(clippy::cast_precision_loss, reason = "hours are shown, seconds are exact")]
            Field::Hours(seconds) => json!(*seconds as f64 / 3600.0),
        };
        let fields: Map<String, Value> =
            self.names.iter().zip(fields).map(|(name, field)| (name.clone(), value(field))).collect();
        self.line(&json!({ kind: fields }));
    }

    fn end(&mut self, stamp: &Stamp) {
        self.line(&json!({ "stamp": stamp }));
    }

    fn take(&mut self) -> io::Result<Vec<u8>> {
        match self.failed.take() {
            Some(error) => Err(error.into()),
            None => Ok(std::mem::take(&mut self.out)),
        }
    }
}
