//! `daybook what-if rules`, `daybook risk replay`: what new rules would have decided.

use std::{collections::BTreeMap, fmt::Write as _, path::PathBuf, process::ExitCode};

use chrono::{DateTime, Utc};
use clap::{Args, ValueEnum};
use domain::risk::{Assessment, RiskDecision};
use event_store::Poison;
use indicatif::{ProgressBar, ProgressStyle};
use processes::{Replay, Replayed};
use serde_json::{Value, json};

use super::{moment, rules_of, scratch::Aside};
use crate::{
    command::{place::Place, say},
    database,
    failure::{Failure, Result},
};

pub(in crate::command) const EXAMPLES: &str = "\
Examples:
  daybook risk replay --rules new.json --since 2026-01-01
  daybook risk replay --rules new.json --since 2026-01-01T09:00:00Z --format csv > moved.csv
  daybook risk replay --since 2026-01-01      the rules of then: nothing should move";

/// Decide once more what was decided, by other rules on the facts of then; nothing is written
///
/// The log is read from a month and a day before, and what the counters said to each attempt is counted again, so that
/// the answer is the one the server would have given. The lists are those of then.
#[derive(Args, Debug)]
pub(in crate::command) struct Again {
    /// The file with the rules, as they would be published; without it, those in force at each decision
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// From when on, as `2026-01-31` or `2026-01-31T12:00:00Z`
    #[arg(long, value_parser = moment, value_name = "TIME")]
    since: DateTime<Utc>,
    /// The mode
    #[arg(long, action = clap::ArgAction::Set, default_value_t = true, value_name = "true|false")]
    livemode: bool,
    /// What to write: figures and examples for people or as JSON, or every decision that would move as CSV
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// How many examples to show of each move
    #[arg(long, default_value_t = 5, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(0..=1_000))]
    examples: u32,
    #[command(flatten)]
    into: Aside,
    #[command(flatten)]
    place: Place,
}

const HEAD: &str = "payment_no,attempt,position,decided_at,merchant_id,amount_minor,currency,before,after,score_before,\
                    score_after,reasons_before,reasons_after";
const COLUMNS: &str = "payment_no text not null, attempt bigint not null, position bigint primary key, \
     decided_at timestamptz not null, merchant_id text not null, amount_minor bigint not null, currency text not null, \
     before text not null, after text not null, score_before smallint not null, score_after smallint not null, \
     reasons_before text, reasons_after text";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
    Csv,
}

/// How many decisions went from where to where, with some of each.
#[derive(Default)]
struct Moves {
    decided_count: u64,
    uncounted_count: u64,
    moves: BTreeMap<(RiskDecision, RiskDecision), Move>,
}

#[derive(Default)]
struct Move {
    count: u64,
    examples: Vec<Replayed>,
}

impl Again {
    pub(in crate::command) async fn run(self) -> Result<ExitCode> {
        let rules = self.rules.as_deref().map(rules_of).transpose()?;
        let store = self.place.store().await?;
        let amiss = |reason: Poison| Failure::NotThere(format!("the log could not be replayed: {reason}"));
        let mut replay = Replay::new(store.clone(), self.livemode, rules, self.since).await.map_err(amiss)?;
        let bar = bar(&replay);
        let mut moves = Moves::default();
        let mut scratch = self.into.make(&self.place, "decisions", COLUMNS).await?;
        if self.format == Format::Csv {
            say(HEAD)?;
        }
        while let Some(replayed) = replay.next().await.map_err(amiss)? {
            bar.set_position(u64::try_from(replay.progress().0).unwrap_or_default());
            for replayed in replayed {
                if self.format == Format::Csv && has_moved(&replayed) {
                    say(line(&replayed))?;
                }
                if let Some(scratch) = &mut scratch {
                    scratch.put(line(&replayed)).await?;
                }
                moves.take(replayed, self.examples);
            }
        }
        bar.finish_and_clear();
        database::close(&store).await;
        if let Some(scratch) = scratch {
            let table = scratch.end().await?;
            tracing::info!(table, "every decision is there");
        }
        match self.format {
            Format::Text => say(moves.text())?,
            Format::Json => say(format_args!("{:#}", moves.json()))?,
            Format::Csv => {}
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// On standard error, where a person looks.
fn bar(replay: &Replay) -> ProgressBar {
    let (from, upto) = replay.progress();
    let bar = ProgressBar::new(u64::try_from(upto).unwrap_or_default());
    bar.set_position(u64::try_from(from).unwrap_or_default());
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} events, {per_sec}, {eta} to go") {
        bar.set_style(style);
    }
    bar
}

fn has_moved(replayed: &Replayed) -> bool {
    replayed.before.decision != replayed.after.decision
}

impl Moves {
    fn take(&mut self, replayed: Replayed, examples: u32) {
        self.decided_count = self.decided_count.saturating_add(1);
        self.uncounted_count = self.uncounted_count.saturating_add(u64::from(replayed.was_uncounted()));
        let to = self.moves.entry((replayed.before.decision, replayed.after.decision)).or_default();
        to.count = to.count.saturating_add(1);
        if has_moved(&replayed) && to.examples.len() < usize::try_from(examples).unwrap_or(usize::MAX) {
            to.examples.push(replayed);
        }
    }

