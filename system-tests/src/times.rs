//! How often a test does what it does: as usual, or as the environment says.

/// The number a variable is set to; the usual one where it is not.
pub fn times(variable: &str, usually: usize) -> usize {
    std::env::var(variable).ok().and_then(|set| set.parse().ok()).unwrap_or(usually)
}
