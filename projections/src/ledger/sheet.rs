//! The sheets of the books: their columns, and their rows as of one moment.

use domain::month::Month;
use sqlx::{Error, PgConnection};

use super::questions::{self, After, AsOf, Balance, GeneralLine, JournalLine, StatementLine, Whose};
use super::restatement::{self, Compared, Difference, Restated};
use crate::query::cell::{Cell, Kind, Shown, shown};
use crate::query::filter::integer;

#[derive(Clone, Debug)]
pub(crate) enum Sheet {
    /// The trial balance.
    Balances,
    /// Every account, line by line.
    General,
    /// Whole entries in the order of the log.
    Journal,
    /// One account, in one currency or in all.
    Lines { account: String, currency: Option<String> },
    /// Whole entries that came after their month was closed; of this month, or of any.
    Late(Option<Month>),
    /// A month as it was reported, and as it is known.
    Restatement(Compared),
    /// What lies between the two, line by line.
    Differences(Compared),
}

/// Some rows of a sheet, and where they end; nothing where they are the last.
pub(crate) struct Stretch {
    pub(crate) rows: Vec<Vec<Cell>>,
    pub(crate) end: Option<After>,
}

impl Sheet {
    pub(crate) const fn columns(&self) -> &'static [Shown] {
        match self {
            Self::Balances => BALANCES,
            Self::General => GENERAL,
            Self::Journal | Self::Late(_) => JOURNAL,
            Self::Lines { .. } => LINES,
            Self::Restatement(_) => RESTATEMENT,
            Self::Differences(_) => DIFFERENCES,
        }
    }

    /// The rows after a line, at most so many; of the journal, so many whole entries.
    ///
    /// # Errors
    /// The database failed.
    pub(crate) async fn stretch(
        &self,
        connection: &mut PgConnection,
        (whose, as_of): (Whose, AsOf),
        after: After,
        most: i64,
    ) -> Result<Stretch, Error> {
        let is_full = |count: usize| i64::try_from(count).is_ok_and(|count| count >= most);
        match self {
            Self::Balances => {
                let found = questions::balances(connection, whose, as_of).await?;
                Ok(Stretch { rows: found.into_iter().map(balance).collect(), end: None })
            }
            Self::General => {
                let found = questions::general(connection, whose, as_of, after, most).await?;
                let end = found.last().filter(|_last| is_full(found.len()));
                let end = end.map(|last| After { account_id: last.account_id, ..behind(&last.of) });
                Ok(Stretch { rows: found.into_iter().map(general_line).collect(), end })
            }
            Self::Journal => {
                let of = (whose.livemode, whose.merchant_id);
                let found = questions::journal(connection, of, as_of, after.position, most).await?;
                let end = found.last().map(|last| After { position: last.position, ..After::default() });
                Ok(Stretch { rows: found.into_iter().map(journal_line).collect(), end })
            }
            Self::Lines { account, currency } => {
                let account = (account.as_str(), currency.as_deref(), whose.livemode);
                let found = questions::statement(connection, account, as_of, after, most).await?;
                let end = found.last().filter(|_last| is_full(found.len())).map(behind);
                Ok(Stretch { rows: found.into_iter().map(line).collect(), end })
            }
            Self::Late(month) => {
                let found = restatement::late(connection, whose, as_of, *month, (after.position, most)).await?;
                let end = found.last().map(|last| After { position: last.position, ..After::default() });
                Ok(Stretch { rows: found.into_iter().map(journal_line).collect(), end })
            }
            Self::Restatement(compared) => {
                let found = restatement::restated(connection, whose, as_of, *compared).await?;
                Ok(Stretch { rows: found.into_iter().map(restated).collect(), end: None })
            }
            Self::Differences(compared) => {
                let found = restatement::differences(connection, whose, as_of, *compared, (after, most)).await?;
                let end = found.last().filter(|_last| is_full(found.len()));
                let end = end.map(|last| After { position: last.position, line: last.line, ..After::default() });
                Ok(Stretch { rows: found.into_iter().map(difference).collect(), end })
            }
        }
    }

    /// As of which position it compares with what was reported, where it does.
    pub(crate) const fn reported(&self) -> Option<i64> {
        match self {
            Self::Restatement(compared) | Self::Differences(compared) => Some(compared.reported),
            Self::Balances | Self::General | Self::Journal | Self::Lines { .. } | Self::Late(_) => None,
        }
    }

    /// Where a page ended, as the caller is told.
    pub(crate) fn told(&self, After { account_id, position, line }: After) -> String {
        match self {
            Self::General => format!("{account_id}-{position}-{line}"),
            Self::Journal | Self::Late(_) => position.to_string(),
            Self::Balances | Self::Lines { .. } => format!("{position}-{line}"),
            Self::Restatement(_) | Self::Differences(_) => format!("{position}-{line}"),
        }
    }

    /// What the caller was told.
    pub(crate) fn read(&self, text: &str) -> Option<After> {
        let of_a_line = |text: &str| {
            let (position, line) = text.split_once('-')?;
            Some(After { position: integer(position)?, line: line.parse().ok()?, ..After::default() })
        };
        match self {
            Self::General => {
                let (account, rest) = text.split_once('-')?;
                Some(After { account_id: account.parse().ok()?, ..of_a_line(rest)? })
            }
            Self::Journal | Self::Late(_) => Some(After { position: integer(text)?, ..After::default() }),
            Self::Balances | Self::Lines { .. } => of_a_line(text),
            Self::Restatement(_) | Self::Differences(_) => of_a_line(text),
        }
    }
}

