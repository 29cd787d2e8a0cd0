//! From initiated to handed over: the risk check, a person's review, the submission.

use crate::{
    free_text::FreeText,
    id::OperatorId,
    payment::{Decision, Payment, PaymentRefusal, already, attempt::Phase, event::PaymentEvent},
    risk::{Assessment, RiskDecision},
};

impl Payment {
    /// The first assessment of an attempt stands.
    pub(super) fn record_risk(&self, number: u32, assessment: &Assessment) -> Decision {
        if self.attempt(number)?.phase != Phase::Initiated {
            return already();
        }
        let (attempt, assessment) = (number, assessment.clone());
        Ok(vec![match assessment.decision {
            RiskDecision::Approve => PaymentEvent::RiskApproved { attempt, assessment },
            RiskDecision::Review => PaymentEvent::ReviewRequested { attempt, assessment },
            RiskDecision::Reject => PaymentEvent::RiskRejected { attempt, assessment },
        }])
    }

    pub(super) fn decide_review(&self, number: u32, approved: bool, by: OperatorId, reason: &FreeText) -> Decision {
        let attempt = self.attempt(number)?;
        match attempt.review_approved {
            Some(decided) if decided == approved => return already(),
            Some(_) => return Err(PaymentRefusal::ReviewAlreadyDecided),
            None if attempt.phase != Phase::InReview => return Err(PaymentRefusal::NotInReview),
            None => {}
        }
        let (attempt, reason) = (number, reason.clone());
        Ok(vec![if approved {
            PaymentEvent::ReviewApproved { attempt, by, reason }
        } else {
            PaymentEvent::ReviewRejected { attempt, by, reason }
        }])
    }

    /// Nobody has decided in time: rejected, as if a person had said no. Where it was decided, that stands.
    pub(super) fn lapse_review(&self, number: u32) -> Decision {
        let attempt = self.attempt(number)?;
        match (attempt.review_approved, attempt.phase) {
            (Some(_decided), _) => already(),
            (None, Phase::InReview) => Ok(vec![PaymentEvent::ReviewLapsed { attempt: number }]),
            (None, _) => Err(PaymentRefusal::NotInReview),
        }
    }

    /// Recorded before the channel is called, so that a lost answer is known to be lost.
    pub(super) fn submit(&self, number: u32) -> Decision {
        let attempt = self.attempt(number)?;
        match attempt.phase {
            Phase::Rejected | Phase::Withdrawn => Err(PaymentRefusal::AttemptEnded),
            Phase::Initiated | Phase::InReview => Err(PaymentRefusal::RiskNotApproved),
            Phase::Approved => Ok(vec![PaymentEvent::Submitted { attempt: number, channel: attempt.channel }]),
            Phase::Submitted
            | Phase::Unknown
            | Phase::Authorised
            | Phase::Captured
            | Phase::Failed
            | Phase::Voided
            | Phase::Expired => already(),
        }
    }
}
