//! Data keys where they stand: found to open a value, deleted to forget a person.

use std::collections::BTreeMap;

use domain::sealed::Sealed;
use sqlx::postgres::{PgExecutor, PgPool};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{Envelope, OpenFailure, Vault, data_key, erasures::carry_out};

/// Opens a value. `None`: its key was destroyed, and with it the value.
///
/// # Errors
/// The database failed, or the value is damaged.
pub async fn open<T>(
    database: impl PgExecutor<'_>,
    vault: &Vault,
    sealed: &Sealed<T>,
) -> Result<Option<Zeroizing<String>>, sqlx::Error> {
    let damaged = |failure: OpenFailure| sqlx::Error::Decode(failure.into());
    let id = data_key::id_of(sealed).map_err(damaged)?;
    let wrapped: Option<Vec<u8>> = sqlx::query_scalar("select wrapped from vault.data_keys where id = $1")
        .bind(id)
        .fetch_optional(database)
        .await?;
    wrapped
        .map(|wrapped| vault.unwrap(id, &wrapped).and_then(|envelope| envelope.open(sealed)).map_err(damaged))
        .transpose()
}

/// Opens many values, in order, with one question to the database. `None`: its key was destroyed.
///
/// # Errors
/// The database failed, or a value is damaged.
pub async fn open_all<T>(
    pool: &PgPool,
    vault: &Vault,
    sealed: &[Sealed<T>],
) -> Result<Vec<Option<Zeroizing<String>>>, sqlx::Error> {
    let damaged = |failure: OpenFailure| sqlx::Error::Decode(failure.into());
    let ids = sealed.iter().map(data_key::id_of).collect::<Result<Vec<Uuid>, _>>().map_err(damaged)?;
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut asked = ids.clone();
    asked.sort_unstable();
    asked.dedup();
    let rows: Vec<(Uuid, Vec<u8>)> = sqlx::query_as("select id, wrapped from vault.data_keys where id = any($1)")
        .bind(asked)
        .fetch_all(pool)
        .await?;
    let unwrapped = rows.iter().map(|(id, wrapped)| Ok((*id, vault.unwrap(*id, wrapped)?)));
    let envelopes = unwrapped.collect::<Result<BTreeMap<Uuid, Envelope>, OpenFailure>>().map_err(damaged)?;
    let opened = sealed
        .iter()
        .zip(&ids)
        .map(|(sealed, id)| envelopes.get(id).map(|envelope| envelope.open(sealed)).transpose().map_err(damaged));
    opened.collect()
}

/// How many keys there are of this person: what they have sealed can still be opened.
///
/// # Errors
/// The database failed.
pub async fn keys_count(pool: &PgPool, index: &str) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("select count(*) from vault.data_keys where person = $1").bind(index).fetch_one(pool).await
}

/// Deletes the keys of a person that came before a position, that of the order; how many there were. What they sealed is
/// gone for good.
///
/// # Errors
/// The database failed.
pub async fn forget_person(pool: &PgPool, index: &str, ordered_at: i64) -> Result<u64, sqlx::Error> {
    carry_out(pool, std::iter::once((index.to_owned(), ordered_at))).await
}
