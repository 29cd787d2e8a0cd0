//! Where settings come from: command line, environment, a file, files of secrets.
//!
//! What the file and the secrets' files say is put on the command line that is parsed, where nothing else says it. So each
//! setting is read and checked in one place, by the arguments of the command that takes it.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::{OsStr, OsString},
    path::PathBuf,
};

use clap::{Arg, ArgAction, Command};

use crate::failure::{Attempt as _, Failure, Result};

pub(crate) const FILE: &str = "config";
pub(crate) const FILE_IN_ENVIRONMENT: &str = "DAYBOOK_CONFIG";
const IN_A_FILE: &str = "_FILE";

/// A command line with all that was set elsewhere, and from where that came.
pub(crate) struct Settings {
    pub(crate) arguments: Vec<OsString>,
    pub(crate) origins: BTreeMap<String, Origin>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The file of settings.
    File,
    /// The secret's own file.
    SecretFile,
}

/// Settings by the names they have in the environment.
type Named = BTreeMap<String, String>;

impl Settings {
    /// Reads them for the command that `arguments` ask for.
    ///
    /// # Errors
    /// A file cannot be read, or says what nobody knows.
    pub(crate) fn gather(root: &Command, arguments: Vec<OsString>) -> Result<Self> {
        let file = match named_file(&arguments) {
            Some(path) => {
                let text = std::fs::read_to_string(&path).attempt(|| format!("reading {}", path.display()))?;
                let named = parse(&text).map_err(|why| Failure::Settings(format!("{}: {why}", path.display())))?;
                let known = known(root);
                if let Some(unknown) = named.keys().find(|name| !known.contains(*name)) {
                    let words = format!("{}: there is no setting {unknown}: see `daybook config show`", path.display());
                    return Err(Failure::Settings(words));
                }
                named
            }
            None => Named::new(),
        };
        let environment = |name: &str| std::env::var(name).ok();
        Self::on(root, arguments, &file, &environment)
    }

    fn on(
        root: &Command,
        arguments: Vec<OsString>,
        file: &Named,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self> {
        let (given, rest): (Vec<OsString>, Vec<OsString>) = {
            let end = arguments.iter().position(|argument| argument == "--").unwrap_or(arguments.len());
            let mut given = arguments;
            let rest = given.split_off(end);
            (given, rest)
        };
        let taken = taken(root, &given);
        let mut settings = Self { arguments: given.clone(), origins: BTreeMap::new() };
        for argument in taken.iter().copied() {
            let (Some(long), Some(name)) = (argument.get_long(), argument.get_env().and_then(OsStr::to_str)) else {
                continue;
            };
            if is_given(&given, argument) || is_set(&taken, &given, name, environment) {
                continue;
            }
            let found = match environment_file(&taken, argument, name, environment)? {
                Some(secret) => Some((secret, Origin::SecretFile)),
                None => from_file(&taken, argument, name, file)?,
            };
            if let Some((value, origin)) = found {
                settings.arguments.extend(written(argument, long, name, &value)?);
                settings.origins.insert(name.to_owned(), origin);
            }
        }
        settings.arguments.extend(rest);
        Ok(settings)
    }
}

/// What the command takes that these words ask for; also of the commands above it, what they take for all below.
fn taken<'c>(root: &'c Command, given: &[OsString]) -> Vec<&'c Arg> {
    let (mut command, mut above) = (root, Vec::new());
    for word in given.iter().skip(1).filter_map(|word| word.to_str()) {
        if let Some(below) = command.find_subcommand(word) {
            above.extend(command.get_arguments().filter(|argument| argument.is_global_set()));
            command = below;
        }
    }
    above.into_iter().chain(command.get_arguments()).collect()
}

fn is_given(given: &[OsString], argument: &Arg) -> bool {
    let Some(long) = argument.get_long() else { return false };
    let flag = format!("--{long}");
    given
        .iter()
        .filter_map(|word| word.to_str())
        .any(|word| word == flag || word.strip_prefix(flag.as_str()).is_some_and(|rest| rest.starts_with('=')))
}

