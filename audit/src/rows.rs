//! The tree in the database: its size and root, its tiles, what was signed of it.

use std::collections::BTreeMap;

use sqlx::postgres::PgExecutor;

use crate::checkpoint::Note;
use crate::edge::{Edge, HEIGHT, Tile, open, used};
use crate::hash::{Hash, bytes, hashes};
use crate::proof::Nodes;
use crate::tile::{Place, Tiles, Wanted};

/// What the tree is in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    pub size: u64,
    pub root: Hash,
}

/// The stored tree contradicts itself: it was changed by somebody else than the follower.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the stored tree is damaged: {0}; `daybook verify` says where, `daybook audit rebuild` makes it anew from the log"
)]
pub struct Damaged(pub(crate) String);

#[derive(Debug, thiserror::Error)]
pub enum TreeFailure {
    #[error(transparent)]
    Damaged(#[from] Damaged),
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

const STANDING: &str = "select size, root from audit.tree";
const TILES: &str = "select t.level, t.index, t.hashes from unnest($1::smallint[], $2::bigint[]) as w (level, index) \
     join audit.tiles t on t.level = w.level and t.index = w.index";
/// A full tile stays; one that is not grows.
const KEEP: &str = "insert into audit.tiles (level, index, hashes) \
     select * from unnest($1::smallint[], $2::bigint[], $3::bytea[]) \
     on conflict (level, index) do update set hashes = excluded.hashes \
     where octet_length(audit.tiles.hashes) < octet_length(excluded.hashes)";

pub(crate) async fn standing(books: impl PgExecutor<'_>) -> Result<Standing, TreeFailure> {
    read_standing(books, STANDING).await
}

pub(crate) async fn locked_standing(books: impl PgExecutor<'_>) -> Result<Standing, TreeFailure> {
    read_standing(books, &format!("{STANDING} for update")).await
}

async fn read_standing(books: impl PgExecutor<'_>, select: &str) -> Result<Standing, TreeFailure> {
    let row: Option<(i64, Vec<u8>)> = sqlx::query_as(select).fetch_optional(books).await?;
    let (size, root) = row.ok_or_else(|| Damaged("audit.tree is empty".to_owned()))?;
    let root = Hash::from_slice(&root).ok_or_else(|| Damaged("its root is no hash".to_owned()))?;
    Ok(Standing { size: u64::try_from(size).unwrap_or_default(), root })
}

pub(crate) async fn write_standing(
    books: impl PgExecutor<'_>,
    Standing { size, root }: Standing,
) -> Result<(), sqlx::Error> {
    let written = sqlx::query("update audit.tree set size = $1, root = $2").bind(number(size)).bind(root.0.as_slice());
    written.execute(books).await.map(drop)
}

/// The edge of the tree of this size, to grow on.
pub(crate) async fn edge(books: impl PgExecutor<'_>, size: u64) -> Result<Edge, TreeFailure> {
    let levels = 0..used(size);
    let places = levels.clone().filter(|level| open(size, *level) > 0);
    let tiles = tiles(books, places.map(|level| (level, size >> (HEIGHT * (level + 1))))).await?;
    let of_level = |level| match tiles.0.get(&(level, size >> (HEIGHT * (level + 1)))) {
        Some(hashes) => hashes.clone(),
        None => Vec::new(),
    };
    let edge = Edge::of(size, levels.map(of_level).collect());
    edge.ok_or_else(|| {
        Damaged(format!("the open tiles of a tree of {size} are not all there, or not as long as they must be")).into()
    })
}

pub(crate) async fn tiles(
    books: impl PgExecutor<'_>,
    places: impl IntoIterator<Item = Place>,
) -> Result<Tiles, TreeFailure> {
    let (levels, indexes): (Vec<i16>, Vec<i64>) =
        places.into_iter().map(|(level, index)| (i16::try_from(level).unwrap_or(i16::MAX), number(index))).unzip();
    if levels.is_empty() {
        return Ok(Tiles::default());
    }
    let rows: Vec<(i16, i64, Vec<u8>)> = sqlx::query_as(TILES).bind(levels).bind(indexes).fetch_all(books).await?;
    let mut found = BTreeMap::new();
    for (level, index, bytes) in rows {
        let hashes = hashes(&bytes).ok_or_else(|| Damaged(format!("tile {index} of level {level} is cut")))?;
        found.insert((u32::try_from(level).unwrap_or_default(), u64::try_from(index).unwrap_or_default()), hashes);
    }
    Ok(Tiles(found))
}

pub(crate) async fn keep(books: impl PgExecutor<'_>, tiles: &[Tile]) -> Result<(), sqlx::Error> {
    let levels: Vec<i16> = tiles.iter().map(|tile| i16::try_from(tile.level).unwrap_or(i16::MAX)).collect();
    let indexes: Vec<i64> = tiles.iter().map(|tile| number(tile.index)).collect();
    let hashes: Vec<Vec<u8>> = tiles.iter().map(|tile| bytes(&tile.hashes)).collect();
    sqlx::query(KEEP).bind(levels).bind(indexes).bind(hashes).execute(books).await.map(drop)
}

/// An answer made of nodes: finds out which tiles it takes, fetches them at once, and makes it.
pub(crate) async fn answer<T>(
    books: impl PgExecutor<'_>,
    of_wanted: impl FnOnce(&mut Wanted) -> Option<T>,
    of_tiles: impl FnOnce(&mut Tiles) -> Option<T>,
) -> Result<T, TreeFailure> {
    let mut wanted = Wanted::default();
    let none = || TreeFailure::Damaged(Damaged("tiles that must be there are missing or short".to_owned()));
    drop(of_wanted(&mut wanted).ok_or_else(none)?);
    let mut tiles = tiles(books, wanted.0).await?;
    of_tiles(&mut tiles).ok_or_else(none)
}

/// The root the tree had at a size it has reached.
pub(crate) async fn root_at(books: impl PgExecutor<'_>, size: u64) -> Result<Hash, TreeFailure> {
    fn root(nodes: &mut impl Nodes, size: u64) -> Option<Hash> {
        crate::proof::root(nodes, size)
    }
    answer(books, |wanted| root(wanted, size), |tiles| root(tiles, size)).await
}

/// A checkpoint as it is kept.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) size: u64,
    pub(crate) note: String,
}

impl Kept {
    pub(crate) fn read(&self) -> Result<Note, Damaged> {
        let note: Note = self.note.parse().map_err(|why| Damaged(format!("the checkpoint of {}: {why}", self.size)))?;
        if note.claimed().size == self.size {
            Ok(note)
        } else {
            Err(Damaged(format!("the checkpoint kept as of {} is of {}", self.size, note.claimed().size)))
        }
    }
}

const LAST: &str = "select size, note from audit.checkpoints order by size desc limit 1";
const FROM: &str = "select size, note from audit.checkpoints where size >= $1 order by size limit $2";

pub(crate) async fn last_checkpoint(books: impl PgExecutor<'_>) -> Result<Option<Kept>, sqlx::Error> {
    Ok(sqlx::query_as(LAST).fetch_optional(books).await?.map(kept))
}

/// The checkpoints of a size and larger, at most so many.
pub(crate) async fn checkpoints(books: impl PgExecutor<'_>, from: u64, most: i64) -> Result<Vec<Kept>, sqlx::Error> {
    let rows = sqlx::query_as(FROM).bind(number(from)).bind(most).fetch_all(books).await?;
    Ok(rows.into_iter().map(kept).collect())
}

fn kept((size, note): (i64, String)) -> Kept {
    Kept { size: u64::try_from(size).unwrap_or_default(), note }
}

pub(crate) async fn keep_checkpoint(books: impl PgExecutor<'_>, note: &Note) -> Result<(), sqlx::Error> {
    let insert = "insert into audit.checkpoints (size, root, note) values ($1, $2, $3) on conflict do nothing";
    let (checkpoint, text) = (note.claimed(), note.to_string());
    sqlx::query(insert)
        .bind(number(checkpoint.size))
        .bind(checkpoint.root.0.as_slice())
        .bind(text)
        .execute(books)
        .await
        .map(drop)
}

pub(crate) async fn keep_key(books: impl PgExecutor<'_>, key: &str) -> Result<(), sqlx::Error> {
    let insert = "insert into audit.keys (key) values ($1) on conflict do nothing";
    sqlx::query(insert).bind(key).execute(books).await.map(drop)
}

/// Public keys, as they came.
pub(crate) async fn keys(books: impl PgExecutor<'_>) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar("select key from audit.keys order by since, key").fetch_all(books).await
}

/// Sizes are positions, which Postgres counts in 63 bits.
pub(crate) fn number(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}
