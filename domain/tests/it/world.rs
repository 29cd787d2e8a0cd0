//! A small world of payments, adjustments, settlements and the funds they come to.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use domain::{
    account::Account,
    actor::Actor,
    adjustment::{Adjustment, AdjustmentCommand, event::Proposed},
    aggregate::{Aggregate, Event},
    currency::Currency,
    fee::{FeeOnRefund, FeePlan},
    free_text::FreeText,
    id::{AdjustmentId, DisputeId, MerchantId, OperatorId, PaymentId, PayoutId, RefundId, SettlementId},
    money::{BasisPoints, Money},
    payment::{Payment, PaymentCommand, attempt::CaptureMode, dispute::DisputeOutcome, event::PaymentEvent},
    posting::Posting,
    risk::RiskDecision,
    settled_funds::{
        SettledFunds, SettledFundsCommand,
        event::{Entry, SettledFundsEvent, Source},
    },
    settlement::{
        Settlement, SettlementCommand,
        event::{CarryOver, Destination, Opened, PaymentLine, Period, SettlementEvent},
    },
};
use proptest::prelude::*;
use uuid::Uuid;

mod ending;

use crate::{
    commands::payment::{assess, captured, initiate},
    histories::Books,
};

/// What happens, by small numbers: which payment, adjustment or settlement, and which of its parts.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    Capture { payment: usize, amount_minor: i64 },
    Settle { payment: usize, settlement: usize },
    Refund { payment: usize, part: u128, amount_minor: i64 },
    Bounce { payment: usize, part: u128 },
    Dispute { payment: usize, part: u128, amount_minor: i64 },
    CloseDispute { payment: usize, part: u128, won: bool },
    Adjust { number: usize, way: usize, amount_minor: i64 },
    Reverse { number: usize },
    Assign { nth: usize, settlement: usize },
    Close { settlement: usize },
    PayOut { settlement: usize },
    Evidence { payout: usize, what: usize },
    Reopen { settlement: usize },
    CarryOver { settlement: usize },
    Tell,
}

pub(crate) fn acts() -> impl Strategy<Value = Vec<Act>> {
    let (payment, settlement, part) = (|| 0_usize..3, || 0_usize..3, || 0_u128..2);
    let amount = || prop::sample::select(vec![1_000_i64, 400, 300, 999, 37]);
    let act = prop_oneof![
        4 => (payment(), amount()).prop_map(|(payment, amount_minor)| Act::Capture { payment, amount_minor }),
        5 => (payment(), settlement()).prop_map(|(payment, settlement)| Act::Settle { payment, settlement }),
        4 => (payment(), part(), amount())
            .prop_map(|(payment, part, amount_minor)| Act::Refund { payment, part, amount_minor }),
        2 => (payment(), part()).prop_map(|(payment, part)| Act::Bounce { payment, part }),
        2 => (payment(), part(), amount())
            .prop_map(|(payment, part, amount_minor)| Act::Dispute { payment, part, amount_minor }),
        2 => (payment(), part(), any::<bool>())
            .prop_map(|(payment, part, won)| Act::CloseDispute { payment, part, won }),
        2 => (0_usize..3, 0_usize..4, amount())
            .prop_map(|(number, way, amount_minor)| Act::Adjust { number, way, amount_minor }),
        2 => (0_usize..3).prop_map(|number| Act::Reverse { number }),
        4 => (0_usize..4, settlement()).prop_map(|(nth, settlement)| Act::Assign { nth, settlement }),
        5 => settlement().prop_map(|settlement| Act::Close { settlement }),
        5 => settlement().prop_map(|settlement| Act::PayOut { settlement }),
        6 => (0_usize..3, 0_usize..3).prop_map(|(payout, what)| Act::Evidence { payout, what }),
        2 => settlement().prop_map(|settlement| Act::Reopen { settlement }),
        3 => settlement().prop_map(|settlement| Act::CarryOver { settlement }),
        2 => Just(Act::Tell),
    ];
    // What usually happens first, so that what follows meets money on its way.
    let beginning = [
        Act::Capture { payment: 0, amount_minor: 1_000 },
        Act::Settle { payment: 0, settlement: 0 },
        Act::Close { settlement: 0 },
        Act::PayOut { settlement: 0 },
    ];
    // Or too little for a payout, which is carried over.
    let small = [
        Act::Capture { payment: 1, amount_minor: 37 },
        Act::Settle { payment: 1, settlement: 0 },
        Act::Close { settlement: 0 },
        Act::CarryOver { settlement: 0 },
    ];
    (prop::sample::select(vec![beginning, small]), 0..=4_usize, prop::collection::vec(act, 0..40))
        .prop_map(move |(first, length, more)| first.into_iter().take(length).chain(more).collect())
}

