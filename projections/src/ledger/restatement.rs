//! A month as it was reported and as it is known: what came late, and what lies between.

use chrono::{DateTime, Utc};
use domain::month::{Month, MonthRefusal};
use domain::refusal::{Listed as _, Rule};
use gate::{Call, Parameter, Parameters, Problem, rules};
use serde_json::json;
use sqlx::{Error, FromRow, PgConnection, Row as _};
use uuid::Uuid;

use super::questions::{After, AsOf, JournalLine, Whose};
use super::routes::{AFTER, LIMIT, asked, number, serve, text, time, told_rules};
use super::sheet::Sheet;
use crate::column::Column as _;
use crate::query::Reads;
use crate::query::answer::failed;
use crate::query::cell::row_schema;
use crate::query::filter::{integer, moment};
use crate::query::format::Format;
use crate::routes::Own;

/// Whole entries that are kept under a later month than their own.
pub(crate) static LATE: Own = Own {
    parameters: || asked(OF_A_MONTH),
    data: || json!({ "type": "array", "items": row_schema(Sheet::Late(None).columns()) }),
    rules: told_rules,
    content: Format::KINDS,
    serve: |reads, call| {
        Box::pin(serve(reads, call, OF_A_MONTH, |given| Ok(Sheet::Late(given.read(MONTH.name, month)?))))
    },
};

/// Account by account.
pub(crate) static RESTATEMENT: Own = Own {
    parameters: || asked(REPORTED),
    data: || json!({ "type": "array", "items": row_schema(super::sheet::RESTATEMENT) }),
    rules: named_rules,
    content: Format::KINDS,
    serve: |reads, call| Box::pin(serve(reads, call, REPORTED, |_given| Compared::of(call).map(Sheet::Restatement))),
};

/// Line by line.
pub(crate) static DIFFERENCES: Own = Own {
    parameters: || asked(REPORTED_PAGED),
    data: || json!({ "type": "array", "items": row_schema(super::sheet::DIFFERENCES) }),
    rules: named_rules,
    content: Format::KINDS,
    serve: |reads, call| {
        Box::pin(serve(reads, call, REPORTED_PAGED, |_given| Compared::of(call).map(Sheet::Differences)))
    },
};

const MONTH: Parameter = Parameter { name: "month", words: "The month, as 2026-01, in UTC.", schema: text };
const AT_POSITION: Parameter = Parameter {
    name: "reported_at_position",
    words: "As it was reported at this position. Where neither this nor a moment is given: where the month was last closed, if one mode is named and it was; else when it ended.",
    schema: number,
};
const AT_TIME: Parameter = Parameter {
    name: "reported_at_time",
    words: "As it was reported at this moment; the answer names its position.",
    schema: time,
};
const OF_A_MONTH: &[Parameter] = &[MONTH, AFTER, LIMIT];
const REPORTED: &[Parameter] = &[AT_POSITION, AT_TIME];
const REPORTED_PAGED: &[Parameter] = &[AT_POSITION, AT_TIME, AFTER, LIMIT];

fn named_rules() -> Vec<&'static Rule> {
    told_rules().into_iter().chain([MonthRefusal::MonthMalformed.rule()]).collect()
}

fn month(text: &str) -> Option<Month> {
    text.parse().ok()
}

/// Which month, and as of which position it was reported. As of which it is known, is what every sheet is as of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compared {
    pub month: Month,
    pub reported: i64,
}

impl Compared {
    /// The month of the address; where it was reported, is looked up when the books are open.
    fn of(call: &Call) -> Result<Self, Problem> {
        let malformed = |refusal: MonthRefusal| Problem::turned_away(refusal.rule());
        Ok(Self { month: call.path("month").parse().map_err(malformed)?, reported: 0 })
    }
}

