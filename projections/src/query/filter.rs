//! What may be asked of a list: each filter named once, read strictly, and turned into a condition.

use chrono::{DateTime, Datelike as _, Duration, Utc};
use domain::{channel::Channel, currency::Currency};
use gate::{Parameter, Parameters, Problem, rules};
use serde_json::{Value, json};
use sqlx::{Postgres, QueryBuilder};
use uuid::Uuid;

use super::{Reads, tenant::Tenant};

/// A filter: its name outside, the column it is about, what kind of value it takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Filter {
    pub(crate) name: &'static str,
    pub(crate) sql: &'static str,
    pub(crate) takes: Takes,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Takes {
    /// One of these, or several with commas between them.
    Words(fn() -> Vec<&'static str>),
    Channel,
    Currency,
    /// A text as it stands.
    Text,
    Id(&'static str),
    Flag,
    /// `name`, or `name[gte]`, `[gt]`, `[lte]`, `[lt]`, in minor units.
    Amount,
    /// The same four, about when the row came to be: the column is its position in the log.
    Created,
    /// The same four, about a column that holds a moment.
    Moment,
    /// `name[key]=value`, as the merchant put it there.
    Pairs,
    /// A customer's address: found by its index, which each merchant has of its own.
    Customer,
    /// The address of somebody who works with the ledger, found by its index.
    Contact,
}

/// A condition on a row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Condition {
    sql: &'static str,
    operator: &'static str,
    value: Bound,
}

#[derive(Clone, Debug, PartialEq)]
enum Bound {
    Text(String),
    Texts(Vec<String>),
    Integer(i64),
    Flag(bool),
    Id(Uuid),
    Moment(DateTime<Utc>),
    Json(Value),
}

const BOUNDS: [(&str, &str); 4] = [("gte", ">="), ("gt", ">"), ("lte", "<="), ("lt", "<")];

pub(crate) const fn filter(name: &'static str, sql: &'static str, takes: Takes) -> Filter {
    Filter { name, sql, takes }
}

impl Condition {
    /// Rows that belong to what a path names.
    pub(crate) const fn is(sql: &'static str, id: Uuid) -> Self {
        Self { sql, operator: "=", value: Bound::Id(id) }
    }

    pub(crate) fn push(&self, sql: &mut QueryBuilder<'_, Postgres>) {
        sql.push(" and ").push(self.sql).push(" ").push(self.operator).push(" ");
        match &self.value {
            Bound::Text(text) => sql.push_bind(text.clone()),
            Bound::Texts(texts) => sql.push("any(").push_bind(texts.clone()).push(")"),
            Bound::Integer(number) => sql.push_bind(*number),
            Bound::Flag(flag) => sql.push_bind(*flag),
            Bound::Id(id) => sql.push_bind(*id),
            Bound::Moment(moment) => sql.push_bind(*moment),
            Bound::Json(value) => sql.push_bind(value.clone()),
        };
    }
}

impl Filter {
    /// The query parameters it has.
    pub(crate) fn parameters(&self) -> Vec<Parameter> {
        let one = |words, schema| vec![Parameter { name: self.name, words, schema }];
        match self.takes {
            Takes::Words(_) => one("Only these: one word, or several with commas between them.", text_schema),
            Takes::Channel => one("Only of this channel.", channel_schema),
            Takes::Currency => one("Only in this currency.", currency_schema),
            Takes::Text => one("Only with this value.", text_schema),
            Takes::Id(_) => one("Only with this id.", text_schema),
            Takes::Flag => one("Only those of which this is so.", flag_schema),
            Takes::Customer => one("Only of the customer with this e-mail address, of one merchant.", text_schema),
            Takes::Contact => one("Only with this e-mail address.", text_schema),
            Takes::Pairs => {
                vec![Parameter { name: self.bracketed(4), words: "Only with these pairs.", schema: pairs_schema }]
            }
            Takes::Amount => self.ranged("In minor units.", integer_schema, true),
            Takes::Created | Takes::Moment => self.ranged("A moment, as RFC 3339 writes it.", moment_schema, false),
        }
    }

    fn ranged(&self, words: &'static str, schema: fn() -> Value, also_plain: bool) -> Vec<Parameter> {
        let bounds = (0..BOUNDS.len()).map(|n| Parameter { name: self.bracketed(n), words, schema });
        let plain = also_plain.then_some(Parameter { name: self.name, words, schema });
        bounds.chain(plain).collect()
    }

    /// Names stand in a list, so that a parameter can have one for ever.
    fn bracketed(&self, bound: usize) -> &'static str {
        let names: [&'static str; 5] = match self.name {
            "created" => ["created[gte]", "created[gt]", "created[lte]", "created[lt]", "created[*]"],
            "amount" => ["amount[gte]", "amount[gt]", "amount[lte]", "amount[lt]", "amount[*]"],
            "metadata" => ["metadata[gte]", "metadata[gt]", "metadata[lte]", "metadata[lt]", "metadata[*]"],
            name => [name; 5],
        };
        names.get(bound).copied().unwrap_or(self.name)
    }

    /// What is asked by it.
    ///
    /// # Errors
    /// A value that cannot be read, or a log that cannot be asked.
    pub(crate) async fn conditions(
        &self,
        given: &Parameters<'_>,
        tenant: &Tenant,
        reads: &Reads,
    ) -> Result<Vec<Condition>, Problem> {
        let is = |value| vec![Condition { sql: self.sql, operator: "=", value }];
        let read = |parse: &dyn Fn(&str) -> Option<Bound>| {
            given.read(self.name, parse).map(|value| value.map(is).unwrap_or_default())
        };
        match self.takes {
            Takes::Words(known) => read(&|text| words(text, &known())),
            Takes::Channel => read(&|text| text.parse::<Channel>().ok().map(|it| Bound::Text(it.name().to_owned()))),
            Takes::Currency => read(&|text| text.parse::<Currency>().ok().map(|it| Bound::Text(it.code().to_owned()))),
            Takes::Text => read(&|text| is_text(text).then(|| Bound::Text(text.to_owned()))),
            Takes::Id(prefix) => read(&|text| uuid(text, prefix).map(Bound::Id)),
            Takes::Flag => read(&|text| text.parse().ok().map(Bound::Flag)),
            Takes::Customer => self.of_customer(given, tenant, reads),
            Takes::Contact => read(&|text| {
                (is_text(text) && text.contains('@')).then(|| Bound::Text(reads.gate.vault.contact_index(text)))
            }),
            Takes::Pairs => self.pairs(given),
            Takes::Amount => {
                let mut all = read(&|text| integer(text).map(Bound::Integer))?;
                all.extend(self.bounds(given, integer, |_operator, amount| Bound::Integer(amount))?);
                Ok(all)
            }
            Takes::Moment => self.bounds(given, moment, |_operator, at| Bound::Moment(at)),
            Takes::Created => self.created(given, reads).await,
        }
    }

    fn bounds<T>(
        &self,
        given: &Parameters<'_>,
        parse: fn(&str) -> Option<T>,
        bound: impl Fn(&str, T) -> Bound,
    ) -> Result<Vec<Condition>, Problem> {
        let mut conditions = Vec::new();
        for (n, (_word, operator)) in BOUNDS.into_iter().enumerate() {
            if let Some(value) = given.read(self.bracketed(n), parse)? {
                conditions.push(Condition { sql: self.sql, operator, value: bound(operator, value) });
            }
        }
        Ok(conditions)
    }

    /// The later in the log, the later recorded: a moment is a position, and a span of time a range of an index.
    async fn created(&self, given: &Parameters<'_>, reads: &Reads) -> Result<Vec<Condition>, Problem> {
        let mut conditions = Vec::new();
        for (n, (word, _operator)) in BOUNDS.into_iter().enumerate() {
            let Some(at) = given.read(self.bracketed(n), moment)? else { continue };
            // At this moment itself counts for `gt` and `lte`; the microsecond before it is the end for the others.
            let last = if matches!(word, "gt" | "lte") { at } else { at - Duration::microseconds(1) };
            let position = reads.gate.store.position_at(last).await.map_err(super::answer::failed)?.position;
            let operator = if matches!(word, "gte" | "gt") { ">" } else { "<=" };
            conditions.push(Condition { sql: self.sql, operator, value: Bound::Integer(position) });
        }
        Ok(conditions)
    }

    fn of_customer(&self, given: &Parameters<'_>, tenant: &Tenant, reads: &Reads) -> Result<Vec<Condition>, Problem> {
        let Some(email) = given.get(self.name) else { return Ok(Vec::new()) };
        let malformed = || Problem::parameter(self.name, rules::PARAMETER_MALFORMED);
        if !is_text(email) || !email.contains('@') {
            return Err(malformed());
        }
        let Some(merchant_id) = tenant.merchant_id() else {
            return Err(malformed().saying(
                "(name the merchant_id whose customer it is)".to_owned(),
                "（请同时提供该客户所属的 merchant_id）".to_owned(),
            ));
        };
        let index = reads.gate.vault.customer_index(merchant_id, email);
        Ok(vec![Condition { sql: self.sql, operator: "=", value: Bound::Text(index) }])
    }

    fn pairs(&self, given: &Parameters<'_>) -> Result<Vec<Condition>, Problem> {
        let pairs: serde_json::Map<String, Value> =
            given.within(self.name).map(|(key, value)| (key.to_owned(), value.into())).collect();
        if pairs.is_empty() {
            return Ok(Vec::new());
        }
        if pairs.iter().any(|(key, value)| !is_text(key) || !value.as_str().is_some_and(is_text)) {
            return Err(Problem::parameter(self.name, rules::PARAMETER_MALFORMED));
        }
        Ok(vec![Condition { sql: self.sql, operator: "@>", value: Bound::Json(pairs.into()) }])
    }
}

