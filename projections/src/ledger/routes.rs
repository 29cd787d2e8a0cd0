//! The ledger over HTTP: balances that sum to zero, statements, the journal; as of any position or time.

use chrono::{DateTime, Utc};
use domain::account::{Account, AccountRefusal};
use domain::currency::Currency;
use domain::refusal::{Listed as _, Rule};
use futures_util::future::BoxFuture;
use gate::{Call, Parameter, Parameters, Problem, Reply, rules};
use serde_json::{Value, json};
use sqlx::{Executor as _, PgConnection};
use std::collections::BTreeMap;

use super::questions::{self, After, AsOf, Balance, JournalLine, StatementLine, Whose};
use crate::query::Reads;
use crate::query::answer::{await_position, failed, reply};
use crate::query::cell::told;
use crate::query::filter::{integer, moment};
use crate::query::format::Format;
use crate::query::freshness::Freshness;
use crate::query::resource::MIN_POSITION;
use crate::query::tenant::{Tenancy, Tenant};
use crate::routes::Own;

/// The trial balance: every account with its balance, and the sums, which are zero over all accounts.
pub(crate) static BALANCES: Own = Own {
    parameters: || asked(&[]),
    data: || {
        json!({ "type": "object", "required": ["accounts", "totals"], "properties": {
            "accounts": { "type": "array", "items": { "type": "object", "required": ["account", "currency", "balance_minor"] } },
            "totals": { "type": "array", "items": { "type": "object", "required": ["currency", "debits_minor", "credits_minor", "sum_minor"] } },
        } })
    },
    rules: told_rules,
    serve: |reads, call| balances(reads, call),
};

/// One account, line by line, with the balance after each.
pub(crate) static LINES: Own = Own {
    parameters: || asked(&[CURRENCY, AFTER, LIMIT]),
    data: || json!({ "type": "array", "items": { "type": "object", "required": ["position", "amount_minor", "balance_minor"] } }),
    rules: told_rules,
    serve: |reads, call| statement(reads, call),
};

/// Whole entries in the order of the log.
pub(crate) static JOURNAL: Own = Own {
    parameters: || asked(&[AFTER, LIMIT]),
    data: || json!({ "type": "array", "items": { "type": "object", "required": ["position", "account", "amount_minor"] } }),
    rules: told_rules,
    serve: |reads, call| journal(reads, call),
};

const AT_POSITION: Parameter =
    Parameter { name: "at_position", words: "As the books were known at this position of the log.", schema: number };
const AT_TIME: Parameter = Parameter {
    name: "at_time",
    words: "As the books were known at this moment; the answer names its position, and says whether it is final.",
    schema: time,
};
const EFFECTIVE_AT: Parameter = Parameter {
    name: "effective_at",
    words: "Of what was known, only what had taken effect by this moment.",
    schema: time,
};
const CURRENCY: Parameter = Parameter { name: "currency", words: "Of this currency alone.", schema: text };
const AFTER: Parameter =
    Parameter { name: "after", words: "Only what comes after this: `next` of the page before.", schema: text };
const LIMIT: Parameter =
    Parameter { name: "limit", words: "How many at most; 100 where nothing is said.", schema: number };
const LIMIT_MAX: i64 = 1_000;

fn asked(more: &[Parameter]) -> Vec<Parameter> {
    let as_of = [AT_POSITION, AT_TIME, EFFECTIVE_AT, MIN_POSITION];
    as_of.into_iter().chain(Tenancy::Rows.parameters().iter().copied()).chain(more.iter().copied()).collect()
}

fn number() -> Value {
    json!({ "type": "integer", "minimum": 0 })
}

fn time() -> Value {
    json!({ "type": "string", "format": "date-time" })
}

fn text() -> Value {
    json!({ "type": "string" })
}

fn told_rules() -> Vec<&'static Rule> {
    rules::READING.iter().copied().chain([AccountRefusal::AccountUnknown.rule()]).collect()
}

