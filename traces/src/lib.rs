//! The traces: spans of what was asked and what followed, for whoever collects them.
//!
//! Where nobody collects, nothing is made. Whether a trace is kept is decided before its first span, from its id, so that
//! every process decides alike; what went wrong is kept all the same. A span is handed over when it has ended.

mod followed;
mod sampling;
mod span;
mod tracer;

pub use followed::{Traced, followed, traceparent};
pub use sampling::Sampling;
pub use span::{Context, Kind, Parent, Span, Value, new_span_id};
pub use tracer::{Ended, begin, dropped, is_on, is_sampled, record};
