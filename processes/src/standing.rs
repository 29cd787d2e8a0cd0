//! What is to be looked at now, process by process: for those who operate the ledger.

use sqlx::{Connection as _, FromRow, postgres::PgConnection};

/// Of one process.
#[derive(Clone, Debug, PartialEq, FromRow)]
pub struct Waiting {
    pub process: String,
    /// Being looked at.
    pub taken_count: i64,
    /// Its time has come, and nobody has taken it yet.
    pub due_count: i64,
    /// How long the oldest of it has been due; nothing where nothing is.
    pub oldest_due_seconds: f64,
}

/// It reads what is due and what is taken, up to so many of each, and nothing of what waits.
const WAITING: &str = "with due as (select process, due_at from work.due \
                      where due_at <= now() and taken_by is null order by due_at limit 10000), \
     taken as (select process from work.due where taken_by is not null limit 10000) \
     select process, sum(taken) as taken_count, sum(due) as due_count, \
            coalesce(extract(epoch from now() - min(due_at)), 0)::float8 as oldest_due_seconds \
     from (select process, 0 as taken, 1 as due, due_at from due union all select process, 1, 0, null from taken) w \
     group by process order by process";

/// What is to be looked at now; of processes that have nothing, nothing.
///
/// # Errors
/// The database failed.
pub async fn waiting(books: &mut PgConnection) -> Result<Vec<Waiting>, sqlx::Error> {
    let mut moment = books.begin().await?;
    // By index, however small the table was when this was planned.
    sqlx::query("set local enable_seqscan = off").execute(&mut *moment).await?;
    let waiting = sqlx::query_as(WAITING).fetch_all(&mut *moment).await?;
    moment.rollback().await?;
    Ok(waiting)
}
