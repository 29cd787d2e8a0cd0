//! The fields of a body: how each is read, described and shown by example.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike as _, NaiveDate, Utc};
use domain::{
    account::Account,
    channel::Channel,
    currency::Currency,
    free_text::{FreeText, OrderNo},
    refusal::{Listed, Rule},
};
use serde_json::{Map, Value, json};

use crate::{
    problem::{FIELDS_MAX, FieldProblem, Problem},
    rules,
};

mod address;
mod origin;
mod risk;
pub use address::{Email, Url};
pub use origin::Address;

const LIST_MAX: usize = 1_000;

/// A value as it stands in a body.
pub trait Field: Sized {
    /// Reads the value; what is wrong with it is written down under where it stands.
    fn read(value: &Value, at: &str, problems: &mut Vec<FieldProblem>) -> Option<Self>;

    /// JSON Schema.
    fn schema() -> Value;
}

/// A whole body, declared with `body!`.
pub trait Body: Field {
    /// A body that would be taken.
    fn example() -> Value;

    /// Reads a body; everything that is wrong with it at once.
    ///
    /// # Errors
    /// A problem with a pointer to each value that is not as it should be.
    fn parse(object: &Map<String, Value>) -> Result<Self, Problem> {
        let mut problems = Vec::new();
        let read = Self::read_object(object, "", &mut problems);
        read.filter(|_read| problems.is_empty()).ok_or_else(|| Problem::fields(problems))
    }

    /// As [`Field::read`], for what is known to be an object.
    fn read_object(object: &Map<String, Value>, at: &str, problems: &mut Vec<FieldProblem>) -> Option<Self>;
}

/// An object being read.
pub struct Fields<'f> {
    object: &'f Map<String, Value>,
    at: &'f str,
    problems: &'f mut Vec<FieldProblem>,
}

impl<'f> Fields<'f> {
    /// Writes down every field that is not among the known.
    pub fn of(
        object: &'f Map<String, Value>,
        at: &'f str,
        known: &[&str],
        problems: &'f mut Vec<FieldProblem>,
    ) -> Self {
        for name in object.keys().filter(|name| !known.contains(&name.as_str())).take(FIELDS_MAX) {
            problems.push(FieldProblem { pointer: pointer(at, name), rule: rules::FIELD_UNKNOWN });
        }
        Self { object, at, problems }
    }

    pub fn required<T: Field>(&mut self, name: &str) -> Option<T> {
        match self.object.get(name) {
            Some(value) => self.field(value, name),
            None => {
                self.problems.push(FieldProblem { pointer: pointer(self.at, name), rule: rules::FIELD_MISSING });
                None
            }
        }
    }

    /// `null` is as good as nothing.
    pub fn optional<T: Field>(&mut self, name: &str) -> Option<Option<T>> {
        match self.object.get(name) {
            None | Some(Value::Null) => Some(None),
            Some(value) => self.field(value, name).map(Some),
        }
    }

    /// Where it stands is put together only for what is wrong with it.
    fn field<T: Field>(&mut self, value: &Value, name: &str) -> Option<T> {
        let known = self.problems.len();
        let read = T::read(value, "", self.problems);
        for problem in self.problems.iter_mut().skip(known) {
            problem.pointer.insert_str(0, &pointer(self.at, name));
        }
        read
    }
}

/// The value as an object; that it is none is written down.
pub fn object<'v>(value: &'v Value, at: &str, problems: &mut Vec<FieldProblem>) -> Option<&'v Map<String, Value>> {
    value.as_object().or_else(|| wrong(at, rules::FIELD_MALFORMED, problems))
}

