//! One step of a saga, forward and back: recorded before it acts, done on evidence.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::saga::{Decision, Phase, Saga, SagaRefusal, event::SagaEvent};

/// Which way a step goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    Forward,
    Undo,
}

/// A step about to act. The partner's key is recorded before the call and is the same for every try.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    pub step: u32,
    pub way: Way,
    /// 1 for the first try.
    pub try_no: u32,
    pub name: String,
    pub partner_key: Option<String>,
    pub retries_max: u32,
    pub due_at: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    pub(super) forward: Course,
    pub(super) undo: Course,
    retries_max: u32,
}

/// The tries of one way, all of one act: the same name, the same key for the partner.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Course {
    act: Option<Act>,
    tries_count: u32,
    /// Tries made before a person last looked: they count against no limit any more.
    tries_forgiven_count: u32,
    phase: CoursePhase,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Act {
    name: String,
    partner_key: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CoursePhase {
    #[default]
    NotStarted,
    Started,
    Failed,
    RetryScheduled,
    Succeeded,
}

impl Saga {
    pub(super) fn start_step(&self, start: &Start) -> Decision {
        let known = self.started()?.steps.get(&start.step);
        let untried = Course::default();
        let course = known.map_or(&untried, |step| step.course(start.way));
        if course.act.as_ref().is_some_and(|act| !act.is_of(start)) {
            return Err(SagaRefusal::StepDiffers);
        }
        if start.try_no <= course.tries_count && start.try_no > 0 {
            return Ok(Vec::new());
        }
        if start.way == Way::Undo && known.is_none() {
            return Err(SagaRefusal::StepUnknown);
        }
        self.guard_going_on()?;
        self.guard_way(start.way)?;
        let is_next_try = course.tries_count.checked_add(1) == Some(start.try_no);
        if !is_next_try || (known.is_none() && !self.is_next_step(start.step)) {
            return Err(SagaRefusal::StepOutOfOrder);
        }
        match course.phase {
            CoursePhase::Started | CoursePhase::Failed => Err(SagaRefusal::StepOutOfOrder),
            CoursePhase::Succeeded => Err(SagaRefusal::StepAlreadySucceeded),
            CoursePhase::NotStarted | CoursePhase::RetryScheduled => {
                Ok(vec![SagaEvent::StepStarted(Box::new(start.clone()))])
            }
        }
    }

    /// Steps are numbered from 1, each begun when the one before has succeeded.
    fn is_next_step(&self, number: u32) -> bool {
        let last = self.steps.last_key_value();
        let next = last.map_or(Some(1), |(last, _)| last.checked_add(1));
        next == Some(number) && last.is_none_or(|(_, step)| step.forward.has_succeeded())
    }

    /// Success is evidence: it counts also when it comes after a failure was recorded, or while going back.
    pub(super) fn succeed_step(&self, number: u32, way: Way, result: &str) -> Decision {
        let (step, result) = (number, result.to_owned());
        let course = self.step_known(number)?.course(way);
        if course.has_succeeded() {
            return Ok(Vec::new());
        }
        self.guard_not_ended()?;
        if course.phase == CoursePhase::NotStarted {
            return Err(SagaRefusal::StepNotStarted);
        }
        Ok(vec![match way {
            Way::Forward => SagaEvent::StepSucceeded { step, result },
            Way::Undo => SagaEvent::StepCompensated { step, result },
        }])
    }

    pub(super) fn fail_step(&self, step: u32, way: Way, try_no: u32, error: &str) -> Decision {
        let course = self.step_known(step)?.course(way);
        let is_old_news = course.phase != CoursePhase::Started || try_no < course.tries_count;
        if course.tries_count > 0 && try_no <= course.tries_count && is_old_news {
            return Ok(Vec::new());
        }
        self.guard_not_ended()?;
        if course.phase == CoursePhase::NotStarted {
            return Err(SagaRefusal::StepNotStarted);
        }
        if try_no != course.tries_count {
            return Err(SagaRefusal::StepOutOfOrder);
        }
        Ok(vec![SagaEvent::StepFailed { step, way, try_no, error: error.to_owned() }])
    }

    /// `try_no` is the try that is to come.
    pub(super) fn schedule_retry(&self, step: u32, way: Way, try_no: u32, retry_at: DateTime<Utc>) -> Decision {
        let known = self.step_known(step)?;
        let course = known.course(way);
        let is_next = course.tries_count.checked_add(1) == Some(try_no);
        if try_no <= course.tries_count || (course.phase == CoursePhase::RetryScheduled && is_next) {
            return Ok(Vec::new());
        }
        self.guard_going_on()?;
        self.guard_way(way)?;
        if !is_next {
            return Err(SagaRefusal::StepOutOfOrder);
        }
        match course.phase {
            CoursePhase::NotStarted | CoursePhase::Started => Err(SagaRefusal::StepNotFailed),
            CoursePhase::Failed if course.is_exhausted(known.retries_max) => Err(SagaRefusal::RetriesExhausted),
            CoursePhase::Failed | CoursePhase::RetryScheduled => {
                Ok(vec![SagaEvent::RetryScheduled { step, way, try_no, retry_at }])
            }
            CoursePhase::Succeeded => Err(SagaRefusal::StepAlreadySucceeded),
        }
    }

    fn step_known(&self, number: u32) -> Result<&Step, SagaRefusal> {
        self.started()?.steps.get(&number).ok_or(SagaRefusal::StepUnknown)
    }

    /// Steps go forward until compensation begins, and from then on only back.
    fn guard_way(&self, way: Way) -> Result<(), SagaRefusal> {
        match (self.phase == Phase::Compensating, way) {
            (true, Way::Forward) => Err(SagaRefusal::SagaCompensating),
            (false, Way::Undo) => Err(SagaRefusal::SagaNotCompensating),
            (true, Way::Undo) | (false, Way::Forward) => Ok(()),
        }
    }

    fn guard_not_ended(&self) -> Result<(), SagaRefusal> {
        match self.phase {
            Phase::Completed | Phase::Compensated => Err(SagaRefusal::SagaEnded),
            Phase::Running | Phase::Compensating | Phase::NeedsAttention => Ok(()),
        }
    }
}

impl Step {
    pub(super) fn new(retries_max: u32) -> Self {
        Self { forward: Course::default(), undo: Course::default(), retries_max }
    }

    #[must_use]
    pub const fn course(&self, way: Way) -> &Course {
        match way {
            Way::Forward => &self.forward,
            Way::Undo => &self.undo,
        }
    }

    pub(super) const fn course_mut(&mut self, way: Way) -> &mut Course {
        match way {
            Way::Forward => &mut self.forward,
            Way::Undo => &mut self.undo,
        }
    }

    pub(super) fn fold_started(&mut self, start: &Start) {
        let course = self.course_mut(start.way);
        course.act = Some(Act { name: start.name.clone(), partner_key: start.partner_key.clone() });
        course.tries_count = start.try_no;
        course.phase = CoursePhase::Started;
    }

    /// A person looked and let it go on: it may be tried as often again.
    pub(super) const fn fold_looked_at(&mut self) {
        self.forward.tries_forgiven_count = self.forward.tries_count;
        self.undo.tries_forgiven_count = self.undo.tries_count;
    }

    /// A way whose end is not known, unless it has been taken back whatever it did. A try that is only scheduled has not
    /// acted: forward it will not be made any more, but what somebody set out to take back is taken back.
    pub(super) fn is_under_way(&self) -> bool {
        let undoing = matches!(self.undo.phase, CoursePhase::Started | CoursePhase::RetryScheduled);
        undoing || (self.forward.phase == CoursePhase::Started && !self.undo.has_succeeded())
    }
}

impl Act {
    fn is_of(&self, start: &Start) -> bool {
        self.name == start.name && self.partner_key == start.partner_key
    }
}

impl Course {
    #[must_use]
    pub const fn phase(&self) -> CoursePhase {
        self.phase
    }

    #[must_use]
    pub const fn tries_count(&self) -> u32 {
        self.tries_count
    }

    /// Of those, how many since a person last looked.
    #[must_use]
    pub const fn fresh_tries_count(&self) -> u32 {
        self.tries_count.saturating_sub(self.tries_forgiven_count)
    }

    pub(super) fn has_succeeded(&self) -> bool {
        self.phase == CoursePhase::Succeeded
    }

    /// The first try and its retries are used up.
    const fn is_exhausted(&self, retries_max: u32) -> bool {
        self.fresh_tries_count() > retries_max
    }

    pub(super) const fn fold_succeeded(&mut self) {
        self.phase = CoursePhase::Succeeded;
    }

    pub(super) const fn fold_failed(&mut self) {
        self.phase = CoursePhase::Failed;
    }

    pub(super) const fn fold_retry_scheduled(&mut self) {
        self.phase = CoursePhase::RetryScheduled;
    }
}
