//! The mark a master key leaves in a ledger, so that another one is noticed.

use sqlx::postgres::PgPool;

use crate::Vault;

/// Leaves the mark of this key in a ledger that has none.
///
/// # Errors
/// The database failed.
pub async fn leave_mark(pool: &PgPool, vault: &Vault) -> Result<(), sqlx::Error> {
    let leave = "insert into vault.mark (mark) values ($1) on conflict do nothing";
    sqlx::query(leave).bind(vault.mark()).execute(pool).await.map(drop)
}

/// Whether the ledger bears no other key's mark.
///
/// # Errors
/// The database failed.
pub async fn is_its_key(pool: &PgPool, vault: &Vault) -> Result<bool, sqlx::Error> {
    let kept: Option<String> = sqlx::query_scalar("select mark from vault.mark").fetch_optional(pool).await?;
    Ok(kept.is_none_or(|kept| kept == vault.mark()))
}
