//! What comes of a request, and what may happen to it later: pure.

use chrono::{DateTime, Utc};
use domain::{channel::Channel as Name, currency::Currency, payment::attempt::Decline};
use uuid::Uuid;

use super::{
    entry::{Deed, Later, Turn},
    ledger::{Ledger, Trade},
};
use crate::{
    partners::exponents,
    request::Kind,
    sandbox::{
        protocol::{Answer, Order, State},
        settings::Settings,
        token::Token,
    },
};

/// A request that is none: nothing is done, and nothing is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sandbox) enum Nonsense {
    KeyReused,
    Incomplete(&'static str),
}

/// Larger amounts are declined, so that sums of thousands of them stay within 64 bits.
const AMOUNT_MAX: i64 = 1_000_000_000_000_000;

/// A trade is known by its key, so that books that forgot it (in memory) give it the same number again.
const NUMBERS: Uuid = Uuid::from_u128(0x9c1f_6f7e_50c4_5b0e_a3b5_6f0e_2c38_17d4);

pub(in crate::sandbox) fn number(prefix: &str, parts: &[&str]) -> String {
    format!("{prefix}_{}", Uuid::new_v5(&NUMBERS, parts.join("\n").as_bytes()).simple())
}

pub(super) fn decide(
    ledger: &Ledger,
    kind: Kind,
    key: &str,
    order: Order,
    settings: &Settings,
    at: DateTime<Utc>,
) -> Result<Deed, Nonsense> {
    let case = Case { ledger, kind, key, settings, at };
    let (answer, later) = match kind {
        Kind::Authorise => case.authorise(&order)?,
        Kind::Capture => case.capture(&order)?,
        Kind::Void => case.void(&order)?,
        Kind::Refund => case.refund(&order)?,
        Kind::PayOut => case.pay_out(&order)?,
    };
    let fee_minor =
        whole(ledger.channel, answer.currency.as_deref(), settings.fee.of(answer.captured_minor.unwrap_or_default()));
    Ok(Deed { channel: ledger.channel, kind, key: key.to_owned(), order, answer, fee_minor, later })
}

/// What the channel keeps is money: where it counts in more decimals than the currency has, it keeps whole units.
fn whole(channel: Name, currency: Option<&str>, amount_minor: i64) -> i64 {
    let Some(currency) = currency.and_then(|code| code.parse::<Currency>().ok()) else { return amount_minor };
    let more = exponents(channel).of(currency).saturating_sub(currency.exponent());
    let unit = 10_i64.saturating_pow(u32::from(more));
    amount_minor - amount_minor % unit
}

type Decided = Result<(Answer, Option<Later>), Nonsense>;

struct Case<'c> {
    ledger: &'c Ledger,
    kind: Kind,
    key: &'c str,
    settings: &'c Settings,
    at: DateTime<Utc>,
}

