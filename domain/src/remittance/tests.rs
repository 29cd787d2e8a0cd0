//! Remittances: recorded once, adding up, closing what the channel owed.

use chrono::DateTime;
use uuid::Uuid;

use super::*;
use crate::{channel::Channel, currency::Currency, id::RemittanceId, money::Money, scenario::Story};

fn usd(amount_minor: i64) -> Money {
    Money::new(amount_minor, Currency::USD)
}

fn report(gross: i64, fee: i64, net: i64) -> Recorded {
    Recorded {
        remittance_id: RemittanceId::new(Uuid::from_u128(1)),
        channel: Channel::Stripe,
        livemode: true,
        gross: usd(gross),
        fee: usd(fee),
        net: usd(net),
        effective_at: DateTime::from_timestamp(1_767_225_600, 0).unwrap(),
    }
}

fn record(report: Recorded) -> RemittanceCommand {
    RemittanceCommand::Record(Box::new(report))
}

fn untold() -> Story<Remittance> {
    Story::untold()
}

fn lines(told: &Story<Remittance>) -> Vec<String> {
    let posting = told.events()[0].posting();
    let shown = |line: &crate::posting::Line| format!("{} {} {}", line.side.name(), line.account, line.money);
    posting.lines().iter().map(shown).collect()
}

#[test]
fn a_remittance_closes_what_the_channel_owed() {
    let told = untold().when(&record(report(10_000, 250, 9_750))).then(&["recorded"]);
    assert_eq!(
        lines(&told),
        ["debit bank 97.50 USD", "credit channel:stripe:receivable 100.00 USD", "debit channel:stripe:fees 2.50 USD",]
    );
}

#[test]
fn after_a_day_of_refunds_the_money_goes_the_other_way() {
    let told = untold().when(&record(report(-10_000, 0, -10_000))).then(&["recorded"]);
    assert_eq!(lines(&told), ["debit channel:stripe:receivable 100.00 USD", "credit bank 100.00 USD"]);
    let fees_alone = untold().when(&record(report(0, 250, -250))).then(&["recorded"]);
    assert_eq!(
        lines(&fees_alone),
        [
            "debit channel:stripe:receivable 2.50 USD",
            "credit bank 2.50 USD",
            "debit channel:stripe:fees 2.50 USD",
            "credit channel:stripe:receivable 2.50 USD",
        ]
    );
}

#[test]
fn a_remittance_is_recorded_once() {
    let told = untold().given(&record(report(10_000, 250, 9_750)));
    told.when(&record(report(10_000, 251, 9_749))).then_refused(RemittanceRefusal::RemittanceDiffers);
}

#[test]
fn what_does_not_add_up_is_refused() {
    untold().when(&record(report(10_000, 250, 9_751))).then_refused(RemittanceRefusal::RemittanceDoesNotAddUp);
    untold().when(&record(report(i64::MAX, -1, i64::MAX))).then_refused(RemittanceRefusal::RemittanceDoesNotAddUp);
    for (gross, fee, net) in [(i64::MIN, 0, i64::MIN), (0, i64::MIN, 0), (-i64::MAX, 1, i64::MIN)] {
        untold().when(&record(report(gross, fee, net))).then_refused(RemittanceRefusal::AmountOverflow);
    }
    untold().when(&record(report(-i64::MAX, 0, -i64::MAX))).then(&["recorded"]);
    untold().when(&record(report(0, 0, 0))).then_refused(RemittanceRefusal::AmountZero);
    let euro = Money::new(250, Currency::EUR);
    for foreign in [Recorded { fee: euro, ..report(0, 0, 0) }, Recorded { net: euro, ..report(1, 0, 0) }] {
        untold().when(&record(foreign)).then_refused(RemittanceRefusal::CurrencyMismatch);
    }
}

#[test]
fn the_sandbox_pays_no_real_money() {
    let of = |livemode| Recorded { channel: Channel::Sandbox, livemode, ..report(10_000, 250, 9_750) };
    untold().when(&record(of(true))).then_refused(RemittanceRefusal::ChannelNotReal);
    untold().when(&record(of(false))).then(&["recorded"]);
}