pub(crate) fn merchant(number: u128) -> MerchantId {
    MerchantId::new(Uuid::from_u128(number))
}

fn usd(amount_minor: i64) -> Money {
    Money::new(amount_minor, Currency::USD)
}

fn at() -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_225_600, 0).unwrap()
}

fn text() -> FreeText {
    FreeText::parse("because").unwrap()
}

fn person(number: u128) -> OperatorId {
    OperatorId::new(Uuid::from_u128(number))
}

fn numbered(kind: u128, number: usize, part: u128) -> Uuid {
    Uuid::from_u128(kind * 10_000 + u128::try_from(number).unwrap() * 100 + part)
}

fn settlement_id(number: usize) -> SettlementId {
    SettlementId::new(numbered(5, number, 0))
}

fn destination(number: usize) -> Destination {
    let (settlement_id, merchant_id) = (settlement_id(number), merchant(1));
    Destination { settlement_id, merchant_id, livemode: true, currency: Currency::USD }
}

/// Less is carried over.
const THRESHOLD_MINOR: i64 = 50;

/// Merchant 1 takes the payments and is settled; merchant 2 is there to be confused with.
pub(crate) struct World {
    pub(crate) books: Books,
    pub(crate) settlements: Vec<Settlement>,
    pub(crate) reached: BTreeSet<String>,
    payments: Vec<Payment>,
    adjustments: Vec<Adjustment>,
    funds: BTreeMap<MerchantId, SettledFunds>,
    /// Payouts and whose they are.
    payouts: Vec<(PayoutId, usize)>,
    tell_late: bool,
    untold: Vec<SettledFundsCommand>,
    told: Vec<SettledFundsCommand>,
    /// Every source of merchant 1 with its amount, and those a settlement included.
    sources: BTreeMap<Source, i128>,
    included: BTreeSet<Source>,
    /// For a settlement that may be closed and not take it yet.
    lines_on_the_way: Vec<PaymentLine>,
    entries_on_the_way: Vec<Entry>,
    carried_on_the_way: Vec<CarryOver>,
    /// How often each settlement was carried over.
    carried_count: Vec<u32>,
}

/// Decides, applies and enters; what is refused changes nothing.
fn act<A: Aggregate>(
    state: &mut A,
    command: &A::Command,
    posting: fn(&A::Event) -> Posting,
    books: &mut Books,
    reached: &mut BTreeSet<String>,
) -> Vec<A::Event> {
    let events = state.decide(command).unwrap_or_default();
    for event in &events {
        state.apply(event);
        books.enter(&posting(event));
        reached.insert(format!("{}.{}", A::TYPE, event.event_type()));
    }
    events
}

fn opened(number: usize) -> Settlement {
    let mut settlement = Settlement::default();
    let opening = SettlementCommand::Open(Box::new(Opened {
        settlement_id: settlement_id(number),
        merchant_id: merchant(1),
        livemode: true,
        currency: Currency::USD,
        period: Period { from: at().date_naive(), until: at().date_naive() },
        opened_by: Actor::Process,
        two_people: true,
        threshold_minor: THRESHOLD_MINOR,
    }));
    settlement.decide(&opening).unwrap().iter().for_each(|event| settlement.apply(event));
    settlement
}

impl World {
    pub(crate) fn new(tell_late: bool) -> Self {
        Self {
            books: Books::default(),
            settlements: (0..3).map(opened).collect(),
            reached: BTreeSet::new(),
            payments: vec![Payment::default(); 3],
            adjustments: vec![Adjustment::default(); 3],
            funds: BTreeMap::new(),
            payouts: Vec::new(),
            tell_late,
            untold: Vec::new(),
            told: Vec::new(),
            sources: BTreeMap::new(),
            included: BTreeSet::new(),
            lines_on_the_way: Vec::new(),
            entries_on_the_way: Vec::new(),
            carried_on_the_way: Vec::new(),
            carried_count: vec![0; 3],
        }
    }

