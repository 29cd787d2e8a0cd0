//! What goes wrong, by seed: the same seed, key and try go wrong in the same way.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// What may happen to an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerFault {
    Late,
    /// Nothing is done, and nothing is ever said.
    LostBefore,
    /// Done, and nothing is ever said.
    LostAfter,
    /// Done, and the connection breaks.
    BrokenAfter,
    Error500Before,
    Error500After,
    /// From something in between: nothing is done.
    Html502,
    /// Done, and the answer ends in the middle.
    Truncated,
    /// 200 with a body that tells of an error: nothing is done.
    ErrorBody,
    /// Done, and the answer is larger than anybody should read.
    Oversize,
    /// 429 with a `Retry-After`: nothing is done.
    TooMany,
}

/// What may happen to a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportFault {
    /// Before the answer.
    Early,
    Late,
    Doubled,
    /// A stranger sends one first, signed with another secret, of another amount.
    Forged,
    /// After the next one.
    Reordered,
    Dropped,
    WrongAmount,
}

/// How often each goes wrong, in a thousand. Nothing does unless it is said here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FaultPlan {
    pub seed: u64,
    pub answers: BTreeMap<AnswerFault, u16>,
    pub reports: BTreeMap<ReportFault, u16>,
    /// `status` denies what was done, for a while.
    pub status_lags: u16,
}

const THOUSAND: u64 = 1_000;

impl FaultPlan {
    /// Everything goes wrong now and then: of ten requests about four.
    #[must_use]
    pub fn rough(seed: u64) -> Self {
        let answers = [
            (AnswerFault::Late, 60),
            (AnswerFault::LostBefore, 30),
            (AnswerFault::LostAfter, 30),
            (AnswerFault::BrokenAfter, 60),
            (AnswerFault::Error500Before, 40),
            (AnswerFault::Error500After, 40),
            (AnswerFault::Html502, 30),
            (AnswerFault::Truncated, 30),
            (AnswerFault::ErrorBody, 30),
            (AnswerFault::Oversize, 20),
            (AnswerFault::TooMany, 10),
        ];
        let reports = [
            (ReportFault::Early, 80),
            (ReportFault::Late, 80),
            (ReportFault::Doubled, 80),
            (ReportFault::Forged, 40),
            (ReportFault::Reordered, 80),
            (ReportFault::Dropped, 40),
            (ReportFault::WrongAmount, 10),
        ];
        Self { seed, answers: answers.into(), reports: reports.into(), status_lags: 100 }
    }

    pub(super) fn answer(&self, of: &str, key: &str, try_no: u32) -> Option<AnswerFault> {
        pick(&self.answers, || self.draw(&["answer", of, key, &try_no.to_string()]))
    }

    pub(super) fn report(&self, report_id: &str) -> Option<ReportFault> {
        pick(&self.reports, || self.draw(&["report", report_id]))
    }

    pub(super) fn is_status_lagging(&self, key: &str) -> bool {
        self.status_lags > 0 && self.draw(&["lag", key]) < u64::from(self.status_lags)
    }

    /// Below a thousand.
    fn draw(&self, parts: &[&str]) -> u64 {
        let mut hash = Sha256::new();
        hash.update(self.seed.to_be_bytes());
        for part in parts {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        let number = hash.finalize().iter().take(8).fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
        number % THOUSAND
    }
}

fn pick<F: Copy + Ord>(weights: &BTreeMap<F, u16>, draw: impl FnOnce() -> u64) -> Option<F> {
    if weights.is_empty() {
        return None;
    }
    let drawn = draw();
    let mut up_to = 0;
    weights.iter().find_map(|(fault, weight)| {
        up_to += u64::from(*weight);
        (drawn < up_to).then_some(*fault)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_goes_wrong_in_the_same_way() {
        let drawn = |seed| -> Vec<_> {
            let plan = FaultPlan::rough(seed);
            (0..200).map(|n| (plan.answer("captures", "k", n), plan.report(&format!("r{n}")))).collect()
        };
        assert_eq!(drawn(7), drawn(7));
        assert_ne!(drawn(7), drawn(8));
    }

    #[test]
    fn every_fault_comes_about_as_often_as_it_weighs() {
        let plan = FaultPlan::rough(1);
        let mut answers = BTreeMap::new();
        for n in 0..10_000 {
            *answers.entry(plan.answer("payments", &format!("k{n}"), 1)).or_insert(0_i32) += 1;
        }
        for (fault, weight) in &plan.answers {
            let (came, weight) = (answers[&Some(*fault)], i32::from(*weight) * 10);
            assert!((came - weight).abs() < weight / 4 + 30, "{fault:?}: {came} of {weight}");
        }
    }

    #[test]
    fn nothing_goes_wrong_unless_it_is_asked_for() {
        let plan = FaultPlan::default();
        assert_eq!(
            (plan.answer("payments", "k", 1), plan.report("r"), plan.is_status_lagging("k")),
            (None, None, false)
        );
        let read: FaultPlan = serde_json::from_str(r#"{"seed":3,"answers":{"late":50}}"#).unwrap();
        assert_eq!(read.answers, BTreeMap::from([(AnswerFault::Late, 50)]));
    }
}