/// The sheet as of what it is compared with.
///
/// # Errors
/// The month is to be as reported later than it is known.
pub(super) async fn placed(
    reads: &Reads,
    sheet: Sheet,
    (whose, as_of): (Whose, AsOf),
    given: &Parameters<'_>,
    connection: &mut PgConnection,
) -> Result<Sheet, Problem> {
    let (Sheet::Restatement(compared) | Sheet::Differences(compared)) = &sheet else { return Ok(sheet) };
    let month = compared.month;
    let at_position = given.read(AT_POSITION.name, |text| integer(text).filter(|position| *position >= 0))?;
    let at_time: Option<DateTime<Utc>> = given.read(AT_TIME.name, moment)?;
    let reported = match (at_position, at_time) {
        (Some(_), Some(_)) => return Err(Problem::parameter(AT_TIME.name, rules::PARAMETER_REPEATED)),
        (Some(position), None) if position > as_of.position => {
            return Err(Problem::parameter(AT_POSITION.name, rules::PARAMETER_MALFORMED).saying(
                format!("(it is later than position {}, up to which the books are known here)", as_of.position),
                format!("（晚于本查询所依据的位置 {}）", as_of.position),
            ));
        }
        (Some(position), None) => position,
        (None, Some(time)) => reads.gate.store.position_at(time).await.map_err(failed)?.position,
        (None, None) => match last_close(connection, whose.livemode, month, as_of.position).await.map_err(failed)? {
            Some(position) => position,
            None => reads.gate.store.position_at(month.end()).await.map_err(failed)?.position,
        },
    };
    let compared = Compared { month, reported: reported.min(as_of.position) };
    Ok(if matches!(sheet, Sheet::Restatement(_)) { Sheet::Restatement(compared) } else { Sheet::Differences(compared) })
}

/// A close of it counts where it was open before; so that to close a later month is none.
const LAST_CLOSE: &str = "select max(position) from ( \
         select c.position, c.closed_through, lag(c.closed_through) over (order by c.position) as before \
           from read.period_closes c where c.livemode = $1 and c.position <= $3) c \
     where c.closed_through >= $2 and (c.before is null or c.before < $2)";

/// Where a month was last closed, of what was known at a position.
///
/// # Errors
/// The database failed.
async fn last_close(
    connection: &mut PgConnection,
    livemode: Option<bool>,
    month: Month,
    position: i64,
) -> Result<Option<i64>, Error> {
    let query = sqlx::query_scalar(LAST_CLOSE).bind(livemode).bind(month.first_day()).bind(position);
    query.fetch_one(connection).await
}

const LATE_ENTRIES: &str = "select e.position, p.line, e.event_id, e.event_type, e.aggregate_id, e.merchant_id, e.reverses, \
         a.account, a.currency, a.livemode, p.amount_minor, e.occurred_at, e.effective_at, e.recorded_at \
     from read.journal_entries e join read.postings p using (position) join read.accounts a on a.id = p.account_id \
     where e.position in (select x.position from read.journal_entries x where x.is_late and x.position > $1 \
             and x.position <= $2 and ($3::boolean is null or x.livemode = $3) and ($4::uuid is null or x.merchant_id = $4) \
             and ($5::timestamptz is null or x.effective_at <= $5) \
             and ($6::timestamptz is null or x.occurred_at >= $6) and ($7::timestamptz is null or x.occurred_at < $7) \
           order by x.position limit $8) \
     order by e.position, p.line";

/// Whole entries that came when their month was closed, in the order of the log, after a position, at most so many.
///
/// # Errors
/// The database failed.
pub async fn late(
    connection: &mut PgConnection,
    whose: Whose,
    as_of: AsOf,
    month: Option<Month>,
    (after, most): (i64, i64),
) -> Result<Vec<JournalLine>, Error> {
    sqlx::query_as(LATE_ENTRIES)
        .bind(after)
        .bind(as_of.position)
        .bind(whose.livemode)
        .bind(whose.merchant_id)
        .bind(as_of.effective_at)
        .bind(month.map(Month::begin))
        .bind(month.map(Month::end))
        .bind(most)
        .fetch_all(connection)
        .await
}

/// An account's month, as reported and as known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restated {
    pub account: String,
    pub currency: String,
    pub livemode: bool,
    pub kind: String,
    pub reported_minor: i128,
    pub known_minor: i128,
}

