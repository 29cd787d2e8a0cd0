//! Makes a bundle: whole, or not at all.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use event_store::{Database, Upcasters};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{
    BundleFailure, CHECKPOINTS, EVENTS, FORMAT, JOURNAL, Journal, KEYS, Line, Listed, MANIFEST, Manifest, PROOFS,
    Proof, SCHEMAS, Turn, io_at,
};
use crate::checkpoint::Note;
use crate::proofs::Proofs;
use crate::receipt::{About, Told};
use crate::rows::number;

/// Events read at once.
const RUN: i64 = 4_096;
/// Checkpoints read at once.
const PAGE: i64 = 2_000;
/// Checkpoints whose growth into the last is proven, spread over all of them: the check recomputes every root anyway.
const GROWTHS: usize = 32;

/// What a bundle is made of.
pub struct Make<'m> {
    pub proofs: &'m Proofs,
    pub database: &'m Database,
    pub upcasters: &'m Upcasters,
    /// JSON Schema of every payload.
    pub schemas: &'m str,
    /// Name and version of the program.
    pub program: &'m str,
}

impl Make<'_> {
    /// Writes it into a directory that is not there yet. `watch` hears how far it is, and where it will end.
    ///
    /// # Errors
    /// It cannot be written, nothing was signed, or the log cannot be read. Then there is no such directory.
    pub async fn run(
        &self,
        directory: &Path,
        journal: Journal<'_>,
        watch: &(dyn Fn(u64, u64) + Sync),
    ) -> Result<Manifest, BundleFailure> {
        if directory.exists() {
            return Err(BundleFailure::There(directory.to_owned()));
        }
        let newest = self.proofs.newest().await?.ok_or(BundleFailure::Unsigned)?;
        let mut partial = directory.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        if partial.exists() {
            fs::remove_dir_all(&partial).map_err(io_at(&partial))?;
        }
        fs::create_dir_all(&partial).map_err(io_at(&partial))?;
        let made = self.files(&partial, &newest, journal, watch).await;
        match made {
            Ok(manifest) => {
                fs::rename(&partial, directory).map_err(io_at(directory))?;
                Ok(manifest)
            }
            Err(failure) => {
                if let Err(reason) = fs::remove_dir_all(&partial) {
                    tracing::warn!(place = %partial.display(), %reason, "what was begun of a bundle is left there");
                }
                Err(failure)
            }
        }
    }

    async fn files(
        &self,
        place: &Path,
        newest: &Note,
        journal: Journal<'_>,
        watch: &(dyn Fn(u64, u64) + Sync),
    ) -> Result<Manifest, BundleFailure> {
        let size = newest.claimed().size;
        let [events, entries] = self.events(place, size, journal, watch).await?;
        let (checkpoints, sizes) = self.checkpoints(place, size).await?;
        let proofs = self.growths(place, newest, &sizes).await?;
        let mut keys = Writing::begin(place, KEYS)?;
        for key in self.proofs.keys().await? {
            keys.write(format!("{key}\n").as_bytes())?;
        }
        let mut schemas = Writing::begin(place, SCHEMAS)?;
        schemas.write(self.schemas.as_bytes())?;
        let files = vec![events, checkpoints, proofs, keys.end()?, entries, schemas.end()?];
        let (format, program) = (FORMAT.to_owned(), self.program.to_owned());
        let manifest = Manifest { format, origin: newest.claimed().origin.clone(), size, program, files };
        let mut writing = Writing::begin(place, MANIFEST)?;
        writing.line(&manifest)?;
        writing.end()?;
        Ok(manifest)
    }

    /// Events and journal, in one go through the log.
    async fn events(
        &self,
        place: &Path,
        size: u64,
        journal: Journal<'_>,
        watch: &(dyn Fn(u64, u64) + Sync),
    ) -> Result<[Listed; 2], BundleFailure> {
        let (mut events, mut entries) = (Writing::begin(place, EVENTS)?, Writing::begin(place, "entries")?);
        let mut bulk = self.database.bulk().await?;
        let (head, mut at, mut room) = (number(size), 0, Vec::new());
        while at < head {
            let upto = head.min(at.saturating_add(RUN));
            for event in bulk.run(at, upto).await?.events()? {
                let fact = self.upcasters.fact(&event).map_err(BundleFailure::Event)?;
                let event_told = Told::from(&event);
                let leaf = event_told.leaf().hash(&mut room);
                events.line(&Line { leaf, event: event_told })?;
                if let Some(entry) = journal(Turn::Event(&event, &fact)).map_err(BundleFailure::Event)? {
                    entries.write(entry.as_bytes())?;
                }
                at = event.position;
            }
            if at != upto {
                return Err(BundleFailure::Short(u64::try_from(at).unwrap_or_default().saturating_add(1)));
            }
            watch(u64::try_from(at).unwrap_or_default(), size);
        }
        entries.end()?;
        let mut whole = Writing::begin(place, JOURNAL)?;
        let head = journal(Turn::End).map_err(BundleFailure::Event)?;
        whole.write(head.unwrap_or_default().as_bytes())?;
        let entries = place.join("entries");
        let mut body = BufReader::new(File::open(&entries).map_err(io_at(&entries))?);
        io::copy(&mut body, &mut whole).map_err(io_at(&entries))?;
        fs::remove_file(&entries).map_err(io_at(&entries))?;
        Ok([events.end()?, whole.end()?])
    }

    /// Every checkpoint up to the newest, and the sizes of some of them.
    async fn checkpoints(&self, place: &Path, size: u64) -> Result<(Listed, Vec<u64>), BundleFailure> {
        let (mut writing, mut sizes, mut from) = (Writing::begin(place, CHECKPOINTS)?, Vec::new(), 1);
        loop {
            let page = self.proofs.checkpoints(from, PAGE).await?;
            for note in page.iter().filter(|note| note.claimed().size <= size) {
                sizes.push(note.claimed().size);
                writing.line(&note.to_string())?;
            }
            match page.last().map(|note| note.claimed().size) {
                Some(last) if last < size => from = last.saturating_add(1),
                Some(_) | None => break,
            }
        }
        let step = sizes.len().div_ceil(GROWTHS).max(1);
        let some = sizes.into_iter().step_by(step).collect();
        Ok((writing.end()?, some))
    }

    async fn growths(&self, place: &Path, newest: &Note, sizes: &[u64]) -> Result<Listed, BundleFailure> {
        let mut writing = Writing::begin(place, PROOFS)?;
        let size = newest.claimed().size;
        for first in sizes {
            writing.line(&Proof::Growth(self.proofs.growth(*first, size).await?))?;
        }
        let last = self.proofs.event(number(size)).await?;
        let receipt = self.proofs.receipt_under(About::Event(last.position), &[last], newest).await?;
        writing.line(&Proof::Receipt(receipt))?;
        writing.end()
    }
}

