//! Sagas and their steps: what they are about, what failed, when it is tried again.

use std::sync::Arc;

use chrono::{DateTime, NaiveDateTime, Utc};
use domain::aggregate::Aggregate as _;
use domain::fact::Fact;
use domain::refusal::Listed as _;
use domain::saga::event::{SagaEvent, Started};
use domain::saga::step::{Start, Way};
use domain::saga::{Resolution, Saga, SagaRefusal};
use event_store::{Poison, Recorded};
use futures_util::future::BoxFuture;
use serde_json::json;
use uuid::Uuid;

use crate::books::Books;
use crate::happened::Happened;
use crate::payments::{begun_before, uuid_of};
use crate::query::cell::{Kind, Shown, shown};
use crate::query::filter::{Filter, Takes, filter};
use crate::query::resource::{Dated, Expansion, Resource};
use crate::query::tenant::Tenancy;
use crate::read_model::{Plan, ReadModel};
use crate::rows::Rows;
use crate::table::{Row as _, table};

table! {
    /// What a process remembers of one business. Times are UTC.
    SagaRow in "saga_instances", key (id: Uuid), indexes [
        "(created_at, id)", "(business_id)", "(((extract(epoch from created_at) * 1000000)::bigint), id)"
    ] {
        /// The saga; outside SAG and this in hexadecimal.
        id: Uuid,
        /// What it is about.
        business_id: String,
        /// The kind of what it is about.
        business_type: Option<String>,
        /// One of pending, `in_progress`, completed, compensated, failed.
        status: String,
        /// The step it is at, from 1; 0 before the first.
        current_step: i32,
        /// What went wrong last, or why a person is needed.
        error_message: Option<String>,
        /// The process, and who must look at it until when, as JSON.
        metadata: Option<String>,
        /// When it was started.
        created_at: NaiveDateTime,
        /// When anything of it changed last.
        updated_at: NaiveDateTime,
        /// When it was completed.
        completed_at: Option<NaiveDateTime>,
        /// When it was taken back.
        compensated_at: Option<NaiveDateTime>,
    }
}

table! {
    /// One step of a saga. Times are UTC.
    StepRow in "saga_steps", key (saga_id: Uuid, step_order: i32), indexes [
        "(id)", "(next_retry_at) where status = 'failed'"
    ] {
        /// Names the step: derived from the saga and its place in it.
        id: Uuid,
        /// The saga it is of.
        saga_id: Uuid,
        /// Its place, from 1.
        step_order: i32,
        /// What it does.
        step_name: String,
        /// One of pending, completed, compensated, failed.
        status: String,
        /// What it was begun with, as JSON.
        execute_data: Option<String>,
        /// What its way back was begun with, as JSON.
        compensate_data: Option<String>,
        /// What came of it.
        result: Option<String>,
        /// Why it failed last.
        error_message: Option<String>,
        /// When it was done.
        executed_at: Option<NaiveDateTime>,
        /// When it was taken back.
        compensated_at: Option<NaiveDateTime>,
        /// How often it was tried again.
        retry_count: i32,
        /// How often it may be.
        max_retry_count: i32,
        /// When it is tried again.
        next_retry_at: Option<NaiveDateTime>,
        /// When it was begun.
        created_at: NaiveDateTime,
        /// When anything of it changed last.
        updated_at: NaiveDateTime,
    }
}

static PLAN: Plan = Plan { name: "sagas", version: 1, tables: &[SagaRow::TABLE, StepRow::TABLE] };

const STATUSES: &[&str] = &["pending", "in_progress", "completed", "compensated", "failed"];

/// The read model of sagas and steps.
pub(crate) struct Sagas;

impl ReadModel for Sagas {
    fn plan(&self) -> &'static Plan {
        &PLAN
    }

    fn wants(&self, event: &Recorded) -> bool {
        event.aggregate_type == Saga::TYPE
    }

    fn apply<'a>(&'a self, books: &'a mut Books<'_>, events: &'a [Arc<Happened>]) -> BoxFuture<'a, Result<(), Poison>> {
        Box::pin(async move {
            let known = begun_before(events);
            let mut sagas = Rows::load(books, "id", known.clone()).await?;
            let mut steps = Rows::load(books, "saga_id", known).await?;
            for event in events {
                if let Fact::Saga(fact) = event.fact()? {
                    fold(&mut sagas, &mut steps, &event.recorded, fact)?;
                }
            }
            sagas.save(books).await?;
            steps.save(books).await
        })
    }
}

