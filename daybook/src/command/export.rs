//! `daybook export`: the books in the words of other programs.

use std::{
    io::{BufWriter, ErrorKind, Write as _, stdout},
    process::ExitCode,
};

use clap::{Args, Subcommand};
use projections::hledger::Journal;
use projections::ledger::last_position;

use super::{bundle, place::Place};
use crate::failure::{Attempt as _, Result};

/// Write the books out, for other programs to read and check
#[derive(Args, Debug)]
pub(super) struct Export {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    format: Format,
}

#[derive(Debug, Subcommand)]
enum Format {
    /// The whole journal in hledger's words: `hledger check --strict ordereddates` recomputes every balance
    Hledger {
        /// As of this position; without it, as far as the ledger's read model has come
        #[arg(long)]
        at_position: Option<i64>,
    },
    /// Everything an audit needs, up to the newest signed checkpoint: events, checkpoints, proofs, keys, journal, schemas,
    /// and the hash of each; `daybook verify bundle` checks it anywhere
    Bundle(bundle::To),
}

impl Export {
    /// Page by page, each a short read: however long the journal is, little of it is in memory.
    pub(super) async fn run(self) -> Result<ExitCode> {
        let at_position = match &self.format {
            Format::Bundle(bundle) => return bundle::make(&self.place, &bundle.to).await,
            Format::Hledger { at_position } => *at_position,
        };
        let mut connection = self.place.connect().await?;
        let reading = || "reading the journal".to_owned();
        let last = last_position(&mut connection).await.attempt(reading)?;
        let mut journal = Journal::upto(at_position.unwrap_or(last).min(last));
        let mut out = BufWriter::new(stdout().lock());
        let head = journal.head(&mut connection).await.attempt(reading)?;
        let mut written = out.write_all(head.as_bytes());
        while written.is_ok()
            && let Some(entries) = journal.next(&mut connection).await.attempt(reading)?
        {
            written = out.write_all(entries.as_bytes());
        }
        match written.and_then(|()| out.flush()) {
            // A reader who has read enough (`| head`) is no failure.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
            written => written.attempt(|| "writing to standard output".to_owned()).map(|()| ExitCode::SUCCESS),
        }
    }
}
