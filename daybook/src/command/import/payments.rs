//! Payments that are open or may be refunded: as they stand, under their old numbers.

use std::sync::Arc;

use domain::{
    channel::Channel,
    fee::{FeeOnRefund, FeePlan},
    free_text::{FreeText, OrderNo},
    id::{MerchantId, OldNameId, OrderId, PaymentId, RefundId},
    old_name::event::StandsFor,
    order::{OpenForPayment, Order, OrderCommand},
    payment::{
        Payment, PaymentCommand,
        attempt::CaptureMode,
        event::{Purpose, Route},
        taken_over::TakenOver,
    },
};
use event_store::Books;

use super::{
    merchants::rate,
    plan::{Read, Takeover, given, name, of_mode, tell},
    row::{Amiss, Row, amiss},
    sums::Share,
    tables::Table,
};

pub(super) const TABLE: Table = Table {
    name: "payments",
    needed: &[
        "id",
        "merchant",
        "livemode",
        "payment_no",
        "order_no",
        "amount",
        "currency",
        "exponent",
        "channel",
        "state",
        "channel_trade_no",
        "captured",
        "refunded",
        "fee",
        "fee_returned",
        "settled",
        "occurred_at",
        "as_of",
    ],
    may: &["fee_rate_bps", "fee_fixed", "fee_comes_back", "method", "subject", "callback_url"],
    read,
};

const URL_MAX: usize = 2_048;
const TRADE_NO_MAX: usize = 255;

fn read(takeover: &mut Takeover, row: &Row<'_>) -> Result<Read, Amiss> {
    let merchant_id = takeover.merchant(row)?;
    let taken = taken_over(takeover, row, merchant_id)?;
    let share = Share::of_payment(row.id("merchant")?, &taken);
    let (livemode, payment_id) = (taken.livemode, taken.payment_id);
    let stands_for = StandsFor::Payment { merchant_id, livemode, payment_id };
    let given = given(OldNameId::of_payment(merchant_id, livemode, &taken.old_no), taken.source.clone(), stands_for);
    let orders = orders(&taken)?;
    let (payment, order): (Arc<str>, Arc<str>) = (payment_id.to_string().into(), orders_id(&taken).to_string().into());
    let command = PaymentCommand::TakeOver(Box::new(taken));
    let mut planned =
        takeover.plan(TABLE.name, row, of_mode(merchant_id, livemode), move |books: &mut Books<'_>| {
            books.presume_new::<Payment>(&payment);
            tell::<Payment>(books, &payment, &command)?;
            books.presume_new::<Order>(&order);
            orders.iter().try_for_each(|command| tell::<Order>(books, &order, command))?;
            name(books, &given)
        })?;
    planned.share = Some(share);
    Ok(Read::Act(Box::new(planned)))
}

fn taken_over(takeover: &Takeover, row: &Row<'_>, merchant_id: MerchantId) -> Result<TakenOver, Amiss> {
    let livemode = row.flag("livemode")?;
    let order_no = row.ruled("order_no", OrderNo::parse)?;
    let old_no = row.get("payment_no");
    if !gate::is_old_no(old_no) {
        let what =
            format!("is no number of 1 to {} visible ASCII characters, or is written as ours are", gate::OLD_NO_MAX);
        return Err(amiss("payment_no", &what));
    }
    let currency = row.currency()?;
    let captured = row.money("captured", currency)?;
    let taken = TakenOver {
        payment_id: PaymentId::derive(merchant_id, livemode, order_no.as_str()),
        merchant_id,
        livemode,
        order_no,
        amount: row.money("amount", currency)?,
        route: route(row)?,
        purpose: purpose(row)?,
        old_no: old_no.to_owned(),
        source: takeover.source_of(TABLE.name, row.id("id")?),
        channel_trade_no: row.text("channel_trade_no", TRADE_NO_MAX)?.to_owned(),
        captured,
        fees: row.money_or_none("fee", currency)?,
        refunded: row.money_or_none("refunded", currency)?,
        fees_returned: row.money_or_none("fee_returned", currency)?,
        is_settled: row.flag("settled")?,
        occurred_at: row.moment("occurred_at")?,
        effective_at: row.moment("as_of")?,
    };
    must_stand(row, &taken)?;
    Ok(taken)
}

