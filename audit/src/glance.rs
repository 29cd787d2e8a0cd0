//! How the tree stands beside what was signed of it: a few reads, however long the log.

use sqlx::postgres::PgPool;

use crate::rows::{self, TreeFailure};

/// What a look in passing has found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Glance {
    /// How many leaves the tree has.
    pub size: u64,
    pub signed: Option<Signature>,
}

/// The newest checkpoint, held against the tree.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Signature {
    pub size: u64,
    /// How old it is; nothing while it speaks of the whole tree, for then there is nothing to sign.
    pub age_seconds: f64,
    /// Whether the stored tree has the root at that size that was signed.
    pub is_of_the_tree: bool,
}

const AGE: &str = "select extract(epoch from now() - signed_at)::float8 from audit.checkpoints where size = $1";

/// Looks at the tree and at the newest checkpoint, both of one moment.
///
/// # Errors
/// The tree cannot be read, or is damaged where it was looked at.
pub async fn glance(pool: &PgPool) -> Result<Glance, TreeFailure> {
    let mut moment = pool.begin().await?;
    sqlx::query("set transaction isolation level repeatable read").execute(&mut *moment).await?;
    let size = rows::standing(&mut *moment).await?.size;
    let signed = match rows::last_checkpoint(&mut *moment).await? {
        None => None,
        Some(kept) => {
            let age: f64 = sqlx::query_scalar(AGE).bind(rows::number(kept.size)).fetch_one(&mut *moment).await?;
            let root = kept.read()?.claimed().root;
            let is_of_the_tree = kept.size <= size && rows::root_at(&mut *moment, kept.size).await? == root;
            let age_seconds = if kept.size == size { 0.0 } else { age.max(0.0) };
            Some(Signature { size: kept.size, age_seconds, is_of_the_tree })
        }
    };
    moment.rollback().await?;
    Ok(Glance { size, signed })
}
