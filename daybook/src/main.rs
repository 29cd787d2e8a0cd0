//! The one binary: composition root and command line.

use std::{io::Write as _, process::ExitCode};

mod announcing;
mod collector;
mod command;
mod cores;
mod database;
mod facts;
mod failure;
mod feeding;
mod forgetting;
mod health;
mod home;
mod http;
mod interrupt;
mod kafka;
mod keys;
mod logging;
mod origins;
mod otlp;
mod outside;
mod probing;
mod roles;
mod secret;
mod sentry;
mod serving;
mod settings;
mod witness;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cores::leave_none();
    match command::run() {
        Ok(code) => code,
        // There is nobody left to tell when this cannot be written.
        Err(failure) => {
            writeln!(std::io::stderr(), "daybook: {failure}").map_or(ExitCode::FAILURE, |()| ExitCode::FAILURE)
        }
    }
}
