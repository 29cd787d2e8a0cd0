//! How payments, refunds and keyed requests ended: the business in figures.
//!
//! What is a fact of the log is counted by whoever listens to what this process wrote, and what was decided without an
//! event where it is decided. So each is counted by one process, once; where they all begin again at nothing with their
//! process, the readers of such counters know how to add them up.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use domain::{channel::Channel, currency::Currency, money::Money, payment::Payment};
use event_store::{Answer, Failure, Outcome};
use gate::Call;
use meters::{Counter, Histogram, REQUEST_TIMES, SECONDS};
use serde_json::Value;

use crate::{
    routes::Api,
    tenant::{World, stream},
};

mod page;

/// In major units.
const AMOUNTS: [u64; 10] = [1, 10, 50, 100, 500, 1_000, 5_000, 10_000, 50_000, 100_000];

/// Operations whose requests are timed, with the words of their routes.
const OPERATIONS: [(&str, (&str, &str)); 4] = [
    ("create", ("payment", "create")),
    ("capture", ("payment", "capture")),
    ("cancel", ("payment", "cancel")),
    ("refund", ("refund", "create")),
];

/// Payments of one channel and currency.
pub struct OfPayments {
    /// First captures.
    pub success: Counter,
    /// Attempts the channel declined.
    pub failed: Counter,
    /// Asked for again under another key.
    pub duplicate: Counter,
    pub risk_rejected: Counter,
    /// What was captured, in minor units.
    pub amount: Histogram,
}

/// Refunds of one currency.
pub struct OfRefunds {
    pub success: Counter,
    pub failed: Counter,
    pub invalid_status: Counter,
    pub invalid_amount: Counter,
    pub amount_exceeded: Counter,
    /// Made by the channel and not to be booked against a capture: in suspense.
    pub partial_success: Counter,
    pub amount: Histogram,
}

/// All of it, for one process.
pub struct Tally {
    currencies: Vec<Currency>,
    payments: Vec<OnceLock<Box<OfPayments>>>,
    refunds: Vec<OnceLock<Box<OfRefunds>>>,
    /// Operation by operation, those that succeeded and those that failed.
    took: Vec<(Histogram, Histogram)>,
    keyed: Counter,
    replayed: Counter,
    reused: Counter,
    in_flight: Counter,
}

/// As what the outcome of a request is counted.
#[derive(Clone, Debug)]
pub(crate) enum Counted {
    Nothing,
    Payment(Channel, Currency),
    /// The stream of the payment.
    Refund(Arc<str>),
}

impl Default for Tally {
    fn default() -> Self {
        let mut currencies: Vec<Currency> = Currency::all().collect();
        currencies.sort_unstable();
        let took = || Histogram::new(&REQUEST_TIMES, SECONDS);
        Self {
            payments: (0..currencies.len().saturating_mul(Channel::ALL.len())).map(|_cell| OnceLock::new()).collect(),
            refunds: currencies.iter().map(|_currency| OnceLock::new()).collect(),
            currencies,
            took: OPERATIONS.iter().map(|_operation| (took(), took())).collect(),
            keyed: Counter::default(),
            replayed: Counter::default(),
            reused: Counter::default(),
            in_flight: Counter::default(),
        }
    }
}

impl Tally {
    /// From the first payment on, each way it may end has its series: the first that fails is seen as one more.
    pub fn payments(&self, channel: Channel, currency: Currency) -> Option<&OfPayments> {
        let row = Channel::ALL.iter().position(|known| *known == channel)?;
        let column = self.currencies.binary_search(&currency).ok()?;
        let cell = self.payments.get(row.checked_mul(self.currencies.len())?.checked_add(column)?)?;
        self.refunds(currency)?;
        Some(cell.get_or_init(|| Box::new(OfPayments::of(currency))))
    }

    pub fn refunds(&self, currency: Currency) -> Option<&OfRefunds> {
        let cell = self.refunds.get(self.currencies.binary_search(&currency).ok()?)?;
        Some(cell.get_or_init(|| Box::new(OfRefunds::of(currency))))
    }

    /// A request was answered.
    pub(crate) fn took(&self, words: (&str, &str), is_success: bool, time: Duration) {
        let Some(at) = OPERATIONS.iter().position(|(_name, known)| *known == words) else { return };
        if let Some((success, failed)) = self.took.get(at) {
            let ended = if is_success { success } else { failed };
            ended.took(time);
        }
    }

