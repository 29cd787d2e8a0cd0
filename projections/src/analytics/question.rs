//! What may be asked of analytics: a span, how it is grouped, and the span before.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use chrono::{DateTime, Datelike as _, Duration, NaiveDate, NaiveTime, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Tz;
use domain::aggregate::Aggregate as _;
use domain::payment::Payment;
use event_store::Search;
use futures_util::TryStreamExt as _;
use futures_util::future::BoxFuture;
use gate::{Call, Parameter, Parameters, Problem, Reply, rules};
use serde_json::{Map, Value, json};
use sqlx::postgres::PgRow;
use sqlx::{QueryBuilder, Row as _};
use uuid::Uuid;

use super::customers::Sketch;
use super::latency;
use super::sums::{self, SUMS, Sums};
use crate::query::Reads;
use crate::query::answer::{await_position, failed, reply};
use crate::query::cell::{Cell, Kind, Shown, shown, told};
use crate::query::export::{Export, Part, Whole};
use crate::query::filter::{Condition, Filter, Takes, filter, moment};
use crate::query::format::Format;
use crate::query::freshness::Freshness;
use crate::query::resource::MIN_POSITION;
use crate::query::tenant::{Tenancy, Tenant};
use crate::routes::Own;

/// As far apart as the ends of a span may be.
const SPAN_MAX: TimeDelta = TimeDelta::days(800);
const SPAN: TimeDelta = TimeDelta::days(30);
/// More groups than that nobody reads.
const GROUPS_MAX: usize = 10_000;

pub(crate) static ANALYTICS: Own = Own {
    parameters,
    data,
    rules: || rules::READING.to_vec(),
    content: Format::KINDS,
    serve: |reads, call| show(reads, call),
};

const FILTERS: &[Filter] = &[
    filter("channel", "channel", Takes::Channel),
    filter("currency", "currency", Takes::Currency),
    filter("method", "method", Takes::Text),
];

const OWN: [Parameter; 6] = [
    Parameter { name: "created[gte]", words: "From this moment on: 30 days before the end when absent.", schema: at },
    Parameter { name: "created[lt]", words: "Until this moment: now when absent.", schema: at },
    Parameter {
        name: "group_by",
        words: "channel, method, merchant_id, with commas; currency and livemode always.",
        schema: text,
    },
    Parameter { name: "bucket", words: "hour, day, week or month: one group for each.", schema: bucket },
    Parameter { name: "tz", words: "Whose days: a name such as Asia/Shanghai; UTC when absent.", schema: text },
    Parameter { name: "compare", words: "previous_period: the span of the same length before.", schema: compare },
];

fn at() -> Value {
    json!({ "type": "string", "format": "date-time" })
}

fn text() -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": 100 })
}

fn bucket() -> Value {
    json!({ "enum": ["hour", "day", "week", "month"] })
}

fn compare() -> Value {
    json!({ "enum": ["previous_period"] })
}

fn parameters() -> Vec<Parameter> {
    let filters = FILTERS.iter().flat_map(Filter::parameters);
    filters.chain(OWN).chain(Tenancy::Rows.parameters().iter().copied()).chain([MIN_POSITION]).collect()
}

