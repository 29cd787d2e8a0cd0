//! The command line: one file per subcommand, and help worth reading.

use std::{
    fmt::Display,
    io::{ErrorKind, Write as _, stdout},
    num::NonZero,
    path::PathBuf,
    process::ExitCode,
    thread::available_parallelism,
};

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use tokio::runtime::{Builder, Runtime};

use crate::{
    failure::{Attempt as _, Result},
    logging,
    settings::Settings,
};

mod acts;
mod audit;
mod beside;
mod bundle;
mod bus;
mod channel;
mod check;
mod config;
mod demo;
mod dev;
mod doctor;
mod erase;
mod explain;
mod export;
mod hand;
mod import;
mod load;
mod log;
mod migrate;
mod period;
mod place;
mod postgres;
mod projection;
mod proof;
mod remittance;
mod replay;
mod risk;
mod saga;
mod sandbox;
mod serve;
mod token;
mod verify;
mod what_if;

const EXAMPLES: &str = "\
Examples:
  daybook dev                                   a ledger on 127.0.0.1:40003 with a Postgres of its own
  DATABASE_URL=postgresql://… daybook dev       the same on a Postgres you have
  daybook demo                                  watch a ledger at work, in under a minute
  daybook load --rate 200                       payments at a steady rate, and how long they take
  daybook doctor                                what is wrong with the database, and how to mend it
  daybook config show                           every setting, and where it comes from
  daybook token create --role operator --email you@example.com
  daybook payment cancel PAY… --dry-run         every write of the API, as an operator
  daybook log tail                              what happens, as it happens
  daybook saga list --status failed             what waits for a person
  daybook channel list                          how the lines to payment partners stand
  daybook remittance list                       what channels paid for which day, and what of it is none of ours
  daybook period close --month 2026-01 --livemode true     what comes later is kept under the next month
  daybook period restatement 2026-01            a month as it was reported, and as it is known
  daybook risk show                             the risk rules in force, and both lists
  daybook projection list                       the read models, and how far behind they are
  daybook bus status                            the log on Kafka: the relay, and who is how far behind
  daybook export hledger > books.journal        the whole journal, for hledger to check
  daybook export bundle --to DIRECTORY          everything an audit needs, as it was signed
  daybook receipt PAY… --out receipt.json       a payment's events with the proof that they are in the log
  daybook verify --key PUB                      the whole log, against everything that was signed of it
  daybook check                                 every read model made anew and compared; every invariant
  daybook replay --to 120345                    the read models as they were, in a schema of their own
  daybook explain entry 42                      why it is in the books: who asked, which call, which report
  daybook what-if fees --plan FILE --currency USD --since 2026-01-01     history under other fees
  daybook import --from DIRECTORY --source old --dry-run     take over from the platform before
  daybook erase customer --merchant MER…        forget a person, by the address on standard input
  daybook postgres psql                         look into the development database
  daybook postgres run -- cargo test            a fresh Postgres for one command
In production:
  DATABASE_OWNER_URL=postgresql://… daybook migrate
  DATABASE_URL=postgresql://… daybook config check
  DATABASE_URL=postgresql://… DAYBOOK_METRICS_TOKEN_FILE=… daybook serve --listen 0.0.0.0:40003

Logs go to standard error, as JSON unless it is a terminal; RUST_LOG=debug says more.";

/// A book of original entry for payments: everything that happened, in order, never erased
#[derive(Debug, Parser)]
#[command(name = "daybook", version, after_help = EXAMPLES)]
pub(crate) struct Line {
    /// A file of settings, `NAME=value` on each line; flags and the environment go before it
    #[arg(long = "config", env = "DAYBOOK_CONFIG", global = true, value_name = "FILE")]
    _config: Option<PathBuf>,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Dev(dev::Dev),
    Demo(demo::Demo),
    Serve(serve::Serve),
    Config(config::Config),
    Migrate(migrate::Migrate),
    Doctor(doctor::Doctor),
    Load(load::Load),
    Log(log::Log),
    Bus(bus::Bus),
    Postgres(postgres::Postgres),
    Projection(projection::Projection),
    Saga(saga::Saga),
    Sandbox(sandbox::Sandbox),
    Export(export::Export),
    Import(import::Import),
    Erase(erase::Erase),
    Token(token::Token),
    Audit(audit::Audit),
    Proof(proof::Proof),
    Receipt(proof::OfPayment),
    Verify(verify::Verify),
    Check(check::Check),
    Replay(replay::Replay),
    Explain(explain::Explain),
    WhatIf(what_if::WhatIf),
}

