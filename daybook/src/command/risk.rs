//! `daybook risk`: what the API has no address for: the rules in force, and a replay.

use std::process::ExitCode;

use clap::{ArgMatches, Args as _, Command, FromArgMatches as _};

use super::what_if::rules;
use crate::failure::{Failure, Result};

mod show;

/// Beside the writes of the same noun.
pub(super) fn commands() -> [Command; 2] {
    [
        show::Show::augment_args(Command::new("show")).after_help(show::EXAMPLES),
        rules::Again::augment_args(Command::new("replay")).after_help(rules::EXAMPLES),
    ]
}

/// Runs one of them, if it was asked for.
pub(super) async fn run(verb: &str, matches: &ArgMatches) -> Result<ExitCode> {
    let amiss = |error: clap::Error| Failure::NotThere(error.to_string());
    if verb == "show" {
        show::Show::from_arg_matches(matches).map_err(amiss)?.run().await
    } else {
        rules::Again::from_arg_matches(matches).map_err(amiss)?.run().await
    }
}

/// The verb on the command line that is one of ours.
pub(super) fn asked(matches: &ArgMatches) -> Option<(&str, &ArgMatches)> {
    let matches = matches.subcommand_matches("risk")?;
    matches.subcommand().filter(|(verb, _)| matches!(*verb, "show" | "replay"))
}
