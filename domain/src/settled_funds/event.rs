//! What is stored of settled funds, for ever. Only payouts move money here.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    account::Account,
    aggregate::events_named,
    currency::Currency,
    id::{AdjustmentId, DisputeId, FundsId, MerchantId, PayoutId, RefundId, SettlementId},
    money::Money,
    posting::{Movement, Posting},
};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SettledFundsEvent {
    Opened(Box<Opened>),
    Credited { source: Source, amount: Money },
    Debited { source: Source, amount: Money },
    PayoutReserved(Box<PayoutMoved>),
    PayoutConfirmed(Box<PayoutMoved>),
    PayoutReleased(Box<PayoutMoved>),
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
    Settlement(SettlementId),
    Refund(RefundId),
    RefundBounce(RefundId),
    Dispute(DisputeId),
    DisputeWon(DisputeId),
    Adjustment(AdjustmentId),
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
    PayoutReserved = "payout_reserved", "1.0";
    PayoutConfirmed = "payout_confirmed", "1.0";
    PayoutReleased = "payout_released", "1.0";
});

impl SettledFundsEvent {
    #[must_use]
    pub fn posting(&self) -> Posting {
        match self {
            Self::Opened(_) | Self::Credited { .. } | Self::Debited { .. } => Posting::none(),
            Self::PayoutReserved(moved) => moved.posting(Account::MerchantAvailable, Account::MerchantReserved),
            Self::PayoutConfirmed(moved) => moved.posting(Account::MerchantReserved, |_| Account::Bank),
            Self::PayoutReleased(moved) => moved.posting(Account::MerchantReserved, Account::MerchantAvailable),
        }
    }
}

impl PayoutMoved {
    fn posting(&self, debit: fn(MerchantId) -> Account, credit: fn(MerchantId) -> Account) -> Posting {
        let (debit, credit) = (debit(self.merchant_id), credit(self.merchant_id));
        Posting::moving(self.effective_at, &[Movement { debit, credit, money: self.amount }])
    }
}
