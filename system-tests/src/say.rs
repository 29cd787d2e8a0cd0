//! One line to whoever watches: what a long test or bench has done.

use std::io::Write;

/// Prints at once. A reader that has gone away is no reason to fail.
pub fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    drop(writeln!(out, "{text}").and_then(|()| out.flush()));
}
