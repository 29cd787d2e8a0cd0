//! What the ledger is asked: balances, statements, journal, on either axis of time.

use chrono::{DateTime, Utc};
use sqlx::postgres::PgConnection;
use sqlx::{Error, FromRow, Row as _};
use uuid::Uuid;

use crate::column::Column as _;

/// As of when: what was known at a position, and of that what had taken effect by a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AsOf {
    pub position: i64,
    pub effective_at: Option<DateTime<Utc>>,
}

/// Whose books: those of one merchant, of one mode, or all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whose {
    pub merchant_id: Option<Uuid>,
    pub livemode: Option<bool>,
}

/// An account with its balance: debits less credits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balance {
    pub account: String,
    pub currency: String,
    pub livemode: bool,
    pub kind: String,
    pub balance_minor: i128,
}

/// A line of an account's statement, with the balance after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementLine {
    pub position: i64,
    pub line: i16,
    pub event_type: String,
    pub aggregate_id: String,
    pub currency: String,
    pub livemode: bool,
    pub amount_minor: i64,
    pub balance_minor: i128,
    pub effective_at: DateTime<Utc>,
    pub recorded_at: DateTime<Utc>,
}

/// A line of the journal, with what its entry is about.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct JournalLine {
    pub position: i64,
    pub line: i16,
    pub event_id: Uuid,
    pub event_type: String,
    pub aggregate_id: String,
    pub merchant_id: Option<Uuid>,
    pub reverses: Option<String>,
    pub account: String,
    pub currency: String,
    pub livemode: bool,
    pub amount_minor: i64,
    pub occurred_at: DateTime<Utc>,
    pub effective_at: DateTime<Utc>,
    pub recorded_at: DateTime<Utc>,
}

/// A line of the general ledger: of an account, by its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GeneralLine {
    pub account_id: i32,
    pub account: String,
    pub of: StatementLine,
}

/// Behind this line a page begins: whoever has the last line of a page asks for the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct After {
    /// Of the general ledger alone.
    pub account_id: i32,
    pub position: i64,
    pub line: i16,
}

impl Default for After {
    fn default() -> Self {
        Self { account_id: -1, position: 0, line: -1 }
    }
}

/// The last balance at or before a position, found by index in each account.
const BALANCES: &str = "select a.account, a.currency, a.livemode, a.kind, p.balance_minor::text as balance_minor \
     from read.accounts a cross join lateral ( \
         select p.balance_minor from read.postings p where p.account_id = a.id and p.position <= $1 \
         order by p.position desc, p.line desc limit 1) p \
     where a.first_position <= $1 and ($2::boolean is null or a.livemode = $2) and ($3::uuid is null or a.merchant_id = $3) \
     order by a.account, a.currency, a.livemode desc";

/// Whole days come from their sums, where all of the account was known at the position; only the last day is gone
/// through. An account that has moved since is gone through by its index.
const BALANCES_BY_EFFECT: &str = "select a.account, a.currency, a.livemode, a.kind, (case when a.last_position <= $1 then \
         (select coalesce(sum(d.amount_minor), 0) from read.account_days d \
           where d.account_id = a.id and d.day < ($4 at time zone 'UTC')::date) + \
         (select coalesce(sum(p.amount_minor), 0) from read.postings p where p.account_id = a.id \
             and p.effective_at >= date_trunc('day', $4 at time zone 'UTC') at time zone 'UTC' and p.effective_at <= $4) \
     else (select coalesce(sum(p.amount_minor), 0) from read.postings p \
            where p.account_id = a.id and p.effective_at <= $4 and p.position <= $1) end)::text as balance_minor \
     from read.accounts a \
     where a.first_position <= $1 and ($2::boolean is null or a.livemode = $2) and ($3::uuid is null or a.merchant_id = $3) \
     order by a.account, a.currency, a.livemode desc";

