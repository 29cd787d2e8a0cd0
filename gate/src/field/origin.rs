//! Where somebody is: an address on the internet, a country.

use std::{fmt, net::IpAddr};

use domain::country::Country;
use serde_json::{Value, json};

use super::{Field, parsed, wrong};
use crate::{problem::FieldProblem, rules};

/// Somebody's address. It becomes an index before it goes any further.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Address(pub IpAddr);

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[address]")
    }
}

impl Field for Address {
    fn read(value: &Value, at: &str, problems: &mut Vec<FieldProblem>) -> Option<Self> {
        let address = value.as_str().and_then(|text| text.parse::<IpAddr>().ok());
        address.map(|address| Self(address.to_canonical())).or_else(|| wrong(at, rules::FIELD_MALFORMED, problems))
    }

    fn schema() -> Value {
        json!({ "type": "string", "anyOf": [{ "format": "ipv4" }, { "format": "ipv6" }], "maxLength": 45 })
    }
}

impl Field for Country {
    fn read(value: &Value, at: &str, problems: &mut Vec<FieldProblem>) -> Option<Self> {
        parsed(value, at, problems, str::parse::<Self>)
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^[A-Z]{2}$" })
    }
}
