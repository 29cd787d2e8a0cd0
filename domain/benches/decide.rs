//! How long one decision takes, on a stream some way along: none above 2 µs.
#![expect(clippy::print_stdout, reason = "a bench says what it measured")]

use std::{collections::BTreeSet, hint::black_box, process::ExitCode, time::Instant};

use chrono::{DateTime, Utc};
use domain::{
    account::Account,
    actor::Actor,
    adjustment::{self, Adjustment, AdjustmentCommand},
    aggregate::Aggregate,
    channel::Channel,
    currency::Currency,
    fact::Fact,
    fee::{FeeOnRefund, FeePlan},
    free_text::{FreeText, OrderNo, TextRefusal},
    id::{
        AdjustmentId, ApiKeyId, CaptureId, DisputeId, FundsId, MerchantId, OperatorId, OrderId, PaymentId, PayoutId,
        RefundId, RemittanceId, SagaId, SettlementId,
    },
    merchant::{self, Merchant, MerchantCommand},
    money::{BasisPoints, Money},
    operator::{self, Operator, OperatorCommand},
    order::{Order, OrderCommand, event::Item, event::Placed},
    payment::{
        Agreed, Initiate, Payment, PaymentCommand, Report, attempt::CaptureMode, attempt::Decline, event::Purpose,
    },
    refund::{Refund, RefundCommand, event::Requested},
    remittance::{self, Remittance, RemittanceCommand},
    risk::{Assessment, RiskDecision, Score},
    saga::{
        Saga, SagaCommand,
        event::Started,
        step::{Start, Way},
    },
    sealed::Sealed,
    settled_funds::{
        SettledFunds, SettledFundsCommand,
        event::{Opened, Source},
    },
    settlement::{self, Settlement, SettlementCommand, event::Destination},
    terms::Terms,
};
use uuid::Uuid;

const CEILING_NS: u128 = 2_000;
const ROUNDS: u32 = 50_000;