/// Every account that had postings by then, with its balance. Those of all merchants sum to zero in each currency.
///
/// # Errors
/// The database failed.
pub async fn balances(connection: &mut PgConnection, whose: Whose, as_of: AsOf) -> Result<Vec<Balance>, Error> {
    let asked = if as_of.effective_at.is_some() { BALANCES_BY_EFFECT } else { BALANCES };
    let mut query = sqlx::query(asked).bind(as_of.position).bind(whose.livemode).bind(whose.merchant_id);
    if let Some(effective_at) = as_of.effective_at {
        query = query.bind(effective_at);
    }
    let rows = query.fetch_all(connection).await?;
    let balance = |row: &sqlx::postgres::PgRow| {
        Ok(Balance {
            account: row.try_get(0)?,
            currency: row.try_get(1)?,
            livemode: row.try_get(2)?,
            kind: row.try_get(3)?,
            balance_minor: i128::take(row, 4)?,
        })
    };
    rows.iter().map(balance).collect()
}

/// The last position of the ledger's read model.
///
/// # Errors
/// The database failed.
pub async fn last_position(connection: &mut PgConnection) -> Result<i64, Error> {
    sqlx::query_scalar("select coalesce((select position from log.followers where name = 'ledger'), 0)")
        .fetch_one(connection)
        .await
}

/// Whether such an account had a posting by then.
///
/// # Errors
/// The database failed.
pub async fn is_known(
    connection: &mut PgConnection,
    (account, currency, livemode): (&str, Option<&str>, Option<bool>),
    as_of: AsOf,
) -> Result<bool, Error> {
    let known = "select exists (select from read.accounts where account = $1 and ($2::text is null or currency = $2) \
         and ($3::boolean is null or livemode = $3) and first_position <= $4)";
    let query = sqlx::query_scalar(known).bind(account).bind(currency).bind(livemode).bind(as_of.position);
    query.fetch_one(connection).await
}

const STATEMENT: &str = "select p.position, p.line, e.event_type, e.aggregate_id, a.currency, a.livemode, p.amount_minor, \
         p.balance_minor::text as balance_minor, p.effective_at, e.recorded_at \
     from read.accounts a join read.postings p on p.account_id = a.id join read.journal_entries e using (position) \
     where a.account = $1 and ($2::text is null or a.currency = $2) and ($3::boolean is null or a.livemode = $3) \
       and p.position <= $4 \
       and (p.position, p.line) > ($5, $6) \
     order by p.position, p.line limit $7";

const STATEMENT_BY_EFFECT: &str = "select * from ( \
         select p.position, p.line, e.event_type, e.aggregate_id, a.currency, a.livemode, p.amount_minor, \
                (sum(p.amount_minor) over (partition by a.id order by p.effective_at, p.position, p.line))::text as balance_minor, \
                p.effective_at, e.recorded_at \
           from read.accounts a join read.postings p on p.account_id = a.id join read.journal_entries e using (position) \
          where a.account = $1 and ($2::text is null or a.currency = $2) and ($3::boolean is null or a.livemode = $3) \
       and p.position <= $4 and p.effective_at <= $8) s \
     where (s.effective_at, s.position, s.line) > ( \
         coalesce((select x.effective_at from read.journal_entries x where x.position = $5), '-infinity'), $5, $6) \
     order by effective_at, position, line limit $7";

/// An account, line by line with the balance after each: in the order of the log, or, as of a time, in the order in
/// which they took effect.
///
/// # Errors
/// The database failed.
pub async fn statement(
    connection: &mut PgConnection,
    (account, currency, livemode): (&str, Option<&str>, Option<bool>),
    as_of: AsOf,
    after: After,
    most: i64,
) -> Result<Vec<StatementLine>, Error> {
    let asked = if as_of.effective_at.is_some() { STATEMENT_BY_EFFECT } else { STATEMENT };
    let After { position, line, account_id: _ } = after;
    let mut query = sqlx::query(asked).bind(account).bind(currency).bind(livemode).bind(as_of.position);
    query = query.bind(position).bind(line).bind(most);
    if let Some(effective_at) = as_of.effective_at {
        query = query.bind(effective_at);
    }
    query.fetch_all(connection).await?.iter().map(|row| statement_line(row, 0)).collect()
}

fn statement_line(row: &sqlx::postgres::PgRow, from: usize) -> Result<StatementLine, Error> {
    let mut at = from..;
    let mut next = || at.next().unwrap_or(usize::MAX);
    Ok(StatementLine {
        position: row.try_get(next())?,
        line: row.try_get(next())?,
        event_type: row.try_get(next())?,
        aggregate_id: row.try_get(next())?,
        currency: row.try_get(next())?,
        livemode: row.try_get(next())?,
        amount_minor: row.try_get(next())?,
        balance_minor: i128::take(row, next())?,
        effective_at: row.try_get(next())?,
        recorded_at: row.try_get(next())?,
    })
}

