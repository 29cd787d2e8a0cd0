//! The word that stands for a value of a closed list, as the log has it.

use std::fmt;

use serde::Serialize;

struct Word<T>(T);

impl<T: Serialize> fmt::Display for Word<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.serialize(f)
    }
}

/// The word an event has for it: of enums without fields only.
pub(crate) fn word(value: impl Serialize) -> String {
    Word(value).to_string()
}

#[cfg(test)]
mod tests {
    use domain::payment::attempt::{Decline, Phase};

    use super::*;

    #[test]
    fn a_word_is_that_of_the_log() {
        assert_eq!(word(Phase::InReview), "in_review");
        assert_eq!(word(Decline::InsufficientFunds), "insufficient_funds");
    }
}
