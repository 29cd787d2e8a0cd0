//! Payments: given what happened, when one asks or a channel tells, then this alone.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::*;
use crate::{
    channel::Channel,
    currency::Currency,
    fee::{FeeOnRefund, FeePlan},
    money::BasisPoints,
    payment::{
        attempt::{CaptureMode, Decline, Phase},
        status::Status,
    },
    risk::{RiskDecision, Score},
    scenario::Story,
};

mod attempts;
mod cancellations;
mod captures;
mod disputes;
mod exploration;
mod postings;
mod refunds;
mod reports;
mod settlings;
mod suspense;
mod taken_over;

pub(super) fn usd(amount_minor: i64) -> Money {
    Money::new(amount_minor, Currency::USD)
}

pub(super) fn euro(amount_minor: i64) -> Money {
    Money::new(amount_minor, Currency::EUR)
}

pub(super) fn at() -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_225_600, 0).unwrap()
}

pub(super) fn text(text: &str) -> FreeText {
    FreeText::parse(text).unwrap()
}

pub(super) fn merchant() -> MerchantId {
    MerchantId::new(Uuid::from_u128(1))
}

pub(super) fn operator() -> OperatorId {
    OperatorId::new(Uuid::from_u128(2))
}

pub(super) fn capture_no(number: u128) -> CaptureId {
    CaptureId::new(Uuid::from_u128(number))
}

pub(super) fn refund_no(number: u128) -> RefundId {
    RefundId::new(Uuid::from_u128(number))
}

pub(super) fn dispute_no(number: u128) -> DisputeId {
    DisputeId::new(Uuid::from_u128(number))
}

pub(super) fn settlement_no(number: u128) -> SettlementId {
    SettlementId::new(Uuid::from_u128(number))
}

/// 2.9 % and 30 cents, returned in proportion.
pub(super) fn plan() -> FeePlan {
    FeePlan {
        rate: BasisPoints::new(290).unwrap(),
        fixed_minor: 30,
        minimum_minor: 0,
        maximum_minor: None,
        on_refund: FeeOnRefund::Returned,
    }
}

pub(super) fn start(amount: Money) -> Initiate {
    let order_no = OrderNo::parse("ORDER-1").unwrap();
    Initiate {
        agreed: Agreed {
            payment_id: PaymentId::derive(merchant(), true, order_no.as_str()),
            merchant_id: merchant(),
            livemode: true,
            order_no,
            amount,
        },
        channel: Channel::Stripe,
        capture_mode: CaptureMode::Automatic,
        method: None,
        purpose: Purpose::default(),
        origin: Origin::default(),
        terms: Terms {
            merchant_active: true,
            channel_allowed: true,
            currency_allowed: true,
            payment_limit_minor: None,
            fee_plan: Some(plan()),
        },
    }
}

pub(super) fn initiate() -> PaymentCommand {
    PaymentCommand::Initiate(Box::new(start(usd(10_000))))
}

pub(super) fn initiate_manual() -> PaymentCommand {
    PaymentCommand::Initiate(Box::new(Initiate { capture_mode: CaptureMode::Manual, ..start(usd(10_000)) }))
}

pub(super) fn assessed(attempt: u32, decision: RiskDecision) -> PaymentCommand {
    let score = Score::new(40).unwrap();
    let assessment = Assessment { score, decision, reasons: vec!["night".into()], rules_version: 1 };
    PaymentCommand::RecordRisk { attempt, assessment }
}

pub(super) fn submit(attempt: u32) -> PaymentCommand {
    PaymentCommand::Submit { attempt }
}

pub(super) fn told(attempt: u32, report: Report) -> PaymentCommand {
    PaymentCommand::Report { attempt, report }
}

pub(super) fn authorised(attempt: u32, amount: Money) -> PaymentCommand {
    told(attempt, Report::Authorised { amount, channel_trade_no: "ch_1".into(), effective_at: at() })
}

pub(super) fn captured(attempt: u32, capture: u128, amount: Money) -> PaymentCommand {
    let capture_id = capture_no(capture);
    told(attempt, Report::Captured { capture_id, amount, channel_trade_no: "ch_1".into(), effective_at: at() })
}

pub(super) fn declined(attempt: u32) -> PaymentCommand {
    told(attempt, Report::Declined { decline: Decline::InsufficientFunds })
}

pub(super) fn capture_declined(attempt: u32, capture: u128) -> PaymentCommand {
    told(attempt, Report::CaptureDeclined { capture_id: capture_no(capture), decline: Decline::Other })
}

pub(super) fn voided() -> PaymentCommand {
    told(1, VOIDED)
}

/// What a channel says that does not name the authorisation.
pub(super) const VOIDED: Report = Report::Voided { channel_trade_no: None };
pub(super) const EXPIRED: Report = Report::Expired { channel_trade_no: None };

pub(super) fn authorised_as(attempt: u32, number: &str) -> PaymentCommand {
    let (amount, channel_trade_no) = (usd(10_000), number.to_owned());
    told(attempt, Report::Authorised { amount, channel_trade_no, effective_at: at() })
}

