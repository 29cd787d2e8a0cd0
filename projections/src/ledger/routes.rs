//! The ledger over HTTP: trial balance, lines, journal; as of any position or time.

use std::collections::BTreeMap;

use axum::body::Body;
use chrono::{DateTime, Utc};
use domain::account::{Account, AccountRefusal};
use domain::currency::Currency;
use domain::id::MerchantId;
use domain::refusal::{Listed as _, Rule};
use futures_util::future::BoxFuture;
use futures_util::stream;
use gate::{Call, Parameter, Parameters, Problem, Reply, rules};
use serde_json::{Value, json};
use sqlx::{Executor as _, PgConnection};

use super::questions::{self, After, AsOf, Whose};
use super::restatement;
use super::sheet::Sheet;
use crate::hledger::Journal;
use crate::query::Reads;
use crate::query::answer::{await_position, failed, reply};
use crate::query::cell::{Cell, exact, row_schema, told};
use crate::query::export::{Export, PAGE, Part, Parts};
use crate::query::filter::{integer, moment};
use crate::query::format::{Format, object};
use crate::query::freshness::Freshness;
use crate::query::resource::MIN_POSITION;
use crate::query::tenant::{Tenancy, Tenant};
use crate::routes::Own;

/// The trial balance: every account with its balance, and the sums, which are zero over all accounts.
pub(crate) static BALANCES: Own = Own {
    parameters: || asked(&[]),
    data: || {
        json!({ "type": "object", "required": ["accounts", "totals"], "properties": {
            "accounts": { "type": "array", "items": row_schema(Sheet::Balances.columns()) },
            "totals": { "type": "array", "items": { "type": "object", "required": ["currency", "debits_minor", "credits_minor", "sum_minor"] } },
        } })
    },
    rules: told_rules,
    content: Format::KINDS,
    serve: |reads, call| Box::pin(serve(reads, call, &[], |_given| Ok(Sheet::Balances))),
};

/// The general ledger: every account, line by line.
pub(crate) static GENERAL: Own = Own {
    parameters: || asked(PAGED),
    data: || json!({ "type": "array", "items": row_schema(Sheet::General.columns()) }),
    rules: told_rules,
    content: Format::KINDS,
    serve: |reads, call| Box::pin(serve(reads, call, PAGED, |_given| Ok(Sheet::General))),
};

/// One account, line by line, with the balance after each.
pub(crate) static LINES: Own = Own {
    parameters: || asked(OF_AN_ACCOUNT),
    data: || {
        let lines = Sheet::Lines { account: String::new(), currency: None };
        json!({ "type": "array", "items": row_schema(lines.columns()) })
    },
    rules: told_rules,
    content: Format::KINDS,
    serve: |reads, call| Box::pin(serve(reads, call, OF_AN_ACCOUNT, |given| account(call, given))),
};

/// Whole entries in the order of the log.
pub(crate) static JOURNAL: Own = Own {
    parameters: || asked(PAGED),
    data: || json!({ "type": "array", "items": row_schema(Sheet::Journal.columns()) }),
    rules: told_rules,
    content: Format::KINDS,
    serve: |reads, call| Box::pin(serve(reads, call, PAGED, |_given| Ok(Sheet::Journal))),
};

/// The whole journal in hledger's words.
pub(crate) static HLEDGER: Own = Own {
    parameters: || vec![AT_POSITION, MIN_POSITION],
    data: || json!({ "type": "string" }),
    rules: told_rules,
    content: &["text/plain"],
    serve: |reads, call| Box::pin(hledger(reads, call)),
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
pub(super) const AFTER: Parameter =
    Parameter { name: "after", words: "Only what comes after this: `next` of the page before.", schema: text };
pub(super) const LIMIT: Parameter = Parameter {
    name: "limit",
    words: "How many at most: 100 where nothing is said, up to 1,000; of the journal, entries. CSV, NDJSON and Parquet give all that follow when it is absent.",
    schema: number,
};
const LIMIT_ABSENT: i64 = 100;
const LIMIT_MAX: i64 = 1_000;

/// What a sheet takes besides.
const PAGED: &[Parameter] = &[AFTER, LIMIT];
const OF_AN_ACCOUNT: &[Parameter] = &[CURRENCY, AFTER, LIMIT];

pub(super) fn asked(more: &[Parameter]) -> Vec<Parameter> {
    let as_of = [AT_POSITION, AT_TIME, EFFECTIVE_AT, MIN_POSITION];
    as_of.into_iter().chain(Tenancy::Rows.parameters().iter().copied()).chain(more.iter().copied()).collect()
}

pub(super) fn number() -> Value {
    json!({ "type": "integer", "minimum": 0 })
}

pub(super) fn time() -> Value {
    json!({ "type": "string", "format": "date-time" })
}

pub(super) fn text() -> Value {
    json!({ "type": "string" })
}

pub(super) fn told_rules() -> Vec<&'static Rule> {
    rules::READING.iter().copied().chain([AccountRefusal::AccountUnknown.rule()]).collect()
}

