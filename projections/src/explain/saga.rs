//! A saga as its own stream tells it: step by step, with its calls and what came of them.

use domain::fact::Fact;
use domain::saga::event::{SagaEvent, Started};
use domain::saga::step::Way;
use event_store::{Recorded, Upcasters};
use serde_json::{Value, json};

/// What a process remembers of one business.
#[derive(Clone)]
pub(super) struct Saga {
    pub(super) id: String,
    started: Option<Started>,
    pub(super) steps: Vec<Step>,
    /// How it stands, in the word of its last event.
    last: String,
}

/// One try of one step.
#[derive(Clone)]
pub(super) struct Step {
    number: u32,
    name: String,
    way: Way,
    try_no: u32,
    /// Under which the partner knows the call: a step without one asks nobody outside.
    partner_key: Option<String>,
    pub(super) started: i64,
    /// Where it ended, and how.
    pub(super) ended: Option<i64>,
    outcome: Option<(&'static str, String)>,
}

impl Saga {
    /// # Errors
    /// One of its events is not understood.
    pub(super) fn of(id: String, events: &[Recorded], upcasters: &Upcasters) -> Result<Self, String> {
        let mut saga = Self { id, started: None, steps: Vec::new(), last: String::new() };
        for event in events {
            saga.last = event.event_type.to_string();
            if let Fact::Saga(fact) = upcasters.fact(event)? {
                saga.fold(event.position, fact);
            }
        }
        Ok(saga)
    }

    fn fold(&mut self, position: i64, event: SagaEvent) {
        match event {
            SagaEvent::Started(started) => self.started = Some(*started),
            SagaEvent::StepStarted(start) => self.steps.push(Step {
                number: start.step,
                name: start.name,
                way: start.way,
                try_no: start.try_no,
                partner_key: start.partner_key,
                started: position,
                ended: None,
                outcome: None,
            }),
            SagaEvent::StepSucceeded { step, result } => self.end(step, Way::Forward, position, ("succeeded", result)),
            SagaEvent::StepCompensated { step, result } => self.end(step, Way::Undo, position, ("compensated", result)),
            SagaEvent::StepFailed { step, way, error, .. } => self.end(step, way, position, ("failed", error)),
            SagaEvent::RetryScheduled { .. } | SagaEvent::Waiting { .. } => {}
            SagaEvent::CompensationBegun { .. } | SagaEvent::Completed | SagaEvent::Compensated => {}
            SagaEvent::AttentionNeeded { .. } | SagaEvent::Resumed { .. } | SagaEvent::Resolved { .. } => {}
        }
    }

    fn end(&mut self, number: u32, way: Way, position: i64, outcome: (&'static str, String)) {
        if let Some(step) = self.steps.iter_mut().rev().find(|step| step.number == number && step.way == way) {
            step.ended = Some(position);
            step.outcome = Some(outcome);
        }
    }

    pub(super) fn is_of(&self, process: &str) -> bool {
        self.started.as_ref().is_some_and(|started| started.process == process)
    }

    pub(super) const fn is_begun(&self) -> bool {
        self.started.is_some()
    }

    /// The saga with one of its steps.
    pub(super) fn with(&self, step: &Step) -> Value {
        let mut told = self.head();
        if let Some(told) = told.as_object_mut() {
            told.insert("step".to_owned(), step.told());
        }
        told
    }

    /// The saga with all of them.
    pub(super) fn whole(&self) -> Value {
        let mut told = self.head();
        if let Some(told) = told.as_object_mut() {
            told.insert("steps".to_owned(), self.steps.iter().map(Step::told).collect());
        }
        told
    }

    fn head(&self) -> Value {
        let started = self.started.as_ref();
        json!({
            "saga_id": self.id, "process": started.map(|started| started.process.as_str()),
            "business_id": started.map(|started| started.business_id.as_str()), "last_event": self.last,
        })
    }
}

impl Step {
    fn told(&self) -> Value {
        let call = self.partner_key.as_ref().map(|key| json!({ "partner_key": key, "try_no": self.try_no }));
        let outcome = self.outcome.as_ref().map(|(how, said)| json!({ "is": how, "said": said }));
        json!({
            "step": self.number, "name": self.name, "way": self.way, "started_position": self.started,
            "ended_position": self.ended, "call": call, "outcome": outcome,
        })
    }
}
