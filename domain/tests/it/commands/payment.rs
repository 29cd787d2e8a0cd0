//! Payments: some way along at first, then anything from anybody.

use domain::{
    channel::Channel,
    fee::FeePlan,
    free_text::OrderNo,
    id::{CaptureId, DisputeId, MerchantId, PaymentId, RefundId, SettlementId},
    payment::{
        Agreed, Initiate, PaymentCommand, Report,
        attempt::{CaptureMode, Decline},
        dispute::DisputeOutcome,
        event::{Purpose, Route},
        origin::Origin,
        suspense::Source,
        taken_over::TakenOver,
    },
    risk::{Assessment, RiskDecision, Score},
    settlement::event::Destination,
    terms::Terms,
};

use super::*;

pub(crate) fn merchant() -> MerchantId {
    MerchantId::new(Uuid::from_u128(1))
}

pub(crate) fn initiate(amount: Money, fee_plan: FeePlan, capture_mode: CaptureMode) -> PaymentCommand {
    let order_no = OrderNo::parse("ORDER-1").unwrap();
    let payment_id = PaymentId::derive(merchant(), true, order_no.as_str());
    PaymentCommand::Initiate(Box::new(Initiate {
        agreed: Agreed { payment_id, merchant_id: merchant(), livemode: true, order_no, amount },
        channel: Channel::Stripe,
        capture_mode,
        method: None,
        purpose: Purpose::default(),
        origin: Origin::default(),
        terms: Terms {
            merchant_active: true,
            channel_allowed: true,
            currency_allowed: true,
            payment_limit_minor: None,
            fee_plan: Some(fee_plan),
        },
    }))
}

/// As it stood elsewhere: a sum or two may not add up.
pub(crate) fn taken_over(whole: i64) -> impl Strategy<Value = PaymentCommand> {
    let part = move || prop_oneof![4 => Just(0), 3 => Just(whole), 3 => Just(whole / 3), 1 => minor()];
    let sums = (part(), part(), part(), part());
    (sums, fee_plan(), any::<bool>(), word()).prop_map(
        move |((captured, fees, refunded, fees_returned), plan, is_settled, source)| {
            take_over(whole, [captured, fees, refunded, fees_returned], plan, is_settled, &source)
        },
    )
}

pub(crate) fn take_over(
    whole: i64,
    [captured, fees, refunded, fees_returned]: [i64; 4],
    fee_plan: FeePlan,
    is_settled: bool,
    source: &str,
) -> PaymentCommand {
    let order_no = OrderNo::parse("ORDER-1").unwrap();
    let money = |minor| Money::new(minor, Currency::USD);
    let at = DateTime::from_timestamp(1_767_225_600, 0).unwrap();
    let capture_mode = if captured == 0 { CaptureMode::Manual } else { CaptureMode::Automatic };
    PaymentCommand::TakeOver(Box::new(TakenOver {
        payment_id: PaymentId::derive(merchant(), true, order_no.as_str()),
        merchant_id: merchant(),
        livemode: true,
        order_no,
        amount: money(whole),
        route: Route { channel: Channel::Stripe, capture_mode, fee_plan, method: None },
        purpose: Purpose::default(),
        old_no: "P-1".to_owned(),
        source: source.to_owned(),
        channel_trade_no: "ch".to_owned(),
        captured: money(captured),
        fees: money(fees),
        refunded: money(refunded),
        fees_returned: money(fees_returned),
        is_settled,
        occurred_at: at,
        effective_at: at,
    }))
}

pub(crate) fn assess(attempt: u32, decision: RiskDecision) -> PaymentCommand {
    let score = Score::new(10).unwrap();
    PaymentCommand::RecordRisk {
        attempt,
        assessment: Assessment { score, decision, reasons: vec![], rules_version: 1 },
    }
}

pub(crate) fn capture_mode() -> impl Strategy<Value = CaptureMode> {
    prop_oneof![Just(CaptureMode::Automatic), Just(CaptureMode::Manual)]
}

fn attempt() -> impl Strategy<Value = u32> {
    prop_oneof![5 => Just(1_u32), 3 => Just(2), 1 => 3_u32..5]
}

