//! What changed between two positions: accounts, entries, and all streams written to.

use domain::id::MerchantId;
use gate::{Call, Parameter, Parameters, Problem, Reply, rules};
use serde_json::{Value, json};
use sqlx::{Executor as _, FromRow, PgConnection};
use uuid::Uuid;

use crate::ledger::{self, AsOf, JournalLine};
use crate::query::Reads;
use crate::query::answer::{await_position, failed, reply};
use crate::query::cell::told;
use crate::query::filter::{integer, moment};
use crate::query::freshness::Freshness;
use crate::query::resource::MIN_POSITION;
use crate::query::tenant::{Tenancy, Tenant};
use crate::routes::Own;

mod states;

use states::Page;

/// The question.
pub(crate) static DIFF: Own = Own {
    parameters: asked,
    data: || {
        let list = json!({ "type": "array", "items": { "type": "object" } });
        json!({ "type": "object", "required": ["from", "to", "accounts", "entries", "streams"], "properties": {
            "from": { "type": "integer" }, "to": { "type": "integer" }, "accounts": list, "entries": list,
            "streams": { "type": "object", "description":
                "By kind: what happened to each, in order, and its state before and after; personal values sealed." } } })
    },
    rules: || rules::READING.to_vec(),
    content: &["application/json"],
    serve: |reads, call| Box::pin(diff(reads, call)),
};

const FROM: Parameter = Parameter {
    name: "from",
    words: "After this position; or what was recorded after this moment. Where nothing is said, the last thousand events.",
    schema: place,
};
const TO: Parameter = Parameter {
    name: "to",
    words: "Up to this position; or what was recorded by this moment. Where nothing is said, the end of the log.",
    schema: place,
};
const AFTER: Parameter = Parameter {
    name: "after",
    words: "Streams behind this one: `next` of the page before, with its `from` and `to`. Accounts and entries are on the first page.",
    schema: || json!({ "type": "string", "minLength": 3, "maxLength": 120 }),
};
const LIMIT: Parameter = Parameter {
    name: "limit",
    words: "How many streams at most: 100 where nothing is said.",
    schema: || json!({ "type": "integer", "minimum": 1, "maximum": STREAMS_MAX }),
};
const STREAMS_MAX: i64 = 500;
const STREAMS_ABSENT: usize = 100;
/// Events between the two, at most.
const RANGE_MAX: i64 = 5_000;
const RANGE_ABSENT: i64 = 1_000;

fn place() -> Value {
    json!({ "type": "string", "description": "A position, or a moment as RFC 3339 writes it." })
}

fn asked() -> Vec<Parameter> {
    [[FROM, TO, AFTER, LIMIT, MIN_POSITION].as_slice(), Tenancy::Rows.parameters()].concat()
}

/// A place as it may be named.
enum Place {
    At(i64),
    By(chrono::DateTime<chrono::Utc>),
}

fn read(text: &str) -> Option<Place> {
    let position = integer(text).filter(|position| *position >= 0).map(Place::At);
    position.or_else(|| moment(text).map(Place::By))
}

async fn diff(reads: &Reads, call: &Call) -> Result<Reply, Problem> {
    let given = Parameters::of(call, &asked())?;
    let tenant = Tenant::of(call, &given)?;
    let (from, to) = (given.read("from", read)?, given.read("to", read)?);
    let limit = given.read("limit", |text| integer(text).filter(|limit| (1..=STREAMS_MAX).contains(limit)))?;
    let after = given.read("after", states::name)?;
    if after.is_some() && (from.is_none() || to.is_none()) {
        let missing = if from.is_none() { "from" } else { "to" };
        return Err(Problem::parameter(missing, rules::PARAMETER_MISSING));
    }
    await_position(reads, &given, &["ledger"]).await?;
    let _exporting = reads.exporters.enter(&call.caller)?;
    let (from, to) = (at(reads, from).await?, at(reads, to).await?);
    let mut connection = reads.pool.acquire().await.map_err(failed)?;
    connection.execute("begin isolation level repeatable read, read only").await.map_err(failed)?;
    let last = ledger::last_position(&mut connection).await.map_err(failed)?;
    let last = call.upto.map_or(last, |upto| upto.min(last));
    let to = to.unwrap_or(last).min(last);
    let from = from.unwrap_or_else(|| to.saturating_sub(RANGE_ABSENT).max(0));
    let asked = check(from, to);
    if asked.is_err() {
        connection.execute("rollback").await.map_err(failed)?;
    }
    asked?;
    let whose = (tenant.livemode(), tenant.merchant_id().map(MerchantId::uuid));
    let (mut moved, mut entries) = (Vec::new(), Vec::new());
    if after.is_none() {
        moved = accounts(&mut connection, whose, (from, to)).await.map_err(failed)?;
        let as_of = AsOf { position: to, effective_at: None };
        entries = ledger::journal(&mut connection, whose, as_of, from, RANGE_MAX).await.map_err(failed)?;
    }
    connection.execute("commit").await.map_err(failed)?;
    drop(connection);
    let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(STREAMS_ABSENT);
    let Page { streams, next } = states::page(reads, whose, (from, to), (after, limit)).await?;
    let data = json!({
        "from": from, "to": to, "accounts": moved.iter().map(Moved::told).collect::<Value>(),
        "entries": entries_told(&entries), "streams": streams,
    });
    let freshness = Freshness::of(reads, to).await?;
    let meta = json!({ "as_of_position": to, "lag": freshness.told(), "next": next, "has_more": next.is_some() });
    Ok(freshness.mark(reply(call, data, meta)))
}