impl Case<'_> {
    fn authorise(&self, order: &Order) -> Decided {
        if order.payment_id.is_none() || order.attempt.is_none() {
            return Err(Nonsense::Incomplete("payment_id and attempt"));
        }
        let (amount, token) = (amount(order)?, Token::of(order.method.as_deref()));
        if amount > AMOUNT_MAX {
            return Ok((self.declined(order, Decline::Other), None));
        }
        let captured = order.capture_id.map(|_| captured(token, amount));
        let mut answer = Answer { captured_minor: captured, ..self.answer(order, State::Succeeded, "txn") };
        let later = match token {
            Token::Declined(decline) => {
                answer = self.declined(order, decline);
                None
            }
            Token::LateSuccess => {
                answer.state = State::Declined;
                answer.decline = Some(Decline::ProcessingError);
                Some(self.afterwards(Turn::Succeeded))
            }
            Token::ThreeDSecure => {
                answer.state = State::RequiresAction;
                let late = self.settings.timing.authentication;
                Some(Later { at: self.at + late, turn: Turn::Declined(Decline::AuthenticationFailed) })
            }
            Token::Approved
            | Token::Disputed
            | Token::NotReceived
            | Token::Inquiry
            | Token::EarlyFraudWarning
            | Token::RefundPending
            | Token::RefundBounces
            | Token::TimeoutThenApproved
            | Token::TimeoutThenAbsent
            | Token::DuplicateReport
            | Token::ReportBeforeAnswer
            | Token::PartialCapture
            | Token::PartialCaptureKept
            | Token::RefundRefused
            | Token::Flaky => match captured {
                Some(_) => self.after_capture(token),
                None => Some(Later { at: self.at + self.settings.timing.authorisation, turn: Turn::Expired }),
            },
        };
        Ok((answer, later))
    }

    fn capture(&self, order: &Order) -> Decided {
        let amount = amount(order)?;
        if order.capture_id.is_none() {
            return Err(Nonsense::Incomplete("capture_id"));
        }
        match self.trade(order)? {
            Some((number, trade)) if amount <= trade.remaining_minor() && same_currency(order, trade) => {
                let captured_minor = Some(captured(trade.token, amount));
                let no = Some(number.to_owned());
                let answer = Answer { captured_minor, no, ..self.answer(order, State::Succeeded, "txn") };
                Ok((answer, self.after_capture(trade.token)))
            }
            Some(_) | None => Ok((self.declined(order, Decline::Other), None)),
        }
    }

    fn void(&self, order: &Order) -> Decided {
        let Some((number, trade)) = self.trade(order)? else {
            return Ok((self.declined(order, Decline::Other), None));
        };
        let waiting = self.ledger.opened_by(number).is_some_and(|deed| deed.answer.state == State::RequiresAction);
        if trade.remaining_minor() == 0 && !waiting {
            return Ok((self.declined(order, Decline::Other), None));
        }
        let answer = Answer { no: Some(number.to_owned()), ..self.answer(order, State::Succeeded, "txn") };
        Ok((answer, None))
    }

    fn refund(&self, order: &Order) -> Decided {
        let amount = amount(order)?;
        if order.refund_id.is_none() {
            return Err(Nonsense::Incomplete("refund_id"));
        }
        let refundable = self.trade(order)?.filter(|(_, trade)| {
            let disputed = trade.disputes.values().any(|open| *open);
            amount <= trade.refundable_minor() && same_currency(order, trade) && !disputed
        });
        let Some((_, trade)) = refundable else {
            return Ok((self.declined(order, Decline::Other), None));
        };
        let (state, later) = match trade.token {
            Token::RefundRefused | Token::PartialCaptureKept => {
                return Ok((self.declined(order, Decline::Other), None));
            }
            Token::RefundPending => (State::Pending, Some(Turn::Succeeded)),
            Token::RefundBounces => (State::Succeeded, Some(Turn::Declined(Decline::Other))),
            Token::Approved | Token::Declined(_) | Token::Disputed | Token::NotReceived | Token::Inquiry => {
                (State::Succeeded, None)
            }
            Token::EarlyFraudWarning | Token::ThreeDSecure | Token::TimeoutThenApproved => (State::Succeeded, None),
            Token::TimeoutThenAbsent | Token::DuplicateReport | Token::ReportBeforeAnswer => (State::Succeeded, None),
            Token::LateSuccess | Token::PartialCapture | Token::Flaky => (State::Succeeded, None),
        };
        Ok((self.answer(order, state, "rfd"), later.map(|turn| self.afterwards(turn))))
    }

    fn pay_out(&self, order: &Order) -> Decided {
        if amount(order)? > AMOUNT_MAX {
            return Ok((self.declined(order, Decline::Other), None));
        }
        if order.payout_id.is_none() || order.merchant_id.is_none() {
            return Err(Nonsense::Incomplete("payout_id and merchant_id"));
        }
        Ok((self.answer(order, State::Succeeded, "pot"), None))
    }

    fn trade(&self, order: &Order) -> Result<Option<(&str, &Trade)>, Nonsense> {
        if order.payment_id.is_none() || order.attempt.is_none() {
            return Err(Nonsense::Incomplete("payment_id and attempt"));
        }
        Ok(self.ledger.trade(order))
    }

    fn answer(&self, order: &Order, state: State, prefix: &str) -> Answer {
        let parts = [self.ledger.channel.name(), self.kind.name(), self.key];
        Answer {
            state,
            no: Some(number(prefix, &parts)),
            amount_minor: order.amount_minor,
            captured_minor: None,
            currency: order.currency.clone(),
            decline: None,
            url: None,
            at: self.at,
        }
    }

    fn declined(&self, order: &Order, decline: Decline) -> Answer {
        Answer { no: None, decline: Some(decline), ..self.answer(order, State::Declined, "txn") }
    }

    fn after_capture(&self, token: Token) -> Option<Later> {
        let turn = match token {
            Token::Disputed | Token::NotReceived => Turn::Disputed,
            Token::Inquiry => Turn::Notice("inquiry".to_owned()),
            Token::EarlyFraudWarning => Turn::Notice("early_fraud_warning".to_owned()),
            Token::Approved | Token::Declined(_) | Token::RefundPending | Token::RefundBounces => return None,
            Token::ThreeDSecure | Token::TimeoutThenApproved | Token::TimeoutThenAbsent => return None,
            Token::DuplicateReport | Token::ReportBeforeAnswer | Token::LateSuccess => return None,
            Token::PartialCapture | Token::PartialCaptureKept | Token::RefundRefused | Token::Flaky => return None,
        };
        Some(self.afterwards(turn))
    }

    fn afterwards(&self, turn: Turn) -> Later {
        Later { at: self.at + self.settings.timing.afterwards, turn }
    }
}

