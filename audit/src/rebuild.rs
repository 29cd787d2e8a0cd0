//! The stored tree made anew from the log, in one transaction, by the owner.

use event_store::{Database, Run};
use sqlx::Connection as _;
use sqlx::postgres::PgConnection;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use crate::edge::{Edge, Tile};
use crate::hash::Hash;
use crate::leaf::Leaf;
use crate::rows::{self, Damaged, Standing, TreeFailure};
use crate::tree::NAME;

const RUN: i64 = 16_384;
const FOLLOWER: &str = "insert into log.followers (name, position) values ($1, $2) on conflict (name) do update \
     set position = excluded.position, epoch = log.followers.epoch + 1, holder = null, lease_until = null, failures = 0, \
         parked_reason = null, parked_at = null";

/// Throws the stored tree away and builds it from the log, up to where that ends now; its follower goes on from there.
/// Readers have the old one until it is done. `watch` hears how far it is, and where it will end.
///
/// # Errors
/// The log cannot be read, or whoever is connected may not change the tree. Then nothing has changed.
pub async fn rebuild(
    database: &Database,
    owner: &mut PgConnection,
    watch: &(dyn Fn(i64, i64) + Sync),
) -> Result<u64, TreeFailure> {
    let mut transaction = owner.begin().await?;
    // In the order in which the follower takes them.
    sqlx::query("select from log.followers where name = $1 for update").bind(NAME).execute(&mut *transaction).await?;
    sqlx::query("select from audit.tree for update").execute(&mut *transaction).await?;
    sqlx::query("delete from audit.tiles").execute(&mut *transaction).await?;
    let mut bulk = database.bulk().await?;
    let head = bulk.head().await?;
    let (sender, mut runs) = mpsc::channel::<Result<Run, sqlx::Error>>(1);
    let reading = tokio::spawn(async move {
        let mut after = 0;
        while after < head {
            let upto = after.saturating_add(RUN).min(head);
            if sender.send(bulk.run(after, upto).await).await.is_err() {
                return;
            }
            after = upto;
        }
    });
    let mut edge = Edge::default();
    while let Some(run) = runs.recv().await {
        let run = run?;
        let (grown, full) =
            spawn_blocking(move || grow(edge, &run)).await.map_err(|gone| Damaged(gone.to_string()))??;
        edge = grown;
        rows::keep(&mut *transaction, &full).await?;
        watch(rows::number(edge.size()), head);
    }
    drop(reading);
    if rows::number(edge.size()) != head {
        return Err(Damaged(format!("the log was not read to its end, {head}")).into());
    }
    let open: Vec<Tile> = edge.open_tiles().collect();
    rows::keep(&mut *transaction, &open).await?;
    rows::write_standing(&mut *transaction, Standing { size: edge.size(), root: edge.root() }).await?;
    sqlx::query(FOLLOWER).bind(NAME).bind(head).execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(edge.size())
}

fn grow(mut edge: Edge, run: &Run) -> Result<(Edge, Vec<Tile>), Damaged> {
    let (mut full, mut room, mut hole) = (Vec::new(), Vec::new(), None);
    let is_whole = run.glance(|event| {
        if rows::number(edge.size().saturating_add(1)) != event.position {
            hole = hole.or(Some(event.position));
        }
        let leaf: Hash = Leaf::from(&event).hash(&mut room);
        edge.push(leaf, &mut full);
    });
    match hole {
        Some(position) => Err(Damaged(format!("the log has a hole before position {position}"))),
        None if is_whole => Ok((edge, full)),
        None => Err(Damaged("an event of the log cannot be read".to_owned())),
    }
}