/// The whole, its parts, one too many, and what makes no sense.
fn part_of(whole: i64) -> impl Strategy<Value = Money> {
    let parts =
        vec![whole, whole / 2, whole / 3, whole - whole / 3, 1, whole.saturating_add(1), 0, -1, i64::MAX, i64::MIN];
    let minor = prop_oneof![8 => prop::sample::select(parts), 1 => 1..=whole.max(1)];
    (minor, currency()).prop_map(|(minor, currency)| Money::new(minor, currency))
}

pub(crate) fn report(whole: i64) -> impl Strategy<Value = Report> {
    let decline = Decline::Other;
    prop_oneof![
        3 => (money_or(whole), trade_no(), at()).prop_map(|(amount, channel_trade_no, effective_at)| {
            Report::Authorised { amount, channel_trade_no, effective_at }
        }),
        4 => (number(), part_of(whole), trade_no(), at()).prop_map(|(capture, amount, channel_trade_no, effective_at)| {
            Report::Captured { capture_id: CaptureId::new(capture), amount, channel_trade_no, effective_at }
        }),
        1 => number().prop_map(move |id| Report::CaptureDeclined { capture_id: CaptureId::new(id), decline }),
        2 => Just(Report::Declined { decline }),
        1 => Just(Report::Unknown),
        1 => prop::option::of(trade_no()).prop_map(|channel_trade_no| Report::Voided { channel_trade_no }),
        1 => prop::option::of(trade_no()).prop_map(|channel_trade_no| Report::Expired { channel_trade_no }),
    ]
}

fn trade_no() -> impl Strategy<Value = String> {
    prop_oneof![3 => Just("ch".to_owned()), 1 => word()]
}

fn money_or(whole: i64) -> impl Strategy<Value = Money> {
    prop_oneof![5 => Just(Money::new(whole, Currency::USD)), 1 => part_of(whole)]
}

pub(crate) fn any_command(whole: i64) -> impl Strategy<Value = PaymentCommand> {
    let decision =
        prop_oneof![3 => Just(RiskDecision::Approve), 1 => Just(RiskDecision::Review), 1 => Just(RiskDecision::Reject)];
    prop_oneof![
        2 => (money_or(whole), fee_plan(), capture_mode()).prop_map(|(amount, plan, mode)| initiate(amount, plan, mode)),
        1 => taken_over(whole),
        2 => (attempt(), decision).prop_map(|(attempt, decision)| assess(attempt, decision)),
        1 => (attempt(), any::<bool>(), operator(), text())
            .prop_map(|(attempt, approved, by, reason)| PaymentCommand::DecideReview { attempt, approved, by, reason }),
        1 => attempt().prop_map(|attempt| PaymentCommand::LapseReview { attempt }),
        2 => attempt().prop_map(|attempt| PaymentCommand::Submit { attempt }),
        3 => (number(), part_of(whole))
            .prop_map(|(id, amount)| PaymentCommand::Capture { capture_id: CaptureId::new(id), amount }),
        1 => (actor(), prop::option::of(text())).prop_map(|(by, reason)| PaymentCommand::Cancel { by, reason }),
        6 => (attempt(), report(whole)).prop_map(|(attempt, report)| PaymentCommand::Report { attempt, report }),
        3 => (attempt(), trade_no())
            .prop_map(|(attempt, channel_trade_no)| PaymentCommand::ReleaseLateAuthorisation { attempt, channel_trade_no }),
        1 => (source(), at()).prop_map(|(source, effective_at)| PaymentCommand::ReturnSuspense { source, effective_at }),
        4 => (number(), part_of(whole), actor(), text()).prop_map(|(id, amount, by, reason)| {
            PaymentCommand::ReserveRefund { refund_id: RefundId::new(id), amount, by, reason }
        }),
        3 => (number(), at())
            .prop_map(|(id, effective_at)| PaymentCommand::ConfirmRefund { refund_id: RefundId::new(id), effective_at }),
        1 => (number(), text()).prop_map(|(id, reason)| PaymentCommand::ReleaseRefund { refund_id: RefundId::new(id), reason }),
        1 => (number(), at())
            .prop_map(|(id, effective_at)| PaymentCommand::BounceRefund { refund_id: RefundId::new(id), effective_at }),
        2 => (attempt(), number(), part_of(whole), at()).prop_map(|(attempt, id, amount, effective_at)| {
            PaymentCommand::OpenDispute { attempt, dispute_id: DisputeId::new(id), amount, effective_at }
        }),
        2 => (number(), any::<bool>(), at()).prop_map(|(id, won, effective_at)| {
            let outcome = if won { DisputeOutcome::Won } else { DisputeOutcome::Lost };
            PaymentCommand::CloseDispute { dispute_id: DisputeId::new(id), outcome, effective_at }
        }),
        1 => (number(), prop_oneof![9 => Just(true), 1 => Just(false)], at())
            .prop_map(|(id, livemode, effective_at)| PaymentCommand::Settle { into: into(id, livemode), effective_at }),
    ]
}

