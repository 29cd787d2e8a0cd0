//! One channel's books: what was asked and what came of it, by trade, currency and day.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use domain::{
    channel::Channel as Name,
    id::{CaptureId, PaymentId},
};

use super::{
    days::Days,
    entry::{Deed, Entry, Turn, Turned},
    listing::{EffectLine, Listing, Totals, TradeLine},
};
use crate::{
    request::Kind,
    sandbox::{
        protocol::{Booked, Order, State},
        token::Token,
    },
};

pub(super) struct Ledger {
    pub(super) channel: Name,
    deeds: HashMap<String, Deed>,
    trades: BTreeMap<String, Trade>,
    /// The trade of an attempt, for whoever does not know its number yet.
    numbers: HashMap<(PaymentId, u32), String>,
    effects: BTreeMap<String, (Kind, u32)>,
    totals: BTreeMap<String, Totals>,
    pub(super) days: Days,
}

/// What is held of one attempt.
#[derive(Clone, Debug)]
pub(super) struct Trade {
    pub(super) payment_id: PaymentId,
    pub(super) attempt: u32,
    pub(super) currency: String,
    pub(super) token: Token,
    /// The request that opened it.
    pub(super) key: String,
    pub(super) authorised_minor: i64,
    pub(super) captured_minor: i64,
    pub(super) refunded_minor: i64,
    /// Asked to be refunded, and not yet done.
    pub(super) refunding_minor: i64,
    pub(super) released: bool,
    /// The disputes of its captures, by the key of the capture: whether one is open.
    pub(super) disputes: BTreeMap<String, bool>,
    captures: BTreeMap<CaptureId, u32>,
}

impl Trade {
    pub(super) const fn remaining_minor(&self) -> i64 {
        if self.released { 0 } else { self.authorised_minor.saturating_sub(self.captured_minor) }
    }

    pub(super) const fn refundable_minor(&self) -> i64 {
        self.captured_minor.saturating_sub(self.refunded_minor).saturating_sub(self.refunding_minor)
    }
}

/// Money that moved, or was set aside or let go.
enum Move {
    Authorised,
    Captured { amount: i64, fee: i64 },
    Released,
    Refunded(i64),
    PaidOut(i64),
}

impl Ledger {
    pub(super) fn new(channel: Name) -> Self {
        Self {
            channel,
            deeds: HashMap::new(),
            trades: BTreeMap::new(),
            numbers: HashMap::new(),
            effects: BTreeMap::new(),
            totals: BTreeMap::new(),
            days: Days::default(),
        }
    }

    pub(super) fn deed(&self, key: &str) -> Option<&Deed> {
        self.deeds.get(key)
    }

    pub(super) fn deeds(&self) -> impl Iterator<Item = &Deed> {
        self.effects.keys().filter_map(|key| self.deeds.get(key))
    }

    /// By its number, else by whose attempt it is.
    pub(super) fn trade(&self, order: &Order) -> Option<(&str, &Trade)> {
        let attempt = order.payment_id.zip(order.attempt);
        let number = order.trade_no.as_ref().or_else(|| self.numbers.get(&attempt?))?;
        let (number, trade) = self.trades.get_key_value(number)?;
        attempt.is_none_or(|attempt| attempt == (trade.payment_id, trade.attempt)).then_some((number.as_str(), trade))
    }

    pub(super) fn opened_by(&self, trade_no: &str) -> Option<&Deed> {
        self.deeds.get(&self.trades.get(trade_no)?.key)
    }

    pub(super) fn apply(&mut self, entry: &Entry) {
        match entry {
            Entry::Done(deed) => self.apply_deed(deed),
            Entry::Turned(turned) => self.apply_turn(turned),
            Entry::Closed(closed) => self.days.close(closed.date),
        }
    }

    fn apply_deed(&mut self, deed: &Deed) {
        // Counted here and not deduced, so that a second effect would show.
        self.effects.entry(deed.key.clone()).or_insert((deed.kind, 0));
        self.deeds.insert(deed.key.clone(), deed.clone());
        if deed.kind == Kind::Authorise && deed.answer.no.is_some() {
            self.open(deed);
        }
        match deed.answer.state {
            State::Succeeded => self.take_effect(deed, deed.answer.at),
            State::Pending => self.with_trade(deed, |trade, amount| trade.refunding_minor += amount),
            State::Declined | State::RequiresAction | State::NotFound => {}
        }
    }