/// What every question of the ledger names: whose books, and as of when.
#[derive(Clone, Copy)]
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
    let last = call.upto.map_or(last, |upto| upto.min(last));
    let position = at.map_or(last, |at| at.min(last));
    let whose = Whose { merchant_id: tenant.merchant_id().map(MerchantId::uuid), livemode: tenant.livemode() };
    // Where the read model has not come to the moment asked about, its answer may still change.
    let is_final = is_final.map(|is_final| is_final && at.is_some_and(|at| at <= last));
    Ok(Asked { whose, as_of: AsOf { position, effective_at }, is_final })
}

async fn end(
    reads: &Reads,
    call: &Call,
    asked: &Asked,
    (sheet, rows): (&Sheet, Vec<Vec<Cell>>),
    next: Option<String>,
) -> Result<Reply, Problem> {
    let freshness = Freshness::of(reads, asked.as_of.position).await?;
    let mut meta = json!({
        "as_of_position": asked.as_of.position, "lag": freshness.told(), "final": asked.is_final,
        "effective_at": asked.as_of.effective_at.map(told), "livemode": asked.whose.livemode, "next": next,
    });
    if let (Some(meta), Some(reported)) = (meta.as_object_mut(), sheet.reported()) {
        meta.insert("reported_at_position".to_owned(), reported.into());
    }
    Ok(freshness.mark(reply(call, data(sheet, rows), meta)))
}

/// A page of a sheet as JSON, or the whole of it in another format.
pub(super) async fn serve(
    reads: &Reads,
    call: &Call,
    parameters: &[Parameter],
    sheet: impl FnOnce(&Parameters<'_>) -> Result<Sheet, Problem>,
) -> Result<Reply, Problem> {
    let given = Parameters::of(call, &asked(parameters))?;
    let format = Format::of(call.accept.as_deref(), &Format::ALL)?;
    let sheet = sheet(&given)?;
    let after = given.read("after", |text| sheet.read(text))?.unwrap_or_default();
    let limit = limit(&given)?;
    let mut connection = reads.pool.acquire().await.map_err(failed)?;
    let asked = begin(reads, call, &given, &mut connection).await?;
    let placed = restatement::placed(reads, sheet, (asked.whose, asked.as_of), &given, &mut connection).await;
    let sheet = match placed {
        Ok(sheet) => sheet,
        Err(problem) => {
            connection.execute("rollback").await.map_err(failed)?;
            return Err(problem);
        }
    };
    if !is_theirs(&sheet, asked, &mut connection).await? {
        connection.execute("rollback").await.map_err(failed)?;
        return Err(unknown());
    }
    if format != Format::Json {
        connection.execute("commit").await.map_err(failed)?;
        drop(connection);
        let exporting = reads.exporters.enter(&call.caller)?;
        let columns = sheet.columns();
        let names = columns.iter().map(|column| column.name).collect();
        let left = limit.unwrap_or(i64::MAX);
        let parts = Box::new(Stretches { reads: reads.clone(), sheet, asked, after, left });
        return Export { parts, columns, names, exporting }.reply(reads, format).await;
    }
    let of = (asked.whose, asked.as_of);
    let found = sheet.stretch(&mut connection, of, after, limit.unwrap_or(LIMIT_ABSENT)).await.map_err(failed)?;
    connection.execute("commit").await.map_err(failed)?;
    let next = found.end.map(|end| sheet.told(end));
    end(reads, call, &asked, (&sheet, found.rows), next).await
}

fn data(sheet: &Sheet, rows: Vec<Vec<Cell>>) -> Value {
    let names: Vec<&str> = sheet.columns().iter().map(|column| column.name).collect();
    let totals = matches!(sheet, Sheet::Balances).then(|| totals(&rows));
    let rows: Vec<Value> = rows.into_iter().map(|row| object(&names, row)).collect();
    match totals {
        Some(totals) => json!({ "accounts": rows, "totals": totals }),
        None => rows.into(),
    }
}

/// Debits and credits of each currency; over all accounts of a mode they are the same.
fn totals(balances: &[Vec<Cell>]) -> Vec<Value> {
    let mut sums: BTreeMap<(&str, bool), (i128, i128)> = BTreeMap::new();
    for balance in balances {
        let [_account, Cell::Text(currency), Cell::Flag(livemode), _kind, Cell::Sum(sum)] = balance.as_slice() else {
            continue;
        };
        let (debits, credits) = sums.entry((currency, *livemode)).or_default();
        *debits = debits.saturating_add((*sum).max(0));
        *credits = credits.saturating_add((*sum).min(0).saturating_neg());
    }
    let total = |((currency, livemode), (debits, credits)): ((&str, bool), (i128, i128))| {
        let sum = exact(debits.saturating_sub(credits));
        json!({ "currency": currency, "livemode": livemode, "debits_minor": exact(debits),
                "credits_minor": exact(credits), "sum_minor": sum })
    };
    sums.into_iter().map(total).collect()
}

/// A sheet as of a fixed moment, stretch after stretch: each is a short read, and together they are as of one position.
struct Stretches {
    reads: Reads,
    sheet: Sheet,
    asked: Asked,
    after: After,
    /// How many more at most.
    left: i64,
}

impl Parts for Stretches {
    fn next(&mut self) -> BoxFuture<'_, Result<Part, Problem>> {
        Box::pin(async move {
            let mut connection = self.reads.pool.acquire().await.map_err(failed)?;
            let of = (self.asked.whose, self.asked.as_of);
            let most = self.left.min(PAGE.into());
            let found = self.sheet.stretch(&mut connection, of, self.after, most).await.map_err(failed)?;
            self.after = found.end.unwrap_or_default();
            self.left = self.left.saturating_sub(most);
            let is_last = found.end.is_none() || self.left == 0;
            Ok(Part { position: self.asked.as_of.position, rows: found.rows, is_last })
        })
    }
}

