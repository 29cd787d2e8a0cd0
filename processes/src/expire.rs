//! Lets go of authorisations that nobody captured in time.

use std::sync::Arc;

use channels::{Done, Void};
use chrono::TimeDelta;
use domain::{
    fact::Fact,
    payment::{Payment, PaymentCommand, Report, event::PaymentEvent},
    saga::step::CoursePhase,
};

use crate::{
    call::{Call, Care, Request},
    capture::is_automatic,
    errand::{self, End, Standing},
    process::{Business, Next, Process, Stop},
    saga::{Memory, Step},
    take_payment::said,
    turn::Turn,
};

const CHANNEL: Step = (1, "ChannelVoid");

/// For so long a merchant may capture. Card networks let an authorisation lapse after about as long, and until then the
/// customer cannot use the money: what nobody has claimed by now goes back.
const CAPTURED_WITHIN: TimeDelta = TimeDelta::days(7);
/// While a capture or a cancellation is under way.
const LOOK_AGAIN_AFTER: TimeDelta = TimeDelta::minutes(1);

pub(crate) const EXPIRE: &str = "expire_authorisation";

pub(crate) struct Expire;

impl Process for Expire {
    fn name(&self) -> &'static str {
        EXPIRE
    }

    fn hears(&self, stream: &str, fact: &Fact) -> Option<Business> {
        let Fact::Payment(
            PaymentEvent::Authorised { .. }
            | PaymentEvent::Captured(_)
            | PaymentEvent::Voided { .. }
            | PaymentEvent::AuthorisationExpired { .. },
        ) = fact
        else {
            return None;
        };
        Some(Business { id: stream.to_owned(), payment: stream.into() })
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
            close(turn, &of)?;
            return Ok(Next::Rest);
        };
        let memory = Memory::open(turn, &of)?;
        if memory.has_ended(turn)? {
            return Ok(Next::Rest);
        }
        let is_begun = memory.course(turn, CHANNEL)?.phase() != CoursePhase::NotStarted;
        if !is_begun {
            let until = memory.state(turn)?.waiting_until().unwrap_or(turn.now + CAPTURED_WITHIN);
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
        let call = Call {
            channel: tried.channel,
            livemode: agreed.livemode,
            care: Care::Send,
            request: Request::Void(Void {
                key: format!("{id}-{attempt}-void-expired"),
                payment_id: agreed.payment_id,
                attempt,
                channel_trade_no: tried.authorised_as.clone(),
                traceparent: None,
            }),
        };
        match errand::go_on(turn, &memory, CHANNEL, call)? {
            Standing::Going(next) => Ok(next),
            Standing::Ended(End::Settled(Done::Voided(_voided))) => {
                let report = Report::Expired { channel_trade_no: tried.authorised_as };
                turn.tell::<Payment>(&id, &PaymentCommand::Report { attempt, report })?;
                memory.succeed(turn, CHANNEL, "voided")?;
                memory.complete(turn)?;
                Ok(Next::Rest)
            }
            Standing::Ended(End::Declined(decline)) => {
                memory.fail(turn, CHANNEL, &said(decline))?;
                let reason = format!("{left} was not captured in time and is not let go of: {}", said(decline));
                memory.need_attention(turn, &reason, "operations")
            }
            Standing::Ended(End::Settled(
                Done::Authorised(_) | Done::Captured(_) | Done::Refunded(_) | Done::PaidOut(_),
            )) => Ok(Next::Rest),
        }
    }
}

/// The authorisation was captured whole as it came: where both are heard of together there is nothing to look at.
pub(crate) fn is_captured_at_once(stream: &str, fact: &Fact) -> bool {
    matches!(fact, Fact::Payment(PaymentEvent::Captured(captured)) if is_automatic(stream, captured))
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
