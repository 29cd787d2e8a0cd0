//! Why: from a ledger line to its event, command, saga step, channel call and report.

use domain::account::AccountRefusal;
use domain::aggregate::Aggregate as _;
use domain::id::{MerchantId, PaymentId};
use domain::payment::{Payment, PaymentRefusal};
use domain::refusal::{Listed as _, Rule};
use event_store::{Recorded, Store};
use gate::{Call, Caller, Parameter, Parameters, Problem, Reply, Scope, rules};
use serde_json::{Value, json};
use sqlx::PgConnection;

use crate::ledger::{self, AsOf, Whose};
use crate::query::Reads;
use crate::query::answer::{await_position, failed, reply};
use crate::query::filter::integer;
use crate::query::freshness::Freshness;
use crate::query::resource::MIN_POSITION;
use crate::query::tenant::{Tenancy, Tenant};
use crate::routes::Own;

mod at_hand;
mod cause;
mod saga;

pub use at_hand::{Asked, Unexplained, explained};

use cause::{Causes, Why};

/// One journal entry.
pub(crate) static ENTRY: Own = Own {
    parameters: || vec![MIN_POSITION],
    data: || node(&["entry", "event"]),
    rules: told_rules,
    content: &["application/json"],
    serve: |reads, call| Box::pin(entry(reads, call)),
};

/// A payment from its first event to its last.
pub(crate) static PAYMENT: Own = Own {
    parameters: || vec![MIN_POSITION],
    data: || node(&["payment_no", "events", "sagas"]),
    rules: told_rules,
    content: &["application/json"],
    serve: |reads, call| Box::pin(payment(reads, call)),
};

/// The last lines of an account, each with why it is there.
pub(crate) static BALANCE: Own = Own {
    parameters: || [OF_BALANCE, Tenancy::Rows.parameters()].concat(),
    data: || node(&["account", "lines"]),
    rules: told_rules,
    content: &["application/json"],
    serve: |reads, call| Box::pin(balance(reads, call)),
};

const AT_POSITION: Parameter = Parameter {
    name: "at_position",
    words: "The balance as it was known at this position of the log.",
    schema: number,
};
const CURRENCY: Parameter = Parameter { name: "currency", words: "Of this currency alone.", schema: text };
const LIMIT: Parameter = Parameter {
    name: "limit",
    words: "How many lines at most, newest first: 10 where nothing is said.",
    schema: limit,
};
const OF_BALANCE: &[Parameter] = &[AT_POSITION, CURRENCY, LIMIT, MIN_POSITION];
const LINES_ABSENT: i64 = 10;
const LINES_MAX: i64 = 50;
/// Events of one payment that are told of: it has about twelve.
const EVENTS_MAX: i64 = 1_000;

const ENTRY_ABSENT: &Rule = &Rule {
    code: "entry_absent",
    http_status: 404,
    english: "There is no such journal entry.",
    chinese: "该分录不存在。",
};

fn number() -> Value {
    json!({ "type": "integer", "minimum": 0 })
}

fn text() -> Value {
    json!({ "type": "string" })
}

fn limit() -> Value {
    json!({ "type": "integer", "minimum": 1, "maximum": LINES_MAX })
}

fn node(required: &[&str]) -> Value {
    json!({ "type": "object", "required": required })
}

fn told_rules() -> Vec<&'static Rule> {
    let absent = [ENTRY_ABSENT, PaymentRefusal::PaymentAbsent.rule(), AccountRefusal::AccountUnknown.rule()];
    rules::READING.iter().copied().chain(absent).collect()
}

fn sees_sagas(caller: &Caller) -> bool {
    match caller {
        Caller::Operator { roles, .. } => roles.iter().any(|role| Scope::ReadSagas.is_of(*role)),
        Caller::Merchant { .. } => false,
    }
}

