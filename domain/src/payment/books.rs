//! What each event of a payment does to the books.

use crate::{
    account::Account,
    id::MerchantId,
    payment::{
        dispute::DisputeOutcome,
        event::{Captured, DisputeMoved, Funds, PaymentEvent, RefundMoved, Settled, Suspended},
        suspense::Source,
        taken_over::TakenOver,
    },
    posting::{Movement, Posting, Reversed},
};

impl PaymentEvent {
    #[must_use]
    pub fn posting(&self) -> Posting {
        match self {
            Self::TakenOver(taken) => post_taken_over(taken),
            Self::Captured(captured) => post_captured(captured),
            Self::RefundConfirmed(moved) => post_refund(moved),
            Self::RefundBounced(moved) => post_refund(moved).reversing(moved.refund_id),
            Self::Disputed(moved) => post_disputed(moved),
            Self::DisputeClosed { outcome: DisputeOutcome::Won, moved } => {
                post_disputed(moved).reversing(moved.dispute_id)
            }
            Self::DisputeClosed { outcome: DisputeOutcome::Lost, moved } => post_dispute_lost(moved),
            Self::DisputeWonAfterAll(moved) => post_dispute_taken(moved).reversing(moved.dispute_id),
            Self::Settled(settled) => post_settled(settled),
            Self::MoneySuspended(moved) => post_suspended(moved),
            Self::SuspenseReturned(moved) => post_suspended(moved).reversing(moved.source),
            Self::Initiated(_)
            | Self::AttemptOpened(_)
            | Self::RiskApproved { .. }
            | Self::RiskRejected { .. }
            | Self::ReviewRequested { .. }
            | Self::ReviewApproved { .. }
            | Self::ReviewRejected { .. }
            | Self::ReviewLapsed { .. }
            | Self::Submitted { .. }
            | Self::Authorised { .. }
            | Self::OutcomeUnknown { .. }
            | Self::Failed { .. }
            | Self::CaptureRequested { .. }
            | Self::CaptureDeclined { .. }
            | Self::CancellationRequested { .. }
            | Self::Cancelled { .. }
            | Self::Voided { .. }
            | Self::AuthorisationExpired { .. }
            | Self::AuthorisedLate { .. }
            | Self::LateAuthorisationReleased { .. }
            | Self::AuthorisationLetGo { .. }
            | Self::AmountMismatched(_)
            | Self::RefundReserved { .. }
            | Self::RefundReleased { .. } => Posting::none(),
        }
    }
}

const fn account_of(funds: Funds, merchant: MerchantId) -> Account {
    match funds {
        Funds::Pending => Account::MerchantPending(merchant),
        Funds::Available => Account::MerchantAvailable(merchant),
        Funds::Suspense => Account::Suspense,
    }
}

/// The merchant is owed here what it was owed there, unless that was settled: then it came with its balance. What the
/// channel owes and what was charged came with those balances too.
fn post_taken_over(taken: &TakenOver) -> Posting {
    let net = taken.net();
    if taken.is_settled || net.is_zero() {
        return Posting::none();
    }
    let (debit, credit) = (Account::SuspenseMigration, Account::MerchantPending(taken.merchant_id));
    Posting::moving(taken.effective_at, &[Movement { debit, credit, money: net }])
}

/// The channel owes us all of it; the merchant is owed it less the fee, which is ours.
fn post_captured(captured: &Captured) -> Posting {
    let debit = Account::ChannelReceivable(captured.channel);
    let pending = Account::MerchantPending(captured.merchant_id);
    Posting::moving(
        captured.effective_at,
        &[
            Movement { debit, credit: pending, money: captured.net },
            Movement { debit, credit: Account::FeesRevenue, money: captured.fee },
        ],
    )
}

/// The channel owes us less; the merchant bears it, less the fee we give back.
fn post_refund(moved: &RefundMoved) -> Posting {
    let credit = Account::ChannelReceivable(moved.channel);
    Posting::moving(
        moved.effective_at,
        &[
            Movement { debit: account_of(moved.funds, moved.merchant_id), credit, money: moved.net },
            Movement { debit: Account::FeesRevenue, credit, money: moved.fee_returned },
        ],
    )
}

/// What is in dispute is held, whoever will have it.
fn post_disputed(moved: &DisputeMoved) -> Posting {
    let debit = account_of(moved.funds, moved.merchant_id);
    Posting::moving(moved.effective_at, &[Movement { debit, credit: Account::DisputeHolding, money: moved.amount }])
}

/// The channel has taken it back.
fn post_dispute_lost(moved: &DisputeMoved) -> Posting {
    let credit = Account::ChannelReceivable(moved.channel);
    Posting::moving(moved.effective_at, &[Movement { debit: Account::DisputeHolding, credit, money: moved.amount }])
}

/// What a dispute took that was held and lost.
fn post_dispute_taken(moved: &DisputeMoved) -> Posting {
    let debit = account_of(moved.funds, moved.merchant_id);
    let credit = Account::ChannelReceivable(moved.channel);
    Posting::moving(moved.effective_at, &[Movement { debit, credit, money: moved.amount }])
}

fn post_settled(settled: &Settled) -> Posting {
    let debit = Account::MerchantPending(settled.merchant_id);
    let credit = Account::MerchantAvailable(settled.merchant_id);
    Posting::moving(settled.effective_at, &[Movement { debit, credit, money: settled.net }])
}

/// The channel owes us what it took, or less by what it gave; whose that is has to be found out.
fn post_suspended(moved: &Suspended) -> Posting {
    let receivable = Account::ChannelReceivable(moved.channel);
    let (debit, credit) = match moved.source {
        Source::Capture { .. } => (receivable, Account::Suspense),
        Source::Refund { .. } => (Account::Suspense, receivable),
    };
    Posting::moving(moved.effective_at, &[Movement { debit, credit, money: moved.amount }])
}

impl From<Source> for Reversed {
    fn from(source: Source) -> Self {
        match source {
            Source::Capture { capture_id, .. } => Self::Capture(capture_id),
            Source::Refund { refund_id } => Self::Refund(refund_id),
        }
    }
}
