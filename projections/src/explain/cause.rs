//! Why an event is there: what it came with, who asked, which saga step it came of.

use std::collections::BTreeSet;

use domain::posting::Posting;
use event_store::{Recorded, Store};
use serde_json::{Map, Value, json};
use sqlx::PgConnection;

use super::saga::{Saga, Step};
use crate::query::cell::told;

/// Why there is no answer.
pub(crate) enum Why {
    Database(sqlx::Error),
    /// An event this program does not understand, and why.
    Unreadable(String),
}

impl From<sqlx::Error> for Why {
    fn from(failure: sqlx::Error) -> Self {
        Self::Database(failure)
    }
}

/// What came with one command stands side by side; so far is looked around.
const AROUND: i64 = 64;
/// Sagas about one business that are told of.
const SAGAS_MAX: i64 = 50;
/// Who acts when nobody has asked for just this.
const PROCESS: &str = "process";
/// Events of one stream that are looked through for what began something.
const STREAM_EVENTS_MAX: i64 = 1_000;
/// Events of one saga that are read.
const SAGA_EVENTS_MAX: i64 = 500;

/// Walks from events to what they came of.
pub(crate) struct Causes<'c> {
    store: &'c Store,
    connection: &'c mut PgConnection,
    with_sagas: bool,
    /// Nothing behind this is told of.
    upto: i64,
    /// The sagas that were read already.
    known: Vec<Saga>,
    /// The stream whose beginnings were looked for last.
    stream: Option<(String, Vec<Recorded>)>,
}

impl<'c> Causes<'c> {
    pub(crate) const fn new(
        store: &'c Store,
        connection: &'c mut PgConnection,
        (with_sagas, upto): (bool, i64),
    ) -> Self {
        Self { store, connection, with_sagas, upto, known: Vec::new(), stream: None }
    }

    /// What the event does to the books.
    ///
    /// # Errors
    /// This program does not understand it.
    pub(crate) fn posting(&self, event: &Recorded) -> Result<Posting, String> {
        Ok(self.store.upcasters().fact(event)?.posting())
    }

    /// The event as a tree: its command, the saga steps it came of, the call, the report.
    ///
    /// # Errors
    /// The log cannot be read, or the event not be understood.
    pub(crate) async fn of(&mut self, event: &Recorded) -> Result<Value, Why> {
        let posting = self.posting(event).map_err(Why::Unreadable)?;
        let said = pairs(event);
        let text = |name: &str| said.get(name).cloned().unwrap_or_default();
        let together = self.together(event).await?;
        let companions: Vec<Value> = together
            .iter()
            .filter(|other| self.with_sagas || other.aggregate_type != "saga")
            .filter(|other| other.merchant_id == event.merchant_id || self.with_sagas)
            .map(|other| json!({ "position": other.position, "event_type": other.event_type, "stream": stream(other) }))
            .collect();
        let report = said.get("report_id").map(|id| json!({ "channel": text("channel"), "report_id": id }));
        let mut command = json!({
            "command_id": text("command_id"), "actor": text("actor"), "request_id": text("request_id"),
            "trace_id": text("trace_id"), "events": companions, "report": report,
            "began_with": self.began_with(event, &said).await?,
        });
        if self.with_sagas {
            let process = said.get("process").or_else(|| said.get("asked_by"));
            let by = process.and_then(Value::as_str).map(str::to_owned);
            let steps = self.steps(event, &together, by.as_deref(), said.contains_key("report_id")).await?;
            let steps: Vec<Value> = steps.iter().map(|(saga, step)| saga.with(step)).collect();
            if let Some(command) = command.as_object_mut() {
                command.insert("process".to_owned(), process.cloned().unwrap_or_default());
                command.insert("saga_steps".to_owned(), steps.into());
            }
        }
        Ok(json!({
            "position": event.position, "event_id": event.event_id, "event_type": event.event_type,
            "stream": stream(event), "recorded_at": told(event.recorded_at), "lines": lines(&posting),
            "command": command,
        }))
    }

    /// Every saga about what these events are about, step by step; nothing to those who may not see them.
    ///
    /// # Errors
    /// The log or the database cannot be read.
    pub(crate) async fn sagas_about(&mut self, events: &[Recorded]) -> Result<Vec<Value>, Why> {
        if !self.with_sagas {
            return Ok(Vec::new());
        }
        let about: BTreeSet<String> = events.iter().flat_map(names_in).collect();
        let sagas = self.about(about.into_iter().collect()).await?;
        Ok(sagas.iter().map(Saga::whole).collect())
    }

