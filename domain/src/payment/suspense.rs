//! Money a channel moved and nobody expected: booked, and nobody's until it is returned.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    id::{CaptureId, RefundId},
    money::Money,
    payment::{
        Decision, Payment, PaymentRefusal, already,
        event::{PaymentEvent, Suspended},
    },
};

/// Which movement at the channel it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Taken from the customer: not asked for, of another amount, or of an attempt that had ended.
    Capture { attempt: u32, capture_id: CaptureId },
    /// Given to the customer by a refund that had been released, where that leaves less captured than refunded.
    Refund { refund_id: RefundId },
}

/// All that ever came to suspense, in the order of its sources.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Suspense(Vec<Entry>);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Entry {
    moved: Suspended,
    returned: bool,
}

impl Payment {
    /// It is back where it came from, for instance refunded at the channel.
    pub(super) fn return_suspense(&self, source: Source, effective_at: DateTime<Utc>) -> Decision {
        self.agreed()?;
        let entry = self.suspense.find(source).ok_or(PaymentRefusal::NothingInSuspense)?;
        if entry.returned {
            return already();
        }
        let moved = Suspended { effective_at, ..entry.moved.clone() };
        Ok(vec![PaymentEvent::SuspenseReturned(Box::new(moved))])
    }

    /// A capture whose money is in suspense is not under way any more.
    pub(super) fn fold_suspended(&mut self, moved: &Suspended) {
        self.suspense.take(moved);
        if let Source::Capture { attempt: number, capture_id } = moved.source
            && let Some(attempt) = self.attempts.iter_mut().find(|attempt| attempt.number == number)
        {
            attempt.fold_not_captured(capture_id);
        }
    }
}

/// What may be asked of it by those who do not decide.
impl Payment {
    /// What was taken under this name and nobody expected, and whether it is back. A name is of one attempt, unless the
    /// channel says otherwise: then of the last that is not back.
    #[must_use]
    pub fn suspended(&self, capture_id: CaptureId) -> Option<(&Suspended, bool)> {
        let named =
            |entry: &&Entry| matches!(entry.moved.source, Source::Capture { capture_id: id, .. } if id == capture_id);
        let last = self.suspense.0.iter().filter(named).max_by_key(|entry| !entry.returned)?;
        Some((&last.moved, last.returned))
    }

    /// What went out by a refund that had been released, and cannot be fetched back; and whether it came back.
    #[must_use]
    pub fn suspended_by(&self, refund_id: RefundId) -> Option<(&Suspended, bool)> {
        self.suspense.find(Source::Refund { refund_id }).map(|entry| (&entry.moved, entry.returned))
    }

    /// What went back under this name of money that nobody expected.
    #[must_use]
    pub fn suspense_returned_as(&self, refund_id: RefundId) -> Option<Money> {
        let payment_id = self.agreed.as_ref()?.payment_id;
        let is_named = |entry: &&Entry| match entry.moved.source {
            Source::Capture { attempt, capture_id } => {
                entry.returned && RefundId::derive_of_suspense(payment_id, attempt, capture_id) == refund_id
            }
            Source::Refund { .. } => false,
        };
        self.suspense.0.iter().find(is_named).map(|entry| entry.moved.amount)
    }
}

impl Suspense {
    /// Something was taken through this attempt, returned since or not.
    pub(super) fn was_taken(&self, number: u32) -> bool {
        let takes = |source| matches!(source, Source::Capture { attempt, .. } if attempt == number);
        self.0.iter().any(|entry| takes(entry.moved.source))
    }

    /// What came of this source, returned since or not.
    pub(super) fn amount(&self, source: Source) -> Option<Money> {
        self.find(source).map(|entry| entry.moved.amount)
    }

    fn find(&self, source: Source) -> Option<&Entry> {
        self.0.iter().find(|entry| entry.moved.source == source)
    }

    fn take(&mut self, moved: &Suspended) {
        let at = self.0.partition_point(|entry| entry.moved.source < moved.source);
        self.0.insert(at, Entry { moved: moved.clone(), returned: false });
    }

    pub(super) fn give_back(&mut self, source: Source) {
        if let Some(entry) = self.0.iter_mut().find(|entry| entry.moved.source == source) {
            entry.returned = true;
        }
    }
}
