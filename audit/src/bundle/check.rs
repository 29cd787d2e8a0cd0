//! Checks a bundle with a public key and nothing else, and names what is wrong.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::Path;

use event_store::Upcasters;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use super::journal::Entries;
use super::walk::Walk;
use super::{
    BundleFailure, CHECKPOINTS, EVENTS, FILES, FORMAT, JOURNAL, Journal, KEYS, MANIFEST, Manifest, PROOFS, Proof,
    SCHEMAS, Turn, io_at,
};
use crate::checkpoint::{Checkpoint, Note};
use crate::key::VerifierKey;
use crate::rows::number;

/// As much of a manifest as is ever read.
const MANIFEST_MAX: u64 = 1024 * 1024;
/// As much of a line as is ever read: an event has a bound, and so have proofs.
const LINE_MAX: u64 = 64 * 1024 * 1024;
/// Findings of one file after which no more are told of it.
const ENOUGH: usize = 20;

/// Whom to believe, and what this program holds itself.
pub struct Check<'c> {
    pub directory: &'c Path,
    pub trusted: &'c [VerifierKey],
    pub upcasters: &'c Upcasters,
    pub schemas: &'c str,
    pub program: &'c str,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub file: String,
    /// In the log, where it is about one.
    pub position: Option<i64>,
    pub words: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.position {
            Some(position) => write!(f, "{}: position {position}: {}", self.file, self.words),
            None => write!(f, "{}: {}", self.file, self.words),
        }
    }
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub origin: String,
    /// How many events are there.
    pub events: u64,
    /// Up to where they are as they were signed.
    pub proven: u64,
    pub checkpoints: usize,
    /// None where all is well.
    pub findings: Vec<Finding>,
}