fn main() -> Result<ExitCode, TextRefusal> {
    let slowest = [
        slowest::<Merchant>(merchant_stream()?),
        slowest::<Order>(order()?),
        slowest::<Payment>(payment()?),
        slowest::<Refund>(refund()?),
        slowest::<Settlement>(settlement()),
        slowest::<SettledFunds>(funds()),
        slowest::<Remittance>(remittance()),
        slowest::<Adjustment>(adjustment()?),
        slowest::<Operator>(operator()?),
        slowest::<Saga>(saga()),
    ];
    let measured: BTreeSet<&str> = slowest.iter().map(|(aggregate, _)| *aggregate).collect();
    let forgotten: Vec<&str> =
        Fact::TYPES.iter().map(|(aggregate, _)| *aggregate).filter(|aggregate| !measured.contains(aggregate)).collect();
    let slowest = slowest.iter().map(|(_, nanoseconds)| *nanoseconds).max().unwrap_or(u128::MAX);
    println!("slowest decision: {slowest} ns; ceiling {CEILING_NS} ns; not measured: {forgotten:?}");
    Ok(if slowest <= CEILING_NS && forgotten.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The aggregate, and the slowest of its decisions: there is at least one.
fn slowest<A: Aggregate>(cases: Cases<A::Command>) -> (&'static str, u128) {
    let measured = cases.iter().map(|(name, given, command)| measure::<A>(name, given, command));
    (A::TYPE, measured.max().unwrap_or(u128::MAX))
}

/// Nanoseconds per decision of a command on the state the given commands leave.
fn measure<A: Aggregate>(name: &str, given: &[A::Command], command: &A::Command) -> u128 {
    let mut state = A::default();
    for command in given {
        for event in state.decide(command).unwrap_or_default() {
            state.apply(&event);
        }
    }
    let answer = match state.decide(command) {
        Ok(events) => format!("{} events", events.len()),
        Err(refusal) => refusal.to_string(),
    };
    // The best of several runs: a neighbour on the machine makes a run slower, nothing makes one faster.
    let runs = (0..5).map(|_| {
        let begun = Instant::now();
        for _ in 0..ROUNDS {
            drop(black_box(black_box(&state).decide(black_box(command))));
        }
        begun.elapsed().as_nanos() / u128::from(ROUNDS)
    });
    let best = runs.min().unwrap_or(u128::MAX);
    println!("{best:>6} ns  {:<14} {name:<32} {answer}", A::TYPE);
    best
}

/// A name, what was commanded before, and the command that is measured.
type Cases<C> = Vec<(&'static str, Vec<C>, C)>;

fn at() -> DateTime<Utc> {
    DateTime::from_timestamp_nanos(1_767_225_600_000_000_000)
}

fn usd(amount_minor: i64) -> Money {
    Money::new(amount_minor, Currency::USD)
}

fn number(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn merchant() -> MerchantId {
    MerchantId::new(number(1))
}

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

fn payment() -> Result<Cases<PaymentCommand>, TextRefusal> {
    let (manual, reason) = (initiate(CaptureMode::Manual)?, FreeText::parse("too small")?);
    let initiate = initiate(CaptureMode::Automatic)?;
    let reasons = vec!["night".to_owned()];
    let score = Score::try_from(5).unwrap_or_else(|_| unreachable!());
    let assessment = Assessment { score, decision: RiskDecision::Approve, reasons, rules_version: 1 };
    let assess = PaymentCommand::RecordRisk { attempt: 1, assessment };
    let submit = PaymentCommand::Submit { attempt: 1 };
    let tell = |report| PaymentCommand::Report { attempt: 1, report };
    let authorised =
        tell(Report::Authorised { amount: usd(10_000), channel_trade_no: "ch_1".into(), effective_at: at() });
    let captured = tell(Report::Captured {
        capture_id: CaptureId::derive(payment_id(), 1),
        amount: usd(10_000),
        channel_trade_no: "ch_1".into(),
        effective_at: at(),
    });
    let reserve = |id, amount| PaymentCommand::ReserveRefund {
        refund_id: RefundId::new(number(id)),
        amount: usd(amount),
        by: Actor::Merchant(merchant()),
        reason: reason.clone(),
    };
    let confirm = PaymentCommand::ConfirmRefund { refund_id: RefundId::new(number(7)), effective_at: at() };
    let bounce = PaymentCommand::BounceRefund { refund_id: RefundId::new(number(7)), effective_at: at() };
    let release = PaymentCommand::ReleaseRefund { refund_id: RefundId::new(number(7)), reason: reason.clone() };
    let dispute = PaymentCommand::OpenDispute {
        attempt: 1,
        dispute_id: DisputeId::new(number(1)),
        amount: usd(1),
        effective_at: at(),
    };
    let settle = PaymentCommand::Settle { into: destination(), effective_at: at() };
    let capture = PaymentCommand::Capture { capture_id: CaptureId::new(number(1)), amount: usd(10_000) };
    let submitted = vec![initiate.clone(), assess.clone(), submit.clone()];
    let held = vec![manual, assess.clone(), submit.clone(), authorised.clone()];
    let paid: Vec<_> = submitted.iter().cloned().chain([captured.clone()]).collect();
    let refunded: Vec<_> = paid.iter().cloned().chain((0..100).map(|id| reserve(id, 50))).collect();
    let confirmed: Vec<_> = refunded.iter().cloned().chain([confirm.clone()]).collect();
    Ok(vec![
        ("initiate", vec![], initiate.clone()),
        ("initiate, a duplicate", paid.clone(), initiate.clone()),
        ("record risk", vec![initiate.clone()], assess.clone()),
        ("submit", vec![initiate, assess], submit),
        ("report authorised", submitted.clone(), authorised),
        ("report captured", submitted.clone(), captured.clone()),
        ("report captured, doubled", paid.clone(), captured),
        ("report declined", submitted.clone(), tell(Report::Declined { decline: Decline::CardDeclined })),
        ("report unknown", submitted.clone(), tell(Report::Unknown)),
        ("report voided", held.clone(), tell(Report::Voided { channel_trade_no: None })),
        ("capture", held, capture),
        ("cancel", submitted, PaymentCommand::Cancel { by: Actor::Process, reason: None }),
        ("reserve a refund", paid.clone(), reserve(1_000, 5_000)),
        ("reserve a refund after a hundred", refunded.clone(), reserve(1_000, 50)),
        ("reserve a refund, too much", refunded.clone(), reserve(1_000, 9_000)),
        ("confirm a refund", refunded.clone(), confirm),
        ("release a refund", refunded, release),
        ("bounce a refund", confirmed, bounce),
        ("open a dispute", paid.clone(), dispute),
        ("settle", paid, settle),
    ])
}

fn order() -> Result<Cases<OrderCommand>, TextRefusal> {
    let order_no = OrderNo::parse("ORDER-1")?;
    let place = OrderCommand::Place(Box::new(Placed {
        order_id: OrderId::derive(merchant(), true, order_no.as_str()),
        merchant_id: merchant(),
        livemode: true,
        order_no,
        items: vec![Item { name: FreeText::parse("tea")?, quantity: 2, unit_price_minor: 5_000 }],
        tax_minor: 0,
        shipping_minor: 0,
        total: usd(10_000),
    }));
    let pay = OrderCommand::MarkPaid {
        payment_id: PaymentId::new(number(1)),
        capture_id: CaptureId::new(number(1)),
        amount: usd(10_000),
    };
    Ok(vec![("place", vec![], place.clone()), ("mark paid", vec![place], pay)])
}

fn refund() -> Result<Cases<RefundCommand>, TextRefusal> {
    let request = RefundCommand::Request(Box::new(Requested {
        refund_id: RefundId::new(number(1)),
        payment_id: PaymentId::new(number(1)),
        merchant_id: merchant(),
        livemode: true,
        channel: Channel::Stripe,
        amount: usd(5_000),
        reason: FreeText::parse("too small")?,
    }));
    let succeed = RefundCommand::ReportSucceeded { channel_refund_no: "re_1".into() };
    Ok(vec![
        ("request", vec![], request.clone()),
        ("send", vec![request.clone()], RefundCommand::Send),
        ("report succeeded", vec![request, RefundCommand::Send], succeed),
    ])
}

fn saga() -> Cases<SagaCommand> {
    let start = SagaCommand::Start(Box::new(Started {
        saga_id: SagaId::derive("take_payment", "PAY1/1"),
        process: "take_payment".into(),
        business_id: "PAY1".into(),
        business_type: "payment".into(),
        merchant_id: Some(merchant()),
        livemode: true,
    }));
    let step = SagaCommand::StartStep(Box::new(Start {
        step: 1,
        way: Way::Forward,
        try_no: 1,
        name: "ChannelPayment".into(),
        partner_key: Some("PAY1/1/channel".into()),
        retries_max: 3,
        due_at: at(),
    }));
    let succeed = SagaCommand::SucceedStep { step: 1, way: Way::Forward, result: "captured".into() };
    vec![
        ("start", vec![], start.clone()),
        ("start a step", vec![start.clone()], step.clone()),
        ("succeed a step", vec![start.clone(), step.clone()], succeed.clone()),
        ("complete", vec![start, step, succeed], SagaCommand::Complete),
    ]
}

fn destination() -> Destination {
    let (settlement_id, merchant_id) = (SettlementId::new(number(1)), merchant());
    Destination { settlement_id, merchant_id, livemode: true, currency: Currency::USD }
}

fn funds() -> Cases<SettledFundsCommand> {
    let opened = Opened {
        funds_id: FundsId::derive(merchant(), true, Currency::USD),
        merchant_id: merchant(),
        livemode: true,
        currency: Currency::USD,
    };
    let record = |id| SettledFundsCommand::Record {
        funds: Box::new(opened.clone()),
        source: Source::Payment(PaymentId::new(number(id))),
        amount: usd(100),
    };
    let thousand: Vec<_> = (0..1_000).map(record).collect();
    let reserve = SettledFundsCommand::ReservePayout {
        payout_id: PayoutId::new(number(1)),
        amount: usd(5_000),
        effective_at: at(),
    };
    let made = SettledFundsCommand::ConfirmPayout { payout_id: PayoutId::new(number(1)), effective_at: at() };
    let reserved: Vec<_> = thousand.iter().cloned().chain([reserve.clone()]).collect();
    vec![
        ("record after a thousand", thousand.clone(), record(5_000)),
        ("reserve a payout", thousand, reserve),
        ("confirm a payout", reserved, made),
    ]
}

fn settlement() -> Cases<SettlementCommand> {
    let open = SettlementCommand::Open(Box::new(settlement::event::Opened {
        settlement_id: SettlementId::new(number(1)),
        merchant_id: merchant(),
        livemode: true,
        currency: Currency::USD,
        period: settlement::event::Period { from: at().date_naive(), until: at().date_naive() },
        opened_by: Actor::Process,
        two_people: true,
        threshold_minor: 0,
    }));
    let include = |id| {
        SettlementCommand::IncludePayment(Box::new(settlement::event::PaymentLine {
            settlement_id: SettlementId::new(number(1)),
            merchant_id: merchant(),
            livemode: Some(true),
            payment_id: PaymentId::new(number(id)),
            captured: usd(100),
            fees: usd(3),
            refunds: usd(0),
            disputes: usd(0),
            net: usd(97),
        }))
    };
    let close = SettlementCommand::Close { by: Actor::Process };
    let thousand: Vec<_> = std::iter::once(open.clone()).chain((0..1_000).map(include)).collect();
    vec![
        ("open", vec![], open),
        ("include a payment after a thousand", thousand.clone(), include(5_000)),
        ("close", thousand, close),
    ]
}

fn merchant_stream() -> Result<Cases<MerchantCommand>, TextRefusal> {
    let key = |id, livemode| merchant::event::KeyIssued {
        key_id: ApiKeyId::new(number(id)),
        livemode,
        hash: "a1".into(),
        generation: 1,
    };
    let profile = merchant::event::Profile {
        name: FreeText::parse("Tea House")?,
        contact_name: None,
        email: Sealed::new("c".into(), None),
        phone: None,
    };
    let register = MerchantCommand::Register(Box::new(merchant::event::Registered {
        merchant_id: merchant(),
        profile,
        keys: [key(1, false), key(2, true)],
        by: Actor::Process,
    }));
    let agree = MerchantCommand::AgreeFees {
        channel: Channel::Stripe,
        currency: Currency::USD,
        plan: FeePlan::FREE,
        by: Actor::Process,
    };
    Ok(vec![("register", vec![], register.clone()), ("agree fees", vec![register], agree)])
}

fn adjustment() -> Result<Cases<AdjustmentCommand>, TextRefusal> {
    let propose = AdjustmentCommand::Propose(Box::new(adjustment::event::Proposed {
        adjustment_id: AdjustmentId::new(number(1)),
        livemode: true,
        debit: Account::Bank,
        credit: Account::Suspense,
        amount: usd(500),
        by: OperatorId::new(number(1)),
        reason: FreeText::parse("the bank's mistake")?,
    }));
    let approve = AdjustmentCommand::Approve { by: OperatorId::new(number(2)), effective_at: at() };
    Ok(vec![("propose", vec![], propose.clone()), ("approve", vec![propose], approve)])
}

fn operator() -> Result<Cases<OperatorCommand>, TextRefusal> {
    let enrol = OperatorCommand::Enrol(Box::new(operator::event::Enrolled {
        operator_id: OperatorId::new(number(1)),
        name: Sealed::new("c".into(), None),
        email: Sealed::new("c".into(), None),
        roles: [operator::event::Role::Operator].into(),
        by: None,
    }));
    let dismiss = OperatorCommand::Dismiss { by: OperatorId::new(number(2)), reason: FreeText::parse("left")? };
    Ok(vec![("enrol", vec![], enrol.clone()), ("dismiss", vec![enrol], dismiss)])
}

fn remittance() -> Cases<RemittanceCommand> {
    let record = RemittanceCommand::Record(Box::new(remittance::event::Recorded {
        remittance_id: RemittanceId::new(number(1)),
        channel: Channel::Stripe,
        livemode: true,
        gross: usd(10_000),
        fee: usd(250),
        net: usd(9_750),
        effective_at: at(),
    }));
    vec![("record", vec![], record)]
}
