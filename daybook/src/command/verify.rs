//! `daybook verify`: the whole log from its first event; or a receipt or bundle, offline.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use audit::{
    key::VerifierKey,
    receipt::{Growth, Receipt, ReceiptFailure, Shown},
    verify::{Kind, Report, SAVE_EVERY, Verify as Check},
};
use chrono::DateTime;
use clap::{Args, Subcommand};
use event_store::Upcasters;
use indicatif::{ProgressBar, ProgressStyle};

use super::{bundle, place::Place, say};
use crate::{
    database,
    failure::{Attempt as _, Failure, Result},
};

/// A document that does not show what it says.
const NOT_PROVEN: u8 = 30;

const EXIT: &str = "\
Ends with 0 where all is well, 1 where it could not be checked, else by what is wrong at the first wrong position:
  10 changed       the event is not as it was written     16 fork         two checkpoints that cannot be of one log
  11 removed       an event is gone                       17 order        a stream has a gap or repeat; time runs back
  12 cut off       the log ends before it did             18 event id     two events have one id
  13 inserted      an event was put in                    19 unreadable   the database or this program cannot read it
  14 swapped       two events changed places              20 tree         the log is well, what is stored of its tree is not
  15 rewritten     log and tree were changed together     21 checkpoint   one is missing, malformed, or signed by nobody
  30 not proven    the receipt or proof does not show what it says
  31 not as signed the bundle is not what was signed

Examples:
  daybook verify --key PUB                          the log, against what was signed with this key
  daybook verify --key PUB --checkpoints /mnt/safe  and against a directory of checkpoints kept elsewhere
  daybook verify --key PUB --checkpoint mine.txt    and against a checkpoint that you kept
  daybook verify --key PUB --resume verify.state    go on where a check was broken off
  daybook verify receipt FILE --key PUB             a receipt, with no database and no network
  daybook verify bundle DIRECTORY --key PUB         a bundle, likewise";

/// Recompute everything from the first event, and name the first position where anything is wrong
///
/// Positions, event ids, the versions of every stream, the form of every payload, time, the Merkle tree and its stored
/// tiles; all of it against every signed checkpoint that is found or given.
#[derive(Args, Debug)]
#[command(after_help = EXIT, args_conflicts_with_subcommands = true)]
pub(super) struct Verify {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    trust: Trust,
    /// A directory of checkpoints kept outside the database; may be given more than once
    #[arg(long = "checkpoints", value_name = "DIRECTORY")]
    directories: Vec<PathBuf>,
    /// A file with a checkpoint somebody kept; may be given more than once
    #[arg(long = "checkpoint", value_name = "FILE")]
    notes: Vec<PathBuf>,
    /// Write down here how far it has come, and go on from there
    #[arg(long, value_name = "FILE")]
    resume: Option<PathBuf>,
    #[command(subcommand)]
    document: Option<Document>,
}

#[derive(Args, Clone, Debug)]
struct Trust {
    /// A public key to believe, or a file with some, one a line; may be given more than once
    #[arg(long = "key", value_name = "PUB")]
    keys: Vec<String>,
}

#[derive(Debug, Subcommand)]
enum Document {
    /// A receipt, or the proof of an event or entry: offline, with a public key alone
    Receipt {
        file: PathBuf,
        #[command(flatten)]
        trust: Trust,
    },
    /// That the log only grew between two checkpoints: offline, with a public key alone
    Consistency {
        file: PathBuf,
        #[command(flatten)]
        trust: Trust,
    },
    /// A bundle for an audit: every hash, event, root, payload and entry; offline, with a public key alone
    Bundle {
        directory: PathBuf,
        #[command(flatten)]
        trust: Trust,
    },
}

impl Verify {
    pub(super) async fn run(self) -> Result<ExitCode> {
        match &self.document {
            Some(Document::Receipt { file, trust }) => receipt(file, &trust.needed()?),
            Some(Document::Consistency { file, trust }) => consistency(file, &trust.needed()?),
            Some(Document::Bundle { directory, trust }) => bundle::check(directory, &trust.needed()?),
            None => self.log().await,
        }
    }

    async fn log(&self) -> Result<ExitCode> {
        drop(self.place.connect().await?);
        let notes =
            self.notes.iter().map(|file| Ok((file.display().to_string(), text(file)?))).collect::<Result<_>>()?;
        let check = Check {
            database: database::parse(&self.place.url()?)?,
            upcasters: Arc::new(Upcasters::default()),
            directories: self.directories(),
            notes,
            trusted: self.trust.read()?,
            state: self.resume.clone(),
            save_every: SAVE_EVERY,
        };
        let bar = bar();
        let watch = |at: i64, head: i64| {
            bar.set_length(u64::try_from(head).unwrap_or_default());
            bar.set_position(u64::try_from(at).unwrap_or_default());
        };
        let report = check.run(&watch).await;
        bar.finish_and_clear();
        tell(&report?)
    }

