//! A month of the calendar, in UTC: what is closed as one.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Datelike as _, Months, NaiveDate, NaiveTime, Utc};

use crate::{refusal::refusals, text::stored_as_text};

/// Known by its first day; written and read as `2026-01`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month(NaiveDate);

refusals! {
    /// Why a text is no month.
    pub enum MonthRefusal {
        MonthMalformed = "month_malformed", 400,
            "A month is written as 2026-01, from 1970-01 to 9999-11.", "月份格式为 2026-01，范围 1970-01 至 9999-11。";
    }
}

impl Month {
    /// The month a moment is in.
    #[must_use]
    pub fn of(moment: DateTime<Utc>) -> Self {
        let day = moment.date_naive();
        Self(day.with_day(1).unwrap_or(day))
    }

    #[must_use]
    pub const fn first_day(self) -> NaiveDate {
        self.0
    }

    /// The month after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.checked_add_months(Months::new(1)).unwrap_or(self.0))
    }

    /// The month before this one.
    #[must_use]
    pub fn previous(self) -> Self {
        Self(self.0.checked_sub_months(Months::new(1)).unwrap_or(self.0))
    }

    /// Its first moment.
    #[must_use]
    pub fn begin(self) -> DateTime<Utc> {
        self.0.and_time(NaiveTime::MIN).and_utc()
    }

    /// The first moment after it: the one that is open when it is closed.
    #[must_use]
    pub fn end(self) -> DateTime<Utc> {
        self.next().begin()
    }

    #[must_use]
    pub fn holds(self, moment: DateTime<Utc>) -> bool {
        Self::of(moment) == self
    }
}

impl FromStr for Month {
    type Err = MonthRefusal;

    fn from_str(text: &str) -> Result<Self, MonthRefusal> {
        let malformed = MonthRefusal::MonthMalformed;
        let is_plain = text.len() == 7 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
        let (year, month) = text.split_once('-').filter(|_parts| is_plain).ok_or(malformed)?;
        let (year, month) = (year.parse::<i32>().ok(), month.parse::<u32>().ok());
        let (year, month) = year.filter(|year| *year >= 1970).zip(month).ok_or(malformed)?;
        let day = NaiveDate::from_ymd_opt(year, month, 1).ok_or(malformed)?;
        // The month after it has to be one that other programs can read.
        if (year, month) == (9_999, 12) { Err(malformed) } else { Ok(Self(day)) }
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.0.year(), self.0.month())
    }
}

stored_as_text!(Month);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_reads_back_and_knows_its_neighbours() {
        for (text, next) in
            [("2026-01", "2026-02"), ("2026-12", "2027-01"), ("1970-01", "1970-02"), ("9999-11", "9999-12")]
        {
            let month: Month = text.parse().unwrap();
            assert_eq!((month.to_string().as_str(), month.next().to_string().as_str()), (text, next));
            assert_eq!(month.next().previous(), month);
            assert_eq!((Month::of(month.begin()), Month::of(month.end())), (month, month.next()));
            assert_eq!(serde_json::from_str::<Month>(&format!("\"{text}\"")).unwrap(), month);
        }
    }

    #[test]
    fn a_moment_is_in_the_month_that_utc_says() {
        let month: Month = "2026-01".parse().unwrap();
        let last: DateTime<Utc> = "2026-02-01T00:59:59+01:00".parse().unwrap();
        let first: DateTime<Utc> = "2026-02-01T00:00:00Z".parse().unwrap();
        assert_eq!((month.holds(last), month.holds(first)), (true, false));
        assert_eq!(month.end(), first);
    }

    #[test]
    fn whatever_else_is_written_is_no_month() {
        for text in
            ["", "2026", "2026-1", "2026-13", "2026-00", "26-01-1", "2026-01-01", "1969-12", "9999-12", "+026-01"]
        {
            assert_eq!(text.parse::<Month>(), Err(MonthRefusal::MonthMalformed), "{text}");
        }
    }
}
