//! The API from the command line: a sub-command for every route.

use std::{process::ExitCode, sync::Arc};

use axum::{
    body::{Body, to_bytes},
    http::{Request, header},
};
use clap::{Arg, ArgAction, ArgMatches, Args as _, Command, FromArgMatches as _};
use command_api::{Api, Countries, ROUTES, Route};
use gate::{Gate, Limits};
use serde_json::{Map, Value};
use tower::ServiceExt as _;
use uuid::Uuid;

use super::{place::Place, say};
use crate::{
    database,
    failure::{Attempt as _, Failure, Result},
};

const ANSWER_MAX: usize = 4 * 1024 * 1024;
const NOTES: &str = "Needs a token: `daybook token create`. Prints the answer; ends with 1 where it is a refusal.";

/// One command for each noun, with a sub-command for each write.
pub(super) fn commands() -> Vec<Command> {
    let mut nouns: Vec<(&str, Command)> = Vec::new();
    for route in ROUTES {
        let (noun, verb) = route.words;
        let act = act(route, verb);
        match nouns.iter_mut().find(|(known, _command)| *known == noun) {
            Some((_noun, command)) => *command = std::mem::take(command).subcommand(act),
            None => {
                let about = format!("Work on {noun}s, as over HTTP");
                let command = Command::new(noun).about(about).after_help(NOTES).subcommand_required(true);
                nouns.push((noun, command.subcommand(act)));
            }
        }
    }
    nouns.into_iter().map(|(_noun, command)| command).collect()
}

/// The route a command line asks for, if it asks for one.
pub(super) fn asked(matches: &ArgMatches) -> Option<(&'static Route, &ArgMatches)> {
    let (noun, matches) = matches.subcommand()?;
    let (verb, matches) = matches.subcommand()?;
    let route = ROUTES.iter().find(|route| route.words == (noun, verb))?;
    Some((route, matches))
}

fn act(route: &Route, verb: &'static str) -> Command {
    let schema = (route.body.0)();
    let needed: Vec<&str> =
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let parts = path_parts(route).map(|part| {
        let help = format!("Which {}", part.trim_end_matches("_no").trim_end_matches("_id").replace('_', " "));
        Arg::new(part).required(true).value_name(part.to_uppercase()).help(help)
    });
    let fields = schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    let fields = fields.into_iter().map(|(name, field)| {
        let mut help = field.get("description").and_then(Value::as_str).unwrap_or_default().to_owned();
        if let Some(choices) = field.get("enum").and_then(Value::as_array) {
            let choices: Vec<&str> = choices.iter().filter_map(Value::as_str).collect();
            help.push_str(&format!(" [{}]", choices.join(", ")));
        }
        let arg = Arg::new(name.clone()).long(name.replace('_', "-")).help(help).value_name(kind(&field));
        arg.required(needed.contains(&name.as_str()))
    });
    let command = Command::new(verb).about(route.summary).after_help(example(route, &needed));
    let command = command.args(parts).args(fields.collect::<Vec<_>>());
    let token = Arg::new("token").long("token").value_name("TOKEN").help("Who asks, by `daybook token create`");
    let key = Arg::new("key").long("idempotency-key").value_name("KEY");
    let command = command
        .arg(token.env("DAYBOOK_TOKEN").hide_env_values(true).required(true))
        .arg(key.help("Names this act, so that asking twice is asking once; made up where it is absent"))
        .arg(Arg::new("dry").long("dry-run").action(ArgAction::SetTrue).help("Tell what would follow; write nothing"));
    Place::augment_args(command)
}

/// The example of the API, as it would be typed: what is needed and nothing else.
fn example(route: &Route, needed: &[&str]) -> String {
    let (noun, verb) = route.words;
    let mut line = format!("Example:\n  daybook {noun} {verb}");
    for part in path_parts(route) {
        line.push_str(&format!(" {}", part.to_uppercase()));
    }
    let body = (route.body.1)();
    for (name, value) in body.as_object().into_iter().flatten().filter(|(name, _value)| needed.contains(&name.as_str()))
    {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.:@/+".contains(c);
        let value = if value.chars().all(is_plain) { value } else { format!("'{value}'") };
        line.push_str(&format!(" --{} {value}", name.replace('_', "-")));
    }
    line
}

