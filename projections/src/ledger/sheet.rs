//! The sheets of the books: their columns, and their rows as of one moment.

use sqlx::{Error, PgConnection};

use super::questions::{self, After, AsOf, Balance, GeneralLine, JournalLine, StatementLine, Whose};
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
            Self::Journal => JOURNAL,
            Self::Lines { .. } => LINES,
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
        }
    }

    /// Where a page ended, as the caller is told.
    pub(crate) fn told(&self, After { account_id, position, line }: After) -> String {
        match self {
            Self::General => format!("{account_id}-{position}-{line}"),
            Self::Journal => position.to_string(),
            Self::Balances | Self::Lines { .. } => format!("{position}-{line}"),
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
            Self::Journal => Some(After { position: integer(text)?, ..After::default() }),
            Self::Balances | Self::Lines { .. } => of_a_line(text),
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
const EFFECTIVE_AT: Shown = shown("effective_at", "", Kind::Moment, "When the money moved.");
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
        Cell::Moment(found.effective_at),
        Cell::Moment(found.recorded_at),
    ]
}
