//! Cancels a payment the channel has heard of: lets go of what is not captured.

use std::sync::Arc;

use channels::Void;
use domain::{
    fact::Fact,
    payment::{Payment, PaymentCommand, Report, attempt::Phase, event::PaymentEvent},
};

use crate::{
    errand::{self, Held},
    process::{Business, Next, Process, Stop},
    saga::{Memory, Step},
    turn::Turn,
};

const CHANNEL: Step = (1, "ChannelVoid");

pub(crate) struct Cancel;

impl Process for Cancel {
    fn name(&self) -> &'static str {
        "cancel_payment"
    }

    fn hears(&self, stream: &str, fact: &Fact) -> Option<Business> {
        let Fact::Payment(PaymentEvent::CancellationRequested { .. }) = fact else { return None };
        Some(Business { id: stream.to_owned(), payment: stream.into() })
    }

    fn react(&self, turn: &mut Turn<'_, '_>) -> Result<Next, Stop> {
        let id = Arc::clone(&turn.work.payment);
        let payment = turn.state::<Payment>(&id)?;
        let (Some(agreed), Some(tried)) = (payment.agreement(), payment.tried()) else { return Ok(Next::Rest) };
        let of = format!("{id}/{}", tried.number);
        if !payment.is_being_cancelled() {
            return self.end(turn, &of, tried.phase);
        }
        let memory = Memory::open(turn, &of)?;
        if memory.has_ended(turn)? {
            return Ok(Next::Rest);
        }
        if !matches!(tried.phase, Phase::Authorised | Phase::Captured) {
            // While the channel has not said what became of the payment, nothing can be let go of.
            return Ok(Next::Wait(turn.now + turn.patience.look_again_after));
        }
        let attempt = tried.number;
        let held = Held {
            channel: tried.channel,
            livemode: agreed.livemode,
            void: Void {
                key: format!("{id}-{attempt}-void"),
                payment_id: agreed.payment_id,
                attempt,
                channel_trade_no: tried.authorised_as,
                traceparent: None,
            },
        };
        let refused = "the channel does not let go of the authorisation";
        let voided = match errand::let_go(turn, &memory, CHANNEL, held, refused)? {
            Ok(voided) => voided,
            Err(next) => return Ok(next),
        };
        let report = Report::Voided { channel_trade_no: Some(voided.channel_trade_no) };
        turn.tell::<Payment>(&id, &PaymentCommand::Report { attempt, report })?;
        memory.succeed(turn, CHANNEL, "voided")?;
        memory.complete(turn)?;
        Ok(Next::Rest)
    }
}

impl Cancel {
    /// It was cancelled, or the money had come before it could be: what was begun is closed.
    fn end(&self, turn: &mut Turn<'_, '_>, of: &str, phase: Phase) -> Result<Next, Stop> {
        let memory = Memory::open(turn, of)?;
        if memory.has_ended(turn)? {
            return Ok(Next::Rest);
        }
        if phase == Phase::Captured {
            memory.fail(turn, CHANNEL, "the money had come before")?;
            memory.go_back(turn, "the money had come before it could be cancelled", "nothing moved")?;
        } else {
            memory.do_at_once(turn, CHANNEL, "voided")?;
            memory.complete(turn)?;
        }
        Ok(Next::Rest)
    }
}
