//! Authorisations an attempt does not rest on: held for nobody until the channel lets go.
//!
//! Reports come late, doubled and in any order, and say no more of their order than the channel's number of what they
//! speak of. So what was let go is remembered by that number: an authorisation of it told of afterwards is old news, and
//! letting go of one releases no other. A report that names none ends an attempt that runs and releases nothing late:
//! that stays open until a process has let it go at the channel itself, and says so.

use serde::{Deserialize, Serialize};

use crate::{
    channel::Channel,
    money::Money,
    payment::{
        Decision, Payment, PaymentRefusal, already,
        attempt::{Attempt, Stage},
        event::{Mismatched, PaymentEvent},
    },
};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LateAuthorisation {
    /// None where it was told of before that was kept.
    pub(super) channel_trade_no: Option<String>,
    pub(super) amount: Money,
    pub(super) released: bool,
}

impl Payment {
    pub(super) fn hear_authorised_late(&self, attempt: &Attempt, amount: Money, channel_trade_no: &str) -> Decision {
        let channel_trade_no = channel_trade_no.to_owned();
        let (number, channel) = (attempt.number, attempt.channel);
        let told = Mismatched {
            attempt: number,
            channel: Some(channel),
            stage: Stage::Authorised,
            capture_id: None,
            channel_trade_no: Some(channel_trade_no.clone()),
            expected: self.agreed()?.amount,
            reported: amount,
        };
        if self.has_mismatched(&told) || attempt.knows_authorisation(&channel_trade_no) {
            return already();
        }
        if amount.amount_minor <= 0 {
            return self.mismatch(told);
        }
        let channel_trade_no = Some(channel_trade_no);
        Ok(vec![PaymentEvent::AuthorisedLate { attempt: number, channel, amount, channel_trade_no }])
    }

    /// The channel has let go of something the attempt does not rest on, or no longer.
    pub(super) fn hear_let_go(&self, attempt: &Attempt, channel_trade_no: Option<&str>) -> Decision {
        let Some(channel_trade_no) = channel_trade_no else { return already() };
        if attempt.late_authorisation(channel_trade_no).is_some() {
            return self.release_late(attempt.number, channel_trade_no);
        }
        if attempt.knows_authorisation(channel_trade_no) {
            return already();
        }
        let (number, channel, channel_trade_no) = (attempt.number, attempt.channel, channel_trade_no.to_owned());
        Ok(vec![PaymentEvent::AuthorisationLetGo { attempt: number, channel, channel_trade_no }])
    }

    /// The channel let go of a late authorisation, of itself or because it was asked to.
    pub(super) fn release_late(&self, number: u32, channel_trade_no: &str) -> Decision {
        let attempt = self.attempt(number)?;
        let late = attempt.late_authorisation(channel_trade_no).ok_or(PaymentRefusal::NothingLate)?;
        if late.released {
            return already();
        }
        let (channel, released, channel_trade_no) = (attempt.channel, late.amount, late.channel_trade_no.clone());
        Ok(vec![PaymentEvent::LateAuthorisationReleased { attempt: number, channel, released, channel_trade_no }])
    }
}

/// An authorisation told of late, and whether the channel has let go of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Late {
    pub attempt: u32,
    pub channel: Channel,
    pub released: bool,
}

/// What may be asked of it by those who do not decide.
impl Payment {
    /// By the channel's number of it.
    #[must_use]
    pub fn authorised_late(&self, channel_trade_no: Option<&str>) -> Option<Late> {
        let named = |late: &&LateAuthorisation| late.channel_trade_no.as_deref() == channel_trade_no;
        self.attempts.iter().find_map(|attempt| {
            let released = attempt.late_authorisations.iter().find(named)?.released;
            Some(Late { attempt: attempt.number, channel: attempt.channel, released })
        })
    }
}

impl Attempt {
    /// A late one told of without a number is found by any: there is one at most, of before numbers were kept.
    fn late_authorisation(&self, channel_trade_no: &str) -> Option<&LateAuthorisation> {
        let named =
            |late: &&LateAuthorisation| late.channel_trade_no.as_deref().is_none_or(|no| no == channel_trade_no);
        self.late_authorisations.iter().find(named)
    }

    /// It rests on it, knows it as late, or knows that the channel has let it go.
    fn knows_authorisation(&self, channel_trade_no: &str) -> bool {
        self.authorised_as.as_deref() == Some(channel_trade_no)
            || self.let_go.contains(channel_trade_no)
            || self.late_authorisation(channel_trade_no).is_some()
    }

    /// It rests on an authorisation of another number, and none of this one.
    pub(super) fn is_authorised_otherwise(&self, channel_trade_no: Option<&str>) -> bool {
        let other = |number: &str| self.authorised_as.as_deref().is_some_and(|own| own != number);
        channel_trade_no.is_some_and(other)
    }
}
