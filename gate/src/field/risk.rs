//! Rules of risk, and entries of their lists, as they stand in a body.

use domain::{
    blind_index::BlindIndex,
    country::Country,
    id::MerchantId,
    network::Network,
    risk::{
        entry::Entry,
        rule::{Condition, Rule},
        rule_set::RuleSet,
    },
};
use serde_json::{Map, Value, json};

use super::{Field, object, parsed, pointer, wrong};
use crate::{problem::FieldProblem, rules};

impl Field for RuleSet {
    /// Where one rule cannot be read, the problem is told of it alone.
    fn read(value: &Value, at: &str, problems: &mut Vec<FieldProblem>) -> Option<Self> {
        if let Ok(rules) = serde_json::from_value(value.clone()) {
            return Some(rules);
        }
        let listed = value.get("rules").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let amiss = |rule: &&Value| serde_json::from_value::<Rule>((*rule).clone()).is_err();
        match listed.iter().position(|rule| amiss(&rule)) {
            Some(number) => wrong(&format!("{at}/rules/{number}"), rules::FIELD_MALFORMED, problems),
            None => wrong(at, rules::FIELD_MALFORMED, problems),
        }
    }

    fn schema() -> Value {
        let score = json!({ "type": "integer", "minimum": 0, "maximum": 100 });
        let review = json!({
            "type": "object", "required": ["within_seconds", "then"], "additionalProperties": false,
            "properties": {
                "within_seconds": { "type": "integer", "minimum": 1, "maximum": 2_592_000 },
                "then": { "type": "string", "enum": ["reject", "call_somebody"] },
            },
        });
        let kinds = Condition::KINDS.join("`, `");
        let rule = json!({
            "type": "object", "required": ["id", "score", "when"], "additionalProperties": false,
            "properties": {
                "id": { "type": "string", "pattern": "^[a-z][a-z0-9_]{0,62}$" },
                "score": score,
                "decision": { "type": "string", "enum": ["approve", "review", "reject"] },
                "when": { "type": ["string", "object"], "description": format!("One of `{kinds}`: docs/risk.md.") },
            },
        });
        json!({
            "type": "object", "required": ["format", "review_at", "reject_at", "rules"], "additionalProperties": false,
            "properties": {
                "format": { "const": 1 },
                "review_at": score,
                "reject_at": score,
                "review": review,
                "rules": { "type": "array", "items": rule, "maxItems": 200 },
            },
        })
    }
}

impl Field for Entry {
    fn read(value: &Value, at: &str, problems: &mut Vec<FieldProblem>) -> Option<Self> {
        let entry = object(value, at, problems)?;
        let (Some((kind, whom)), 1) = (entry.iter().next(), entry.len()) else {
            return wrong(at, rules::FIELD_MALFORMED, problems);
        };
        let at = &pointer(at, kind);
        match kind.as_str() {
            "merchant" => MerchantId::read(whom, at, problems).map(Self::Merchant),
            "customer" => BlindIndex::read(whom, at, problems).map(Self::Customer),
            "card_token" => BlindIndex::read(whom, at, problems).map(Self::CardToken),
            "ip" => Network::read(whom, at, problems).map(Self::Ip),
            "country" => Country::read(whom, at, problems).map(Self::Country),
            _ => wrong(at, rules::FIELD_UNKNOWN, problems),
        }
    }

    fn schema() -> Value {
        let kinds: Map<String, Value> = [
            ("merchant", MerchantId::schema()),
            ("customer", BlindIndex::schema()),
            ("card_token", BlindIndex::schema()),
            ("ip", Network::schema()),
            ("country", Country::schema()),
        ]
        .map(|(kind, schema)| (kind.to_owned(), schema))
        .into_iter()
        .collect();
        json!({
            "type": "object", "properties": kinds, "minProperties": 1, "maxProperties": 1, "additionalProperties": false,
        })
    }
}

impl Field for BlindIndex {
    fn read(value: &Value, at: &str, problems: &mut Vec<FieldProblem>) -> Option<Self> {
        parsed(value, at, problems, str::parse::<Self>)
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^[0-9a-f]{64}$" })
    }
}

impl Field for Network {
    fn read(value: &Value, at: &str, problems: &mut Vec<FieldProblem>) -> Option<Self> {
        parsed(value, at, problems, str::parse::<Self>)
    }

    fn schema() -> Value {
        json!({ "type": "string", "minLength": 2, "maxLength": 43 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told<T: Field + std::fmt::Debug>(json: &str) -> Vec<(String, &'static str)> {
        let mut problems = Vec::new();
        let read = T::read(&serde_json::from_str(json).unwrap(), "/x", &mut problems);
        assert_eq!(read.is_some(), problems.is_empty(), "{json}: {read:?}");
        problems.into_iter().map(|problem| (problem.pointer, problem.rule.code)).collect()
    }

    #[test]
    fn an_entry_is_one_thing_and_told_of_where_it_is_wrong() {
        let index = "a".repeat(64);
        for entry in [
            r#"{"merchant":"MER00000000000000000000000000000001"}"#,
            &format!(r#"{{"customer":"{index}"}}"#),
            &format!(r#"{{"card_token":"{index}"}}"#),
            r#"{"ip":"192.0.2.0/24"}"#,
            r#"{"country":"AQ"}"#,
        ] {
            assert_eq!(told::<Entry>(entry), []);
        }
        let one = |entry: &str| told::<Entry>(entry).pop().unwrap();
        assert_eq!(one(r#"{"country":"XX"}"#), ("/x/country".to_owned(), "country_unknown"));
        assert_eq!(one(r#"{"ip":"192.0.2.1/24"}"#), ("/x/ip".to_owned(), "network_malformed"));
        assert_eq!(one(r#"{"ip":"0.0.0.0/0"}"#), ("/x/ip".to_owned(), "network_too_wide"));
        assert_eq!(one(r#"{"customer":"ann@example.com"}"#), ("/x/customer".to_owned(), "id_malformed"));
        assert_eq!(one(r#"{"moon":"1"}"#), ("/x/moon".to_owned(), "field_unknown"));
        for wrong in ["{}", r#"{"ip":"192.0.2.7","country":"AQ"}"#] {
            assert_eq!(one(wrong), ("/x".to_owned(), "field_malformed"));
        }
    }

    #[test]
    fn of_many_rules_the_one_that_is_wrong_is_named() {
        let set = |rule: &str| {
            let good = r#"{"id":"a","score":1,"when":"blocked"}"#;
            told::<RuleSet>(&format!(r#"{{"format":1,"review_at":50,"reject_at":90,"rules":[{good},{rule}]}}"#))
        };
        assert_eq!(set(r#"{"id":"b","score":1,"when":"allowed"}"#), []);
        assert_eq!(set(r#"{"id":"b","score":1,"when":"full_moon"}"#), [("/x/rules/1".to_owned(), "field_malformed")]);
        assert_eq!(told::<RuleSet>(r#"{"format":2}"#), [("/x".to_owned(), "field_malformed")]);
    }
}
