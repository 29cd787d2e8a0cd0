//! The formats of an answer: which one the caller reads, rows piece by piece.

use std::io::Error;

use gate::{Problem, rules};
use serde_json::Value;

use super::cell::{Cell, Shown};
use super::parquet::Parquet;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Csv,
    Ndjson,
    Parquet,
}

/// More than that nobody prefers.
const RANGES_MAX: usize = 32;

impl Format {
    pub(crate) const ALL: [Self; 4] = [Self::Json, Self::Csv, Self::Ndjson, Self::Parquet];

    /// The kinds of all of them.
    pub(crate) const KINDS: &[&str] =
        &["application/json", "text/csv", "application/x-ndjson", "application/vnd.apache.parquet"];

    pub(crate) const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Ndjson => "application/x-ndjson",
            Self::Parquet => "application/vnd.apache.parquet",
        }
    }

    /// The kind alone, without its parameters.
    pub(crate) fn kind(self) -> &'static str {
        self.media_type().split(';').next().unwrap_or_default()
    }

    /// The one the caller likes best among `offered`; where it likes two alike, the first of ours.
    ///
    /// # Errors
    /// It reads none of them.
    pub(crate) fn of(accept: Option<&str>, offered: &[Self]) -> Result<Self, Problem> {
        let unavailable = || Problem::turned_away(rules::FORMAT_UNAVAILABLE);
        let Some(accept) = accept else { return offered.first().copied().ok_or_else(unavailable) };
        let mut best: Option<(u32, Self)> = None;
        for format in offered {
            let weight = weight(accept, format.kind());
            if weight > best.map_or(0, |(weight, _format)| weight) {
                best = Some((weight, *format));
            }
        }
        best.map(|(_weight, format)| format).ok_or_else(unavailable)
    }
}

/// How much a kind is liked, in thousandths: what is said most exactly of it counts.
fn weight(accept: &str, kind: &str) -> u32 {
    let (family, _rest) = kind.split_once('/').unwrap_or((kind, ""));
    let mut found: (u8, u32) = (0, 0);
    for range in accept.split(',').take(RANGES_MAX) {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default().to_ascii_lowercase();
        let exactness = match name.as_str() {
            "*/*" => 1,
            name if name.strip_suffix("/*") == Some(family) => 2,
            name if name == kind => 3,
            _ => continue,
        };
        let quality = parts.find_map(|part| part.strip_prefix("q=")).map_or(Some(1_000), thousandths);
        if exactness > found.0 {
            found = (exactness, quality.unwrap_or(0));
        }
    }
    found.1
}

fn thousandths(text: &str) -> Option<u32> {
    let quality: f64 = text.parse().ok().filter(|quality| (0.0..=1.0).contains(quality))?;
    format!("{:.0}", quality * 1_000.0).parse().ok()
}

/// Writes rows in one of the formats that are read while they are written.
pub(crate) enum Writer {
    Csv,
    /// With the names of the cells.
    Ndjson(Vec<&'static str>),
    Parquet(Box<Parquet>),
}

impl Writer {
    /// `names` are those of the cells of each row: the columns, and whatever is shown inside a row.
    ///
    /// # Errors
    /// The format cannot be written in pieces.
    pub(crate) fn new(format: Format, columns: &[Shown], names: Vec<&'static str>) -> Result<Self, Problem> {
        match format {
            Format::Csv => Ok(Self::Csv),
            Format::Ndjson => Ok(Self::Ndjson(names)),
            Format::Parquet => Parquet::new(columns).map(Box::new).map(Self::Parquet),
            Format::Json => Err(Problem::turned_away(rules::FORMAT_UNAVAILABLE)),
        }
    }

    /// What stands before the first row.
    pub(crate) fn begin(&self, columns: &[Shown]) -> Vec<u8> {
        match self {
            Self::Csv => line(columns.iter().map(|column| column.name.to_owned())).into_bytes(),
            Self::Ndjson(_) | Self::Parquet(_) => Vec::new(),
        }
    }

