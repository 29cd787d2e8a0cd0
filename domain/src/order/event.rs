//! What is stored of an order, for ever.

use serde::{Deserialize, Serialize};

use crate::{
    actor::Actor,
    aggregate::events_named,
    free_text::{FreeText, OrderNo},
    id::{CaptureId, MerchantId, OrderId, PaymentId, RefundId},
    money::Money,
    posting::Posting,
};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderEvent {
    Placed(Box<Placed>),
    Paid {
        payment_id: PaymentId,
        capture_id: CaptureId,
        amount: Money,
        in_whole: bool,
    },
    /// Money came that was already on its way when the order was cancelled. It stays cancelled, and the money is to go
    /// back.
    PaidLate {
        payment_id: PaymentId,
        capture_id: CaptureId,
        amount: Money,
    },
    Cancelled {
        by: Actor,
    },
    Fulfilled {
        by: Actor,
    },
    /// In whole: nothing is left of what was paid.
    Refunded {
        refund_id: RefundId,
        amount: Money,
        in_whole: bool,
    },
    RefundTakenBack {
        refund_id: RefundId,
        amount: Money,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placed {
    pub order_id: OrderId,
    pub merchant_id: MerchantId,
    pub livemode: bool,
    pub order_no: OrderNo,
    pub items: Vec<Item>,
    pub tax_minor: i64,
    pub shipping_minor: i64,
    /// Items, tax and shipping, in the one currency of the order.
    pub total: Money,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    pub name: FreeText,
    pub quantity: u32,
    pub unit_price_minor: i64,
}

events_named!(OrderEvent {
    Placed = "placed", "1.0";
    Paid = "paid", "1.0";
    PaidLate = "paid_late", "1.0";
    Cancelled = "cancelled", "1.0";
    Fulfilled = "fulfilled", "1.0";
    Refunded = "refunded", "1.0";
    RefundTakenBack = "refund_taken_back", "1.0";
});

impl OrderEvent {
    /// An order is a promise: its money moves with the payment.
    #[must_use]
    pub const fn posting(&self) -> Posting {
        match self {
            Self::Placed(_) | Self::Paid { .. } | Self::PaidLate { .. } | Self::Cancelled { .. } => Posting::none(),
            Self::Fulfilled { .. } | Self::Refunded { .. } | Self::RefundTakenBack { .. } => Posting::none(),
        }
    }
}
