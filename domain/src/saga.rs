//! A saga: what a process remembers, so that it can stop anywhere and be replayed.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{actor::Actor, aggregate::Aggregate, free_text::FreeText, refusal::refusals};

pub mod event;
pub mod step;
use event::{SagaEvent, Started};
use step::{Start, Step, Way};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Saga {
    started: Option<Started>,
    phase: Phase,
    /// Where it goes on after a person has looked.
    before_attention: Phase,
    waiting_until: Option<DateTime<Utc>>,
    steps: BTreeMap<u32, Step>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Going forward.
    #[default]
    Running,
    /// Going back.
    Compensating,
    /// A person must decide; nothing goes on by itself.
    NeedsAttention,
    Completed,
    Compensated,
}

/// How a person ends a saga that needed attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    Completed,
    Compensated,
}

#[derive(Clone, Debug, PartialEq)]
pub enum SagaCommand {
    Start(Box<Started>),
    StartStep(Box<Start>),
    SucceedStep { step: u32, way: Way, result: String },
    FailStep { step: u32, way: Way, try_no: u32, error: String },
    ScheduleRetry { step: u32, way: Way, try_no: u32, retry_at: DateTime<Utc> },
    Wait { until: DateTime<Utc> },
    Compensate { reason: String },
    Complete,
    FinishCompensation,
    NeedAttention { reason: String, owner: String, due_at: DateTime<Utc> },
    Resume { by: Actor, reason: FreeText },
    Resolve { resolution: Resolution, by: Actor, reason: FreeText },
}

refusals! {
    /// Why a saga says no, in the order the rules are tried.
    pub enum SagaRefusal {
        SagaAbsent = "saga_absent", 404, "There is no such saga.", "该流程不存在。";
        SagaDiffers = "saga_differs", 409, "This saga was already started otherwise.", "该流程已以不同内容启动。";
        StepDiffers = "step_differs", 409,
            "This step was already started with another name or partner key.", "该步骤已以不同名称或合作方键启动。";
        StepUnknown = "step_unknown", 404, "The saga has no such step.", "该流程没有这个步骤。";
        SagaEnded = "saga_ended", 409, "The saga has ended.", "该流程已结束。";
        SagaNeedsAttention = "saga_needs_attention", 409, "The saga waits for a person.", "该流程正等待人工处理。";
        SagaNotInAttention = "saga_not_in_attention", 409, "The saga waits for nobody.", "该流程无需人工处理。";
        SagaCompensating = "saga_compensating", 409, "The saga is going back.", "该流程正在回退。";
        SagaNotCompensating = "saga_not_compensating", 409, "The saga is not going back.", "该流程没有在回退。";
        StepNotStarted = "step_not_started", 409, "The step was never started.", "该步骤从未开始。";
        StepOutOfOrder = "step_out_of_order", 409, "This is not the next step or try.", "这不是下一个步骤或重试。";
        StepNotFailed = "step_not_failed", 409, "Only a failed step is tried again.", "只有失败的步骤才能重试。";
        RetriesExhausted = "retries_exhausted", 409, "No tries are left for this step.", "该步骤的重试次数已用尽。";
        StepAlreadySucceeded = "step_already_succeeded", 409, "The step has succeeded.", "该步骤已成功。";
        StepStillOpen = "step_still_open", 409, "A step is still under way.", "仍有步骤正在进行。";
        StepNotCompensated = "step_not_compensated", 409,
            "A step that succeeded was not taken back.", "有成功的步骤尚未回退。";
    }
}

type Decision = Result<Vec<SagaEvent>, SagaRefusal>;

impl Aggregate for Saga {
    const TYPE: &'static str = "saga";
    const STATE_VERSION: i32 = 2;
    type Command = SagaCommand;
    type Event = SagaEvent;
    type Refusal = SagaRefusal;

    fn decide(&self, command: &SagaCommand) -> Decision {
        match command {
            SagaCommand::Start(start) => self.start(start),
            SagaCommand::StartStep(start) => self.start_step(start),
            SagaCommand::SucceedStep { step, way, result } => self.succeed_step(*step, *way, result),
            SagaCommand::FailStep { step, way, try_no, error } => self.fail_step(*step, *way, *try_no, error),
            SagaCommand::ScheduleRetry { step, way, try_no, retry_at } => {
                self.schedule_retry(*step, *way, *try_no, *retry_at)
            }
            SagaCommand::Wait { until } => self.wait(*until),
            SagaCommand::Compensate { reason } => self.compensate(reason),
            SagaCommand::Complete => self.complete(),
            SagaCommand::FinishCompensation => self.finish_compensation(),
            SagaCommand::NeedAttention { reason, owner, due_at } => self.need_attention(reason, owner, *due_at),
            SagaCommand::Resume { by, reason } => self.resume(*by, reason),
            SagaCommand::Resolve { resolution, by, reason } => self.resolve(*resolution, *by, reason),
        }
    }

