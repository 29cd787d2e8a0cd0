//! Whether the books balance, and how old what was signed of them is.

use std::time::{Duration, Instant};

use audit::LastSigned;
use sqlx::PgConnection;

const EVERY: Duration = Duration::from_secs(5);
/// Every account is read for it: one part of a connection's time in so many, however many accounts there are.
const OF_THE_TIME: u32 = 100;

#[derive(Clone, Debug)]
pub(crate) struct Books {
    at: Instant,
    took: Duration,
    /// In how many currencies the accounts do not sum to zero; nothing where the read models are elsewhere.
    pub(crate) unbalanced_count: Option<i64>,
    /// Nothing where nothing was ever signed.
    signed: Option<LastSigned>,
}

impl Books {
    pub(super) async fn look(connection: &mut PgConnection) -> Result<Self, sqlx::Error> {
        let begun = Instant::now();
        let unbalanced_count = projections::unbalanced(&mut *connection).await?;
        let signed = audit::last_signed(connection).await?;
        Ok(Self { at: Instant::now(), took: begun.elapsed(), unbalanced_count, signed })
    }

    pub(super) fn is_fresh(&self) -> bool {
        self.at.elapsed() < EVERY.max(self.took.saturating_mul(OF_THE_TIME))
    }

    /// Up to where it is signed, and how long ago that was, in seconds.
    pub(crate) fn signed(&self) -> Option<(i64, f64)> {
        self.signed.as_ref().map(|signed| (signed.size, signed.age_seconds + self.at.elapsed().as_secs_f64()))
    }
}
