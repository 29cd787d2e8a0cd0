//! Which traces are kept: so many in a hundred, by their id.

/// Of a hundred traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampling(u64);

const WHOLE: u64 = 100;
/// Of the id, as many digits decide: those before them may count up, where an id tells the time.
const DIGITS: usize = 8;
const IDS: u64 = 1 << (DIGITS * 4);

impl Sampling {
    pub fn percent(percent: u8) -> Self {
        Self(u64::from(percent).min(WHOLE))
    }

    /// The last digits of an id are drawn at random, whoever made it.
    pub(crate) fn keeps(self, trace_id: &str) -> bool {
        let tail = trace_id.len().checked_sub(DIGITS).and_then(|at| trace_id.get(at..));
        let number = tail.and_then(|digits| u64::from_str_radix(digits, 16).ok());
        number.is_some_and(|number| number / (IDS / WHOLE) < self.0 || self.0 == WHOLE)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn as_many_are_kept_as_were_asked_for_and_always_the_same() {
        let ids: Vec<String> = (0..10_000).map(|_id| Uuid::now_v7().simple().to_string()).collect();
        for (percent, least, most) in [(0, 0, 0), (10, 800, 1_200), (50, 4_700, 5_300), (100, 10_000, 10_000)] {
            let kept = |ids: &[String]| ids.iter().filter(|id| Sampling::percent(percent).keeps(id)).count();
            assert!((least..=most).contains(&kept(&ids)), "{percent}: {}", kept(&ids));
            assert_eq!(kept(&ids), kept(&ids));
        }
        assert!(
            !Sampling::percent(100).keeps("short") && !Sampling::percent(100).keeps("no hexadecimal digits at all")
        );
    }
}
