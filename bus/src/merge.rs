//! From partitions back to one order, up to where every partition is complete.

use std::collections::BTreeMap;
use std::sync::Arc;

use event_store::Recorded;
use uuid::Uuid;

use crate::chain::{Broken, Chain, Verdict};
use crate::message::Said;
use crate::subscription::Received;

/// The last event of a partition that was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastApplied {
    pub partition: usize,
    pub position: i64,
    pub event_id: Uuid,
}

struct Waiting {
    event: Arc<Recorded>,
    partition: usize,
    offset: i64,
}

#[derive(Default)]
struct Partition {
    chain: Chain,
    waiting_count: usize,
    /// The first offset that is not done, as far as is known.
    done_before: Option<i64>,
    polled_before: i64,
}

/// Events of all partitions on their way into one order.
pub struct Merge {
    partitions: Vec<Partition>,
    waiting: BTreeMap<i64, Waiting>,
    applied: i64,
    /// The event at the place we stand at, where it is known: another topic must have the same one there.
    standing: Option<(i64, Uuid)>,
}

impl Merge {
    /// Everything up to `applied` was applied; `last` is what is known of the last events.
    pub fn begin(partitions: usize, applied: i64, last: &[LastApplied], standing: Option<(i64, Uuid)>) -> Self {
        let mut made: Vec<Partition> = (0..partitions)
            .map(|_partition| Partition { chain: Chain { seen: applied, last: None }, ..Partition::default() })
            .collect();
        for known in last {
            if let Some(partition) = made.get_mut(known.partition) {
                partition.chain.last = Some((known.position, known.event_id)).filter(|_| known.position <= applied);
            }
        }
        Self { partitions: made, waiting: BTreeMap::new(), applied, standing }
    }

    /// Takes a message of a partition, which come in the order they have there.
    ///
    /// # Errors
    /// Its partition's chain is broken there.
    pub fn take(&mut self, received: &Received) -> Result<(), Broken> {
        let Received { partition: at, offset, said } = received;
        let link = said.link();
        if let (Some((position, id)), Some(event_id)) = (self.standing, link.event_id)
            && position == link.position
            && event_id != id
        {
            return Err(Broken::Another { position });
        }
        let Some(partition) = self.partitions.get_mut(*at) else { return Ok(()) };
        partition.polled_before = offset.saturating_add(1);
        if partition.chain.take(link)? == Verdict::Next
            && let Said::Event { event, previous: _ } = said
        {
            partition.waiting_count = partition.waiting_count.saturating_add(1);
            let waiting = Waiting { event: Arc::clone(event), partition: *at, offset: *offset };
            self.waiting.insert(event.position, waiting);
        }
        Ok(())
    }

    /// The next events that may be applied: in order, and without a hole.
    ///
    /// # Errors
    /// Every partition is complete up to there, and yet one is missing.
    pub fn ready(&self, most: usize) -> Result<Vec<Arc<Recorded>>, Broken> {
        let complete = self.complete();
        let mut events = Vec::new();
        for (position, waiting) in self.waiting.range(..=complete).take(most) {
            let before = events.last().map_or(self.applied, |last: &Arc<Recorded>| last.position);
            if *position != before.saturating_add(1) {
                if events.is_empty() {
                    return Err(Broken::Hole { position: *position, previous: *position - 1, seen: before });
                }
                break;
            }
            events.push(Arc::clone(&waiting.event));
        }
        if events.is_empty() && complete > self.applied {
            return Err(Broken::Hole { position: complete, previous: complete, seen: self.applied });
        }
        Ok(events)
    }

    /// Up to where every partition is complete.
    pub fn complete(&self) -> i64 {
        self.partitions.iter().map(|partition| partition.chain.seen).min().unwrap_or_default()
    }

    /// What applying up to there makes the last event of each partition that has any.
    pub fn last_upto(&self, upto: i64) -> Vec<LastApplied> {
        let mut last: BTreeMap<usize, LastApplied> = BTreeMap::new();
        for (position, waiting) in self.waiting.range(..=upto) {
            let applied =
                LastApplied { partition: waiting.partition, position: *position, event_id: waiting.event.event_id };
            last.insert(waiting.partition, applied);
        }
        last.into_values().collect()
    }

    /// Everything up to there was applied, and its commit has come to its end.
    pub fn applied(&mut self, upto: i64) {
        while let Some(first) = self.waiting.first_entry().filter(|first| *first.key() <= upto) {
            let Waiting { partition, offset, event: _ } = first.remove();
            if let Some(partition) = self.partitions.get_mut(partition) {
                partition.waiting_count = partition.waiting_count.saturating_sub(1);
                partition.done_before = Some(offset.saturating_add(1));
            }
        }
        self.applied = self.applied.max(upto);
    }