/// As RFC 6901 has it; a name of unknown length is cut.
fn pointer(at: &str, name: &str) -> String {
    let name: String = name.chars().take(64).collect();
    format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// Declares a body: for each field whether it is needed, its type, an example (`null` leaves it out) and what it means.
#[macro_export]
macro_rules! body {
    ($(#[$doc:meta])* $vis:vis struct $name:ident {
        $($need:ident $field:ident: $type:ty = $example:tt, $words:literal;)*
    }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        $vis struct $name {
            $($vis $field: $crate::body!(@type $need $type),)*
        }

        impl $crate::Field for $name {
            fn read(
                value: &serde_json::Value,
                at: &str,
                problems: &mut Vec<$crate::FieldProblem>,
            ) -> Option<Self> {
                <Self as $crate::Body>::read_object($crate::object(value, at, problems)?, at, problems)
            }

            fn schema() -> serde_json::Value {
                let required: &[Option<&str>] = &[$($crate::body!(@needed $need $field)),*];
                let required: Vec<&str> = required.iter().copied().flatten().collect();
                let mut properties = serde_json::Map::new();
                $({
                    let mut schema = <$type as $crate::Field>::schema();
                    if let Some(schema) = schema.as_object_mut() {
                        schema.insert("description".to_owned(), $words.into());
                    }
                    properties.insert(stringify!($field).to_owned(), schema);
                })*
                serde_json::json!({
                    "type": "object", "properties": properties, "required": required, "additionalProperties": false,
                })
            }
        }

        impl $crate::Body for $name {
            fn example() -> serde_json::Value {
                let mut example = serde_json::json!({ $(stringify!($field): $example,)* });
                if let Some(fields) = example.as_object_mut() {
                    fields.retain(|_name, value| !value.is_null());
                }
                example
            }

            fn read_object(
                object: &serde_json::Map<String, serde_json::Value>,
                at: &str,
                problems: &mut Vec<$crate::FieldProblem>,
            ) -> Option<Self> {
                let mut fields = $crate::Fields::of(object, at, &[$(stringify!($field)),*], problems);
                $(let $field = fields.$need(stringify!($field));)*
                Some(Self { $($field: $field?,)* })
            }
        }
    };
    (@type required $type:ty) => { $type };
    (@type optional $type:ty) => { Option<$type> };
    (@needed required $field:ident) => { Some(stringify!($field)) };
    (@needed optional $field:ident) => { None };
}

fn wrong<T>(at: &str, rule: &'static Rule, problems: &mut Vec<FieldProblem>) -> Option<T> {
    problems.push(FieldProblem { pointer: at.to_owned(), rule });
    None
}

/// A text that is read by a parser of the domain's, whose refusal becomes the field's problem.
fn parsed<T, R: Listed>(
    value: &Value,
    at: &str,
    problems: &mut Vec<FieldProblem>,
    parse: impl FnOnce(&str) -> Result<T, R>,
) -> Option<T> {
    match value.as_str().map(parse) {
        Some(Ok(parsed)) => Some(parsed),
        Some(Err(refusal)) => wrong(at, refusal.rule(), problems),
        None => wrong(at, rules::FIELD_MALFORMED, problems),
    }
}

/// Fields whose text the domain knows how to read.
macro_rules! texts {
    ($($type:ty, $parse:expr, $schema:expr;)+) => {$(
        impl Field for $type {
            fn read(value: &Value, at: &str, problems: &mut Vec<FieldProblem>) -> Option<Self> {
                parsed(value, at, problems, $parse)
            }

            fn schema() -> Value {
                $schema
            }
        }
    )+};
}

/// An id's text form.
fn id_schema(prefix: &str) -> Value {
    json!({ "type": "string", "pattern": format!("^{prefix}[0-9a-f]{{32}}$") })
}

texts! {
    FreeText, FreeText::parse, json!({ "type": "string", "minLength": 1, "maxLength": FreeText::LENGTH_MAX });
    OrderNo, OrderNo::parse, json!({ "type": "string", "minLength": 1, "maxLength": OrderNo::LENGTH_MAX });
    Currency, str::parse::<Currency>, json!({ "type": "string", "minLength": 3, "maxLength": 4 });
    Channel, str::parse::<Channel>, json!({ "type": "string", "enum": Channel::ALL.iter().map(|it| it.name()).collect::<Vec<_>>() });
    Account, str::parse::<Account>, json!({ "type": "string", "minLength": 1, "maxLength": 80 });
    domain::month::Month, str::parse::<domain::month::Month>, json!({ "type": "string", "pattern": "^[0-9]{4}-(0[1-9]|1[0-2])$" });
    domain::id::PaymentId, str::parse::<domain::id::PaymentId>, id_schema(Self::PREFIX);
    domain::id::RefundId, str::parse::<domain::id::RefundId>, id_schema(Self::PREFIX);
    domain::id::MerchantId, str::parse::<domain::id::MerchantId>, id_schema(Self::PREFIX);
    domain::id::ApiKeyId, str::parse::<domain::id::ApiKeyId>, id_schema(Self::PREFIX);
    domain::id::SettlementId, str::parse::<domain::id::SettlementId>, id_schema(Self::PREFIX);
    domain::id::AdjustmentId, str::parse::<domain::id::AdjustmentId>, id_schema(Self::PREFIX);
}

impl Field for NaiveDate {
    fn read(value: &Value, at: &str, problems: &mut Vec<FieldProblem>) -> Option<Self> {
        let date = value.as_str().filter(|text| text.len() == 10).and_then(|text| text.parse().ok());
        date.or_else(|| wrong(at, rules::FIELD_MALFORMED, problems))
    }

    fn schema() -> Value {
        json!({ "type": "string", "format": "date" })
    }
}

impl Field for DateTime<Utc> {
    fn read(value: &Value, at: &str, problems: &mut Vec<FieldProblem>) -> Option<Self> {
        let moment = value.as_str().and_then(|text| DateTime::parse_from_rfc3339(text).ok());
        // Beyond these years other programs cannot read what we would tell them.
        let moment = moment.map(|moment| moment.to_utc()).filter(|moment| (1970..=9999).contains(&moment.year()));
        moment.or_else(|| wrong(at, rules::FIELD_MALFORMED, problems))
    }

    fn schema() -> Value {
        json!({ "type": "string", "format": "date-time" })
    }
}

/// An amount in minor units: an integer, never a text, never a fraction. Its sign is for the rules to judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amount(pub i64);

impl Field for Amount {
    fn read(value: &Value, at: &str, problems: &mut Vec<FieldProblem>) -> Option<Self> {
        value.as_i64().map(Self).or_else(|| wrong(at, rules::AMOUNT_MALFORMED, problems))
    }

    fn schema() -> Value {
        json!({ "type": "integer", "format": "int64", "minimum": 1 })
    }
}

/// A whole number that is not negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count(pub u32);

impl Field for Count {
    fn read(value: &Value, at: &str, problems: &mut Vec<FieldProblem>) -> Option<Self> {
        let count = value.as_u64().and_then(|count| u32::try_from(count).ok());
        count.map(Self).or_else(|| wrong(at, rules::FIELD_MALFORMED, problems))
    }

    fn schema() -> Value {
        json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX })
    }
}

