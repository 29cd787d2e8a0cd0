//! A refund at the channel: sent under one key, until there is evidence how it ended.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{aggregate::Aggregate, id::PaymentId, payment::attempt::Decline, refusal::refusals};

pub mod event;
use event::{RefundEvent, Requested};

/// The money moves with the payment that reserved it; this stream remembers what the channel did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Refund {
    requested: Option<Requested>,
    phase: Phase,
    /// When the money last moved, by what the channel says.
    moved_at: Option<DateTime<Utc>>,
    /// When it failed, where that is known.
    failed_at: Option<DateTime<Utc>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    #[default]
    Requested,
    Sent,
    Unknown,
    Succeeded,
    Failed,
    /// Reported as failed, then as succeeded: the better evidence stands.
    SucceededLate,
    /// Given back by the channel: it ends here.
    Bounced,
}

#[derive(Clone, Debug, PartialEq)]
pub enum RefundCommand {
    Request(Box<Requested>),
    /// Recorded before the channel is called.
    Send,
    ReportSucceeded {
        channel_refund_no: String,
        effective_at: Option<DateTime<Utc>>,
    },
    /// When it did: money that had gone came back then.
    ReportFailed {
        decline: Decline,
        effective_at: Option<DateTime<Utc>>,
    },
    ReportUnknown,
    ReportBounced,
}

refusals! {
    /// Why a refund says no, in the order the rules are tried.
    pub enum RefundRefusal {
        RefundAbsent = "refund_absent", 404, "There is no such refund.", "该退款不存在。";
        RefundRequestDiffers = "refund_request_differs", 409,
            "This refund was already requested otherwise.", "该退款已以不同内容提交过。";
        AmountNotPositive = "amount_not_positive", 422, "The amount must be greater than zero.", "金额必须大于零。";
        RefundNotSent = "refund_not_sent", 409, "The refund was never sent to the channel.", "该退款从未提交给支付渠道。";
    }
}

type Decision = Result<Vec<RefundEvent>, RefundRefusal>;

impl Aggregate for Refund {
    const TYPE: &'static str = "refund";
    const STATE_VERSION: i32 = 3;
    type Command = RefundCommand;
    type Event = RefundEvent;
    type Refusal = RefundRefusal;

    fn decide(&self, command: &RefundCommand) -> Decision {
        match command {
            RefundCommand::Request(request) => self.request(request),
            RefundCommand::Send => self.send(),
            RefundCommand::ReportSucceeded { channel_refund_no, effective_at } => {
                self.succeed(channel_refund_no, *effective_at)
            }
            RefundCommand::ReportFailed { decline, effective_at } => self.fail(*decline, *effective_at),
            RefundCommand::ReportUnknown => self.lose_sight(),
            RefundCommand::ReportBounced => self.bounce(),
        }
    }

    fn apply(&mut self, event: &RefundEvent) {
        match event {
            RefundEvent::Requested(requested) => self.requested = Some(requested.as_ref().clone()),
            RefundEvent::Sent { .. } => self.phase = Phase::Sent,
            RefundEvent::OutcomeUnknown => self.phase = Phase::Unknown,
            RefundEvent::Succeeded { effective_at, .. } => {
                self.phase = if self.phase == Phase::Failed { Phase::SucceededLate } else { Phase::Succeeded };
                self.moved_at = *effective_at;
            }
            RefundEvent::Failed { effective_at, .. } => {
                self.phase = Phase::Failed;
                self.failed_at = *effective_at;
            }
            RefundEvent::Bounced { effective_at, .. } => {
                self.phase = Phase::Bounced;
                self.moved_at = *effective_at;
            }
        }
    }
}

impl Refund {
    fn request(&self, request: &Requested) -> Decision {
        match &self.requested {
            Some(known) if known == request => return Ok(Vec::new()),
            Some(_) => return Err(RefundRefusal::RefundRequestDiffers),
            None => {}
        }
        if request.amount.amount_minor <= 0 {
            return Err(RefundRefusal::AmountNotPositive);
        }
        Ok(vec![RefundEvent::Requested(Box::new(request.clone()))])
    }

