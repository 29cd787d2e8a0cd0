//! Spans of what processes do for a request whose trace is kept.
//!
//! The log lies between a request and what follows from it: spans are of the same trace, and linked to what asked.

use std::{sync::Arc, time::SystemTime};

use traces::{Context, Kind, Span, Value, new_span_id};

use crate::{
    call::{Call, Heard},
    turn::Work,
};

/// The trace of a request; and the span that what follows is part of, where the trace is kept.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Trace {
    /// 32 hexadecimal digits.
    pub(crate) id: Arc<str>,
    pub(crate) asked_by: Option<Context>,
}

impl Trace {
    /// For the events that follow, and whoever works for them.
    pub(crate) fn metadata(&self) -> impl Iterator<Item = (&'static str, String)> {
        let parent = self.asked_by.as_ref().map(|context| ("traceparent", context.traceparent()));
        [("trace_id", self.id.to_string())].into_iter().chain(parent)
    }
}

/// What was done in a turn, and is worth a span.
#[derive(Clone, Debug)]
pub(crate) struct Mark {
    pub(crate) name: &'static str,
    pub(crate) attributes: Vec<(&'static str, Value)>,
}

/// A turn stands in the log, and all it did with it: each mark of it has the time of the whole.
pub(crate) fn of_turn(trace: Option<&Trace>, marks: Vec<Mark>, begun_at: SystemTime) {
    let Some(asked_by) = trace.and_then(|trace| trace.asked_by.as_ref()) else { return };
    let ended_at = SystemTime::now();
    for Mark { name, attributes } in marks {
        traces::record(Span {
            context: within(asked_by),
            parent_id: Some(asked_by.span_id.clone()),
            name: name.into(),
            kind: Kind::Internal,
            begun_at,
            ended_at,
            attributes,
            is_error: false,
            link: Some(asked_by.clone()),
        });
    }
}

fn within(context: &Context) -> Context {
    Context { trace_id: context.trace_id.clone(), span_id: new_span_id() }
}

/// A call to a channel: from before it until its answer stands in the log, and the call itself within.
pub(crate) struct Calling {
    asked_by: Option<Context>,
    step: Context,
    call: Context,
    name: &'static str,
    attributes: Vec<(&'static str, Value)>,
    begun_at: SystemTime,
    ended_at: SystemTime,
    is_kept: bool,
    is_error: bool,
}

impl Calling {
    /// Nothing where nobody collects.
    pub(crate) fn begin(trace: Option<&Trace>, work: &Work, call: &Call) -> Option<Self> {
        let trace = trace.filter(|_trace| traces::is_on())?;
        let step = Context { trace_id: trace.id.to_string(), span_id: new_span_id() };
        let mut attributes = vec![
            ("merchant_id", Value::text(work.merchant_id.to_string())),
            ("channel", Value::text(call.channel.name())),
        ];
        if !work.payment.is_empty() {
            attributes.push(("payment_no", Value::text(work.payment.to_string())));
        }
        if let Some(money) = call.request.money() {
            attributes.push(("amount", Value::Whole(money.amount_minor)));
            attributes.push(("currency", Value::text(money.currency.code())));
        }
        let now = SystemTime::now();
        Some(Self {
            asked_by: trace.asked_by.clone(),
            call: within(&step),
            step,
            name: call.request.step(),
            attributes,
            begun_at: now,
            ended_at: now,
            is_kept: trace.asked_by.is_some(),
            is_error: false,
        })
    }

    /// What the channel is told, where the trace is kept.
    pub(crate) fn traceparent(&self) -> Option<String> {
        self.is_kept.then(|| self.call.traceparent())
    }

    /// The channel has answered, or not.
    pub(crate) fn heard(mut self, heard: &Heard) -> Self {
        self.ended_at = SystemTime::now();
        self.is_error = match heard {
            Heard::Settled(_) | Heard::Declined(_) | Heard::Absent => false,
            Heard::Unknown(_) | Heard::NotSent(_) => true,
        };
        self
    }

    /// What it said stands in the log. What went wrong is kept in any case.
    pub(crate) fn end(self) {
        if !self.is_kept && !self.is_error {
            return;
        }
        let Self { asked_by, step, call, name, attributes, begun_at, ended_at, is_error, is_kept: _ } = self;
        let parent_id = Some(step.span_id.clone());
        traces::record(Span {
            context: step,
            parent_id: asked_by.as_ref().map(|asked_by| asked_by.span_id.clone()),
            name: name.into(),
            kind: Kind::Internal,
            begun_at,
            ended_at: SystemTime::now(),
            attributes: attributes.clone(),
            is_error,
            link: asked_by,
        });
        traces::record(Span {
            context: call,
            parent_id,
            name: format!("{name} call").into(),
            kind: Kind::Client,
            begun_at,
            ended_at,
            attributes,
            is_error,
            link: None,
        });
    }
}
