//! XLSX (ECMA-376), written as a stream: libraries for it either keep the whole sheet in memory or spool it to disk
//! in clear. Times are durations, days are dates, the first row is frozen, the total is bold; a second sheet tells
//! what the numbers are worth.

use super::sheet::{Columns, Field, Part, Sheet, about};
use crate::reports::stamp::Stamp;
use chrono::NaiveDate;
use parking_lot::Mutex;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::Arc;
use zip::result::ZipResult;
use zip::write::{SimpleFileOptions, StreamWriter, ZipWriter};

/// Rows of a sheet at most, the head among them.
const ROWS: usize = 1_048_576;
/// Characters of a cell at most.
const LONGEST: usize = 32_767;
/// Bytes of XML that are gathered before they are compressed.
const GATHER: usize = 64 * 1024;

/// Cell formats, by their position in the styles below.
#[derive(Clone, Copy)]
enum Format {
    Plain = 0,
    Bold = 1,
    Day = 2,
    Duration = 3,
    BoldDuration = 4,
}

const STYLES: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><numFmts count="2"><numFmt numFmtId="164" formatCode="yyyy\-mm\-dd"/><numFmt numFmtId="165" formatCode="[h]:mm:ss"/></numFmts><fonts count="2"><font><sz val="11"/><name val="Calibri"/></font><font><b/><sz val="11"/><name val="Calibri"/></font></fonts><fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill></fills><borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders><cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs><cellXfs count="5"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/><xf numFmtId="0" fontId="1" fillId="0" borderId="0" xfId="0" applyFont="1"/><xf numFmtId="164" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/><xf numFmtId="165" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/><xf numFmtId="165" fontId="1" fillId="0" borderId="0" xfId="0" applyFont="1" applyNumberFormat="1"/></cellXfs><cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>"#;
const RELATIONS: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#;
const SHEET: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetViews><sheetView workbookViewId="0">"#;
const FROZEN: &str = r#"<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/>"#;

/// What the archive is written to, and taken from piece by piece.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A workbook in the making.
pub struct Xlsx {
    out: Shared,
    zip: Option<ZipWriter<StreamWriter<Shared>>>,
    xml: String,
    head: Vec<Field>,
    /// Sheets of rows.
    sheets: usize,
    sheet: usize,
    row: usize,
    failed: Option<io::Error>,
}

impl Xlsx {
    /// A workbook for that many rows.
    pub fn new(columns: &Columns, rows: usize) -> Self {
        // The total too; and each sheet has a head.
        let sheets = (rows + 1).div_ceil(ROWS - 1);
        let out = Shared::default();
        let mut workbook = Self {
            zip: Some(ZipWriter::new_stream(out.clone())),
            out,
            xml: String::new(),
            head: columns.head(),
            sheets,
            sheet: 0,
            row: 0,
            failed: None,
        };
        workbook.file("[Content_Types].xml", &content_types(sheets + 1));
        workbook.file("_rels/.rels", RELATIONS);
        workbook.file("xl/workbook.xml", &book(sheets));
        workbook.file("xl/_rels/workbook.xml.rels", &book_relations(sheets + 1));
        workbook.file("xl/styles.xml", STYLES);
        workbook
    }

    fn zip(&mut self, work: impl FnOnce(&mut ZipWriter<StreamWriter<Shared>>) -> ZipResult<()>) {
        if let Some(zip) = self.zip.as_mut().filter(|_| self.failed.is_none())
            && let Err(error) = work(zip)
        {
            self.failed = Some(error.into());
        }
    }

    fn file(&mut self, name: &str, content: &str) {
        self.zip(|zip| zip.start_file(name, options()));
        self.zip(|zip| Ok(zip.write_all(content.as_bytes())?));
    }

    fn flush(&mut self) {
        let xml = std::mem::take(&mut self.xml);
        self.zip(|zip| Ok(zip.write_all(xml.as_bytes())?));
    }

    fn begin_sheet(&mut self, frozen: bool) {
        (self.sheet, self.row) = (self.sheet + 1, 0);
        let name = format!("xl/worksheets/sheet{}.xml", self.sheet);
        self.zip(|zip| zip.start_file(name, options()));
        self.xml.push_str(SHEET);
        self.xml.push_str(if frozen { FROZEN } else { "" });
        self.xml.push_str("</sheetView></sheetViews>");
        // Wide enough for a date, which otherwise is shown as #####.
        let columns = if frozen { self.head.len().max(1) } else { 2 };
        let width = if frozen { 18 } else { 60 };
        let _ = write!(
            self.xml,
            r#"<cols><col min="1" max="{columns}" width="{width}" customWidth="1"/></cols>"#
        );
        self.xml.push_str("<sheetData>");
    }

    fn end_sheet(&mut self) {
        if self.sheet > 0 {
            self.xml.push_str("</sheetData></worksheet>");
            self.flush();
        }
    }

