//! The rules from outside: what is stored and documented, what holds of every history.
#![cfg_attr(test, expect(clippy::wildcard_enum_match_arm, reason = "a law looks only at the events it is about"))]

#[cfg(test)]
mod boundary;
#[cfg(test)]
#[path = "../../src/cases.rs"]
mod cases;
#[cfg(test)]
mod commands;
#[cfg(test)]
mod documents;
#[cfg(test)]
mod funds_laws;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod histories;
#[cfg(test)]
mod interleavings;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod money_laws;
#[cfg(test)]
mod payment_laws;
#[cfg(test)]
mod precedence;
#[cfg(test)]
mod risk_document;
#[cfg(test)]
mod what_if_laws;
#[cfg(test)]
mod world;
