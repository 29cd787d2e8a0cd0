//! From a request to an answer: a list, or one row, as every route gives them.

use std::borrow::Cow;

use domain::refusal::Rule;
use event_store::is_of_a_damaged_page;
use gate::{Call, Language, Parameters, Problem, Reply, rules};
use serde_json::{Value, json};
use sqlx::error::DatabaseError;
use uuid::Uuid;

use super::{
    Reads,
    cursor::Cursor,
    export::{Export, Pages},
    filter::{Condition, integer},
    format::{Format, object},
    freshness::{self, Freshness},
    resource::{LIMIT, LIMIT_MAX, Resource},
    sealed,
    select::{Page, Question},
    sight::Sight,
    since::Changed,
    tenant::Tenant,
};

/// A long answer ends somewhere, whatever was asked.
const EXPORT_MAX: u64 = 100_000_000;
/// How long absence is doubted while the read models are behind the log.
const DOUBT: std::time::Duration = std::time::Duration::from_secs(1);

/// What the database could not do, as the caller is told. The causes are for the log of this process.
pub(crate) fn failed(failure: sqlx::Error) -> Problem {
    let code = failure.as_database_error().and_then(DatabaseError::code).map(Cow::into_owned);
    match code.as_deref() {
        Some("57014") => Problem::turned_away(rules::QUERY_TOO_COSTLY),
        Some("42P01") => Problem::later(rules::POSITION_NOT_REACHED, 1).saying(
            "(The read models of this ledger are being built.)".to_owned(),
            "（本账本的查询数据正在构建。）".to_owned(),
        ),
        // No room, or going down.
        Some(code) if ["08", "53", "57"].iter().any(|class| code.starts_with(class)) => {
            tracing::warn!(%failure, "a question was not answered");
            Problem::later(rules::LEDGER_UNAVAILABLE, 2)
        }
        Some(_) if is_of_a_damaged_page(&failure) => Problem::later(rules::LEDGER_UNAVAILABLE, 60),
        Some(_) => {
            tracing::error!(%failure, "a question could not be asked");
            Problem::turned_away(rules::INTERNAL)
        }
        None => {
            tracing::warn!(%failure, "a question was not answered");
            Problem::later(rules::LEDGER_UNAVAILABLE, 2)
        }
    }
}

/// The rows of a resource that are the caller's and pass the filters; of one owner, where the path names it.
///
/// # Errors
/// Anything amiss with the question, or with answering it in time.
pub(crate) async fn list(
    reads: &Reads,
    call: &Call,
    resource: &'static Resource,
    of: Option<Condition>,
) -> Result<Reply, Problem> {
    let given = Parameters::of(call, &resource.of_lists())?;
    let format = Format::of(call.accept.as_deref(), &Format::ALL)?;
    let tenant = Tenant::of(call, &given)?;
    let limit = limit(&given, format)?;
    let mut question = Question::of(resource, tenant, &given, (reads, call.upto)).await?;
    question.within = of;
    let mark = mark(&question, &given);
    let after = given.get("cursor").map(|text| Cursor::read(text, &reads.gate.vault, &mark)).transpose()?;
    await_position(reads, &given, &question.models()).await?;
    let sight = Sight::of(&call.caller);
    match format {
        Format::Json => {
            let limit = u32::try_from(limit).unwrap_or(LIMIT_MAX);
            page(reads, call, &question, Listing { mark, after, limit, sight }).await
        }
        Format::Csv | Format::Ndjson | Format::Parquet => {
            if !question.expansions.is_empty() && format != Format::Ndjson {
                return Err(Problem::parameter("expand", rules::PARAMETER_MALFORMED).saying(
                    "(this format has no rows inside rows)".to_owned(),
                    "（该格式不支持行内嵌套）".to_owned(),
                ));
            }
            let exporting = reads.exporters.enter(&call.caller)?;
            let (columns, names) = (resource.columns, names(&question));
            let since = question.changed(reads, None).await?;
            let is_personal = sight == Sight::Open && columns.iter().any(|column| column.kind.is_personal());
            let parts = Box::new(Pages { reads: reads.clone(), question, sight, left: limit, after });
            let reply = Export { parts, columns, names, exporting }.reply(reads, format).await?;
            let reply = reply.showing_personal_values(is_personal);
            Ok(since.into_iter().fold(reply, |reply, since| since.mark(reply)))
        }
    }
}

struct Listing {
    mark: String,
    after: Option<Cursor>,
    limit: u32,
    sight: Sight,
}

async fn page(reads: &Reads, call: &Call, question: &Question, listing: Listing) -> Result<Reply, Problem> {
    let Listing { mark, after, limit, sight } = listing;
    // One more than asked for tells whether there is more.
    let mut page = question.page(reads, after, limit.saturating_add(1)).await?;
    let asked = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = page.rows.len() > asked;
    page.rows.truncate(asked);
    page.cursors.truncate(asked);
    let is_personal = open(reads, question, sight, &mut page).await?;
    let freshness = Freshness::of(reads, page.position).await?;
    let next = page.cursors.last().filter(|_last| has_more).map(|last| last.told(&reads.gate.vault, &mark));
    let names = names(question);
    let data: Vec<Value> = page.rows.into_iter().map(|row| object(&names, row)).collect();
    let mut meta = json!({
        "as_of_position": freshness.position, "lag": freshness.told(),
        "limit": limit, "has_more": has_more, "next_cursor": next,
    });
    let since = question.changed(reads, None).await?;
    if let (Some(meta), Some(since)) = (meta.as_object_mut(), &since) {
        meta.insert("changed_since".to_owned(), since.told());
    }
    let reply = reply(call, data.into(), meta).showing_personal_values(is_personal);
    Ok(freshness.mark(since.into_iter().fold(reply, |reply, since| since.mark(reply))))
}

