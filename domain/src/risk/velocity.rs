//! Attempts counted by when they began: what a window back from a moment, or a day, comes to.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike as _, NaiveDate, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    currency::Currency,
    money::Money,
    pairs,
    risk::{
        facts::{AsOf, Tally},
        rule::{Period, Window},
    },
};

/// What was counted of one merchant, customer, card, address or country. Bounded: each window has so many buckets, and
/// what no window reaches any more is forgotten as it is counted on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Velocity {
    #[serde(with = "pairs", default, skip_serializing_if = "BTreeMap::is_empty")]
    buckets: BTreeMap<(Window, i64, Currency), Sum>,
    /// Of merchants: what their own days came to.
    #[serde(with = "pairs", default, skip_serializing_if = "BTreeMap::is_empty")]
    days: BTreeMap<(NaiveDate, Currency), Sum>,
}

/// How many, and how much in minor units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Sum(u64, i64);

/// A month and a day: as long as a merchant's month may reach back.
const DAYS_MAX: i64 = 32;
/// So much longer than it matters is kept what was counted: whoever goes back by as much finds it.
const SLACK: TimeDelta = TimeDelta::minutes(10);

impl Window {
    pub const ALL: [Self; 4] = [Self::Minute, Self::Hour, Self::Day, Self::Week];

    #[must_use]
    pub const fn seconds(self) -> i64 {
        match self {
            Self::Minute => 60,
            Self::Hour => 3_600,
            Self::Day => 86_400,
            Self::Week => 604_800,
        }
    }

    /// A window is told in pieces of this length: it reaches back as far as it says, and at most one piece further.
    const fn piece_seconds(self) -> i64 {
        match self {
            Self::Minute => 5,
            Self::Hour => 60,
            Self::Day => 1_800,
            Self::Week => 21_600,
        }
    }

    fn piece(self, seconds: i64) -> i64 {
        seconds.checked_div_euclid(self.piece_seconds()).unwrap_or_default()
    }

    /// The first piece and the last that count at this moment.
    fn reach(self, at: DateTime<Utc>) -> (i64, i64) {
        let now = at.timestamp();
        (self.piece(now.saturating_sub(self.seconds())), self.piece(now))
    }
}

impl Velocity {
    /// One attempt more, begun then; what is too old to matter at that moment goes.
    pub fn count(&mut self, begun_at: DateTime<Utc>, amount: Money) {
        self.forget(begun_at);
        for window in Window::ALL {
            let piece = window.piece(begun_at.timestamp());
            let sum = self.buckets.entry((window, piece, amount.currency)).or_default();
            *sum = Sum(sum.0.saturating_add(1), sum.1.saturating_add(amount.amount_minor));
        }
    }

    /// Takes back what [`Velocity::count`] did, for whoever goes back to a moment before.
    pub fn uncount(&mut self, begun_at: DateTime<Utc>, amount: Money) {
        for window in Window::ALL {
            let name = (window, window.piece(begun_at.timestamp()), amount.currency);
            if let Some(sum) = self.buckets.get_mut(&name) {
                *sum = Sum(sum.0.saturating_sub(1), sum.1.saturating_sub(amount.amount_minor));
            }
        }
    }

    /// Adds to a day of the merchant's, or takes from it.
    pub fn turn_over(&mut self, day: NaiveDate, currency: Currency, minor: i64) {
        let sum = self.days.entry((day, currency)).or_default();
        let count = if minor < 0 { sum.0.saturating_sub(1) } else { sum.0.saturating_add(1) };
        *sum = Sum(count, sum.1.saturating_add(minor));
    }

    /// What counts in each window at this moment; what began after it does not.
    #[must_use]
    pub fn windows(&self, as_of: AsOf) -> BTreeMap<Window, Tally> {
        let nothing = || Tally { count: 0, sums_minor: BTreeMap::new(), as_of };
        let mut tallies: BTreeMap<Window, Tally> = Window::ALL.map(|window| (window, nothing())).into();
        for ((window, piece, currency), sum) in &self.buckets {
            let (first, last) = window.reach(as_of.at);
            if (first..=last).contains(piece) {
                add(tallies.entry(*window).or_insert_with(nothing), *currency, *sum);
            }
        }
        tallies
    }

    /// What the merchant's day came to, and its month up to this day.
    #[must_use]
    pub fn periods(&self, today: NaiveDate, as_of: AsOf) -> BTreeMap<Period, Tally> {
        let nothing = || Tally { count: 0, sums_minor: BTreeMap::new(), as_of };
        let (mut day, mut month) = (nothing(), nothing());
        for ((date, currency), sum) in &self.days {
            if *date == today {
                add(&mut day, *currency, *sum);
            }
            if (date.year(), date.month()) == (today.year(), today.month()) && *date <= today {
                add(&mut month, *currency, *sum);
            }
        }
        [(Period::Day, day), (Period::Month, month)].into()
    }

    /// Nothing is left of what matters to nobody at this moment.
    pub fn forget(&mut self, at: DateTime<Utc>) {
        let before = at.checked_sub_signed(SLACK).unwrap_or(at);
        self.buckets.retain(|(window, piece, _currency), _sum| *piece >= window.reach(before).0);
        self.days.retain(|(date, _currency), _sum| {
            at.date_naive().signed_duration_since(*date) <= TimeDelta::days(DAYS_MAX)
        });
    }

