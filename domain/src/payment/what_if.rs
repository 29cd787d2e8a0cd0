//! What a payment would have cost under other fees: its events read again.

use std::collections::BTreeMap;

use crate::{
    channel::Channel,
    fee::FeePlan,
    id::RefundId,
    payment::{
        event::{PaymentEvent, Route},
        taken_over::TakenOver,
    },
};

/// The fees of one payment as they were and as they would have been, in minor units of its currency. Whatever is captured
/// and refunded stays as it was: fees move no customer's money.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeesWhatIf {
    /// Of each attempt, the plan that would have been pinned in it.
    plans: BTreeMap<u32, FeePlan>,
    captured_of_attempts: BTreeMap<u32, i64>,
    captured_minor: i64,
    refunded_minor: i64,
    returned_with: BTreeMap<RefundId, i64>,
    before: Fees,
    after: Fees,
}

/// What was charged with captures, and what of it came back with refunds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fees {
    pub charged_minor: i64,
    pub returned_minor: i64,
}

impl Fees {
    #[must_use]
    pub const fn kept_minor(self) -> i64 {
        self.charged_minor.saturating_sub(self.returned_minor)
    }
}

impl FeesWhatIf {
    /// The next event of the payment. `other` says which plan an attempt would have had, given what it had.
    pub fn follow(&mut self, event: &PaymentEvent, other: impl Fn(Channel, FeePlan) -> FeePlan) {
        match event {
            PaymentEvent::Initiated(initiated) => self.open(1, &initiated.route, other),
            PaymentEvent::AttemptOpened(opened) => self.open(opened.attempt, &opened.route, other),
            PaymentEvent::TakenOver(taken) => self.take_over(taken, other),
            PaymentEvent::Captured(captured) => {
                let (attempt, amount_minor) = (captured.attempt, captured.amount.amount_minor);
                let before = self.captured_of_attempts.entry(attempt).or_insert(0);
                let plan = self.plans.get(&attempt).copied().unwrap_or(FeePlan::FREE);
                add(&mut self.after.charged_minor, plan.of_next(*before, amount_minor));
                add(&mut self.before.charged_minor, captured.fee.amount_minor);
                add(before, amount_minor);
                add(&mut self.captured_minor, amount_minor);
            }
            PaymentEvent::RefundConfirmed(moved) => {
                let amount_minor = moved.amount.amount_minor;
                add(&mut self.refunded_minor, amount_minor);
                let plan = self.plans.values().next_back().copied().unwrap_or(FeePlan::FREE);
                let due = plan.due_back(self.after.charged_minor, self.refunded_minor, self.captured_minor);
                let returned = due.saturating_sub(self.after.returned_minor).clamp(0, amount_minor.max(0));
                self.returned_with.insert(moved.refund_id, returned);
                add(&mut self.after.returned_minor, returned);
                add(&mut self.before.returned_minor, moved.fee_returned.amount_minor);
            }
            PaymentEvent::RefundBounced(moved) => {
                add(&mut self.refunded_minor, moved.amount.amount_minor.saturating_neg());
                let returned = self.returned_with.remove(&moved.refund_id).unwrap_or(0);
                add(&mut self.after.returned_minor, returned.saturating_neg());
                add(&mut self.before.returned_minor, moved.fee_returned.amount_minor.saturating_neg());
            }
            PaymentEvent::RiskApproved { .. } | PaymentEvent::RiskRejected { .. } => {}
            PaymentEvent::ReviewRequested { .. } | PaymentEvent::ReviewApproved { .. } => {}
            PaymentEvent::ReviewRejected { .. } | PaymentEvent::ReviewLapsed { .. } => {}
            PaymentEvent::Submitted { .. } | PaymentEvent::Authorised { .. } => {}
            PaymentEvent::OutcomeUnknown { .. } | PaymentEvent::Failed { .. } => {}
            PaymentEvent::CaptureRequested { .. } | PaymentEvent::CaptureDeclined { .. } => {}
            PaymentEvent::CancellationRequested { .. } | PaymentEvent::Cancelled { .. } => {}
            PaymentEvent::Voided { .. } | PaymentEvent::AuthorisationExpired { .. } => {}
            PaymentEvent::AuthorisedLate { .. } | PaymentEvent::LateAuthorisationReleased { .. } => {}
            PaymentEvent::AuthorisationLetGo { .. } | PaymentEvent::AmountMismatched(_) => {}
            PaymentEvent::MoneySuspended(_) | PaymentEvent::SuspenseReturned(_) => {}
            PaymentEvent::RefundReserved { .. } | PaymentEvent::RefundReleased { .. } => {}
            PaymentEvent::Disputed(_) | PaymentEvent::DisputeClosed { .. } => {}
            PaymentEvent::DisputeWonAfterAll(_) | PaymentEvent::Settled(_) => {}
        }
    }

    #[must_use]
    pub const fn captured_minor(&self) -> i64 {
        self.captured_minor
    }

    /// As they were charged.
    #[must_use]
    pub const fn before(&self) -> Fees {
        self.before
    }

    /// As they would have been.
    #[must_use]
    pub const fn after(&self) -> Fees {
        self.after
    }

    /// What was charged elsewhere was charged, whatever the plan here would have been.
    fn take_over(&mut self, taken: &TakenOver, other: impl Fn(Channel, FeePlan) -> FeePlan) {
        self.open(1, &taken.route, other);
        self.captured_of_attempts.insert(1, taken.captured.amount_minor);
        self.captured_minor = taken.captured.amount_minor;
        self.refunded_minor = taken.refunded.amount_minor;
        let charged_minor = taken.fees.amount_minor;
        self.before = Fees { charged_minor, returned_minor: taken.fees_returned.amount_minor };
        self.after = self.before;
    }

    fn open(&mut self, attempt: u32, route: &Route, other: impl Fn(Channel, FeePlan) -> FeePlan) {
        self.plans.insert(attempt, other(route.channel, route.fee_plan));
    }
}

fn add(sum: &mut i64, minor: i64) {
    *sum = sum.saturating_add(minor);
}
