//! How often a test does what it does: so much usually, more where the environment says so.

/// The number a variable is set to; the usual one where it is not.
pub fn times(variable: &str, usually: usize) -> usize {
    std::env::var(variable).ok().and_then(|set| set.parse().ok()).unwrap_or(usually)
}