const ACCOUNT: Shown = shown("account", "", Kind::Text, "The name in the chart of accounts.");
const CURRENCY: Shown = shown("currency", "", Kind::Text, "The currency it is kept in.");
const LIVEMODE: Shown = shown("livemode", "", Kind::Flag, "Whether it is about real money.");
const POSITION: Shown = shown("position", "", Kind::Integer, "The position of its entry in the log.");
const LINE: Shown = shown("line", "", Kind::Integer, "Which line of the entry it is.");
const EVENT_TYPE: Shown = shown("event_type", "", Kind::Text, "What happened.");
const OF: Shown = shown("of", "", Kind::Text, "To what it happened.");
const AMOUNT: Shown = shown("amount_minor", "", Kind::Integer, "Minor units: a debit, or less than zero a credit.");
const BALANCE: Shown = shown("balance_minor", "", Kind::Sum, "Debits less credits, in minor units.");
const OCCURRED_AT: Shown = shown("occurred_at", "", Kind::Moment, "When the money moved.");
const EFFECTIVE_AT: Shown =
    shown("effective_at", "", Kind::Moment, "When it counts as moved: of what is late, the first open moment.");
const RECORDED_AT: Shown = shown("recorded_at", "", Kind::Moment, "When it was written down.");

const BALANCES: &[Shown] =
    &[ACCOUNT, CURRENCY, LIVEMODE, shown("kind", "", Kind::Text, "asset, liability, revenue or expense."), BALANCE];

const LINES: &[Shown] =
    &[POSITION, LINE, EVENT_TYPE, OF, CURRENCY, LIVEMODE, AMOUNT, BALANCE, EFFECTIVE_AT, RECORDED_AT];

const GENERAL: &[Shown] =
    &[ACCOUNT, POSITION, LINE, EVENT_TYPE, OF, CURRENCY, LIVEMODE, AMOUNT, BALANCE, EFFECTIVE_AT, RECORDED_AT];

const JOURNAL: &[Shown] = &[
    POSITION,
    LINE,
    shown("event_id", "", Kind::Text, "The id of the event that made the entry."),
    EVENT_TYPE,
    OF,
    shown("reverses", "", Kind::Text, "The entry it takes back."),
    ACCOUNT,
    CURRENCY,
    LIVEMODE,
    AMOUNT,
    OCCURRED_AT,
    EFFECTIVE_AT,
    RECORDED_AT,
];