impl Field for bool {
    fn read(value: &Value, at: &str, problems: &mut Vec<FieldProblem>) -> Option<Self> {
        value.as_bool().or_else(|| wrong(at, rules::FIELD_MALFORMED, problems))
    }

    fn schema() -> Value {
        json!({ "type": "boolean" })
    }
}

/// A short text on one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlatText(pub String);

impl Field for FlatText {
    fn read(value: &Value, at: &str, problems: &mut Vec<FieldProblem>) -> Option<Self> {
        let text = value.as_str().filter(|text| (1..=255).contains(&text.len()) && !text.chars().any(char::is_control));
        text.map(|text| Self(text.to_owned())).or_else(|| wrong(at, rules::FIELD_MALFORMED, problems))
    }

    fn schema() -> Value {
        json!({ "type": "string", "minLength": 1, "maxLength": 255 })
    }
}

/// Pairs of texts the caller wants to find again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata(pub BTreeMap<FreeText, FreeText>);

impl Field for Metadata {
    fn read(value: &Value, at: &str, problems: &mut Vec<FieldProblem>) -> Option<Self> {
        let Value::Object(object) = value else { return wrong(at, rules::FIELD_MALFORMED, problems) };
        let pairs = object.iter().map(|(name, value)| {
            // A name that is not let in is not told back either.
            let parsed = parsed(&Value::from(name.as_str()), at, problems, FreeText::parse)?;
            Some((parsed, FreeText::read(value, &pointer(at, name), problems)?))
        });
        pairs.collect::<Vec<_>>().into_iter().collect::<Option<BTreeMap<_, _>>>().map(Self)
    }

    fn schema() -> Value {
        json!({ "type": "object", "maxProperties": 20, "additionalProperties": FreeText::schema() })
    }
}

impl<T: Field> Field for Vec<T> {
    fn read(value: &Value, at: &str, problems: &mut Vec<FieldProblem>) -> Option<Self> {
        let Value::Array(items) = value else { return wrong(at, rules::FIELD_MALFORMED, problems) };
        if items.len() > LIST_MAX {
            return wrong(at, rules::FIELD_MALFORMED, problems);
        }
        let items = items.iter().enumerate().map(|(n, item)| T::read(item, &format!("{at}/{n}"), problems));
        items.collect::<Vec<_>>().into_iter().collect()
    }

    fn schema() -> Value {
        json!({ "type": "array", "items": T::schema(), "maxItems": LIST_MAX })
    }
}

#[cfg(test)]
mod tests;
