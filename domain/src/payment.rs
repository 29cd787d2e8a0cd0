//! A payment: attempts, one channel after another, to take one amount for one order.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    actor::Actor,
    aggregate::Aggregate,
    channel::Channel,
    free_text::{FreeText, OrderNo},
    id::{CaptureId, DisputeId, MerchantId, OperatorId, PaymentId, RefundId, SettlementId},
    money::Money,
    refusal::refusals,
    risk::Assessment,
    settled_funds,
    settlement::event::Destination,
    terms::Terms,
};

pub mod attempt;
mod books;
mod cancellation;
mod capture;
pub mod dispute;
pub mod event;
mod initiation;
mod late_authorisation;
pub mod origin;
mod refund;
mod report;
mod risk;
mod settling;
pub mod status;
pub mod suspense;
pub mod taken_over;
pub mod what_if;

use attempt::{Attempt, CaptureMode};
use dispute::{DisputeOutcome, Disputes};
use event::{Funds, Mismatched, PaymentEvent, Purpose};
pub use late_authorisation::Late;
use origin::Origin;
use refund::Refunds;
pub use report::Report;
use suspense::{Source, Suspense};
use taken_over::TakenOver;

/// The folded state. Sums are in minor units of the agreed currency.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Payment {
    agreed: Option<Agreed>,
    /// How many events were folded: the sequence of the last one.
    sequence: u64,
    attempts: Vec<Attempt>,
    cancellation: Cancellation,
    captured_minor: i64,
    fees_minor: i64,
    refunds: Refunds,
    disputes: Disputes,
    settled: Option<SettlementId>,
    suspense: Suspense,
    /// What settled funds are to record of it.
    moves_of_funds: Vec<(settled_funds::event::Source, i64)>,
    /// Amounts reported that cannot be true, so that each is told of once.
    mismatches: Vec<Mismatched>,
    /// Which row of which platform before it was.
    taken_over: Option<String>,
}

/// What was agreed when the payment was initiated, the same for every attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agreed {
    pub payment_id: PaymentId,
    pub merchant_id: MerchantId,
    pub livemode: bool,
    pub order_no: OrderNo,
    pub amount: Money,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Cancellation {
    #[default]
    NotAsked,
    Requested(Actor),
    Done,
}

#[derive(Clone, Debug, PartialEq)]
pub enum PaymentCommand {
    Initiate(Box<Initiate>),
    /// It began elsewhere, and stands like this.
    TakeOver(Box<TakenOver>),
    RecordRisk {
        attempt: u32,
        assessment: Assessment,
    },
    DecideReview {
        attempt: u32,
        approved: bool,
        by: OperatorId,
        reason: FreeText,
    },
    /// Nobody reviewed it in time, and the rules say that is a no.
    LapseReview {
        attempt: u32,
    },
    Submit {
        attempt: u32,
    },
    Capture {
        capture_id: CaptureId,
        amount: Money,
    },
    Cancel {
        by: Actor,
        reason: Option<FreeText>,
    },
    Report {
        attempt: u32,
        report: Report,
    },
    ReleaseLateAuthorisation {
        attempt: u32,
        channel_trade_no: String,
    },
    ReturnSuspense {
        source: Source,
        effective_at: DateTime<Utc>,
    },
    ReserveRefund {
        refund_id: RefundId,
        amount: Money,
        by: Actor,
        reason: FreeText,
    },
    ConfirmRefund {
        refund_id: RefundId,
        effective_at: DateTime<Utc>,
    },
    ReleaseRefund {
        refund_id: RefundId,
        reason: FreeText,
    },
    BounceRefund {
        refund_id: RefundId,
        effective_at: DateTime<Utc>,
    },
    OpenDispute {
        attempt: u32,
        dispute_id: DisputeId,
        amount: Money,
        effective_at: DateTime<Utc>,
    },
    CloseDispute {
        dispute_id: DisputeId,
        outcome: DisputeOutcome,
        effective_at: DateTime<Utc>,
    },
    Settle {
        into: Destination,
        effective_at: DateTime<Utc>,
    },
}

/// Starts a payment, or the next attempt of one whose last attempt failed with evidence.
#[derive(Clone, Debug, PartialEq)]
pub struct Initiate {
    pub agreed: Agreed,
    pub channel: Channel,
    pub capture_mode: CaptureMode,
    pub method: Option<FreeText>,
    pub purpose: Purpose,
    pub origin: Origin,
    pub terms: Terms,
}

