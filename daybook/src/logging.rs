//! Logs on standard error: a JSON object a line, or plain lines at a terminal.

use std::{
    any::Any,
    io::{IsTerminal as _, stderr},
    panic::{self, PanicHookInfo},
};

use tracing_subscriber::EnvFilter;

/// What is logged unless `RUST_LOG` says otherwise. sqlx tells of every statement it finds slow, and of every connection
/// that was gone when it was given back: that one is dropped, and whoever needs the database notices by themselves.
const USUAL: &str = "info,sqlx=warn,sqlx_core::pool::connection=error";

pub(crate) fn start() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(USUAL));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    if stderr().is_terminal() {
        lines.with_target(false).compact().init();
    } else {
        lines.json().flatten_event(true).init();
        // Whatever a panic says of itself would be no line of JSON.
        panic::set_hook(Box::new(tell_of));
    }
}

/// Where it was, and what it said: the words of a panic are ours.
fn tell_of(panic: &PanicHookInfo<'_>) {
    let at = panic.location().map(ToString::to_string);
    tracing::error!(at, said = said(panic.payload()), "a part of this process panicked");
}

fn said(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("it did not say")
}
