//! What a merchant pays for a payment, and what of it comes back with a refund.

use serde::{Deserialize, Serialize};

use crate::{
    money::{BasisPoints, proportion},
    refusal::refusals,
};

/// A share of what is captured and a fixed amount, within a minimum and a maximum; amounts in the plan's currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeePlan {
    pub rate: BasisPoints,
    pub fixed_minor: i64,
    pub minimum_minor: i64,
    pub maximum_minor: Option<i64>,
    pub on_refund: FeeOnRefund,
}

/// Who bears the fee of what was refunded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeeOnRefund {
    /// The merchant: the fee stays earned.
    Kept,
    /// The platform: the fee comes back in proportion.
    Returned,
}

refusals! {
    /// Why a plan is no fee plan.
    pub enum FeeRefusal {
        FeeNegative = "fee_negative", 422, "Fees must not be negative.", "费用不能为负数。";
        FeeBoundsCrossed = "fee_bounds_crossed", 422,
            "The minimum fee is larger than the maximum.", "最低费用大于最高费用。";
    }
}

impl FeePlan {
    pub const FREE: Self = Self {
        rate: BasisPoints::NONE,
        fixed_minor: 0,
        minimum_minor: 0,
        maximum_minor: None,
        on_refund: FeeOnRefund::Kept,
    };

    /// # Errors
    /// A negative amount, or a minimum above the maximum.
    pub fn check(&self) -> Result<(), FeeRefusal> {
        if self.fixed_minor < 0 || self.minimum_minor < 0 || self.maximum_minor.is_some_and(|maximum| maximum < 0) {
            return Err(FeeRefusal::FeeNegative);
        }
        if self.maximum_minor.is_some_and(|maximum| maximum < self.minimum_minor) {
            return Err(FeeRefusal::FeeBoundsCrossed);
        }
        Ok(())
    }

    /// The fee on all that a payment captured, the share rounded half to even; never more than was captured.
    #[must_use]
    pub fn of(&self, captured_minor: i64) -> i64 {
        let wanted = self.rate.of(captured_minor).saturating_add(self.fixed_minor).max(self.minimum_minor);
        wanted.min(self.maximum_minor.unwrap_or(i64::MAX)).min(captured_minor).max(0)
    }

    /// The fee one more capture adds. Captured in parts or at once, a payment costs the same.
    #[must_use]
    pub fn of_next(&self, captured_minor: i64, next_minor: i64) -> i64 {
        self.of(captured_minor.saturating_add(next_minor)).saturating_sub(self.of(captured_minor))
    }

    /// What of the fees charged is due back once `refunded` of `captured` has gone back.
    #[must_use]
    pub fn due_back(&self, fees_minor: i64, refunded_minor: i64, captured_minor: i64) -> i64 {
        match self.on_refund {
            FeeOnRefund::Kept => 0,
            FeeOnRefund::Returned => proportion(fees_minor, refunded_minor, captured_minor),
        }
    }
}

#[cfg(test)]
mod tests;
