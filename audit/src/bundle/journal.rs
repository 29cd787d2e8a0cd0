//! The journal of a bundle beside what its events come to: the same to the byte.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;

/// As much of a line as is ever read.
const LINE_MAX: u64 = 64 * 1024;

/// The file, from its first entry on, and what stood before it.
pub(super) struct Entries {
    head: Vec<u8>,
    rest: Box<dyn Read + Send>,
    /// The first position whose entry is another.
    pub(super) differs: Option<i64>,
}

impl Entries {
    /// An entry begins with an empty line and a date; nothing before the first one does.
    pub(super) fn open(file: &Path) -> io::Result<Self> {
        let mut reader = BufReader::new(File::open(file)?);
        let (mut head, mut line) = (Vec::new(), Vec::new());
        loop {
            line.clear();
            reader.by_ref().take(LINE_MAX).read_until(b'\n', &mut line)?;
            if line.is_empty() || line.first().is_some_and(u8::is_ascii_digit) {
                break;
            }
            head.extend_from_slice(&line);
        }
        // The empty line is the entry's.
        let mut begun = Vec::new();
        if !line.is_empty() && head.last() == Some(&b'\n') {
            head.pop();
            begun.push(b'\n');
        }
        begun.extend_from_slice(&line);
        Ok(Self { head, rest: Box::new(Cursor::new(begun).chain(reader)), differs: None })
    }

    /// The entry of a position, as it must stand here.
    pub(super) fn expect(&mut self, position: i64, entry: &str) -> io::Result<()> {
        if self.differs.is_some() {
            return Ok(());
        }
        let mut there = Vec::with_capacity(entry.len());
        let length = u64::try_from(entry.len()).unwrap_or(u64::MAX);
        self.rest.by_ref().take(length).read_to_end(&mut there)?;
        if there != entry.as_bytes() {
            self.differs = Some(position);
        }
        Ok(())
    }

    /// What is wrong with it, if anything is.
    pub(super) fn end(mut self, head: &str) -> io::Result<Option<(Option<i64>, &'static str)>> {
        if let Some(position) = self.differs {
            return Ok(Some((Some(position), "the entry is not what the event comes to")));
        }
        if self.head != head.as_bytes() {
            return Ok(Some((None, "what stands before the first entry is not what the events come to")));
        }
        let mut one = [0];
        let is_over = self.rest.read(&mut one)? == 0;
        Ok((!is_over).then_some((None, "there is more after the last entry")))
    }
}
