//! Which events a caller may see as they stand in the log.

use domain::{
    aggregate::Aggregate as _, order::Order, payment::Payment, refund::Refund, settled_funds::SettledFunds,
    settlement::Settlement,
};
use event_store::Recorded;

use crate::{caller::Caller, door::Call};

/// What a merchant has to do with: not what processes remember, nor its keys' hashes, nor the house's own rules.
pub const OF_MERCHANTS: [&str; 5] = [Payment::TYPE, Order::TYPE, Refund::TYPE, Settlement::TYPE, SettledFunds::TYPE];

impl Caller {
    /// Whether the caller may see an event: a merchant its own, of its own mode or of both; the house every one. Whether it
    /// may ask at all, its scopes say.
    pub fn may_see(&self, event: &Recorded) -> bool {
        match self {
            Self::Operator { .. } => true,
            Self::Merchant { merchant_id, livemode, .. } => {
                OF_MERCHANTS.contains(&&*event.aggregate_type)
                    && event.merchant_id == Some(merchant_id.uuid())
                    && event.livemode.is_none_or(|mode| mode == *livemode)
            }
        }
    }
}

impl Call {
    /// Whether this event is shown here: to whom may see it, and no further than the log is shown.
    pub fn shows(&self, event: &Recorded) -> bool {
        self.caller.may_see(event) && self.upto.is_none_or(|upto| event.position <= upto)
    }
}