/// What the books keep under the month, at both positions; and what is kept elsewhere though it happened in it, or in it
/// though it happened elsewhere.
const RESTATED: &str = "with moved as ( \
         select p.account_id, sum(case when e.occurred_at >= $1 and e.occurred_at < $2 then p.amount_minor \
                                       else -p.amount_minor end) as amount \
           from read.journal_entries e join read.postings p using (position) \
          where e.is_late and e.position <= $4 and ((e.occurred_at >= $1 and e.occurred_at < $2) \
                or (e.effective_at >= $1 and e.effective_at < $2)) \
          group by p.account_id) \
     select a.account, a.currency, a.livemode, a.kind, coalesce(k.reported, 0)::text as reported, \
            (coalesce(k.kept, 0) + coalesce(m.amount, 0))::text as known \
     from read.accounts a cross join lateral ( \
         select sum(p.amount_minor) as kept, sum(p.amount_minor) filter (where p.position <= $3) as reported \
           from read.postings p where p.account_id = a.id and p.effective_at >= $1 and p.effective_at < $2 \
            and p.position <= $4) k \
     left join moved m on m.account_id = a.id \
     where (k.kept is not null or m.amount is not null) and ($5::boolean is null or a.livemode = $5) \
       and ($6::uuid is null or a.merchant_id = $6) \
     order by a.account, a.currency, a.livemode desc";

/// Every account that had anything in the month.
///
/// # Errors
/// The database failed.
pub async fn restated(
    connection: &mut PgConnection,
    whose: Whose,
    as_of: AsOf,
    Compared { month, reported }: Compared,
) -> Result<Vec<Restated>, Error> {
    let query = sqlx::query(RESTATED).bind(month.begin()).bind(month.end()).bind(reported).bind(as_of.position);
    let rows = query.bind(whose.livemode).bind(whose.merchant_id).fetch_all(connection).await?;
    let restated = |row: &sqlx::postgres::PgRow| {
        Ok(Restated {
            account: row.try_get(0)?,
            currency: row.try_get(1)?,
            livemode: row.try_get(2)?,
            kind: row.try_get(3)?,
            reported_minor: i128::take(row, 4)?,
            known_minor: i128::take(row, 5)?,
        })
    };
    rows.iter().map(restated).collect()
}

/// A line that makes the month another than it was reported to be.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Difference {
    pub position: i64,
    pub line: i16,
    pub event_id: Uuid,
    pub event_type: String,
    pub aggregate_id: String,
    pub account: String,
    pub currency: String,
    pub livemode: bool,
    pub difference_minor: i64,
    pub cause: String,
    pub occurred_at: DateTime<Utc>,
    pub effective_at: DateTime<Utc>,
    pub recorded_at: DateTime<Utc>,
}

/// The same three kinds of entries as make the sums differ.
const BETWEEN: &str = "select e.position, p.line, e.event_id, e.event_type, e.aggregate_id, a.account, a.currency, a.livemode, \
         case when e.cause = 'carried_in' then -p.amount_minor else p.amount_minor end as difference_minor, e.cause, \
         e.occurred_at, e.effective_at, e.recorded_at \
     from (select x.*, case when not x.is_late then 'recorded_later' \
                            when x.occurred_at >= $1 and x.occurred_at < $2 then 'late' else 'carried_in' end as cause \
             from read.journal_entries x where x.position <= $4 and ( \
                  (x.is_late and x.occurred_at >= $1 and x.occurred_at < $2) \
               or (x.is_late and x.effective_at >= $1 and x.effective_at < $2 and x.position <= $3) \
               or (not x.is_late and x.effective_at >= $1 and x.effective_at < $2 and x.position > $3))) e \
     join read.postings p using (position) join read.accounts a on a.id = p.account_id \
     where ($5::boolean is null or a.livemode = $5) and ($6::uuid is null or a.merchant_id = $6) \
       and (e.position, p.line) > ($7, $8) \
     order by e.position, p.line limit $9";

/// What lies between the two, in the order of the log, at most so many lines.
///
/// # Errors
/// The database failed.
pub async fn differences(
    connection: &mut PgConnection,
    whose: Whose,
    as_of: AsOf,
    Compared { month, reported }: Compared,
    (after, most): (After, i64),
) -> Result<Vec<Difference>, Error> {
    let query = sqlx::query_as(BETWEEN).bind(month.begin()).bind(month.end()).bind(reported).bind(as_of.position);
    let query = query.bind(whose.livemode).bind(whose.merchant_id).bind(after.position).bind(after.line);
    query.bind(most).fetch_all(connection).await
}
