//! What waits to be looked at, process by process: for those who operate the ledger.

use sqlx::{FromRow, postgres::PgExecutor};

/// Of one process. Each piece of work is in one of the four.
#[derive(Clone, Debug, PartialEq, FromRow)]
pub struct Waiting {
    pub process: String,
    /// Being looked at.
    pub taken_count: i64,
    /// Its time has come, and nobody has taken it yet.
    pub due_count: i64,
    /// For a time to come: a timer, a retry, a person.
    pub later_count: i64,
    /// Could not be finished when it was looked at last.
    pub failing_count: i64,
    /// How long what is due has been due; nothing where nothing is.
    pub oldest_due_seconds: f64,
}

const WAITING: &str = "select process, \
     count(*) filter (where taken_by is not null) as taken_count, \
     count(*) filter (where taken_by is null and failures = 0 and due_at <= now()) as due_count, \
     count(*) filter (where taken_by is null and failures = 0 and due_at > now()) as later_count, \
     count(*) filter (where taken_by is null and failures > 0) as failing_count, \
     coalesce(extract(epoch from now() - min(due_at) filter (where taken_by is null and due_at <= now())), 0)::float8 \
         as oldest_due_seconds \
     from work.due group by process order by process";

/// What waits now. It reads the whole table of what is due.
///
/// # Errors
/// The database failed.
pub async fn waiting(books: impl PgExecutor<'_>) -> Result<Vec<Waiting>, sqlx::Error> {
    sqlx::query_as(WAITING).fetch_all(books).await
}
