//! The books on disk: one entry a line, on the disk before anybody is answered.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::Path,
    sync::mpsc::{Receiver, Sender, channel},
    thread::{Builder, JoinHandle},
};

use tokio::sync::watch;

use super::entry::Entry;

const FILE: &str = "books.jsonl";

/// Lines are written in the order given, as many with one flush as are waiting.
pub(super) struct Journal {
    lines: Option<Sender<(u64, Vec<u8>)>>,
    writer: Option<JoinHandle<()>>,
    durable: watch::Receiver<u64>,
    given: u64,
}

/// The place of a line in the journal. What waits for it waits for all before it.
#[derive(Clone)]
pub(in crate::sandbox) struct Place {
    line: u64,
    durable: watch::Receiver<u64>,
}

impl Place {
    /// Whether it is on the disk. Not, once a write has failed: then nothing more is.
    pub(in crate::sandbox) async fn is_durable(&mut self) -> bool {
        self.durable.wait_for(|durable| *durable >= self.line).await.is_ok()
    }
}

impl Journal {
    /// What was written before, and where to go on. A last line without its end was never answered for: it is cut off.
    pub(super) fn open(directory: &Path) -> io::Result<(Self, Vec<Entry>)> {
        std::fs::create_dir_all(directory)?;
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(directory.join(FILE))?;
        // Two that write would write over each other. The lock goes with the process, however it ends.
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => {
                io::Error::new(io::ErrorKind::ResourceBusy, "another sandbox keeps these books")
            }
            TryLockError::Error(error) => error,
        })?;
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let mut entries = Vec::new();
        for (index, line) in text.get(..whole).unwrap_or_default().split(|byte| *byte == b'\n').enumerate() {
            if !line.is_empty() {
                let broken = |error| io::Error::new(io::ErrorKind::InvalidData, format!("line {}: {error}", index + 1));
                entries.push(serde_json::from_slice(line).map_err(broken)?);
            }
        }
        file.set_len(u64::try_from(whole).unwrap_or(u64::MAX))?;
        file.seek(SeekFrom::End(0))?;
        file.sync_all()?;
        File::open(directory)?.sync_all()?;
        let (lines, given) = channel();
        let (told, durable) = watch::channel(0);
        let writer = Builder::new().name("sandbox-journal".to_owned()).spawn(move || write(file, &given, &told))?;
        Ok((Self { lines: Some(lines), writer: Some(writer), durable, given: 0 }, entries))
    }

    pub(super) fn give(&mut self, entry: &Entry) -> Place {
        self.given += 1;
        // What cannot be written is never durable: the writer is gone, or ends at the empty line.
        let line = serde_json::to_vec(entry).unwrap_or_default();
        if self.lines.as_ref().is_none_or(|lines| lines.send((self.given, line)).is_err()) {
            tracing::debug!("the journal has ended");
        }
        self.place()
    }

    /// Of everything given so far.
    pub(super) fn place(&self) -> Place {
        Place { line: self.given, durable: self.durable.clone() }
    }
}

/// What was given is written first, and then the file is free.
impl Drop for Journal {
    fn drop(&mut self) {
        drop(self.lines.take());
        if self.writer.take().is_some_and(|writer| writer.join().is_err()) {
            tracing::error!("the sandbox's journal ended badly");
        }
    }
}

fn write(mut file: File, given: &Receiver<(u64, Vec<u8>)>, durable: &watch::Sender<u64>) {
    while let Ok(first) = given.recv() {
        let (mut last, mut batch) = (0, Vec::new());
        for (number, line) in std::iter::once(first).chain(given.try_iter()) {
            if line.is_empty() {
                return;
            }
            batch.extend(line);
            batch.push(b'\n');
            last = number;
        }
        if let Err(error) = file.write_all(&batch).and_then(|()| file.sync_data()) {
            tracing::error!(%error, "the sandbox's journal cannot be written: nothing more is answered");
            return;
        }
        durable.send_replace(last);
    }
}
