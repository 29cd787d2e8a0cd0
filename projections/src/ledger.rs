//! The ledger: accounts, journal entries, and postings with the balance each one left.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use domain::account::{Account, Kind, Side};
use domain::aggregate::Aggregate as _;
use domain::currency::Currency;
use domain::id::MerchantId;
use domain::periods::kept_under;
use domain::posting::{Line, Posting};
use domain::{adjustment::Adjustment, payment::Payment, remittance::Remittance, settled_funds::SettledFunds};
use event_store::{Poison, Recorded};
use futures_util::future::BoxFuture;
use uuid::Uuid;

mod closes;
pub mod invariants;
mod questions;
mod restatement;
mod routes;
mod sheet;

pub(crate) use closes::CLOSES;
pub use questions::{
    After, AsOf, Balance, GeneralLine, JournalLine, StatementLine, Whose, balances, general, is_known, journal,
    last_position, statement,
};
pub use restatement::{Compared, Difference, Restated, differences, late, restated};
pub(crate) use restatement::{DIFFERENCES, LATE, RESTATEMENT};
pub(crate) use routes::{BALANCES, GENERAL, HLEDGER, JOURNAL, LINES};

use self::closes::{CloseRow, Closed};
use crate::books::Books;
use crate::happened::Happened;
use crate::read_model::{Plan, ReadModel};
use crate::rows::{Rows, append};
use crate::table::{Row as _, table};

table! {
    /// An account of the chart in one currency and mode, with its balance. Debits count as positive, credits as negative.
    AccountRow in "accounts", key (account: String, currency: String, livemode: bool), indexes ["(id)", "(merchant_id)"] {
        /// The name in the chart: bank, merchant:MER…:pending, channel:stripe:receivable …
        account: String,
        /// The currency it is kept in.
        currency: String,
        /// Whether it is real money.
        livemode: bool,
        /// The number its postings carry, given in the order of first use.
        id: i32,
        /// One of asset, expense, liability, revenue.
        kind: String,
        /// The merchant whose money it is.
        merchant_id: Option<Uuid>,
        /// Debits less credits, in minor units.
        balance_minor: i128,
        /// All that was debited, in minor units.
        debits_minor: i128,
        /// All that was credited, in minor units.
        credits_minor: i128,
        /// How many postings it has.
        postings_count: i64,
        /// The position of its first posting.
        first_position: i64,
        /// The position of its last posting.
        last_position: i64,
    }
}

table! {
    /// A journal entry: one event that moved money. Its postings sum to zero in every currency.
    EntryRow in "journal_entries", key (position: i64), indexes ["(aggregate_id)", "(occurred_at) where is_late"] {
        /// The position of the event in the log.
        position: i64,
        /// The id of the event.
        event_id: Uuid,
        /// The kind of stream it is in.
        aggregate_type: String,
        /// What it is of: PAY…, ADJ…, REM…, FND…
        aggregate_id: String,
        /// What happened.
        event_type: String,
        /// Whether it is real money.
        livemode: bool,
        /// The merchant it concerns.
        merchant_id: Option<Uuid>,
        /// What it takes back: CAP…, REF…, DSP…, ADJ…
        reverses: Option<String>,
        /// When the money moved.
        occurred_at: DateTime<Utc>,
        /// When it counts as moved: then, or, where that month was closed already, the first moment that was open.
        effective_at: DateTime<Utc>,
        /// When the ledger wrote it down.
        recorded_at: DateTime<Utc>,
        /// Whether the month in which the money moved was closed when it was written down.
        is_late: bool,
    }
}

table! {
    /// A posting: one line of a journal entry, with the balance of its account after it.
    PostingRow in "postings", key (account_id: i32, position: i64, line: i16),
    indexes ["(position, line)", "(account_id, effective_at, position) include (amount_minor)"] {
        /// The account, by its number.
        account_id: i32,
        /// The entry it is a line of.
        position: i64,
        /// Its place in the entry, from 0.
        line: i16,
        /// Debits are positive, credits negative, in minor units.
        amount_minor: i64,
        /// Debits less credits of the account up to here, in minor units.
        balance_minor: i128,
        /// When it counts as moved, as the entry has it.
        effective_at: DateTime<Utc>,
    }
}

table! {
    /// What the postings of an account that took effect on one day come to.
    DayRow in "account_days", key (account_id: i32, day: NaiveDate), indexes [] {
        /// The account, by its number.
        account_id: i32,
        /// The day it counts as moved, in UTC.
        day: NaiveDate,
        /// Debits less credits of that day, in minor units.
        amount_minor: i128,
    }
}