    fn moved_count(&self) -> u64 {
        self.moves.iter().filter(|((before, after), _)| before != after).map(|(_, to)| to.count).sum()
    }

    fn text(&self) -> String {
        let mut text = format!("{} decisions, {} would move\n", self.decided_count, self.moved_count());
        for ((before, after), to) in &self.moves {
            let arrow = format!("{} -> {}", word(*before), word(*after));
            // Writing to a text cannot fail.
            writeln!(text, "  {arrow:<20} {:>10}", to.count).unwrap_or_default();
        }
        if self.uncounted_count > 0 {
            let note = "were sent to a person because the counters were late, whatever the rules";
            writeln!(text, "{} of them {note}", self.uncounted_count).unwrap_or_default();
        }
        for replayed in self.moves.values().flat_map(|to| &to.examples) {
            let Replayed { payment_no, attempt, decided_at, amount, before, after, .. } = replayed;
            let at = decided_at.format("%Y-%m-%dT%H:%M:%SZ");
            let told = format!("{payment_no}/{attempt}  {at}  {amount}  {} -> {}", told(before), told(after));
            writeln!(text, "  {told}").unwrap_or_default();
        }
        text.trim_end().to_owned()
    }

    fn json(&self) -> Value {
        let moves: Vec<Value> = self
            .moves
            .iter()
            .map(|((before, after), to)| {
                let examples: Vec<Value> = to.examples.iter().map(example).collect();
                json!({ "before": before, "after": after, "count": to.count, "examples": examples })
            })
            .collect();
        json!({
            "decisions": self.decided_count, "moved": self.moved_count(), "uncounted": self.uncounted_count,
            "moves": moves,
        })
    }
}

fn example(replayed: &Replayed) -> Value {
    let Replayed { payment_no, attempt, position, decided_at, merchant_id, amount, before, after } = replayed;
    json!({
        "payment_no": &**payment_no, "attempt": attempt, "position": position, "decided_at": decided_at,
        "merchant_id": merchant_id, "amount": amount.amount_minor, "currency": amount.currency.code(),
        "before": before, "after": after,
    })
}

/// One decision that would move. Nothing in it needs quotes.
fn line(replayed: &Replayed) -> String {
    let Replayed { payment_no, attempt, position, decided_at, merchant_id, amount, before, after } = replayed;
    let (minor, currency) = (amount.amount_minor, amount.currency.code());
    let at = decided_at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
    let decisions = format!("{},{}", word(before.decision), word(after.decision));
    let scores = format!("{},{}", u8::from(before.score), u8::from(after.score));
    let reasons = format!("{},{}", before.reasons.join(" "), after.reasons.join(" "));
    format!("{payment_no},{attempt},{position},{at},{merchant_id},{minor},{currency},{decisions},{scores},{reasons}")
}

fn told(assessment: &Assessment) -> String {
    let reasons = if assessment.reasons.is_empty() { "no reason".to_owned() } else { assessment.reasons.join(" ") };
    format!("{} ({}: {reasons})", word(assessment.decision), u8::from(assessment.score))
}

const fn word(decision: RiskDecision) -> &'static str {
    match decision {
        RiskDecision::Approve => "approve",
        RiskDecision::Review => "review",
        RiskDecision::Reject => "reject",
    }
}
