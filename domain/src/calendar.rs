//! When a settlement falls due: business days after the money came.

use std::collections::BTreeMap;

use chrono::{
    DateTime, Datelike, Days, NaiveDate, NaiveTime, Offset as _, TimeDelta, TimeZone as _, Timelike as _, Utc, Weekday,
};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::{currency::Currency, refusal::refusals};

/// How a merchant is settled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// The n of T+n.
    pub delay_business_days: u8,
    /// The zone in which the merchant's days begin, by its IANA name.
    pub time_zone: String,
    /// Less than this waits for the next settlement; in minor units of each currency, and nothing where none is named.
    pub thresholds: BTreeMap<Currency, i64>,
    /// The approver must not be the opener.
    pub two_people: bool,
}

refusals! {
    /// Why a schedule is none.
    pub enum ScheduleRefusal {
        TimeZoneUnknown = "time_zone_unknown", 422, "There is no time zone of this name.", "没有这个名称的时区。";
        ThresholdNegative = "threshold_negative", 422, "The threshold must not be negative.", "起结金额不能为负数。";
    }
}

impl Schedule {
    /// # Errors
    /// What is no time zone, or a negative threshold.
    pub fn check(&self) -> Result<(), ScheduleRefusal> {
        if self.zone().is_none() {
            return Err(ScheduleRefusal::TimeZoneUnknown);
        }
        if self.thresholds.values().any(|threshold_minor| *threshold_minor < 0) {
            return Err(ScheduleRefusal::ThresholdNegative);
        }
        Ok(())
    }

    /// What a settlement in this currency must come to for a payout.
    #[must_use]
    pub fn threshold_minor(&self, currency: Currency) -> i64 {
        self.thresholds.get(&currency).copied().unwrap_or_default()
    }

    /// The merchant's day on which this moment falls; none beyond the end of the calendar.
    #[must_use]
    pub fn day_of(&self, moment: DateTime<Utc>) -> Option<NaiveDate> {
        let zone = self.zone()?;
        let offset = zone.offset_from_utc_datetime(&moment.naive_utc()).fix();
        Some(moment.naive_utc().checked_add_offset(offset)?.date())
    }

    /// The merchant's hour at this moment, 0 to 23; none beyond the end of the calendar.
    #[must_use]
    pub fn hour_of(&self, moment: DateTime<Utc>) -> Option<u8> {
        let offset = self.zone()?.offset_from_utc_datetime(&moment.naive_utc()).fix();
        u8::try_from(moment.naive_utc().checked_add_offset(offset)?.hour()).ok()
    }

    /// The moment from which what was captured then is to be settled: the beginning of the merchant's day that is due.
    #[must_use]
    pub fn due_at(&self, captured_at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.begins_at(self.due_on(self.day_of(captured_at)?)?)
    }

    /// The moment from which the day of this capture is settled: when it is due, and never before the day is over.
    #[must_use]
    pub fn settles_at(&self, captured_at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        Some(self.due_at(captured_at)?.max(self.ends_at(captured_at)?))
    }

    /// When the merchant's day of this moment is over.
    #[must_use]
    pub fn ends_at(&self, moment: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.begins_at(self.day_of(moment)?.succ_opt()?)
    }

    /// The last day that is settled at this moment. None is where the delay is longer than the calendar.
    #[must_use]
    pub fn last_day_settled(&self, moment: DateTime<Utc>) -> Option<NaiveDate> {
        let today = self.day_of(moment)?;
        let mut day = today.pred_opt()?;
        while self.due_on(day)? > today {
            day = day.pred_opt()?;
        }
        Some(day)
    }

    /// The first moment of a day. Where the clock was put forward over midnight that is later than midnight.
    fn begins_at(&self, day: NaiveDate) -> Option<DateTime<Utc>> {
        let (zone, midnight) = (self.zone()?, day.and_time(NaiveTime::MIN));
        // A clock moves by quarters of an hour, and some time zones have passed over a whole day.
        (0..=24 * 60).step_by(15).find_map(|minutes| {
            let local = midnight.checked_add_signed(TimeDelta::try_minutes(minutes)?)?;
            Some(zone.from_local_datetime(&local).earliest()?.to_utc())
        })
    }

