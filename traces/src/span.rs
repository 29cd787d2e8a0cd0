//! A span: a piece of work with a beginning and an end, in a trace.

use std::borrow::Cow;
use std::time::SystemTime;

use uuid::Uuid;

/// Where a piece of work stands: its trace, and the span it is part of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// 32 hexadecimal digits.
    pub trace_id: String,
    /// 16 hexadecimal digits.
    pub span_id: String,
}

impl Context {
    /// As it is passed on (W3C Trace Context).
    pub fn traceparent(&self) -> String {
        format!("00-{}-{}-01", self.trace_id, self.span_id)
    }

    /// As it was passed on by us.
    pub fn parse(traceparent: &str) -> Option<Self> {
        let mut parts = traceparent.strip_prefix("00-")?.strip_suffix("-01")?.split('-');
        let (trace_id, span_id) = (parts.next()?, parts.next()?);
        let is_hex = |text: &str, length: usize| {
            text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        let is_whole = parts.next().is_none() && is_hex(trace_id, 32) && is_hex(span_id, 16);
        is_whole.then(|| Self { trace_id: trace_id.to_owned(), span_id: span_id.to_owned() })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Internal,
    /// We were asked.
    Server,
    /// We ask.
    Client,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Text(String),
    Whole(i64),
}

/// One that has ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    pub context: Context,
    pub parent_id: Option<String>,
    pub name: Cow<'static, str>,
    pub kind: Kind,
    pub begun_at: SystemTime,
    pub ended_at: SystemTime,
    pub attributes: Vec<(&'static str, Value)>,
    pub is_error: bool,
    /// What asked for it, where the log lies between.
    pub link: Option<Context>,
}

/// The last half of a v7 id is drawn at random.
pub fn new_span_id() -> String {
    Uuid::now_v7().simple().to_string().split_off(16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_passed_on_is_read_again() {
        let context = Context { trace_id: "4bf92f3577b34da6a3ce929d0e0e4736".to_owned(), span_id: new_span_id() };
        assert_eq!(context.span_id.len(), 16);
        assert_eq!(Context::parse(&context.traceparent()), Some(context.clone()));
        assert_ne!(new_span_id(), new_span_id());
        for none in ["", "00-4bf9-1-01", &context.traceparent().replace("-01", "-00")] {
            assert_eq!(Context::parse(none), None, "{none}");
        }
    }
}