    fn put(&mut self, part: Part, fields: &[Field]) {
        self.row += 1;
        // Writing to a string does not fail.
        let _ = write!(self.xml, r#"<row r="{}">"#, self.row);
        for (at, field) in fields.iter().enumerate() {
            cell(&mut self.xml, &Place { column: at, row: self.row }, field, part != Part::Body);
        }
        self.xml.push_str("</row>");
        if self.xml.len() > GATHER {
            self.flush();
        }
    }
}

fn options() -> SimpleFileOptions {
    // Sheets may be large.
    SimpleFileOptions::default().large_file(true)
}

fn content_types(sheets: usize) -> String {
    let part = |at: usize| {
        format!(
            r#"<Override PartName="/xl/worksheets/sheet{at}.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/>"#
        )
    };
    let sheets: String = (1..=sheets).map(part).collect();
    format!(
        r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>{sheets}<Override PartName="/xl/styles.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.styles+xml"/></Types>"#
    )
}

fn book(sheets: usize) -> String {
    let sheet = |at: usize| {
        let name = if at > sheets {
            "About".to_owned()
        } else if at == 1 {
            "Report".to_owned()
        } else {
            format!("Report {at}")
        };
        format!(r#"<sheet name="{name}" sheetId="{at}" r:id="rId{at}"/>"#)
    };
    let list: String = (1..=sheets + 1).map(sheet).collect();
    format!(
        r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets>{list}</sheets></workbook>"#
    )
}

fn book_relations(sheets: usize) -> String {
    let part = |at: usize| {
        format!(
            r#"<Relationship Id="rId{at}" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet{at}.xml"/>"#
        )
    };
    let list: String = (1..=sheets).map(part).collect();
    format!(
        r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{list}<Relationship Id="rId{}" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/styles" Target="styles.xml"/></Relationships>"#,
        sheets + 1
    )
}

struct Place {
    column: usize,
    row: usize,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (mut letters, mut left) = (Vec::new(), self.column + 1);
        while left > 0 {
            letters.push(char::from(b'A' + u8::try_from((left - 1) % 26).unwrap_or(0)));
            left = (left - 1) / 26;
        }
        letters.iter().rev().try_for_each(|letter| write!(f, "{letter}"))?;
        write!(f, "{}", self.row)
    }
}

/// Days since the last day of 1899, as spreadsheets count; none before March 1900, where their calendars differ.
fn serial(day: &str) -> Option<i64> {
    let day: NaiveDate = day.parse().ok()?;
    let days = (day - NaiveDate::from_ymd_opt(1899, 12, 30)?).num_days();
    (days > 60).then_some(days)
}

fn cell(xml: &mut String, place: &Place, field: &Field, bold: bool) {
    let text_format = if bold { Format::Bold } else { Format::Plain } as u8;
    let written = match field {
        Field::Empty => Ok(()),
        Field::Text(text) => {
            let _ =
                write!(xml, r#"<c r="{place}" s="{text_format}" t="inlineStr"><is><t xml:space="preserve">"#);
            escape(xml, text);
            xml.push_str("</t></is></c>");
            Ok(())
        }
        Field::Count(number) | Field::Seconds(number) => {
            write!(xml, r#"<c r="{place}" s="{text_format}"><v>{number}</v></c>"#)
        }
        Field::Hours(seconds) => {
            let format = if bold { Format::BoldDuration } else { Format::Duration } as u8;
            #[expect(
                clippy::cast_precision_loss,
                reason = "spreadsheets count in doubles; seconds stand beside it"
            )]
            let days = *seconds as f64 / 86_400.0;
            write!(xml, r#"<c r="{place}" s="{format}"><v>{days}</v></c>"#)
        }
        Field::Day(day) => match serial(day) {
            Some(days) => write!(xml, r#"<c r="{place}" s="{}"><v>{days}</v></c>"#, Format::Day as u8),
            None => {
                cell(xml, place, &Field::Text(day.clone()), bold);
                Ok(())
            }
        },
    };
    // Writing to a string does not fail.
    let _ = written;
}

/// Text for XML, without what XML 1.0 has no way to write, and no longer than a cell may be.
fn escape(xml: &mut String, text: &str) {
    for character in text.chars().take(LONGEST) {
        match character {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '\t' | '\n' => xml.push(character),
            '\r' => xml.push_str("&#13;"),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {}
            other => xml.push(other),
        }
    }
}

impl Sheet for Xlsx {
    fn row(&mut self, part: Part, fields: &[Field]) {
        if part == Part::Head {
            return;
        }
        if self.sheet == 0 || self.row >= ROWS {
            self.end_sheet();
            self.begin_sheet(true);
            let head = self.head.clone();
            self.put(Part::Head, &head);
        }
        self.put(part, fields);
    }

    fn end(&mut self, stamp: &Stamp) {
        self.end_sheet();
        // No more sheets than the workbook lists.
        debug_assert_eq!(self.sheet, self.sheets);
        self.begin_sheet(false);
        for (name, value) in about(stamp) {
            self.put(Part::Body, &[Field::Text(name.to_owned()), Field::Text(value)]);
        }
        self.end_sheet();
        if let Some(zip) = self.zip.take()
            && let Err(error) = zip.finish()
        {
            self.failed.get_or_insert(error.into());
        }
    }

    fn take(&mut self) -> io::Result<Vec<u8>> {
        match self.failed.take() {
            Some(error) => Err(error),
            None => Ok(std::mem::take(&mut *self.out.0.lock())),
        }
    }
}