fn path_parts(route: &Route) -> impl Iterator<Item = &'static str> {
    route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

/// What to write for a value of this schema.
fn kind(field: &Value) -> &'static str {
    match field.get("type").and_then(Value::as_str) {
        Some("integer") => "NUMBER",
        Some("boolean") => "true|false",
        Some("array" | "object") => "JSON|@FILE",
        _ => "TEXT",
    }
}

/// Sends it through the same door and the same plan as a request over HTTP.
pub(super) async fn run(route: &'static Route, matches: &ArgMatches) -> Result<ExitCode> {
    let place = Place::from_arg_matches(matches).map_err(|error| Failure::NotThere(error.to_string()))?;
    let key = matches.get_one::<String>("key").cloned().unwrap_or_else(|| {
        let made_up = format!("command-line-{}", Uuid::now_v7().simple());
        tracing::info!(
            idempotency_key = made_up,
            "a key was made up for this act; to ask again for the same, give it as --idempotency-key"
        );
        made_up
    });
    let request = request(route, matches, &key).map_err(Failure::NotThere)?;
    let store = place.store().await?;
    let pool = database::pool(&place.url()?)?;
    let gate = Gate::new(store.clone(), place.vault().await?, None, Limits::default());
    let api = Api { gate, pool, countries: Countries::default(), tally: Arc::default() };
    let response = command_api::router(api).oneshot(request).await;
    let Ok(response) = response;
    let is_done = response.status().is_success();
    let body = to_bytes(response.into_body(), ANSWER_MAX).await.map_err(std::io::Error::other);
    let body = body.attempt(|| "reading the answer".to_owned())?;
    let answer: Value =
        serde_json::from_slice(&body).map_err(std::io::Error::other).attempt(|| "reading the answer".to_owned())?;
    say(format!("{answer:#}"))?;
    database::close(&store).await;
    Ok(if is_done { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn request(route: &Route, matches: &ArgMatches, key: &str) -> std::result::Result<Request<Body>, String> {
    let schema = (route.body.0)();
    let mut body = Map::new();
    for (name, field) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        if let Some(text) = matches.get_one::<String>(name) {
            body.insert(
                name.clone(),
                value(field, text).map_err(|reason| format!("--{}: {reason}", name.replace('_', "-")))?,
            );
        }
    }
    let text = |name: &str| matches.get_one::<String>(name).map(String::as_str);
    let path = path_parts(route).fold(route.path.to_owned(), |path, part| {
        path.replace(&format!("{{{part}}}"), &escaped(text(part).unwrap_or_default()))
    });
    let query = if matches.get_flag("dry") { "?dry_run=true" } else { "" };
    Request::post(format!("{path}{query}"))
        .header(header::AUTHORIZATION, format!("Bearer {}", text("token").unwrap_or_default()))
        .header(header::CONTENT_TYPE, "application/json")
        .header("idempotency-key", key)
        .body(Body::from(Value::from(body).to_string()))
        .map_err(|error| error.to_string())
}

/// A text as the schema has it; what is no text is written as JSON.
fn value(field: &Value, text: &str) -> std::result::Result<Value, String> {
    match field.get("type").and_then(Value::as_str) {
        Some("string") => Ok(text.into()),
        Some("array" | "object") => match text.strip_prefix('@') {
            Some(file) => {
                let read = std::fs::read_to_string(file).map_err(|reason| format!("reading {file}: {reason}"))?;
                serde_json::from_str(&read).map_err(|reason| format!("{file} is no JSON: {reason}"))
            }
            None => serde_json::from_str(text).map_err(|_not_json| format!("takes {}", kind(field))),
        },
        _ => serde_json::from_str(text).map_err(|_not_json| format!("takes {}", kind(field))),
    }
}

pub(super) fn escaped(part: &str) -> String {
    part.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