    pub(crate) fn play(&mut self, what: &Act) {
        match *what {
            Act::Capture { payment, amount_minor } => {
                let rate = BasisPoints::new(290).unwrap();
                let on_refund = if payment == 0 { FeeOnRefund::Kept } else { FeeOnRefund::Returned };
                let plan = FeePlan { rate, fixed_minor: 30, minimum_minor: 0, maximum_minor: None, on_refund };
                let amount = usd(amount_minor);
                self.pay(payment, &initiate(amount, plan, CaptureMode::Automatic));
                self.pay(payment, &assess(1, RiskDecision::Approve));
                self.pay(payment, &PaymentCommand::Submit { attempt: 1 });
                self.pay(payment, &captured(1, 1, amount));
            }
            Act::Settle { payment, settlement } => {
                self.pay(payment, &PaymentCommand::Settle { into: destination(settlement), effective_at: at() });
            }
            Act::Refund { payment, part, amount_minor } => {
                let refund_id = RefundId::new(numbered(1, payment, part));
                let (amount, by) = (usd(amount_minor), Actor::Process);
                self.pay(payment, &PaymentCommand::ReserveRefund { refund_id, amount, by, reason: text() });
                self.pay(payment, &PaymentCommand::ConfirmRefund { refund_id, effective_at: at() });
            }
            Act::Bounce { payment, part } => {
                let refund_id = RefundId::new(numbered(1, payment, part));
                self.pay(payment, &PaymentCommand::BounceRefund { refund_id, effective_at: at() });
            }
            Act::Dispute { payment, part, amount_minor } => {
                let (dispute_id, amount) = (DisputeId::new(numbered(2, payment, part)), usd(amount_minor));
                self.pay(payment, &PaymentCommand::OpenDispute { attempt: 1, dispute_id, amount, effective_at: at() });
            }
            Act::CloseDispute { payment, part, won } => {
                let dispute_id = DisputeId::new(numbered(2, payment, part));
                let outcome = if won { DisputeOutcome::Won } else { DisputeOutcome::Lost };
                self.pay(payment, &PaymentCommand::CloseDispute { dispute_id, outcome, effective_at: at() });
            }
            Act::Adjust { number, way, amount_minor } => self.propose(number, way, amount_minor),
            Act::Reverse { number } => {
                let (by, effective_at) = (person(1), at());
                let reverse = AdjustmentCommand::ApproveReversal { by, effective_at, closed_through: None };
                self.adjust(number, &AdjustmentCommand::ProposeReversal { by: person(2), reason: text() });
                self.adjust(number, &reverse);
            }
            Act::Assign { nth, settlement } => self.assign(nth, settlement),
            Act::Close { settlement } => {
                self.settle(settlement, &SettlementCommand::Close { by: Actor::Process });
                self.settle(settlement, &SettlementCommand::Approve { by: Actor::Operator(person(2)) });
            }
            Act::PayOut { settlement } => self.pay_out(settlement),
            Act::Evidence { payout, what } => self.hear(payout, what),
            Act::Reopen { settlement } => {
                self.settle(settlement, &SettlementCommand::Reopen { by: Actor::Process, reason: text() });
                self.bring();
            }
            Act::CarryOver { settlement } => {
                self.carry_over(settlement, (settlement + 1) % 3);
            }
            Act::Tell => self.tell_all(),
        }
    }

    fn pay(&mut self, number: usize, command: &PaymentCommand) {
        let events =
            act(&mut self.payments[number], command, PaymentEvent::posting, &mut self.books, &mut self.reached);
        let payment_id = PaymentId::new(numbered(3, number, 0));
        for event in events {
            self.hear_of(SettledFundsCommand::of_payment(payment_id, true, &event));
            if let PaymentEvent::Settled(settled) = event {
                self.lines_on_the_way.push(PaymentLine::of(payment_id, true, &settled));
                self.bring();
            }
        }
    }

