//! `daybook risk`: what the API has no address for: the rules in force, and a replay.

use std::{fs, path::Path, process::ExitCode};

use clap::{ArgMatches, Args as _, Command, FromArgMatches as _};
use domain::{risk::rule_set::RuleSet, risk_rules};

use crate::failure::{Attempt as _, Failure, Result};

mod replay;
mod show;

/// Beside the writes of the same noun.
pub(super) fn commands() -> [Command; 2] {
    [
        show::Show::augment_args(Command::new("show")).after_help(show::EXAMPLES),
        replay::Again::augment_args(Command::new("replay")).after_help(replay::EXAMPLES),
    ]
}

/// Runs one of them, if it was asked for.
pub(super) async fn run(verb: &str, matches: &ArgMatches) -> Result<ExitCode> {
    let amiss = |error: clap::Error| Failure::NotThere(error.to_string());
    if verb == "show" {
        show::Show::from_arg_matches(matches).map_err(amiss)?.run().await
    } else {
        replay::Again::from_arg_matches(matches).map_err(amiss)?.run().await
    }
}

/// The verb on the command line that is one of ours.
pub(super) fn asked(matches: &ArgMatches) -> Option<(&str, &ArgMatches)> {
    let matches = matches.subcommand_matches("risk")?;
    matches.subcommand().filter(|(verb, _)| matches!(*verb, "show" | "replay"))
}

/// Rules from a file, as they would be published: what would be refused then is refused here.
fn rules_of(file: &Path) -> Result<RuleSet> {
    let text = fs::read_to_string(file).attempt(|| format!("reading {}", file.display()))?;
    let amiss = |reason: String| Failure::NotThere(format!("{} holds no rules: {reason}", file.display()));
    let rules: RuleSet = serde_json::from_str(&text).map_err(|reason| amiss(reason.to_string()))?;
    risk_rules::check(&rules).map_err(|refusal| amiss(refusal.to_string()))?;
    Ok(rules)
}