/// The row of this id, if it is the caller's.
///
/// # Errors
/// There is none, or none of the caller's; or anything amiss with the question.
pub(crate) async fn one(
    reads: &Reads,
    call: &Call,
    resource: &'static Resource,
    named: impl FnOnce(&Tenant) -> Result<Option<Uuid>, Problem>,
) -> Result<Reply, Problem> {
    let given = Parameters::of(call, &resource.of_rows())?;
    Format::of(call.accept.as_deref(), &[Format::Json])?;
    let tenant = Tenant::of(call, &given)?;
    let question = Question::of(resource, tenant, &given, (reads, call.upto)).await?;
    let head = reads.gate.store.head().position();
    await_position(reads, &given, &question.models()).await?;
    let absent = || Problem::turned_away((resource.absent)());
    let id = named(&tenant)?.ok_or_else(absent)?;
    let mut page = question.row(reads, id).await?;
    if page.rows.is_empty() && page.position < head {
        // What was written a moment ago is not told to be absent.
        freshness::reach(reads, &question.models(), head, DOUBT).await?;
        page = question.row(reads, id).await?;
    }
    let is_personal = open(reads, &question, Sight::of(&call.caller), &mut page).await?;
    let Some(row) = page.rows.pop() else {
        return Err(question.changed(reads, Some(id)).await?.map_or_else(absent, Changed::refusal));
    };
    let freshness = Freshness::of(reads, page.position).await?;
    let meta = json!({ "as_of_position": freshness.position, "lag": freshness.told() });
    let reply = reply(call, object(&names(&question), row), meta).showing_personal_values(is_personal);
    let version = page.versions.pop().flatten();
    let reply = match version {
        Some(version) => reply.with("etag", format!("\"{version}\"")),
        None => reply,
    };
    Ok(freshness.mark(reply))
}

/// What was found, with how fresh it is.
pub(crate) fn reply(call: &Call, data: Value, meta: Value) -> Reply {
    let message = match call.visit.language {
        Language::English => "found",
        Language::Chinese => "查询成功",
    };
    let rows = rows_in(&data);
    Reply::new(200, json!({ "code": 0, "message": message, "data": data, "meta": meta }).to_string()).counting(rows)
}

/// A list has as many as it has; an object those of its lists, or is one itself.
fn rows_in(data: &Value) -> usize {
    match data {
        Value::Array(rows) => rows.len(),
        Value::Object(parts) => parts.values().filter_map(Value::as_array).map(Vec::len).sum::<usize>().max(1),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 1,
    }
}

async fn open(reads: &Reads, question: &Question, sight: Sight, page: &mut Page) -> Result<bool, Problem> {
    let columns = question.resource.columns;
    sealed::open(&reads.pool, &reads.gate.vault, sight, columns, &mut page.rows).await.map_err(failed)
}

fn names(question: &Question) -> Vec<&'static str> {
    let columns = question.resource.columns.iter().map(|column| column.name);
    columns.chain(question.expansions.iter().map(|expansion| expansion.name)).collect()
}

/// Waits for the position the caller names, if it names one.
///
/// # Errors
/// These read models have not come so far in time.
pub(crate) async fn await_position(reads: &Reads, given: &Parameters<'_>, models: &[&str]) -> Result<(), Problem> {
    match given.read("min_position", |text| integer(text).filter(|position| *position >= 0))? {
        Some(position) => freshness::wait(reads, models, position).await,
        None => Ok(()),
    }
}

/// A page has its bounds; a long answer is what it is.
fn limit(given: &Parameters<'_>, format: Format) -> Result<u64, Problem> {
    let (absent, most) = match format {
        Format::Json => (u64::from(LIMIT), u64::from(LIMIT_MAX)),
        Format::Csv | Format::Ndjson | Format::Parquet => (EXPORT_MAX, EXPORT_MAX),
    };
    let read = |text: &str| integer(text).and_then(|limit| u64::try_from(limit).ok());
    let limit = given.read("limit", |text| read(text).filter(|limit| (1..=most).contains(limit)))?;
    Ok(limit.unwrap_or(absent))
}

/// What makes two questions the same, page after page.
fn mark(question: &Question, given: &Parameters<'_>) -> String {
    let moving = ["cursor", "limit", "min_position", "expand", "expand[]"];
    let asked = given.sorted().into_iter().filter(|(name, _value)| !moving.contains(name));
    let asked: Vec<(&str, &str)> = asked.collect();
    let Question { conditions, within, .. } = question;
    format!("{} {} {asked:?} {conditions:?} {within:?}", question.resource.from, question.tenant.mark())
}

/// Every rule that a question may be told, besides those of the door.
pub(crate) fn told_rules(resource: &Resource) -> Vec<&'static Rule> {
    rules::READING.iter().copied().chain([(resource.absent)()]).collect()
}