    /// What a process did, it did for somebody: the first event of the stream in the same trace that is no process's own.
    async fn began_with(&mut self, event: &Recorded, said: &Map<String, Value>) -> Result<Option<Value>, Why> {
        if said.get("actor").and_then(Value::as_str) != Some(PROCESS) {
            return Ok(None);
        }
        let id = &*event.aggregate_id;
        let is_read = self.stream.as_ref().is_some_and(|(known, _events)| known == id);
        if !is_read {
            let events = self.store.stream_events(&event.aggregate_type, id, 0, STREAM_EVENTS_MAX).await?;
            self.stream = Some((id.to_owned(), events));
        }
        let events = self.stream.iter().flat_map(|(_id, events)| events);
        let mut before =
            events.take_while(|before| before.position < event.position).map(|before| (before, pairs(before)));
        let first = before.find(|(_before, its)| {
            its.get("trace_id") == said.get("trace_id") && its.get("actor").and_then(Value::as_str) != Some(PROCESS)
        });
        Ok(first.map(|(first, its)| {
            json!({ "position": first.position, "event_type": first.event_type, "actor": its.get("actor"),
                    "request_id": its.get("request_id") })
        }))
    }

    /// The events of the same command, itself among them.
    async fn together(&self, event: &Recorded) -> Result<Vec<Recorded>, Why> {
        let command = pairs(event).remove("command_id");
        let from = event.position.saturating_sub(AROUND).saturating_sub(1).max(0);
        let most = usize::try_from(AROUND.saturating_mul(2)).unwrap_or_default();
        let around = self.store.events(from, most).await?;
        let same = around.iter().filter(|other| other.position <= self.upto).filter(|other| {
            other.position == event.position || command.is_some() && pairs(other).get("command_id") == command.as_ref()
        });
        Ok(same.map(|other| (**other).clone()).collect())
    }

    /// Of each saga about the event: the step that was written down with it; else, where its process has done it or a
    /// channel has reported it, the last that was begun before it.
    async fn steps(
        &mut self,
        event: &Recorded,
        together: &[Recorded],
        process: Option<&str>,
        is_reported: bool,
    ) -> Result<Vec<(Saga, Step)>, Why> {
        let mut found = Vec::new();
        let names = names_in(event).collect();
        for saga in self.about(names).await? {
            let with_it: Vec<i64> = together.iter().map(|other| other.position).collect();
            let step = saga.steps.iter().rev().find(|step| step.ended.is_some_and(|ended| with_it.contains(&ended)));
            let is_its = is_reported || process.is_some_and(|process| saga.is_of(process));
            let step = step.or_else(|| saga.steps.iter().rev().find(|step| is_its && step.started <= event.position));
            if let Some(step) = step.cloned() {
                found.push((saga, step));
            }
        }
        Ok(found)
    }

    async fn about(&mut self, names: Vec<String>) -> Result<Vec<Saga>, Why> {
        let select = "select 'SAG' || replace(id::text, '-', '') from read.saga_instances where business_id = any($1) \
             order by created_at, id limit $2";
        let ids: Vec<String> =
            sqlx::query_scalar(select).bind(names).bind(SAGAS_MAX).fetch_all(&mut *self.connection).await?;
        let mut sagas = Vec::with_capacity(ids.len());
        for id in ids {
            let known = self.known.iter().find(|saga| saga.id == id).cloned();
            let saga = match known {
                Some(saga) => saga,
                None => {
                    let mut events = self.store.stream_events("saga", &id, 0, SAGA_EVENTS_MAX).await?;
                    events.retain(|event| event.position <= self.upto);
                    let saga = Saga::of(id, &events, &self.store.upcasters()).map_err(Why::Unreadable)?;
                    self.known.push(saga.clone());
                    saga
                }
            };
            sagas.push(saga);
        }
        sagas.retain(Saga::is_begun);
        Ok(sagas)
    }
}

/// The pairs of texts an event was written with.
fn pairs(event: &Recorded) -> Map<String, Value> {
    serde_json::from_str(&event.metadata).unwrap_or_default()
}

fn stream(event: &Recorded) -> Value {
    json!({ "type": event.aggregate_type, "id": &*event.aggregate_id, "sequence": event.sequence })
}

pub(super) fn lines(posting: &Posting) -> Value {
    let line = |line: &domain::posting::Line| {
        json!({ "account": line.account, "side": line.side.name(), "amount_minor": line.money.amount_minor,
                "currency": line.money.currency })
    };
    posting.lines().iter().map(line).collect()
}

/// What an event is about: its stream, and the captures, refunds and payouts it names.
fn names_in(event: &Recorded) -> impl Iterator<Item = String> + use<> {
    const NAMED: [&str; 3] = ["CAP", "REF", "POT"];
    let words = event.payload.split('"').filter(|word| word.len() == 35 && NAMED.iter().any(|it| word.starts_with(it)));
    let mut names: BTreeSet<String> = words.map(str::to_owned).collect();
    names.insert(event.aggregate_id.to_string());
    names.into_iter()
}
