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

    /// As it was passed on, where its trace is kept.
    pub fn parse(traceparent: &str) -> Option<Self> {
        let parent = Parent::read(traceparent).filter(|parent| parent.is_sampled)?;
        Some(Self { trace_id: parent.trace_id.to_owned(), span_id: parent.span_id.to_owned() })
    }
}

/// What a caller says of its own trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parent<'h> {
    pub trace_id: &'h str,
    pub span_id: &'h str,
    pub is_sampled: bool,
}

impl<'h> Parent<'h> {
    /// `version-trace-parent-flags`, if all of it is as W3C has it.
    pub fn read(trace_parent: &'h str) -> Option<Self> {
        let mut parts = trace_parent.split('-');
        let (version, trace_id, span_id, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let is_hex = |text: &str, length: usize| {
            text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        let is_something = |text: &str| text.bytes().any(|byte| byte != b'0');
        let is_whole = version != "00" || parts.next().is_none();
        let is_well_formed = is_hex(version, 2) && version != "ff" && is_hex(trace_id, 32) && is_hex(span_id, 16);
        let is_sampled = u8::from_str_radix(flags, 16).is_ok_and(|flags| flags & 1 == 1);
        (is_well_formed && is_hex(flags, 2) && is_whole && is_something(trace_id) && is_something(span_id))
            .then_some(Self { trace_id, span_id, is_sampled })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Internal,
    /// We were asked.
    Server,
    /// We ask.
    Client,
    /// We tell, and wait for nobody.
    Producer,
    /// We were told.
    Consumer,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Text(Cow<'static, str>),
    Whole(i64),
}

impl Value {
    pub fn text(text: impl Into<Cow<'static, str>>) -> Self {
        Self::Text(text.into())
    }
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

    #[test]
    fn a_trace_is_taken_up_only_where_it_is_one() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let read = |flags: &str| {
            let parent = format!("00-{trace}-00f067aa0ba902b7-{flags}");
            Parent::read(&parent)
                .map(|parent| (parent.trace_id.to_owned(), parent.span_id.to_owned(), parent.is_sampled))
        };
        for (flags, is_sampled) in [("01", true), ("00", false), ("03", true), ("02", false)] {
            assert_eq!(read(flags), Some((trace.to_owned(), "00f067aa0ba902b7".to_owned(), is_sampled)));
        }
        for bad in [
            format!("ff-{trace}-00f067aa0ba902b7-01"),
            format!("00-{trace}-00f067aa0ba902b7-01-x"),
            format!("00-{trace}-0000000000000000-01"),
            format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
            format!("00-{}-00f067aa0ba902b7-01", trace.to_uppercase()),
            format!("00-{trace}-00f067aa0ba902b7"),
            String::new(),
        ] {
            assert_eq!(Parent::read(&bad), None, "{bad}");
        }
    }
}