/// Whether sagas are seen, and up to where anything is.
fn sight(call: &Call) -> (bool, i64) {
    (sees_sagas(&call.caller), call.upto.unwrap_or(i64::MAX))
}

async fn entry(reads: &Reads, call: &Call) -> Result<Reply, Problem> {
    let given = Parameters::of(call, &[MIN_POSITION])?;
    let absent = || Problem::turned_away(ENTRY_ABSENT);
    let text = call.path("position");
    let position = integer(text).filter(|position| *position > 0 && position.to_string() == text).ok_or_else(absent)?;
    await_position(reads, &given, &["sagas"]).await?;
    let event = reads.gate.store.event(position).await.map_err(failed)?;
    let event = event.filter(|event| call.shows(event)).ok_or_else(absent)?;
    let mut connection = reads.pool.acquire().await.map_err(failed)?;
    let mut causes = Causes::new(&reads.gate.store, &mut connection, sight(call));
    let told = entry_told(&mut causes, &event).await.map_err(why_not)?.ok_or_else(absent)?;
    drop(connection);
    end(reads, call, position, told).await
}

/// An entry with why it is there; nothing where the event moved no money.
async fn entry_told(causes: &mut Causes<'_>, event: &Recorded) -> Result<Option<Value>, Why> {
    let posting = causes.posting(event).map_err(Why::Unreadable)?;
    if posting.moves_no_money() {
        return Ok(None);
    }
    let entry = json!({
        "position": event.position, "effective_at": posting.effective_at(), "lines": cause::lines(&posting),
        "reverses": posting.reverses().map(|reversed| reversed.to_string()),
    });
    Ok(Some(json!({ "entry": entry, "event": causes.of(event).await? })))
}

async fn payment(reads: &Reads, call: &Call) -> Result<Reply, Problem> {
    let given = Parameters::of(call, &[MIN_POSITION])?;
    let absent = || Problem::turned_away(PaymentRefusal::PaymentAbsent.rule());
    let id: PaymentId = call.path("payment_no").parse().map_err(|_malformed| absent())?;
    await_position(reads, &given, &["sagas"]).await?;
    let store = &reads.gate.store;
    let mut stream = store.stream_events(Payment::TYPE, &id.to_string(), 0, EVENTS_MAX).await.map_err(failed)?;
    stream.retain(|event| call.upto.is_none_or(|upto| event.position <= upto));
    if stream.is_empty() || !stream.iter().all(|event| call.caller.may_see(event)) {
        return Err(absent());
    }
    let position = stream.last().map_or(0, |last| last.position);
    let mut connection = reads.pool.acquire().await.map_err(failed)?;
    let mut causes = Causes::new(&reads.gate.store, &mut connection, sight(call));
    let told = payment_told(&mut causes, id, &stream).await.map_err(why_not)?;
    drop(connection);
    end(reads, call, position, told).await
}

/// A payment with every event of it, and every saga about it.
async fn payment_told(causes: &mut Causes<'_>, id: PaymentId, stream: &[Recorded]) -> Result<Value, Why> {
    let mut events = Vec::with_capacity(stream.len());
    for event in stream {
        events.push(causes.of(event).await?);
    }
    let sagas = causes.sagas_about(stream).await?;
    let is_whole = i64::try_from(stream.len()).is_ok_and(|count| count < EVENTS_MAX);
    Ok(json!({ "payment_no": id, "events": events, "sagas": sagas, "is_whole": is_whole }))
}

