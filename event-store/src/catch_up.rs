//! Waiting, within bounds, until a follower has passed what is in the log now.

use std::time::Duration;

use sqlx::postgres::PgPool;

use crate::stats;
use crate::store::Store;

const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

impl Store {
    /// Whether a follower, wherever it runs, has passed everything that is in the log at this moment, or does so in
    /// time. What it has written by then is as good as the log, as of this moment.
    ///
    /// # Errors
    /// Where the database cannot be reached.
    pub async fn is_caught_up(&self, follower: &str, within: Duration) -> Result<bool, sqlx::Error> {
        let pool = self.pool();
        let reaching = async {
            let end = stats::head(pool).await?;
            while position_of(pool, follower).await? < end {
                tokio::time::sleep(BETWEEN_LOOKS).await;
            }
            Ok(true)
        };
        tokio::time::timeout(within, reaching).await.unwrap_or(Ok(false))
    }
}

async fn position_of(pool: &PgPool, follower: &str) -> Result<i64, sqlx::Error> {
    let position = sqlx::query_scalar("select position from log.followers where name = $1").bind(follower);
    Ok(position.fetch_optional(pool).await?.unwrap_or_default())
}