refusals! {
    /// Why a payment says no, in the order the rules are tried.
    pub enum PaymentRefusal {
        PaymentAbsent = "payment_absent", 404, "There is no such payment.", "该支付不存在。";
        PaymentDiffers = "payment_differs", 409,
            "This order number already has a payment with another amount or currency.", "该订单号已有金额或币种不同的支付。";
        CaptureDiffers = "capture_differs", 409,
            "This capture is already known with another amount.", "该请款已以不同金额登记过。";
        RefundDiffers = "refund_differs", 409,
            "This refund was already asked for with another amount.", "该退款已以不同金额提交过。";
        DisputeDiffers = "dispute_differs", 409,
            "This dispute was already opened with another amount.", "该争议已以不同金额登记过。";
        PaymentCancelled = "payment_cancelled", 409, "The payment was cancelled.", "该支付已取消。";
        CurrencyMismatch = "currency_mismatch", 422,
            "The two amounts are in different currencies.", "两笔金额的币种不同。";
        AmountNotPositive = "amount_not_positive", 422, "The amount must be greater than zero.", "金额必须大于零。";
        MerchantNotActive = "merchant_not_active", 403,
            "The merchant may not take payments at present.", "该商户目前不能收款。";
        ChannelNotAllowed = "channel_not_allowed", 422,
            "The merchant may not use this channel.", "该商户未开通此支付渠道。";
        ChannelNotReal = "channel_not_real", 422, "No real money goes through the sandbox.", "沙箱渠道不能用于真实资金。";
        CurrencyNotAllowed = "currency_not_allowed", 422,
            "The merchant may not take this currency.", "该商户未开通此币种。";
        FeesNotAgreed = "fees_not_agreed", 422,
            "No fees are agreed for this channel and currency.", "该渠道与币种尚未约定费率。";
        PaymentLimitExceeded = "payment_limit_exceeded", 422,
            "The amount is above the merchant's limit for one payment.", "金额超过该商户的单笔限额。";
        MetadataTooLarge = "metadata_too_large", 422, "There may be at most 20 metadata entries.", "元数据最多 20 项。";
        AttemptUnknown = "attempt_unknown", 404, "The payment has no such attempt.", "该支付没有这次尝试。";
        AttemptEnded = "attempt_ended", 409, "This attempt has ended.", "这次支付尝试已结束。";
        RiskNotApproved = "risk_not_approved", 409,
            "The risk check has not approved this attempt.", "风控尚未通过这次尝试。";
        ReviewAlreadyDecided = "review_already_decided", 409,
            "The review was already decided otherwise.", "人工审核已作出不同的决定。";
        NotInReview = "not_in_review", 409, "This attempt is not in review.", "这次尝试不在人工审核中。";
        AttemptNotSubmitted = "attempt_not_submitted", 409,
            "This attempt was never handed to a channel.", "这次尝试从未提交给支付渠道。";
        PaymentCaptured = "payment_captured", 409,
            "The payment was captured; refund it instead.", "该支付已请款，请改用退款。";
        CancellationInProgress = "cancellation_in_progress", 409,
            "The payment is being cancelled.", "该支付正在取消。";
        CaptureAutomatic = "capture_automatic", 409,
            "The payment is captured without being asked for.", "该支付将自动请款。";
        PaymentNotAuthorised = "payment_not_authorised", 409,
            "There is no authorisation to capture from.", "没有可请款的授权。";
        CaptureInProgress = "capture_in_progress", 409, "A capture is under way.", "有一笔请款正在进行。";
        CaptureAmountExceeded = "capture_amount_exceeded", 422,
            "The amount is more than is left of the authorisation.", "金额超过授权的剩余部分。";
        CaptureUnknown = "capture_unknown", 404, "The payment has no such capture.", "该支付没有这笔请款。";
        NothingLate = "nothing_late", 409,
            "This attempt has no late authorisation to release.", "这次尝试没有需要释放的迟到授权。";
        NothingInSuspense = "nothing_in_suspense", 409, "Nothing of this is in suspense.", "挂账中没有这笔款项。";
        PaymentAlreadySettled = "payment_already_settled", 409,
            "The payment is part of another settlement.", "该支付已属于另一结算。";
        SettlementOfAnother = "settlement_of_another", 422,
            "The settlement is of another merchant, currency or mode.", "该结算属于其他商户、币种或模式。";
        PaymentNotCaptured = "payment_not_captured", 409, "The payment has not been captured.", "该支付尚未请款。";
        RefundAmountExceeded = "refund_amount_exceeded", 422,
            "The amount is more than can still be refunded.", "退款金额超过可退余额。";
        RefundUnknown = "refund_unknown", 404, "The payment has no such refund.", "该支付没有这笔退款。";
        RefundAlreadyConfirmed = "refund_already_confirmed", 409, "The refund was confirmed.", "该退款已确认。";
        DisputeUnknown = "dispute_unknown", 404, "The payment has no such dispute.", "该支付没有这笔争议。";
        DisputeAlreadyClosed = "dispute_already_closed", 409,
            "The dispute was already closed otherwise.", "该争议已以不同结果结案。";
        CaptureStillOpen = "capture_still_open", 409,
            "More of the authorisation may still be captured.", "授权的剩余部分仍可请款。";
        TakenOverDoesNotAddUp = "taken_over_does_not_add_up", 422,
            "What was captured, refunded, settled and charged there does not add up.", "接管的请款、退款、结算与费用数据不一致。";
        AmountOverflow = "amount_overflow", 422,
            "The amount is beyond what the ledger can hold.", "金额超出账本可以记录的范围。";
    }
}