    fn came_under_a_key(&self, outcome: &Result<Outcome, Failure>) {
        self.keyed.add(1);
        match outcome {
            Ok(Outcome::Replayed { .. }) => self.replayed.add(1),
            Ok(Outcome::KeyReused) => self.reused.add(1),
            Ok(Outcome::InFlight) => self.in_flight.add(1),
            Ok(Outcome::Accepted { .. } | Outcome::Refused { .. } | Outcome::VersionMismatch { .. }) | Err(_) => {}
        }
    }
}

impl OfPayments {
    fn of(currency: Currency) -> Self {
        let [success, failed, duplicate, risk_rejected] = Default::default();
        Self { success, failed, duplicate, risk_rejected, amount: amounts(currency) }
    }
}

impl OfRefunds {
    fn of(currency: Currency) -> Self {
        let [success, failed, invalid_status, invalid_amount, amount_exceeded, partial_success] = Default::default();
        let amount = amounts(currency);
        Self { success, failed, invalid_status, invalid_amount, amount_exceeded, partial_success, amount }
    }
}

fn amounts(currency: Currency) -> Histogram {
    let unit = 10_u64.saturating_pow(currency.exponent().into());
    Histogram::new(&AMOUNTS.map(|major| major.saturating_mul(unit)), currency.exponent())
}

/// An amount as it is observed.
pub(crate) fn minor(money: Money) -> u64 {
    u64::try_from(money.amount_minor).unwrap_or_default()
}

impl OfPayments {
    pub fn captured(&self, money: Money) {
        self.amount.observe(minor(money));
    }
}

impl OfRefunds {
    pub fn confirmed(&self, money: Money) {
        self.success.add(1);
        self.amount.observe(minor(money));
    }

    fn refused(&self, code: &str) {
        match code {
            "refund_amount_exceeded" => self.amount_exceeded.add(1),
            "amount_not_positive" | "currency_mismatch" => self.invalid_amount.add(1),
            _ => self.invalid_status.add(1),
        }
    }
}

impl Counted {
    /// Counts what became of a request. A refusal says nothing of a payment that is not the caller's.
    pub(crate) async fn count(&self, api: &Api, outcome: &Result<Outcome, Failure>) {
        api.tally.came_under_a_key(outcome);
        match (self, outcome) {
            (Self::Payment(channel, currency), Ok(Outcome::Accepted { events, .. })) => {
                if let Some(payments) = api.tally.payments(*channel, *currency)
                    && *events == 0
                {
                    payments.duplicate.add(1);
                }
            }
            (Self::Refund(payment), Ok(Outcome::Refused { answer, .. })) => {
                let code = code(answer);
                if code != "payment_absent"
                    && let Some(refunds) = refunds_of(api, payment).await
                {
                    refunds.refused(&code);
                }
            }
            (Self::Nothing | Self::Payment(..) | Self::Refund(_), _) => {}
        }
    }
}

fn code(answer: &Answer) -> String {
    let problem: Value = serde_json::from_str(&answer.body).unwrap_or_default();
    problem.get("code").and_then(Value::as_str).unwrap_or_default().to_owned()
}

async fn refunds_of<'a>(api: &'a Api, payment: &Arc<str>) -> Option<&'a OfRefunds> {
    let (payment, _version) = api.gate.store.read::<Payment>(payment).await.ok()?;
    api.tally.refunds(payment.agreement()?.amount.currency)
}

/// A refund of no amount there is, of a payment that may be the caller's.
pub(crate) async fn count_bad_amount(api: &Api, call: &Call) {
    let Some(text) = call.body.get("payment_no").and_then(Value::as_str) else { return };
    let Ok(Some((id, world))) = World::of_payment_named(api, call, text).await else { return };
    let Ok((payment, _version)) = api.gate.store.read::<Payment>(&stream(id)).await else { return };
    let currency =
        payment.agreement().filter(|_agreed| world.has_payment(&payment)).map(|agreed| agreed.amount.currency);
    if let Some(refunds) = currency.and_then(|currency| api.tally.refunds(currency)) {
        refunds.invalid_amount.add(1);
    }
}
