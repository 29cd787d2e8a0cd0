//! The integration tests of the whole system, as one binary.

#[cfg(test)]
mod proxy;
#[cfg(test)]
mod scratch;
