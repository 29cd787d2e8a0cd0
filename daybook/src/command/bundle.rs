//! `daybook export bundle`, `daybook verify bundle`: the ledger as files, for an audit.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use audit::{
    bundle::{BundleFailure, Check, Make, Turn},
    key::VerifierKey,
};
use event_store::Upcasters;
use indicatif::{ProgressBar, ProgressStyle};
use projections::hledger::FromEvents;

use super::{place::Place, say};
use crate::{
    database,
    failure::{Failure, Result},
    witness,
};

/// A bundle that is not what was signed.
const NOT_AS_SIGNED: u8 = 31;

/// JSON Schema of every payload, as this program has it.
const SCHEMAS: &str = include_str!("../../../docs/events.schema.json");
const PROGRAM: &str = concat!("daybook ", env!("CARGO_PKG_VERSION"));

/// Everything up to the newest checkpoint, into a directory that is made for it.
pub(super) async fn make(place: &Place, directory: &Path) -> Result<ExitCode> {
    let store = place.store().await?;
    let made = async {
        let proofs = witness::proofs(&store, &place.url()?)?;
        let database = database::parse(&place.url()?)?;
        let upcasters = Upcasters::default();
        let make =
            Make { proofs: &proofs, database: &database, upcasters: &upcasters, schemas: SCHEMAS, program: PROGRAM };
        let (mut books, bar) = (FromEvents::default(), bar("bundle"));
        let mut journal = |turn: Turn<'_>| enter(&mut books, turn);
        let made = make.run(directory, &mut journal, &|at, size| tell(&bar, at, size)).await;
        bar.finish_and_clear();
        made.map_err(told)
    };
    let made = made.await;
    database::close(&store).await;
    let manifest = made?;
    say(format_args!(
        "{} events of {}, as they were signed, are in {}",
        manifest.size,
        manifest.origin,
        directory.display()
    ))?;
    for file in &manifest.files {
        say(format_args!("{}  {}  ({} bytes)", file.sha256, file.name, file.bytes))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// With nothing but the directory and the keys.
pub(super) fn check(directory: &Path, trusted: &[VerifierKey]) -> Result<ExitCode> {
    let upcasters = Upcasters::default();
    let check = Check { directory, trusted, upcasters: &upcasters, schemas: SCHEMAS, program: PROGRAM };
    let (mut books, bar) = (FromEvents::default(), bar("verify"));
    let mut journal = |turn: Turn<'_>| enter(&mut books, turn);
    let report = check.run(&mut journal, &|at, size| tell(&bar, at, size));
    bar.finish_and_clear();
    let report = report.map_err(told)?;
    for finding in &report.findings {
        say(finding)?;
    }
    match report.findings.first() {
        None => {
            say(format_args!(
                "well: {} events of {}, all as they were signed, held against {} checkpoints; every entry balances",
                report.events, report.origin, report.checkpoints
            ))?;
            Ok(ExitCode::SUCCESS)
        }
        Some(first) => {
            say(format_args!(
                "NOT WELL: {first} ({} of {} events are as signed; {} findings)",
                report.proven,
                report.events,
                report.findings.len()
            ))?;
            Ok(ExitCode::from(NOT_AS_SIGNED))
        }
    }
}

fn enter(books: &mut FromEvents, turn: Turn<'_>) -> Result<Option<String>, String> {
    match turn {
        Turn::Event(event, fact) => books.enter(event, fact),
        Turn::End => Ok(Some(books.head())),
    }
}

fn told(failure: BundleFailure) -> Failure {
    Failure::NotThere(failure.to_string())
}

fn bar(what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} {bar:32} {human_pos}/{human_len} {per_sec} ETA {eta}");
    let style = style.unwrap_or_else(|_invalid| ProgressStyle::default_bar());
    ProgressBar::new(0).with_style(style).with_message(what)
}

fn tell(bar: &ProgressBar, at: u64, size: u64) {
    bar.set_length(size);
    bar.set_position(at);
}

/// Where a bundle goes.
#[derive(clap::Args, Debug)]
pub(super) struct To {
    /// A directory that is not there yet
    #[arg(long, value_name = "DIRECTORY")]
    pub(super) to: PathBuf,
}
