//! How a payout stands as the evidence comes, in whatever order and however often.

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    UnderWay,
    Failed,
    Paid,
    /// Paid, although it had been told to have failed.
    PaidAfterAll,
    /// Paid, and given back. It ends here: whatever is told now is old news.
    Returned,
}

/// What the bank says of a payout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    Paid,
    Failed,
    Returned,
}

impl Standing {
    /// How it stands after this, step by step; no step where this was known. Later evidence wins over earlier, and what
    /// is given back was paid before, whether or not anybody said so.
    #[must_use]
    pub const fn hear(self, evidence: Evidence) -> &'static [Self] {
        match (self, evidence) {
            (Self::UnderWay, Evidence::Paid) => &[Self::Paid],
            (Self::UnderWay, Evidence::Failed) => &[Self::Failed],
            (Self::UnderWay, Evidence::Returned) => &[Self::Paid, Self::Returned],
            (Self::Failed, Evidence::Paid) => &[Self::PaidAfterAll],
            (Self::Failed, Evidence::Returned) => &[Self::PaidAfterAll, Self::Returned],
            (Self::Paid, Evidence::Failed | Evidence::Returned) => &[Self::Returned],
            (Self::PaidAfterAll, Evidence::Returned) => &[Self::Returned],
            (Self::Failed, Evidence::Failed) | (Self::Paid, Evidence::Paid) => &[],
            (Self::PaidAfterAll, Evidence::Paid | Evidence::Failed) | (Self::Returned, _) => &[],
        }
    }

    /// The money is with the merchant's bank.
    #[must_use]
    pub const fn is_paid(self) -> bool {
        matches!(self, Self::Paid | Self::PaidAfterAll)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Evidence; 3] = [Evidence::Paid, Evidence::Failed, Evidence::Returned];

    fn after(told: &[Evidence]) -> Standing {
        let step = |standing: Standing, evidence: &Evidence| *standing.hear(*evidence).last().unwrap_or(&standing);
        told.iter().fold(Standing::UnderWay, step)
    }

    #[test]
    fn later_evidence_wins() {
        assert_eq!(after(&[Evidence::Failed, Evidence::Paid]), Standing::PaidAfterAll);
        assert_eq!(after(&[Evidence::Paid, Evidence::Failed]), Standing::Returned);
        assert_eq!(after(&[Evidence::Failed, Evidence::Paid, Evidence::Returned]), Standing::Returned);
    }

    #[test]
    fn what_was_told_is_not_told_again() {
        for first in ALL {
            for second in ALL {
                let both = after(&[first, second]);
                assert_eq!(both.hear(second), [], "{first:?} {second:?}");
                assert_eq!(both.hear(first), [], "the first again, late: {first:?} {second:?}");
            }
        }
    }

    #[test]
    fn what_was_given_back_is_given_back_in_whatever_order_it_is_told() {
        for first in ALL {
            for second in ALL {
                for told in [[Evidence::Returned, first, second], [first, Evidence::Returned, second]] {
                    assert_eq!(after(&told), Standing::Returned, "{told:?}");
                }
            }
        }
        assert!(!Standing::Returned.is_paid() && Standing::Paid.is_paid() && Standing::PaidAfterAll.is_paid());
    }
}
