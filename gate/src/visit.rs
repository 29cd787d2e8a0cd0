//! What names a request: its id, its trace, its address, the caller's language.

use std::time::SystemTime;

use axum::{
    extract::MatchedPath,
    http::{HeaderMap, HeaderValue, Method, StatusCode, request::Parts},
};
use domain::id::MerchantId;
use traces::{Context, Kind, Parent, Span, Value};
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
    method: Method,
    route: Option<MatchedPath>,
    span: Option<Asked>,
}

/// The span of this request, while somebody collects spans.
#[derive(Clone, Debug)]
struct Asked {
    /// Of whoever asked.
    parent_id: Option<String>,
    /// Made before there is a span only where its trace is kept.
    span_id: Option<String>,
    begun_at: SystemTime,
}

impl Visit {
    pub fn of(parts: &Parts) -> Self {
        let new_id = || Uuid::now_v7().simple().to_string();
        let request_id =
            header(&parts.headers, REQUEST_ID).filter(|id| is_plain(id)).map_or_else(new_id, str::to_owned);
        let parent = header(&parts.headers, TRACE_PARENT).and_then(Parent::read);
        let trace_id = parent.map_or_else(new_id, |parent| parent.trace_id.to_owned());
        let span = traces::is_on().then(|| Asked::of(parent, &trace_id));
        let path = parts.uri.path();
        let end = path.char_indices().nth(256).map_or(path.len(), |(end, _next)| end);
        let instance = path.get(..end).unwrap_or_default().to_owned();
        let (method, route) = (parts.method.clone(), parts.extensions.get::<MatchedPath>().cloned());
        Self { request_id, trace_id, instance, language: Language::of(&parts.headers), method, route, span }
    }

    /// What follows from this request is told by it whose it is, where its trace is kept (W3C Trace Context).
    pub fn traceparent(&self) -> Option<String> {
        let span_id = self.span.as_ref()?.span_id.clone()?;
        Some(Context { trace_id: self.trace_id.clone(), span_id }.traceparent())
    }

    /// Of a request that was never there.
    pub(crate) fn of_nobody() -> Self {
        let new_id = || Uuid::now_v7().simple().to_string();
        Self {
            request_id: new_id(),
            trace_id: new_id(),
            instance: "/".to_owned(),
            language: Language::English,
            method: Method::GET,
            route: None,
            span: None,
        }
    }

    /// The request was answered. A line for the log of this process where it was not served, else where that is asked for;
    /// and its span. The route is told and never the path, which may hold anything.
    pub(crate) fn note(&self, merchant_id: Option<&MerchantId>, status: StatusCode) {
        let route = self.route.as_ref().map(MatchedPath::as_str);
        let (request_id, trace_id, method) = (self.request_id.as_str(), self.trace_id.as_str(), self.method.as_str());
        let is_error = status.is_server_error();
        if let Some(span) = self.span.as_ref().filter(|span| span.span_id.is_some() || is_error) {
            span.end(self, merchant_id, status);
        }
        let (merchant_id, status) = (merchant_id.map(tracing::field::display), status.as_u16());
        if is_error {
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

impl Asked {
    /// Whoever has begun a trace has decided whether it is kept.
    fn of(parent: Option<Parent<'_>>, trace_id: &str) -> Self {
        let is_kept = parent.map_or_else(|| traces::is_sampled(trace_id), |parent| parent.is_sampled);
        Self {
            parent_id: parent.map(|parent| parent.span_id.to_owned()),
            span_id: is_kept.then(traces::new_span_id),
            begun_at: SystemTime::now(),
        }
    }

    fn end(&self, visit: &Visit, merchant_id: Option<&MerchantId>, status: StatusCode) {
        let method = match &visit.method {
            get if get == Method::GET => "GET",
            post if post == Method::POST => "POST",
            _other => "OTHER",
        };
        let route = visit.route.as_ref().map_or("unmatched", MatchedPath::as_str);
        let mut attributes = vec![
            ("http.request.method", Value::text(method)),
            ("http.route", Value::text(route.to_owned())),
            ("http.response.status_code", Value::Whole(status.as_u16().into())),
            ("request_id", Value::text(visit.request_id.clone())),
        ];
        attributes.extend(merchant_id.map(|merchant_id| ("merchant_id", Value::text(merchant_id.to_string()))));
        traces::record(Span {
            context: Context {
                trace_id: visit.trace_id.clone(),
                span_id: self.span_id.clone().unwrap_or_else(traces::new_span_id),
            },
            parent_id: self.parent_id.clone(),
            name: format!("{method} {route}").into(),
            kind: Kind::Server,
            begun_at: self.begun_at,
            ended_at: SystemTime::now(),
            attributes,
            is_error: status.is_server_error(),
            link: None,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_request_id_is_taken_over() {
        assert!(is_plain("req-1_A"));
        for bad in ["", "a b", "a\u{7f}", "é", &"x".repeat(65)] {
            assert!(!is_plain(bad), "{bad}");
        }
    }
}
