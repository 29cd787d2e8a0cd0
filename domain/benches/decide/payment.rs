//! Decisions of payments, on payments some way along.

use domain::{
    actor::Actor,
    channel::Channel,
    fee::{FeeOnRefund, FeePlan},
    free_text::{FreeText, OrderNo, TextRefusal},
    id::{CaptureId, DisputeId, OperatorId, PaymentId, RefundId},
    money::BasisPoints,
    payment::{
        Agreed, Initiate, PaymentCommand, Report,
        attempt::{CaptureMode, Decline},
        dispute::DisputeOutcome,
        event::Purpose,
        origin::Origin,
        suspense::Source,
    },
    risk::{Assessment, RiskDecision, Score},
    terms::Terms,
};

use crate::{Cases, at, destination, merchant, number, usd, why};

fn initiate(capture_mode: CaptureMode) -> Result<PaymentCommand, TextRefusal> {
    let order_no = OrderNo::parse("ORDER-1")?;
    let payment_id = payment_id();
    let fee_plan = FeePlan {
        rate: BasisPoints::new(290).unwrap_or_default(),
        fixed_minor: 30,
        minimum_minor: 0,
        maximum_minor: None,
        on_refund: FeeOnRefund::Returned,
    };
    Ok(PaymentCommand::Initiate(Box::new(Initiate {
        agreed: Agreed { payment_id, merchant_id: merchant(), livemode: true, order_no, amount: usd(10_000) },
        channel: Channel::Stripe,
        capture_mode,
        method: None,
        purpose: Purpose { subject: Some(FreeText::parse("tea")?), ..Purpose::default() },
        origin: Origin::default(),
        terms: Terms {
            merchant_active: true,
            channel_allowed: true,
            currency_allowed: true,
            payment_limit_minor: Some(1_000_000),
            fee_plan: Some(fee_plan),
        },
    })))
}

fn payment_id() -> PaymentId {
    PaymentId::derive(merchant(), true, "ORDER-1")
}

type Told = Result<Vec<PaymentCommand>, TextRefusal>;

pub(crate) fn payment() -> Result<Cases<PaymentCommand>, TextRefusal> {
    let mut cases = attempts()?;
    cases.extend(reports()?);
    cases.extend(refunds()?);
    cases.extend(disputes_and_settling()?);
    Ok(cases)
}

fn assess(decision: RiskDecision) -> PaymentCommand {
    let score = Score::try_from(5).unwrap_or_else(|_| unreachable!());
    let assessment = Assessment { score, decision, reasons: vec!["night".to_owned()], rules_version: 1 };
    PaymentCommand::RecordRisk { attempt: 1, assessment }
}

fn tell(report: Report) -> PaymentCommand {
    PaymentCommand::Report { attempt: 1, report }
}

fn authorised() -> PaymentCommand {
    tell(Report::Authorised { amount: usd(10_000), channel_trade_no: "ch_1".into(), effective_at: at() })
}

fn captured() -> PaymentCommand {
    let (capture_id, amount) = (CaptureId::derive(payment_id(), 1), usd(10_000));
    tell(Report::Captured { capture_id, amount, channel_trade_no: "ch_1".into(), effective_at: at() })
}

fn declined() -> PaymentCommand {
    tell(Report::Declined { decline: Decline::CardDeclined })
}

fn capture() -> PaymentCommand {
    PaymentCommand::Capture { capture_id: CaptureId::new(number(1)), amount: usd(10_000) }
}

fn submitted(mode: CaptureMode) -> Told {
    Ok(vec![initiate(mode)?, assess(RiskDecision::Approve), PaymentCommand::Submit { attempt: 1 }])
}

fn and(mut told: Vec<PaymentCommand>, more: &[PaymentCommand]) -> Vec<PaymentCommand> {
    told.extend_from_slice(more);
    told
}

fn paid() -> Told {
    Ok(and(submitted(CaptureMode::Automatic)?, &[captured()]))
}

fn attempts() -> Result<Cases<PaymentCommand>, TextRefusal> {
    let initiate = initiate(CaptureMode::Automatic)?;
    let (by, reason) = (OperatorId::new(number(1)), why()?);
    let decide = PaymentCommand::DecideReview { attempt: 1, approved: true, by, reason };
    let assessed = vec![initiate.clone(), assess(RiskDecision::Approve)];
    Ok(vec![
        ("initiate", vec![], initiate.clone()),
        ("initiate, a duplicate", paid()?, initiate.clone()),
        ("record risk", vec![initiate.clone()], assess(RiskDecision::Approve)),
        ("decide a review", vec![initiate, assess(RiskDecision::Review)], decide),
        ("submit", assessed, PaymentCommand::Submit { attempt: 1 }),
        ("cancel", submitted(CaptureMode::Automatic)?, PaymentCommand::Cancel { by: Actor::Process, reason: None }),
        ("capture", and(submitted(CaptureMode::Manual)?, &[authorised()]), capture()),
    ])
}