/// Positive, of a currency there is.
fn amount(order: &Order) -> Result<i64, Nonsense> {
    let known = order.currency.as_deref().is_some_and(|code| code.parse::<Currency>().is_ok());
    let amount = order.amount_minor.filter(|amount| *amount > 0);
    amount.filter(|_| known).ok_or(Nonsense::Incomplete("amount_minor and currency"))
}

fn same_currency(order: &Order, trade: &Trade) -> bool {
    order.currency.as_deref() == Some(&trade.currency)
}

const fn captured(token: Token, amount: i64) -> i64 {
    if matches!(token, Token::PartialCapture | Token::PartialCaptureKept) { amount - amount / 2 } else { amount }
}

/// Whether this can happen to it, as it stands.
pub(super) fn may_turn(ledger: &Ledger, deed: &Deed, turn: &Turn) -> bool {
    let trade_no = deed.answer.no.as_ref().filter(|_| matches!(deed.kind, Kind::Authorise | Kind::Capture));
    let order = Order { trade_no: trade_no.cloned(), ..deed.order.clone() };
    let trade = ledger.trade(&order).map(|(_, trade)| trade);
    let planned = deed.later.as_ref().is_some_and(|later| later.turn == *turn);
    let state = deed.answer.state;
    match (turn, deed.kind) {
        (Turn::Succeeded, Kind::Authorise) => {
            let open = state == State::RequiresAction || (state == State::Declined && planned);
            open && trade.is_some_and(|trade| !trade.released)
        }
        (Turn::Succeeded, Kind::Refund) => state == State::Pending,
        (Turn::Declined(_), Kind::Authorise) => state == State::RequiresAction,
        (Turn::Declined(_), Kind::Refund) => matches!(state, State::Pending | State::Succeeded),
        (Turn::Expired, Kind::Authorise) => trade.is_some_and(|trade| trade.remaining_minor() > 0),
        (Turn::Disputed, Kind::Authorise | Kind::Capture) => {
            let captured = state == State::Succeeded && deed.answer.captured_minor.is_some();
            captured && trade.is_some_and(|trade| !trade.disputes.contains_key(&deed.key))
        }
        (Turn::DisputeWon | Turn::DisputeLost, Kind::Authorise | Kind::Capture) => {
            trade.is_some_and(|trade| trade.disputes.get(&deed.key) == Some(&true))
        }
        (Turn::Notice(_), Kind::Authorise | Kind::Capture) => planned,
        (Turn::Returned, Kind::PayOut) => state == State::Succeeded,
        (Turn::Succeeded | Turn::Declined(_), Kind::Capture | Kind::Void | Kind::PayOut) => false,
        (Turn::Expired, Kind::Capture | Kind::Void | Kind::Refund | Kind::PayOut) => false,
        (Turn::Disputed | Turn::DisputeWon | Turn::DisputeLost, Kind::Void | Kind::Refund | Kind::PayOut) => false,
        (Turn::Notice(_), Kind::Void | Kind::Refund | Kind::PayOut) => false,
        (Turn::Returned, Kind::Authorise | Kind::Capture | Kind::Void | Kind::Refund) => false,
    }
}
