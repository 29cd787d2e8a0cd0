//! What is to be looked at now, and what waits for a person: for operators.

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

/// Sagas of one process that go no further until a person has looked.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct ForAPerson {
    pub process: String,
    /// 10,000 of all together are counted at most.
    pub waiting_count: i64,
}

const FOR_A_PERSON: &str = "select coalesce(business_type, '') as process, count(*) as waiting_count \
     from (select business_type from read.saga_instances where status = 'failed' limit 10000) failed \
     group by 1 order by 1";

/// What waits for a person; nothing at all where the read model of sagas is kept elsewhere.
///
/// # Errors
/// The database failed.
pub async fn for_a_person(books: &mut PgConnection) -> Result<Option<Vec<ForAPerson>>, sqlx::Error> {
    let is_here: bool =
        sqlx::query_scalar("select to_regclass('read.saga_instances') is not null").fetch_one(&mut *books).await?;
    if !is_here {
        return Ok(None);
    }
    let mut moment = books.begin().await?;
    sqlx::query("set local enable_seqscan = off").execute(&mut *moment).await?;
    let waiting = sqlx::query_as(FOR_A_PERSON).fetch_all(&mut *moment).await?;
    moment.rollback().await?;
    Ok(Some(waiting))
}
