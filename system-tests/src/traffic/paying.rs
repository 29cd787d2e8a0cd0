//! One purchase from its order to its end: order, payment and saga, step by step.

use chrono::{DateTime, TimeDelta, Utc};
use domain::actor::Actor;
use domain::channel::Channel;
use domain::currency::Currency;
use domain::free_text::OrderNo;
use domain::id::{CaptureId, DisputeId, MerchantId, OrderId, PaymentId, RefundId, SagaId};
use domain::money::Money;
use domain::order::event::{Item, Placed};
use domain::order::{Order, OrderCommand};
use domain::payment::attempt::{CaptureMode, Decline};
use domain::payment::dispute::DisputeOutcome;
use domain::payment::event::Purpose;
use domain::payment::origin::Origin;
use domain::payment::{Agreed, Initiate, Payment, PaymentCommand, Report};
use domain::refund::event::Requested;
use domain::refund::{Refund, RefundCommand};
use domain::risk::{Assessment, RiskDecision, Score};
use domain::saga::event::Started;
use domain::saga::step::{Start, Way};
use domain::saga::{Saga, SagaCommand};
use uuid::Uuid;

use super::Problem;
use super::chance::Chance;
use super::pen::Pen;
use super::people::{Shop, TERMS, sealed, text};
use super::settling::DueKey;

pub(super) struct Purchase {
    payment: Payment,
    order: Order,
    saga: Saga,
    refund: Refund,
    pub(super) payment_id: PaymentId,
    order_no: String,
    pub(super) merchant: MerchantId,
    pub(super) livemode: bool,
    pub(super) amount: Money,
    pub(super) channel: Channel,
    items: usize,
    ending: Ending,
    next: usize,
    acts: &'static [Act],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Paid,
    Declined,
    Rejected,
    Refunded,
    Disputed,
}

#[derive(Clone, Copy, Debug)]
enum Act {
    Order(OrderAct),
    Payment(PaymentAct),
    Saga(SagaAct),
    Refund(RefundAct),
}

#[derive(Clone, Copy, Debug)]
enum OrderAct {
    Place,
    MarkPaid,
    RecordRefund,
}

#[derive(Clone, Copy, Debug)]
enum PaymentAct {
    Initiate,
    Assess,
    Submit,
    Capture,
    Decline,
    Reserve,
    Confirm,
    Dispute,
    CloseDispute,
}

#[derive(Clone, Copy, Debug)]
enum SagaAct {
    Start,
    StartStep,
    SucceedStep,
    FailStep,
    Complete,
}

#[derive(Clone, Copy, Debug)]
enum RefundAct {
    Request,
    Send,
    Succeed,
}

const REJECTED: [Act; 4] = [
    Act::Order(OrderAct::Place),
    Act::Payment(PaymentAct::Initiate),
    Act::Saga(SagaAct::Start),
    Act::Payment(PaymentAct::Assess),
];
const SUBMITTED: [Act; 6] = joined(REJECTED, [Act::Saga(SagaAct::StartStep), Act::Payment(PaymentAct::Submit)]);
const PAID: [Act; 10] = joined(
    SUBMITTED,
    [
        Act::Payment(PaymentAct::Capture),
        Act::Saga(SagaAct::SucceedStep),
        Act::Order(OrderAct::MarkPaid),
        Act::Saga(SagaAct::Complete),
    ],
);
const DECLINED: [Act; 8] = joined(SUBMITTED, [Act::Payment(PaymentAct::Decline), Act::Saga(SagaAct::FailStep)]);
const REFUNDED: [Act; 16] = joined(
    PAID,
    [
        Act::Payment(PaymentAct::Reserve),
        Act::Refund(RefundAct::Request),
        Act::Refund(RefundAct::Send),
        Act::Refund(RefundAct::Succeed),
        Act::Payment(PaymentAct::Confirm),
        Act::Order(OrderAct::RecordRefund),
    ],
);
const DISPUTED: [Act; 12] = joined(PAID, [Act::Payment(PaymentAct::Dispute), Act::Payment(PaymentAct::CloseDispute)]);