type Decision = Result<Vec<PaymentEvent>, PaymentRefusal>;

/// The command is already true.
const fn already() -> Decision {
    Ok(Vec::new())
}

impl Aggregate for Payment {
    const TYPE: &'static str = "payment";
    const STATE_VERSION: i32 = 5;
    type Command = PaymentCommand;
    type Event = PaymentEvent;
    type Refusal = PaymentRefusal;

    fn decide(&self, command: &PaymentCommand) -> Decision {
        match command {
            PaymentCommand::Initiate(start) => self.initiate(start),
            PaymentCommand::TakeOver(taken) => self.take_over(taken),
            PaymentCommand::RecordRisk { attempt, assessment } => self.record_risk(*attempt, assessment),
            PaymentCommand::DecideReview { attempt, approved, by, reason } => {
                self.decide_review(*attempt, *approved, *by, reason)
            }
            PaymentCommand::LapseReview { attempt } => self.lapse_review(*attempt),
            PaymentCommand::Submit { attempt } => self.submit(*attempt),
            PaymentCommand::Capture { capture_id, amount } => self.request_capture(*capture_id, *amount),
            PaymentCommand::Cancel { by, reason } => self.cancel(*by, reason.as_ref()),
            PaymentCommand::Report { attempt, report } => self.hear(*attempt, report),
            PaymentCommand::ReleaseLateAuthorisation { attempt, channel_trade_no } => {
                self.release_late(*attempt, channel_trade_no)
            }
            PaymentCommand::ReturnSuspense { source, effective_at } => self.return_suspense(*source, *effective_at),
            PaymentCommand::ReserveRefund { refund_id, amount, by, reason } => {
                self.reserve_refund(*refund_id, *amount, *by, reason)
            }
            PaymentCommand::ConfirmRefund { refund_id, effective_at } => self.confirm_refund(*refund_id, *effective_at),
            PaymentCommand::ReleaseRefund { refund_id, reason } => self.release_refund(*refund_id, reason),
            PaymentCommand::BounceRefund { refund_id, effective_at } => self.bounce_refund(*refund_id, *effective_at),
            PaymentCommand::OpenDispute { attempt, dispute_id, amount, effective_at } => {
                self.open_dispute(*attempt, *dispute_id, *amount, *effective_at)
            }
            PaymentCommand::CloseDispute { dispute_id, outcome, effective_at } => {
                self.close_dispute(*dispute_id, *outcome, *effective_at)
            }
            PaymentCommand::Settle { into, effective_at } => self.settle(*into, *effective_at),
        }
    }

