//! The same explanations for whoever has the ledger at hand, and sees all of it.

use domain::aggregate::Aggregate as _;
use domain::id::PaymentId;
use domain::payment::Payment;
use event_store::Store;
use serde_json::Value;
use sqlx::PgConnection;

use super::cause::{Causes, Why};
use super::{EVENTS_MAX, LINES_ABSENT, LINES_MAX, balance_told, entry_told, payment_told};
use crate::ledger::{self, AsOf};

/// What is to be explained.
#[derive(Clone, Debug)]
pub enum Asked {
    /// The journal entry at a position.
    Entry(i64),
    Payment(PaymentId),
    /// The last lines of an account.
    Balance {
        account: String,
        currency: Option<String>,
        livemode: Option<bool>,
        at_position: Option<i64>,
        limit: Option<i64>,
    },
}

/// Why there is no explanation.
#[derive(Debug, thiserror::Error)]
pub enum Unexplained {
    #[error("there is no such thing in this ledger")]
    Absent,
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error("an event is not understood: {0}")]
    Unreadable(String),
}

impl From<Why> for Unexplained {
    fn from(why: Why) -> Self {
        match why {
            Why::Database(failure) => Self::Database(failure),
            Why::Unreadable(reason) => Self::Unreadable(reason),
        }
    }
}

/// The tree, as the API has it.
///
/// # Errors
/// There is no such thing, or it cannot be read.
pub async fn explained(store: &Store, connection: &mut PgConnection, asked: &Asked) -> Result<Value, Unexplained> {
    let sight = (true, i64::MAX);
    match asked {
        Asked::Entry(position) => {
            let event = store.event(*position).await?.ok_or(Unexplained::Absent)?;
            let mut causes = Causes::new(store, connection, sight);
            entry_told(&mut causes, &event).await?.ok_or(Unexplained::Absent)
        }
        Asked::Payment(id) => {
            let stream = store.stream_events(Payment::TYPE, &id.to_string(), 0, EVENTS_MAX).await?;
            if stream.is_empty() {
                return Err(Unexplained::Absent);
            }
            let mut causes = Causes::new(store, connection, sight);
            Ok(payment_told(&mut causes, *id, &stream).await?)
        }
        Asked::Balance { account, currency, livemode, at_position, limit } => {
            let last = ledger::last_position(connection).await?;
            let position = at_position.unwrap_or(last).min(last);
            let of = (account.as_str(), currency.as_deref(), *livemode);
            if !ledger::is_known(connection, of, AsOf { position, effective_at: None }).await? {
                return Err(Unexplained::Absent);
            }
            let limit = limit.unwrap_or(LINES_ABSENT).clamp(1, LINES_MAX);
            Ok(balance_told(store, connection, sight, (of, position, limit)).await?)
        }
    }
}
