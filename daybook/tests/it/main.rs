//! The binary from outside: what it prints, answers, leaves behind, and how it ends.

#[cfg(test)]
mod config;
#[cfg(test)]
mod demo;
#[cfg(test)]
mod dev;
#[cfg(test)]
mod doctor;
#[cfg(test)]
mod front;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod log;
#[cfg(test)]
mod postgres_run;
#[cfg(test)]
mod readme;
#[cfg(test)]
mod server;
