//! `daybook explain`: why an entry, a payment or a balance is what it is, as a tree.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use domain::id::PaymentId;
use projections::{Asked, Unexplained, explained};
use serde_json::Value;

use super::{log::text::plain, place::Place, say};
use crate::{
    database,
    failure::{Failure, Result},
};

const EXAMPLES: &str = "\
Examples:
  daybook explain entry 42                                  a journal entry, by its position
  daybook explain payment PAY…                              every event of a payment, and every saga about it
  daybook explain balance merchant:MER…:pending --limit 3   the last lines of an account
  daybook explain entry 42 --json                           the same, as the API has it";

/// Show why something is in the books: event, command and caller, saga step, channel call, report
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Explain {
    #[command(flatten)]
    place: Place,
    /// As JSON, as the API answers it
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The journal entry at a position: an event that moved money
    Entry { position: i64 },
    /// A payment from its first event to its last
    Payment { payment_no: PaymentId },
    /// The last lines of an account
    Balance {
        account: String,
        /// Of this currency alone
        #[arg(long)]
        currency: Option<String>,
        /// Of this mode alone
        #[arg(long, action = clap::ArgAction::Set, value_name = "true|false")]
        livemode: Option<bool>,
        /// As it was known at this position
        #[arg(long, value_name = "POSITION")]
        at: Option<i64>,
        /// How many lines at most, newest first: 10 where nothing is said
        #[arg(long)]
        limit: Option<i64>,
    },
}

impl Explain {
    pub(super) async fn run(self) -> Result<ExitCode> {
        let store = self.place.store().await?;
        let database = database::parse(&self.place.url()?)?;
        let unreachable = |reason: sqlx::Error| Failure::NotThere(format!("the read models cannot be asked: {reason}"));
        let mut connection = database.pool(1).acquire().await.map_err(unreachable)?;
        let asked = match self.what {
            What::Entry { position } => Asked::Entry(position),
            What::Payment { payment_no } => Asked::Payment(payment_no),
            What::Balance { account, currency, livemode, at, limit } => {
                Asked::Balance { account, currency, livemode, at_position: at, limit }
            }
        };
        let told = explained(&store, &mut connection, &asked).await;
        drop(connection);
        database::close(&store).await;
        let told = told.map_err(|why| match why {
            Unexplained::Absent => Failure::NotThere(format!("{}: {why}", named(&asked))),
            Unexplained::Database(_) | Unexplained::Unreadable(_) => Failure::NotThere(why.to_string()),
        })?;
        if self.json {
            say(format_args!("{told:#}"))?;
            return Ok(ExitCode::SUCCESS);
        }
        tree(&asked, &told).iter().try_for_each(say)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn named(asked: &Asked) -> String {
    match asked {
        Asked::Entry(position) => format!("the entry at {position}"),
        Asked::Payment(id) => format!("the payment {id}"),
        Asked::Balance { account, .. } => format!("the account {}", plain(account)),
    }
}

/// A line a node, indented by how deep it is.
fn tree(asked: &Asked, told: &Value) -> Vec<String> {
    let mut lines = vec![named(asked)];
    match asked {
        Asked::Entry(_) => event(&told["event"], 1, &mut lines),
        Asked::Payment(_) => {
            every(&told["events"]).for_each(|told| event(told, 1, &mut lines));
            for saga in every(&told["sagas"]) {
                lines.push(format!("  every step of {}", of_saga(saga)));
                every(&saga["steps"]).for_each(|step| of_step(step, 2, &mut lines));
            }
            if told["is_whole"] == false {
                lines.push("  and more events than are told of here".to_owned());
            }
        }
        Asked::Balance { .. } => {
            for line in every(&told["lines"]) {
                lines.push(format!(
                    "  line {} at {}: {} {}, and {} after it{}",
                    text(&line["line"]),
                    text(&line["position"]),
                    text(&line["amount_minor"]),
                    text(&line["currency"]),
                    text(&line["balance_minor"]),
                    if line["livemode"] == true { "" } else { ", in test mode" },
                ));
                event(&line["event"], 2, &mut lines);
            }
        }
    }
    lines
}

fn event(told: &Value, deep: usize, lines: &mut Vec<String>) {
    let stream = &told["stream"];
    let [kind, id, sequence] = ["type", "id", "sequence"].map(|name| text(&stream[name]));
    let (position, name, at) = (text(&told["position"]), text(&told["event_type"]), text(&told["recorded_at"]));
    put(deep, &format!("event {position} {name}: the {sequence}. of {kind} {id}, recorded {at}"), lines);
    for line in every(&told["lines"]) {
        let [side, account, amount, currency] =
            ["side", "account", "amount_minor", "currency"].map(|name| text(&line[name]));
        put(deep + 1, &format!("{side} {account} {amount} {currency}"), lines);
    }
    let command = &told["command"];
    let [id, actor, request, trace] =
        ["command_id", "actor", "request_id", "trace_id"].map(|name| text(&command[name]));
    put(deep + 1, &format!("command {id} by {actor}; request {request}, trace {trace}"), lines);
    let began = &command["began_with"];
    if began.is_object() {
        let [position, name, actor, request] =
            ["position", "event_type", "actor", "request_id"].map(|name| text(&began[name]));
        put(deep + 2, &format!("for {actor}, who began it with {position} {name}; request {request}"), lines);
    }
    for with in every(&command["events"]).filter(|with| with["position"] != told["position"]) {
        let (position, name) = (text(&with["position"]), text(&with["event_type"]));
        put(
            deep + 2,
            &format!("with it: {position} {name} of {} {}", within(with, "/stream/type"), within(with, "/stream/id")),
            lines,
        );
    }
    for saga in every(&command["saga_steps"]) {
        put(deep + 2, &of_saga(saga), lines);
        of_step(&saga["step"], deep + 3, lines);
    }
    if let Some(report) = command["report"].as_object() {
        let of = |name: &str| report.get(name).map(text).unwrap_or_default();
        put(deep + 2, &format!("report {} of {}", of("report_id"), of("channel")), lines);
    }
}

fn of_saga(saga: &Value) -> String {
    let [id, process, about, last] = ["saga_id", "process", "business_id", "last_event"].map(|name| text(&saga[name]));
    format!("saga {id}: {process} of {about}, now {last}")
}

fn of_step(step: &Value, deep: usize, lines: &mut Vec<String>) {
    let [number, name, way, started, ended] =
        ["step", "name", "way", "started_position", "ended_position"].map(|name| text(&step[name]));
    put(deep, &format!("step {number} {name} ({way}), from {started} to {ended}"), lines);
    if step["call"].is_object() {
        let (key, try_no) = (within(step, "/call/partner_key"), within(step, "/call/try_no"));
        put(deep + 1, &format!("call of the channel under {key}, try {try_no}"), lines);
    }
    if step["outcome"].is_object() {
        put(deep + 1, &format!("{}: {}", within(step, "/outcome/is"), within(step, "/outcome/said")), lines);
    }
}

fn put(deep: usize, words: &str, lines: &mut Vec<String>) {
    lines.push(format!("{:width$}{}", "", plain(words), width = deep * 2));
}

fn every(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn within(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).map_or_else(|| "-".to_owned(), text)
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}