/// Reads the command line and does what it asks for. Where it asks for nothing we know, says so and ends the process.
pub(crate) fn run() -> Result<ExitCode> {
    let acts = acts::commands().into_iter().map(|noun| match noun.get_name() {
        "risk" => noun.subcommands(risk::commands()),
        _ => noun,
    });
    let root = config::that_shows_anything(Line::command()).subcommands(beside::commands(acts.collect()));
    let settings = Settings::gather(&root, std::env::args_os().collect())?;
    let matches = root.clone().get_matches_from(&settings.arguments);
    logging::start();
    if config::show_if_asked(&root, &matches, &settings)? {
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(asked) = beside::asked(&matches) {
        return runtime()?.block_on(asked.run());
    }
    if let Some((route, matches)) = acts::asked(&matches) {
        return runtime()?.block_on(acts::run(route, matches));
    }
    if let Some((verb, matches)) = risk::asked(&matches) {
        return runtime()?.block_on(risk::run(verb, matches));
    }
    let line = Line::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    match line.command {
        Command::Dev(dev) => runtime()?.block_on(dev.run()),
        Command::Demo(demo) => runtime()?.block_on(Box::pin(demo.run())),
        Command::Load(load) => runtime()?.block_on(load.run()),
        Command::Serve(serve) => runtime_of(serve.threads())?.block_on(serve.run()),
        Command::Config(config) => runtime()?.block_on(config.run()),
        Command::Migrate(migrate) => runtime()?.block_on(migrate.run()),
        Command::Doctor(doctor) => runtime()?.block_on(doctor.run()),
        Command::Bus(bus) => runtime()?.block_on(bus.run()),
        Command::Log(log) => runtime()?.block_on(log.run()),
        Command::Postgres(postgres) => postgres.run(),
        Command::Projection(projection) => runtime()?.block_on(projection.run()),
        Command::Saga(saga) => runtime()?.block_on(saga.run()),
        Command::Sandbox(sandbox) => runtime()?.block_on(sandbox.run()),
        Command::Export(export) => runtime()?.block_on(export.run()),
        Command::Import(import) => runtime()?.block_on(Box::pin(import.run())),
        Command::Erase(erase) => runtime()?.block_on(erase.run()),
        Command::Token(token) => runtime()?.block_on(token.run()),
        Command::Audit(audit) => runtime()?.block_on(audit.run()),
        Command::Proof(proof) => runtime()?.block_on(proof.run()),
        Command::Receipt(receipt) => runtime()?.block_on(receipt.run()),
        Command::Verify(verify) => runtime()?.block_on(verify.run()),
        Command::Check(check) => runtime()?.block_on(check.run()),
        Command::Replay(replay) => runtime()?.block_on(replay.run()),
        Command::Explain(explain) => runtime()?.block_on(explain.run()),
        Command::WhatIf(what_if) => runtime()?.block_on(what_if.run()),
    }
}

fn runtime() -> Result<Runtime> {
    runtime_of(available_parallelism().map_or(1, NonZero::get))
}

fn runtime_of(threads: usize) -> Result<Runtime> {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(threads).enable_all().build().attempt(|| "starting the runtime".to_owned())
}

/// Answers on standard output; logs go elsewhere. A reader who has read enough (`| head`) is no failure.
fn say(words: impl Display) -> Result<()> {
    match writeln!(stdout(), "{words}") {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.attempt(|| "writing to standard output".to_owned()),
    }
}
