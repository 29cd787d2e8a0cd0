//! A commit behind others: once it is done, they are on the disk.

use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, Error};

/// Returns once everything that was committed here is on the disk: to be asked before anything is told outside on the
/// strength of commits that did not wait.
///
/// # Errors
/// The database failed: it may not be so.
pub async fn is_on_the_disk(connection: &mut PgConnection) -> Result<(), Error> {
    let mut behind = connection.begin().await?;
    sqlx::query("set local synchronous_commit = on").execute(&mut *behind).await?;
    sqlx::query("select pg_logical_emit_message(true, 'daybook', '')").execute(&mut *behind).await?;
    behind.commit().await
}
