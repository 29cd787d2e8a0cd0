//! An order: what is bought; whether it was paid, cancelled, fulfilled, refunded.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    actor::Actor,
    aggregate::Aggregate,
    free_text::{FreeText, OrderNo},
    id::{CaptureId, MerchantId, OrderId, PaymentId, RefundId},
    money::Money,
    refusal::refusals,
};

pub mod event;
use event::{Item, OrderEvent, Placed};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Order {
    placed: Option<Placed>,
    phase: Phase,
    paid_by: Option<PaymentId>,
    /// Amounts in minor units, capture by capture.
    captures: BTreeMap<CaptureId, i64>,
    paid_minor: i64,
    fulfilled: bool,
    /// Amounts in minor units, and whether they came back.
    refunds: BTreeMap<RefundId, (i64, bool)>,
    refunded_minor: i64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Phase {
    #[default]
    Open,
    Paid,
    Cancelled,
}

#[derive(Clone, Debug, PartialEq)]
pub enum OrderCommand {
    Place(Box<Placed>),
    /// A payment opens the order it is for, or finds it. One item: the subject, once, for the whole amount.
    OpenForPayment(Box<OpenForPayment>),
    /// One capture of the one payment. Less than the total pays the order in part.
    MarkPaid {
        payment_id: PaymentId,
        capture_id: CaptureId,
        amount: Money,
    },
    Cancel {
        by: Actor,
    },
    Fulfil {
        by: Actor,
    },
    RecordRefund {
        refund_id: RefundId,
        amount: Money,
    },
    TakeBackRefund {
        refund_id: RefundId,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub struct OpenForPayment {
    pub order_id: OrderId,
    pub merchant_id: MerchantId,
    pub livemode: bool,
    pub order_no: OrderNo,
    pub subject: FreeText,
    pub amount: Money,
}

refusals! {
    /// Why an order says no, in the order the rules are tried.
    pub enum OrderRefusal {
        OrderAbsent = "order_absent", 404, "There is no such order.", "该订单不存在。";
        OrderDiffers = "order_differs", 409,
            "This order number already has an order with other contents.", "该订单号已有内容不同的订单。";
        OrderPaidOtherwise = "order_paid_otherwise", 409,
            "The order was paid by another payment.", "该订单已由另一笔支付付清。";
        CaptureDiffers = "capture_differs", 409,
            "This capture is already known with another amount.", "该请款已以不同金额登记过。";
        OrderCancelled = "order_cancelled", 409, "The order was cancelled.", "该订单已取消。";
        OrderNotPaid = "order_not_paid", 409, "The order has not been paid.", "该订单尚未付款。";
        RefundDiffers = "refund_differs", 409,
            "This refund was already asked for with another amount.", "该退款已以不同金额提交过。";
        RefundUnknown = "order_refund_unknown", 404, "The order has no such refund.", "该订单没有这笔退款。";
        ItemsMissing = "items_missing", 422, "An order needs at least one item.", "订单至少需要一个商品。";
        ItemsTooMany = "items_too_many", 422, "An order may have at most 500 items.", "订单最多 500 个商品。";
        ItemQuantityZero = "item_quantity_zero", 422, "Every item needs a quantity of at least one.", "每个商品的数量至少为一。";
        ItemPriceNegative = "item_price_negative", 422,
            "Prices, tax and shipping must not be negative.", "价格、税费和运费不能为负数。";
        CurrencyMismatch = "currency_mismatch", 422,
            "The two amounts are in different currencies.", "两笔金额的币种不同。";
        AmountNotPositive = "amount_not_positive", 422, "The amount must be greater than zero.", "金额必须大于零。";
        AmountOverflow = "amount_overflow", 422,
            "The amount is beyond what the ledger can hold.", "金额超出账本可以记录的范围。";
        OrderTotalDiffers = "order_total_differs", 422,
            "Items, tax and shipping do not add up to the total.", "商品、税费与运费之和不等于总额。";
        OrderAlreadyPaid = "order_already_paid", 409, "The order was paid; refund it instead.", "该订单已付款，请改用退款。";
        PaidBeyondTotal = "paid_beyond_total", 422,
            "More would be paid than the order's total.", "付款总额将超过订单总额。";
        RefundBeyondPaid = "refund_beyond_paid", 422,
            "Refunds would be more than was paid.", "退款总额将超过已付金额。";
    }
}

type Decision = Result<Vec<OrderEvent>, OrderRefusal>;

const ITEM_COUNT_MAX: usize = 500;

impl Aggregate for Order {
    const TYPE: &'static str = "order";
    const STATE_VERSION: i32 = 2;
    type Command = OrderCommand;
    type Event = OrderEvent;
    type Refusal = OrderRefusal;

    fn decide(&self, command: &OrderCommand) -> Decision {
        match command {
            OrderCommand::Place(order) => self.place(order),
            OrderCommand::OpenForPayment(opening) => self.open_for_payment(opening),
            OrderCommand::MarkPaid { payment_id, capture_id, amount } => {
                self.mark_paid(*payment_id, *capture_id, *amount)
            }
            OrderCommand::Cancel { by } => self.cancel(*by),
            OrderCommand::Fulfil { by } => self.fulfil(*by),
            OrderCommand::RecordRefund { refund_id, amount } => self.record_refund(*refund_id, *amount),
            OrderCommand::TakeBackRefund { refund_id } => self.take_back_refund(*refund_id),
        }
    }

    fn apply(&mut self, event: &OrderEvent) {
        match event {
            OrderEvent::Placed(order) => self.placed = Some(order.as_ref().clone()),
            OrderEvent::Paid { payment_id, capture_id, amount, .. } => {
                self.phase = Phase::Paid;
                self.fold_paid(*payment_id, *capture_id, *amount);
            }
            OrderEvent::PaidLate { payment_id, capture_id, amount } => {
                self.fold_paid(*payment_id, *capture_id, *amount);
            }
            OrderEvent::Cancelled { .. } => self.phase = Phase::Cancelled,
            OrderEvent::Fulfilled { .. } => self.fulfilled = true,
            OrderEvent::Refunded { refund_id, amount, .. } => {
                self.refunds.insert(*refund_id, (amount.amount_minor, false));
                self.refunded_minor = self.refunded_minor.saturating_add(amount.amount_minor);
            }
            OrderEvent::RefundTakenBack { refund_id, amount } => {
                self.refunds.insert(*refund_id, (amount.amount_minor, true));
                self.refunded_minor = self.refunded_minor.saturating_sub(amount.amount_minor);
            }
        }
    }
}

impl Order {
    /// The same order again is found: the same to the last item.
    fn place(&self, order: &Placed) -> Decision {
        if let Some(placed) = &self.placed {
            return self.found(placed == order);
        }
        guard_items(&order.items)?;
        if order.tax_minor < 0 || order.shipping_minor < 0 {
            return Err(OrderRefusal::ItemPriceNegative);
        }
        if order.total.amount_minor <= 0 {
            return Err(OrderRefusal::AmountNotPositive);
        }
        if sum_minor(order).ok_or(OrderRefusal::AmountOverflow)? != order.total.amount_minor {
            return Err(OrderRefusal::OrderTotalDiffers);
        }
        Ok(vec![OrderEvent::Placed(Box::new(order.clone()))])
    }

    /// A payment finds an order of its number and total, whatever its items.
    fn open_for_payment(&self, opening: &OpenForPayment) -> Decision {
        let Some(placed) = &self.placed else { return self.place(&one_item(opening)) };
        let of_merchant = placed.merchant_id == opening.merchant_id && placed.livemode == opening.livemode;
        self.found(of_merchant && placed.order_no == opening.order_no && placed.total == opening.amount)
    }

    fn found(&self, is_same: bool) -> Decision {
        if !is_same {
            return Err(OrderRefusal::OrderDiffers);
        }
        if self.phase == Phase::Cancelled { Err(OrderRefusal::OrderCancelled) } else { Ok(Vec::new()) }
    }

    fn mark_paid(&self, payment_id: PaymentId, capture_id: CaptureId, amount: Money) -> Decision {
        let total = self.placed()?.total;
        if self.paid_by.is_some_and(|paid_by| paid_by != payment_id) {
            return Err(OrderRefusal::OrderPaidOtherwise);
        }
        if let Some(known_minor) = self.captures.get(&capture_id) {
            let same = *known_minor == amount.amount_minor && amount.currency == total.currency;
            return if same { Ok(Vec::new()) } else { Err(OrderRefusal::CaptureDiffers) };
        }
        if amount.currency != total.currency {
            return Err(OrderRefusal::CurrencyMismatch);
        }
        if amount.amount_minor <= 0 {
            return Err(OrderRefusal::AmountNotPositive);
        }
        // What is left, never a sum: that may be beyond what can be held.
        let left_minor = total.amount_minor.saturating_sub(self.paid_minor);
        if amount.amount_minor > left_minor {
            return Err(OrderRefusal::PaidBeyondTotal);
        }
        let in_whole = amount.amount_minor == left_minor;
        Ok(vec![match self.phase {
            // The payment has the money already: refused, nobody would know that it is to go back.
            Phase::Cancelled => OrderEvent::PaidLate { payment_id, capture_id, amount },
            Phase::Open | Phase::Paid => OrderEvent::Paid { payment_id, capture_id, amount, in_whole },
        }])
    }

    fn cancel(&self, by: Actor) -> Decision {
        self.placed()?;
        match self.phase {
            Phase::Cancelled => Ok(Vec::new()),
            Phase::Paid => Err(OrderRefusal::OrderAlreadyPaid),
            Phase::Open => Ok(vec![OrderEvent::Cancelled { by }]),
        }
    }

    fn fulfil(&self, by: Actor) -> Decision {
        self.guard_money_came()?;
        if self.phase == Phase::Cancelled {
            return Err(OrderRefusal::OrderCancelled);
        }
        if self.fulfilled {
            return Ok(Vec::new());
        }
        Ok(vec![OrderEvent::Fulfilled { by }])
    }

    fn record_refund(&self, refund_id: RefundId, amount: Money) -> Decision {
        let total = self.guard_money_came()?.total;
        if let Some((known_minor, _)) = self.refunds.get(&refund_id) {
            let same = *known_minor == amount.amount_minor && amount.currency == total.currency;
            return if same { Ok(Vec::new()) } else { Err(OrderRefusal::RefundDiffers) };
        }
        if amount.currency != total.currency {
            return Err(OrderRefusal::CurrencyMismatch);
        }
        if amount.amount_minor <= 0 {
            return Err(OrderRefusal::AmountNotPositive);
        }
        let left_minor = self.paid_minor.saturating_sub(self.refunded_minor);
        if amount.amount_minor > left_minor {
            return Err(OrderRefusal::RefundBeyondPaid);
        }
        Ok(vec![OrderEvent::Refunded { refund_id, amount, in_whole: amount.amount_minor == left_minor }])
    }

    fn take_back_refund(&self, refund_id: RefundId) -> Decision {
        let currency = self.placed()?.total.currency;
        let (amount_minor, taken_back) = self.refunds.get(&refund_id).ok_or(OrderRefusal::RefundUnknown)?;
        if *taken_back {
            return Ok(Vec::new());
        }
        Ok(vec![OrderEvent::RefundTakenBack { refund_id, amount: Money::new(*amount_minor, currency) }])
    }

    fn placed(&self) -> Result<&Placed, OrderRefusal> {
        self.placed.as_ref().ok_or(OrderRefusal::OrderAbsent)
    }

    /// Paid, in part or whole, be it late.
    fn guard_money_came(&self) -> Result<&Placed, OrderRefusal> {
        let placed = self.placed()?;
        match self.phase {
            Phase::Cancelled if self.paid_minor == 0 => Err(OrderRefusal::OrderCancelled),
            Phase::Open => Err(OrderRefusal::OrderNotPaid),
            Phase::Paid | Phase::Cancelled => Ok(placed),
        }
    }

    fn fold_paid(&mut self, payment_id: PaymentId, capture_id: CaptureId, amount: Money) {
        self.paid_by = Some(payment_id);
        self.captures.insert(capture_id, amount.amount_minor);
        self.paid_minor = self.paid_minor.saturating_add(amount.amount_minor);
    }

    /// What came although the order was cancelled, by which payment, and is not refunded yet.
    #[must_use]
    pub fn to_give_back(&self) -> Option<(PaymentId, Money)> {
        let left_minor = self.paid_minor.saturating_sub(self.refunded_minor);
        let (payment_id, total) = self.paid_by.zip(self.placed.as_ref().map(|placed| placed.total))?;
        (self.phase == Phase::Cancelled && left_minor > 0).then(|| (payment_id, Money::new(left_minor, total.currency)))
    }
}

fn guard_items(items: &[Item]) -> Result<(), OrderRefusal> {
    if items.is_empty() {
        return Err(OrderRefusal::ItemsMissing);
    }
    if items.len() > ITEM_COUNT_MAX {
        return Err(OrderRefusal::ItemsTooMany);
    }
    if items.iter().any(|item| item.quantity == 0) {
        return Err(OrderRefusal::ItemQuantityZero);
    }
    if items.iter().any(|item| item.unit_price_minor < 0) {
        return Err(OrderRefusal::ItemPriceNegative);
    }
    Ok(())
}

fn sum_minor(order: &Placed) -> Option<i64> {
    let extras = order.tax_minor.checked_add(order.shipping_minor)?;
    order.items.iter().try_fold(extras, |sum, item| {
        let price = item.unit_price_minor.checked_mul(i64::from(item.quantity))?;
        sum.checked_add(price)
    })
}

fn one_item(opening: &OpenForPayment) -> Placed {
    let item = Item { name: opening.subject.clone(), quantity: 1, unit_price_minor: opening.amount.amount_minor };
    Placed {
        order_id: opening.order_id,
        merchant_id: opening.merchant_id,
        livemode: opening.livemode,
        order_no: opening.order_no.clone(),
        items: vec![item],
        tax_minor: 0,
        shipping_minor: 0,
        total: opening.amount,
    }
}

#[cfg(test)]
mod tests;
