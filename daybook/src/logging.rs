//! Logs on standard error: a JSON object a line, or plain lines at a terminal.

use std::io::{IsTerminal as _, stderr};

use tracing_subscriber::EnvFilter;

/// What is logged unless `RUST_LOG` says otherwise. sqlx tells of every statement it finds slow.
const USUAL: &str = "info,sqlx=warn";

pub(crate) fn start() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(USUAL));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    if stderr().is_terminal() {
        lines.with_target(false).compact().init();
    } else {
        lines.json().flatten_event(true).init();
    }
}