fn check(from: i64, to: i64) -> Result<(), Problem> {
    if from > to {
        return Err(Problem::parameter("from", rules::PARAMETER_MALFORMED)
            .saying(format!("(It is after {to}.)"), format!("（它在 {to} 之后。）")));
    }
    if to.saturating_sub(from) > RANGE_MAX {
        return Err(Problem::turned_away(rules::QUERY_TOO_COSTLY).saying(
            format!("(At most {RANGE_MAX} events at once; between {from} and {to} there are {}.)", to - from),
            format!("（一次最多 {RANGE_MAX} 个事件；{from} 与 {to} 之间有 {} 个。）", to - from),
        ));
    }
    Ok(())
}

async fn at(reads: &Reads, place: Option<Place>) -> Result<Option<i64>, Problem> {
    match place {
        None => Ok(None),
        Some(Place::At(position)) => Ok(Some(position)),
        Some(Place::By(moment)) => Ok(Some(reads.gate.store.position_at(moment).await.map_err(failed)?.position)),
    }
}

/// An account that had postings between the two.
#[derive(FromRow)]
struct Moved {
    account: String,
    currency: String,
    livemode: bool,
    before_minor: String,
    after_minor: String,
    debits_minor: String,
    credits_minor: String,
    postings_count: i64,
}

const ACCOUNTS: &str = "select a.account, a.currency, a.livemode, (l.balance_minor - x.amount)::text as before_minor, \
         l.balance_minor::text as after_minor, x.debits::text as debits_minor, x.credits::text as credits_minor, \
         x.postings_count \
     from (select account_id, sum(amount_minor)::numeric as amount, sum(greatest(amount_minor, 0)) as debits, \
                  -sum(least(amount_minor, 0)) as credits, count(*) as postings_count \
             from read.postings where position > $1 and position <= $2 group by account_id) x \
     join read.accounts a on a.id = x.account_id \
     join lateral (select balance_minor from read.postings p where p.account_id = a.id and p.position <= $2 \
                   order by p.position desc, p.line desc limit 1) l on true \
     where ($3::boolean is null or a.livemode = $3) and ($4::uuid is null or a.merchant_id = $4) \
     order by a.account, a.currency, a.livemode desc";

async fn accounts(
    connection: &mut PgConnection,
    (livemode, merchant_id): (Option<bool>, Option<Uuid>),
    (from, to): (i64, i64),
) -> Result<Vec<Moved>, sqlx::Error> {
    let query = sqlx::query_as(ACCOUNTS).bind(from).bind(to).bind(livemode).bind(merchant_id);
    query.fetch_all(connection).await
}

impl Moved {
    fn told(&self) -> Value {
        let exact = |text: &str| text.parse::<i64>().map_or_else(|_beyond| text.into(), Value::from);
        json!({
            "account": self.account, "currency": self.currency, "livemode": self.livemode,
            "before_minor": exact(&self.before_minor), "after_minor": exact(&self.after_minor),
            "debits_minor": exact(&self.debits_minor), "credits_minor": exact(&self.credits_minor),
            "postings_count": self.postings_count,
        })
    }
}

/// Whole entries, each with its lines.
fn entries_told(lines: &[JournalLine]) -> Vec<Value> {
    let entries = lines.chunk_by(|one, next| one.position == next.position);
    entries
        .filter_map(|lines| {
            let entry = lines.first()?;
            let line = |line: &JournalLine| {
                json!({ "account": line.account, "currency": line.currency, "amount_minor": line.amount_minor })
            };
            Some(json!({
                "position": entry.position, "event_type": entry.event_type, "of": entry.aggregate_id,
                "livemode": entry.livemode, "effective_at": told(entry.effective_at),
                "recorded_at": told(entry.recorded_at), "reverses": entry.reverses,
                "lines": lines.iter().map(line).collect::<Value>(),
            }))
        })
        .collect()
}
