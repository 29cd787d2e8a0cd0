//! Addresses: of a person, sealed before anything else, and of a place on the web.

use domain::{card, free_text::TextRefusal, refusal::Listed as _};
use serde_json::{Value, json};

use super::{Field, wrong};
use crate::{problem::FieldProblem, rules};

/// An e-mail address. It is sealed before it goes any further.
#[derive(Clone, PartialEq, Eq)]
pub struct Email(pub String);

impl std::fmt::Debug for Email {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[e-mail]")
    }
}

impl Field for Email {
    fn read(value: &Value, at: &str, problems: &mut Vec<FieldProblem>) -> Option<Self> {
        let address = value.as_str().filter(|text| is_email(text));
        address.map(|address| Self(address.to_owned())).or_else(|| wrong(at, rules::EMAIL_MALFORMED, problems))
    }

    fn schema() -> Value {
        json!({ "type": "string", "format": "email", "maxLength": 254 })
    }
}

pub(super) fn is_email(text: &str) -> bool {
    let Some((local, host)) = text.rsplit_once('@') else { return false };
    let is_visible =
        |part: &str| !part.chars().any(|c| c.is_control() || c.is_whitespace() || "<>()[]\\,;:\"@".contains(c));
    let is_label = |label: &str| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-');
    text.len() <= 254
        && (1..=64).contains(&local.len())
        && is_visible(local)
        && is_visible(host)
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..")
        && host.contains('.')
        && host.split('.').all(is_label)
}

/// An http or https address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url(pub String);

impl Field for Url {
    fn read(value: &Value, at: &str, problems: &mut Vec<FieldProblem>) -> Option<Self> {
        match value.as_str().filter(|text| is_url(text)) {
            None => wrong(at, rules::URL_MALFORMED, problems),
            Some(url) if has_card_number(url) => wrong(at, TextRefusal::CardDataRejected.rule(), problems),
            Some(url) => Some(Self(url.to_owned())),
        }
    }

    fn schema() -> Value {
        json!({ "type": "string", "format": "uri", "maxLength": 2_048 })
    }
}

/// In any part of the address.
fn has_card_number(url: &str) -> bool {
    url.split(|c: char| !c.is_alphanumeric() && c != '-').any(card::is_card_number_in)
}

/// With a host, without credentials in it.
pub(super) fn is_url(text: &str) -> bool {
    let Ok(uri) = text.parse::<axum::http::Uri>() else { return false };
    let is_web = matches!(uri.scheme_str(), Some("http" | "https"));
    let host =
        uri.authority().filter(|authority| !authority.as_str().contains('@')).map(axum::http::uri::Authority::host);
    text.len() <= 2_048 && is_web && host.is_some_and(|host| !host.is_empty())
}
