//! What the read models say at one moment: counts by status, accounts by what they are.

use std::collections::BTreeMap;

use sqlx::{PgPool, Row as _};

use crate::failure::{Attempt as _, Result};

/// In minor units, debits above zero.
pub(super) type Balances = BTreeMap<String, BTreeMap<String, i128>>;

#[derive(Clone, Debug, Default)]
pub(super) struct Books {
    /// By status, in order of the word.
    pub(super) payments: Vec<(String, i64)>,
    pub(super) refunds: Vec<(String, i64)>,
    pub(super) sagas: Vec<(String, i64)>,
    /// By what the account is, then by currency.
    pub(super) balances: Balances,
    pub(super) entries_count: i64,
    pub(super) head: i64,
    /// Events that some read model has yet to see.
    pub(super) behind: i64,
}

const BALANCES: &str = "select case when account like 'merchant:%' then 'owed to merchants: ' || split_part(account, ':', 3) \
     when account like 'channel:%' then 'channels: ' || split_part(account, ':', 3) else account end as what, \
     currency, sum(balance_minor)::text as balance from read.accounts group by 1, 2";

impl Books {
    pub(super) async fn look(pool: &PgPool) -> Result<Self> {
        let what = || "asking how it goes".to_owned();
        let mut connection = pool.acquire().await.attempt(what)?;
        let mut counts = Vec::new();
        for table in ["payments", "refunds", "saga_instances"] {
            let question = format!("select status, count(*) from read.{table} group by status order by status");
            let rows: Vec<(String, i64)> = sqlx::query_as(&question).fetch_all(&mut *connection).await.attempt(what)?;
            counts.push(rows);
        }
        let mut balances = Balances::new();
        for row in sqlx::query(BALANCES).fetch_all(&mut *connection).await.attempt(what)? {
            let balance: String = row.try_get("balance").attempt(what)?;
            let of = balances.entry(row.try_get("what").attempt(what)?).or_default();
            of.insert(row.try_get("currency").attempt(what)?, balance.parse().unwrap_or_default());
        }
        let entries = "select count(*) from read.journal_entries";
        let entries_count = sqlx::query_scalar(entries).fetch_one(&mut *connection).await.attempt(what)?;
        let head = event_store::stats::head(&mut *connection).await.attempt(what)?;
        let lags = event_store::stats::lags(&mut *connection).await.attempt(what)?;
        let behind = lags.iter().map(|lag| lag.events).max().unwrap_or_default();
        let mut counts = counts.into_iter();
        let mut next = || counts.next().unwrap_or_default();
        Ok(Self { payments: next(), refunds: next(), sagas: next(), balances, entries_count, head, behind })
    }

    /// What all accounts of each currency come to, which is nothing.
    pub(super) fn sums(&self) -> BTreeMap<&str, i128> {
        let mut sums = BTreeMap::new();
        for (currency, balance) in self.balances.values().flatten() {
            let sum: &mut i128 = sums.entry(currency.as_str()).or_default();
            *sum = sum.saturating_add(*balance);
        }
        sums
    }

    /// Whether there are books, and they balance.
    pub(super) fn is_balanced(&self) -> bool {
        !self.balances.is_empty() && self.sums().values().all(|sum| *sum == 0)
    }
}

/// `success 2,410, failed 330`
pub(super) fn listed(counts: &[(String, i64)]) -> String {
    let words: Vec<String> = counts.iter().map(|(status, count)| format!("{status} {count}")).collect();
    if words.is_empty() { "none yet".to_owned() } else { words.join(", ") }
}

/// In major units.
pub(super) fn major(currency: &str, minor: i128) -> String {
    let exponent = currency.parse::<domain::currency::Currency>().map_or(0, domain::currency::Currency::exponent);
    let digits = format!("{:0>width$}", minor.unsigned_abs(), width = usize::from(exponent).saturating_add(1));
    let (whole, part) = digits.split_at(digits.len().saturating_sub(usize::from(exponent)));
    let sign = if minor < 0 { "-" } else { "" };
    // Two places are enough to look at.
    match part.get(..2) {
        Some(part) => format!("{sign}{whole}.{part}"),
        None => format!("{sign}{whole}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_shown_in_major_units() {
        for (currency, minor, shown) in
            [("USD", 123_456, "1234.56"), ("USD", -5, "-0.05"), ("JPY", 1_200, "1200"), ("USDT", 2_500_000, "2.50")]
        {
            assert_eq!(major(currency, minor), shown);
        }
    }

    #[test]
    fn books_off_by_a_minor_unit_do_not_balance_and_no_books_are_none() {
        let mut books = Books::default();
        assert!(!books.is_balanced());
        for (what, balance) in [("bank", 10), ("owed to merchants: pending", -10)] {
            books.balances.entry(what.to_owned()).or_default().insert("USD".to_owned(), balance);
        }
        assert!(books.is_balanced());
        books.balances.entry("suspense".to_owned()).or_default().insert("EUR".to_owned(), 1);
        assert!(!books.is_balanced());
    }
}
