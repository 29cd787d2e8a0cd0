//! The directory outside the database: what was signed, and the hash of every leaf.
//!
//! `checkpoint` is the newest, `checkpoints` every one of them, `leaves` 32 bytes for each event, `keys` the public keys.
//! All but `checkpoint` only ever grow; what is in them is synced before `checkpoint` speaks of it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use crate::checkpoint::Note;
use crate::hash::{Hash, bytes, hashes};

const NEWEST: &str = "checkpoint";
const HISTORY: &str = "checkpoints";
const LEAVES: &str = "leaves";
const KEYS: &str = "keys";
const LOCK: &str = "lock";
/// How the lines of signatures begin.
const SIGNED: &str = "\u{2014} ";
/// Room for a few entries.
const TAIL: u64 = 128 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum OutsideFailure {
    #[error("the directory of checkpoints, {place}, cannot be used: {source}")]
    Io {
        place: String,
        #[source]
        source: io::Error,
    },
    #[error("another process writes to the directory of checkpoints, {0}")]
    Taken(String),
    #[error("the directory of checkpoints is damaged: {0}")]
    Damaged(String),
}

/// The directory as its one writer has it.
#[derive(Debug)]
pub struct Outside {
    directory: PathBuf,
    _lock: File,
    newest: Option<Note>,
    leaves: u64,
}

/// The directory as a reader finds it.
#[derive(Clone, Debug)]
pub struct Copy(PathBuf);

impl Outside {
    /// Takes the directory for this process; makes it where it is not there. What a crash left half written is cut off:
    /// no checkpoint speaks of it.
    ///
    /// # Errors
    /// It is taken, cannot be used, or was changed by somebody else.
    pub fn open(directory: &Path) -> Result<Self, OutsideFailure> {
        let io = |source| failed(directory, source);
        fs::create_dir_all(directory).map_err(io)?;
        let lock = File::options().create(true).truncate(false).write(true).open(directory.join(LOCK)).map_err(io)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OutsideFailure::Taken(directory.display().to_string())),
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        let copy = Copy(directory.to_owned());
        let newest = copy.newest()?;
        let leaves = newest.as_ref().map_or(0, |note| note.claimed().size);
        cut_history(&directory.join(HISTORY)).map_err(io)?;
        if !cut_leaves(&directory.join(LEAVES), leaves).map_err(io)? {
            return Err(OutsideFailure::Damaged(format!(
                "a checkpoint of {leaves} was signed, and not so many leaves are there"
            )));
        }
        Ok(Self { directory: directory.to_owned(), _lock: lock, newest, leaves })
    }

    /// What was signed last.
    pub const fn newest(&self) -> Option<&Note> {
        self.newest.as_ref()
    }

    /// How many leaves are written down.
    pub const fn leaves(&self) -> u64 {
        self.leaves
    }

    /// Writes down the hashes of the next leaves, and then the checkpoint that speaks of the last of them, if that is it: to
    /// the history first, then as the newest.
    ///
    /// # Errors
    /// It cannot be written. What was, is cut off when the directory is opened again.
    pub fn add(&mut self, leaves: &[Hash], note: Option<Note>) -> Result<(), OutsideFailure> {
        if !leaves.is_empty() {
            self.append(LEAVES, &bytes(leaves))?;
            self.leaves = self.leaves.saturating_add(u64::try_from(leaves.len()).unwrap_or_default());
        }
        let Some(note) = note else { return Ok(()) };
        let io = |source| failed(&self.directory, source);
        self.append(HISTORY, format!("{note}\n").as_bytes())?;
        let draft = self.directory.join(format!("{NEWEST}.draft"));
        let mut written = File::create(&draft).map_err(io)?;
        write!(written, "{note}").and_then(|()| written.sync_all()).map_err(io)?;
        fs::rename(&draft, self.directory.join(NEWEST)).map_err(io)?;
        File::open(&self.directory).and_then(|directory| directory.sync_all()).map_err(io)?;
        self.newest = Some(note);
        Ok(())
    }

    /// Adds a public key, once.
    ///
    /// # Errors
    /// It cannot be read or written.
    pub fn keep_key(&mut self, key: &str) -> Result<(), OutsideFailure> {
        if Copy(self.directory.clone()).keys()?.iter().any(|known| known == key) {
            return Ok(());
        }
        self.append(KEYS, format!("{key}\n").as_bytes())
    }

    fn append(&self, name: &str, bytes: &[u8]) -> Result<(), OutsideFailure> {
        let path = self.directory.join(name);
        let appended = || -> io::Result<()> {
            let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
            file.write_all(bytes)?;
            file.sync_all()
        };
        appended().map_err(|source| failed(&path, source))
    }
}

