//! Refunds what a payment set aside: at the channel, then on the books; or releases it.

use std::sync::Arc;

use channels::{Done, Refund as Asked};
use chrono::{DateTime, Utc};
use domain::{
    fact::Fact,
    free_text::FreeText,
    id::{OrderId, RefundId},
    order::{Order, OrderCommand},
    payment::{Agreed, Payment, PaymentCommand, event::PaymentEvent, status::Tried},
    refund::{
        Phase, Refund as Refunded, RefundCommand,
        event::{RefundEvent, Requested},
    },
};

use crate::{
    call::{Call, Care, Heard, Request},
    errand::{self, End, Standing},
    process::{Business, Next, Process, Stop},
    saga::{Memory, Step},
    take_payment::said,
    turn::Turn,
};

const CHANNEL: Step = (1, "ChannelRefund");

pub(crate) struct Refund;

impl Process for Refund {
    fn name(&self) -> &'static str {
        "refund_payment"
    }

    fn hears(&self, stream: &str, fact: &Fact) -> Option<Business> {
        if let Fact::Payment(PaymentEvent::RefundReserved { refund_id, .. }) = fact {
            return Some(Business { id: refund_id.to_string(), payment: stream.into() });
        }
        let Fact::Refund(event) = fact else { return None };
        match event {
            // Reported by the channel, unasked. Of which payment, the refund knows.
            RefundEvent::Succeeded { .. } | RefundEvent::Failed { .. } | RefundEvent::Bounced { .. } => {
                Some(Business { id: stream.to_owned(), payment: "".into() })
            }
            RefundEvent::Requested(_) | RefundEvent::Sent { .. } | RefundEvent::OutcomeUnknown => None,
        }
    }

    fn react(&self, turn: &mut Turn<'_, '_>) -> Result<Next, Stop> {
        let id = Arc::clone(&turn.work.business);
        let Ok(refund_id) = id.parse::<RefundId>() else { return Ok(Next::Rest) };
        turn.presume_new::<Refunded>(&id);
        let known = turn.state::<Refunded>(&id)?.payment_id();
        let payment_id = known.map_or_else(|| Arc::clone(&turn.work.payment), |id| id.to_string().into());
        let payment = turn.state::<Payment>(&payment_id)?;
        let Some(amount) = payment.refund_reserved(refund_id) else { return Ok(Next::Rest) };
        let (Some(agreed), Some(tried)) = (payment.agreement(), payment.tried()) else { return Ok(Next::Rest) };
        if known.is_none() {
            let reason = FreeText::parse("asked for").map_err(|_text| Stop::Refused("text_empty"))?;
            let Agreed { payment_id, merchant_id, livemode, .. } = *agreed;
            let channel = tried.channel;
            let request = Requested { refund_id, payment_id, merchant_id, livemode, channel, amount, reason };
            turn.tell::<Refunded>(&id, &RefundCommand::Request(Box::new(request)))?;
        }
        let memory = Memory::open(turn, &id)?;
        Refunding { id, refund_id, payment_id, agreed, tried, memory }.go_on(turn)
    }
}

/// Under which a refund is known to its channel.
pub(crate) fn key(refund: &str) -> String {
    format!("{refund}-refund")
}

struct Refunding<'p> {
    id: Arc<str>,
    refund_id: RefundId,
    payment_id: Arc<str>,
    agreed: &'p Agreed,
    tried: Tried,
    memory: Memory,
}

