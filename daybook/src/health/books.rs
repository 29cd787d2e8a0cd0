//! Whether the books balance, and how old what was signed of them is: looked at now and then.

use std::time::{Duration, Instant};

use audit::LastSigned;
use sqlx::PgConnection;

/// Every account is read for it.
const EVERY: Duration = Duration::from_secs(30);

#[derive(Clone, Debug)]
pub(crate) struct Books {
    at: Instant,
    /// In how many currencies the accounts do not sum to zero; nothing where the read models are elsewhere.
    pub(crate) unbalanced_count: Option<i64>,
    /// Nothing where nothing was ever signed.
    signed: Option<LastSigned>,
}

impl Books {
    pub(super) async fn look(connection: &mut PgConnection) -> Result<Self, sqlx::Error> {
        let unbalanced_count = projections::unbalanced(&mut *connection).await?;
        let signed = audit::last_signed(connection).await?;
        Ok(Self { at: Instant::now(), unbalanced_count, signed })
    }

    pub(super) fn is_fresh(&self) -> bool {
        self.at.elapsed() < EVERY
    }

    /// Up to where it is signed, and how long ago that was, in seconds.
    pub(crate) fn signed(&self) -> Option<(i64, f64)> {
        self.signed.as_ref().map(|signed| (signed.size, signed.age_seconds + self.at.elapsed().as_secs_f64()))
    }
}
