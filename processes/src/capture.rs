//! Captures what a merchant asked for, out of an authorisation.

use std::sync::Arc;

use channels::{Capture as Asked, Done};
use domain::{
    fact::Fact,
    id::CaptureId,
    payment::{
        Payment, PaymentCommand, Report,
        event::{Captured, PaymentEvent},
    },
};

use crate::{
    call::{Call, Care, Request},
    errand::{self, End, Standing},
    process::{Business, Next, Process, Stop},
    saga::{Memory, Step},
    take_payment::{mark_paid, said},
    turn::Turn,
};

const CHANNEL: Step = (1, "ChannelCapture");

pub(crate) struct Capture;

impl Process for Capture {
    fn name(&self) -> &'static str {
        "capture_payment"
    }

    fn hears(&self, stream: &str, fact: &Fact) -> Option<Business> {
        let Fact::Payment(event) = fact else { return None };
        let capture_id = if let PaymentEvent::CaptureRequested { capture_id, .. } = event {
            *capture_id
        } else if let PaymentEvent::CaptureDeclined { capture_id: Some(capture_id), .. } = event {
            *capture_id
        } else if let PaymentEvent::Captured(captured) = event
            && !is_automatic(stream, captured)
        {
            captured.capture_id
        } else {
            return None;
        };
        Some(Business { id: capture_id.to_string(), payment: stream.into() })
    }

    fn react(&self, turn: &mut Turn<'_, '_>) -> Result<Next, Stop> {
        let id = Arc::clone(&turn.work.payment);
        let payment = turn.state::<Payment>(&id)?;
        let Ok(capture_id) = turn.work.business.parse::<CaptureId>() else { return Ok(Next::Rest) };
        let (Some(agreed), Some(tried)) = (payment.agreement(), payment.tried()) else { return Ok(Next::Rest) };
        let Some((amount, is_open)) = payment.capture_asked(capture_id) else { return Ok(Next::Rest) };
        let memory = Memory::open(turn, &turn.work.business.clone())?;
        if memory.has_ended(turn)? {
            return Ok(Next::Rest);
        }
        if !is_open {
            return end(turn, &memory, &id, capture_id);
        }
        let attempt = tried.number;
        let call = Call {
            channel: tried.channel,
            livemode: agreed.livemode,
            care: Care::Send,
            request: Request::Capture(Asked {
                key: format!("{id}-{attempt}-capture-{capture_id}"),
                payment_id: agreed.payment_id,
                attempt,
                capture_id,
                channel_trade_no: tried.authorised_as,
                amount,
                traceparent: None,
            }),
        };
        let report = match errand::go_on(turn, &memory, CHANNEL, call)? {
            Standing::Going(next) => return Ok(next),
            Standing::Ended(End::Declined(decline)) => {
                memory.fail(turn, CHANNEL, &said(decline))?;
                Report::CaptureDeclined { capture_id, decline }
            }
            Standing::Ended(End::Settled(Done::Captured(captured))) => Report::Captured {
                capture_id,
                amount: captured.amount,
                channel_trade_no: captured.channel_trade_no,
                effective_at: captured.effective_at,
            },
            Standing::Ended(End::Settled(
                Done::Authorised(_) | Done::Voided(_) | Done::Refunded(_) | Done::PaidOut(_),
            )) => return Ok(Next::Rest),
        };
        turn.tell::<Payment>(&id, &PaymentCommand::Report { attempt, report })?;
        end(turn, &memory, &id, capture_id)
    }
}

/// What comes with its authorisation nobody asks for by itself.
pub(crate) fn is_automatic(payment: &str, captured: &Captured) -> bool {
    payment.parse().is_ok_and(|payment| captured.capture_id == CaptureId::derive(payment, captured.attempt))
}

/// The channel has said what became of it, to us or in a report.
fn end(turn: &mut Turn<'_, '_>, memory: &Memory, id: &Arc<str>, capture_id: CaptureId) -> Result<Next, Stop> {
    let payment = turn.state::<Payment>(id)?;
    let is_captured = payment.captures().iter().any(|(captured, _amount)| *captured == capture_id);
    if is_captured {
        memory.do_at_once(turn, CHANNEL, "captured")?;
        mark_paid(turn, id)?;
        memory.complete(turn)?;
    } else if payment.capture_asked(capture_id).is_some_and(|(_amount, is_open)| is_open) {
        return memory.need_attention(turn, "what the channel says cannot be true of this capture", "operations");
    } else {
        memory.fail(turn, CHANNEL, "not captured")?;
        memory.go_back(turn, "the channel captured nothing", "nothing moved")?;
    }
    Ok(Next::Rest)
}