const fn joined<const A: usize, const B: usize, const C: usize>(first: [Act; A], then: [Act; B]) -> [Act; C] {
    let mut all = [Act::Order(OrderAct::Place); C];
    let (mut before, mut after) = (first.as_slice(), then.as_slice());
    let mut left = all.as_mut_slice();
    while let Some((place, rest)) = left.split_first_mut() {
        left = rest;
        if let Some((act, rest)) = before.split_first() {
            *place = *act;
            before = rest;
        } else if let Some((act, rest)) = after.split_first() {
            *place = *act;
            after = rest;
        }
    }
    all
}

impl Purchase {
    pub(super) fn new(shop: &Shop, number: u64, chance: &mut Chance) -> Self {
        let code = chance.pick(&[(50, "USD"), (25, "EUR"), (10, "JPY"), (8, "GBP"), (4, "KWD"), (3, "BTC")], "USD");
        let currency = code.parse().unwrap_or(Currency::USD);
        let channels = [(50, Channel::Stripe), (20, Channel::Paypal), (20, Channel::Alipay), (5, Channel::Crypto)];
        // What is only a test goes through the sandbox, and nothing else does.
        let livemode = !chance.percent(5);
        let order_no = format!("ORDER-{number}");
        let endings = [
            (890, Ending::Paid),
            (60, Ending::Declined),
            (15, Ending::Rejected),
            (30, Ending::Refunded),
            (5, Ending::Disputed),
        ];
        let ending = chance.pick(&endings, Ending::Paid);
        let acts: &[Act] = match ending {
            Ending::Paid => &PAID,
            Ending::Declined => &DECLINED,
            Ending::Rejected => &REJECTED,
            Ending::Refunded => &REFUNDED,
            Ending::Disputed => &DISPUTED,
        };
        Self {
            payment: Payment::default(),
            order: Order::default(),
            saga: Saga::default(),
            refund: Refund::default(),
            payment_id: PaymentId::derive(shop.id, livemode, &order_no),
            order_no,
            merchant: shop.id,
            livemode,
            amount: Money::new(chance.between(500, 50_000), currency),
            channel: if livemode { chance.pick(&channels, Channel::Stripe) } else { Channel::Sandbox },
            items: 1 + chance.below(3),
            ending,
            next: 0,
            acts,
        }
    }

    /// The next act; whether it was the last.
    pub(super) fn step(&mut self, pen: &mut Pen, chance: &mut Chance) -> Result<bool, Problem> {
        let act = *self.acts.get(self.next).ok_or("it is over")?;
        self.next += 1;
        match act {
            Act::Order(act) => self.order(act, pen)?,
            Act::Payment(act) => self.pay(act, pen, chance)?,
            Act::Saga(act) => self.saga(act, pen)?,
            Act::Refund(act) => self.refund(act, pen)?,
        }
        Ok(self.next >= self.acts.len())
    }

    /// The payment, for its settlement, if it took money.
    pub(super) fn into_due(self) -> Option<(DueKey, (PaymentId, Payment))> {
        let key = (self.merchant, self.amount.currency, self.livemode);
        self.took_money().then_some((key, (self.payment_id, self.payment)))
    }

    pub(super) const fn took_money(&self) -> bool {
        !matches!(self.ending, Ending::Declined | Ending::Rejected)
    }

    const fn whose(&self) -> (Option<Uuid>, Option<bool>) {
        (Some(self.merchant.uuid()), Some(self.livemode))
    }

    fn refund_id(&self) -> RefundId {
        RefundId::asked_for("traffic", &self.order_no)
    }

    fn capture_id(&self) -> CaptureId {
        CaptureId::derive(self.payment_id, 1)
    }

    /// Half of it, for every second order.
    const fn refunded(&self) -> Money {
        let half = self.items.is_multiple_of(2);
        Money::new(if half { self.amount.amount_minor / 2 } else { self.amount.amount_minor }, self.amount.currency)
    }