    fn open(&mut self, deed: &Deed) {
        let (Some(payment_id), Some(attempt)) = (deed.order.payment_id, deed.order.attempt) else { return };
        let trade_no = deed.answer.no.clone().unwrap_or_default();
        let trade = Trade {
            payment_id,
            attempt,
            currency: deed.order.currency.clone().unwrap_or_default(),
            token: Token::of(deed.order.method.as_deref()),
            key: deed.key.clone(),
            authorised_minor: 0,
            captured_minor: 0,
            refunded_minor: 0,
            refunding_minor: 0,
            released: false,
            disputes: BTreeMap::new(),
            captures: BTreeMap::new(),
        };
        self.numbers.insert((payment_id, attempt), trade_no.clone());
        self.trades.insert(trade_no, trade);
    }

    /// The request does what it was for.
    fn take_effect(&mut self, deed: &Deed, at: DateTime<Utc>) {
        if let Some((_, count)) = self.effects.get_mut(&deed.key) {
            *count = count.saturating_add(1);
        }
        let amount = deed.answer.amount_minor.unwrap_or_default();
        let captured = deed.answer.captured_minor.map(|amount| Move::Captured { amount, fee: deed.fee_minor });
        match deed.kind {
            Kind::Authorise => {
                self.with_trade(deed, |trade, amount| trade.authorised_minor += amount);
                self.book(deed, captured.unwrap_or(Move::Authorised), at);
            }
            Kind::Capture => self.book(deed, captured.unwrap_or(Move::Authorised), at),
            Kind::Void => self.book(deed, Move::Released, at),
            Kind::Refund => self.book(deed, Move::Refunded(amount), at),
            Kind::PayOut => self.book(deed, Move::PaidOut(amount), at),
        }
    }

    fn book(&mut self, deed: &Deed, moved: Move, at: DateTime<Utc>) {
        match moved {
            Move::Authorised => {}
            Move::Released => {
                let opened_by = self.trade_of(deed).map(|trade| {
                    trade.released = true;
                    trade.key.clone()
                });
                let waiting = opened_by.and_then(|key| self.deeds.get_mut(&key));
                if let Some(opened) = waiting.filter(|opened| opened.answer.state == State::RequiresAction) {
                    // Nobody waits for the customer any more.
                    opened.answer.state = State::Declined;
                    opened.answer.decline = Some(domain::payment::attempt::Decline::AuthenticationFailed);
                }
            }
            Move::Captured { amount, fee } => {
                let capture_id = deed.order.capture_id;
                self.with_trade(deed, |trade, _| {
                    trade.captured_minor += amount;
                    if let Some(capture_id) = capture_id {
                        *trade.captures.entry(capture_id).or_default() += 1;
                    }
                });
                self.sum(deed, |totals| {
                    totals.captured_minor += amount;
                    totals.fees_minor += fee;
                });
                self.days.book(deed, Booked::Captured, at, (amount, fee));
            }
            Move::Refunded(amount) => {
                self.with_trade(deed, |trade, _| trade.refunded_minor += amount);
                self.sum(deed, |totals| totals.refunded_minor += amount);
                let what = if amount < 0 { Booked::RefundReturned } else { Booked::Refunded };
                self.days.book(deed, what, at, (-amount, 0));
            }
            Move::PaidOut(amount) => self.sum(deed, |totals| totals.paid_out_minor += amount),
        }
    }

