//! CSV as RFC 4180 has it. What a spreadsheet would take for a formula is kept from being one.

use super::Style;
use super::sheet::{Field, Part, Sheet, about};
use crate::reports::stamp::Stamp;
use csv::{Terminator, Writer, WriterBuilder};
use std::io;

/// A CSV file in the making.
pub struct Csv {
    style: Style,
    out: Writer<Vec<u8>>,
    width: usize,
    failed: Option<csv::Error>,
    begun: bool,
}

fn writer() -> Writer<Vec<u8>> {
    WriterBuilder::new().terminator(Terminator::CRLF).flexible(true).from_writer(Vec::new())
}

/// With a leading apostrophe, which spreadsheets do not show, in front of what they would compute.
fn harmless(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() }
}

/// Hours of seconds, with four digits: a second is 0.0003.
pub fn hours(seconds: u64) -> String {
    let ten_thousandths = (u128::from(seconds) * 10_000 + 1800) / 3600;
    let text = format!("{}.{:04}", ten_thousandths / 10_000, ten_thousandths % 10_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

impl Csv {
    /// An empty file.
    pub fn new(style: Style) -> Self {
        Self { style, out: writer(), width: 0, failed: None, begun: false }
    }

    fn write(&mut self, fields: &[String]) {
        if let Err(error) = self.out.write_record(fields) {
            self.failed.get_or_insert(error);
        }
    }
}

impl Sheet for Csv {
    fn row(&mut self, part: Part, fields: &[Field]) {
        if part == Part::Head {
            self.width = fields.len();
        }
        let text = |field: &Field| match field {
            Field::Empty => String::new(),
            Field::Text(text) => harmless(text),
            Field::Count(number) | Field::Seconds(number) => number.to_string(),
            Field::Hours(seconds) => hours(*seconds),
            Field::Day(day) => day.clone(),
        };
        self.write(&fields.iter().map(text).collect::<Vec<_>>());
    }

    fn end(&mut self, stamp: &Stamp) {
        if !self.style.stamp {
            return;
        }
        for (name, value) in about(stamp) {
            // As many fields as every other row.
            let mut fields = vec![format!("# {name}: {value}")];
            fields.resize(self.width.max(1), String::new());
            self.write(&fields);
        }
    }

    fn take(&mut self) -> io::Result<Vec<u8>> {
        if let Some(error) = self.failed.take() {
            return Err(io::Error::other(error));
        }
        let written = std::mem::replace(&mut self.out, writer());
        let mut bytes = written.into_inner().map_err(|error| io::Error::other(error.into_error()))?;
        if !std::mem::replace(&mut self.begun, true) && self.style.bom {
            bytes.splice(0..0, *b"\xEF\xBB\xBF");
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_numbers() {
        for (seconds, text) in
            [(0, "0"), (1, "0.0003"), (1800, "0.5"), (5400, "1.5"), (36_000, "10"), (600, "0.1667")]
        {
            assert_eq!(hours(seconds), text);
        }
    }

    #[test]
    fn formulas_are_text() {
        for text in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"] {
            assert_eq!(harmless(text), format!("'{text}"));
        }
        assert_eq!(harmless("1=1"), "1=1");
    }
}