    fn apply(&mut self, event: &SagaEvent) {
        match event {
            SagaEvent::Started(started) => self.started = Some(started.as_ref().clone()),
            SagaEvent::StepStarted(start) => {
                self.waiting_until = None;
                self.steps.entry(start.step).or_insert_with(|| Step::new(start.retries_max)).fold_started(start);
            }
            SagaEvent::StepSucceeded { step, .. } => self.fold_step(*step, |step| step.forward.fold_succeeded()),
            SagaEvent::StepCompensated { step, .. } => self.fold_step(*step, |step| step.undo.fold_succeeded()),
            SagaEvent::StepFailed { step, way, .. } => {
                self.fold_step(*step, |step| step.course_mut(*way).fold_failed());
            }
            SagaEvent::RetryScheduled { step, way, retry_at, .. } => {
                self.waiting_until = Some(*retry_at);
                self.fold_step(*step, |step| step.course_mut(*way).fold_retry_scheduled());
            }
            SagaEvent::Waiting { until } => self.waiting_until = Some(*until),
            SagaEvent::CompensationBegun { .. } => {
                self.phase = Phase::Compensating;
                self.waiting_until = None;
            }
            SagaEvent::Completed => self.phase = Phase::Completed,
            SagaEvent::Compensated => self.phase = Phase::Compensated,
            SagaEvent::AttentionNeeded { .. } => {
                self.before_attention = self.phase;
                self.phase = Phase::NeedsAttention;
            }
            SagaEvent::Resumed { .. } => {
                self.phase = self.before_attention;
                self.steps.values_mut().for_each(Step::fold_looked_at);
            }
            SagaEvent::Resolved { resolution, .. } => {
                self.phase = match resolution {
                    Resolution::Completed => Phase::Completed,
                    Resolution::Compensated => Phase::Compensated,
                };
            }
        }
    }
}

impl Saga {
    fn start(&self, start: &Started) -> Decision {
        match &self.started {
            Some(started) if started == start => Ok(Vec::new()),
            Some(_) => Err(SagaRefusal::SagaDiffers),
            None => Ok(vec![SagaEvent::Started(Box::new(start.clone()))]),
        }
    }

    fn wait(&self, until: DateTime<Utc>) -> Decision {
        self.guard_going_on()?;
        if self.waiting_until == Some(until) {
            return Ok(Vec::new());
        }
        Ok(vec![SagaEvent::Waiting { until }])
    }

    fn compensate(&self, reason: &str) -> Decision {
        if self.started()?.phase == Phase::Compensating {
            return Ok(Vec::new());
        }
        self.guard_going_on()?;
        Ok(vec![SagaEvent::CompensationBegun { reason: reason.to_owned() }])
    }

    fn complete(&self) -> Decision {
        if self.started()?.phase == Phase::Completed {
            return Ok(Vec::new());
        }
        self.guard_going_on()?;
        if self.phase == Phase::Compensating {
            return Err(SagaRefusal::SagaCompensating);
        }
        if self.steps.values().any(|step| !step.forward.has_succeeded()) {
            return Err(SagaRefusal::StepStillOpen);
        }
        Ok(vec![SagaEvent::Completed])
    }

    fn finish_compensation(&self) -> Decision {
        if self.started()?.phase == Phase::Compensated {
            return Ok(Vec::new());
        }
        self.guard_going_on()?;
        if self.phase != Phase::Compensating {
            return Err(SagaRefusal::SagaNotCompensating);
        }
        if self.steps.values().any(Step::is_under_way) {
            return Err(SagaRefusal::StepStillOpen);
        }
        if self.steps.values().any(|step| step.forward.has_succeeded() && !step.undo.has_succeeded()) {
            return Err(SagaRefusal::StepNotCompensated);
        }
        Ok(vec![SagaEvent::Compensated])
    }

    fn need_attention(&self, reason: &str, owner: &str, due_at: DateTime<Utc>) -> Decision {
        if self.started()?.phase == Phase::NeedsAttention {
            return Ok(Vec::new());
        }
        self.guard_going_on()?;
        Ok(vec![SagaEvent::AttentionNeeded { reason: reason.to_owned(), owner: owner.to_owned(), due_at }])
    }

    fn resume(&self, by: Actor, reason: &FreeText) -> Decision {
        match self.started()?.phase {
            Phase::Completed | Phase::Compensated => Err(SagaRefusal::SagaEnded),
            Phase::Running | Phase::Compensating => Ok(Vec::new()),
            Phase::NeedsAttention => Ok(vec![SagaEvent::Resumed { by, reason: reason.clone() }]),
        }
    }

    fn resolve(&self, resolution: Resolution, by: Actor, reason: &FreeText) -> Decision {
        match (self.started()?.phase, resolution) {
            (Phase::Completed, Resolution::Completed) | (Phase::Compensated, Resolution::Compensated) => Ok(Vec::new()),
            (Phase::Completed | Phase::Compensated, _) => Err(SagaRefusal::SagaEnded),
            (Phase::Running | Phase::Compensating, _) => Err(SagaRefusal::SagaNotInAttention),
            (Phase::NeedsAttention, _) => Ok(vec![SagaEvent::Resolved { resolution, by, reason: reason.clone() }]),
        }
    }

    fn started(&self) -> Result<&Self, SagaRefusal> {
        self.started.as_ref().map(|_| self).ok_or(SagaRefusal::SagaAbsent)
    }

    /// It goes on by itself: it has not ended, and waits for no person.
    fn guard_going_on(&self) -> Result<(), SagaRefusal> {
        match self.started()?.phase {
            Phase::Completed | Phase::Compensated => Err(SagaRefusal::SagaEnded),
            Phase::NeedsAttention => Err(SagaRefusal::SagaNeedsAttention),
            Phase::Running | Phase::Compensating => Ok(()),
        }
    }

    fn fold_step(&mut self, number: u32, fold: impl FnOnce(&mut Step)) {
        if let Some(step) = self.steps.get_mut(&number) {
            fold(step);
        }
    }

    /// How far it has come, once it exists.
    #[must_use]
    pub fn phase(&self) -> Option<Phase> {
        self.started.as_ref().map(|_| self.phase)
    }

    /// What it is about, once it exists.
    #[must_use]
    pub const fn about(&self) -> Option<&Started> {
        self.started.as_ref()
    }

    #[must_use]
    pub fn step(&self, number: u32) -> Option<&Step> {
        self.steps.get(&number)
    }

    #[must_use]
    pub const fn waiting_until(&self) -> Option<DateTime<Utc>> {
        self.waiting_until
    }
}

#[cfg(test)]
mod tests;
