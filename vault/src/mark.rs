//! The mark a master key leaves in a ledger, so that another one is noticed.

use sqlx::postgres::PgPool;

use crate::Vault;

/// Whether this is the key the ledger was begun with. A ledger without a mark gets one.
///
/// # Errors
/// The database failed.
pub async fn is_its_key(pool: &PgPool, vault: &Vault) -> Result<bool, sqlx::Error> {
    let mark = vault.mark();
    let kept: Option<String> = sqlx::query_scalar("select mark from vault.mark").fetch_optional(pool).await?;
    let kept = match kept {
        Some(kept) => kept,
        None => {
            let make = "insert into vault.mark (mark) values ($1) on conflict do nothing";
            sqlx::query(make).bind(&mark).execute(pool).await?;
            sqlx::query_scalar("select mark from vault.mark").fetch_one(pool).await?
        }
    };
    Ok(kept == mark)
}
