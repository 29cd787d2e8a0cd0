//! When a settlement falls due: business days after the money came.

use chrono::{Datelike, Days, NaiveDate, Weekday};
use serde::{Deserialize, Serialize};

use crate::refusal::refusals;

/// How a merchant is settled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// The n of T+n.
    pub delay_business_days: u8,
    /// The IANA name of the zone in which the merchant's days begin.
    pub time_zone: String,
    /// Less than this waits for the next settlement; in minor units of whichever currency is settled.
    pub threshold_minor: i64,
    /// The approver must not be the opener.
    pub two_people: bool,
}

refusals! {
    /// Why a schedule is none.
    pub enum ScheduleRefusal {
        TimeZoneMalformed = "time_zone_malformed", 422, "This is not the name of a time zone.", "这不是有效的时区名称。";
        ThresholdNegative = "threshold_negative", 422, "The threshold must not be negative.", "起结金额不能为负数。";
    }
}

impl Schedule {
    /// # Errors
    /// What looks like no time zone, or a negative threshold.
    pub fn check(&self) -> Result<(), ScheduleRefusal> {
        let part_of_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'_' | b'-' | b'+');
        if self.time_zone.is_empty() || self.time_zone.len() > 64 || !self.time_zone.bytes().all(part_of_name) {
            return Err(ScheduleRefusal::TimeZoneMalformed);
        }
        if self.threshold_minor < 0 {
            return Err(ScheduleRefusal::ThresholdNegative);
        }
        Ok(())
    }

    /// The day on which what was captured on `day` is settled; none beyond the end of the calendar.
    #[must_use]
    pub fn due_on(&self, day: NaiveDate) -> Option<NaiveDate> {
        let mut due = day;
        for _ in 0..self.delay_business_days {
            due = next_business_day(due)?;
        }
        if is_business_day(due) { Some(due) } else { next_business_day(due) }
    }
}

/// Saturdays and Sundays are none. Holidays differ by bank, and the bank's answer to a payout knows them.
fn is_business_day(day: NaiveDate) -> bool {
    !matches!(day.weekday(), Weekday::Sat | Weekday::Sun)
}

fn next_business_day(day: NaiveDate) -> Option<NaiveDate> {
    let mut next = day.checked_add_days(Days::new(1))?;
    while !is_business_day(next) {
        next = next.checked_add_days(Days::new(1))?;
    }
    Some(next)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn schedule(delay_business_days: u8) -> Schedule {
        let time_zone = "Asia/Shanghai".to_owned();
        Schedule { delay_business_days, time_zone, threshold_minor: 0, two_people: false }
    }

    fn due(delay: u8, day: &str) -> String {
        schedule(delay).due_on(day.parse().unwrap()).unwrap().to_string()
    }

    #[test]
    fn business_days_pass_over_weekends() {
        assert_eq!(due(1, "2026-01-29"), "2026-01-30"); // Thursday
        assert_eq!(due(1, "2026-01-30"), "2026-02-02"); // Friday
        assert_eq!(due(2, "2026-01-30"), "2026-02-03");
        assert_eq!(due(1, "2026-01-31"), "2026-02-02"); // Saturday
        assert_eq!(due(0, "2026-01-31"), "2026-02-02");
        assert_eq!(due(0, "2026-01-30"), "2026-01-30");
        assert_eq!(due(5, "2026-01-30"), "2026-02-06");
    }

    #[test]
    fn the_calendar_has_an_end() {
        assert_eq!(schedule(1).due_on(NaiveDate::MAX), None);
    }

    #[test]
    fn a_schedule_says_what_is_wrong_with_it() {
        assert_eq!(schedule(1).check(), Ok(()));
        assert_eq!(Schedule { threshold_minor: -1, ..schedule(1) }.check(), Err(ScheduleRefusal::ThresholdNegative));
        for (name, ok) in [("Etc/GMT+8", true), ("America/Port-au-Prince", true), ("", false), ("a b", false)] {
            assert_eq!(Schedule { time_zone: name.to_owned(), ..schedule(1) }.check().is_ok(), ok, "{name}");
        }
        assert!(Schedule { time_zone: "x".repeat(64), ..schedule(1) }.check().is_ok());
        assert!(Schedule { time_zone: "x".repeat(65), ..schedule(1) }.check().is_err());
    }

    proptest! {
        #![proptest_config(crate::cases::cases())]

        #[test]
        fn the_due_day_is_a_business_day_and_later_money_is_never_due_earlier(start in 0_i32..50_000, delay in 0_u8..30) {
            let day = NaiveDate::from_epoch_days(start).unwrap();
            let due = schedule(delay).due_on(day).unwrap();
            prop_assert!(is_business_day(due));
            prop_assert!(due >= day + Days::new(u64::from(delay)));
            prop_assert!(schedule(delay).due_on(day + Days::new(1)).unwrap() >= due);
        }
    }
}
