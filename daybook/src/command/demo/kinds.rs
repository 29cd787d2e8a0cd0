//! The kinds of payments in the demo: how often, how the sandbox behaves, what follows.

/// What somebody does about a payment afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Follow {
    Nothing,
    Capture,
    CaptureHalf,
    Cancel,
    Approve,
    Reject,
    RefundHalf,
    RefundAll,
    /// More than was paid, which is refused.
    RefundTooMuch,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    /// Of a thousand payments.
    pub(super) often: u64,
    pub(super) pay_method: &'static str,
    pub(super) follow: Follow,
}

const fn kind(often: u64, pay_method: &'static str, follow: Follow) -> Kind {
    Kind { often, pay_method, follow }
}

/// Together a thousand.
pub(super) static KINDS: [Kind; 23] = [
    kind(600, "pm_sandbox_visa", Follow::Nothing),
    kind(60, "pm_sandbox_visa", Follow::RefundHalf),
    kind(30, "pm_sandbox_visa", Follow::RefundAll),
    kind(10, "pm_sandbox_visa", Follow::RefundTooMuch),
    kind(50, "pm_sandbox_visa", Follow::Capture),
    kind(20, "pm_sandbox_visa", Follow::CaptureHalf),
    kind(30, "pm_sandbox_visa", Follow::Cancel),
    kind(30, "pm_sandbox_declined", Follow::Nothing),
    kind(30, "pm_sandbox_insufficient_funds", Follow::Nothing),
    kind(10, "pm_sandbox_expired_card", Follow::Nothing),
    kind(5, "pm_sandbox_lost_card", Follow::Nothing),
    kind(30, "pm_sandbox_flaky", Follow::Nothing),
    kind(20, "pm_sandbox_duplicate_report", Follow::Nothing),
    kind(20, "pm_sandbox_report_before_answer", Follow::Nothing),
    kind(5, "pm_sandbox_timeout_then_approved", Follow::Nothing),
    kind(5, "pm_sandbox_late_success", Follow::Nothing),
    kind(10, "pm_sandbox_disputed", Follow::Nothing),
    kind(5, "pm_sandbox_partial_capture", Follow::Nothing),
    kind(10, "pm_sandbox_refund_refused", Follow::RefundHalf),
    kind(5, "pm_sandbox_refund_fails_after_success", Follow::RefundHalf),
    kind(5, "pm_sandbox_blocked_by_risk", Follow::Nothing),
    kind(6, "pm_sandbox_elevated_risk", Follow::Approve),
    kind(4, "pm_sandbox_elevated_risk", Follow::Reject),
];

impl Kind {
    /// That of the n-th payment; the same each time, and well mixed.
    pub(super) fn of(n: u64) -> &'static Self {
        let mut place = n.wrapping_mul(7_919) % 1_000;
        for kind in &KINDS {
            if place < kind.often {
                return kind;
            }
            place = place.saturating_sub(kind.often);
        }
        // They come to a thousand, as a test knows.
        &KINDS[0]
    }

    /// Whether it is authorised alone, and taken or let go by somebody.
    pub(super) fn is_held(&self) -> bool {
        matches!(self.follow, Follow::Capture | Follow::CaptureHalf | Follow::Cancel)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn every_kind_comes_as_often_as_it_says_in_a_thousand_payments() {
        let mut counts = BTreeMap::new();
        for n in 0..1_000 {
            *counts.entry(std::ptr::from_ref(Kind::of(n))).or_insert(0) += 1;
        }
        for kind in &KINDS {
            assert_eq!(counts.get(&std::ptr::from_ref(kind)), Some(&kind.often), "{kind:?}");
        }
    }
}
