//! The journal as plain text that hledger reads and checks, page by page.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use domain::currency::Currency;
use domain::money::Money;
use sqlx::Error;
use sqlx::postgres::PgConnection;

use crate::ledger::{AsOf, JournalLine, Whose, balances, journal};

mod from_events;
pub use from_events::FromEvents;

/// Entries of one page: what is held in memory at once.
const ENTRIES: i64 = 1_000;

/// A journal on its way out, entry after entry, as of a position.
pub struct Journal {
    upto: i64,
    after: i64,
    text: Text,
}

impl Journal {
    /// The whole journal up to a position, which the ledger must have reached.
    pub fn upto(position: i64) -> Self {
        Self { upto: position, after: 0, text: Text::default() }
    }

    /// What stands before the first entry: every commodity and account there is.
    ///
    /// # Errors
    /// The database failed.
    pub async fn head(&self, connection: &mut PgConnection) -> Result<String, Error> {
        let as_of = AsOf { position: self.upto, effective_at: None };
        let mut accounts = BTreeSet::new();
        for balance in balances(connection, Whose { merchant_id: None, livemode: None }, as_of).await? {
            accounts.insert((name(balance.livemode, &balance.account), kind(&balance.kind), balance.currency));
        }
        Ok(head(self.upto, &accounts))
    }

    /// The next entries; nothing at the end.
    ///
    /// # Errors
    /// The database failed.
    pub async fn next(&mut self, connection: &mut PgConnection) -> Result<Option<String>, Error> {
        let as_of = AsOf { position: self.upto, effective_at: None };
        let lines = journal(connection, (None, None), as_of, self.after, ENTRIES).await?;
        let Some(last) = lines.last() else { return Ok(None) };
        self.after = last.position;
        let mut text = String::new();
        for entry in lines.chunk_by(|one, other| one.position == other.position) {
            self.text.enter(&mut text, entry);
        }
        Ok(Some(text))
    }
}

/// An account by its full name, its type in hledger's letters, and a currency it is kept in.
type Declared = (String, &'static str, String);

fn head(upto: i64, accounts: &BTreeSet<Declared>) -> String {
    let mut head = format!("; The journal of the ledger up to position {upto}.\n\n");
    let currencies: BTreeSet<&str> = accounts.iter().map(|(_name, _kind, currency)| currency.as_str()).collect();
    for code in currencies {
        writeln!(head, "commodity {}", sample(code)).unwrap_or_default();
    }
    head.push('\n');
    let names: BTreeMap<&str, &str> = accounts.iter().map(|(name, kind, _currency)| (name.as_str(), *kind)).collect();
    for (account, kind) in names {
        writeln!(head, "account {account}  ; type: {kind}").unwrap_or_default();
    }
    head
}

/// Entries as text, with the balance of each account as of what was written: asserted at every posting.
#[derive(Default)]
struct Text {
    balances: BTreeMap<(String, String), i128>,
}

impl Text {
    /// The lines of one entry.
    fn enter(&mut self, text: &mut String, lines: &[JournalLine]) {
        if let Some(first) = lines.first() {
            begin(text, first);
        }
        for line in lines {
            self.post(text, line);
        }
    }

    fn post(&mut self, text: &mut String, line: &JournalLine) {
        let account = name(line.livemode, &line.account);
        let balance = self.balances.entry((account, line.currency.clone())).or_default();
        *balance = balance.saturating_add(line.amount_minor.into());
        let (amount, balance_text) =
            (amount(line.amount_minor.into(), &line.currency), amount(*balance, &line.currency));
        let account = name(line.livemode, &line.account);
        writeln!(text, "    {account}  {amount} = {balance_text}").unwrap_or_default();
    }
}

/// Dated by when it was written down, which never steps back; the second date is when the money counts as moved.
fn begin(text: &mut String, line: &JournalLine) {
    let day = |at: DateTime<Utc>| at.format("%Y-%m-%d");
    let JournalLine { position, event_id, event_type, aggregate_id, .. } = line;
    write!(text, "\n{}={} * ({position}) {event_type}", day(line.recorded_at), day(line.effective_at))
        .unwrap_or_default();
    write!(text, "  ; position:{position}, event:{event_id}, of:{aggregate_id}").unwrap_or_default();
    if aggregate_id.starts_with("PAY") {
        write!(text, ", payment:{aggregate_id}").unwrap_or_default();
    }
    if line.occurred_at != line.effective_at {
        write!(text, ", occurred:{}", day(line.occurred_at)).unwrap_or_default();
    }
    if let Some(reverses) = &line.reverses {
        write!(text, ", reverses:{reverses}").unwrap_or_default();
    }
    text.push('\n');
}

fn name(livemode: bool, account: &str) -> String {
    format!("{}:{account}", if livemode { "live" } else { "test" })
}

/// As hledger has it: revenue is what grows on the credit side like a liability, an expense like an asset.
fn kind(kind: &str) -> &'static str {
    match kind {
        "asset" => "A",
        "expense" => "X",
        "revenue" => "R",
        _liability => "L",
    }
}

fn exponent(code: &str) -> u8 {
    code.parse::<Currency>().map_or(0, Currency::exponent)
}

/// How amounts of a currency are written. Without decimals the point stands all the same, so that it is none of
/// thousands.
fn sample(code: &str) -> String {
    let decimals = usize::from(exponent(code));
    format!("1000.{} {code}", "0".repeat(decimals))
}

/// In major units with all decimals. Sums may be beyond 64 bits.
fn amount(minor: i128, code: &str) -> String {
    if let (Ok(minor), Ok(currency)) = (i64::try_from(minor), code.parse()) {
        return Money::new(minor, currency).to_string();
    }
    let decimals = usize::from(exponent(code));
    let sign = if minor < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", minor.unsigned_abs(), width = decimals.saturating_add(1));
    let (major, rest) = digits.split_at(digits.len().saturating_sub(decimals));
    let point = if decimals == 0 { "" } else { "." };
    format!("{sign}{major}{point}{rest} {code}")
}