    fn pay(&mut self, act: PaymentAct, pen: &mut Pen, chance: &mut Chance) -> Result<(), Problem> {
        let (attempt, by, effective_at) = (1, Actor::Process, effective(pen.now, chance));
        let command = match act {
            PaymentAct::Initiate => self.initiate(chance)?,
            PaymentAct::Assess => PaymentCommand::RecordRisk { attempt, assessment: self.assessment(chance)? },
            PaymentAct::Submit => PaymentCommand::Submit { attempt },
            PaymentAct::Capture => PaymentCommand::Report {
                attempt,
                report: Report::Captured {
                    capture_id: self.capture_id(),
                    amount: self.amount,
                    channel_trade_no: format!("ch_{}", chance.letters(24)),
                    effective_at,
                },
            },
            PaymentAct::Decline => {
                let declines = [(5, Decline::CardDeclined), (3, Decline::InsufficientFunds), (1, Decline::ExpiredCard)];
                let decline = chance.pick(&declines, Decline::Other);
                PaymentCommand::Report { attempt, report: Report::Declined { decline } }
            }
            PaymentAct::Reserve => {
                let (refund_id, amount, reason) = (self.refund_id(), self.refunded(), text("changed their mind")?);
                PaymentCommand::ReserveRefund { refund_id, amount, by, reason }
            }
            PaymentAct::Dispute => PaymentCommand::OpenDispute {
                attempt,
                dispute_id: self.dispute_id(),
                amount: self.amount,
                effective_at,
            },
            PaymentAct::CloseDispute => {
                let outcome = if self.items == 1 { DisputeOutcome::Won } else { DisputeOutcome::Lost };
                PaymentCommand::CloseDispute { dispute_id: self.dispute_id(), outcome, effective_at }
            }
            PaymentAct::Confirm => PaymentCommand::ConfirmRefund { refund_id: self.refund_id(), effective_at },
        };
        let (id, whose) = (self.payment_id.to_string(), self.whose());
        pen.tell(&mut self.payment, &id, whose, &command).map(drop)
    }

    fn dispute_id(&self) -> DisputeId {
        DisputeId::new(self.payment_id.uuid())
    }

    fn initiate(&self, chance: &mut Chance) -> Result<PaymentCommand, Problem> {
        let order_no = OrderNo::parse(&self.order_no).map_err(|refusal| refusal.to_string())?;
        let agreed = Agreed {
            payment_id: self.payment_id,
            merchant_id: self.merchant,
            livemode: self.livemode,
            order_no,
            amount: self.amount,
        };
        let method = chance.pick(&[(70, "card"), (20, "wallet"), (10, "bank_transfer")], "card");
        let purpose = Purpose {
            subject: Some(text("What was bought")?),
            description: None,
            customer_email: (!chance.percent(30)).then(|| sealed(chance, 110)),
            callback_url: Some("https://shop.example/paid".to_owned()),
            return_url: None,
            metadata: [(text("cart")?, text(&self.order_no)?)].into(),
        };
        Ok(PaymentCommand::Initiate(Box::new(Initiate {
            agreed,
            channel: self.channel,
            capture_mode: CaptureMode::Automatic,
            method: Some(text(method)?),
            purpose,
            origin: Origin::default(),
            terms: TERMS,
        })))
    }

    fn assessment(&self, chance: &mut Chance) -> Result<Assessment, Problem> {
        let (low, decision) = match self.ending {
            Ending::Rejected => (80, RiskDecision::Reject),
            Ending::Paid | Ending::Declined | Ending::Refunded | Ending::Disputed => (0, RiskDecision::Approve),
        };
        let score = Score::new(u8::try_from(low + chance.between(0, 20))?).ok_or("a score")?;
        Ok(Assessment { score, decision, reasons: Vec::new(), rules_version: 1 })
    }

