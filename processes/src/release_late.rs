//! Lets go of what a channel authorised when nobody waited for it any more.

use std::sync::Arc;

use channels::Void;
use domain::{
    fact::Fact,
    payment::{Late, Payment, PaymentCommand, event::PaymentEvent},
};

use crate::{
    errand::{self, Held},
    process::{Business, Next, Process, Stop},
    saga::{Memory, Step},
    turn::Turn,
};

const CHANNEL: Step = (1, "ChannelVoid");

pub(crate) struct ReleaseLate;

impl Process for ReleaseLate {
    fn name(&self) -> &'static str {
        "release_late"
    }

    fn hears(&self, stream: &str, fact: &Fact) -> Option<Business> {
        let Fact::Payment(
            PaymentEvent::AuthorisedLate { channel_trade_no, .. }
            | PaymentEvent::LateAuthorisationReleased { channel_trade_no, .. },
        ) = fact
        else {
            return None;
        };
        // Several may come late of one payment, each under its own number; the first events did not say it.
        let id = channel_trade_no.as_ref().map_or_else(|| stream.to_owned(), |number| format!("{stream}/{number}"));
        Some(Business { id, payment: stream.into() })
    }

    fn react(&self, turn: &mut Turn<'_, '_>) -> Result<Next, Stop> {
        let (id, business) = (Arc::clone(&turn.work.payment), Arc::clone(&turn.work.business));
        let payment = turn.state::<Payment>(&id)?;
        let named = business.strip_prefix(&*id).and_then(|rest| rest.strip_prefix('/'));
        let (Some(agreed), Some(late)) = (payment.agreement(), payment.authorised_late(named)) else {
            return Ok(Next::Rest);
        };
        let Late { attempt, channel, released } = late;
        let memory = Memory::open(turn, &business)?;
        if memory.has_ended(turn)? {
            return Ok(Next::Rest);
        }
        if released {
            memory.do_at_once(turn, CHANNEL, "voided")?;
            memory.complete(turn)?;
            return Ok(Next::Rest);
        }
        let held = Held {
            channel,
            livemode: agreed.livemode,
            void: Void {
                key: format!("{id}-{attempt}-void-{}", named.unwrap_or("late")),
                payment_id: agreed.payment_id,
                attempt,
                channel_trade_no: named.map(str::to_owned),
                traceparent: None,
            },
        };
        let refused = "the channel does not let go of a late authorisation";
        let voided = match errand::let_go(turn, &memory, CHANNEL, held, refused)? {
            Ok(voided) => voided,
            Err(next) => return Ok(next),
        };
        let channel_trade_no = named.map_or(voided.channel_trade_no, str::to_owned);
        turn.tell::<Payment>(&id, &PaymentCommand::ReleaseLateAuthorisation { attempt, channel_trade_no })?;
        memory.succeed(turn, CHANNEL, "voided")?;
        memory.complete(turn)?;
        Ok(Next::Rest)
    }
}