static PLAN: Plan = Plan {
    name: "ledger",
    version: 2,
    tables: &[AccountRow::TABLE, EntryRow::TABLE, PostingRow::TABLE, DayRow::TABLE, CloseRow::TABLE],
};

/// Every event that may move money; of all others, those that close periods are read and no more.
const MOVES_MONEY: [(&str, &[&str]); 4] = [
    (
        Payment::TYPE,
        &[
            "taken_over",
            "captured",
            "refund_confirmed",
            "refund_bounced",
            "disputed",
            "dispute_closed",
            "dispute_won_after_all",
            "settled",
            "money_suspended",
            "suspense_returned",
        ],
    ),
    (
        SettledFunds::TYPE,
        &["payout_reserved", "payout_confirmed", "payout_released", "payout_confirmed_late", "payout_returned"],
    ),
    (Remittance::TYPE, &["recorded"]),
    (Adjustment::TYPE, &["taken_over", "approved", "reversed"]),
];

/// The read model of the books.
pub(crate) struct Ledger;

impl ReadModel for Ledger {
    fn plan(&self) -> &'static Plan {
        &PLAN
    }

    fn wants(&self, event: &Recorded) -> bool {
        if Closed::wants(event) {
            return true;
        }
        let of_type = MOVES_MONEY.iter().find(|(aggregate_type, _types)| *aggregate_type == event.aggregate_type);
        of_type.is_some_and(|(_aggregate_type, types)| types.contains(&&*event.event_type))
    }

    fn apply<'a>(&'a self, books: &'a mut Books<'_>, events: &'a [Arc<Happened>]) -> BoxFuture<'a, Result<(), Poison>> {
        Box::pin(async move {
            let mut closed = Closed::load(books).await?;
            let mut entries = Vec::with_capacity(events.len());
            for event in events {
                if Closed::wants(&event.recorded) {
                    closed.follow(&event.recorded, event.fact()?)?;
                } else {
                    entries.push(Entry::of(event, &closed)?);
                }
            }
            closed.save(books).await?;
            let mut step = Step::load(books, &entries).await?;
            for entry in entries.iter().filter(|entry| !entry.posting.moves_no_money()) {
                step.enter(entry)?;
            }
            step.save(books).await
        })
    }
}

/// An event, and what it does to the books.
struct Entry<'e> {
    recorded: &'e Recorded,
    livemode: bool,
    posting: Posting,
    occurred_at: DateTime<Utc>,
    /// The same, but for what is late.
    effective_at: DateTime<Utc>,
}

impl<'e> Entry<'e> {
    fn of(event: &'e Arc<Happened>, closed: &Closed) -> Result<Self, Poison> {
        let recorded = &*event.recorded;
        let no_mode = || Poison::Event(format!("position {} moves money in no mode", recorded.position));
        let (livemode, posting) = (recorded.livemode.ok_or_else(no_mode)?, event.fact()?.posting());
        let occurred_at = posting.effective_at().unwrap_or(recorded.recorded_at);
        let effective_at = kept_under(closed.through(livemode), occurred_at);
        Ok(Self { recorded, livemode, posting, occurred_at, effective_at })
    }
}

/// An account in hand, so that its name is made once however often a step touches it.
type Held = (Account, Currency, bool);
type AccountKey = (String, String, bool);

/// What one step does to the books: every balance is read once and written once, however hot the account.
struct Step {
    accounts: Rows<AccountRow>,
    held: BTreeMap<Held, AccountKey>,
    days: Rows<DayRow>,
    entries: Vec<EntryRow>,
    postings: Vec<PostingRow>,
    accounts_count: i32,
}