    fn apply_turn(&mut self, turned: &Turned) {
        let Some(deed) = self.deeds.get_mut(&turned.key) else { return };
        // What was to happen has.
        if deed.later.as_ref().is_some_and(|later| later.turn == turned.turn) {
            deed.later = None;
        }
        let was = deed.answer.state;
        match &turned.turn {
            Turn::Succeeded => {
                deed.answer.state = State::Succeeded;
                deed.answer.decline = None;
            }
            Turn::Declined(decline) => {
                deed.answer.state = State::Declined;
                deed.answer.decline = Some(*decline);
            }
            Turn::Returned => {
                deed.answer.state = State::Declined;
                deed.answer.decline = Some(domain::payment::attempt::Decline::Other);
            }
            Turn::Expired | Turn::Disputed | Turn::DisputeWon | Turn::DisputeLost | Turn::Notice(_) => {}
        }
        if matches!(turned.turn, Turn::Succeeded | Turn::Declined(_) | Turn::Returned) {
            deed.answer.at = turned.at;
        }
        let deed = deed.clone();
        self.move_by_turn(&deed, turned, was);
    }

    fn move_by_turn(&mut self, deed: &Deed, turned: &Turned, was: State) {
        let amount = deed.answer.captured_minor.or(deed.answer.amount_minor).unwrap_or_default();
        if was == State::Pending {
            self.with_trade(deed, |trade, amount| trade.refunding_minor -= amount);
        }
        match &turned.turn {
            Turn::Succeeded => self.take_effect(deed, turned.at),
            Turn::Declined(_) if was == State::Succeeded && deed.kind == Kind::Refund => {
                self.book(deed, Move::Refunded(-amount), turned.at);
            }
            Turn::Returned => self.book(deed, Move::PaidOut(-amount), turned.at),
            Turn::Expired => self.with_trade(deed, |trade, _| trade.released = true),
            Turn::Disputed => self.mark_dispute(deed, true),
            Turn::DisputeWon => self.mark_dispute(deed, false),
            Turn::DisputeLost => {
                self.mark_dispute(deed, false);
                self.sum(deed, |totals| totals.disputed_minor += amount);
                self.days.book(deed, Booked::DisputeLost, turned.at, (-amount, 0));
            }
            Turn::Declined(_) | Turn::Notice(_) => {}
        }
    }

    fn mark_dispute(&mut self, deed: &Deed, open: bool) {
        if let Some(trade) = self.trade_of(deed) {
            trade.disputes.insert(deed.key.clone(), open);
        }
    }

    fn trade_of(&mut self, deed: &Deed) -> Option<&mut Trade> {
        let number = match deed.kind {
            Kind::Authorise => deed.answer.no.clone(),
            Kind::Capture | Kind::Void | Kind::Refund | Kind::PayOut => {
                self.trade(&deed.order).map(|(number, _)| number.to_owned())
            }
        };
        self.trades.get_mut(&number?)
    }

    fn with_trade(&mut self, deed: &Deed, change: impl FnOnce(&mut Trade, i64)) {
        let amount = deed.answer.amount_minor.unwrap_or_default();
        if let Some(trade) = self.trade_of(deed) {
            change(trade, amount);
        }
    }

    fn sum(&mut self, deed: &Deed, change: impl FnOnce(&mut Totals)) {
        let (channel, currency) = (self.channel, deed.answer.currency.clone().unwrap_or_default());
        let nothing = || Totals {
            channel,
            currency: currency.clone(),
            captured_minor: 0,
            refunded_minor: 0,
            disputed_minor: 0,
            fees_minor: 0,
            paid_out_minor: 0,
        };
        change(self.totals.entry(currency.clone()).or_insert_with(nothing));
    }

    pub(super) fn list(&self, into: &mut Listing) {
        into.totals.extend(self.totals.values().cloned());
        into.payments.extend(self.trades.iter().map(|(trade_no, trade)| TradeLine {
            channel: self.channel,
            trade_no: trade_no.clone(),
            payment_id: trade.payment_id,
            attempt: trade.attempt,
            currency: trade.currency.clone(),
            authorised_minor: trade.authorised_minor,
            captured_minor: trade.captured_minor,
            refunded_minor: trade.refunded_minor,
            released: trade.released,
            captures: trade.captures.iter().map(|(capture_id, count)| (*capture_id, *count)).collect(),
        }));
        let channel = self.channel;
        let effect = |(key, (kind, count)): (&String, &(Kind, u32))| EffectLine {
            channel,
            key: key.clone(),
            kind: *kind,
            count: *count,
        };
        into.effects.extend(self.effects.iter().map(effect));
    }
}