    fn zone(&self) -> Option<Tz> {
        self.time_zone.parse().ok()
    }

    /// The day on which what was captured on `day` is settled, both the merchant's.
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
        Schedule { delay_business_days, time_zone, thresholds: BTreeMap::new(), two_people: false }
    }

    fn due(delay: u8, day: &str) -> String {
        schedule(delay).due_on(day.parse().unwrap()).unwrap().to_string()
    }

    #[test]
    fn a_threshold_may_be_nothing_and_not_less() {
        for (threshold_minor, is_sound) in [(0, true), (1, true), (-1, false)] {
            let thresholds = BTreeMap::from([(Currency::USD, threshold_minor)]);
            assert_eq!(Schedule { thresholds, ..schedule(1) }.check().is_ok(), is_sound, "{threshold_minor}");
        }
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
        assert_eq!(schedule(0).day_of(DateTime::<Utc>::MAX_UTC), None);
        assert_eq!(schedule(1).due_at(DateTime::<Utc>::MAX_UTC), None);
    }

    #[test]
    fn the_merchants_day_begins_in_the_merchants_zone() {
        let due = |zone: &str, captured_at: &str| {
            let schedule = Schedule { time_zone: zone.to_owned(), ..schedule(1) };
            schedule.due_at(captured_at.parse().unwrap()).unwrap().to_rfc3339()
        };
        // Friday evening in London is Saturday in Shanghai and Friday noon in New York: all are due on Monday.
        let friday = "2026-01-30T17:00:00Z";
        assert_eq!(due("Europe/London", friday), "2026-02-02T00:00:00+00:00");
        assert_eq!(due("Asia/Shanghai", friday), "2026-02-01T16:00:00+00:00");
        assert_eq!(due("America/New_York", friday), "2026-02-02T05:00:00+00:00");
        // Thursday evening in London is Friday in Shanghai: due on Friday and on Monday.
        let thursday = "2026-01-29T16:00:00Z";
        assert_eq!(due("Europe/London", thursday), "2026-01-30T00:00:00+00:00");
        assert_eq!(due("Asia/Shanghai", thursday), "2026-02-01T16:00:00+00:00");
        assert_eq!(due("Asia/Shanghai", "2026-01-29T15:59:59Z"), "2026-01-29T16:00:00+00:00");
        // The clock goes forward on the Sunday between: Monday begins an hour earlier.
        assert_eq!(due("Europe/London", "2026-03-27T12:00:00Z"), "2026-03-29T23:00:00+00:00");
        // In Beirut it goes forward at midnight: that day began at one o'clock.
        let beirut = Schedule { time_zone: "Asia/Beirut".to_owned(), ..schedule(0) };
        assert_eq!(beirut.begins_at("2022-03-27".parse().unwrap()), "2022-03-26T22:00:00Z".parse().ok());
        // Samoa passed over a whole day: what falls on it begins with the next.
        let apia = Schedule { time_zone: "Pacific/Apia".to_owned(), ..schedule(0) };
        assert_eq!(apia.begins_at("2011-12-30".parse().unwrap()), "2011-12-30T10:00:00Z".parse().ok());
        assert_eq!(schedule(1).day_of(thursday.parse().unwrap()), "2026-01-30".parse().ok());
    }

    #[test]
    fn the_hour_is_the_one_where_the_merchant_is() {
        let hour = |zone: &str, moment: &str| {
            Schedule { time_zone: zone.to_owned(), ..schedule(1) }.hour_of(moment.parse().unwrap())
        };
        assert_eq!(hour("Asia/Shanghai", "2026-01-29T15:59:59Z"), Some(23));
        assert_eq!(hour("Asia/Shanghai", "2026-01-29T16:00:00Z"), Some(0));
        assert_eq!(hour("Asia/Kathmandu", "2026-01-29T00:20:00Z"), Some(6));
        assert_eq!(hour("Mars/Olympus", "2026-01-29T00:20:00Z"), None);
        assert_eq!(schedule(1).hour_of(DateTime::<Utc>::MAX_UTC), None);
    }

    #[test]
    fn a_day_is_settled_when_it_is_over_and_due() {
        let settles = |delay, captured_at: &str| {
            let schedule = Schedule { time_zone: "UTC".to_owned(), ..schedule(delay) };
            schedule.settles_at(captured_at.parse().unwrap()).unwrap().to_rfc3339()
        };
        // A Thursday: on the day itself, but not before it is over; or on the next business day.
        assert_eq!(settles(0, "2026-01-29T17:00:00Z"), "2026-01-30T00:00:00+00:00");
        assert_eq!(settles(1, "2026-01-29T17:00:00Z"), "2026-01-30T00:00:00+00:00");
        assert_eq!(settles(1, "2026-01-30T17:00:00Z"), "2026-02-02T00:00:00+00:00");
        let last = |delay, moment: &str| {
            let schedule = Schedule { time_zone: "UTC".to_owned(), ..schedule(delay) };
            schedule.last_day_settled(moment.parse().unwrap()).unwrap().to_string()
        };
        assert_eq!(last(1, "2026-02-02T00:00:00Z"), "2026-02-01");
        assert_eq!(last(1, "2026-02-01T23:00:00Z"), "2026-01-29");
        assert_eq!(last(2, "2026-02-02T00:00:00Z"), "2026-01-29");
    }

    proptest! {
        #![proptest_config(crate::cases::cases())]

        #[test]
        fn what_settles_by_now_falls_on_a_day_that_is_settled(seconds in 0_i64..4_000_000_000, later in 0_i64..2_000_000) {
            for delay in [0, 1, 4] {
                let (schedule, at) = (schedule(delay), |seconds| DateTime::from_timestamp(seconds, 0).unwrap());
                let (captured_at, now) = (at(seconds), at(seconds + later));
                let is_settled = schedule.settles_at(captured_at).unwrap() <= now;
                let last = schedule.last_day_settled(now).unwrap();
                prop_assert_eq!(is_settled, schedule.day_of(captured_at).unwrap() <= last);
            }
        }
    }

    #[test]
    fn each_currency_has_its_own_threshold() {
        let schedule = Schedule { thresholds: BTreeMap::from([(Currency::USD, 1_000)]), ..schedule(1) };
        assert_eq!(schedule.threshold_minor(Currency::USD), 1_000);
        assert_eq!(schedule.threshold_minor(Currency::EUR), 0);
    }

    #[test]
    fn a_schedule_says_what_is_wrong_with_it() {
        assert_eq!(schedule(1).check(), Ok(()));
        let thresholds = BTreeMap::from([(Currency::EUR, 0), (Currency::USD, -1)]);
        assert_eq!(Schedule { thresholds, ..schedule(1) }.check(), Err(ScheduleRefusal::ThresholdNegative));
        for (zone, ok) in
            [("UTC", true), ("Asia/Kathmandu", true), ("", false), ("Mars/Olympus", false), ("+01:00", false)]
        {
            let checked = Schedule { time_zone: zone.to_owned(), ..schedule(1) }.check();
            assert_eq!(checked, if ok { Ok(()) } else { Err(ScheduleRefusal::TimeZoneUnknown) }, "{zone}");
        }
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

        #[test]
        fn money_is_due_when_the_day_due_begins_where_the_merchant_is(
            seconds in 0_i64..4_000_000_000,
            later in 0_i64..400_000,
            zone in proptest::sample::select(chrono_tz::TZ_VARIANTS.as_slice()),
            delay in 0_u8..10,
        ) {
            let schedule = Schedule { time_zone: zone.name().to_owned(), ..schedule(delay) };
            let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
            let due = schedule.due_at(at(seconds)).unwrap();
            prop_assert_eq!(schedule.day_of(due), schedule.due_on(schedule.day_of(at(seconds)).unwrap()));
            prop_assert_ne!(schedule.day_of(due), schedule.day_of(due - chrono::Duration::seconds(1)));
            prop_assert!(schedule.due_at(at(seconds + later)).unwrap() >= due);
        }
    }
}