    /// Those that were named; else the one of this home, if it has one.
    fn directories(&self) -> Vec<PathBuf> {
        let home = self.place.checkpoints();
        if self.directories.is_empty() { home.into_iter().collect() } else { self.directories.clone() }
    }
}

impl Trust {
    fn read(&self) -> Result<Vec<VerifierKey>> {
        let mut keys = Vec::new();
        for given in &self.keys {
            match given.parse() {
                Ok(key) => keys.push(key),
                Err(failure) if !Path::new(given).is_file() => return Err(Failure::CheckpointKey(failure)),
                Err(_a_file) => {
                    for line in text(Path::new(given))?.lines().filter(|line| !line.trim().is_empty()) {
                        keys.push(line.parse()?);
                    }
                }
            }
        }
        Ok(keys)
    }

    fn needed(&self) -> Result<Vec<VerifierKey>> {
        let keys = self.read()?;
        let none = "name the public key to believe: --key PUB. A proof is worth what its key is worth";
        if keys.is_empty() { Err(Failure::NotThere(none.to_owned())) } else { Ok(keys) }
    }
}

fn text(file: &Path) -> Result<String> {
    std::fs::read_to_string(file).attempt(|| format!("reading {}", file.display()))
}

fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("verify {bar:32} {human_pos}/{human_len} {per_sec} ETA {eta}");
    ProgressBar::new(0).with_style(style.unwrap_or_else(|_invalid| ProgressStyle::default_bar()))
}

fn tell(report: &Report) -> Result<ExitCode> {
    let Report { head, resumed_at, proven, checkpoints, keys_were_named, findings } = report;
    for finding in findings {
        say(finding)?;
    }
    if *resumed_at > 0 {
        say(format_args!("positions 1 to {resumed_at} were checked by the run this one went on from"))?;
    }
    if !keys_were_named {
        say(
            "no key was named: those found with the ledger were believed, which whoever changed it may have put there",
        )?;
    }
    let newer = head.saturating_sub(i64::try_from(*proven).unwrap_or(i64::MAX)).max(0);
    let unsigned = if newer > 0 { format!("; {newer} newer ones are in no checkpoint yet") } else { String::new() };
    match report.first() {
        None => {
            say(format_args!(
                "well: {head} events, {proven} of them as signed, held against {checkpoints} checkpoints{unsigned}"
            ))?;
            Ok(ExitCode::SUCCESS)
        }
        Some(first) => {
            say(format_args!(
                "NOT WELL: the first wrong position is {}: {} ({proven} events are as signed; {} findings)",
                first.position,
                first.kind.name(),
                findings.len()
            ))?;
            Ok(ExitCode::from(Kind::exit_status(first.kind)))
        }
    }
}

fn receipt(file: &Path, trusted: &[VerifierKey]) -> Result<ExitCode> {
    let shown = match Receipt::parse(&text(file)?).and_then(|receipt| receipt.verify(trusted)) {
        Ok(shown) => shown,
        Err(failure) => return refused(&failure),
    };
    let Shown { origin, size, events, posting, about: _ } = &shown;
    for event in events {
        let at = DateTime::from_timestamp_micros(event.recorded_at_us).map(|at| at.to_rfc3339());
        let at = at.unwrap_or_else(|| format!("{} us", event.recorded_at_us));
        say(format_args!(
            "{:<10} {at}  {} {}#{}  {}\n           {}",
            event.position, event.aggregate_type, event.aggregate_id, event.sequence, event.event_type, event.payload
        ))?;
    }
    for line in posting.iter().flat_map(domain::posting::Posting::lines) {
        say(format_args!("           {line:?}"))?;
    }
    say(format_args!("proven: {} events are in the log {origin} as it was signed at {size} events", events.len()))?;
    Ok(ExitCode::SUCCESS)
}

fn consistency(file: &Path, trusted: &[VerifierKey]) -> Result<ExitCode> {
    let malformed = |reason: serde_json::Error| ReceiptFailure::Malformed(reason.to_string());
    let growth = serde_json::from_str::<Growth>(&text(file)?).map_err(malformed);
    match growth.and_then(|growth| growth.verify(trusted)) {
        Ok((first, second)) => {
            say(format_args!(
                "proven: the log of {second} events is that of {first}, and {} more",
                second.saturating_sub(first)
            ))?;
            Ok(ExitCode::SUCCESS)
        }
        Err(failure) => refused(&failure),
    }
}

fn refused(failure: &ReceiptFailure) -> Result<ExitCode> {
    say(format_args!("NOT PROVEN: {failure}"))?;
    Ok(ExitCode::from(NOT_PROVEN))
}
