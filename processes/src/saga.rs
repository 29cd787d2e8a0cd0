//! What a process remembers of one business: its steps, and how each ended.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    actor::Actor,
    free_text::FreeText,
    id::SagaId,
    saga::{
        Phase, Saga, SagaCommand, SagaRefusal,
        event::Started,
        step::{Course, CoursePhase, Start, Way},
    },
};

use crate::{
    process::{Next, Stop},
    turn::Turn,
};

/// By when somebody is to have looked.
const LOOKED_AT_WITHIN: TimeDelta = TimeDelta::hours(24);
const LOOK_WHILE_WAITING: TimeDelta = TimeDelta::minutes(15);
/// How often a step is tried again.
pub(crate) const RETRIES_MAX: u32 = 3;
/// A step that asks nobody outside is done in the same append as it is begun.
const AT_ONCE: TimeDelta = TimeDelta::zero();

/// A step, by its place and name.
pub(crate) type Step = (u32, &'static str);

/// The memory of one business.
pub(crate) struct Memory {
    id: Arc<str>,
}

impl Memory {
    /// Opens the saga of what the turn is about; `of` tells several of one business apart.
    pub(crate) fn open(turn: &mut Turn<'_, '_>, of: &str) -> Result<Self, Stop> {
        let work = turn.work;
        let saga_id = SagaId::derive(work.process, of);
        let memory = Self { id: saga_id.to_string().into() };
        turn.presume_new::<Saga>(&memory.id);
        let started = Started {
            saga_id,
            process: work.process.to_owned(),
            business_id: work.business.to_string(),
            business_type: work.process.to_owned(),
            merchant_id: Some(work.merchant_id),
            livemode: work.livemode,
        };
        turn.tell::<Saga>(&memory.id, &SagaCommand::Start(Box::new(started)))?;
        Ok(memory)
    }

    /// The saga of what the turn is about, where it was opened before.
    pub(crate) fn opened(turn: &mut Turn<'_, '_>, of: &str) -> Result<Option<Self>, Stop> {
        let memory = Self { id: SagaId::derive(turn.work.process, of).to_string().into() };
        Ok(memory.state(turn)?.phase().map(|_phase| memory))
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn state(&self, turn: &mut Turn<'_, '_>) -> Result<Arc<Saga>, Stop> {
        turn.state::<Saga>(&self.id)
    }

    pub(crate) fn phase(&self, turn: &mut Turn<'_, '_>) -> Result<Phase, Stop> {
        Ok(self.state(turn)?.phase().unwrap_or_default())
    }

    /// Nothing of it goes on any more.
    pub(crate) fn has_ended(&self, turn: &mut Turn<'_, '_>) -> Result<bool, Stop> {
        Ok(matches!(self.phase(turn)?, Phase::Completed | Phase::Compensated))
    }

    pub(crate) fn course(&self, turn: &mut Turn<'_, '_>, step: Step) -> Result<Course, Stop> {
        let saga = self.state(turn)?;
        Ok(saga.step(step.0).map(|known| known.course(Way::Forward).clone()).unwrap_or_default())
    }

    /// Begins a step, or its next try.
    pub(crate) fn begin(
        &self,
        turn: &mut Turn<'_, '_>,
        (step, name): Step,
        partner_key: Option<&str>,
        within: TimeDelta,
    ) -> Result<(), Stop> {
        let tries_count = self.course(turn, (step, name))?.tries_count();
        let start = Start {
            step,
            way: Way::Forward,
            try_no: tries_count.saturating_add(1),
            name: name.to_owned(),
            partner_key: partner_key.map(str::to_owned),
            retries_max: RETRIES_MAX,
            due_at: turn.now + within,
        };
        turn.tell::<Saga>(&self.id, &SagaCommand::StartStep(Box::new(start)))
    }

    /// A step that is done here and now; nothing where it was done before.
    pub(crate) fn do_at_once(&self, turn: &mut Turn<'_, '_>, step: Step, result: &str) -> Result<(), Stop> {
        if self.course(turn, step)?.phase() == CoursePhase::NotStarted {
            self.begin(turn, step, None, AT_ONCE)?;
        }
        self.succeed(turn, step, result)
    }

    pub(crate) fn succeed(&self, turn: &mut Turn<'_, '_>, (step, _name): Step, result: &str) -> Result<(), Stop> {
        let succeed = SagaCommand::SucceedStep { step, way: Way::Forward, result: result.to_owned() };
        turn.tell::<Saga>(&self.id, &succeed)
    }

    /// The try under way did not succeed; nothing where none is.
    pub(crate) fn fail(&self, turn: &mut Turn<'_, '_>, step: Step, error: &str) -> Result<(), Stop> {
        let course = self.course(turn, step)?;
        if course.phase() != CoursePhase::Started {
            return Ok(());
        }
        let (try_no, error) = (course.tries_count(), error.to_owned());
        turn.tell::<Saga>(&self.id, &SagaCommand::FailStep { step: step.0, way: Way::Forward, try_no, error })
    }

    /// Another try, if there is one left.
    pub(crate) fn retry(&self, turn: &mut Turn<'_, '_>, step: Step, at: DateTime<Utc>) -> Result<bool, Stop> {
        let try_no = self.course(turn, step)?.tries_count().saturating_add(1);
        let command = SagaCommand::ScheduleRetry { step: step.0, way: Way::Forward, try_no, retry_at: at };
        match turn.offer::<Saga>(&self.id, &command)? {
            Ok(()) => Ok(true),
            // While a person is to look, nothing is tried again.
            Err(SagaRefusal::RetriesExhausted | SagaRefusal::SagaNeedsAttention) => Ok(false),
            Err(refusal) => Err(Stop::Refused(domain::refusal::Refusal::code(&refusal))),
        }
    }

    pub(crate) fn wait(&self, turn: &mut Turn<'_, '_>, until: DateTime<Utc>) -> Result<(), Stop> {
        turn.tell::<Saga>(&self.id, &SagaCommand::Wait { until })
    }

    /// A person must look: why, who, until when. Until then it is looked at now and then: the answer may come by itself.
    pub(crate) fn need_attention(&self, turn: &mut Turn<'_, '_>, reason: &str, owner: &str) -> Result<Next, Stop> {
        let again = Next::Wait(turn.now + LOOK_WHILE_WAITING);
        if matches!(self.phase(turn)?, Phase::NeedsAttention | Phase::Completed | Phase::Compensated) {
            return Ok(again);
        }
        let due_at = turn.now + LOOKED_AT_WITHIN;
        let need = SagaCommand::NeedAttention { reason: reason.to_owned(), owner: owner.to_owned(), due_at };
        turn.tell::<Saga>(&self.id, &need)?;
        Ok(again)
    }

    /// Every step is done.
    pub(crate) fn complete(&self, turn: &mut Turn<'_, '_>) -> Result<(), Stop> {
        self.resume(turn, "it ended well by itself")?;
        turn.tell::<Saga>(&self.id, &SagaCommand::Complete)
    }

    /// What was done is taken back, the last step first. None of what is taken back here moved money.
    pub(crate) fn go_back(&self, turn: &mut Turn<'_, '_>, reason: &str, undo: &str) -> Result<(), Stop> {
        if self.has_ended(turn)? {
            return Ok(());
        }
        self.resume(turn, "it ended by itself")?;
        turn.tell::<Saga>(&self.id, &SagaCommand::Compensate { reason: reason.to_owned() })?;
        let saga = self.state(turn)?;
        let last = (1..).take_while(|number| saga.step(*number).is_some()).last().unwrap_or(0);
        for number in (1..=last).rev() {
            let Some(step) = saga.step(number) else { continue };
            if step.course(Way::Forward).phase() != CoursePhase::Succeeded {
                continue;
            }
            let start = Start {
                step: number,
                way: Way::Undo,
                try_no: step.course(Way::Undo).tries_count().saturating_add(1),
                name: "undo".to_owned(),
                partner_key: None,
                retries_max: RETRIES_MAX,
                due_at: turn.now,
            };
            turn.tell::<Saga>(&self.id, &SagaCommand::StartStep(Box::new(start)))?;
            let undone = SagaCommand::SucceedStep { step: number, way: Way::Undo, result: undo.to_owned() };
            turn.tell::<Saga>(&self.id, &undone)?;
        }
        turn.tell::<Saga>(&self.id, &SagaCommand::FinishCompensation)
    }

    /// What waited for a person has been answered otherwise.
    pub(crate) fn resume(&self, turn: &mut Turn<'_, '_>, reason: &str) -> Result<(), Stop> {
        if self.phase(turn)? != Phase::NeedsAttention {
            return Ok(());
        }
        let reason =
            FreeText::parse(reason).map_err(|refusal| Stop::Refused(domain::refusal::Refusal::code(&refusal)))?;
        turn.tell::<Saga>(&self.id, &SagaCommand::Resume { by: Actor::Process, reason })
    }
}