    fn propose(&mut self, number: usize, way: usize, amount_minor: i64) {
        let available = |number| Account::MerchantAvailable(merchant(number));
        let (debit, credit) = [
            (available(1), Account::Suspense),
            (Account::Suspense, available(1)),
            (available(1), available(2)),
            (available(2), Account::MerchantPending(merchant(1))),
        ][way];
        let proposal = Box::new(Proposed {
            adjustment_id: AdjustmentId::new(numbered(4, number, 0)),
            livemode: true,
            debit,
            credit,
            amount: usd(amount_minor),
            by: person(1),
            reason: text(),
            effective_at: None,
        });
        self.adjust(number, &AdjustmentCommand::Propose { proposal, closed_through: None });
        let approve = AdjustmentCommand::Approve { by: person(2), effective_at: at(), closed_through: None };
        self.adjust(number, &approve);
    }

    fn adjust(&mut self, number: usize, command: &AdjustmentCommand) {
        let adjustment = &mut self.adjustments[number];
        let posting = domain::adjustment::event::AdjustmentEvent::posting;
        for event in act(adjustment, command, posting, &mut self.books, &mut self.reached) {
            self.hear_of(SettledFundsCommand::of_adjustment(true, &event));
        }
    }

    /// What came of an event of another stream: told at once, or when somebody gets to it.
    fn hear_of(&mut self, commands: Vec<SettledFundsCommand>) {
        for command in &commands {
            if let SettledFundsCommand::Record { funds, source, amount } = command
                && funds.merchant_id == merchant(1)
            {
                self.sources.insert(*source, i128::from(amount.amount_minor));
            }
        }
        self.untold.extend(commands);
        if !self.tell_late {
            self.tell_all();
        }
    }

    pub(crate) fn tell_all(&mut self) {
        for command in std::mem::take(&mut self.untold) {
            self.tell(&command);
            self.told.push(command);
        }
    }

    /// Delivery is at least once.
    pub(crate) fn tell_all_again(&mut self) {
        for command in self.told.clone() {
            self.tell(&command);
        }
    }

    fn tell(&mut self, command: &SettledFundsCommand) {
        let SettledFundsCommand::Record { funds, .. } = command else { panic!("{command:?}") };
        let stream = self.funds.entry(funds.merchant_id).or_default();
        assert!(stream.decide(command).is_ok(), "{command:?}: {:?}", stream.decide(command));
        act(stream, command, SettledFundsEvent::posting, &mut self.books, &mut self.reached);
    }

    fn command_funds(&mut self, command: &SettledFundsCommand) -> Vec<SettledFundsEvent> {
        let stream = self.funds.entry(merchant(1)).or_default();
        act(stream, command, SettledFundsEvent::posting, &mut self.books, &mut self.reached)
    }

    /// A source that may be an entry comes into the settlement that it is assigned to, if any.
    fn assign(&mut self, nth: usize, settlement: usize) {
        let Some(source) = self.not_included().get(nth).copied() else { return };
        self.assign_source(source, settlement);
    }

    fn assign_source(&mut self, source: Source, settlement: usize) {
        let command = SettledFundsCommand::AssignEntry { source, into: destination(settlement) };
        for event in self.command_funds(&command) {
            if let SettledFundsEvent::EntryAssigned(entry) = event {
                self.entries_on_the_way.push(*entry);
                self.bring();
            }
        }
    }

    fn not_included(&self) -> Vec<Source> {
        self.sources.keys().filter(|source| !self.included.contains(source)).copied().collect()
    }

    fn settle(&mut self, number: usize, command: &SettlementCommand) -> Vec<SettlementEvent> {
        let settlement = &mut self.settlements[number];
        let posting = |event: &SettlementEvent| event.posting();
        let events = act(settlement, command, posting, &mut self.books, &mut self.reached);
        for event in &events {
            match event {
                SettlementEvent::PaymentIncluded(line) => {
                    assert!(self.included.insert(Source::Payment(line.payment_id)), "{line:?}");
                    self.lines_on_the_way.retain(|other| other != line.as_ref());
                }
                SettlementEvent::EntryIncluded(entry) => {
                    assert!(self.included.insert(entry.source), "{entry:?}");
                    self.entries_on_the_way.retain(|other| other != entry.as_ref());
                }
                SettlementEvent::CarriedOver(carried) => self.carried_on_the_way.push(carried.as_ref().clone()),
                SettlementEvent::CarryOverIncluded(carried) => {
                    self.carried_on_the_way.retain(|other| other != carried.as_ref());
                }
                _ => {}
            }
        }
        events
    }