impl Check<'_> {
    /// Checks. `watch` hears how far it is, and where it will end.
    ///
    /// # Errors
    /// It could not be looked at. What is wrong with the bundle is no error but a finding.
    pub fn run(&self, journal: Journal<'_>, watch: &dyn Fn(u64, u64)) -> Result<Report, BundleFailure> {
        let mut findings = Findings::default();
        let Some(manifest) = self.manifest(&mut findings)? else {
            let findings = findings.0;
            return Ok(Report { origin: String::new(), events: 0, proven: 0, checkpoints: 0, findings });
        };
        self.files(&manifest, &mut findings)?;
        let signed = self.checkpoints(&manifest, &mut findings)?;
        let (events, proven) = self.events(&manifest, &signed, journal, (&mut findings, watch))?;
        self.proofs(&signed, &mut findings)?;
        self.keys(&mut findings)?;
        self.schemas(&manifest, &mut findings)?;
        Ok(Report { origin: manifest.origin, events, proven, checkpoints: signed.len(), findings: findings.0 })
    }

    fn manifest(&self, findings: &mut Findings) -> Result<Option<Manifest>, BundleFailure> {
        let place = self.directory.join(MANIFEST);
        let mut text = String::new();
        let file = File::open(&place).map_err(io_at(&place))?;
        file.take(MANIFEST_MAX).read_to_string(&mut text).map_err(io_at(&place))?;
        match serde_json::from_str::<Manifest>(&text) {
            Ok(manifest) if manifest.format == FORMAT => return Ok(Some(manifest)),
            Ok(manifest) => {
                let words = format!("it is a {:?}, and this program reads a {FORMAT:?}", manifest.format);
                findings.tell(MANIFEST, None, words);
            }
            Err(reason) => findings.tell(MANIFEST, None, format!("it is no manifest: {reason}")),
        }
        Ok(None)
    }

    /// Every file there must be is there, with its hash; and no other.
    fn files(&self, manifest: &Manifest, findings: &mut Findings) -> Result<(), BundleFailure> {
        for listed in manifest.files.iter().filter(|listed| !FILES.contains(&listed.name.as_str())) {
            findings.tell(MANIFEST, None, format!("it lists {:?}, which is no file of a bundle", listed.name));
        }
        for name in FILES {
            let place = self.directory.join(name);
            let mut listed = manifest.files.iter().filter(|listed| listed.name == name);
            let (Some(listed), None) = (listed.next(), listed.next()) else {
                findings.tell(name, None, "the manifest does not list it once".to_owned());
                continue;
            };
            match hash_of(&place) {
                Ok((sha256, bytes)) if sha256 == listed.sha256 && bytes == listed.bytes => {}
                Ok(_other) => findings.tell(name, None, "its hash is not the manifest's".to_owned()),
                Err(missing) if missing.kind() == io::ErrorKind::NotFound => {
                    findings.tell(name, None, "it is not there".to_owned());
                }
                Err(failure) => return Err(io_at(&place)(failure)),
            }
        }
        for entry in fs::read_dir(self.directory).map_err(io_at(self.directory))? {
            let name = entry.map_err(io_at(self.directory))?.file_name().to_string_lossy().into_owned();
            if name != MANIFEST && !FILES.contains(&name.as_str()) {
                findings.tell(&name, None, "it is no file of a bundle".to_owned());
            }
        }
        Ok(())
    }

    /// Those that a trusted key has signed, of one log, smallest first.
    fn checkpoints(&self, manifest: &Manifest, findings: &mut Findings) -> Result<Vec<Checkpoint>, BundleFailure> {
        let mut signed: Vec<Checkpoint> = Vec::new();
        let mut number_of_line = 0_u64;
        self.lines(CHECKPOINTS, |line: Result<String, String>| {
            number_of_line = number_of_line.saturating_add(1);
            let read = line.and_then(|text| {
                let note: Note = text.parse().map_err(|why| format!("{why}"))?;
                let size = note.claimed().size;
                let verified = note.verify(self.trusted).map_err(|why| format!("the checkpoint of {size}: {why}"))?;
                if verified.origin != manifest.origin {
                    return Err(format!("the checkpoint of {size} is of another log, {}", verified.origin));
                }
                Ok(verified.clone())
            });
            match read {
                Ok(checkpoint) if signed.last().is_some_and(|last| last.size >= checkpoint.size) => {
                    let words = format!("the checkpoint of {} is not after the one before it", checkpoint.size);
                    findings.tell(CHECKPOINTS, None, words);
                }
                Ok(checkpoint) => signed.push(checkpoint),
                Err(words) => findings.tell(CHECKPOINTS, None, format!("line {number_of_line}: {words}")),
            }
        })?;
        let last = signed.last().map_or(0, |last| last.size);
        if last != manifest.size || last == 0 {
            let words = format!("the last that is signed is of {last}, and the bundle is of {}", manifest.size);
            findings.tell(CHECKPOINTS, None, words);
        }
        Ok(signed)
    }

    /// How many events are there, and up to where they are as signed.
    fn events(
        &self,
        manifest: &Manifest,
        signed: &[Checkpoint],
        journal: Journal<'_>,
        (findings, watch): (&mut Findings, &dyn Fn(u64, u64)),
    ) -> Result<(u64, u64), BundleFailure> {
        let place = self.directory.join(JOURNAL);
        let mut entries = match Entries::open(&place) {
            Ok(entries) => Some(entries),
            // That it is not there was told with the other files.
            Err(missing) if missing.kind() == io::ErrorKind::NotFound => None,
            Err(failure) => return Err(io_at(&place)(failure)),
        };
        let mut walk = Walk::new(signed, self.upcasters);
        let mut failed = None;
        self.lines(EVENTS, |line| {
            let Some((event, fact)) = walk.take_in(line, findings) else { return };
            match (journal(Turn::Event(&event, &fact)), &mut entries) {
                (Ok(Some(entry)), Some(entries)) => {
                    failed = failed.take().or(entries.expect(event.position, &entry).err());
                }
                (Ok(_), _) => {}
                (Err(words), _) => findings.tell(EVENTS, Some(event.position), words),
            }
            watch(walk.size(), manifest.size);
        })?;
        if let Some(failure) = failed {
            return Err(io_at(&place)(failure));
        }
        walk.end(manifest.size, findings);
        let head = journal(Turn::End).unwrap_or_default().unwrap_or_default();
        if let Some(entries) = entries
            && let Some((position, words)) = entries.end(&head).map_err(io_at(&place))?
        {
            findings.tell(JOURNAL, position, words.to_owned());
        }
        Ok((walk.size(), walk.proven()))
    }

    fn proofs(&self, signed: &[Checkpoint], findings: &mut Findings) -> Result<(), BundleFailure> {
        let is_among = |note: &str| {
            let note: Option<Note> = note.parse().ok();
            note.is_some_and(|note| signed.iter().any(|signed| signed == note.claimed()))
        };
        let mut count = 0_u64;
        self.lines(PROOFS, |line: Result<Proof, String>| {
            count = count.saturating_add(1);
            let shown = line.and_then(|proof| match proof {
                Proof::Growth(growth) if !is_among(&growth.first) || !is_among(&growth.second) => {
                    Err("it is about a checkpoint that is not in the bundle".to_owned())
                }
                Proof::Growth(growth) => growth.verify(self.trusted).map(drop).map_err(|why| why.to_string()),
                Proof::Receipt(receipt) if !is_among(&receipt.checkpoint) => {
                    Err("it is under a checkpoint that is not in the bundle".to_owned())
                }
                Proof::Receipt(receipt) => receipt.verify(self.trusted).map(drop).map_err(|why| why.to_string()),
            });
            if let Err(words) = shown {
                findings.tell(PROOFS, None, format!("line {count}: {words}"));
            }
        })?;
        if count == 0 {
            findings.tell(PROOFS, None, "there are none".to_owned());
        }
        Ok(())
    }

    /// They are nobody's to believe; but those that are believed must have been there, if they have signed.
    fn keys(&self, findings: &mut Findings) -> Result<(), BundleFailure> {
        let place = self.directory.join(KEYS);
        let text = match fs::read_to_string(&place) {
            Ok(text) => text,
            Err(missing) if missing.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(failure) => return Err(io_at(&place)(failure)),
        };
        let found: Vec<Option<VerifierKey>> = text.lines().map(|line| line.parse().ok()).collect();
        if found.iter().any(Option::is_none) {
            findings.tell(KEYS, None, "a line of it is no public key".to_owned());
        }
        let is_there = |key: &VerifierKey| found.iter().flatten().any(|found| found.to_string() == key.to_string());
        if !self.trusted.iter().any(is_there) {
            findings.tell(KEYS, None, "none of the keys you believe is among those of the ledger".to_owned());
        }
        Ok(())
    }

    /// Of another version they may be others.
    fn schemas(&self, manifest: &Manifest, findings: &mut Findings) -> Result<(), BundleFailure> {
        let place = self.directory.join(SCHEMAS);
        match fs::read_to_string(&place) {
            Ok(text) if manifest.program == self.program && text != self.schemas => {
                findings.tell(SCHEMAS, None, "they are not those of the program that made the bundle".to_owned());
            }
            Ok(text) if serde_json::from_str::<serde_json::Value>(&text).is_err() => {
                findings.tell(SCHEMAS, None, "they are no JSON".to_owned());
            }
            Ok(_) => {}
            Err(missing) if missing.kind() == io::ErrorKind::NotFound => {}
            Err(failure) => return Err(io_at(&place)(failure)),
        }
        Ok(())
    }

    /// Each line of a file, read, or why it cannot be. A file that is not there has none: that was told.
    fn lines<T: DeserializeOwned>(
        &self,
        name: &str,
        mut each: impl FnMut(Result<T, String>),
    ) -> Result<(), BundleFailure> {
        let place = self.directory.join(name);
        let file = match File::open(&place) {
            Ok(file) => file,
            Err(missing) if missing.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(failure) => return Err(io_at(&place)(failure)),
        };
        let (mut reader, mut line) = (BufReader::new(file), Vec::new());
        loop {
            line.clear();
            let read = reader.by_ref().take(LINE_MAX).read_until(b'\n', &mut line).map_err(io_at(&place))?;
            if read == 0 {
                return Ok(());
            }
            each(serde_json::from_slice(&line).map_err(|reason| format!("it cannot be read: {reason}")));
        }
    }
}

/// What is wrong, file by file no more than anybody reads.
#[derive(Debug, Default)]
pub(super) struct Findings(Vec<Finding>);

impl Findings {
    pub(super) fn tell(&mut self, file: &str, position: Option<i64>, words: String) {
        if self.0.iter().filter(|finding| finding.file == file).count() < ENOUGH {
            self.0.push(Finding { file: file.to_owned(), position, words });
        }
    }

    /// Whether an event up to here is wrong by itself.
    pub(super) fn knows_of(&self, after: u64, upto: u64) -> bool {
        let is_there = |position: i64| position > number(after) && position <= number(upto);
        self.0.iter().any(|finding| finding.file == EVENTS && finding.position.is_some_and(is_there))
    }
}

fn hash_of(place: &Path) -> io::Result<(String, u64)> {
    let (mut file, mut hash) = (File::open(place)?, Sha256::new());
    let bytes = io::copy(&mut file, &mut hash)?;
    Ok((hex::encode(hash.finalize()), bytes))
}
