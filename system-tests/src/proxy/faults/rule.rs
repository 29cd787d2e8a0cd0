//! One rule: which requests, how often, and what befalls them.

use super::super::random::Random;
use super::super::request::contains;

/// Strikes requests that execute SQL, or bind parameters, containing the marker. An empty marker means every request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub marker: String,
    pub when: When,
    /// The rule strikes this often and then never again.
    pub at_most: u64,
    pub fault: Fault,
}

impl Rule {
    /// Strikes the next matching request, once.
    pub fn once(marker: &str, fault: Fault) -> Self {
        Self { marker: marker.to_owned(), when: When::Every(1), at_most: 1, fault }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Each n-th match, counted from the rule's start; 1 is every match.
    Every(u64),
    /// So many of a thousand matches, by the seed.
    PerMille(u64),
}

/// How a connection to the client ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ending {
    /// An orderly end of stream.
    #[default]
    Close,
    /// A reset (RST).
    Reset,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Cut before the server sees the request: nothing was done.
    LoseRequest(Ending),
    /// Cut as soon as the request is with the server: whether it is done in time, nobody waits to see.
    LeaveUnknown(Ending),
    /// Cut once the server has answered in full, before a byte of the answer is passed on: done, and the client cannot know.
    LoseAnswer(Ending),
    /// Keep the request, and the connection, until [`super::Faults::release`].
    HoldRequest,
    /// Let the server do it, and keep its answer, and the connection, until [`super::Faults::release`].
    HoldAnswer,
    /// Answer with this error; the server never sees the request.
    Forge(Forged),
}

/// An error as the server would word it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forged {
    /// Five characters, such as `40001`.
    pub sqlstate: String,
    pub severity: Severity,
    pub message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    Error,
    /// The connection is closed after the answer, as the server does.
    Fatal,
}

impl Severity {
    pub(in crate::proxy) fn word(self) -> &'static str {
        match self {
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
        }
    }

    pub(in crate::proxy) fn ends_the_session(self) -> bool {
        self == Self::Fatal
    }
}

/// A rule and how far it has come.
#[derive(Debug)]
pub(super) struct Counted {
    rule: Rule,
    matched: u64,
    struck: u64,
}

impl Counted {
    pub(super) fn new(rule: Rule) -> Self {
        Self { rule, matched: 0, struck: 0 }
    }

    pub(super) fn strike(&mut self, executed: &[Vec<u8>], random: &mut Random) -> Option<Fault> {
        if self.struck == self.rule.at_most || !executed.iter().any(|part| contains(part, self.rule.marker.as_bytes()))
        {
            return None;
        }
        self.matched += 1;
        let strikes = match self.rule.when {
            When::Every(nth) => self.matched.is_multiple_of(nth),
            When::PerMille(share) => random.up_to(999) < share,
        };
        if !strikes {
            return None;
        }
        self.struck += 1;
        Some(self.rule.fault.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::{Counted, Ending, Fault, Random, Rule, When};

    fn struck(when: When, at_most: u64, requests: usize, seed: u64) -> Vec<usize> {
        let rule = Rule { marker: "log.append".into(), when, at_most, fault: Fault::LoseAnswer(Ending::Close) };
        let (mut rule, mut random) = (Counted::new(rule), Random::new(seed));
        let request = [b"select log.append($1)".to_vec()];
        assert_eq!(rule.strike(&[b"select 1".to_vec()], &mut random), None);
        (1..=requests).filter(|_| rule.strike(&request, &mut random).is_some()).collect()
    }

    #[test]
    fn every_nth_match_is_struck_until_the_bound() {
        assert_eq!(struck(When::Every(3), 2, 20, 0), [3, 6]);
        assert_eq!(struck(When::Every(1), 2, 20, 0), [1, 2]);
    }

    #[test]
    fn chance_repeats_with_its_seed_and_changes_with_another() {
        let first = struck(When::PerMille(100), u64::MAX, 2_000, 7);
        assert_eq!(first, struck(When::PerMille(100), u64::MAX, 2_000, 7));
        assert_ne!(first, struck(When::PerMille(100), u64::MAX, 2_000, 8));
        assert!((120..280).contains(&first.len()), "{} of 2,000 at 10 %", first.len());
    }
}