/// What every question of the ledger names: whose books, and as of when.
struct Asked {
    whose: Whose,
    as_of: AsOf,
    is_final: Option<bool>,
}

/// Reads what was asked, on one snapshot of the read model, which stays open on the connection.
async fn begin(
    reads: &Reads,
    call: &Call,
    given: &Parameters<'_>,
    connection: &mut PgConnection,
) -> Result<Asked, Problem> {
    Format::of(call.accept.as_deref(), &[Format::Json])?;
    let tenant = Tenant::of(call, given)?;
    let at_position = given.read("at_position", |text| integer(text).filter(|position| *position >= 0))?;
    let at_time: Option<DateTime<Utc>> = given.read("at_time", moment)?;
    let effective_at = given.read("effective_at", moment)?;
    await_position(reads, given, &["ledger"]).await?;
    let mut at = at_position;
    let mut is_final = None;
    if let Some(time) = at_time {
        let found = reads.gate.store.position_at(time).await.map_err(failed)?;
        at = Some(at_position.map_or(found.position, |position| position.min(found.position)));
        is_final = Some(found.is_final);
    }
    connection.execute("begin isolation level repeatable read, read only").await.map_err(failed)?;
    let last = questions::last_position(connection).await.map_err(failed)?;
    let position = at.map_or(last, |at| at.min(last));
    let whose = Whose { merchant_id: tenant.merchant_id().map(|id| id.uuid()), livemode: tenant.livemode() };
    // Where the read model has not come to the moment asked about, its answer may still change.
    let is_final = is_final.map(|is_final| is_final && at.is_some_and(|at| at <= last));
    Ok(Asked { whose, as_of: AsOf { position, effective_at }, is_final })
}

async fn end(reads: &Reads, call: &Call, asked: &Asked, data: Value, next: Option<String>) -> Result<Reply, Problem> {
    let freshness = Freshness::of(reads, asked.as_of.position).await?;
    let meta = json!({
        "as_of_position": asked.as_of.position, "lag": freshness.told(), "final": asked.is_final,
        "effective_at": asked.as_of.effective_at.map(told), "livemode": asked.whose.livemode, "next": next,
    });
    Ok(freshness.mark(reply(call, data, meta)))
}

fn balances<'c>(reads: &'c Reads, call: &'c Call) -> BoxFuture<'c, Result<Reply, Problem>> {
    Box::pin(async move {
        let given = Parameters::of(call, &asked(&[]))?;
        let mut connection = reads.pool.acquire().await.map_err(failed)?;
        let asked = begin(reads, call, &given, &mut connection).await?;
        let found = questions::balances(&mut connection, asked.whose, asked.as_of).await.map_err(failed)?;
        connection.execute("commit").await.map_err(failed)?;
        let data = json!({ "accounts": found.iter().map(balance).collect::<Vec<_>>(), "totals": totals(&found) });
        end(reads, call, &asked, data, None).await
    })
}

fn balance(balance: &Balance) -> Value {
    let Balance { account, currency, livemode, kind, balance_minor } = balance;
    json!({ "account": account, "currency": currency, "livemode": livemode, "kind": kind, "balance_minor": exact(*balance_minor) })
}

/// Debits and credits of each currency; over all accounts of a mode they are the same.
fn totals(balances: &[Balance]) -> Vec<Value> {
    let mut sums: BTreeMap<(&str, bool), (i128, i128)> = BTreeMap::new();
    for balance in balances {
        let (debits, credits) = sums.entry((&balance.currency, balance.livemode)).or_default();
        *debits = debits.saturating_add(balance.balance_minor.max(0));
        *credits = credits.saturating_add(balance.balance_minor.min(0).saturating_neg());
    }
    let total = |((currency, livemode), (debits, credits)): ((&str, bool), (i128, i128))| {
        let sum = exact(debits.saturating_sub(credits));
        json!({ "currency": currency, "livemode": livemode, "debits_minor": exact(debits),
                "credits_minor": exact(credits), "sum_minor": sum })
    };
    sums.into_iter().map(total).collect()
}

