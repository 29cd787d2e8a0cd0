//! Refunds what a channel took and nobody expected; what it gave away, a person looks at.

use std::sync::Arc;

use channels::{Done, Refund};
use domain::{
    fact::Fact,
    id::{CaptureId, RefundId},
    payment::{
        Payment, PaymentCommand,
        event::{PaymentEvent, Suspended},
        suspense::Source,
    },
};

use crate::{
    call::{Call, Care, Request},
    errand,
    process::{Business, Next, Process, Stop},
    saga::{Memory, Step},
    turn::Turn,
};

const CHANNEL: Step = (1, "ChannelRefund");

pub(crate) struct ReturnSuspense;

impl Process for ReturnSuspense {
    fn name(&self) -> &'static str {
        "return_suspense"
    }

    fn hears(&self, stream: &str, fact: &Fact) -> Option<Business> {
        let Fact::Payment(PaymentEvent::MoneySuspended(moved) | PaymentEvent::SuspenseReturned(moved)) = fact else {
            return None;
        };
        match moved.source {
            Source::Capture { capture_id, .. } => Some(Business { id: capture_id.to_string(), payment: stream.into() }),
            Source::Refund { refund_id } => Some(Business { id: refund_id.to_string(), payment: stream.into() }),
        }
    }

    fn react(&self, turn: &mut Turn<'_, '_>) -> Result<Next, Stop> {
        let id = Arc::clone(&turn.work.payment);
        let payment = turn.state::<Payment>(&id)?;
        if let Ok(refund_id) = turn.work.business.parse::<RefundId>() {
            return given_away(turn, &payment, refund_id);
        }
        let Ok(capture_id) = turn.work.business.parse::<CaptureId>() else { return Ok(Next::Rest) };
        let (Some(agreed), Some((moved, is_back))) = (payment.agreement(), payment.suspended(capture_id)) else {
            return Ok(Next::Rest);
        };
        let Suspended { source, channel, amount, channel_trade_no, .. } = moved.clone();
        let Source::Capture { attempt, .. } = source else { return Ok(Next::Rest) };
        let memory = Memory::open(turn, &format!("{id}/{attempt}/{capture_id}"))?;
        if memory.has_ended(turn)? {
            return Ok(Next::Rest);
        }
        if is_back {
            return came_back(turn, &memory);
        }
        let payment_id = agreed.payment_id;
        let refund_id = RefundId::derive_of_suspense(payment_id, attempt, capture_id);
        let call = Call {
            channel,
            livemode: agreed.livemode,
            care: Care::Send,
            request: Request::Refund(Refund {
                key: format!("{refund_id}-refund"),
                payment_id,
                attempt,
                refund_id,
                channel_trade_no,
                amount,
                traceparent: None,
            }),
        };
        let refunded = |done| match done {
            Done::Refunded(refunded) => Some(refunded),
            Done::Authorised(_) | Done::Captured(_) | Done::Voided(_) | Done::PaidOut(_) => None,
        };
        let refused = format!("the channel does not give back {amount}, which is nobody's");
        let refunded = match errand::insist(turn, &memory, CHANNEL, call, (&refused, refunded))? {
            Ok(refunded) => refunded,
            Err(next) => return Ok(next),
        };
        if refunded.amount != amount {
            let reason = format!("the channel refunded {} of {amount}, which is nobody's", refunded.amount);
            return memory.need_attention(turn, &reason, "operations");
        }
        let back = PaymentCommand::ReturnSuspense { source, effective_at: refunded.effective_at };
        turn.tell::<Payment>(&id, &back)?;
        memory.succeed(turn, CHANNEL, &refunded.channel_refund_no)?;
        memory.complete(turn)?;
        Ok(Next::Rest)
    }
}

/// It went out and cannot be fetched back. Where the channel gives it back by itself, nothing is left to do.
fn given_away(turn: &mut Turn<'_, '_>, payment: &Payment, refund_id: RefundId) -> Result<Next, Stop> {
    let Some((moved, is_back)) = payment.suspended_by(refund_id) else { return Ok(Next::Rest) };
    let memory = Memory::open(turn, &format!("{}/{refund_id}", turn.work.payment))?;
    if memory.has_ended(turn)? {
        return Ok(Next::Rest);
    }
    if is_back {
        return came_back(turn, &memory);
    }
    let reason = format!(
        "{} went out by a refund that had been released, and leaves less captured than refunded: have the customer or the \
         channel return it, or adjust the books and resolve this",
        moved.amount
    );
    memory.need_attention(turn, &reason, "finance")
}

/// Also where a person was to look: there is nothing left to look at.
fn came_back(turn: &mut Turn<'_, '_>, memory: &Memory) -> Result<Next, Stop> {
    memory.resume(turn, "it came back by itself")?;
    memory.do_at_once(turn, CHANNEL, "returned")?;
    memory.complete(turn)?;
    Ok(Next::Rest)
}