impl Refunding<'_> {
    fn go_on(&self, turn: &mut Turn<'_, '_>) -> Result<Next, Stop> {
        let refund = turn.state::<Refunded>(&self.id)?;
        match refund.phase() {
            Some(Phase::Requested | Phase::Sent | Phase::Unknown) => self.ask_channel(turn),
            Some(Phase::Succeeded | Phase::SucceededLate) => self.confirm(turn),
            Some(Phase::Failed) => self.release(turn),
            Some(Phase::Bounced) => self.take_back(turn),
            None => Ok(Next::Rest),
        }
    }

    fn ask_channel(&self, turn: &mut Turn<'_, '_>) -> Result<Next, Stop> {
        turn.tell::<Refunded>(&self.id, &RefundCommand::Send)?;
        if matches!(turn.heard(), Some(Heard::Unknown(_) | Heard::Absent)) {
            turn.tell::<Refunded>(&self.id, &RefundCommand::ReportUnknown)?;
        }
        let Some(amount) = turn.state::<Payment>(&self.payment_id)?.refund_reserved(self.refund_id) else {
            return Ok(Next::Rest);
        };
        let attempt = self.tried.number;
        let call = Call {
            channel: self.tried.channel,
            livemode: self.agreed.livemode,
            care: Care::Send,
            request: Request::Refund(Asked {
                key: key(&self.id),
                payment_id: self.agreed.payment_id,
                attempt,
                refund_id: self.refund_id,
                channel_trade_no: self.tried.authorised_as.clone(),
                amount,
                traceparent: None,
            }),
        };
        let command = match errand::go_on(turn, &self.memory, CHANNEL, call)? {
            Standing::Going(next) => return Ok(next),
            Standing::Ended(End::Declined(decline)) => {
                self.memory.fail(turn, CHANNEL, &said(decline))?;
                // Whatever had happened before is not so any more.
                RefundCommand::ReportFailed { decline, effective_at: Some(turn.now) }
            }
            Standing::Ended(End::Settled(Done::Refunded(refunded))) => {
                if refunded.amount != amount {
                    let reason = format!("the channel refunded {} of {amount}", refunded.amount);
                    return self.memory.need_attention(turn, &reason, "operations");
                }
                RefundCommand::ReportSucceeded {
                    channel_refund_no: refunded.channel_refund_no,
                    effective_at: Some(refunded.effective_at),
                }
            }
            Standing::Ended(End::Settled(
                Done::Authorised(_) | Done::Captured(_) | Done::Voided(_) | Done::PaidOut(_),
            )) => return Ok(Next::Rest),
        };
        turn.tell::<Refunded>(&self.id, &command)?;
        self.go_on(turn)
    }

    fn confirm(&self, turn: &mut Turn<'_, '_>) -> Result<Next, Stop> {
        let refund_id = self.refund_id;
        let effective_at = self.moved_at(turn)?;
        let confirm = PaymentCommand::ConfirmRefund { refund_id, effective_at };
        turn.tell::<Payment>(&self.payment_id, &confirm)?;
        let payment = turn.state::<Payment>(&self.payment_id)?;
        // What has gone to suspense was not given back for the order.
        let counts = payment.suspended_by(refund_id).is_none();
        if let Some(amount) = payment.refund_reserved(refund_id).filter(|_amount| counts) {
            turn.tell::<Order>(&self.order(), &OrderCommand::RecordRefund { refund_id, amount })?;
        }
        if !self.memory.has_ended(turn)? {
            self.memory.do_at_once(turn, CHANNEL, "refunded")?;
            self.memory.complete(turn)?;
        }
        Ok(Next::Rest)
    }

    fn release(&self, turn: &mut Turn<'_, '_>) -> Result<Next, Stop> {
        let reason = FreeText::parse("the channel refused it").map_err(|_text| Stop::Refused("text_empty"))?;
        let release = PaymentCommand::ReleaseRefund { refund_id: self.refund_id, reason };
        turn.tell::<Payment>(&self.payment_id, &release)?;
        if !self.memory.has_ended(turn)? {
            self.memory.fail(turn, CHANNEL, "refused")?;
            self.memory.go_back(turn, "the channel refused the refund", "nothing moved")?;
        }
        Ok(Next::Rest)
    }

    /// The channel gave it back: the money is the merchant's again.
    fn take_back(&self, turn: &mut Turn<'_, '_>) -> Result<Next, Stop> {
        let refund_id = self.refund_id;
        let effective_at = self.moved_at(turn)?;
        let bounce = PaymentCommand::BounceRefund { refund_id, effective_at };
        turn.tell::<Payment>(&self.payment_id, &bounce)?;
        // An order that never heard of the refund has nothing to take back.
        let order = self.order();
        turn.offer::<Order>(&order, &OrderCommand::TakeBackRefund { refund_id })?.ok();
        if !self.memory.has_ended(turn)? {
            self.memory.fail(turn, CHANNEL, "given back by the channel")?;
            self.memory.go_back(turn, "the channel gave the refund back", "the money came back")?;
        }
        Ok(Next::Rest)
    }

    /// By what the channel says; where it said nothing, when we heard of it.
    fn moved_at(&self, turn: &mut Turn<'_, '_>) -> Result<DateTime<Utc>, Stop> {
        let now = turn.now;
        Ok(turn.state::<Refunded>(&self.id)?.moved_at().unwrap_or(now))
    }

    fn order(&self) -> Arc<str> {
        let Agreed { merchant_id, livemode, order_no, .. } = self.agreed;
        OrderId::derive(*merchant_id, *livemode, order_no.as_str()).to_string().into()
    }
}