impl Step {
    async fn load(books: &mut Books<'_>, entries: &[Entry<'_>]) -> Result<Self, Poison> {
        let mut held = BTreeMap::new();
        for entry in entries {
            for Line { account, money, .. } in entry.posting.lines() {
                held.entry((*account, money.currency, entry.livemode))
                    .or_insert_with(|| (account.to_string(), money.currency.code().to_owned(), entry.livemode));
            }
        }
        let names = held.values().map(|(name, _currency, _livemode)| name.clone()).collect();
        let accounts = Rows::<AccountRow>::load(books, "account", names).await?;
        let is_complete = held.values().all(|key| accounts.get(key).is_some());
        let accounts_count = if is_complete { 0 } else { books.count(AccountRow::TABLE).await? };
        let ids = held.values().filter_map(|key| accounts.get(key)).map(|account| account.id.to_string()).collect();
        let days = Rows::<DayRow>::load_within(books, "account_id", ids, "day", days(entries)).await?;
        let (entries, postings) = (Vec::with_capacity(entries.len()), Vec::new());
        Ok(Self { accounts, held, days, entries, postings, accounts_count })
    }

    fn enter(&mut self, entry: &Entry<'_>) -> Result<(), Poison> {
        let Entry { recorded, livemode, posting, occurred_at, effective_at } = entry;
        let (occurred_at, effective_at) = (*occurred_at, *effective_at);
        for (line, Line { account, side, money }) in (0..).zip(posting.lines()) {
            let amount_minor = match side {
                Side::Debit => money.amount_minor,
                Side::Credit => money.amount_minor.saturating_neg(),
            };
            let (accounts_count, position) = (&mut self.accounts_count, recorded.position);
            let Some(key) = self.held.get(&(*account, money.currency, *livemode)) else { continue };
            let new = || {
                *accounts_count = accounts_count.saturating_add(1);
                opened(*account, key, *accounts_count, position)
            };
            let row = self.accounts.or_new(key.clone(), new);
            row.balance_minor = row.balance_minor.saturating_add(amount_minor.into());
            match side {
                Side::Debit => row.debits_minor = row.debits_minor.saturating_add(money.amount_minor.into()),
                Side::Credit => row.credits_minor = row.credits_minor.saturating_add(money.amount_minor.into()),
            }
            row.postings_count = row.postings_count.saturating_add(1);
            row.last_position = position;
            let (account_id, balance_minor) = (row.id, row.balance_minor);
            self.postings.push(PostingRow { account_id, position, line, amount_minor, balance_minor, effective_at });
            let day = effective_at.date_naive();
            let of_day = self.days.or_new((account_id, day), || DayRow { account_id, day, amount_minor: 0 });
            of_day.amount_minor = of_day.amount_minor.saturating_add(amount_minor.into());
        }
        self.entries.push(EntryRow {
            position: recorded.position,
            event_id: recorded.event_id,
            aggregate_type: recorded.aggregate_type.to_string(),
            aggregate_id: recorded.aggregate_id.to_string(),
            event_type: recorded.event_type.to_string(),
            livemode: *livemode,
            merchant_id: recorded.merchant_id,
            reverses: posting.reverses().map(|reversed| reversed.to_string()),
            occurred_at,
            effective_at,
            recorded_at: recorded.recorded_at,
            is_late: effective_at != occurred_at,
        });
        Ok(())
    }

    async fn save(mut self, books: &mut Books<'_>) -> Result<(), Poison> {
        self.accounts.save(books).await?;
        self.days.save(books).await?;
        append(books, &self.entries).await?;
        self.postings.sort_unstable_by_key(|posting| (posting.account_id, posting.position, posting.line));
        append(books, &self.postings).await
    }
}

/// The word for what kind of account it is.
pub(crate) fn kind_of(account: Account) -> &'static str {
    match account.kind() {
        Kind::Asset => "asset",
        Kind::Expense => "expense",
        Kind::Liability => "liability",
        Kind::Revenue => "revenue",
    }
}

fn opened(account: Account, key: &AccountKey, id: i32, position: i64) -> AccountRow {
    let (name, currency, livemode) = key.clone();
    AccountRow {
        account: name,
        currency,
        livemode,
        id,
        kind: kind_of(account).to_owned(),
        merchant_id: account.merchant().map(MerchantId::uuid),
        balance_minor: 0,
        debits_minor: 0,
        credits_minor: 0,
        postings_count: 0,
        first_position: position,
        last_position: position,
    }
}

/// The days these entries take effect on.
fn days(entries: &[Entry<'_>]) -> Vec<String> {
    entries.iter().map(|entry| entry.effective_at.date_naive().to_string()).collect()
}

#[cfg(test)]
mod tests {
    use domain::fact::Fact;
    use serde_json::{Deserializer, Value};

    use super::MOVES_MONEY;

    #[test]
    fn every_event_that_moves_money_is_wanted() {
        let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/../domain/tests/golden");
        let mut moving = 0;
        for file in std::fs::read_dir(golden).unwrap() {
            let path = file.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let aggregate_type = name.split('.').next().unwrap();
            let text = std::fs::read_to_string(&path).unwrap();
            let stored: Value = serde_json::from_str(&text).unwrap();
            let payload = stored.get("payload").unwrap_or(&stored).to_string();
            let fact = Fact::read(aggregate_type, &mut Deserializer::from_str(&payload)).unwrap();
            if !fact.posting().moves_no_money() {
                moving += 1;
                let wanted = MOVES_MONEY.iter().find(|(wanted, _types)| *wanted == aggregate_type);
                assert!(wanted.is_some_and(|(_type, types)| types.contains(&fact.event_type())), "{name} moves money");
            }
        }
        let wanted: usize = MOVES_MONEY.iter().map(|(_type, types)| types.len()).sum();
        assert!(moving >= wanted, "{moving} golden events move money, {wanted} are wanted");
    }
}
