//! `daybook proof` and `daybook receipt`: what an auditor or a merchant takes away.

use std::{path::PathBuf, process::ExitCode};

use audit::{
    ProofsFailure,
    receipt::{About, Growth, Receipt},
};
use clap::{Args, Subcommand};
use domain::id::PaymentId;
use event_store::Recorded;
use serde_json::json;

use super::{place::Place, say};
use crate::{
    database,
    failure::{Attempt as _, Failure, Result},
    witness,
};

const EXAMPLES: &str = "\
Examples:
  daybook proof event 42                  the event at position 42, with the proof that it is in the log
  daybook proof payment PAY…              all events of a payment
  daybook proof entry 42                  a journal entry
  daybook proof consistency 1000 2000     that the log only grew between two signed checkpoints
  daybook verify receipt FILE --key PUB   checks any of them, offline";

/// Prove that something is in the log, under a signed checkpoint
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Proof {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    out: Out,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The event at a position
    Event { position: i64 },
    /// Every event of a payment
    Payment { payment_no: PaymentId },
    /// The journal entry at a position: an event that moved money
    Entry { position: i64 },
    /// That the log of one checkpoint grew out of that of another
    Consistency { first: u64, second: u64 },
}

/// Write the receipt of a payment: all its events with their proofs, for anybody to verify offline
#[derive(Args, Debug)]
pub(super) struct OfPayment {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    out: Out,
    /// The payment's number
    payment_no: PaymentId,
}

#[derive(Args, Debug)]
struct Out {
    /// Where to write it; standard output where it is absent
    #[arg(long, global = true, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Proof {
    pub(super) async fn run(self) -> Result<ExitCode> {
        make(&self.place, &self.what, &self.out).await
    }
}

impl OfPayment {
    pub(super) async fn run(self) -> Result<ExitCode> {
        make(&self.place, &What::Payment { payment_no: self.payment_no }, &self.out).await
    }
}

async fn make(place: &Place, what: &What, out: &Out) -> Result<ExitCode> {
    let store = place.store().await?;
    let proofs = witness::proofs(&store, &place.url()?)?;
    let receipt =
        async |about, events: Vec<Recorded>| proofs.receipt(about, &events).await.map(|it: Receipt| json!(it));
    let made = async {
        match what {
            What::Event { position } => receipt(About::Event(*position), vec![proofs.event(*position).await?]).await,
            What::Entry { position } => {
                let event = proofs.event(*position).await?;
                proofs.is_entry(&event)?;
                receipt(About::Entry(*position), vec![event]).await
            }
            What::Payment { payment_no } => {
                receipt(About::Payment(payment_no.to_string()), proofs.payment(*payment_no).await?).await
            }
            What::Consistency { first, second } => {
                proofs.growth(*first, *second).await.map(|growth: Growth| json!(growth))
            }
        }
    };
    let made = made.await;
    database::close(&store).await;
    let text = format!("{:#}", made.map_err(told)?);
    match &out.out {
        Some(file) => std::fs::write(file, text + "\n").attempt(|| format!("writing {}", file.display()))?,
        None => say(text)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn told(failure: ProofsFailure) -> Failure {
    let help = match &failure {
        ProofsFailure::NotSigned { .. } => {
            "; a server with a checkpoint key signs every few seconds: `daybook audit checkpoint`"
        }
        ProofsFailure::NoCheckpoint => "; `daybook audit checkpoint --all` lists those that were",
        ProofsFailure::Absent | ProofsFailure::NoEntry(_) | ProofsFailure::TooMany | ProofsFailure::Tree(_) => "",
    };
    Failure::NotThere(format!("there is no proof: {failure}{help}"))
}
