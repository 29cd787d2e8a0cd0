//! Asks a channel what became of an attempt or a refund that somebody has spoken of.
//!
//! Whoever spoke of it may be anybody, so nothing follows but a question; what the channel answers is evidence as any other
//! answer of its. Where it does not answer, nothing was learnt: whoever waits for the same asks again by itself.

use std::sync::Arc;

use channels::{Authorise, Authorised, Done, Refund as Asked};
use domain::{
    fact::Fact,
    id::{CaptureId, RefundId},
    payment::{
        Agreed, Payment, PaymentCommand, Report,
        attempt::{CaptureMode, Phase},
        status::Tried,
    },
    refund::{Phase as RefundPhase, Refund, RefundCommand},
};

use crate::{
    call::{Call, Care, Heard, Request},
    process::{Business, Next, Process, Stop},
    refund, take_payment,
    turn::Turn,
};

pub(crate) const LOOK_INTO: &str = "look_into";

/// Its business is a refund, or an attempt as `PAY…/1`.
pub(crate) struct LookInto;

impl Process for LookInto {
    fn name(&self) -> &'static str {
        LOOK_INTO
    }

    /// No event asks for it.
    fn hears(&self, _stream: &str, _fact: &Fact) -> Option<Business> {
        None
    }

    fn react(&self, turn: &mut Turn<'_, '_>) -> Result<Next, Stop> {
        let payment = turn.state::<Payment>(&turn.work.payment.clone())?;
        let Some(agreed) = payment.agreement() else { return Ok(Next::Rest) };
        if let Ok(refund_id) = turn.work.business.parse::<RefundId>() {
            return of_refund(turn, agreed, &payment, refund_id);
        }
        let number = turn.work.business.rsplit('/').next().and_then(|number| number.parse().ok());
        match number.and_then(|number| payment.tried_as(number)) {
            Some(tried) => of_attempt(turn, agreed, &tried),
            None => Ok(Next::Rest),
        }
    }
}

fn of_attempt(turn: &mut Turn<'_, '_>, agreed: &Agreed, tried: &Tried) -> Result<Next, Stop> {
    let id = Arc::clone(&turn.work.payment);
    let is_open = match tried.phase {
        // No channel has heard of it.
        Phase::Initiated | Phase::InReview | Phase::Approved | Phase::Rejected | Phase::Withdrawn => {
            return Ok(Next::Rest);
        }
        Phase::Submitted | Phase::Unknown => true,
        Phase::Authorised | Phase::Captured | Phase::Failed | Phase::Voided | Phase::Expired => false,
    };
    let Some(heard) = turn.take_heard() else {
        let request = Request::Authorise(Authorise {
            key: take_payment::key(&id, tried.number),
            payment_id: agreed.payment_id,
            attempt: tried.number,
            amount: agreed.amount,
            capture: capture_of(agreed, tried),
            method: None,
            traceparent: None,
        });
        return Ok(ask(agreed, tried, request));
    };
    let reports = match heard {
        Heard::Settled(Done::Authorised(authorised)) => told(agreed, tried, authorised),
        // Of what has ended otherwise, a no is no news.
        Heard::Declined(decline) if is_open => vec![Report::Declined { decline: *decline }],
        Heard::Settled(_) | Heard::Declined(_) | Heard::Unknown(_) | Heard::NotSent(_) | Heard::Absent => Vec::new(),
    };
    for report in reports {
        // What cannot be true of it changes nothing.
        turn.offer::<Payment>(&id, &PaymentCommand::Report { attempt: tried.number, report })?.ok();
    }
    Ok(Next::Rest)
}

fn capture_of(agreed: &Agreed, tried: &Tried) -> Option<CaptureId> {
    (tried.capture_mode == CaptureMode::Automatic).then(|| CaptureId::derive(agreed.payment_id, tried.number))
}

/// What was captured at once was never an authorisation that somebody could let go of.
fn told(agreed: &Agreed, tried: &Tried, authorised: &Authorised) -> Vec<Report> {
    let Authorised { channel_trade_no, amount, captured, effective_at } = authorised.clone();
    vec![match captured.zip(capture_of(agreed, tried)) {
        Some((captured, capture_id)) => Report::Captured {
            capture_id,
            amount: captured.amount,
            channel_trade_no: captured.channel_trade_no,
            effective_at: captured.effective_at,
        },
        None => Report::Authorised { amount, channel_trade_no, effective_at },
    }]
}

fn of_refund(turn: &mut Turn<'_, '_>, agreed: &Agreed, payment: &Payment, refund_id: RefundId) -> Result<Next, Stop> {
    let id = Arc::clone(&turn.work.business);
    let phase = turn.state::<Refund>(&id)?.phase();
    let (Some(amount), Some(tried)) = (payment.refund_reserved(refund_id), payment.tried()) else {
        return Ok(Next::Rest);
    };
    match phase {
        None | Some(RefundPhase::Requested) => return Ok(Next::Rest),
        Some(RefundPhase::Sent | RefundPhase::Unknown | RefundPhase::Failed) => {}
        Some(RefundPhase::Succeeded | RefundPhase::SucceededLate | RefundPhase::Bounced) => {}
    }
    let Some(heard) = turn.take_heard() else {
        let request = Request::Refund(Asked {
            key: refund::key(&id),
            payment_id: agreed.payment_id,
            attempt: tried.number,
            refund_id,
            channel_trade_no: tried.authorised_as.clone(),
            amount,
            traceparent: None,
        });
        return Ok(ask(agreed, &tried, request));
    };
    let command = match heard {
        Heard::Settled(Done::Refunded(refunded)) if refunded.amount == amount => {
            let (channel_refund_no, effective_at) = (refunded.channel_refund_no.clone(), Some(refunded.effective_at));
            RefundCommand::ReportSucceeded { channel_refund_no, effective_at }
        }
        Heard::Declined(decline) => RefundCommand::ReportFailed { decline: *decline, effective_at: Some(turn.now) },
        Heard::Settled(_) | Heard::Unknown(_) | Heard::NotSent(_) | Heard::Absent => return Ok(Next::Rest),
    };
    turn.offer::<Refund>(&id, &command)?.ok();
    Ok(Next::Rest)
}

fn ask(agreed: &Agreed, tried: &Tried, request: Request) -> Next {
    Next::Call(Box::new(Call { channel: tried.channel, livemode: agreed.livemode, care: Care::Ask, request }))
}
