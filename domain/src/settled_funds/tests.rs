//! Settled funds: what may be paid out, reserved, made, released or given back.

use uuid::Uuid;

use super::*;
use crate::{
    account::Account,
    adjustment::event::{Adjusted, AdjustmentEvent},
    currency::Currency,
    id::{AdjustmentId, DisputeId, FundsId, MerchantId, OperatorId, PaymentId, RefundId},
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

fn payment(number: u128) -> Source {
    Source::Payment(PaymentId::new(Uuid::from_u128(number)))
}

fn refund(number: u128) -> Source {
    Source::Refund(RefundId::new(Uuid::from_u128(number)))
}

fn settlement(number: u128) -> SettlementId {
    SettlementId::new(Uuid::from_u128(number))
}

fn assign(source: Source, number: u128) -> SettledFundsCommand {
    SettledFundsCommand::AssignEntry { source, into: into(number) }
}

fn into(number: u128) -> Destination {
    let Opened { merchant_id, livemode, currency, .. } = funds();
    Destination { settlement_id: settlement(number), merchant_id, livemode, currency }
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

fn give_back(number: u128) -> SettledFundsCommand {
    SettledFundsCommand::ReturnPayout { payout_id: payout_no(number), effective_at: at() }
}

fn credited() -> Told {
    Story::untold().given(&record(payment(1), usd(1_000)))
}

impl Told {
    fn has(self, amount_minor: i64) -> Self {
        assert_eq!(self.state.available(), Some(usd(amount_minor)));
        self
    }

    fn reserves(self, amount_minor: i64) -> Self {
        assert_eq!(self.state.reserved(), Some(usd(amount_minor)));
        self
    }
}

#[test]
fn what_no_settlement_reckons_with_is_known() {
    let told = credited().given(&record(refund(1), usd(-100)));
    assert_eq!(told.state.unassigned(), [(refund(1), usd(-100))]);
    assert_eq!(told.given(&assign(refund(1), 1)).state.unassigned(), []);
}

#[test]
fn the_first_record_opens_the_stream() {
    Told::untold().when(&record(payment(1), usd(1_000))).then(&["opened", "credited"]).has(1_000);
    credited().when(&record(payment(2), usd(500))).then(&["credited"]).has(1_500);
    assert_eq!(SettledFunds::default().available(), None);
}

#[test]
fn each_source_is_told_of_once() {
    credited().when(&record(payment(1), usd(1_000))).then_nothing().has(1_000);
    credited().when(&record(payment(1), usd(7))).then_refused(SettledFundsRefusal::SourceDiffers);
    credited().when(&record(payment(1), usd(-1_000))).then_refused(SettledFundsRefusal::SourceDiffers);
    let euro = Money::new(1_000, Currency::EUR);
    credited().when(&record(payment(1), euro)).then_refused(SettledFundsRefusal::SourceDiffers);
}

#[test]
fn nothing_is_neither_given_nor_taken() {
    let (refund_id, dispute_id) = (RefundId::new(Uuid::from_u128(1)), DisputeId::new(Uuid::from_u128(1)));
    let takes = [Source::Refund(refund_id), Source::Dispute(dispute_id)];
    let gives = [Source::RefundBounce(refund_id), Source::DisputeWon(dispute_id)];
    for source in takes.into_iter().chain(gives) {
        assert!(!source.may_be(0), "{source:?}");
    }
    assert!(takes.iter().all(|source| source.may_be(-1)) && gives.iter().all(|source| source.may_be(1)));
}

#[test]
fn a_payment_that_settles_later_comes_on_top() {
    credited().when(&record(payment(2), usd(500))).then(&["credited"]).has(1_500);
    credited().when(&record(payment(2), usd(-30))).then(&["debited"]).has(970);
}

#[test]
fn what_is_taken_back_is_taken_back_to_the_last_unit() {
    let adjustment = AdjustmentId::new(Uuid::from_u128(1));
    let dispute = DisputeId::new(Uuid::from_u128(1));
    let refunded = RefundId::new(Uuid::from_u128(1));
    for (taken, amount, back) in [
        (Source::Adjustment(adjustment), 300, Source::AdjustmentReversed(adjustment)),
        (Source::Adjustment(adjustment), -300, Source::AdjustmentReversed(adjustment)),
        (Source::Dispute(dispute), -300, Source::DisputeWon(dispute)),
        (Source::Refund(refunded), -300, Source::RefundBounce(refunded)),
    ] {
        let told = credited().given(&record(taken, usd(amount))).has(1_000 + amount);
        told.clone().when(&record(back, usd(2 * -amount))).then_refused(SettledFundsRefusal::SourceDiffers);
        told.given(&record(back, usd(-amount))).has(1_000);
    }
    // Refunded while pending, given back once settled: only the bounce is told here.
    credited().when(&record(Source::RefundBounce(refunded), usd(300))).then(&["credited"]);
}

#[test]
fn a_source_goes_its_own_way() {
    let dispute = DisputeId::new(Uuid::from_u128(1));
    let refunded = RefundId::new(Uuid::from_u128(1));
    for (source, amount) in [
        (Source::Refund(refunded), 1),
        (Source::RefundBounce(refunded), -1),
        (Source::Dispute(dispute), 1),
        (Source::DisputeWon(dispute), -1),
    ] {
        credited().when(&record(source, usd(amount))).then_refused(SettledFundsRefusal::SourceSignWrong);
    }
}

#[test]
fn an_adjustment_between_two_merchants_is_told_to_both_and_so_is_its_reversal() {
    let other = MerchantId::new(Uuid::from_u128(2));
    let adjusted = |debit, credit| Adjusted {
        adjustment_id: AdjustmentId::new(Uuid::from_u128(1)),
        debit,
        credit,
        amount: usd(300),
        approved_by: OperatorId::new(Uuid::from_u128(1)),
        effective_at: at(),
    };
    let told = |event: AdjustmentEvent| -> Vec<(MerchantId, Source, i64)> {
        let told = SettledFundsCommand::of_adjustment(true, &event);
        let record = |command| {
            let SettledFundsCommand::Record { funds, source, amount } = command else { unreachable!() };
            (funds.merchant_id, source, amount.amount_minor)
        };
        told.into_iter().map(record).collect()
    };
    let (ours, theirs) = (Account::MerchantAvailable(funds().merchant_id), Account::MerchantAvailable(other));
    let id = AdjustmentId::new(Uuid::from_u128(1));
    let (made, reversed) = (Source::Adjustment(id), Source::AdjustmentReversed(id));
    let between = Box::new(adjusted(ours, theirs));
    assert_eq!(
        told(AdjustmentEvent::Approved(between.clone())),
        [(funds().merchant_id, made, -300), (other, made, 300)]
    );
    assert_eq!(
        told(AdjustmentEvent::Reversed(between)),
        [(funds().merchant_id, reversed, 300), (other, reversed, -300)]
    );
    let elsewhere = Box::new(adjusted(Account::Bank, Account::MerchantPending(other)));
    assert_eq!(told(AdjustmentEvent::Approved(elsewhere)), []);
}

#[test]
fn one_settlement_reckons_with_an_entry() {
    let told = credited().given(&record(refund(1), usd(-300))).when(&assign(refund(1), 1)).then(&["entry_assigned"]);
    let entry = Entry {
        settlement_id: settlement(1),
        merchant_id: funds().merchant_id,
        livemode: Some(funds().livemode),
        source: refund(1),
        amount: usd(-300),
    };
    assert_eq!(told.events()[0], SettledFundsEvent::EntryAssigned(Box::new(entry)));
    told.clone().when(&assign(refund(1), 2)).then_refused(SettledFundsRefusal::EntryAssignedElsewhere);
    told.clone().when(&assign(refund(2), 1)).then_refused(SettledFundsRefusal::SourceUnknown);
    told.when(&assign(payment(1), 1)).then_refused(SettledFundsRefusal::PaymentIsNoEntry);
}

#[test]
fn refunds_after_the_settlement_may_take_more_than_there_is() {
    let owing = credited().when(&record(refund(1), usd(-1_500))).then(&["debited"]).has(-500);
    assert_eq!(owing.events()[0], SettledFundsEvent::Debited { source: refund(1), amount: usd(1_500) });
    owing.when(&reserve(1, usd(1))).then_refused(SettledFundsRefusal::FundsInsufficient);
}

#[test]
fn what_is_no_record_of_these_funds_is_refused() {
    let others = Opened { livemode: false, ..funds() };
    let command = SettledFundsCommand::Record { funds: Box::new(others), source: payment(2), amount: usd(1) };
    credited().when(&command).then_refused(SettledFundsRefusal::FundsDiffer);
    let euro = Money::new(1, Currency::EUR);
    credited().when(&record(payment(2), euro)).then_refused(SettledFundsRefusal::CurrencyMismatch);
    credited().when(&record(payment(2), usd(0))).then_refused(SettledFundsRefusal::AmountZero);
    credited().when(&record(payment(2), usd(i64::MAX))).then_refused(SettledFundsRefusal::AmountOverflow);
    credited().when(&record(payment(2), usd(i64::MIN))).then_refused(SettledFundsRefusal::AmountOverflow);
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
    for command in [confirm(1), release(1), give_back(1)] {
        credited().when(&command).then_refused(SettledFundsRefusal::PayoutNotReserved);
    }
}

#[test]
fn a_payout_is_made_or_released() {
    let reserved = credited().given(&reserve(1, usd(600))).reserves(600);
    reserved.clone().when(&confirm(1)).then(&["payout_confirmed"]).has(400).reserves(0);
    reserved.when(&release(1)).then(&["payout_released"]).has(1_000).reserves(0);
}

#[test]
fn a_payout_that_fails_or_comes_back_after_it_was_made_is_available_again() {
    let made = credited().given(&reserve(1, usd(600))).given(&confirm(1));
    for evidence in [release(1), give_back(1)] {
        let back = made.clone().when(&evidence).then(&["payout_returned"]).has(1_000).reserves(0);
        for old_news in [confirm(1), release(1), give_back(1)] {
            back.clone().when(&old_news).then_nothing().has(1_000);
        }
    }
}

#[test]
fn a_payout_that_was_made_after_it_had_failed_is_booked() {
    let released = credited().given(&reserve(1, usd(600))).given(&release(1)).given(&reserve(2, usd(700))).has(300);
    let late = released.when(&confirm(1)).then(&["payout_confirmed_late"]).has(-300).reserves(700);
    late.clone().when(&release(1)).then_nothing();
    late.clone().when(&reserve(3, usd(1))).then_refused(SettledFundsRefusal::FundsInsufficient);
    late.when(&give_back(1)).then(&["payout_returned"]).has(300);
}

#[test]
fn what_comes_back_was_made_before() {
    let reserved = credited().given(&reserve(1, usd(600)));
    let told = reserved.clone().when(&give_back(1)).then(&["payout_confirmed", "payout_returned"]).has(1_000);
    told.reserves(0).when(&confirm(1)).then_nothing();
    let released = reserved.given(&release(1));
    released.when(&give_back(1)).then(&["payout_confirmed_late", "payout_returned"]).has(1_000);
}

#[test]
fn a_release_beyond_the_ledger_is_refused() {
    let full = credited().given(&reserve(1, usd(1_000))).given(&record(payment(2), usd(i64::MAX)));
    for evidence in [release(1), give_back(1)] {
        full.clone().when(&evidence).then_refused(SettledFundsRefusal::AmountOverflow);
    }
    full.clone().given(&confirm(1)).when(&release(1)).then_refused(SettledFundsRefusal::AmountOverflow);
    let owing = credited().given(&reserve(1, usd(1_000))).given(&release(1)).given(&record(refund(1), usd(-i64::MAX)));
    let owing = owing.given(&record(refund(2), usd(-1_001)));
    owing.when(&confirm(1)).then_refused(SettledFundsRefusal::AmountOverflow);
}

#[test]
fn without_funds_nothing_is_paid_out() {
    for command in [reserve(1, usd(1)), confirm(1), release(1), give_back(1), assign(refund(1), 1)] {
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
        lines(&reserved.clone().given(&release(1))),
        ["debit merchant:M:reserved 6.00 USD", "credit merchant:M:available 6.00 USD"]
    );
    assert_eq!(
        lines(&reserved.clone().given(&release(1)).given(&confirm(1))),
        ["debit merchant:M:available 6.00 USD", "credit bank 6.00 USD"]
    );
    assert_eq!(
        lines(&reserved.given(&confirm(1)).given(&release(1))),
        ["debit bank 6.00 USD", "credit merchant:M:available 6.00 USD"]
    );
    assert!(credited().history.iter().all(|event| event.posting().moves_no_money()));
}

#[test]
fn an_entry_is_assigned_only_where_its_money_may_go() {
    let owing = credited().given(&record(refund(1), usd(-300)));
    for into in [
        Destination { merchant_id: MerchantId::new(Uuid::from_u128(9)), ..into(1) },
        Destination { livemode: false, ..into(1) },
        Destination { currency: Currency::EUR, ..into(1) },
    ] {
        let stray = SettledFundsCommand::AssignEntry { source: refund(1), into };
        owing.clone().when(&stray).then_refused(SettledFundsRefusal::SettlementOfAnother);
    }
    owing.when(&assign(refund(1), 1)).then(&["entry_assigned"]);
}