    /// From which offset on each partition has something that is not done.
    pub fn offsets(&self) -> Vec<(usize, i64)> {
        let offset = |partition: &Partition| {
            if partition.waiting_count == 0 { Some(partition.polled_before) } else { partition.done_before }
        };
        let offsets = self.partitions.iter().enumerate();
        offsets.filter_map(|(at, partition)| Some((at, offset(partition)?))).filter(|(_, before)| *before > 0).collect()
    }

    /// The partitions that were read further than so many positions beyond what was applied.
    pub fn ahead(&self, by: i64) -> Vec<usize> {
        let upto = self.applied.saturating_add(by);
        let ahead = self.partitions.iter().enumerate().filter(|(_at, partition)| partition.chain.seen > upto);
        ahead.map(|(at, _partition)| at).collect()
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn event(partition: usize, offset: i64, position: i64, previous: i64) -> Received {
        let event = Recorded {
            position,
            event_id: Uuid::from_u128(u128::try_from(position).unwrap()),
            aggregate_type: "tally".into(),
            aggregate_id: "one".into(),
            sequence: position,
            event_type: "tally_moved".into(),
            event_version: "1.0".into(),
            payload: "{}".into(),
            metadata: "{}".into(),
            merchant_id: None,
            livemode: None,
            recorded_at: DateTime::UNIX_EPOCH,
        };
        Received { partition, offset, said: Said::Event { event: Arc::new(event), previous } }
    }

    fn mark(partition: usize, offset: i64, position: i64, previous: i64) -> Received {
        Received { partition, offset, said: Said::Watermark { position, previous, event_id: None } }
    }

    fn positions(merge: &Merge) -> Vec<i64> {
        merge.ready(100).unwrap().iter().map(|event| event.position).collect()
    }

    #[test]
    fn events_wait_until_every_partition_is_complete_up_to_them() {
        let mut merge = Merge::begin(2, 0, &[], None);
        for received in [event(0, 0, 1, 0), event(0, 1, 3, 1), event(0, 2, 4, 3)] {
            merge.take(&received).unwrap();
        }
        assert_eq!(positions(&merge), [0_i64; 0]);
        assert_eq!((merge.ahead(3), merge.ahead(4)), (vec![0], Vec::new()));
        merge.take(&event(1, 0, 2, 0)).unwrap();
        assert_eq!(positions(&merge), [1, 2]);
        merge.take(&mark(1, 1, 4, 2)).unwrap();
        assert_eq!(positions(&merge), [1, 2, 3, 4]);
        assert_eq!(merge.offsets(), Vec::new());
        merge.applied(2);
        assert_eq!((positions(&merge), merge.offsets()), (vec![3, 4], vec![(0, 1), (1, 2)]));
        assert_eq!(merge.last_upto(4).iter().map(|last| (last.partition, last.position)).collect::<Vec<_>>(), [(0, 4)]);
        merge.applied(4);
        assert_eq!(merge.offsets(), [(0, 3), (1, 2)]);
    }

    #[test]
    fn what_was_applied_before_is_dropped() {
        let mut merge = Merge::begin(2, 2, &[], None);
        for received in [event(0, 0, 1, 0), event(1, 0, 2, 0), event(0, 1, 3, 1), mark(1, 1, 3, 2)] {
            merge.take(&received).unwrap();
        }
        assert_eq!(positions(&merge), [3]);
    }

    #[test]
    fn a_position_that_no_partition_has_is_a_hole() {
        let mut merge = Merge::begin(2, 0, &[], None);
        for received in [event(0, 0, 1, 0), event(0, 1, 3, 1), mark(1, 0, 3, 0)] {
            merge.take(&received).unwrap();
        }
        assert_eq!(positions(&merge), [1]);
        merge.applied(1);
        assert!(matches!(merge.ready(100), Err(Broken::Hole { position: 3, .. })));
        let mut behind = Merge::begin(1, 0, &[], None);
        behind.take(&mark(0, 0, 5, 0)).unwrap();
        assert!(behind.ready(100).is_err());
    }

    #[test]
    fn a_topic_of_another_past_is_noticed() {
        let mut merge = Merge::begin(1, 2, &[], Some((2, Uuid::from_u128(99))));
        merge.take(&event(0, 0, 1, 0)).unwrap();
        assert_eq!(merge.take(&event(0, 1, 2, 1)), Err(Broken::Another { position: 2 }));
    }
}