    fn send(&self) -> Decision {
        let requested = self.requested()?;
        match self.phase {
            Phase::Requested => Ok(vec![RefundEvent::Sent { channel: requested.channel }]),
            Phase::Sent | Phase::Unknown | Phase::Succeeded => Ok(Vec::new()),
            Phase::Failed | Phase::SucceededLate | Phase::Bounced => Ok(Vec::new()),
        }
    }

    fn succeed(&self, channel_refund_no: &str, effective_at: Option<DateTime<Utc>>) -> Decision {
        self.requested()?;
        match self.phase {
            Phase::Requested => Err(RefundRefusal::RefundNotSent),
            // It had succeeded before it failed: what went has come back, and neither was booked.
            Phase::Failed if is_before(effective_at, self.failed_at) => Ok(Vec::new()),
            Phase::Sent | Phase::Unknown | Phase::Failed => {
                let channel_refund_no = channel_refund_no.to_owned();
                Ok(vec![RefundEvent::Succeeded { channel_refund_no, effective_at }])
            }
            Phase::Succeeded | Phase::SucceededLate | Phase::Bounced => Ok(Vec::new()),
        }
    }

    /// A failure told of after a success is a bounce; after one that came late, only if it is the later of the two.
    fn fail(&self, decline: Decline, effective_at: Option<DateTime<Utc>>) -> Decision {
        let payment_id = self.requested()?.payment_id;
        match self.phase {
            Phase::Requested => Err(RefundRefusal::RefundNotSent),
            Phase::Sent | Phase::Unknown => Ok(vec![RefundEvent::Failed { decline, effective_at }]),
            Phase::Succeeded => Ok(vec![RefundEvent::Bounced { payment_id, effective_at }]),
            Phase::SucceededLate if is_before(self.moved_at, effective_at) => {
                Ok(vec![RefundEvent::Bounced { payment_id, effective_at }])
            }
            Phase::Failed | Phase::SucceededLate | Phase::Bounced => Ok(Vec::new()),
        }
    }

    fn lose_sight(&self) -> Decision {
        self.requested()?;
        match self.phase {
            Phase::Requested => Err(RefundRefusal::RefundNotSent),
            Phase::Sent => Ok(vec![RefundEvent::OutcomeUnknown]),
            Phase::Unknown | Phase::Succeeded | Phase::Failed => Ok(Vec::new()),
            Phase::SucceededLate | Phase::Bounced => Ok(Vec::new()),
        }
    }

    fn bounce(&self) -> Decision {
        let payment_id = self.requested()?.payment_id;
        match self.phase {
            Phase::Requested => Err(RefundRefusal::RefundNotSent),
            // What comes back went out before, whether or not anybody said so.
            Phase::Sent | Phase::Unknown | Phase::Failed | Phase::Succeeded | Phase::SucceededLate => {
                Ok(vec![RefundEvent::Bounced { payment_id, effective_at: None }])
            }
            Phase::Bounced => Ok(Vec::new()),
        }
    }

    fn requested(&self) -> Result<&Requested, RefundRefusal> {
        self.requested.as_ref().ok_or(RefundRefusal::RefundAbsent)
    }

    /// How far it has come, once it exists.
    #[must_use]
    pub fn phase(&self) -> Option<Phase> {
        self.requested.as_ref().map(|_| self.phase)
    }

    /// When the money last went or came back, where the channel has said so.
    #[must_use]
    pub const fn moved_at(&self) -> Option<DateTime<Utc>> {
        self.moved_at
    }

    #[must_use]
    pub fn payment_id(&self) -> Option<PaymentId> {
        self.requested.as_ref().map(|requested| requested.payment_id)
    }
}

/// Where both are known.
fn is_before(one: Option<DateTime<Utc>>, other: Option<DateTime<Utc>>) -> bool {
    one.zip(other).is_some_and(|(one, other)| one < other)
}

#[cfg(test)]
mod tests;
