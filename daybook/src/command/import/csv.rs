//! Rows of CSV as RFC 4180 has it, from whatever brings bytes: bounded, lines counted.

use super::source::Feed;

/// No field is longer, and no row has more.
pub(super) const FIELD_MAX: usize = 64 * 1024;
const FIELDS_MAX: usize = 64;

/// A row as it stands in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// Where it begins, from 1.
    pub(super) line: u64,
    pub(super) fields: Vec<Vec<u8>>,
}

/// Why a file cannot be read any further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) line: u64,
    pub(super) what: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    FieldBegins,
    Plain,
    Quoted,
    /// After a quote inside quotes: of two, or the last.
    AfterQuote,
    /// Before a line's end.
    Return,
}

/// A file under way.
pub(super) struct Csv {
    feed: Feed,
    piece: Vec<u8>,
    at: usize,
    line: u64,
    read: u64,
}

impl Csv {
    pub(super) const fn new(feed: Feed) -> Self {
        Self { feed, piece: Vec::new(), at: 0, line: 1, read: 0 }
    }

    /// How many bytes came so far.
    pub(super) const fn bytes(&self) -> u64 {
        self.read
    }

    /// The next row that is not empty.
    ///
    /// # Errors
    /// The source broke off, or what comes is no CSV.
    pub(super) async fn next(&mut self) -> Result<Option<Record>, Broken> {
        loop {
            let Some(record) = self.record().await? else { return Ok(None) };
            if record.fields.iter().any(|field| !field.is_empty()) {
                return Ok(Some(record));
            }
        }
    }

    async fn record(&mut self) -> Result<Option<Record>, Broken> {
        let (mut place, line) = (Place::FieldBegins, self.line);
        let (mut fields, mut field) = (Vec::new(), Vec::new());
        let mut is_begun = false;
        while let Some(byte) = self.byte().await? {
            is_begun = true;
            let (next, ends_field, ends_row) = match (place, byte) {
                (Place::FieldBegins, b'"') => (Place::Quoted, false, false),
                (Place::Quoted, b'"') => (Place::AfterQuote, false, false),
                (Place::AfterQuote, b'"') => {
                    field.push(b'"');
                    (Place::Quoted, false, false)
                }
                (Place::Quoted, _) => {
                    field.push(byte);
                    (Place::Quoted, false, false)
                }
                (Place::FieldBegins | Place::Plain | Place::AfterQuote, b',') => (Place::FieldBegins, true, false),
                (Place::FieldBegins | Place::Plain | Place::AfterQuote | Place::Return, b'\n') => {
                    (Place::FieldBegins, true, true)
                }
                (Place::FieldBegins | Place::Plain | Place::AfterQuote, b'\r') => (Place::Return, false, false),
                (Place::Return, _) => return Err(self.broken("a carriage return stands in a field that is not quoted")),
                (Place::Plain, b'"') => return Err(self.broken("a quote stands in a field that is not quoted")),
                (Place::AfterQuote, _) => return Err(self.broken("something stands behind a quoted field")),
                (Place::FieldBegins | Place::Plain, _) => {
                    field.push(byte);
                    (Place::Plain, false, false)
                }
            };
            place = next;
            if field.len() > FIELD_MAX {
                return Err(self.broken(&format!("a field is longer than {FIELD_MAX} bytes")));
            }
            if ends_field {
                fields.push(std::mem::take(&mut field));
                if fields.len() > FIELDS_MAX {
                    return Err(self.broken(&format!("a row has more than {FIELDS_MAX} fields")));
                }
            }
            if ends_row {
                return Ok(Some(Record { line, fields }));
            }
        }
        if place == Place::Quoted {
            return Err(Broken { line, what: "a quoted field has no end".to_owned() });
        }
        fields.push(field);
        Ok(is_begun.then_some(Record { line, fields }))
    }

    async fn byte(&mut self) -> Result<Option<u8>, Broken> {
        loop {
            if let Some(byte) = self.piece.get(self.at).copied() {
                self.at = self.at.saturating_add(1);
                self.line = self.line.saturating_add(u64::from(byte == b'\n'));
                return Ok(Some(byte));
            }
            let is_first = self.read == 0;
            match self.feed.recv().await {
                None => return Ok(None),
                Some(Err(what)) => return Err(self.broken(&what)),
                Some(Ok(piece)) => {
                    self.read = self.read.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
                    // Some programs begin a file by saying that it is UTF-8.
                    self.at = if is_first && piece.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
                    self.piece = piece;
                }
            }
        }
    }

    fn broken(&self, what: &str) -> Broken {
        Broken { line: self.line, what: what.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    async fn rows(text: &[u8], piece: usize) -> Result<Vec<(u64, Vec<String>)>, Broken> {
        let (feed, feeding) = mpsc::channel(text.len().max(1));
        for piece in text.chunks(piece) {
            feed.send(Ok(piece.to_vec())).await.unwrap();
        }
        drop(feed);
        let (mut csv, mut rows) = (Csv::new(feeding), Vec::new());
        while let Some(Record { line, fields }) = csv.next().await? {
            rows.push((line, fields.into_iter().map(|field| String::from_utf8(field).unwrap()).collect()));
        }
        Ok(rows)
    }

    fn row(line: u64, fields: &[&str]) -> (u64, Vec<String>) {
        (line, fields.iter().map(|field| (*field).to_owned()).collect())
    }

    #[tokio::test]
    async fn rows_are_read_whatever_pieces_they_come_in() {
        let text = b"\xef\xbb\xbfid,name\r\n1,\"Tea, \"\"House\"\"\nof two lines\"\n\n2,\n3,\xe7\x8c\xab";
        let expected = [
            row(1, &["id", "name"]),
            row(2, &["1", "Tea, \"House\"\nof two lines"]),
            row(5, &["2", ""]),
            row(6, &["3", "猫"]),
        ];
        for piece in [3, 4, 7, 1_000] {
            assert_eq!(rows(text, piece).await.unwrap(), expected, "in pieces of {piece}");
        }
        assert_eq!(rows(b"", 1).await.unwrap(), []);
        assert_eq!(rows(b"\n\n\n", 1).await.unwrap(), []);
    }

    #[tokio::test]
    async fn what_is_no_csv_is_named_by_its_line() {
        for (text, line, what) in [
            ("a\nb\"c\n", 2, "a quote stands"),
            ("a\n\"b\"c\n", 2, "something stands behind"),
            ("a\n\"b\nc\n", 2, "has no end"),
            ("a\nb\rc\n", 2, "a carriage return stands"),
        ] {
            let broken = rows(text.as_bytes(), 1_000).await.unwrap_err();
            assert_eq!((broken.line, broken.what.contains(what)), (line, true), "{broken:?}");
        }
        let long = "x".repeat(FIELD_MAX + 1);
        assert!(rows(long.as_bytes(), 4_096).await.unwrap_err().what.contains("longer"));
        assert!(rows(",".repeat(FIELDS_MAX + 1).as_bytes(), 4_096).await.unwrap_err().what.contains("more than"));
    }
}