fn into(id: Uuid, livemode: bool) -> Destination {
    let (settlement_id, merchant_id) = (SettlementId::new(id), merchant());
    Destination { settlement_id, merchant_id, livemode, currency: Currency::USD }
}

fn source() -> impl Strategy<Value = Source> {
    prop_oneof![
        3 => (attempt(), number())
            .prop_map(|(attempt, id)| Source::Capture { attempt, capture_id: CaptureId::new(id) }),
        1 => number().prop_map(|id| Source::Refund { refund_id: RefundId::new(id) }),
    ]
}

pub(crate) fn captured(attempt: u32, capture: u128, amount: Money) -> PaymentCommand {
    let (capture_id, channel_trade_no) = (CaptureId::new(Uuid::from_u128(capture)), "ch".to_owned());
    let effective_at = DateTime::from_timestamp(1_767_225_600, 0).unwrap();
    PaymentCommand::Report { attempt, report: Report::Captured { capture_id, amount, channel_trade_no, effective_at } }
}

pub(crate) fn authorised(amount: Money) -> PaymentCommand {
    let effective_at = DateTime::from_timestamp(1_767_225_600, 0).unwrap();
    PaymentCommand::Report {
        attempt: 1,
        report: Report::Authorised { amount, channel_trade_no: "ch".into(), effective_at },
    }
}

fn disputed_and_lost(amount: Money) -> [PaymentCommand; 2] {
    let (dispute_id, effective_at) =
        (DisputeId::new(Uuid::from_u128(1)), DateTime::from_timestamp(1_767_225_600, 0).unwrap());
    let outcome = DisputeOutcome::Lost;
    [
        PaymentCommand::OpenDispute { attempt: 1, dispute_id, amount, effective_at },
        PaymentCommand::CloseDispute { dispute_id, outcome, effective_at },
    ]
}

/// What usually happens first, captured at once or in two steps, so that what follows meets a payment some way along.
fn beginning(whole: i64, plan: FeePlan, decision: RiskDecision, at_once: bool) -> Vec<PaymentCommand> {
    let amount = Money::new(whole, Currency::USD);
    let mode = if at_once { CaptureMode::Automatic } else { CaptureMode::Manual };
    let mut commands = vec![initiate(amount, plan, mode), assess(1, decision), PaymentCommand::Submit { attempt: 1 }];
    if at_once {
        commands.push(captured(1, 3, amount));
        commands.extend(disputed_and_lost(Money::new(whole - whole / 3, Currency::USD)));
    } else {
        commands.push(authorised(amount));
        commands.push(PaymentCommand::Capture { capture_id: CaptureId::new(Uuid::from_u128(1)), amount });
    }
    commands
}

pub(crate) fn history() -> impl Strategy<Value = Vec<PaymentCommand>> {
    let whole = prop_oneof![6 => Just(10_000_i64), 2 => 1_i64..100_000, 1 => Just(i64::MAX), 1 => 1..=i64::MAX];
    let decision = prop_oneof![4 => Just(RiskDecision::Approve), 1 => Just(RiskDecision::Review)];
    let begun = (whole, fee_plan(), decision, any::<bool>(), 0_usize..=6, 0_u8..8);
    begun.prop_flat_map(|(whole, plan, decision, at_once, length, elsewhere)| {
        (taken_over(whole), prop::collection::vec(any_command(whole), 0..24)).prop_map(move |(taken_over, more)| {
            // Some began on the platform before.
            let taken_over = (elsewhere == 0).then_some(taken_over);
            let beginning = beginning(whole, plan, decision, at_once);
            taken_over.into_iter().chain(beginning.into_iter().take(length)).chain(more).collect()
        })
    })
}
