//! Data keys where they stand: found to open a value, deleted to forget a person.

use domain::sealed::Sealed;
use sqlx::postgres::{PgExecutor, PgPool};
use zeroize::Zeroizing;

use crate::{OpenFailure, Vault, data_key};

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

/// Deletes every key of a person; how many there were. What they sealed is gone for good.
///
/// # Errors
/// The database failed.
pub async fn forget_person(pool: &PgPool, index: &str) -> Result<u64, sqlx::Error> {
    let deleted = sqlx::query("delete from vault.data_keys where person = $1").bind(index).execute(pool).await?;
    Ok(deleted.rows_affected())
}