fn reports() -> Result<Cases<PaymentCommand>, TextRefusal> {
    let submitted = submitted(CaptureMode::Manual)?;
    let held = and(submitted.clone(), &[authorised()]);
    let failed = and(submitted.clone(), &[declined()]);
    let channel_trade_no = || Some("ch_2".to_owned());
    let let_go = PaymentCommand::ReleaseLateAuthorisation { attempt: 1, channel_trade_no: "ch_1".into() };
    let capture_id = CaptureId::derive(payment_id(), 1);
    let source = Source::Capture { attempt: 1, capture_id };
    let asked = and(held.clone(), &[capture()]);
    let not_captured = Report::CaptureDeclined { capture_id: CaptureId::new(number(1)), decline: Decline::Other };
    Ok(vec![
        ("report authorised", submitted.clone(), authorised()),
        ("report captured", self::submitted(CaptureMode::Automatic)?, captured()),
        ("report captured, doubled", paid()?, captured()),
        ("report declined", submitted.clone(), declined()),
        ("report unknown", submitted, tell(Report::Unknown)),
        ("report voided", held.clone(), tell(Report::Voided { channel_trade_no: None })),
        ("report another let go", held.clone(), tell(Report::Voided { channel_trade_no: channel_trade_no() })),
        ("report expired", held, tell(Report::Expired { channel_trade_no: None })),
        ("report a capture declined", asked, tell(not_captured)),
        ("report authorised late", failed.clone(), authorised()),
        ("report captured late", failed.clone(), captured()),
        ("release a late authorisation", and(failed.clone(), &[authorised()]), let_go),
        ("return suspense", and(failed, &[captured()]), PaymentCommand::ReturnSuspense { source, effective_at: at() }),
    ])
}

fn refunds() -> Result<Cases<PaymentCommand>, TextRefusal> {
    let (reason, refund_id, effective_at) = (why()?, RefundId::new(number(7)), at());
    let reserve = |id, amount| PaymentCommand::ReserveRefund {
        refund_id: RefundId::new(number(id)),
        amount: usd(amount),
        by: Actor::Merchant(merchant()),
        reason: reason.clone(),
    };
    let confirm = PaymentCommand::ConfirmRefund { refund_id, effective_at };
    let release = PaymentCommand::ReleaseRefund { refund_id, reason: reason.clone() };
    let bounce = PaymentCommand::BounceRefund { refund_id, effective_at };
    let hundred: Vec<_> = (0..100).map(|id| reserve(id, 50)).collect();
    let refunded = and(paid()?, &hundred);
    Ok(vec![
        ("reserve a refund", paid()?, reserve(1_000, 5_000)),
        ("reserve a refund after a hundred", refunded.clone(), reserve(1_000, 50)),
        ("reserve a refund, too much", refunded.clone(), reserve(1_000, 9_000)),
        ("confirm a refund", refunded.clone(), confirm.clone()),
        ("release a refund", refunded.clone(), release),
        ("bounce a refund", and(refunded.clone(), &[confirm]), bounce.clone()),
        ("bounce a refund never confirmed", refunded, bounce),
    ])
}

fn disputes_and_settling() -> Result<Cases<PaymentCommand>, TextRefusal> {
    let (dispute_id, effective_at) = (DisputeId::new(number(1)), at());
    let open = PaymentCommand::OpenDispute { attempt: 1, dispute_id, amount: usd(1), effective_at };
    let close = |outcome| PaymentCommand::CloseDispute { dispute_id, outcome, effective_at };
    let disputed = and(paid()?, std::slice::from_ref(&open));
    let lost = and(disputed.clone(), &[close(DisputeOutcome::Lost)]);
    Ok(vec![
        ("open a dispute", paid()?, open),
        ("close a dispute", disputed, close(DisputeOutcome::Lost)),
        ("close a dispute won after all", lost, close(DisputeOutcome::Won)),
        ("settle", paid()?, PaymentCommand::Settle { into: destination(), effective_at }),
    ])
}
