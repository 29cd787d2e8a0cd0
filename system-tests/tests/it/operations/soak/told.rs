//! What customers were told: every answer kept, held against what is said later.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use system_tests::appender::History;
use system_tests::client::{Answer, Caller, Request};

pub(super) const BULK: &str = "/api/v1/payments/bulk";

/// One write, as often as it is sent.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) caller: Caller,
    pub(super) path: String,
    pub(super) key: String,
    pub(super) body: Value,
}

impl Ask {
    /// Signed as of now. Of a bulk, each item has a key of its own.
    pub(super) fn request(&self) -> Request {
        let request = Request::post(&self.path, &self.body);
        let request = if self.path == BULK { request } else { request.keyed(&self.key) };
        request.by(&self.caller)
    }
}

/// What became of a sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// It is settled, and will be told alike for ever.
    Settled,
    /// It was not done, for certain.
    Denied,
    /// Nobody knows yet.
    Nothing,
}

/// Everything that was said, by the key it was said of.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) settled: BTreeMap<String, (Ask, String)>,
    /// Sent, and not settled.
    pub(super) open: BTreeMap<String, Ask>,
    /// Sent once, denied, and never sent again.
    pub(super) left: BTreeSet<String>,
    /// Of which once nobody could tell what became of them.
    unknown: BTreeSet<String>,
    positions: BTreeMap<String, i64>,
    /// Lines that must never be said.
    pub(super) wrong: Vec<String>,
    pub(super) repeated_count: u64,
    pub(super) denied_count: u64,
    pub(super) unanswered_count: u64,
}

impl Told {
    /// Before it is sent for the first time.
    pub(super) fn asks(&mut self, ask: &Ask) {
        self.open.insert(ask.key.clone(), ask.clone());
    }

    pub(super) fn hears(&mut self, ask: &Ask, answer: Option<&Answer>) -> Heard {
        let Some(answer) = answer else {
            self.unanswered_count += 1;
            self.unknown.insert(ask.key.clone());
            return Heard::Nothing;
        };
        match (answer.status, answer.code().as_str()) {
            (503, _) | (409, "request_in_flight") => self.hears_not_now(ask, answer),
            (500.., _) | (401 | 403 | 404 | 429, _) => {
                self.wrong.push(format!("{} {}: {answer:?}", ask.path, ask.key));
                Heard::Nothing
            }
            _ => self.hears_for_good(ask, answer),
        }
    }

    /// It is to be asked again; whether anything was done is said, and must be true.
    fn hears_not_now(&mut self, ask: &Ask, answer: &Answer) -> Heard {
        let outcome = answer.json().get("outcome").and_then(Value::as_str).unwrap_or_default().to_owned();
        if answer.header("retry-after").is_none() || !["unknown", "not_applied"].contains(&outcome.as_str()) {
            self.wrong.push(format!("without an outcome or a time: {answer:?}"));
        }
        // Of a request that is repeated, a denial speaks of the repetition alone.
        let is_first = !self.unknown.contains(&ask.key) && !self.settled.contains_key(&ask.key);
        if outcome == "not_applied" && answer.status == 503 && is_first {
            self.denied_count += 1;
            return Heard::Denied;
        }
        self.unknown.insert(ask.key.clone());
        Heard::Nothing
    }

    fn hears_for_good(&mut self, ask: &Ask, answer: &Answer) -> Heard {
        let Some(kept) = kept(ask, answer) else {
            self.unknown.insert(ask.key.clone());
            return Heard::Nothing;
        };
        // What else is asked for may be so already, and then leaves no event.
        if let Some(position) = answer.header("daybook-position").and_then(|told| told.parse().ok())
            && answer.status == 200
            && ["/api/v1/payments", "/api/v1/refunds"].contains(&ask.path.as_str())
        {
            self.positions.insert(ask.key.clone(), position);
        }
        self.open.remove(&ask.key);
        if let Some((_ask, before)) = self.settled.get(&ask.key) {
            self.repeated_count += 1;
            if *before != kept {
                self.wrong.push(format!("{} {}: told {before}, then {kept}", ask.path, ask.key));
            }
        } else {
            self.settled.insert(ask.key.clone(), (ask.clone(), kept));
        }
        Heard::Settled
    }

    /// It is not sent again.
    pub(super) fn leaves(&mut self, ask: &Ask) {
        self.open.remove(&ask.key);
        self.left.insert(ask.key.clone());
    }

    /// As the log is held against it.
    pub(super) fn history(&self) -> History {
        let mut history = History::default();
        for (key, position) in &self.positions {
            history.note(&format!("acked {key} {position}"));
        }
        for key in &self.left {
            history.note(&format!("not_applied {key}"));
        }
        history
    }
}

/// What every answer to one request has alike: of a success all of it, of a refusal why. Nothing while an item of a bulk is
/// not settled.
fn kept(ask: &Ask, answer: &Answer) -> Option<String> {
    if answer.status != 200 {
        return Some(answer.verdict());
    }
    if ask.path != BULK {
        return Some(answer.body.clone());
    }
    let mut told = answer.json();
    for item in told.pointer_mut("/data/items")?.as_array_mut()? {
        let (status, code) = (item["status"].as_u64()?, item["answer"]["code"].as_str().unwrap_or_default());
        if status >= 500 || code == "request_in_flight" {
            return None;
        }
        item.as_object_mut()?.remove("replayed");
    }
    Some(told.to_string())
}

fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Answer {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Answer { status, headers, body: body.to_owned(), bytes: body.as_bytes().to_vec() }
}

#[test]
fn what_is_said_otherwise_later_or_without_an_outcome_is_wrong() {
    let ask = |key: &str| Ask {
        caller: Caller::Nobody,
        path: "/api/v1/payments".to_owned(),
        key: key.to_owned(),
        body: Value::Null,
    };
    let not_now = |outcome: &str| answer(503, &[("retry-after", "1")], &format!("{{\"outcome\":\"{outcome}\"}}"));
    let mut told = Told::default();
    told.asks(&ask("a"));
    assert_eq!(told.hears(&ask("a"), Some(&not_now("not_applied"))), Heard::Denied);
    assert_eq!(told.hears(&ask("a"), None), Heard::Nothing);
    assert_eq!(told.hears(&ask("a"), Some(&not_now("not_applied"))), Heard::Nothing, "nobody knows of the one before");
    let good = answer(200, &[("daybook-position", "7")], "{\"data\":1}");
    assert_eq!(told.hears(&ask("a"), Some(&good)), Heard::Settled);
    assert_eq!(told.hears(&ask("a"), Some(&good)), Heard::Settled);
    assert!(told.wrong.is_empty() && told.open.is_empty() && told.history().acked["a"] == 7);
    told.hears(&ask("a"), Some(&answer(200, &[], "{\"data\":2}")));
    told.hears(&ask("b"), Some(&answer(503, &[], "{\"outcome\":\"unknown\"}")));
    told.hears(&ask("b"), Some(&answer(503, &[("retry-after", "1")], "{\"outcome\":\"applied\"}")));
    told.hears(&ask("b"), Some(&answer(500, &[], "")));
    assert_eq!(told.wrong.len(), 4, "{:#?}", told.wrong);
    let bulk = Ask { path: BULK.to_owned(), ..ask("c") };
    let items = |status: u16| format!("{{\"data\":{{\"items\":[{{\"status\":{status},\"answer\":{{}}}}]}}}}");
    assert_eq!(told.hears(&bulk, Some(&answer(200, &[], &items(503)))), Heard::Nothing);
    assert_eq!(told.hears(&bulk, Some(&answer(200, &[], &items(200)))), Heard::Settled);
}