/// A file on its way, with its hash.
struct Writing {
    name: &'static str,
    place: PathBuf,
    file: BufWriter<File>,
    hash: Sha256,
    bytes: u64,
}

impl Writing {
    fn begin(place: &Path, name: &'static str) -> Result<Self, BundleFailure> {
        let place = place.join(name);
        let file = BufWriter::new(File::create(&place).map_err(io_at(&place))?);
        Ok(Self { name, place, file, hash: Sha256::new(), bytes: 0 })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), BundleFailure> {
        let written = io::Write::write_all(self, bytes);
        written.map_err(io_at(&self.place))
    }

    /// As one line of JSON.
    fn line(&mut self, value: &impl Serialize) -> Result<(), BundleFailure> {
        let mut line = serde_json::to_vec(value).map_err(io::Error::other).map_err(io_at(&self.place))?;
        line.push(b'\n');
        self.write(&line)
    }

    fn end(mut self) -> Result<Listed, BundleFailure> {
        let written = self.file.flush().and_then(|()| self.file.get_ref().sync_all());
        written.map_err(io_at(&self.place))?;
        let sha256 = hex::encode(self.hash.finalize());
        Ok(Listed { name: self.name.to_owned(), bytes: self.bytes, sha256 })
    }
}

impl io::Write for Writing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(bytes.get(..written).unwrap_or_default());
        self.bytes = self.bytes.saturating_add(u64::try_from(written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
