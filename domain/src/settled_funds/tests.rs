//! Settled funds: what may be paid out, reserved, made or released.

use uuid::Uuid;

use super::*;
use crate::{
    currency::Currency,
    id::{FundsId, MerchantId, RefundId, SettlementId},
    scenario::Story,
};

type Told = Story<SettledFunds>;

fn usd(amount_minor: i64) -> Money {
    Money::new(amount_minor, Currency::USD)
}

fn at() -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_225_600, 0).unwrap()
}

fn funds() -> Opened {
    let merchant_id = MerchantId::new(Uuid::from_u128(1));
    let funds_id = FundsId::derive(merchant_id, true, Currency::USD);
    Opened { funds_id, merchant_id, livemode: true, currency: Currency::USD }
}

fn settlement(number: u128) -> Source {
    Source::Settlement(SettlementId::new(Uuid::from_u128(number)))
}

fn record(source: Source, amount: Money) -> SettledFundsCommand {
    SettledFundsCommand::Record { funds: Box::new(funds()), source, amount }
}

fn payout_no(number: u128) -> PayoutId {
    PayoutId::new(Uuid::from_u128(number))
}

fn reserve(number: u128, amount: Money) -> SettledFundsCommand {
    SettledFundsCommand::ReservePayout { payout_id: payout_no(number), amount, effective_at: at() }
}

fn confirm(number: u128) -> SettledFundsCommand {
    SettledFundsCommand::ConfirmPayout { payout_id: payout_no(number), effective_at: at() }
}

fn release(number: u128) -> SettledFundsCommand {
    SettledFundsCommand::ReleasePayout { payout_id: payout_no(number), effective_at: at() }
}

fn credited() -> Told {
    Story::untold().given(&record(settlement(1), usd(1_000)))
}

impl Told {
    fn has(self, amount_minor: i64) -> Self {
        assert_eq!(self.state.available(), Some(usd(amount_minor)));
        self
    }
}

#[test]
fn the_first_record_opens_the_stream() {
    Told::untold().when(&record(settlement(1), usd(1_000))).then(&["opened", "credited"]).has(1_000);
    credited().when(&record(settlement(2), usd(500))).then(&["credited"]).has(1_500);
    assert_eq!(SettledFunds::default().available(), None);
}

#[test]
fn each_source_is_told_of_once() {
    credited().when(&record(settlement(1), usd(7))).then_nothing().has(1_000);
}

#[test]
fn refunds_after_the_settlement_may_take_more_than_there_is() {
    let refund = Source::Refund(RefundId::new(Uuid::from_u128(1)));
    let owing = credited().when(&record(refund, usd(-1_500))).then(&["debited"]).has(-500);
    assert_eq!(owing.events()[0], SettledFundsEvent::Debited { source: refund, amount: usd(1_500) });
    owing.when(&reserve(1, usd(1))).then_refused(SettledFundsRefusal::FundsInsufficient);
}

#[test]
fn what_is_no_record_of_these_funds_is_refused() {
    let others = Opened { livemode: false, ..funds() };
    let command = SettledFundsCommand::Record { funds: Box::new(others), source: settlement(2), amount: usd(1) };
    credited().when(&command).then_refused(SettledFundsRefusal::FundsDiffer);
    let euro = Money::new(1, Currency::EUR);
    credited().when(&record(settlement(2), euro)).then_refused(SettledFundsRefusal::CurrencyMismatch);
    credited().when(&record(settlement(2), usd(0))).then_refused(SettledFundsRefusal::AmountZero);
    credited().when(&record(settlement(2), usd(i64::MAX))).then_refused(SettledFundsRefusal::AmountOverflow);
    credited().when(&record(settlement(2), usd(i64::MIN))).then_refused(SettledFundsRefusal::AmountOverflow);
}

#[test]
fn a_payout_takes_no_more_than_there_is() {
    credited().when(&reserve(1, usd(1_001))).then_refused(SettledFundsRefusal::FundsInsufficient);
    let reserved = credited().when(&reserve(1, usd(600))).then(&["payout_reserved"]).has(400);
    reserved.clone().when(&reserve(2, usd(401))).then_refused(SettledFundsRefusal::FundsInsufficient);
    reserved.clone().when(&reserve(1, usd(601))).then_refused(SettledFundsRefusal::PayoutDiffers);
    reserved.clone().when(&reserve(1, Money::new(600, Currency::EUR))).then_refused(SettledFundsRefusal::PayoutDiffers);
    reserved.when(&reserve(2, usd(400))).then(&["payout_reserved"]).has(0);
}

#[test]
fn what_is_no_payout_is_refused() {
    credited().when(&reserve(1, Money::new(1, Currency::EUR))).then_refused(SettledFundsRefusal::CurrencyMismatch);
    credited().when(&reserve(1, usd(0))).then_refused(SettledFundsRefusal::AmountNotPositive);
    for command in [confirm(1), release(1)] {
        credited().when(&command).then_refused(SettledFundsRefusal::PayoutNotReserved);
    }
}

#[test]
fn a_payout_is_made_or_released() {
    let reserved = credited().given(&reserve(1, usd(600)));
    let made = reserved.clone().when(&confirm(1)).then(&["payout_confirmed"]).has(400);
    made.when(&release(1)).then_refused(SettledFundsRefusal::PayoutAlreadyConfirmed);
    let released = reserved.when(&release(1)).then(&["payout_released"]).has(1_000);
    released.when(&confirm(1)).then_refused(SettledFundsRefusal::PayoutAlreadyReleased);
}

#[test]
fn a_release_beyond_the_ledger_is_refused() {
    let full = credited().given(&reserve(1, usd(1_000))).given(&record(settlement(2), usd(i64::MAX)));
    full.when(&release(1)).then_refused(SettledFundsRefusal::AmountOverflow);
}

#[test]
fn without_funds_nothing_is_paid_out() {
    for command in [reserve(1, usd(1)), confirm(1), release(1)] {
        Told::untold().when(&command).then_refused(SettledFundsRefusal::FundsAbsent);
    }
}

#[test]
fn money_goes_from_available_to_reserved_to_the_bank() {
    let lines = |told: &Told| -> Vec<String> {
        let posting = told.history.last().unwrap().posting();
        assert_eq!(posting.effective_at(), Some(at()));
        let name = |line: &crate::posting::Line| {
            let account = line.account.to_string().replace(&funds().merchant_id.to_string(), "M");
            format!("{} {account} {}", line.side.name(), line.money)
        };
        posting.lines().iter().map(name).collect()
    };
    let reserved = credited().given(&reserve(1, usd(600)));
    assert_eq!(lines(&reserved), ["debit merchant:M:available 6.00 USD", "credit merchant:M:reserved 6.00 USD"]);
    assert_eq!(
        lines(&reserved.clone().given(&confirm(1))),
        ["debit merchant:M:reserved 6.00 USD", "credit bank 6.00 USD"]
    );
    assert_eq!(
        lines(&reserved.given(&release(1))),
        ["debit merchant:M:reserved 6.00 USD", "credit merchant:M:available 6.00 USD"]
    );
    assert!(credited().history.iter().all(|event| event.posting().moves_no_money()));
}
