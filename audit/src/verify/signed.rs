//! Everything that was signed, from wherever it is kept; and whether it is truly signed.

use std::collections::BTreeMap;

use sqlx::postgres::PgPool;

use super::kind::{Finding, Kind};
use crate::checkpoint::{Note, NoteFailure};
use crate::hash::Hash;
use crate::key::VerifierKey;
use crate::outside::{Copy, OutsideFailure};
use crate::rows;

const PAGE: i64 = 5_000;

/// A checkpoint a trusted key has signed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Signed {
    pub(super) size: u64,
    pub(super) root: Hash,
    /// Where it was found.
    pub(super) source: String,
}

/// All of them, smallest first, each root of a size once; and what is wrong with others.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    by_size: BTreeMap<(u64, Hash), String>,
    origin: Option<String>,
    pub(super) findings: Vec<Finding>,
}

impl Gathered {
    pub(super) fn all(&self) -> Vec<Signed> {
        let signed = self.by_size.iter();
        signed.map(|((size, root), source)| Signed { size: *size, root: *root, source: source.clone() }).collect()
    }

    fn add(&mut self, text: &str, source: &str, trusted: &[VerifierKey]) -> Option<(u64, Hash)> {
        let note: Note = match text.parse() {
            Ok(note) => note,
            Err(why) => {
                self.findings.push(Finding::new(0, Kind::Checkpoint, format!("{source}: {why}")));
                return None;
            }
        };
        let size = rows::number(note.claimed().size);
        match note.verify(trusted) {
            Ok(checkpoint) => {
                let origin = self.origin.get_or_insert_with(|| checkpoint.origin.clone());
                if *origin != checkpoint.origin {
                    let words = format!("{source}: it is of the log {}, and others are of {origin}", checkpoint.origin);
                    self.findings.push(Finding::new(size, Kind::Checkpoint, words));
                    return None;
                }
                let of = (checkpoint.size, checkpoint.root);
                self.by_size.entry(of).or_insert_with(|| source.to_owned());
                Some(of)
            }
            Err(why) => {
                let by = note.signers().join(" and ");
                let what = match why {
                    NoteFailure::Unsigned => format!(
                        "{why}, so of this one nothing is said; it bears the name of {by}: give that key as well, if you trust it"
                    ),
                    NoteFailure::Forged | NoteFailure::Malformed(_) => why.to_string(),
                };
                self.findings.push(Finding::new(size, Kind::Checkpoint, format!("{source}: {what}")));
                None
            }
        }
    }

    /// Those of the database.
    pub(super) async fn stored(&mut self, pool: &PgPool, trusted: &[VerifierKey]) -> Result<(), sqlx::Error> {
        let mut from = 1;
        loop {
            let page = rows::checkpoints(pool, from, PAGE).await?;
            for kept in &page {
                let found = self.add(&kept.note, "the database", trusted);
                if found.is_some_and(|(size, _root)| size != kept.size) {
                    let words = format!("the database keeps a checkpoint of another size as that of {}", kept.size);
                    self.findings.push(Finding::new(rows::number(kept.size), Kind::Checkpoint, words));
                }
            }
            match page.last() {
                Some(last) if page.len() >= usize::try_from(PAGE).unwrap_or_default() => {
                    from = last.size.saturating_add(1);
                }
                Some(_) | None => return Ok(()),
            }
        }
    }

    /// Those of a directory; each must be in the database as well, which had it first.
    pub(super) fn outside(&mut self, copy: &Copy, trusted: &[VerifierKey]) -> Result<(), OutsideFailure> {
        let source = copy.path().display().to_string();
        let stored: Vec<(u64, Hash)> = self.by_size.keys().copied().collect();
        let newest = copy.newest()?.map(|note| note.to_string());
        for text in copy.history()?.iter().chain(&newest) {
            if let Some((size, root)) = self.add(text, &source, trusted)
                && stored.binary_search(&(size, root)).is_err()
            {
                let words = format!("{source}: the database has lost the checkpoint of {size}, or has another");
                self.findings.push(Finding::new(rows::number(size), Kind::Checkpoint, words));
            }
        }
        Ok(())
    }

    /// One that somebody else kept.
    pub(super) fn file(&mut self, name: &str, text: &str, trusted: &[VerifierKey]) {
        self.add(text, name, trusted);
    }
}