impl Copy {
    pub fn of(directory: &Path) -> Self {
        Self(directory.to_owned())
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// # Errors
    /// It cannot be read.
    pub fn newest(&self) -> Result<Option<Note>, OutsideFailure> {
        let text = self.text(NEWEST)?;
        let damaged = |why| OutsideFailure::Damaged(format!("{NEWEST}: {why}"));
        if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(damaged) }
    }

    /// Every checkpoint that was signed, as it was written; the last may be missing while it is being written.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn history(&self) -> Result<Vec<String>, OutsideFailure> {
        let text = self.text(HISTORY)?;
        Ok(entries(text.get(..end_of_whole(text.as_bytes())).unwrap_or_default()))
    }

    /// # Errors
    /// It cannot be read.
    pub fn keys(&self) -> Result<Vec<String>, OutsideFailure> {
        Ok(self.text(KEYS)?.lines().map(str::to_owned).collect())
    }

    /// How many leaves are written down.
    ///
    /// # Errors
    /// It cannot be asked.
    pub fn leaves_count(&self) -> Result<u64, OutsideFailure> {
        match fs::metadata(self.0.join(LEAVES)) {
            Ok(metadata) => Ok(metadata.len() / 32),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(source) => Err(failed(&self.0.join(LEAVES), source)),
        }
    }

    /// Some leaves; fewer where there are not so many.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn leaves(&self, first: u64, most: usize) -> Result<Vec<Hash>, OutsideFailure> {
        let there = usize::try_from(self.leaves_count()?.saturating_sub(first)).unwrap_or(usize::MAX).min(most);
        if there == 0 {
            return Ok(Vec::new());
        }
        let path = self.0.join(LEAVES);
        let mut read = vec![0; there.saturating_mul(Hash::LENGTH)];
        let file = File::open(&path).map_err(|source| failed(&path, source))?;
        file.read_exact_at(&mut read, first.saturating_mul(32)).map_err(|source| failed(&path, source))?;
        Ok(hashes(&read).unwrap_or_default())
    }

    fn text(&self, name: &str) -> Result<String, OutsideFailure> {
        match fs::read_to_string(self.0.join(name)) {
            Ok(text) => Ok(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            Err(source) => Err(failed(&self.0.join(name), source)),
        }
    }
}

fn failed(place: &Path, source: io::Error) -> OutsideFailure {
    OutsideFailure::Io { place: place.display().to_string(), source }
}

/// Notes, each with an empty line after it: a note itself has one empty line, before its signatures.
fn entries(text: &str) -> Vec<String> {
    let mut blocks = text.split("\n\n");
    let mut entries = Vec::new();
    while let (Some(said), Some(signatures)) = (blocks.next(), blocks.next()) {
        entries.push(format!("{said}\n\n{signatures}\n"));
    }
    entries
}

/// Where the last whole entry ends: behind an empty line after signatures.
fn end_of_whole(bytes: &[u8]) -> usize {
    let (mut begin, mut end) = (0, 0);
    for (at, pair) in bytes.windows(2).enumerate() {
        if pair == b"\n\n" && at >= begin {
            let block = bytes.get(begin..at).unwrap_or_default();
            begin = at.saturating_add(2);
            if block.starts_with(SIGNED.as_bytes()) {
                end = begin;
            }
        }
    }
    end
}

/// Cuts off an entry that was not written to its end.
fn cut_history(path: &Path) -> io::Result<()> {
    let Some(mut file) = writable(path)? else { return Ok(()) };
    let length = file.seek(SeekFrom::End(0))?;
    let from = length.saturating_sub(TAIL);
    let mut tail = Vec::new();
    file.seek(SeekFrom::Start(from))?;
    file.read_to_end(&mut tail)?;
    let whole = from.saturating_add(u64::try_from(end_of_whole(&tail)).unwrap_or_default());
    if whole < length {
        file.set_len(whole)?;
        file.sync_all()?;
    }
    Ok(())
}

/// Cuts off leaves no checkpoint speaks of; false where there are fewer.
fn cut_leaves(path: &Path, leaves: u64) -> io::Result<bool> {
    let wanted = leaves.saturating_mul(32);
    let Some(file) = writable(path)? else { return Ok(wanted == 0) };
    let length = file.metadata()?.len();
    if length > wanted {
        file.set_len(wanted)?;
        file.sync_all()?;
    }
    Ok(length >= wanted)
}

fn writable(path: &Path) -> io::Result<Option<File>> {
    match File::options().read(true).write(true).open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