async fn balance(reads: &Reads, call: &Call) -> Result<Reply, Problem> {
    let parameters = [OF_BALANCE, Tenancy::Rows.parameters()].concat();
    let given = Parameters::of(call, &parameters)?;
    let tenant = Tenant::of(call, &given)?;
    let at = given.read("at_position", |text| integer(text).filter(|position| *position >= 0))?;
    let limit = given.read("limit", |text| integer(text).filter(|limit| (1..=LINES_MAX).contains(limit)))?;
    let unknown = || Problem::turned_away(AccountRefusal::AccountUnknown.rule());
    let account = call.path("account");
    let named: domain::account::Account = account.parse().map_err(|_unknown| unknown())?;
    let is_own = tenant.merchant_id().is_none_or(|own| named.merchant() == Some(own));
    await_position(reads, &given, &["ledger", "sagas"]).await?;
    let mut connection = reads.pool.acquire().await.map_err(failed)?;
    let last = ledger::last_position(&mut connection).await.map_err(failed)?;
    let last = call.upto.map_or(last, |upto| upto.min(last));
    let position = at.unwrap_or(last).min(last);
    let whose = Whose { merchant_id: tenant.merchant_id().map(MerchantId::uuid), livemode: tenant.livemode() };
    let of = (account, given.get("currency"), whose.livemode);
    let as_of = AsOf { position, effective_at: None };
    if !is_own || !ledger::is_known(&mut connection, of, as_of).await.map_err(failed)? {
        return Err(unknown());
    }
    let limit = limit.unwrap_or(LINES_ABSENT);
    let told = balance_told(&reads.gate.store, &mut connection, sight(call), (of, position, limit)).await;
    let told = told.map_err(why_not)?;
    drop(connection);
    end(reads, call, position, told).await
}

/// Which account, in which currency and mode.
type Of<'a> = (&'a str, Option<&'a str>, Option<bool>);

/// The last lines of an account up to a position, each with why it is there.
async fn balance_told(
    store: &Store,
    connection: &mut PgConnection,
    sight: (bool, i64),
    (of, position, limit): (Of<'_>, i64, i64),
) -> Result<Value, Why> {
    let lines = last_lines(connection, of, position, limit).await?;
    let mut causes = Causes::new(store, connection, sight);
    let mut told = Vec::with_capacity(lines.len());
    for (at, line, currency, livemode, amount_minor, balance_minor) in lines {
        let event = store.event(at).await?;
        let event = event.ok_or_else(|| Why::Unreadable(format!("position {at} has a line and no event")))?;
        told.push(json!({
            "position": at, "line": line, "currency": currency, "livemode": livemode, "amount_minor": amount_minor,
            "balance_minor": balance_minor.parse::<i64>().map_or_else(|_beyond| balance_minor.as_str().into(), Value::from),
            "event": causes.of(&event).await?,
        }));
    }
    Ok(json!({ "account": of.0, "lines": told }))
}

type Line = (i64, i16, String, bool, i64, String);

const LAST_LINES: &str = "select p.position, p.line, a.currency, a.livemode, p.amount_minor, p.balance_minor::text \
     from read.accounts a join read.postings p on p.account_id = a.id \
     where a.account = $1 and ($2::text is null or a.currency = $2) and ($3::boolean is null or a.livemode = $3) \
       and p.position <= $4 order by p.position desc, p.line desc limit $5";

async fn last_lines(
    connection: &mut PgConnection,
    (account, currency, livemode): Of<'_>,
    position: i64,
    most: i64,
) -> Result<Vec<Line>, sqlx::Error> {
    let query = sqlx::query_as(LAST_LINES).bind(account).bind(currency).bind(livemode).bind(position).bind(most);
    query.fetch_all(connection).await
}

async fn end(reads: &Reads, call: &Call, position: i64, data: Value) -> Result<Reply, Problem> {
    let freshness = Freshness::of(reads, position).await?;
    let meta = json!({ "as_of_position": position, "lag": freshness.told() });
    Ok(freshness.mark(reply(call, data, meta)))
}

fn why_not(why: Why) -> Problem {
    match why {
        Why::Database(failure) => failed(failure),
        Why::Unreadable(reason) => unreadable(reason),
    }
}

fn unreadable(reason: String) -> Problem {
    tracing::error!(%reason, "an event could not be explained");
    Problem::turned_away(rules::INTERNAL)
}
