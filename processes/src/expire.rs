//! Lets go of authorisations that nobody captured in time.

use std::sync::Arc;

use channels::Void;
use chrono::TimeDelta;
use domain::{
    actor::Actor,
    fact::Fact,
    payment::{Payment, PaymentCommand, Report, attempt::Phase, event::PaymentEvent, taken_over::TakenOver},
    saga::step::CoursePhase,
};

use crate::{
    capture::is_automatic,
    errand::{self, Held},
    process::{Business, Next, Process, Stop},
    saga::{Memory, Step},
    turn::Turn,
};

const CHANNEL: Step = (1, "ChannelVoid");

/// While a capture or a cancellation is under way.
const LOOK_AGAIN_AFTER: TimeDelta = TimeDelta::minutes(1);

pub(crate) const EXPIRE: &str = "expire_authorisation";

pub(crate) struct Expire;

impl Process for Expire {
    fn name(&self) -> &'static str {
        EXPIRE
    }

    fn hears(&self, stream: &str, fact: &Fact) -> Option<Business> {
        let Fact::Payment(event) = fact else { return None };
        // What was open elsewhere is open here.
        let is_open = |taken: &TakenOver| taken.captured.is_zero();
        let hears = matches!(event, PaymentEvent::TakenOver(taken) if is_open(taken))
            || matches!(
                event,
                PaymentEvent::Authorised { .. }
                    | PaymentEvent::Captured(_)
                    | PaymentEvent::Voided { .. }
                    | PaymentEvent::AuthorisationExpired { .. }
            );
        hears.then(|| Business { id: stream.to_owned(), payment: stream.into() })
    }

    fn react(&self, turn: &mut Turn<'_, '_>) -> Result<Next, Stop> {
        let id = Arc::clone(&turn.work.payment);
        let payment = turn.state::<Payment>(&id)?;
        let (Some(agreed), Some(tried)) = (payment.agreement(), payment.tried()) else { return Ok(Next::Rest) };
        for ended in 1..tried.number {
            close(turn, &format!("{id}/{ended}"))?;
        }
        let (attempt, of) = (tried.number, format!("{id}/{}", tried.number));
        let left = payment.left_to_capture().filter(|(left, _)| left.amount_minor > 0);
        let Some((left, is_being_captured)) = left else {
            cancel(turn, &id, &of)?;
            close(turn, &of)?;
            return Ok(Next::Rest);
        };
        let memory = Memory::open(turn, &of)?;
        if memory.has_ended(turn)? {
            return Ok(Next::Rest);
        }
        let is_begun = memory.course(turn, CHANNEL)?.phase() != CoursePhase::NotStarted;
        if !is_begun {
            let until = memory.state(turn)?.waiting_until().unwrap_or(turn.now + turn.patience.captured_within);
            if turn.now < until {
                memory.wait(turn, until)?;
                return Ok(Next::Wait(until));
            }
            if is_being_captured || payment.is_being_cancelled() {
                let until = turn.now + LOOK_AGAIN_AFTER;
                memory.wait(turn, until)?;
                return Ok(Next::Wait(until));
            }
        }
        let held = Held {
            channel: tried.channel,
            livemode: agreed.livemode,
            void: Void {
                key: format!("{id}-{attempt}-void-expired"),
                payment_id: agreed.payment_id,
                attempt,
                channel_trade_no: tried.authorised_as.clone(),
                traceparent: None,
            },
        };
        let refused = format!("{left} was not captured in time and is not let go of");
        if let Err(next) = errand::let_go(turn, &memory, CHANNEL, held, &refused)? {
            return Ok(next);
        }
        let report = Report::Expired { channel_trade_no: tried.authorised_as };
        turn.tell::<Payment>(&id, &PaymentCommand::Report { attempt, report })?;
        memory.succeed(turn, CHANNEL, "voided")?;
        memory.complete(turn)?;
        Ok(Next::Rest)
    }
}

/// The authorisation was captured whole as it came: where both are heard of together there is nothing to look at.
pub(crate) fn is_captured_at_once(stream: &str, fact: &Fact) -> bool {
    matches!(fact, Fact::Payment(PaymentEvent::Captured(captured)) if is_automatic(stream, captured))
}

/// The channel told of it in a report before it answered that it had let go: it ends the payment all the same, unless
/// part of it was captured.
fn cancel(turn: &mut Turn<'_, '_>, id: &Arc<str>, of: &str) -> Result<(), Stop> {
    let Some(memory) = Memory::opened(turn, of)? else { return Ok(()) };
    let was_asked = memory.course(turn, CHANNEL)?.phase() != CoursePhase::NotStarted && !memory.has_ended(turn)?;
    let is_voided = turn.state::<Payment>(id)?.tried().is_some_and(|tried| tried.phase == Phase::Voided);
    if was_asked && is_voided {
        let cancel = PaymentCommand::Cancel { by: Actor::Process, reason: None };
        turn.offer::<Payment>(id, &cancel)?.ok();
    }
    Ok(())
}

/// Nothing is left that could expire.
fn close(turn: &mut Turn<'_, '_>, of: &str) -> Result<(), Stop> {
    let Some(memory) = Memory::opened(turn, of)? else { return Ok(()) };
    if memory.has_ended(turn)? {
        return Ok(());
    }
    if memory.course(turn, CHANNEL)?.phase() != CoursePhase::NotStarted {
        memory.do_at_once(turn, CHANNEL, "let go")?;
    }
    memory.complete(turn)
}
