//! The log: `execute`, `read` and `follow`. The only code that knows the table of events.