const GENERAL: &str = "select a.id, a.account, p.position, p.line, e.event_type, e.aggregate_id, a.currency, a.livemode, \
         p.amount_minor, p.balance_minor::text as balance_minor, p.effective_at, e.recorded_at \
     from read.accounts a join read.postings p on p.account_id = a.id join read.journal_entries e using (position) \
     where p.position <= $1 and ($2::boolean is null or a.livemode = $2) and ($3::uuid is null or a.merchant_id = $3) \
       and (p.account_id, p.position, p.line) > ($4, $5, $6) \
     order by p.account_id, p.position, p.line limit $7";

const GENERAL_BY_EFFECT: &str = "select * from ( \
         select a.id, a.account, p.position, p.line, e.event_type, e.aggregate_id, a.currency, a.livemode, p.amount_minor, \
                (sum(p.amount_minor) over (partition by a.id order by p.effective_at, p.position, p.line))::text as balance_minor, \
                p.effective_at, e.recorded_at \
           from read.accounts a join read.postings p on p.account_id = a.id join read.journal_entries e using (position) \
          where p.position <= $1 and ($2::boolean is null or a.livemode = $2) and ($3::uuid is null or a.merchant_id = $3) \
            and a.id >= $4 and p.effective_at <= $8) g \
     where (g.id, g.effective_at, g.position, g.line) > ($4, \
         coalesce((select x.effective_at from read.journal_entries x where x.position = $5), '-infinity'), $5, $6) \
     order by id, effective_at, position, line limit $7";

/// Every account, one after the other in the order they were opened, line by line with the balance after each.
///
/// # Errors
/// The database failed.
pub async fn general(
    connection: &mut PgConnection,
    whose: Whose,
    as_of: AsOf,
    after: After,
    most: i64,
) -> Result<Vec<GeneralLine>, Error> {
    let asked = if as_of.effective_at.is_some() { GENERAL_BY_EFFECT } else { GENERAL };
    let mut query = sqlx::query(asked).bind(as_of.position).bind(whose.livemode).bind(whose.merchant_id);
    query = query.bind(after.account_id).bind(after.position).bind(after.line).bind(most);
    if let Some(effective_at) = as_of.effective_at {
        query = query.bind(effective_at);
    }
    let rows = query.fetch_all(connection).await?;
    rows.iter()
        .map(|row| {
            let of = statement_line(row, 2)?;
            Ok(GeneralLine { account_id: row.try_get(0)?, account: row.try_get(1)?, of })
        })
        .collect()
}

const JOURNAL: &str = "select e.position, p.line, e.event_id, e.event_type, e.aggregate_id, e.merchant_id, e.reverses, \
         a.account, a.currency, a.livemode, p.amount_minor, e.occurred_at, e.effective_at, e.recorded_at \
     from read.journal_entries e join read.postings p using (position) join read.accounts a on a.id = p.account_id \
     where e.position > $1 and e.position <= $2 and ($3::boolean is null or e.livemode = $3) \
       and ($4::uuid is null or e.merchant_id = $4) and ($5::timestamptz is null or e.effective_at <= $5) \
       and e.position in (select x.position from read.journal_entries x where x.position > $1 and x.position <= $2 \
             and ($3::boolean is null or x.livemode = $3) and ($4::uuid is null or x.merchant_id = $4) \
             and ($5::timestamptz is null or x.effective_at <= $5) order by x.position limit $6) \
     order by e.position, p.line";

/// Whole entries of the journal in the order of the log, after a position, at most so many.
///
/// # Errors
/// The database failed.
pub async fn journal(
    connection: &mut PgConnection,
    (livemode, merchant_id): (Option<bool>, Option<Uuid>),
    as_of: AsOf,
    after: i64,
    most: i64,
) -> Result<Vec<JournalLine>, Error> {
    sqlx::query_as(JOURNAL)
        .bind(after)
        .bind(as_of.position)
        .bind(livemode)
        .bind(merchant_id)
        .bind(as_of.effective_at)
        .bind(most)
        .fetch_all(connection)
        .await
}
