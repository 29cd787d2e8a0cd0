//! A payment's number in a body: the one it has here, or the one it had before.

use domain::id::PaymentId;
use gate::{Field, FieldProblem, OLD_NO_MAX, is_old_no, rules};
use serde_json::{Value, json};

/// As it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PaymentNo(pub(crate) String);

impl Field for PaymentNo {
    fn read(value: &Value, at: &str, problems: &mut Vec<FieldProblem>) -> Option<Self> {
        let text = value.as_str().filter(|text| text.parse::<PaymentId>().is_ok() || is_old_no(text));
        if text.is_none() {
            problems.push(FieldProblem { pointer: at.to_owned(), rule: rules::FIELD_MALFORMED });
        }
        text.map(|text| Self(text.to_owned()))
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^[!-~]+$", "minLength": 1, "maxLength": OLD_NO_MAX })
    }
}
