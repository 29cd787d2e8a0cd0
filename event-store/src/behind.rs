//! A commit behind others: once it is done, they are on the disk.

use std::time::Duration;

use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, Error};

/// Where commits wait for a standby that is away, whoever asks is not held up with them.
const WITHIN: Duration = Duration::from_secs(5);

/// The commit of this transaction waits for the disk, whatever others of its connection do.
///
/// # Errors
/// The database failed.
pub async fn waits_for_the_disk(transaction: &mut PgConnection) -> Result<(), Error> {
    sqlx::query("set local synchronous_commit = on").execute(transaction).await.map(drop)
}

/// Returns once everything that was committed here is on the disk: to be asked before anything is told outside on the
/// strength of commits that did not wait.
///
/// # Errors
/// The database failed, or did not answer in time: it may not be so, and the connection is to be dropped.
pub async fn is_on_the_disk(connection: &mut PgConnection) -> Result<(), Error> {
    let commit = async {
        let mut behind = connection.begin().await?;
        waits_for_the_disk(&mut behind).await?;
        sqlx::query("select pg_logical_emit_message(true, 'daybook', '')").execute(&mut *behind).await?;
        behind.commit().await
    };
    tokio::time::timeout(WITHIN, commit).await.unwrap_or(Err(Error::PoolTimedOut))
}
