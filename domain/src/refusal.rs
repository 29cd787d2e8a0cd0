//! A refusal is a business no: a stable code, no cause, and an answer like any other.

/// A closed list of reasons why an aggregate says no. Codes are `snake_case` and never change.
pub trait Refusal: std::error::Error + Clone + PartialEq + Send + Sync + 'static {
    fn code(&self) -> &'static str;
}