    /// From this day on nothing of it matters, if nothing more is counted.
    #[must_use]
    pub fn idle_on(&self) -> Option<NaiveDate> {
        let week = self.buckets.keys().filter(|(window, ..)| *window == Window::Week);
        let last = week.filter_map(|(window, piece, _currency)| {
            let begins = DateTime::from_timestamp(piece.saturating_mul(window.piece_seconds()), 0)?;
            begins.date_naive().checked_add_signed(TimeDelta::days(9))
        });
        let days = self.days.keys().filter_map(|(date, _)| date.checked_add_signed(TimeDelta::days(DAYS_MAX)));
        last.chain(days).max()
    }
}

fn add(tally: &mut Tally, currency: Currency, Sum(count, minor): Sum) {
    tally.count = tally.count.saturating_add(count);
    let sum = tally.sums_minor.entry(currency).or_default();
    *sum = sum.saturating_add(i128::from(minor));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_780_000_000 + seconds, 0).unwrap()
    }

    fn counted(begun: &[i64]) -> Velocity {
        let mut velocity = Velocity::default();
        begun.iter().for_each(|seconds| velocity.count(at(*seconds), Money::new(100, Currency::USD)));
        velocity
    }

    fn count(velocity: &Velocity, window: Window, seconds: i64) -> u64 {
        velocity.windows(AsOf { position: 1, at: at(seconds) })[&window].count
    }

    #[test]
    fn a_window_reaches_back_as_far_as_it_says_and_at_most_a_piece_further() {
        for window in Window::ALL {
            let velocity = counted(&[0]);
            let (whole, piece) = (window.seconds(), window.piece_seconds());
            assert_eq!([0, 1, whole - 1, whole].map(|later| count(&velocity, window, later)), [1; 4], "{window:?}");
            assert_eq!(count(&velocity, window, whole + piece), 0, "{window:?}");
            assert_eq!(count(&velocity, window, -piece), 0, "{window:?}: what began later is not before");
        }
    }

    #[test]
    fn a_day_is_the_merchants_and_a_month_its_days_so_far() {
        let date = |text: &str| text.parse::<NaiveDate>().unwrap();
        let mut velocity = Velocity::default();
        for (day, minor) in [("2026-01-31", 5), ("2026-02-01", 30), ("2026-02-02", 200), ("2026-02-02", -50)] {
            velocity.turn_over(date(day), Currency::USD, minor);
        }
        velocity.turn_over(date("2026-02-02"), Currency::EUR, 7);
        let as_of = AsOf { position: 1, at: at(0) };
        let of = |day: &str, period, currency| {
            velocity.periods(date(day), as_of)[&period].sums_minor.get(&currency).copied().unwrap_or_default()
        };
        assert_eq!(of("2026-02-02", Period::Day, Currency::USD), 150);
        assert_eq!(of("2026-02-02", Period::Month, Currency::USD), 180);
        assert_eq!(of("2026-02-01", Period::Month, Currency::USD), 30);
        assert_eq!(of("2026-02-02", Period::Month, Currency::EUR), 7);
        assert_eq!(of("2026-03-01", Period::Month, Currency::USD), 0);
    }

    #[test]
    fn what_is_kept_comes_back_and_goes_when_it_matters_no_more() {
        let mut velocity = counted(&[0, 1, 100]);
        velocity.turn_over(at(0).date_naive(), Currency::USD, 300);
        let text = serde_json::to_string(&velocity).unwrap();
        assert_eq!(serde_json::from_str::<Velocity>(&text).unwrap(), velocity);
        let idle = velocity.idle_on().unwrap();
        assert_eq!(idle, at(0).date_naive() + TimeDelta::days(DAYS_MAX));
        velocity.forget(at(40 * 86_400));
        assert_eq!((velocity.clone(), velocity.idle_on()), (Velocity::default(), None));
    }

    proptest! {
        #![proptest_config(crate::cases::cases())]

        /// However they come, each window counts those within it, and its rows stay few.
        #[test]
        fn every_window_counts_what_is_in_it(steps in proptest::collection::vec(0_i64..4_000, 1..60)) {
            let mut now = 0;
            let begun: Vec<i64> = steps.iter().map(|step| { now += step; now }).collect();
            let velocity = counted(&begun);
            for window in Window::ALL {
                let least = begun.iter().filter(|seconds| **seconds >= now - window.seconds()).count();
                let most = begun.iter().filter(|s| **s >= now - window.seconds() - window.piece_seconds()).count();
                let is = usize::try_from(count(&velocity, window, now)).unwrap();
                prop_assert!((least..=most).contains(&is), "{window:?}: {is}, not {least} to {most}");
                let rows = velocity.buckets.keys().filter(|(kept, ..)| *kept == window).count();
                let reached = window.seconds() + SLACK.num_seconds();
                let pieces = usize::try_from(reached / window.piece_seconds()).unwrap();
                prop_assert!(rows <= pieces + 2, "{window:?}: {rows}");
            }
            // Whoever takes the last one back stands where they stood before it.
            let (last, earlier) = begun.split_last().unwrap();
            let (mut back, before) = (velocity, counted(earlier));
            back.uncount(at(*last), Money::new(100, Currency::USD));
            for window in Window::ALL {
                prop_assert_eq!(count(&back, window, *last), count(&before, window, *last));
            }
        }
    }
}
