//! What names a request: its id, its trace, its address, the caller's language.

use axum::{
    extract::MatchedPath,
    http::{HeaderMap, HeaderValue, StatusCode, request::Parts},
};
use domain::id::MerchantId;
use uuid::Uuid;

use crate::language::Language;

const REQUEST_ID: &str = "x-request-id";
const TRACE_PARENT: &str = "traceparent";

#[derive(Clone, Debug)]
pub struct Visit {
    pub request_id: String,
    /// W3C trace id: the caller's, or a new one.
    pub trace_id: String,
    /// The path asked for.
    pub instance: String,
    pub language: Language,
}

impl Visit {
    pub fn of(parts: &Parts) -> Self {
        let new_id = || Uuid::now_v7().simple().to_string();
        let request_id =
            header(&parts.headers, REQUEST_ID).filter(|id| is_plain(id)).map_or_else(new_id, str::to_owned);
        let trace_id = header(&parts.headers, TRACE_PARENT).and_then(trace_id).map_or_else(new_id, str::to_owned);
        let path = parts.uri.path();
        let end = path.char_indices().nth(256).map_or(path.len(), |(end, _next)| end);
        let instance = path.get(..end).unwrap_or_default().to_owned();
        Self { request_id, trace_id, instance, language: Language::of(&parts.headers) }
    }

    /// Of a request that was never there.
    pub(crate) fn of_nobody() -> Self {
        let new_id = || Uuid::now_v7().simple().to_string();
        Self { request_id: new_id(), trace_id: new_id(), instance: "/".to_owned(), language: Language::English }
    }

    /// A line for the log of this process: what was not served always, the rest where it is asked for. The route is told
    /// and never the path, which may hold anything.
    pub(crate) fn note(&self, parts: &Parts, merchant_id: Option<&MerchantId>, status: StatusCode) {
        let route = parts.extensions.get::<MatchedPath>().map(MatchedPath::as_str);
        let (request_id, trace_id, method) = (self.request_id.as_str(), self.trace_id.as_str(), parts.method.as_str());
        let (merchant_id, status) = (merchant_id.map(tracing::field::display), status.as_u16());
        if status >= 500 {
            tracing::warn!(request_id, trace_id, merchant_id, method, route, status, "a request was not served");
        } else {
            tracing::debug!(request_id, trace_id, merchant_id, method, route, status, "a request was answered");
        }
    }

    pub(crate) fn mark(&self, headers: &mut HeaderMap) {
        for (name, value) in [(REQUEST_ID, &self.request_id), ("x-trace-id", &self.trace_id)] {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        }
    }
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// What may stand in a log line without a second look.
fn is_plain(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// `version-trace-parent-flags`: the trace's id, if all of it is as W3C has it.
fn trace_id(trace_parent: &str) -> Option<&str> {
    let mut parts = trace_parent.split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_something = |text: &str| text.bytes().any(|byte| byte != b'0');
    let is_whole = version != "00" || parts.next().is_none();
    let is_well_formed = is_hex(version, 2) && version != "ff" && is_hex(trace, 32) && is_hex(parent, 16);
    (is_well_formed && is_hex(flags, 2) && is_whole && is_something(trace) && is_something(parent)).then_some(trace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_taken_up_only_where_it_is_one() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        assert_eq!(trace_id(&format!("00-{trace}-00f067aa0ba902b7-01")), Some(trace));
        for bad in [
            format!("ff-{trace}-00f067aa0ba902b7-01"),
            format!("00-{trace}-00f067aa0ba902b7-01-x"),
            format!("00-{trace}-0000000000000000-01"),
            format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
            format!("00-{}-00f067aa0ba902b7-01", trace.to_uppercase()),
            format!("00-{trace}-00f067aa0ba902b7"),
            String::new(),
        ] {
            assert_eq!(trace_id(&bad), None, "{bad}");
        }
    }

    #[test]
    fn only_a_plain_request_id_is_taken_over() {
        assert!(is_plain("req-1_A"));
        for bad in ["", "a b", "a\u{7f}", "é", &"x".repeat(65)] {
            assert!(!is_plain(bad), "{bad}");
        }
    }
}