pub(super) const RESTATEMENT: &[Shown] = &[
    ACCOUNT,
    CURRENCY,
    LIVEMODE,
    shown("kind", "", Kind::Text, "asset, liability, revenue or expense."),
    shown("reported_minor", "", Kind::Sum, "What the month came to as it was reported, debits less credits."),
    shown("known_minor", "", Kind::Sum, "What it comes to by what is known, debits less credits."),
    shown("difference_minor", "", Kind::Sum, "The second less the first: the sum of the account's differences."),
];

pub(super) const DIFFERENCES: &[Shown] = &[
    POSITION,
    LINE,
    shown("event_id", "", Kind::Text, "The id of the event that made the entry."),
    EVENT_TYPE,
    OF,
    ACCOUNT,
    CURRENCY,
    LIVEMODE,
    shown("difference_minor", "", Kind::Sum, "What it adds to the month, debits less credits, in minor units."),
    shown("cause", "", Kind::Text, "recorded_later, late or carried_in: docs/periods.md."),
    OCCURRED_AT,
    EFFECTIVE_AT,
    RECORDED_AT,
];

fn behind(line: &StatementLine) -> After {
    After { position: line.position, line: line.line, ..After::default() }
}

fn balance(found: Balance) -> Vec<Cell> {
    let Balance { account, currency, livemode, kind, balance_minor } = found;
    vec![Cell::Text(account), Cell::Text(currency), Cell::Flag(livemode), Cell::Text(kind), Cell::Sum(balance_minor)]
}

fn line(found: StatementLine) -> Vec<Cell> {
    vec![
        Cell::Integer(found.position),
        Cell::Integer(found.line.into()),
        Cell::Text(found.event_type),
        Cell::Text(found.aggregate_id),
        Cell::Text(found.currency),
        Cell::Flag(found.livemode),
        Cell::Integer(found.amount_minor),
        Cell::Sum(found.balance_minor),
        Cell::Moment(found.effective_at),
        Cell::Moment(found.recorded_at),
    ]
}

fn general_line(found: GeneralLine) -> Vec<Cell> {
    let mut cells = line(found.of);
    cells.insert(0, Cell::Text(found.account));
    cells
}

fn journal_line(found: JournalLine) -> Vec<Cell> {
    vec![
        Cell::Integer(found.position),
        Cell::Integer(found.line.into()),
        Cell::Text(found.event_id.to_string()),
        Cell::Text(found.event_type),
        Cell::Text(found.aggregate_id),
        found.reverses.map_or(Cell::Nothing, Cell::Text),
        Cell::Text(found.account),
        Cell::Text(found.currency),
        Cell::Flag(found.livemode),
        Cell::Integer(found.amount_minor),
        Cell::Moment(found.occurred_at),
        Cell::Moment(found.effective_at),
        Cell::Moment(found.recorded_at),
    ]
}

fn restated(found: Restated) -> Vec<Cell> {
    let Restated { account, currency, livemode, kind, reported_minor, known_minor } = found;
    vec![
        Cell::Text(account),
        Cell::Text(currency),
        Cell::Flag(livemode),
        Cell::Text(kind),
        Cell::Sum(reported_minor),
        Cell::Sum(known_minor),
        Cell::Sum(known_minor.saturating_sub(reported_minor)),
    ]
}

fn difference(found: Difference) -> Vec<Cell> {
    vec![
        Cell::Integer(found.position),
        Cell::Integer(found.line.into()),
        Cell::Text(found.event_id.to_string()),
        Cell::Text(found.event_type),
        Cell::Text(found.aggregate_id),
        Cell::Text(found.account),
        Cell::Text(found.currency),
        Cell::Flag(found.livemode),
        Cell::Sum(found.difference_minor.into()),
        Cell::Text(found.cause),
        Cell::Moment(found.occurred_at),
        Cell::Moment(found.effective_at),
        Cell::Moment(found.recorded_at),
    ]
}
