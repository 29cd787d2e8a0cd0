//! A problem document (RFC 9457): what happened, what is true now, what to do.

use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode, header},
};
use domain::refusal::Rule;
use event_store::Failure;
use serde::Serialize;

use crate::{language::Language, rules, visit::Visit};

/// What is true of the request that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    NotApplied,
    Applied,
    Unknown,
}

/// What is wrong with one value, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldProblem {
    /// JSON pointer into the body; or `?` and the name of a query parameter.
    pub pointer: String,
    pub rule: &'static Rule,
}

/// More are not told of at once.
pub(crate) const FIELDS_MAX: usize = 100;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    rule: &'static Rule,
    outcome: Outcome,
    retryable: bool,
    key_checked: bool,
    fields: Vec<FieldProblem>,
    retry_after_s: Option<u64>,
    /// What can be said beyond the rule's sentence: where it is amiss, never a value the caller sent.
    detail: Option<InBoth>,
}

/// The same in English and in Chinese.
type InBoth = (String, String);

#[derive(Serialize)]
struct Document<'p> {
    r#type: String,
    title: &'p str,
    status: u16,
    detail: String,
    instance: &'p str,
    code: &'p str,
    error: &'p str,
    outcome: Outcome,
    retryable: bool,
    key_checked: bool,
    errors: Vec<FieldDocument<'p>>,
    request_id: &'p str,
    trace_id: &'p str,
}

#[derive(Serialize)]
struct FieldDocument<'p> {
    pointer: &'p str,
    code: &'p str,
    detail: &'p str,
}

impl Problem {
    /// Turned away before anything was looked up or done.
    pub const fn turned_away(rule: &'static Rule) -> Self {
        Self {
            rule,
            outcome: Outcome::NotApplied,
            retryable: false,
            key_checked: false,
            fields: Vec::new(),
            retry_after_s: None,
            detail: None,
        }
    }

    /// Refused by a business rule, after the key was looked up.
    pub fn refused(rule: &'static Rule) -> Self {
        Self { key_checked: true, ..Self::turned_away(rule) }
    }

    /// Values that are not what they should be. The first one gives the problem its code, and is named in its detail.
    pub fn fields(mut fields: Vec<FieldProblem>) -> Self {
        fields.truncate(FIELDS_MAX);
        let Some(first) = fields.first() else { return Self::turned_away(rules::JSON_MALFORMED) };
        let (english, chinese) = (format!("({})", first.pointer), format!("（{}）", first.pointer));
        let problem = Self::turned_away(first.rule).saying(english, chinese);
        Self { fields, ..problem }
    }

    /// One value that is not what it should be.
    pub fn field(pointer: &str, rule: &'static Rule) -> Self {
        Self::fields(vec![FieldProblem { pointer: pointer.to_owned(), rule }])
    }

    /// A query parameter that is not what it should be. Of a name of unknown length the first part is told.
    pub fn parameter(name: &str, rule: &'static Rule) -> Self {
        let name: String = name.chars().take(64).collect();
        Self::fields(vec![FieldProblem { pointer: format!("?{name}"), rule }])
    }

    /// Not now: the same request may be sent again after so many seconds.
    pub fn later(rule: &'static Rule, retry_after_s: u64) -> Self {
        Self { retryable: true, retry_after_s: Some(retry_after_s), ..Self::turned_away(rule) }
    }

    /// What can be said besides, in both languages.
    #[must_use]
    pub fn saying(self, english: String, chinese: String) -> Self {
        Self { detail: Some((english, chinese)), ..self }
    }

    #[must_use]
    pub fn key_checked(self) -> Self {
        Self { key_checked: true, ..self }
    }

    /// A request with this key is without a known end: what became of it is not known yet.
    pub fn in_flight() -> Self {
        Self { outcome: Outcome::Unknown, key_checked: true, ..Self::later(rules::REQUEST_IN_FLIGHT, 1) }
    }

    /// We have failed after the request was let in: it may have been done.
    pub fn broken() -> Self {
        Self { outcome: Outcome::Unknown, ..Self::turned_away(rules::INTERNAL) }
    }

    /// Whether it was done is not known.
    pub fn unknown() -> Self {
        Self { outcome: Outcome::Unknown, key_checked: true, ..Self::later(rules::OUTCOME_UNKNOWN, 1) }
    }

    pub const fn rule(&self) -> &'static Rule {
        self.rule
    }

    /// Whether a value that stands there is amiss.
    pub fn names(&self, pointer: &str) -> bool {
        self.fields.iter().any(|field| field.pointer == pointer)
    }

    /// The document as text: what is sent, and what is stored where the problem is an answer.
    pub fn document(&self, visit: &Visit) -> String {
        let sentence = visit.language.sentence(self.rule);
        let detail = match &self.detail {
            Some((english, chinese)) => match visit.language {
                Language::English => format!("{sentence} {english}"),
                Language::Chinese => format!("{sentence}{chinese}"),
            },
            None => sentence.to_owned(),
        };
        let errors = self.fields.iter().map(|field| FieldDocument {
            pointer: &field.pointer,
            code: field.rule.code,
            detail: visit.language.sentence(field.rule),
        });
        let document = Document {
            r#type: format!("/docs#{}", self.rule.code),
            title: sentence,
            status: self.rule.http_status,
            detail,
            instance: &visit.instance,
            code: self.rule.code,
            error: sentence,
            outcome: self.outcome,
            retryable: self.retryable,
            key_checked: self.key_checked,
            errors: errors.collect(),
            request_id: &visit.request_id,
            trace_id: &visit.trace_id,
        };
        serde_json::to_string(&document).unwrap_or_default()
    }

    pub(crate) fn response(&self, visit: &Visit) -> Response<Body> {
        let mut response = Response::new(Body::from(self.document(visit)));
        *response.status_mut() =
            StatusCode::from_u16(self.rule.http_status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        mark_as_problem(response.headers_mut(), visit.language);
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// A whole HTTP/1.1 message for whoever could not be understood so far as to have a request: the connection ends with it.
pub fn last_words(rule: &'static Rule) -> String {
    let visit = Visit::of_nobody();
    let body = Problem::turned_away(rule).document(&visit);
    let reason = StatusCode::from_u16(rule.http_status).ok().and_then(|status| status.canonical_reason());
    let (status, reason, length) = (rule.http_status, reason.unwrap_or_default(), body.len());
    let (request_id, trace_id) = (&visit.request_id, &visit.trace_id);
    format!(
        "HTTP/1.1 {status} {reason}\r\ncontent-type: application/problem+json\r\ncontent-language: en\r\n\
         x-request-id: {request_id}\r\nx-trace-id: {trace_id}\r\ncache-control: no-store\r\n\
         content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

pub(crate) fn mark_as_problem(headers: &mut header::HeaderMap, language: Language) {
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(language.tag()));
}

/// What the store could not do, as the caller is told. The causes are for the log of this process.
impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        tracing::warn!(%failure, "a command was not carried out");
        match failure {
            Failure::Busy => Self::later(rules::OVERLOADED, 1),
            Failure::Unavailable { .. } | Failure::Shorter { .. } => Self::later(rules::LEDGER_UNAVAILABLE, 2),
            Failure::Unknown => Self::unknown(),
            Failure::Data { code, .. } if code == "panic" => Self::turned_away(rules::INTERNAL),
            Failure::Data { .. } => Self::turned_away(rules::DATA_REFUSED),
            Failure::TooLarge { .. } => Self::turned_away(rules::EVENT_TOO_LARGE),
            Failure::Unreadable { .. } => Self::later(rules::LEDGER_UNAVAILABLE, 60),
        }
    }
}