    fn order(&mut self, act: OrderAct, pen: &mut Pen) -> Result<(), Problem> {
        let order_id = OrderId::derive(self.merchant, self.livemode, &self.order_no);
        let (refund_id, amount) = (self.refund_id(), self.refunded());
        let (payment_id, capture_id) = (self.payment_id, self.capture_id());
        let command = match act {
            OrderAct::MarkPaid => OrderCommand::MarkPaid { payment_id, capture_id, amount: self.amount },
            OrderAct::RecordRefund => OrderCommand::RecordRefund { refund_id, amount },
            OrderAct::Place => OrderCommand::Place(Box::new(self.placed(order_id)?)),
        };
        let (id, whose) = (order_id.to_string(), self.whose());
        pen.tell(&mut self.order, &id, whose, &command).map(drop)
    }

    fn placed(&self, order_id: OrderId) -> Result<Placed, Problem> {
        let shares = self.amount.split(self.items)?;
        let item = |(n, share): (usize, &Money)| {
            Ok(Item { name: text(&format!("Thing {n}"))?, quantity: 1, unit_price_minor: share.amount_minor })
        };
        Ok(Placed {
            order_id,
            merchant_id: self.merchant,
            livemode: self.livemode,
            order_no: OrderNo::parse(&self.order_no).map_err(|refusal| refusal.to_string())?,
            items: shares.iter().enumerate().map(item).collect::<Result<_, Problem>>()?,
            tax_minor: 0,
            shipping_minor: 0,
            total: self.amount,
        })
    }

    fn saga(&mut self, act: SagaAct, pen: &mut Pen) -> Result<(), Problem> {
        let saga_id = SagaId::derive("payment", &self.payment_id.to_string());
        let (step, way) = (1, Way::Forward);
        let command = match act {
            SagaAct::Start => SagaCommand::Start(Box::new(Started {
                saga_id,
                process: "payment".to_owned(),
                business_id: self.payment_id.to_string(),
                business_type: "payment".to_owned(),
                merchant_id: Some(self.merchant),
                livemode: self.livemode,
            })),
            SagaAct::StartStep => SagaCommand::StartStep(Box::new(Start {
                step,
                way,
                try_no: 1,
                name: "ChannelPayment".to_owned(),
                partner_key: Some(format!("{}-1-channel", self.payment_id)),
                retries_max: 3,
                due_at: pen.now + TimeDelta::minutes(5),
            })),
            SagaAct::FailStep => {
                SagaCommand::FailStep { step, way, try_no: 1, error: "the channel declined".to_owned() }
            }
            SagaAct::Complete => SagaCommand::Complete,
            SagaAct::SucceedStep => SagaCommand::SucceedStep { step, way, result: "captured".to_owned() },
        };
        let (id, whose) = (saga_id.to_string(), self.whose());
        pen.tell(&mut self.saga, &id, whose, &command).map(drop)
    }

    fn refund(&mut self, act: RefundAct, pen: &mut Pen) -> Result<(), Problem> {
        let refund_id = self.refund_id();
        let command = match act {
            RefundAct::Request => RefundCommand::Request(Box::new(Requested {
                refund_id,
                payment_id: self.payment_id,
                merchant_id: self.merchant,
                livemode: self.livemode,
                channel: self.channel,
                amount: self.refunded(),
                reason: text("changed their mind")?,
            })),
            RefundAct::Send => RefundCommand::Send,
            RefundAct::Succeed => RefundCommand::ReportSucceeded {
                channel_refund_no: format!("re_{}", self.order_no),
                effective_at: None,
            },
        };
        let (id, whose) = (refund_id.to_string(), self.whose());
        pen.tell(&mut self.refund, &id, whose, &command).map(drop)
    }
}

/// Mostly some seconds before it is written down; now and then days.
pub(super) fn effective(now: DateTime<Utc>, chance: &mut Chance) -> DateTime<Utc> {
    let late = if chance.percent(4) { chance.between(3_600, 4 * 86_400) } else { chance.between(0, 5) };
    now - TimeDelta::seconds(late)
}