    /// # Errors
    /// The rows do not fit the format.
    pub(crate) fn rows(&mut self, rows: Vec<Vec<Cell>>) -> Result<Vec<u8>, Error> {
        match self {
            Self::Csv => Ok(rows.iter().map(|row| line(row.iter().map(field))).collect::<String>().into_bytes()),
            Self::Ndjson(names) => Ok(ndjson(names, rows)),
            Self::Parquet(file) => file.rows(rows),
        }
    }

    /// What stands behind the last row.
    ///
    /// # Errors
    /// The rows do not fit the format.
    pub(crate) fn end(&mut self) -> Result<Vec<u8>, Error> {
        match self {
            Self::Csv | Self::Ndjson(_) => Ok(Vec::new()),
            Self::Parquet(file) => file.end(),
        }
    }
}

/// A row as a JSON object.
pub(crate) fn object(names: &[&'static str], row: Vec<Cell>) -> Value {
    names
        .iter()
        .map(|name| (*name).to_owned())
        .zip(row.into_iter().map(Cell::json))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn ndjson(names: &[&'static str], rows: Vec<Vec<Cell>>) -> Vec<u8> {
    let mut out = Vec::new();
    for row in rows {
        out.extend_from_slice(object(names, row).to_string().as_bytes());
        out.push(b'\n');
    }
    out
}

/// One line as RFC 4180 has it.
fn line(fields: impl Iterator<Item = String>) -> String {
    let mut line = String::new();
    for field in fields {
        if !line.is_empty() {
            line.push(',');
        }
        if field.is_empty() || field.contains(['"', ',', '\r', '\n']) {
            line.push('"');
            line.push_str(&field.replace('"', "\"\""));
            line.push('"');
        } else {
            line.push_str(&field);
        }
    }
    line.push_str("\r\n");
    line
}

/// A text that a spreadsheet would take for a formula is told as a text, by the apostrophe spreadsheets use for it.
fn field(cell: &Cell) -> String {
    let text = cell.text();
    let is_text = matches!(cell, Cell::Text(_) | Cell::Json(_));
    if is_text && text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_liked_best_is_written() {
        let of = |accept| Format::of(accept, &Format::ALL).ok();
        for (accept, format) in [
            ("*/*", Some(Format::Json)),
            ("text/csv", Some(Format::Csv)),
            ("TEXT/CSV; charset=utf-8", Some(Format::Csv)),
            ("text/*", Some(Format::Csv)),
            ("application/*", Some(Format::Json)),
            ("application/*;q=0.5, text/csv;q=0.4", Some(Format::Json)),
            ("application/json;q=0.1, application/x-ndjson", Some(Format::Ndjson)),
            ("*/*, application/json;q=0", Some(Format::Csv)),
            ("application/vnd.apache.parquet", Some(Format::Parquet)),
            ("text/html", None),
            ("", None),
            ("text/csv;q=0", None),
            ("text/csv;q=2", None),
            ("text/csv;q=nan", None),
        ] {
            assert_eq!(of(Some(accept)), format, "{accept}");
        }
        assert_eq!(of(None), Some(Format::Json));
        assert_eq!(Format::ALL.map(Format::kind), Format::KINDS);
        assert!(Format::of(Some("text/csv"), &[Format::Json]).is_err());
    }

    #[test]
    fn a_line_is_read_back_as_it_was_meant() {
        let text = |text: &str| field(&Cell::Text(text.to_owned()));
        let fields = [text("a"), text("b,c"), text("say \"x\""), text("two\nlines"), field(&Cell::Nothing)];
        assert_eq!(line(fields.into_iter()), "a,\"b,c\",\"say \"\"x\"\"\",\"two\nlines\",\"\"\r\n");
        assert_eq!(text("=1+1"), "'=1+1");
        assert_eq!(field(&Cell::Integer(-5)), "-5");
    }
}