/// The word for how it stands and its sums say the same.
fn must_stand(row: &Row<'_>, taken: &TakenOver) -> Result<(), Amiss> {
    let is = |words: &str| Err(amiss("state", words));
    match row.get("state") {
        "authorised" if taken.captured.is_zero() => Ok(()),
        "authorised" => is("is authorised, and something was captured: capture or release the rest there first"),
        "captured" if taken.captured.is_zero() => is("is captured, and `captured` is 0"),
        "captured" if !taken.refunded.is_zero() => {
            is("is captured, and something was refunded: say partially_refunded")
        }
        "captured" => Ok(()),
        "partially_refunded" if taken.refunded.is_zero() => is("is partially_refunded, and `refunded` is 0"),
        "partially_refunded" => Ok(()),
        _ => is("is none of authorised, captured, partially_refunded: what is still under way ends there first"),
    }
}

/// The plan matters for what comes: captures of what is open, and fees that come back with refunds.
fn route(row: &Row<'_>) -> Result<Route, Amiss> {
    let is_open = row.get("state") == "authorised";
    let comes_back = row.maybe("fee_comes_back", |_text| row.flag("fee_comes_back"))?.unwrap_or(false);
    let fee_plan = FeePlan {
        rate: row.maybe("fee_rate_bps", |_text| rate(row, "fee_rate_bps"))?.unwrap_or(FeePlan::FREE.rate),
        fixed_minor: row.maybe("fee_fixed", |_text| row.number("fee_fixed"))?.unwrap_or(0),
        on_refund: if comes_back { FeeOnRefund::Returned } else { FeeOnRefund::Kept },
        ..FeePlan::FREE
    };
    fee_plan.check().map_err(|refusal| amiss("fee_fixed", &refusal.to_string()))?;
    Ok(Route {
        channel: row.ruled("channel", str::parse::<Channel>)?,
        capture_mode: if is_open { CaptureMode::Manual } else { CaptureMode::Automatic },
        fee_plan,
        method: row.maybe("method", |_text| row.ruled("method", FreeText::parse))?,
    })
}

fn purpose(row: &Row<'_>) -> Result<Purpose, Amiss> {
    let url = |text: &str| {
        let is_url = text.len() <= URL_MAX && (text.starts_with("https://") || text.starts_with("http://"));
        if is_url { Ok(text.to_owned()) } else { Err(amiss("callback_url", "is no http or https address")) }
    };
    Ok(Purpose {
        subject: row.maybe("subject", |_text| row.ruled("subject", FreeText::parse))?,
        callback_url: row.maybe("callback_url", url)?,
        ..Purpose::default()
    })
}

/// The order it pays is opened with it, and knows what was paid and given back.
fn orders(taken: &TakenOver) -> Result<Vec<OrderCommand>, Amiss> {
    let named = || FreeText::parse(taken.order_no.as_str()).or_else(|_number_of_a_card| FreeText::parse("payment"));
    let subject = taken.purpose.subject.clone().map_or_else(named, Ok);
    let opening = OpenForPayment {
        order_id: orders_id(taken),
        merchant_id: taken.merchant_id,
        livemode: taken.livemode,
        order_no: taken.order_no.clone(),
        subject: subject.map_err(|refusal| amiss("subject", &refusal.to_string()))?,
        amount: taken.amount,
    };
    let mut commands = vec![OrderCommand::OpenForPayment(Box::new(opening))];
    let payment_id = taken.payment_id;
    if !taken.captured.is_zero() {
        commands.push(OrderCommand::MarkPaid { payment_id, capture_id: taken.capture_id(), amount: taken.captured });
    }
    if !taken.refunded.is_zero() {
        let refund_id = RefundId::derive_of_before(payment_id);
        commands.push(OrderCommand::RecordRefund { refund_id, amount: taken.refunded });
    }
    Ok(commands)
}

fn orders_id(taken: &TakenOver) -> OrderId {
    OrderId::derive(taken.merchant_id, taken.livemode, taken.order_no.as_str())
}
