//! Latencies as counts by steps of an eighth of an octave: mergeable, and percentiles within 12.5 %.

use serde_json::{Map, Value};

/// Below this every millisecond has a step of its own.
const EXACT: i64 = 16;
const STEPS_PER_OCTAVE: i64 = 8;

/// The lowest latency that is counted together with this one.
const fn step(ms: i64) -> i64 {
    let width = width(ms);
    ms - ms % width
}

const fn width(ms: i64) -> i64 {
    if ms < EXACT { 1 } else { (1 << ms.ilog2()) / STEPS_PER_OCTAVE }
}

/// Counts one.
pub(super) fn add(counts: &mut Option<Value>, ms: i64) {
    count(counts, &step(ms).to_string());
}

/// One more of this name.
pub(super) fn count(counts: &mut Option<Value>, name: &str) {
    add_to(counts, name, 1);
}

fn add_to(counts: &mut Option<Value>, name: &str, more: i64) {
    if let Value::Object(counts) = counts.get_or_insert_with(|| Value::Object(Map::new())) {
        let known = counts.get(name).and_then(Value::as_i64).unwrap_or(0);
        counts.insert(name.to_owned(), known.saturating_add(more).into());
    }
}

/// Counts of two spans of time together.
pub(super) fn merge(into: &mut Option<Value>, other: Option<&Value>) {
    for (name, more) in other.and_then(Value::as_object).into_iter().flatten() {
        add_to(into, name, more.as_i64().unwrap_or(0));
    }
}

/// The latency that so many thousandths of all are not above, at most.
pub(super) fn percentile(counts: Option<&Value>, thousandths: i64) -> Option<i64> {
    let counts = counts?.as_object()?;
    let mut steps: Vec<(i64, i64)> =
        counts.iter().filter_map(|(step, count)| Some((step.parse().ok()?, count.as_i64()?))).collect();
    steps.sort_unstable();
    let all: i64 = steps.iter().map(|(_step, count)| count).sum();
    let wanted = all.saturating_mul(thousandths).saturating_add(999).div_euclid(1_000).max(1);
    let mut seen = 0_i64;
    for (step, count) in steps {
        seen = seen.saturating_add(count);
        if seen >= wanted {
            return Some(step.saturating_add(width(step)).saturating_sub(1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_at_most_an_eighth_too_high() {
        let mut counts = None;
        (1..=10_000).for_each(|ms| add(&mut counts, ms));
        for (thousandths, ms) in [(500, 5_000), (900, 9_000), (990, 9_900), (999, 9_990), (1_000, 10_000)] {
            let told = percentile(counts.as_ref(), thousandths).unwrap();
            assert!((ms..=ms + ms / 8).contains(&told), "{thousandths}: {told}");
        }
        assert_eq!(percentile(None, 500), None);
        let mut one = None;
        add(&mut one, 7);
        assert_eq!(percentile(one.as_ref(), 990), Some(7));
    }

    #[test]
    fn counts_of_two_spans_are_those_of_both() {
        let (mut first, mut second, mut both) = (None, None, None);
        for ms in [0, 3, 15, 16, 17, 1_000, 123_456_789] {
            add(&mut first, ms);
            add(&mut second, ms * 3);
            add(&mut both, ms);
            add(&mut both, ms * 3);
        }
        merge(&mut first, second.as_ref());
        assert_eq!(first, both);
    }
}
