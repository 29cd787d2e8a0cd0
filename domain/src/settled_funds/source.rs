//! What other streams put on or take off settled funds, read off their postings.

use std::collections::BTreeMap;

use crate::{
    account::{Account, Side},
    adjustment::event::AdjustmentEvent,
    currency::Currency,
    id::{FundsId, MerchantId, PaymentId},
    money::Money,
    payment::{dispute::DisputeOutcome, event::PaymentEvent},
    posting::Posting,
    settled_funds::{
        SettledFundsCommand,
        event::{Opened, Source},
    },
};

impl SettledFundsCommand {
    /// What settled funds are to record of a payment's event: whatever it posts to what is available, and nothing else.
    #[must_use]
    pub fn of_payment(payment_id: PaymentId, livemode: bool, event: &PaymentEvent) -> Vec<Self> {
        let source = match event {
            PaymentEvent::Settled(_) => Source::Payment(payment_id),
            PaymentEvent::RefundConfirmed(moved) => Source::Refund(moved.refund_id),
            PaymentEvent::RefundBounced(moved) => Source::RefundBounce(moved.refund_id),
            PaymentEvent::Disputed(moved) => Source::Dispute(moved.dispute_id),
            PaymentEvent::DisputeClosed { outcome: DisputeOutcome::Won, moved }
            | PaymentEvent::DisputeWonAfterAll(moved) => Source::DisputeWon(moved.dispute_id),
            PaymentEvent::DisputeClosed { outcome: DisputeOutcome::Lost, .. }
            | PaymentEvent::Initiated(_)
            | PaymentEvent::TakenOver(_)
            | PaymentEvent::AttemptOpened(_)
            | PaymentEvent::RiskApproved { .. }
            | PaymentEvent::RiskRejected { .. }
            | PaymentEvent::ReviewRequested { .. }
            | PaymentEvent::ReviewApproved { .. }
            | PaymentEvent::ReviewRejected { .. }
            | PaymentEvent::ReviewLapsed { .. }
            | PaymentEvent::Submitted { .. }
            | PaymentEvent::Authorised { .. }
            | PaymentEvent::OutcomeUnknown { .. }
            | PaymentEvent::Failed { .. }
            | PaymentEvent::CaptureRequested { .. }
            | PaymentEvent::CaptureDeclined { .. }
            | PaymentEvent::Captured(_)
            | PaymentEvent::CancellationRequested { .. }
            | PaymentEvent::Cancelled { .. }
            | PaymentEvent::Voided { .. }
            | PaymentEvent::AuthorisationExpired { .. }
            | PaymentEvent::AuthorisedLate { .. }
            | PaymentEvent::LateAuthorisationReleased { .. }
            | PaymentEvent::AuthorisationLetGo { .. }
            | PaymentEvent::MoneySuspended(_)
            | PaymentEvent::SuspenseReturned(_)
            | PaymentEvent::AmountMismatched(_)
            | PaymentEvent::RefundReserved { .. }
            | PaymentEvent::RefundReleased { .. } => return Vec::new(),
        };
        of_posting(source, livemode, &event.posting())
    }

    /// The same of an adjustment, which may touch the funds of two merchants.
    #[must_use]
    pub fn of_adjustment(livemode: bool, event: &AdjustmentEvent) -> Vec<Self> {
        let source = match event {
            AdjustmentEvent::Approved(adjusted) => Source::Adjustment(adjusted.adjustment_id),
            AdjustmentEvent::TakenOver(opening) => Source::Adjustment(opening.adjustment_id),
            AdjustmentEvent::Reversed(adjusted) => Source::AdjustmentReversed(adjusted.adjustment_id),
            AdjustmentEvent::Proposed(_)
            | AdjustmentEvent::Rejected { .. }
            | AdjustmentEvent::ReversalProposed { .. }
            | AdjustmentEvent::ReversalRejected { .. } => return Vec::new(),
        };
        of_posting(source, livemode, &event.posting())
    }
}

fn of_posting(source: Source, livemode: bool, posting: &Posting) -> Vec<SettledFundsCommand> {
    let mut sums: BTreeMap<(MerchantId, Currency), i64> = BTreeMap::new();
    for line in posting.lines() {
        let Account::MerchantAvailable(merchant_id) = line.account else { continue };
        let sum = sums.entry((merchant_id, line.money.currency)).or_default();
        *sum = match line.side {
            Side::Credit => sum.saturating_add(line.money.amount_minor),
            Side::Debit => sum.saturating_sub(line.money.amount_minor),
        };
    }
    let record = |((merchant_id, currency), amount_minor)| {
        let funds_id = FundsId::derive(merchant_id, livemode, currency);
        let funds = Box::new(Opened { funds_id, merchant_id, livemode, currency });
        SettledFundsCommand::Record { funds, source, amount: Money::new(amount_minor, currency) }
    };
    sums.into_iter().filter(|(_, amount_minor)| *amount_minor != 0).map(record).collect()
}