fn data() -> Value {
    json!({ "type": "object", "required": ["from", "until", "groups"], "properties": {
        "from": at(), "until": at(), "tz": { "type": "string" }, "bucket": { "type": ["string", "null"] },
        "groups": { "type": "array", "items": { "type": "object", "required": ["currency", "livemode"] } },
    } })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Bucket {
    Hour,
    Day,
    Week,
    Month,
}

impl Bucket {
    const ALL: [(&str, Self); 4] =
        [("hour", Self::Hour), ("day", Self::Day), ("week", Self::Week), ("month", Self::Month)];

    fn named(text: &str) -> Option<Self> {
        Self::ALL.iter().find(|(name, _bucket)| *name == text).map(|(_name, bucket)| *bucket)
    }

    /// When the bucket of this moment began, there.
    fn start(self, at: DateTime<Utc>, tz: Tz) -> DateTime<Tz> {
        let local = at.with_timezone(&tz);
        let day = local.date_naive();
        let first: Option<NaiveDate> = match self {
            Self::Hour => {
                // Not by the clock on the wall: an hour that comes twice is two.
                let into = local.naive_local().and_utc().timestamp().rem_euclid(3_600);
                return local - Duration::seconds(into);
            }
            Self::Day => Some(day),
            Self::Week => day.checked_sub_days(chrono::Days::new(u64::from(day.weekday().num_days_from_monday()))),
            Self::Month => day.with_day(1),
        };
        let midnight = first.unwrap_or(day).and_time(NaiveTime::MIN);
        // Where midnight is skipped, the day begins an hour later.
        let later = midnight + Duration::hours(1);
        tz.from_local_datetime(&midnight)
            .earliest()
            .or_else(|| tz.from_local_datetime(&later).earliest())
            .unwrap_or(local)
    }
}

/// By what groups are told apart, besides currency and mode.
const GROUPS: [&str; 3] = ["channel", "method", "merchant_id"];

struct Question {
    tenant: Tenant,
    conditions: Vec<Condition>,
    group_by: Vec<&'static str>,
    bucket: Option<Bucket>,
    tz: Tz,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
}

/// The start of a bucket, currency, mode, and what was asked for.
type Group = (Option<DateTime<Utc>>, String, bool, Vec<String>);

fn show<'c>(reads: &'c Reads, call: &'c Call) -> BoxFuture<'c, Result<Reply, Problem>> {
    Box::pin(async move {
        let given = Parameters::of(call, &parameters())?;
        let format = Format::of(call.accept.as_deref(), &Format::ALL)?;
        let question = Question::of(call, &given, reads).await?;
        let compares = given.read("compare", |text| (text == "previous_period").then_some(()))?.is_some();
        await_position(reads, &given, &["analytics"]).await?;
        let (mut position, now) = question.groups(reads, TimeDelta::zero()).await?;
        let before = match compares {
            true => Some(question.groups(reads, question.until - question.from).await?),
            false => None,
        };
        if let Some(upto) = call.upto {
            let read_at = before.as_ref().map_or(position, |(at, _sums)| position.max(*at));
            check_unchanged(reads, upto, read_at).await?;
            position = position.min(upto);
        }
        let before = before.map(|(_at, sums)| sums);
        let groups = together(now, before);
        if format != Format::Json {
            let exporting = reads.exporters.enter(&call.caller)?;
            let rows = groups.into_iter().map(|(group, sums)| question.row(group, sums)).collect();
            let parts = Box::new(Whole(Some(Part { position, rows, is_last: true })));
            let names = COLUMNS.iter().map(|column| column.name).collect();
            return Export { parts, columns: &COLUMNS, names, exporting }.reply(reads, format).await;
        }
        let freshness = Freshness::of(reads, position).await?;
        let data = json!({
            "from": told(question.from), "until": told(question.until), "tz": question.tz.name(),
            "bucket": given.get("bucket"), "groups": question.told(groups),
        });
        let meta = json!({ "as_of_position": freshness.position, "lag": freshness.told() });
        Ok(freshness.mark(reply(call, data, meta)))
    })
}

/// Of sums it is not kept how they stood: they are told while nothing that is counted has come since.
async fn check_unchanged(reads: &Reads, upto: i64, read_at: i64) -> Result<(), Problem> {
    let counted = Search { aggregate_types: Some(vec![Payment::TYPE.to_owned()]), ..Search::default() };
    let since = reads.gate.store.search(&counted, upto, read_at, 1).await.map_err(failed)?;
    if since.is_empty() { Ok(()) } else { Err(Problem::turned_away(rules::CHANGED_SINCE)) }
}

impl Question {
    async fn of(call: &Call, given: &Parameters<'_>, reads: &Reads) -> Result<Self, Problem> {
        let tenant = Tenant::of(call, given)?;
        let mut conditions = Vec::new();
        for filter in FILTERS {
            conditions.extend(filter.conditions(given, &tenant, reads).await?);
        }
        let group_by = given.read("group_by", |text| {
            let known = |name: &str| GROUPS.iter().find(|group| **group == name).copied();
            // The two that always are may be named all the same.
            text.split(',').filter(|name| !["currency", "livemode"].contains(name)).map(known).collect()
        })?;
        let until = given.read("created[lt]", moment)?.unwrap_or_else(Utc::now);
        let from = given.read("created[gte]", moment)?.unwrap_or(until - SPAN);
        if from >= until || until - from > SPAN_MAX {
            return Err(Problem::parameter("created[gte]", rules::PARAMETER_MALFORMED).saying(
                format!("(a span of at most {} days, which ends after it begins)", SPAN_MAX.num_days()),
                format!("（时间段最长 {} 天，且结束须晚于开始）", SPAN_MAX.num_days()),
            ));
        }
        Ok(Self {
            tenant,
            conditions,
            group_by: group_by.unwrap_or_default(),
            bucket: given.read("bucket", Bucket::named)?,
            tz: given.read("tz", |name| name.parse::<Tz>().ok())?.unwrap_or(Tz::UTC),
            from,
            until,
        })
    }

    /// The sums of each group of the span that lies so much earlier, and the position they are true at.
    async fn groups(&self, reads: &Reads, earlier: TimeDelta) -> Result<(i64, BTreeMap<Group, Sums>), Problem> {
        let sums: Vec<&str> = SUMS.iter().map(|(_name, column)| *column).collect();
        let mut sql = QueryBuilder::new(format!(
            "select c.position, t.* from (select coalesce(min(position), 0) as position from log.followers \
             where name = 'analytics') c left join lateral (select starts_at, currency, livemode, channel, method, \
             merchant_id, declines, latency_ms, customers, {} from read.analytics_quarters t",
            sums.join(", ")
        ));
        self.tenant.restrict(&mut sql, Tenancy::Rows, "t");
        sql.push(" and t.starts_at >= ").push_bind(self.from - earlier);
        sql.push(" and t.starts_at < ").push_bind(self.until - earlier);
        for condition in &self.conditions {
            condition.push(&mut sql);
        }
        sql.push(") t on true");
        let (mut position, mut groups) = (0, BTreeMap::<Group, Sums>::new());
        let mut rows = sql.build().fetch(&reads.pool);
        while let Some(row) = rows.try_next().await.map_err(failed)? {
            position = row.try_get(0).map_err(failed)?;
            let Some((group, sums)) = self.read(&row, earlier).map_err(failed)? else { continue };
            groups.entry(group).or_default().add(&sums);
            if groups.len() > GROUPS_MAX {
                return Err(Problem::turned_away(rules::QUERY_TOO_COSTLY));
            }
        }
        Ok((position, groups))
    }

    /// A row, with the group it is in; nothing where there is no row.
    fn read(&self, row: &PgRow, earlier: TimeDelta) -> Result<Option<(Group, Sums)>, sqlx::Error> {
        let Some(starts_at) = row.try_get::<Option<DateTime<Utc>>, _>(1)? else { return Ok(None) };
        let (channel, method): (String, String) = (row.try_get(4)?, row.try_get(5)?);
        let merchant_id = format!("MER{}", row.try_get::<Uuid, _>(6)?.simple());
        let names = self.group_by.iter().map(|name| match *name {
            "channel" => channel.clone(),
            "method" => method.clone(),
            _merchant => merchant_id.clone(),
        });
        let start = self.bucket.map(|bucket| bucket.start(starts_at + earlier, self.tz).to_utc());
        let group = (start, row.try_get(2)?, row.try_get(3)?, names.collect());
        let mut sums = Sums {
            declines: row.try_get(7)?,
            latency_ms: row.try_get(8)?,
            customers: Sketch::read(row.try_get::<Option<&[u8]>, _>(9)?.unwrap_or_default()),
            ..Sums::default()
        };
        for (at, sum) in (10..).zip(&mut sums.sums) {
            *sum = i128::from(row.try_get::<i64, _>(at)?);
        }
        Ok(Some((group, sums)))
    }

    fn told(&self, groups: Groups) -> Vec<Value> {
        let told = |((start, currency, livemode, names), (now, before)): (Group, (Sums, Option<Sums>))| {
            let mut told = Map::new();
            if let Some(start) = start {
                told.insert("bucket_start".to_owned(), start.with_timezone(&self.tz).to_rfc3339().into());
            }
            told.insert("currency".to_owned(), currency.into());
            told.insert("livemode".to_owned(), livemode.into());
            told.extend(self.group_by.iter().map(|name| (*name).to_owned()).zip(names.into_iter().map(Value::from)));
            told.extend(now.told());
            if let Some(before) = before {
                told.insert("previous".to_owned(), Value::Object(before.told()));
            }
            Value::Object(told)
        };
        groups.into_iter().map(told).collect()
    }

    /// A row of the table: its cells stand in the order of [`COLUMNS`].
    fn row(&self, (start, currency, livemode, names): Group, (now, before): (Sums, Option<Sums>)) -> Vec<Cell> {
        let named = |wanted: &str| {
            let found = self.group_by.iter().zip(&names).find(|(name, _value)| **name == wanted);
            found.map_or(Cell::Nothing, |(_name, value)| Cell::Text(value.clone()))
        };
        let mut cells = vec![start.map_or(Cell::Nothing, Cell::Moment), Cell::Text(currency), Cell::Flag(livemode)];
        cells.extend(GROUPS.map(named));
        cells.extend(now.cells());
        cells.push(before.map_or(Cell::Nothing, |before| Cell::Json(Value::Object(before.told()))));
        cells
    }
}

type Groups = BTreeMap<Group, (Sums, Option<Sums>)>;

/// The groups of a span, each beside itself in the span before; where it was not there, beside nothing counted.
fn together(now: BTreeMap<Group, Sums>, before: Option<BTreeMap<Group, Sums>>) -> Groups {
    let beside = before.as_ref().map(|_compared| Sums::default());
    let mut all: Groups = now.into_iter().map(|(group, sums)| (group, (sums, beside.clone()))).collect();
    for (group, sums) in before.into_iter().flatten() {
        all.entry(group).or_default().1 = Some(sums);
    }
    all
}

/// A table has the same columns whatever was asked; what was not is empty.
static COLUMNS: LazyLock<Vec<Shown>> = LazyLock::new(|| {
    let head = [
        shown("bucket_start", "", Kind::Moment, "When the bucket began."),
        shown("currency", "", Kind::Text, "The currency of the amounts."),
        shown("livemode", "", Kind::Flag, "Whether it is about real money."),
    ];
    let groups = GROUPS.map(|name| shown(name, "", Kind::Text, "Where it was grouped by it."));
    let before = shown("previous", "", Kind::Json, "The same of the span before, where it is compared.");
    head.into_iter().chain(groups).chain(sums::columns()).chain([before]).collect()
});

impl Sums {
    fn add(&mut self, other: &Self) {
        for (sum, more) in self.sums.iter_mut().zip(other.sums) {
            *sum = sum.saturating_add(more);
        }
        latency::merge(&mut self.declines, other.declines.as_ref());
        latency::merge(&mut self.latency_ms, other.latency_ms.as_ref());
        self.customers.merge(&other.customers);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_begins_where_its_people_live() {
        for (bucket, tz, at, start) in [
            (Bucket::Day, "Asia/Shanghai", "2026-11-27T17:00:00Z", "2026-11-28T00:00:00+08:00"),
            (Bucket::Day, "Asia/Kolkata", "2026-11-27T18:45:00Z", "2026-11-28T00:00:00+05:30"),
            (Bucket::Hour, "Asia/Kathmandu", "2026-11-27T18:20:00Z", "2026-11-28T00:00:00+05:45"),
            (Bucket::Week, "UTC", "2026-11-27T18:20:00Z", "2026-11-23T00:00:00+00:00"),
            (Bucket::Month, "America/New_York", "2026-12-01T04:59:00Z", "2026-11-01T00:00:00-04:00"),
            // An hour that comes twice is two.
            (Bucket::Hour, "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-25T02:00:00+02:00"),
            (Bucket::Hour, "Europe/Berlin", "2026-10-25T01:30:00Z", "2026-10-25T02:00:00+01:00"),
            // A midnight that never comes.
            (Bucket::Day, "Africa/Cairo", "2026-04-24T10:00:00Z", "2026-04-24T01:00:00+03:00"),
        ] {
            let at: DateTime<Utc> = at.parse().unwrap();
            assert_eq!(bucket.start(at, tz.parse().unwrap()).to_rfc3339(), start, "{at} in {tz}");
        }
    }
}
