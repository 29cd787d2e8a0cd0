//! What a merchant may do at this moment, handed to the payment that starts under it.

use serde::{Deserialize, Serialize};

use crate::fee::FeePlan;

/// A merchant's terms for one channel, currency and mode. Taken from the merchant when a payment starts and pinned
/// there: what is agreed later changes no attempt already under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    pub merchant_active: bool,
    pub channel_allowed: bool,
    pub currency_allowed: bool,
    pub payment_limit_minor: Option<i64>,
    /// Nothing agreed is not free of charge: no fee plan, no payment.
    pub fee_plan: Option<FeePlan>,
}