    fn apply(&mut self, event: &PaymentEvent) {
        self.sequence = self.sequence.saturating_add(1);
        self.fold_moves_of_funds(event);
        match event {
            PaymentEvent::Initiated(initiated) => self.fold_initiated(initiated),
            PaymentEvent::TakenOver(taken) => self.fold_taken_over(taken),
            PaymentEvent::AttemptOpened(opened) => self.attempts.push(Attempt::new(opened.attempt, &opened.route)),
            PaymentEvent::CancellationRequested { by, .. } => self.cancellation = Cancellation::Requested(*by),
            PaymentEvent::Cancelled { .. } => self.fold_cancelled(),
            PaymentEvent::Captured(captured) => {
                self.fold_attempt(captured.attempt, event);
                self.fold_captured(captured);
            }
            PaymentEvent::Voided { attempt, .. } | PaymentEvent::AuthorisationExpired { attempt, .. } => {
                self.fold_attempt(*attempt, event);
                self.fold_cancellation();
            }
            PaymentEvent::MoneySuspended(moved) => self.fold_suspended(moved),
            PaymentEvent::SuspenseReturned(moved) => self.suspense.give_back(moved.source),
            PaymentEvent::AmountMismatched(mismatched) => self.mismatches.push(mismatched.as_ref().clone()),
            PaymentEvent::RefundReserved { refund_id, amount, .. } => self.refunds.reserve(*refund_id, *amount),
            PaymentEvent::RefundConfirmed(moved) => self.refunds.confirm(moved),
            PaymentEvent::RefundReleased { refund_id, .. } => self.refunds.release(*refund_id),
            PaymentEvent::RefundBounced(moved) => self.refunds.bounce(moved),
            PaymentEvent::Disputed(moved) => self.disputes.open(moved),
            PaymentEvent::DisputeClosed { outcome, moved } => self.disputes.close(*outcome, moved),
            PaymentEvent::DisputeWonAfterAll(moved) => self.disputes.close(DisputeOutcome::Won, moved),
            PaymentEvent::Settled(settled) => self.settled = Some(settled.settlement_id),
            PaymentEvent::RiskApproved { attempt, .. }
            | PaymentEvent::RiskRejected { attempt, .. }
            | PaymentEvent::ReviewRequested { attempt, .. }
            | PaymentEvent::ReviewApproved { attempt, .. }
            | PaymentEvent::ReviewRejected { attempt, .. }
            | PaymentEvent::ReviewLapsed { attempt }
            | PaymentEvent::Submitted { attempt, .. }
            | PaymentEvent::Authorised { attempt, .. }
            | PaymentEvent::OutcomeUnknown { attempt }
            | PaymentEvent::Failed { attempt, .. }
            | PaymentEvent::CaptureRequested { attempt, .. }
            | PaymentEvent::CaptureDeclined { attempt, .. }
            | PaymentEvent::AuthorisedLate { attempt, .. }
            | PaymentEvent::LateAuthorisationReleased { attempt, .. }
            | PaymentEvent::AuthorisationLetGo { attempt, .. } => {
                self.fold_attempt(*attempt, event);
            }
        }
    }
}

impl Payment {
    fn agreed(&self) -> Result<&Agreed, PaymentRefusal> {
        self.agreed.as_ref().ok_or(PaymentRefusal::PaymentAbsent)
    }

    /// The last attempt: all before it have ended.
    fn current(&self) -> Result<&Attempt, PaymentRefusal> {
        self.attempts.last().ok_or(PaymentRefusal::PaymentAbsent)
    }

    fn attempt(&self, number: u32) -> Result<&Attempt, PaymentRefusal> {
        self.agreed()?;
        self.attempts.iter().find(|attempt| attempt.number == number).ok_or(PaymentRefusal::AttemptUnknown)
    }

    fn fold_attempt(&mut self, number: u32, event: &PaymentEvent) {
        if let Some(attempt) = self.attempts.iter_mut().find(|attempt| attempt.number == number) {
            attempt.fold(event);
        }
    }

    /// Where the merchant's money of this payment is.
    const fn funds(&self) -> Funds {
        if self.settled.is_some() { Funds::Available } else { Funds::Pending }
    }

    /// Guards an amount somebody asks to move: the payment's currency, and more than nothing.
    fn guard_amount(agreed: &Agreed, amount: Money) -> Result<(), PaymentRefusal> {
        if amount.currency != agreed.amount.currency {
            return Err(PaymentRefusal::CurrencyMismatch);
        }
        if amount.amount_minor <= 0 {
            return Err(PaymentRefusal::AmountNotPositive);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
