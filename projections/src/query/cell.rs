//! The columns of an answer: where each comes from, what it is, and one value of it.

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use serde_json::{Map, Value, json};
use sqlx::{Row as _, postgres::PgRow};
use uuid::Uuid;

use crate::column::Column;

/// A column as it is shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown {
    pub(crate) name: &'static str,
    /// An expression over the row, which has the name `t`.
    pub(crate) sql: &'static str,
    pub(crate) kind: Kind,
    pub(crate) words: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A uuid, shown with this prefix.
    Id(&'static str),
    Text,
    /// Minor units, counts, positions.
    Integer,
    /// Sums, which may be beyond 64 bits.
    Sum,
    Flag,
    Moment,
    Day,
    /// Pairs of texts, or a list.
    Json,
    /// Opened for whom may see it.
    Sealed(Personal),
    /// Stands in the open, and is masked for whom may not see it.
    Open(Personal),
}

/// What a sealed value is, which says what is left of it when it is masked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Personal {
    Email,
    Words,
}

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    Nothing,
    Text(String),
    Integer(i64),
    Sum(i128),
    Flag(bool),
    Moment(DateTime<Utc>),
    Day(NaiveDate),
    Json(Value),
    /// Ciphertext: never shown as it is.
    Sealed(String),
}

pub(crate) const fn shown(name: &'static str, sql: &'static str, kind: Kind, words: &'static str) -> Shown {
    Shown { name, sql, kind, words }
}

impl Kind {
    /// Whether it is about a person, and not for everybody.
    pub(crate) const fn is_personal(self) -> bool {
        matches!(self, Self::Sealed(_) | Self::Open(_))
    }
}

impl Shown {
    /// As the row is selected for [`Cell::take`].
    pub(crate) fn selected(&self) -> String {
        match self.kind {
            Kind::Integer => format!("({})::bigint", self.sql),
            Kind::Json => format!("({})::jsonb", self.sql),
            Kind::Sum => format!("({})::text", self.sql),
            Kind::Id(_) | Kind::Text | Kind::Flag | Kind::Moment | Kind::Day => self.sql.to_owned(),
            Kind::Sealed(_) | Kind::Open(_) => self.sql.to_owned(),
        }
    }

    /// As a value inside a JSON object that the database builds.
    pub(crate) fn as_json(&self) -> String {
        let sql = self.sql;
        match self.kind {
            Kind::Id(prefix) => format!("'{prefix}' || replace(({sql})::text, '-', '')"),
            Kind::Moment => format!("to_char(({sql}) at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"),
            // It is not opened there.
            Kind::Sealed(_) | Kind::Open(_) => "null::text".to_owned(),
            Kind::Text | Kind::Integer | Kind::Sum | Kind::Flag | Kind::Day | Kind::Json => sql.to_owned(),
        }
    }

    pub(crate) fn schema(&self) -> Value {
        let (kind, more) = match self.kind {
            Kind::Id(prefix) => ("string", json!({ "pattern": format!("^{prefix}[0-9a-f]{{32}}$") })),
            Kind::Text | Kind::Sealed(_) | Kind::Open(_) => ("string", json!({})),
            Kind::Integer => ("integer", json!({ "format": "int64" })),
            Kind::Flag => ("boolean", json!({})),
            Kind::Moment => ("string", json!({ "format": "date-time" })),
            Kind::Day => ("string", json!({ "format": "date" })),
            Kind::Sum => {
                let words = format!("{} Digits as text where it is beyond 64 bits.", self.words);
                return json!({ "type": ["integer", "string"], "description": words });
            }
            Kind::Json => return json!({ "description": self.words }),
        };
        let mut schema = json!({ "type": [kind, "null"], "description": self.words });
        if let (Some(schema), Value::Object(more)) = (schema.as_object_mut(), more) {
            schema.extend(more);
        }
        schema
    }
}

impl Cell {
    /// # Errors
    /// The column is of another type.
    pub(crate) fn take(row: &PgRow, at: usize, kind: Kind) -> Result<Self, sqlx::Error> {
        fn some<T>(found: Option<T>, cell: impl FnOnce(T) -> Cell) -> Cell {
            found.map_or(Cell::Nothing, cell)
        }
        Ok(match kind {
            Kind::Id(prefix) => {
                some(row.try_get::<Option<Uuid>, _>(at)?, |id| Self::Text(format!("{prefix}{}", id.simple())))
            }
            Kind::Text | Kind::Open(_) => some(row.try_get(at)?, Self::Text),
            Kind::Integer => some(row.try_get(at)?, Self::Integer),
            Kind::Sum => Self::Sum(<i128 as Column>::take(row, at)?),
            Kind::Flag => some(row.try_get(at)?, Self::Flag),
            Kind::Moment => some(row.try_get(at)?, Self::Moment),
            Kind::Day => some(row.try_get(at)?, Self::Day),
            Kind::Json => some(row.try_get(at)?, Self::Json),
            Kind::Sealed(_) => some(row.try_get(at)?, Self::Sealed),
        })
    }

    pub(crate) fn json(self) -> Value {
        match self {
            Self::Nothing | Self::Sealed(_) => Value::Null,
            Self::Text(text) => text.into(),
            Self::Integer(number) => number.into(),
            Self::Sum(sum) => exact(sum),
            Self::Flag(flag) => flag.into(),
            Self::Moment(moment) => told(moment).into(),
            Self::Day(day) => day.to_string().into(),
            Self::Json(value) => value,
        }
    }

    /// As text on one line, for formats that know nothing else.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Nothing | Self::Sealed(_) => String::new(),
            Self::Text(text) => text.clone(),
            Self::Integer(number) => number.to_string(),
            Self::Sum(sum) => sum.to_string(),
            Self::Flag(flag) => flag.to_string(),
            Self::Moment(moment) => told(*moment),
            Self::Day(day) => day.to_string(),
            Self::Json(value) => value.to_string(),
        }
    }
}

/// A row of these columns, as JSON Schema.
pub(crate) fn row_schema(columns: &[Shown]) -> Value {
    let properties: Map<String, Value> =
        columns.iter().map(|column| (column.name.to_owned(), column.schema())).collect();
    let required: Vec<&str> = columns.iter().map(|column| column.name).collect();
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

/// A number where it is one of 64 bits, else its digits as text.
pub(crate) fn exact(sum: i128) -> Value {
    i64::try_from(sum).map_or_else(|_beyond| sum.to_string().into(), Value::from)
}

/// A moment as every answer writes it.
pub(crate) fn told(moment: DateTime<Utc>) -> String {
    moment.to_rfc3339_opts(SecondsFormat::Micros, true)
}
