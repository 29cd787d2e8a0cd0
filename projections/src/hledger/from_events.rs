//! The journal from events themselves, with no database: the same text, to the byte.

use std::collections::{BTreeMap, BTreeSet};

use domain::account::Side;
use domain::fact::Fact;
use domain::month::Month;
use domain::periods::{event::PeriodsEvent, kept_under};
use event_store::Recorded;

use super::{Declared, Text, head, kind, name};
use crate::ledger::{JournalLine, kind_of};

/// Events in the order of the log go in, entries come out.
#[derive(Default)]
pub struct FromEvents {
    text: Text,
    accounts: BTreeSet<Declared>,
    closed_through: BTreeMap<bool, Month>,
    last: i64,
}

impl FromEvents {
    /// What the next event comes to in the journal; nothing where it moves no money.
    ///
    /// # Errors
    /// It moves money in no mode.
    pub fn enter(&mut self, event: &Recorded, fact: &Fact) -> Result<Option<String>, String> {
        self.last = event.position;
        let no_mode = || format!("position {} moves money in no mode", event.position);
        if let (Fact::Periods(fact), Some(livemode)) = (fact, event.livemode) {
            match fact {
                PeriodsEvent::Closed { month, .. } => drop(self.closed_through.insert(livemode, *month)),
                PeriodsEvent::Reopened { month, .. } => drop(self.closed_through.insert(livemode, month.previous())),
                PeriodsEvent::ReopeningProposed(_) | PeriodsEvent::ReopeningRejected { .. } => {}
            }
        }
        let posting = fact.posting();
        if posting.moves_no_money() {
            return Ok(None);
        }
        let livemode = event.livemode.ok_or_else(no_mode)?;
        let occurred_at = posting.effective_at().unwrap_or(event.recorded_at);
        let effective_at = kept_under(self.closed_through.get(&livemode).copied(), occurred_at);
        let mut lines = Vec::with_capacity(posting.lines().len());
        for (number, line) in (0..).zip(posting.lines()) {
            let (account, currency) = (line.account.to_string(), line.money.currency.code().to_owned());
            self.accounts.insert((name(livemode, &account), kind(kind_of(line.account)), currency.clone()));
            lines.push(JournalLine {
                position: event.position,
                line: number,
                event_id: event.event_id,
                event_type: event.event_type.to_string(),
                aggregate_id: event.aggregate_id.to_string(),
                merchant_id: event.merchant_id,
                reverses: posting.reverses().map(|reversed| reversed.to_string()),
                account,
                currency,
                livemode,
                amount_minor: match line.side {
                    Side::Debit => line.money.amount_minor,
                    Side::Credit => line.money.amount_minor.saturating_neg(),
                },
                occurred_at,
                effective_at,
                recorded_at: event.recorded_at,
            });
        }
        let mut text = String::new();
        self.text.enter(&mut text, &lines);
        Ok(Some(text))
    }

    /// What stands before the first entry, once the last one is written.
    pub fn head(&self) -> String {
        head(self.last, &self.accounts)
    }
}
