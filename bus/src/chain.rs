//! One partition's chain: each event names the one before it.

use uuid::Uuid;

/// An event or a watermark, as far as its place is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    pub position: i64,
    /// The position of the event before it in its partition.
    pub previous: i64,
    /// Of the event; a watermark has none of its own.
    pub event_id: Option<Uuid>,
}

/// What has come of a partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    /// Every event of the partition up to here has come.
    pub seen: i64,
    /// The last event that came, where it is known.
    pub last: Option<(i64, Uuid)>,
}

/// What a link is to a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The next: to be applied.
    Next,
    /// It has come before: to be dropped.
    Seen,
}

/// Why nothing more may be taken from a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    #[error(
        "there is a hole: position {position} follows on {previous}, and this partition was read up to {seen}; \
         the events between are not there, or offsets were set past them"
    )]
    Hole { position: i64, previous: i64, seen: i64 },
    #[error(
        "another log: position {position} was another event before; the log was restored to an earlier moment, \
         or the topic is that of another ledger"
    )]
    Another { position: i64 },
}

impl Chain {
    /// Takes the next link, and says what to do with it.
    ///
    /// # Errors
    /// The chain is broken there: nothing after it may be taken.
    pub fn take(&mut self, link: Link) -> Result<Verdict, Broken> {
        let Link { position, previous, event_id } = link;
        if event_id.is_some() && position <= self.seen {
            return match self.last {
                Some((last, id)) if last == position && event_id != Some(id) => Err(Broken::Another { position }),
                Some(_) | None => Ok(Verdict::Seen),
            };
        }
        if previous > self.seen {
            return Err(Broken::Hole { position, previous, seen: self.seen });
        }
        if event_id.is_some() && self.last.is_some_and(|(last, _id)| previous < last) {
            return Err(Broken::Another { position });
        }
        self.seen = self.seen.max(position);
        if let Some(id) = event_id {
            self.last = Some((position, id));
            return Ok(Verdict::Next);
        }
        Ok(Verdict::Seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(position: i64, previous: i64) -> Link {
        Link { position, previous, event_id: Some(id(position)) }
    }

    fn mark(position: i64, previous: i64) -> Link {
        Link { position, previous, event_id: None }
    }

    fn id(position: i64) -> Uuid {
        Uuid::from_u128(u128::try_from(position).unwrap())
    }

    #[test]
    fn events_follow_on_one_another_and_come_once() {
        let mut chain = Chain::default();
        let links = [event(3, 0), event(7, 3), event(3, 0), event(7, 3), mark(9, 7), event(12, 7)];
        let verdicts: Vec<Verdict> = links.into_iter().map(|link| chain.take(link).unwrap()).collect();
        use Verdict::{Next, Seen};
        assert_eq!(verdicts, [Next, Next, Seen, Seen, Seen, Next]);
        assert_eq!(chain, Chain { seen: 12, last: Some((12, id(12))) });
    }

    #[test]
    fn a_hole_is_seen_before_an_event_and_before_a_watermark() {
        let mut chain = Chain { seen: 3, last: Some((3, id(3))) };
        assert_eq!(chain.take(event(9, 7)), Err(Broken::Hole { position: 9, previous: 7, seen: 3 }));
        assert_eq!(chain.take(mark(9, 7)), Err(Broken::Hole { position: 9, previous: 7, seen: 3 }));
        assert_eq!(chain.seen, 3);
    }

    #[test]
    fn another_event_in_the_same_place_is_another_log() {
        let mut chain = Chain { seen: 3, last: Some((3, id(3))) };
        let other = Link { event_id: Some(id(99)), ..event(3, 0) };
        assert_eq!(chain.take(other), Err(Broken::Another { position: 3 }));
        let forked = Link { event_id: Some(id(98)), ..event(4, 1) };
        assert_eq!(chain.take(forked), Err(Broken::Another { position: 4 }));
    }

    /// Whatever a relay that starts again and again at an earlier place sends: each event once, in order.
    #[test]
    fn a_relay_that_begins_again_anywhere_loses_and_doubles_nothing() {
        let chance = |n: u64| n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        for seed in 0..500 {
            let (mut random, mut sent, mut at) = (chance(seed), Vec::new(), 0_usize);
            let positions: Vec<i64> = (1..=60).filter(|p| p % 3 != i64::try_from(seed % 3).unwrap()).collect();
            while at < positions.len() {
                random = chance(random);
                let stop = (at + usize::try_from(random >> 60).unwrap()).min(positions.len());
                sent.extend((at..stop).map(|n| event(positions[n], if n == 0 { 0 } else { positions[n - 1] })));
                random = chance(random);
                at = stop.saturating_sub(usize::try_from((random >> 61) % 3).unwrap());
                if stop == positions.len() {
                    break;
                }
            }
            let mut chain = Chain::default();
            let applied: Vec<i64> = sent
                .into_iter()
                .filter(|link| chain.take(*link).unwrap() == Verdict::Next)
                .map(|link| link.position)
                .collect();
            assert_eq!(applied, positions, "seed {seed}");
        }
    }
}