/// A number where it is one of 64 bits, else its digits as text.
fn exact(minor: i128) -> Value {
    i64::try_from(minor).map_or_else(|_beyond| minor.to_string().into(), Value::from)
}

fn limit(given: &Parameters<'_>) -> Result<i64, Problem> {
    let limit = given.read("limit", |text| integer(text).filter(|limit| (1..=LIMIT_MAX).contains(limit)))?;
    Ok(limit.unwrap_or(100))
}

fn statement<'c>(reads: &'c Reads, call: &'c Call) -> BoxFuture<'c, Result<Reply, Problem>> {
    Box::pin(async move {
        let given = Parameters::of(call, &asked(&[CURRENCY, AFTER, LIMIT]))?;
        let unknown = || Problem::turned_away(AccountRefusal::AccountUnknown.rule());
        let account = call.path("account");
        let named: Account = account.parse().map_err(|_refused| unknown())?;
        let currency = given.read("currency", |text| text.parse::<Currency>().ok().map(|_known| text))?;
        let after = given.read("after", |text| {
            let (position, line) = text.split_once('-')?;
            Some(After { position: integer(position)?, line: line.parse().ok()? })
        })?;
        let limit = limit(&given)?;
        let mut connection = reads.pool.acquire().await.map_err(failed)?;
        let asked = begin(reads, call, &given, &mut connection).await?;
        // An account that is another's is told as one that is nobody's.
        let is_theirs = asked.whose.merchant_id.is_none_or(|own| named.merchant().is_some_and(|id| id.uuid() == own));
        let account = (account, currency, asked.whose.livemode);
        if !is_theirs || !questions::is_known(&mut connection, account, asked.as_of).await.map_err(failed)? {
            connection.execute("rollback").await.map_err(failed)?;
            return Err(unknown());
        }
        let lines = questions::statement(&mut connection, account, asked.as_of, after, limit).await.map_err(failed)?;
        connection.execute("commit").await.map_err(failed)?;
        let is_full = i64::try_from(lines.len()).is_ok_and(|count| count == limit);
        let next = lines.last().filter(|_last| is_full).map(|last| format!("{}-{}", last.position, last.line));
        end(reads, call, &asked, lines.iter().map(statement_line).collect(), next).await
    })
}

fn statement_line(line: &StatementLine) -> Value {
    json!({
        "position": line.position, "line": line.line, "event_type": line.event_type, "of": line.aggregate_id,
        "currency": line.currency, "livemode": line.livemode, "amount_minor": line.amount_minor, "balance_minor": exact(line.balance_minor),
        "effective_at": told(line.effective_at), "recorded_at": told(line.recorded_at),
    })
}

fn journal<'c>(reads: &'c Reads, call: &'c Call) -> BoxFuture<'c, Result<Reply, Problem>> {
    Box::pin(async move {
        let given = Parameters::of(call, &asked(&[AFTER, LIMIT]))?;
        let after = given.read("after", integer)?.unwrap_or(0);
        let limit = limit(&given)?;
        let mut connection = reads.pool.acquire().await.map_err(failed)?;
        let asked = begin(reads, call, &given, &mut connection).await?;
        let whose = (asked.whose.livemode, asked.whose.merchant_id);
        let lines = questions::journal(&mut connection, whose, asked.as_of, after, limit).await.map_err(failed)?;
        connection.execute("commit").await.map_err(failed)?;
        let next = lines.last().map(|last| last.position.to_string());
        end(reads, call, &asked, lines.iter().map(journal_line).collect(), next).await
    })
}

fn journal_line(line: &JournalLine) -> Value {
    json!({
        "position": line.position, "line": line.line, "event_id": line.event_id, "event_type": line.event_type,
        "of": line.aggregate_id, "reverses": line.reverses, "account": line.account, "currency": line.currency,
        "livemode": line.livemode, "amount_minor": line.amount_minor,
        "effective_at": told(line.effective_at), "recorded_at": told(line.recorded_at),
    })
}