fn fold(
    sagas: &mut Rows<SagaRow>,
    steps: &mut Rows<StepRow>,
    recorded: &Recorded,
    fact: &SagaEvent,
) -> Result<(), Poison> {
    let at = recorded.recorded_at.naive_utc();
    let id = uuid_of(&recorded.aggregate_id).ok_or_else(|| Poison::Event("no saga has such a name".to_owned()))?;
    if let SagaEvent::Started(started) = fact {
        sagas.put(new(id, at, started));
        return Ok(());
    }
    let saga = sagas.must(&(id,))?;
    saga.updated_at = at;
    match fact {
        SagaEvent::Started(_) => {}
        SagaEvent::StepStarted(start) => {
            saga.current_step = number(start.step);
            begin(steps, id, at, start);
            saga.turn("in_progress");
        }
        SagaEvent::StepSucceeded { step, result } => {
            let step = of(steps, id, *step, at)?;
            step.end("completed");
            (step.result, step.executed_at) = (Some(result.clone()), Some(at));
        }
        SagaEvent::StepCompensated { step, result } => {
            let step = of(steps, id, *step, at)?;
            step.end("compensated");
            (step.result, step.compensated_at) = (Some(result.clone()), Some(at));
        }
        SagaEvent::StepFailed { step, error, .. } => {
            let step = of(steps, id, *step, at)?;
            step.status = "failed".to_owned();
            step.next_retry_at = None;
            step.error_message = Some(error.clone());
            saga.error_message = Some(error.clone());
        }
        SagaEvent::RetryScheduled { step, retry_at, .. } => {
            let step = of(steps, id, *step, at)?;
            step.status = "failed".to_owned();
            step.next_retry_at = Some(retry_at.naive_utc());
        }
        SagaEvent::Waiting { .. } => {}
        SagaEvent::CompensationBegun { reason } => saga.error_message = Some(reason.clone()),
        SagaEvent::Completed => saga.end(Resolution::Completed, at),
        SagaEvent::Compensated => saga.end(Resolution::Compensated, at),
        SagaEvent::AttentionNeeded { reason, owner, due_at } => saga.need(reason, owner, *due_at),
        SagaEvent::Resumed { .. } => saga.turn("in_progress"),
        SagaEvent::Resolved { resolution, .. } => saga.end(*resolution, at),
    }
    Ok(())
}

fn new(id: Uuid, at: NaiveDateTime, started: &Started) -> SagaRow {
    SagaRow {
        id,
        business_id: started.business_id.clone(),
        business_type: Some(started.business_type.clone()),
        status: "pending".to_owned(),
        current_step: 0,
        error_message: None,
        metadata: Some(json!({ "process": started.process, "livemode": started.livemode }).to_string()),
        created_at: at,
        updated_at: at,
        completed_at: None,
        compensated_at: None,
    }
}

/// The step of that number, which was begun before.
fn of(steps: &mut Rows<StepRow>, saga: Uuid, step: u32, at: NaiveDateTime) -> Result<&mut StepRow, Poison> {
    let row = steps.must(&(saga, number(step)))?;
    row.updated_at = at;
    Ok(row)
}

fn step_id(saga: Uuid, step: u32) -> Uuid {
    Uuid::new_v5(&saga, &step.to_be_bytes())
}

/// A try of it: the first one, or another, or one of its way back.
fn begin(steps: &mut Rows<StepRow>, saga: Uuid, at: NaiveDateTime, start: &Start) {
    let row = steps.or_new((saga, number(start.step)), || StepRow {
        id: step_id(saga, start.step),
        saga_id: saga,
        step_order: number(start.step),
        step_name: start.name.clone(),
        status: String::new(),
        execute_data: None,
        compensate_data: None,
        result: None,
        error_message: None,
        executed_at: None,
        compensated_at: None,
        retry_count: 0,
        max_retry_count: number(start.retries_max),
        next_retry_at: None,
        created_at: at,
        updated_at: at,
    });
    let data = json!({ "name": start.name, "partner_key": start.partner_key, "due_at": start.due_at }).to_string();
    match start.way {
        Way::Forward => row.execute_data = Some(data),
        Way::Undo => row.compensate_data = Some(data),
    }
    row.status = "pending".to_owned();
    row.retry_count = number(start.try_no.saturating_sub(1));
    row.next_retry_at = None;
    row.updated_at = at;
}

