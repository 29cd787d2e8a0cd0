//! JSON as it may come in: one object, no key twice; and the one text that stands for it.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::{problem::Problem, rules};

/// Reads one JSON object. Keys that come twice, bytes behind it, nesting beyond 128 and texts with NUL are refused.
///
/// # Errors
/// The body is not that.
pub fn parse(body: &[u8]) -> Result<Map<String, Value>, Problem> {
    let malformed = |reason: serde_json::Error| {
        let (line, column) = (reason.line(), reason.column());
        let (english, chinese) = (format!("(line {line}, column {column})"), format!("（第 {line} 行第 {column} 列）"));
        Problem::turned_away(rules::JSON_MALFORMED).saying(english, chinese)
    };
    let Strict(value) = serde_json::from_slice(body).map_err(malformed)?;
    match value {
        Value::Object(object) => Ok(object),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(Problem::turned_away(rules::JSON_MALFORMED))
        }
    }
}

/// The same text for the same value, however it was written: keys in order, nothing between.
pub fn canonical(value: &Map<String, Value>) -> String {
    let mut text = Vec::with_capacity(512);
    write_object(value, &mut text);
    String::from_utf8(text).unwrap_or_default()
}

fn write_object(object: &Map<String, Value>, text: &mut Vec<u8>) {
    let mut entries: Vec<(&String, &Value)> = object.iter().collect();
    entries.sort_unstable_by_key(|(key, _value)| *key);
    text.push(b'{');
    for (n, (key, value)) in entries.into_iter().enumerate() {
        if n > 0 {
            text.push(b',');
        }
        write_plain(key, text);
        text.push(b':');
        write(value, text);
    }
    text.push(b'}');
}

fn write(value: &Value, text: &mut Vec<u8>) {
    match value {
        Value::Object(object) => write_object(object, text),
        Value::Array(items) => {
            text.push(b'[');
            for (n, item) in items.iter().enumerate() {
                if n > 0 {
                    text.push(b',');
                }
                write(item, text);
            }
            text.push(b']');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => write_plain(value, text),
    }
}

/// A text, a number, a truth value or nothing. Such a value always has a text, and memory always takes it.
fn write_plain(value: &impl serde::Serialize, text: &mut Vec<u8>) {
    drop(serde_json::to_writer(text, value));
}

/// A value without a key that comes twice.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Strictly).map(Strict)
    }
}

struct Strictly;

impl<'de> Visitor<'de> for Strictly {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Value, E> {
        if value.contains('\0') { Err(E::custom("a NUL character")) } else { Ok(value.into()) }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let Strict(value) = entries.next_value()?;
            if key.contains('\0') || object.insert(key, value).is_some() {
                return Err(A::Error::custom("a key twice, or with a NUL character"));
            }
        }
        Ok(object.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical_of(text: &str) -> String {
        canonical(&parse(text.as_bytes()).unwrap())
    }

    // covers A7
    #[test]
    fn the_same_value_has_one_text_and_another_has_another() {
        let one = canonical_of(r#"{"b": [1, {"z": null, "y": "\u0041"}], "a": true}"#);
        assert_eq!(one, r#"{"a":true,"b":[1,{"y":"A","z":null}]}"#);
        assert_eq!(one, canonical_of(r#"{"a":true,"b":[1,{"y":"A","z":null}]}"#));
        for other in [r#"{"a":true}"#, r#"{"a":true,"b":[{"y":"A","z":null},1]}"#, r#"{"a":"true","b":1}"#] {
            assert_ne!(one, canonical_of(other));
        }
        assert_ne!(canonical_of(r#"{"a":1}"#), canonical_of(r#"{"a":1.0}"#));
    }

    // covers A21
    #[test]
    fn what_could_be_read_two_ways_is_not_read() {
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(200), "]".repeat(200));
        for text in [
            "",
            "{",
            "[]",
            "1",
            "null",
            "{} {}",
            "{}x",
            "\u{feff}{}",
            r#"{"a":1,"a":1}"#,
            r#"{"a":{"b":1,"b":2}}"#,
            r#"{"a":[{"b":1,"b":2}]}"#,
            r#"{"a":1e400}"#,
            r#"{"a":NaN}"#,
            r#"{"a":01}"#,
            r#"{"a":"\u0000"}"#,
            r#"{"\u0000":1}"#,
            r#"{"a":"\ud800"}"#,
            &deep,
        ] {
            assert_eq!(parse(text.as_bytes()).unwrap_err().rule().code, "json_malformed", "{text}");
        }
        assert!(parse(b"{\"a\":\"\xff\"}").is_err());
        assert!(parse(&[0xff, 0xfe, b'{', 0, b'}', 0]).is_err());
    }
}
