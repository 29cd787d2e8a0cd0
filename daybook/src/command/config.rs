//! `daybook config`: what a server would be told, and whether it is safe.

use std::{ffi::OsStr, process::ExitCode};

use clap::{Arg, ArgMatches, Args, Command, Subcommand, parser::ValueSource};

use super::{say, serve::Serve};
use crate::{
    failure::Result,
    settings::{Origin, Settings},
};

/// What `daybook serve` would be told, from wherever it comes
///
/// A flag goes before the environment, that before the file named by --config (or `DAYBOOK_CONFIG`): `NAME=value` on each
/// line, by the names of the environment. Of a secret NAME, `NAME_FILE` names a file it is in.
#[derive(Args, Debug)]
pub(super) struct Config {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Whether a server could be started like this: it is not
    Check(Box<Serve>),
    /// Every setting, its value and where it comes from; secrets are not shown
    Show(Box<Serve>),
}

impl Config {
    pub(super) async fn run(self) -> Result<ExitCode> {
        match self.verb {
            Verb::Check(serve) => {
                let findings = serve.check().await?;
                for finding in &findings {
                    say(finding)?;
                }
                say("a server may be started like this")?;
                Ok(ExitCode::SUCCESS)
            }
            // It was shown before anything was made of it.
            Verb::Show(_serve) => Ok(ExitCode::SUCCESS),
        }
    }
}

/// What is not set is shown as such, also where a server needs it.
pub(super) fn that_shows_anything(root: Command) -> Command {
    root.mut_subcommand("config", |config| {
        config.mut_subcommand("show", |show| show.mut_args(|argument| argument.required(false)))
    })
}

/// Shows the settings, where that is asked for.
pub(super) fn show_if_asked(root: &Command, matches: &ArgMatches, settings: &Settings) -> Result<bool> {
    let shown = matches.subcommand_matches("config").and_then(|config| config.subcommand_matches("show"));
    let command = root.find_subcommand("config").and_then(|config| config.find_subcommand("show"));
    let (Some(matches), Some(command)) = (shown, command) else { return Ok(false) };
    let mut lines: Vec<String> = command.get_arguments().filter_map(|arg| line(arg, matches, settings)).collect();
    lines.sort_unstable();
    lines.iter().try_for_each(say)?;
    Ok(true)
}

/// One setting. Of a secret only that it is there.
fn line(argument: &Arg, matches: &ArgMatches, settings: &Settings) -> Option<String> {
    let name = argument.get_env().and_then(OsStr::to_str)?;
    let id = argument.get_id().as_str();
    let values: Vec<String> = matches
        .try_get_raw(id)
        .ok()
        .flatten()
        .map(|values| values.map(|value| value.to_string_lossy().into_owned()).collect())
        .unwrap_or_default();
    let origin = match (settings.origins.get(name), matches.value_source(id)) {
        (Some(Origin::File), _) => "file",
        (Some(Origin::SecretFile), _) => "its own file",
        (None, Some(ValueSource::CommandLine)) => "command line",
        (None, Some(ValueSource::EnvVariable)) => "environment",
        (None, Some(_)) => "default",
        (None, None) => "not set",
    };
    let value = match (argument.is_hide_env_values_set(), values.is_empty()) {
        (_, true) => "-".to_owned(),
        (true, false) => "[secret]".to_owned(),
        (false, false) => values.join(","),
    };
    Some(format!("{name:<38} {value:<34} {origin}"))
}
