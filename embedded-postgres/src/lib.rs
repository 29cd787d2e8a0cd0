//! A Postgres of our own for development and tests: found, initialised, started, stopped.
