//! What stands beside the API's own commands, under the same nouns: looks, and fetching.

use std::process::ExitCode;

use clap::{ArgMatches, Args as _, Command, FromArgMatches as _};

use super::{channel, period, remittance};
use crate::failure::Result;

/// One of them, as it was asked for.
pub(super) enum Asked {
    Channels(channel::List),
    Remittances(remittance::List),
    Remittance(remittance::Fetch),
    Periods(period::List),
    Late(period::Late),
    Restatement(period::Restatement),
}

/// The nouns of the API, and these.
pub(super) fn commands(nouns: Vec<Command>) -> Vec<Command> {
    let mut nouns = nouns;
    for noun in &mut nouns {
        let known = std::mem::take(noun);
        *noun = match known.get_name() {
            "channel" => known.subcommand(channel::List::augment_args(Command::new("list"))),
            "remittance" => known
                .subcommand(remittance::List::augment_args(Command::new("list")))
                .subcommand(remittance::Fetch::augment_args(Command::new("fetch"))),
            "period" => known
                .subcommand(period::List::augment_args(Command::new("list")))
                .subcommand(period::Late::augment_args(Command::new("late")))
                .subcommand(period::Restatement::augment_args(Command::new("restatement"))),
            _ => known,
        };
    }
    nouns
}

/// The one a command line asks for, if it asks for one.
pub(super) fn asked(matches: &ArgMatches) -> Option<Asked> {
    let (noun, matches) = matches.subcommand()?;
    let (verb, matches) = matches.subcommand()?;
    let read = match (noun, verb) {
        ("channel", "list") => channel::List::from_arg_matches(matches).map(Asked::Channels),
        ("remittance", "list") => remittance::List::from_arg_matches(matches).map(Asked::Remittances),
        ("remittance", "fetch") => remittance::Fetch::from_arg_matches(matches).map(Asked::Remittance),
        ("period", "list") => period::List::from_arg_matches(matches).map(Asked::Periods),
        ("period", "late") => period::Late::from_arg_matches(matches).map(Asked::Late),
        ("period", "restatement") => period::Restatement::from_arg_matches(matches).map(Asked::Restatement),
        _ => return None,
    };
    Some(read.unwrap_or_else(|error| error.exit()))
}

impl Asked {
    pub(super) async fn run(self) -> Result<ExitCode> {
        match self {
            Self::Channels(list) => list.run().await,
            Self::Remittances(list) => list.run().await,
            Self::Remittance(fetch) => fetch.run().await,
            Self::Periods(list) => list.run().await,
            Self::Late(late) => late.run().await,
            Self::Restatement(restatement) => restatement.run().await,
        }
    }
}
