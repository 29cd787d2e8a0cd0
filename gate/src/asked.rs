//! What somebody asked, how often, with how many rows; and the deed that says so.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use domain::{
    free_text::FreeText,
    id::OperatorId,
    operator::{Operator, OperatorCommand, event::Deed, subject::Subject},
};
use event_store::{Act, Outcome, Store};
use uuid::Uuid;

use crate::{problem::Problem, rules, visit::Visit};

/// Different questions that are remembered of one session; more are counted.
const QUESTIONS_MAX: usize = 200;
/// As much as a deed may say in so many words.
const WORDS_MAX: usize = 900;

/// Parameters whose values say which part of the books was looked at, and of nobody who they are.
const TOLD: [&str; 24] = [
    "after",
    "at",
    "at_position",
    "at_time",
    "causation",
    "channel",
    "correlation",
    "currency",
    "effective_at",
    "from",
    "group_by",
    "limit",
    "livemode",
    "merchant_id",
    "min_position",
    "order",
    "settlement_no",
    "since",
    "status",
    "stream",
    "to",
    "type",
    "until",
    "upto",
];

/// What was asked since something was opened.
pub(crate) struct Asked {
    last_at: Instant,
    questions: BTreeMap<String, Look>,
    count: u64,
}

/// One question, however often it was asked.
#[derive(Default)]
struct Look {
    count: u64,
    rows: u64,
    /// Rows of answers that may still be on their way.
    under_way: Vec<Arc<AtomicU64>>,
}

impl Asked {
    pub(crate) fn nothing() -> Self {
        Self { last_at: Instant::now(), questions: BTreeMap::new(), count: 0 }
    }

    /// Remembers that this was asked; its rows are counted as they are written.
    pub(crate) fn note(&mut self, question: String, rows: Arc<AtomicU64>) {
        self.last_at = Instant::now();
        self.count = self.count.saturating_add(1);
        let is_known = self.questions.contains_key(&question);
        let question = if is_known || self.questions.len() < QUESTIONS_MAX { question } else { "others".to_owned() };
        let look = self.questions.entry(question).or_default();
        look.count = look.count.saturating_add(1);
        look.under_way.push(rows);
        look.settle(false);
    }

    /// Whether every answer is complete.
    pub(crate) fn is_quiet(&mut self) -> bool {
        self.questions.values_mut().for_each(|look| look.settle(false));
        self.questions.values().all(|look| look.under_way.is_empty())
    }

    pub(crate) fn rested(&self) -> Duration {
        self.last_at.elapsed()
    }

    /// What was asked, at length and, in case that cannot be kept, in a few words; `end` stands between.
    pub(crate) fn told(&mut self, end: &str) -> Vec<String> {
        self.questions.values_mut().for_each(|look| look.settle(true));
        let rows = self.questions.values().fold(0_u64, |sum, look| sum.saturating_add(look.rows));
        let short = format!("{} questions, {rows} rows{end}", self.count);
        let mut long = short.clone();
        let mut left = self.questions.len();
        for (question, look) in &self.questions {
            let told = format!("; {question}: {} times, {} rows", look.count, look.rows);
            if long.chars().count().saturating_add(told.chars().count()) > WORDS_MAX {
                break;
            }
            long.push_str(&told);
            left = left.saturating_sub(1);
        }
        if left > 0 {
            long.push_str(&format!("; and {left} other questions"));
        }
        vec![long, short]
    }
}

impl Look {
    /// Counts the rows of answers that are complete; or of all, as far as they have come.
    fn settle(&mut self, all: bool) {
        let rows = &mut self.rows;
        self.under_way.retain(|counted| {
            let is_complete = all || Arc::strong_count(counted) == 1;
            if is_complete {
                *rows = rows.saturating_add(counted.load(Ordering::Relaxed));
            }
            !is_complete
        });
    }
}

/// What the log is told of whoever asked: the deed, and of several ways to say more the first that can be kept.
pub(crate) struct Words {
    pub(crate) deed_id: Uuid,
    pub(crate) deed: String,
    pub(crate) said: Vec<String>,
}

/// Whether the deed stands in the log.
///
/// # Errors
/// It is not known whether it does.
pub(crate) async fn write(
    store: &Store,
    who: OperatorId,
    Words { deed_id, deed, said }: Words,
    visit: Option<&Visit>,
) -> Result<bool, Problem> {
    let deed = FreeText::parse(&deed).map_err(|_never| Problem::turned_away(rules::INTERNAL))?;
    // What reads like a card's number is left out, and how much there was is said all the same.
    let reason = said.into_iter().find_map(|said| FreeText::parse(&said).ok());
    let deed = Deed { deed_id, deed, on: Subject::Log, reason };
    let of_request = |visit: &Visit| [("request_id", visit.request_id.clone()), ("trace_id", visit.trace_id.clone())];
    let metadata = [("actor", who.to_string())].into_iter().chain(visit.into_iter().flat_map(of_request)).collect();
    let act = Act::tell::<Operator>(who.to_string(), OperatorCommand::RecordDeed(Box::new(deed)));
    let outcome = store.execute(Act { metadata, ..act }).await?;
    Ok(matches!(outcome, Outcome::Accepted { .. }))
}

/// A question as it is remembered: the route, what its path names, and which part of the books it is about.
pub(crate) fn question<'q>(
    route: &str,
    path: impl Iterator<Item = &'q str>,
    query: impl Iterator<Item = (&'q str, &'q str)>,
) -> String {
    let mut question = route.to_owned();
    for value in path {
        question.push(' ');
        question.extend(value.chars().take(80));
    }
    let mut given: Vec<String> = query
        .map(|(name, value)| {
            let value = if TOLD.contains(&name) { value } else { "…" };
            format!("{}={}", name.chars().take(40).collect::<String>(), value.chars().take(80).collect::<String>())
        })
        .collect();
    // Pages of one question are one question.
    given.retain(|told| !["cursor=", "after="].iter().any(|paging| told.starts_with(paging)));
    given.sort_unstable();
    for told in given {
        question.push(' ');
        question.push_str(&told);
    }
    question
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_remembered_by_its_ranges_and_without_who_it_was_about() {
        let query = [("customer_email", "ann@example.com"), ("at_position", "7"), ("after", "3"), ("metadata[x]", "y")];
        let told = question("/api/v1/payments/{payment_no}", ["PAY1"].into_iter(), query.into_iter());
        assert_eq!(told, "/api/v1/payments/{payment_no} PAY1 at_position=7 customer_email=… metadata[x]=…");
    }

    #[test]
    fn what_is_told_of_many_questions_is_short_and_says_how_much_is_left_out() {
        let mut asked = Asked::nothing();
        for n in 0..1_000 {
            asked.note(format!("/api/v1/payments/{{payment_no}} PAY{n:032}"), Arc::new(AtomicU64::new(1)));
        }
        let told = asked.told("");
        assert!(told.iter().all(|told| FreeText::parse(told).is_ok()), "{told:?}");
        assert!(told[0].starts_with("1000 questions, 1000 rows; ") && told[0].contains(" other questions"), "{told:?}");
    }
}