fn number(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

impl SagaRow {
    fn turn(&mut self, status: &str) {
        self.status = status.to_owned();
    }

    /// It goes on only once a person has looked: until then it counts as failed.
    fn need(&mut self, reason: &str, owner: &str, due_at: DateTime<Utc>) {
        self.turn("failed");
        self.error_message = Some(reason.to_owned());
        let mut known: serde_json::Value =
            self.metadata.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_else(|| json!({}));
        if let Some(known) = known.as_object_mut() {
            known.insert("owner".to_owned(), owner.into());
            known.insert("due_at".to_owned(), due_at.to_rfc3339().into());
        }
        self.metadata = Some(known.to_string());
    }

    fn end(&mut self, resolution: Resolution, at: NaiveDateTime) {
        match resolution {
            Resolution::Completed => {
                self.turn("completed");
                self.completed_at = Some(at);
            }
            Resolution::Compensated => {
                self.turn("compensated");
                self.compensated_at = Some(at);
            }
        }
    }
}

impl StepRow {
    fn end(&mut self, status: &str) {
        self.status = status.to_owned();
        self.next_retry_at = None;
    }
}

const STEPS: &[Shown] = &[
    shown("step_order", "step_order", Kind::Integer, "Its place, from 1."),
    shown("step_name", "step_name", Kind::Text, "What it does."),
    shown("status", "status", Kind::Text, "One of pending, completed, compensated, failed."),
    shown("execute_data", "execute_data", Kind::Text, "What it was begun with."),
    shown("compensate_data", "compensate_data", Kind::Text, "What its way back was begun with."),
    shown("result", "result", Kind::Text, "What came of it."),
    shown("error_message", "error_message", Kind::Text, "Why it failed last."),
    shown("retry_count", "retry_count", Kind::Integer, "How often it was tried again."),
    shown("max_retry_count", "max_retry_count", Kind::Integer, "How often it may be."),
    shown("executed_at", "executed_at at time zone 'UTC'", Kind::Moment, "When it was done."),
    shown("compensated_at", "compensated_at at time zone 'UTC'", Kind::Moment, "When it was taken back."),
    shown("next_retry_at", "next_retry_at at time zone 'UTC'", Kind::Moment, "When it is tried again."),
];

const COLUMNS: &[Shown] = &[
    shown("saga_id", "id", Kind::Id("SAG"), "The saga."),
    shown("business_id", "business_id", Kind::Text, "What it is about."),
    shown("business_type", "business_type", Kind::Text, "The kind of what it is about."),
    shown("status", "status", Kind::Text, "One of pending, in_progress, completed, compensated, failed."),
    shown("current_step", "current_step", Kind::Integer, "The step it is at."),
    shown("error_message", "error_message", Kind::Text, "What went wrong last."),
    shown("metadata", "metadata", Kind::Json, "The process, and who must look at it until when."),
    shown("created_at", "created_at at time zone 'UTC'", Kind::Moment, "When it was started."),
    shown("updated_at", "updated_at at time zone 'UTC'", Kind::Moment, "When anything of it changed last."),
    shown("completed_at", "completed_at at time zone 'UTC'", Kind::Moment, "When it was completed."),
    shown("compensated_at", "compensated_at at time zone 'UTC'", Kind::Moment, "When it was taken back."),
];

const FILTERS: &[Filter] = &[
    filter("status", "status", Takes::Words(|| STATUSES.to_vec())),
    filter("business_id", "business_id", Takes::Text),
    filter("business_type", "business_type", Takes::Text),
    filter("created", "(created_at at time zone 'UTC')", Takes::Moment),
];

/// What may be asked of sagas.
pub(crate) static SAGAS: Resource = Resource {
    from: "read.saga_instances",
    models: &["sagas"],
    tenancy: Tenancy::House,
    id: "id",
    // The table's columns are the contract's: there is no position among them.
    order: "extract(epoch from created_at) * 1000000",
    dated: Dated { had_come: "t.created_at < $before", is_unchanged: "t.updated_at < $before" },
    version: None,
    columns: COLUMNS,
    filters: FILTERS,
    expansions: &[Expansion {
        name: "steps",
        models: &["sagas"],
        from: "read.saga_steps x",
        on: "x.saga_id = t.id",
        order: "x.step_order",
        dated: None,
        columns: STEPS,
    }],
    absent: || SagaRefusal::SagaAbsent.rule(),
};
