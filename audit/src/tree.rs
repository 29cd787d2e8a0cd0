//! The follower that grows the tree: leaves, tiles and root, with its place in the log.

use std::sync::Arc;

use event_store::{Follower, Poison, Recorded};
use futures_util::future::BoxFuture;
use sqlx::postgres::PgConnection;

use crate::leaf::Leaf;
use crate::rows::{self, Standing, TreeFailure};

/// Its name is its identity, for ever.
pub(crate) const NAME: &str = "tree";

/// Keeps the Merkle tree over the log.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tree;

impl Follower for Tree {
    fn name(&self) -> &'static str {
        NAME
    }

    fn apply<'a>(
        &'a mut self,
        books: &'a mut PgConnection,
        events: &'a [Arc<Recorded>],
    ) -> BoxFuture<'a, Result<(), Poison>> {
        Box::pin(grow(books, events))
    }
}

async fn grow(books: &mut PgConnection, events: &[Arc<Recorded>]) -> Result<(), Poison> {
    let Standing { size, .. } = rows::locked_standing(&mut *books).await.map_err(poison)?;
    let mut edge = rows::edge(&mut *books, size).await.map_err(poison)?;
    let (mut full, mut room) = (Vec::new(), Vec::new());
    for event in events {
        // A position is the number of its leaf, counted from one: none is left out, none comes twice.
        if u64::try_from(event.position) != Ok(edge.size().saturating_add(1)) {
            return Err(Poison::Event(format!(
                "the tree has {} leaves, and position {} comes",
                edge.size(),
                event.position
            )));
        }
        edge.push(Leaf::from(&**event).hash(&mut room), &mut full);
    }
    full.extend(edge.open_tiles());
    rows::keep(&mut *books, &full).await?;
    rows::write_standing(books, Standing { size: edge.size(), root: edge.root() }).await?;
    Ok(())
}

fn poison(failure: TreeFailure) -> Poison {
    match failure {
        TreeFailure::Damaged(damaged) => Poison::Event(damaged.to_string()),
        TreeFailure::Database(failure) => Poison::Database(failure),
    }
}