/// No text in the database has a NUL in it, and none of those asked for is long.
fn is_text(text: &str) -> bool {
    (1..=500).contains(&text.len()) && !text.contains('\0')
}

fn words(text: &str, known: &[&'static str]) -> Option<Bound> {
    let asked: Vec<String> = text.split(',').map(str::to_owned).collect();
    let all_known = asked.len() <= known.len() && asked.iter().all(|word| known.contains(&word.as_str()));
    all_known.then_some(Bound::Texts(asked))
}

/// The number behind an id's prefix.
pub(crate) fn uuid(text: &str, prefix: &str) -> Option<Uuid> {
    let digits = text.strip_prefix(prefix)?;
    let canonical = digits.len() == 32 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if canonical { Uuid::try_parse(digits).ok() } else { None }
}

pub(crate) fn integer(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

pub(crate) fn moment(text: &str) -> Option<DateTime<Utc>> {
    let moment = DateTime::parse_from_rfc3339(text).ok()?.to_utc();
    (1970..=9999).contains(&moment.year()).then_some(moment)
}

fn text_schema() -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": 500 })
}

fn channel_schema() -> Value {
    json!({ "type": "string", "enum": Channel::ALL.iter().map(|it| it.name()).collect::<Vec<_>>() })
}

fn currency_schema() -> Value {
    json!({ "type": "string", "minLength": 3, "maxLength": 4 })
}

fn flag_schema() -> Value {
    json!({ "type": "boolean" })
}

fn integer_schema() -> Value {
    json!({ "type": "integer", "format": "int64" })
}

fn moment_schema() -> Value {
    json!({ "type": "string", "format": "date-time" })
}

fn pairs_schema() -> Value {
    json!({ "type": "object", "additionalProperties": { "type": "string" } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_strictly() {
        assert_eq!(integer("-5"), Some(-5));
        for text in ["", "1.0", "+1", "1e3", "٣", " 1", "9223372036854775808", "0x1", "-"] {
            assert_eq!(integer(text), None, "{text}");
        }
        assert!(moment("2026-11-27T20:26:25Z").is_some());
        for text in ["2026-11-27", "now", "0000-01-01T00:00:00Z", "20260-01-01T00:00:00Z", "2026-13-01T00:00:00Z"] {
            assert_eq!(moment(text), None, "{text}");
        }
        let known = ["open", "paid"];
        assert_eq!(words("paid,open", &known), Some(Bound::Texts(vec!["paid".to_owned(), "open".to_owned()])));
        for text in ["", "paid,", "PAID", "paid,paid,open", "gone"] {
            assert_eq!(words(text, &known), None, "{text}");
        }
        assert!(uuid("PAY00000000000000000000000000000007", "PAY").is_some());
        for text in ["PAY7", "pay00000000000000000000000000000007", "PAY0000000000000000000000000000000A", ""] {
            assert_eq!(uuid(text, "PAY"), None, "{text}");
        }
    }
}
