//! What was read lately: whoever is behind finds what another behind has just read.

use std::collections::VecDeque;
use std::sync::Arc;

use sqlx::postgres::PgPool;
use tokio::sync::Mutex;

use crate::recorded::Recorded;
use crate::tail::{read, weight};

/// Blocks begin after a multiple of this, so that all who come by ask for the same ones.
const BLOCK: i64 = 1_000;
/// Of payload and metadata, in all.
const BYTES_MAX: usize = 16 * 1024 * 1024;

type Events = Arc<Vec<Arc<Recorded>>>;

/// Whole blocks, the one asked for last at the back.
#[derive(Default)]
pub(crate) struct Lately(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    blocks: VecDeque<(i64, Events)>,
    bytes: usize,
}

impl Lately {
    /// The next events after a position, at most so many, as far as its block goes. The log reaches to `last` at least.
    pub(crate) async fn after(
        &self,
        pool: &PgPool,
        position: i64,
        most: usize,
        last: i64,
    ) -> Result<Vec<Arc<Recorded>>, sqlx::Error> {
        let begin = position.saturating_sub(position.rem_euclid(BLOCK));
        // The end of the log is no whole block yet.
        if last < begin.saturating_add(BLOCK) {
            return read(pool, position, i64::try_from(most).unwrap_or(BLOCK).min(BLOCK)).await;
        }
        // One reads and the others wait for what it brings.
        let mut kept = self.0.lock().await;
        let block = match kept.find(begin) {
            Some(block) => block,
            None => {
                let block = Arc::new(read(pool, begin, BLOCK).await?);
                kept.keep(begin, &block);
                block
            }
        };
        drop(kept);
        let skip = usize::try_from(position.saturating_sub(begin)).unwrap_or_default();
        Ok(block.iter().skip(skip).take(most).map(Arc::clone).collect())
    }
}

impl Kept {
    fn find(&mut self, begin: i64) -> Option<Events> {
        let at = self.blocks.iter().position(|(first, _events)| *first == begin)?;
        let found = self.blocks.remove(at)?;
        let events = Arc::clone(&found.1);
        self.blocks.push_back(found);
        Some(events)
    }

    fn keep(&mut self, begin: i64, events: &Events) {
        self.bytes = self.bytes.saturating_add(weight_of(events));
        self.blocks.push_back((begin, Arc::clone(events)));
        while self.bytes > BYTES_MAX
            && let Some((_begin, oldest)) = self.blocks.pop_front()
        {
            self.bytes = self.bytes.saturating_sub(weight_of(&oldest));
        }
    }
}

fn weight_of(events: &[Arc<Recorded>]) -> usize {
    events.iter().map(|event| weight(event)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(begin: i64, bytes: usize) -> Events {
        Arc::new(vec![Arc::new(Recorded::of_a_tally(begin + 1, &"x".repeat(bytes)))])
    }

    #[test]
    fn what_was_asked_for_longest_ago_goes_first_and_never_is_more_kept_than_may_be() {
        // Of each, the metadata are two bytes.
        let third = BYTES_MAX / 3 - 2;
        let mut kept = Kept::default();
        for begin in [0, 1_000, 2_000] {
            kept.keep(begin, &block(begin, third));
        }
        assert!(kept.find(0).is_some());
        kept.keep(3_000, &block(3_000, third));
        assert!(kept.find(1_000).is_none());
        assert!([0, 2_000, 3_000].into_iter().all(|begin| kept.find(begin).is_some()));
        kept.keep(4_000, &block(4_000, BYTES_MAX + 1));
        assert_eq!((kept.blocks.len(), kept.bytes), (0, 0));
    }
}
