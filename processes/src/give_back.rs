//! Refunds what came for an order after it had been cancelled.

use std::sync::Arc;

use chrono::TimeDelta;
use domain::{
    actor::Actor,
    fact::Fact,
    free_text::FreeText,
    id::{CaptureId, OrderId, PaymentId, RefundId},
    money::Money,
    order::{Order, event::OrderEvent},
    payment::{Payment, PaymentCommand, event::PaymentEvent},
    refund::{Phase, Refund},
    refusal::Refusal as _,
    saga::step::CoursePhase,
};

use crate::{
    process::{Business, Next, Process, Stop},
    saga::{Memory, Step},
    turn::Turn,
};

const RESERVE: Step = (1, "ReserveRefund");
/// The refund's own process carries it out.
const REFUND: Step = (2, "Refund");
/// Then somebody looks why it is not.
const REFUNDED_WITHIN: TimeDelta = TimeDelta::hours(24);

pub(crate) struct GiveBack;

impl Process for GiveBack {
    fn name(&self) -> &'static str {
        "give_back"
    }

    /// One refund for each capture that came late, under the refund's name.
    fn hears(&self, stream: &str, fact: &Fact) -> Option<Business> {
        if let Fact::Order(OrderEvent::PaidLate { payment_id, capture_id, .. }) = fact {
            let refund_id = RefundId::derive_of_late(*payment_id, *capture_id);
            return Some(Business { id: refund_id.to_string(), payment: payment_id.to_string().into() });
        }
        let Fact::Payment(PaymentEvent::RefundConfirmed(moved) | PaymentEvent::RefundBounced(moved)) = fact else {
            let Fact::Payment(PaymentEvent::RefundReleased { refund_id, .. }) = fact else { return None };
            return Some(Business { id: refund_id.to_string(), payment: stream.into() });
        };
        Some(Business { id: moved.refund_id.to_string(), payment: stream.into() })
    }

    fn react(&self, turn: &mut Turn<'_, '_>) -> Result<Next, Stop> {
        let id = Arc::clone(&turn.work.payment);
        let payment = turn.state::<Payment>(&id)?;
        let (Ok(refund_id), Some(agreed)) = (turn.work.business.parse::<RefundId>(), payment.agreement()) else {
            return Ok(Next::Rest);
        };
        let Some((_capture_id, amount)) = late(agreed.payment_id, &payment.captures(), refund_id) else {
            // Any other refund.
            return Ok(Next::Rest);
        };
        let order = OrderId::derive(agreed.merchant_id, agreed.livemode, agreed.order_no.as_str()).to_string().into();
        let memory = Memory::open(turn, &turn.work.business.clone())?;
        if memory.has_ended(turn)? {
            return Ok(Next::Rest);
        }
        if payment.refund_reserved(refund_id).is_none() {
            if turn.state::<Order>(&order)?.to_give_back().is_none() {
                memory.do_at_once(turn, RESERVE, "refunded by another refund")?;
                memory.complete(turn)?;
                return Ok(Next::Rest);
            }
            if let Err(code) = reserve(turn, &id, refund_id, amount)? {
                let reason = format!("{amount} came for a cancelled order and cannot be given back: {code}");
                return memory.need_attention(turn, &reason, "operations");
            }
            memory.do_at_once(turn, RESERVE, &refund_id.to_string())?;
        }
        await_refund(turn, &memory, amount)
    }
}

/// Which capture this is the refund of, if it is of one that came late.
fn late(payment: PaymentId, captures: &[(CaptureId, Money)], refund_id: RefundId) -> Option<(CaptureId, Money)> {
    captures.iter().copied().find(|(capture_id, _)| RefundId::derive_of_late(payment, *capture_id) == refund_id)
}

fn reserve(
    turn: &mut Turn<'_, '_>,
    id: &Arc<str>,
    refund_id: RefundId,
    amount: Money,
) -> Result<Result<(), &'static str>, Stop> {
    let reason = FreeText::parse("the order was cancelled").map_err(|refusal| Stop::Refused(refusal.code()))?;
    let reserve = PaymentCommand::ReserveRefund { refund_id, amount, by: Actor::Process, reason };
    Ok(turn.offer::<Payment>(id, &reserve)?.map_err(|refusal| refusal.code()))
}

/// Whatever becomes of the refund, it says so: this is looked at again then.
fn await_refund(turn: &mut Turn<'_, '_>, memory: &Memory, amount: Money) -> Result<Next, Stop> {
    let refund = Arc::clone(&turn.work.business);
    turn.presume_new::<Refund>(&refund);
    if memory.course(turn, REFUND)?.phase() == CoursePhase::NotStarted {
        let until = turn.now + REFUNDED_WITHIN;
        memory.begin(turn, REFUND, None, REFUNDED_WITHIN)?;
        memory.wait(turn, until)?;
        return Ok(Next::Wait(until));
    }
    match turn.state::<Refund>(&refund)?.phase() {
        Some(Phase::Succeeded | Phase::SucceededLate) => {
            memory.succeed(turn, REFUND, "refunded")?;
            memory.complete(turn)?;
        }
        Some(Phase::Failed | Phase::Bounced) => {
            memory.fail(turn, REFUND, "not refunded")?;
            let reason = format!("{amount} came for a cancelled order, and the channel does not refund it");
            return memory.need_attention(turn, &reason, "operations");
        }
        None | Some(Phase::Requested | Phase::Sent | Phase::Unknown) => {
            let due_at = memory.state(turn)?.waiting_until().unwrap_or(turn.now);
            if turn.now < due_at {
                return Ok(Next::Wait(due_at));
            }
            let reason = format!("{amount} came for a cancelled order and is not refunded in time");
            return memory.need_attention(turn, &reason, "operations");
        }
    }
    Ok(Next::Rest)
}
