//! What is stored of settled funds, for ever. Only payouts move money here.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    account::Account,
    aggregate::events_named,
    currency::Currency,
    id::{AdjustmentId, DisputeId, FundsId, MerchantId, PaymentId, PayoutId, RefundId, SettlementId},
    money::Money,
    posting::{Movement, Posting},
};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SettledFundsEvent {
    Opened(Box<Opened>),
    Credited {
        source: Source,
        amount: Money,
    },
    Debited {
        source: Source,
        amount: Money,
    },
    EntryAssigned(Box<Entry>),
    PayoutReserved(Box<PayoutMoved>),
    PayoutConfirmed(Box<PayoutMoved>),
    PayoutReleased(Box<PayoutMoved>),
    /// Released as failed, and paid all the same.
    PayoutConfirmedLate(Box<PayoutMoved>),
    /// Paid, and given back.
    PayoutReturned(Box<PayoutMoved>),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    pub funds_id: FundsId,
    pub merchant_id: MerchantId,
    pub livemode: bool,
    pub currency: Currency,
}

/// What changed a merchant's available funds, each told of once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A payment's own settling, which takes its money from pending to available.
    Payment(PaymentId),
    Refund(RefundId),
    RefundBounce(RefundId),
    Dispute(DisputeId),
    DisputeWon(DisputeId),
    Adjustment(AdjustmentId),
    AdjustmentReversed(AdjustmentId),
}

/// What came upon settled funds outside a payment's own settling, and the one settlement that reckons with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub settlement_id: SettlementId,
    pub merchant_id: MerchantId,
    /// Said by every entry that is included; the first events did not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub livemode: Option<bool>,
    pub source: Source,
    /// Positive for the merchant, negative against.
    pub amount: Money,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PayoutMoved {
    pub payout_id: PayoutId,
    pub merchant_id: MerchantId,
    pub amount: Money,
    pub effective_at: DateTime<Utc>,
}

events_named!(SettledFundsEvent {
    Opened = "opened", "1.0";
    Credited = "credited", "1.0";
    Debited = "debited", "1.0";
    EntryAssigned = "entry_assigned", "1.0";
    PayoutReserved = "payout_reserved", "1.0";
    PayoutConfirmed = "payout_confirmed", "1.0";
    PayoutReleased = "payout_released", "1.0";
    PayoutConfirmedLate = "payout_confirmed_late", "1.0";
    PayoutReturned = "payout_returned", "1.0";
});

impl Source {
    /// A refund or a dispute only takes, its bounce or its winning only gives. A payment refunded before it settled may
    /// owe, and an adjustment goes either way.
    #[must_use]
    pub const fn may_be(self, amount_minor: i64) -> bool {
        match self {
            Self::Payment(_) | Self::Adjustment(_) | Self::AdjustmentReversed(_) => true,
            Self::Refund(_) | Self::Dispute(_) => amount_minor < 0,
            Self::RefundBounce(_) | Self::DisputeWon(_) => amount_minor > 0,
        }
    }

    /// What this takes back to the last unit. A refund or a dispute may have fallen on the payment before it settled.
    #[must_use]
    pub const fn takes_back(self) -> Option<Self> {
        match self {
            Self::AdjustmentReversed(id) => Some(Self::Adjustment(id)),
            Self::RefundBounce(id) => Some(Self::Refund(id)),
            Self::DisputeWon(id) => Some(Self::Dispute(id)),
            Self::Payment(_) | Self::Refund(_) | Self::Dispute(_) | Self::Adjustment(_) => None,
        }
    }
}

impl SettledFundsEvent {
    #[must_use]
    pub fn posting(&self) -> Posting {
        let bank = |_| Account::Bank;
        match self {
            Self::Opened(_) | Self::Credited { .. } | Self::Debited { .. } | Self::EntryAssigned(_) => Posting::none(),
            Self::PayoutReserved(moved) => moved.posting(Account::MerchantAvailable, Account::MerchantReserved),
            Self::PayoutConfirmed(moved) => moved.posting(Account::MerchantReserved, bank),
            Self::PayoutReleased(moved) => moved.posting(Account::MerchantReserved, Account::MerchantAvailable),
            Self::PayoutConfirmedLate(moved) => moved.posting(Account::MerchantAvailable, bank),
            Self::PayoutReturned(moved) => moved.posting(bank, Account::MerchantAvailable),
        }
    }
}

impl PayoutMoved {
    fn posting(&self, debit: fn(MerchantId) -> Account, credit: fn(MerchantId) -> Account) -> Posting {
        let (debit, credit) = (debit(self.merchant_id), credit(self.merchant_id));
        Posting::moving(self.effective_at, &[Movement { debit, credit, money: self.amount }])
    }
}