fn limit(given: &Parameters<'_>) -> Result<Option<i64>, Problem> {
    given.read("limit", |text| integer(text).filter(|limit| (1..=LIMIT_MAX).contains(limit)))
}

fn unknown() -> Problem {
    Problem::turned_away(AccountRefusal::AccountUnknown.rule())
}

fn account(call: &Call, given: &Parameters<'_>) -> Result<Sheet, Problem> {
    let currency = given.read("currency", |text| text.parse::<Currency>().ok().map(|_known| text.to_owned()))?;
    Ok(Sheet::Lines { account: call.path("account").to_owned(), currency })
}

/// Whether such an account had a posting by then, and is not another's: that is told as one that is nobody's.
async fn is_theirs(sheet: &Sheet, asked: Asked, connection: &mut PgConnection) -> Result<bool, Problem> {
    let Sheet::Lines { account, currency } = sheet else { return Ok(true) };
    let Ok(named) = account.parse::<Account>() else { return Ok(false) };
    let is_theirs = asked.whose.merchant_id.is_none_or(|own| named.merchant().is_some_and(|id| id.uuid() == own));
    let account = (account.as_str(), currency.as_deref(), asked.whose.livemode);
    Ok(is_theirs && questions::is_known(connection, account, asked.as_of).await.map_err(failed)?)
}

/// Every entry of every merchant, for whoever audits the house.
async fn hledger(reads: &Reads, call: &Call) -> Result<Reply, Problem> {
    let given = Parameters::of(call, &[AT_POSITION, MIN_POSITION])?;
    let at_position = given.read("at_position", |text| integer(text).filter(|position| *position >= 0))?;
    await_position(reads, &given, &["ledger"]).await?;
    let exporting = reads.exporters.enter(&call.caller)?;
    let mut connection = reads.pool.acquire().await.map_err(failed)?;
    let last = questions::last_position(&mut connection).await.map_err(failed)?;
    let last = call.upto.map_or(last, |upto| upto.min(last));
    let position = at_position.unwrap_or(last).min(last);
    let journal = Journal::upto(position);
    let head = journal.head(&mut connection).await.map_err(failed)?;
    drop(connection);
    let freshness = Freshness::of(reads, position).await?;
    let begin = (reads.clone(), journal, Some(head), exporting);
    let pieces = stream::try_unfold(begin, |(reads, mut journal, head, exporting)| async move {
        let piece = match head {
            Some(head) => Some(head),
            None => {
                let mut connection = reads.pool.acquire().await.map_err(std::io::Error::other)?;
                journal.next(&mut connection).await.map_err(std::io::Error::other)?
            }
        };
        Ok::<_, std::io::Error>(piece.map(|piece| (piece, (reads, journal, None, exporting))))
    });
    Ok(freshness.mark(Reply::streamed("text/plain; charset=utf-8", Body::from_stream(pieces))))
}