/// Let go of by the channel: voided, and expired.
pub(super) fn let_go(attempt: u32, number: &str) -> [PaymentCommand; 2] {
    let number = || Some(number.to_owned());
    [Report::Voided { channel_trade_no: number() }, Report::Expired { channel_trade_no: number() }]
        .map(|report| told(attempt, report))
}

pub(super) fn capture(number: u128, amount: Money) -> PaymentCommand {
    PaymentCommand::Capture { capture_id: capture_no(number), amount }
}

pub(super) fn cancel() -> PaymentCommand {
    PaymentCommand::Cancel { by: Actor::Merchant(merchant()), reason: None }
}

pub(super) fn reserve(number: u128, amount: Money) -> PaymentCommand {
    let by = Actor::Merchant(merchant());
    PaymentCommand::ReserveRefund { refund_id: refund_no(number), amount, by, reason: text("too small") }
}

pub(super) fn confirm(number: u128) -> PaymentCommand {
    PaymentCommand::ConfirmRefund { refund_id: refund_no(number), effective_at: at() }
}

pub(super) fn release(number: u128) -> PaymentCommand {
    PaymentCommand::ReleaseRefund { refund_id: refund_no(number), reason: text("channel refused") }
}

pub(super) fn bounce(number: u128) -> PaymentCommand {
    PaymentCommand::BounceRefund { refund_id: refund_no(number), effective_at: at() }
}

pub(super) fn dispute(number: u128, amount: Money) -> PaymentCommand {
    dispute_of(1, number, amount)
}

pub(super) fn dispute_of(attempt: u32, number: u128, amount: Money) -> PaymentCommand {
    PaymentCommand::OpenDispute { attempt, dispute_id: dispute_no(number), amount, effective_at: at() }
}

pub(super) fn close_dispute(number: u128, outcome: DisputeOutcome) -> PaymentCommand {
    PaymentCommand::CloseDispute { dispute_id: dispute_no(number), outcome, effective_at: at() }
}

pub(super) fn settle(number: u128) -> PaymentCommand {
    PaymentCommand::Settle { into: into(number), effective_at: at() }
}

pub(super) fn into(number: u128) -> Destination {
    let (settlement_id, merchant_id) = (settlement_no(number), merchant());
    Destination { settlement_id, merchant_id, livemode: true, currency: Currency::USD }
}

pub(super) fn release_late(attempt: u32) -> PaymentCommand {
    PaymentCommand::ReleaseLateAuthorisation { attempt, channel_trade_no: "ch_1".into() }
}

pub(super) fn release_late_as(number: &str) -> PaymentCommand {
    PaymentCommand::ReleaseLateAuthorisation { attempt: 1, channel_trade_no: number.into() }
}

pub(super) fn taken(attempt: u32, capture: u128) -> Source {
    Source::Capture { attempt, capture_id: capture_no(capture) }
}

pub(super) fn given_back(refund: u128) -> Source {
    Source::Refund { refund_id: refund_no(refund) }
}

pub(super) fn return_suspense(source: Source) -> PaymentCommand {
    PaymentCommand::ReturnSuspense { source, effective_at: at() }
}

pub(super) type Told = Story<Payment>;

pub(super) fn untold() -> Told {
    Story::untold()
}

pub(super) fn initiated() -> Told {
    untold().given(&initiate())
}

pub(super) fn submitted() -> Told {
    initiated().given(&assessed(1, RiskDecision::Approve)).given(&submit(1))
}

pub(super) fn submitted_manual() -> Told {
    untold().given(&initiate_manual()).given(&assessed(1, RiskDecision::Approve)).given(&submit(1))
}

/// 100.00 authorised, to be captured when asked for.
pub(super) fn held() -> Told {
    submitted_manual().given(&authorised(1, usd(10_000)))
}

/// 40.00 of it captured.
pub(super) fn partly_captured() -> Told {
    held().given(&capture(1, usd(4_000))).given(&captured(1, 1, usd(4_000)))
}

/// All of 100.00 captured at once, fee 3.20.
pub(super) fn paid() -> Told {
    submitted().given(&captured(1, 1, usd(10_000)))
}

/// Refunded whole, then a refund succeeds that was released before.
pub(super) fn refunded_beyond() -> Told {
    let whole = usd(10_000);
    let released = paid().given(&reserve(1, whole)).given(&release(1));
    released.given(&reserve(2, whole)).given(&confirm(2)).given(&confirm(1))
}

pub(super) fn failed() -> Told {
    submitted().given(&declined(1))
}

impl Told {
    pub(super) fn is(self, status: Status) -> Self {
        assert_eq!(self.state.status(), status);
        self
    }

    pub(super) fn in_phase(self, phase: Phase) -> Self {
        assert_eq!(self.state.last_attempt().map(|(_, phase)| phase), Some(phase));
        self
    }
}