    /// Every settlement is asked to take what is on its way; the one it is for does, while it is open.
    fn bring(&mut self) {
        let lines = self.lines_on_the_way.iter().cloned().map(Box::new).map(SettlementCommand::IncludePayment);
        let entries = self.entries_on_the_way.iter().cloned().map(Box::new).map(SettlementCommand::IncludeEntry);
        let carried = self.carried_on_the_way.iter().cloned().map(Box::new).map(SettlementCommand::IncludeCarryOver);
        for command in lines.chain(entries).chain(carried).collect::<Vec<_>>() {
            for settlement in 0..self.settlements.len() {
                self.settle(settlement, &command);
            }
        }
    }

    fn carry_over(&mut self, settlement: usize, into: usize) -> Vec<SettlementEvent> {
        let number = self.carried_count[settlement] + 1;
        let events = self.settle(settlement, &SettlementCommand::CarryOver { number, into: destination(into) });
        self.carried_count[settlement] += u32::from(!events.is_empty());
        self.bring();
        events
    }

    /// A payout is started where the funds can bear it.
    fn pay_out(&mut self, settlement: usize) {
        let payout_id = PayoutId::new(numbered(6, settlement, u128::try_from(self.payouts.len()).unwrap()));
        let start = SettlementCommand::StartPayout { payout_id };
        let decided = self.settlements[settlement].decide(&start).unwrap_or_default();
        let Some(SettlementEvent::PayoutStarted { amount, .. }) = decided.first() else { return };
        let reserve = SettledFundsCommand::ReservePayout { payout_id, amount: *amount, effective_at: at() };
        if !self.command_funds(&reserve).is_empty() {
            self.settle(settlement, &start);
            self.payouts.push((payout_id, settlement));
        }
    }

    fn hear(&mut self, payout: usize, what: usize) {
        let Some((payout_id, settlement)) = self.payouts.iter().rev().nth(payout).copied() else { return };
        let effective_at = at();
        let (funds, report) = match what {
            0 => (
                SettledFundsCommand::ConfirmPayout { payout_id, effective_at },
                SettlementCommand::ReportPaidOut { payout_id },
            ),
            1 => (
                SettledFundsCommand::ReleasePayout { payout_id, effective_at },
                SettlementCommand::ReportPayoutFailed { payout_id, reason: text() },
            ),
            _ => (
                SettledFundsCommand::ReturnPayout { payout_id, effective_at },
                SettlementCommand::ReportPayoutReturned { payout_id, reason: text() },
            ),
        };
        self.command_funds(&funds);
        self.settle(settlement, &report);
    }

    /// Available and reserved, as settled funds say.
    pub(crate) fn funds_of(&self, number: u128) -> (i128, i128) {
        let funds = self.funds.get(&merchant(number));
        let minor = |money: Option<Money>| money.map_or(0, |money| i128::from(money.amount_minor));
        (minor(funds.and_then(SettledFunds::available)), minor(funds.and_then(SettledFunds::reserved)))
    }

    pub(crate) fn untold_minor(&self, number: u128) -> i128 {
        let amount = |command: &SettledFundsCommand| match command {
            SettledFundsCommand::Record { funds, amount, .. } if funds.merchant_id == merchant(number) => {
                i128::from(amount.amount_minor)
            }
            _ => 0,
        };
        self.untold.iter().map(amount).sum()
    }

    pub(crate) fn not_included_minor(&self) -> i128 {
        self.sources.iter().filter(|(source, _)| !self.included.contains(source)).map(|(_, amount)| amount).sum()
    }

    pub(crate) fn carried_on_the_way_minor(&self) -> i128 {
        self.carried_on_the_way.iter().map(|carried| i128::from(carried.amount.amount_minor)).sum()
    }
}