/// Whether the environment says it, or the command line says the same of another kind: a secret, or the file it is in.
fn is_set(taken: &[&Arg], given: &[OsString], name: &str, environment: &dyn Fn(&str) -> Option<String>) -> bool {
    let other = name.strip_suffix(IN_A_FILE).map_or_else(|| format!("{name}{IN_A_FILE}"), str::to_owned);
    let of_other = argument_of(taken, &other);
    environment(name).is_some()
        || of_other.is_some_and(|argument| is_given(given, argument) || environment(&other).is_some())
}

fn argument_of<'c>(taken: &[&'c Arg], name: &str) -> Option<&'c Arg> {
    taken.iter().copied().find(|argument| argument.get_env().and_then(OsStr::to_str) == Some(name))
}

/// Of a secret, what is in the file the environment names for it; not where that name is a setting of its own.
fn environment_file(
    taken: &[&Arg],
    argument: &Arg,
    name: &str,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Option<String>> {
    let of_file = format!("{name}{IN_A_FILE}");
    if !argument.is_hide_env_values_set() || argument_of(taken, &of_file).is_some() {
        return Ok(None);
    }
    environment(&of_file).map(|path| read_secret(&path)).transpose()
}

fn from_file(taken: &[&Arg], argument: &Arg, name: &str, file: &Named) -> Result<Option<(String, Origin)>> {
    if let Some(value) = file.get(name) {
        return Ok(Some((value.clone(), Origin::File)));
    }
    let of_file = format!("{name}{IN_A_FILE}");
    if !argument.is_hide_env_values_set() || argument_of(taken, &of_file).is_some() {
        return Ok(None);
    }
    let Some(path) = file.get(&of_file) else { return Ok(None) };
    read_secret(path).map(|secret| Some((secret, Origin::SecretFile)))
}

fn read_secret(path: &str) -> Result<String> {
    let text = std::fs::read_to_string(path).attempt(|| format!("reading {path}"))?;
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}

/// As it stands on a command line. A switch is there or it is not.
fn written(argument: &Arg, long: &str, name: &str, value: &str) -> Result<Option<OsString>> {
    if !matches!(argument.get_action(), ArgAction::SetTrue) {
        return Ok(Some(format!("--{long}={value}").into()));
    }
    match value {
        "true" => Ok(Some(format!("--{long}").into())),
        "false" => Ok(None),
        _ => Err(Failure::Settings(format!("{name} is a switch: it takes true or false"))),
    }
}

fn named_file(arguments: &[OsString]) -> Option<PathBuf> {
    let flag = format!("--{FILE}");
    let mut words = arguments.iter().take_while(|word| *word != "--");
    while let Some(word) = words.next() {
        if word.as_os_str() == flag.as_str() {
            return words.next().map(PathBuf::from);
        }
        if let Some(path) = word.to_str().and_then(|word| word.strip_prefix(&format!("{flag}="))) {
            return Some(path.into());
        }
    }
    std::env::var_os(FILE_IN_ENVIRONMENT).filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// Every name that some command takes from the environment.
fn known(command: &Command) -> BTreeSet<String> {
    let mut known = BTreeSet::new();
    for argument in command.get_arguments() {
        if let Some(name) = argument.get_env().and_then(OsStr::to_str) {
            known.insert(name.to_owned());
            if argument.is_hide_env_values_set() {
                known.insert(format!("{name}{IN_A_FILE}"));
            }
        }
    }
    for subcommand in command.get_subcommands() {
        known.extend(self::known(subcommand));
    }
    known
}

/// `NAME=value` on each line, as in a file of environment variables; what begins with `#` is a comment.
fn parse(text: &str) -> std::result::Result<Named, String> {
    let mut named = Named::new();
    for (index, line) in text.lines().enumerate() {
        let (number, line) = (index.saturating_add(1), line.trim());
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = line.split_once('=').ok_or_else(|| format!("line {number} is no NAME=value"))?;
        let value = value.trim();
        let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        let value = quoted.unwrap_or(value).to_owned();
        if named.insert(name.trim().to_owned(), value).is_some() {
            return Err(format!("line {number} says again what {} is", name.trim()));
        }
    }
    Ok(named)
}

#[cfg(test)]
mod tests;
