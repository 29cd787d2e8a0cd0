//! The sandbox's own books: what truly happened, once per key, in partners' minor units.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, NaiveDate, Utc};
use domain::channel::Channel as Name;

mod days;
mod deciding;
pub(super) mod entry;
mod journal;
mod ledger;
pub(super) mod listing;
mod telling;

pub(super) use deciding::Nonsense;
use entry::{Closed, Entry, Later, Turn, Turned};
use journal::Journal;
pub(super) use journal::Place;
use ledger::Ledger;
use listing::{Listing, RemittanceLine};

use super::{
    protocol::{Answer, Order, PageBody, ReportBody},
    settings::Settings,
    token::Token,
};
use crate::request::Kind;

/// Shared by everything that serves them.
pub struct Books {
    state: Mutex<Kept>,
}

struct Kept {
    ledgers: BTreeMap<Name, Ledger>,
    journal: Option<Journal>,
}

#[derive(Debug, thiserror::Error)]
#[error("the sandbox's books in {directory} cannot be opened")]
pub struct BooksFailure {
    directory: String,
    #[source]
    source: std::io::Error,
}

/// What came of a request. It may be told once it is durable.
pub(super) struct Performed {
    pub(super) answer: Answer,
    /// Done just now, not before.
    pub(super) news: Option<News>,
    /// Where the books are kept on disk.
    pub(super) place: Option<Place>,
}

/// What there is to tell, and what will happen by itself.
pub(super) struct News {
    pub(super) report: Option<ReportBody>,
    pub(super) later: Option<(String, Later)>,
}

impl Books {
    #[must_use]
    pub fn in_memory() -> Self {
        Self { state: Mutex::new(Kept { ledgers: BTreeMap::new(), journal: None }) }
    }

    /// Reads what was written there before, and writes on.
    ///
    /// # Errors
    /// The directory is not ours to write, or its journal is damaged other than at its end.
    pub fn open(directory: &Path) -> Result<Self, BooksFailure> {
        let failed = |source| BooksFailure { directory: directory.display().to_string(), source };
        let (journal, entries) = Journal::open(directory).map_err(failed)?;
        let mut kept = Kept { ledgers: BTreeMap::new(), journal: None };
        for entry in &entries {
            kept.apply(entry);
        }
        kept.journal = Some(journal);
        Ok(Self { state: Mutex::new(kept) })
    }

    pub(super) fn perform(
        &self,
        channel: Name,
        kind: Kind,
        key: &str,
        order: Order,
        settings: &Settings,
    ) -> Result<Performed, Nonsense> {
        let mut kept = self.kept();
        if let Some(deed) = kept.ledger(channel).deed(key) {
            if deed.kind != kind || !deed.order.is_repeated_by(&order) {
                return Err(Nonsense::KeyReused);
            }
            let answer = deed.answer.clone();
            return Ok(Performed { answer, news: None, place: kept.journal.as_ref().map(Journal::place) });
        }
        let deed = deciding::decide(kept.ledger(channel), kind, key, order, settings, Utc::now())?;
        let news =
            News { report: telling::of_deed(&deed), later: deed.later.clone().map(|later| (key.to_owned(), later)) };
        let answer = deed.answer.clone();
        let place = kept.write(&Entry::Done(Box::new(deed)));
        Ok(Performed { answer, news: Some(news), place })
    }

    /// Lets something happen to an earlier request, if it can. What there is to tell of it, then.
    pub(super) fn turn(&self, channel: Name, key: &str, turn: Turn, at: DateTime<Utc>) -> Option<Performed> {
        let mut kept = self.kept();
        let ledger = kept.ledger(channel);
        if !deciding::may_turn(ledger, ledger.deed(key)?, &turn) {
            return None;
        }
        let turned = Turned { channel, key: key.to_owned(), turn, at };
        let place = kept.write(&Entry::Turned(turned.clone()));
        let deed = kept.ledger(channel).deed(key)?;
        let news = News { report: telling::of_turn(deed, &turned), later: None };
        Some(Performed { answer: deed.answer.clone(), news: Some(news), place })
    }

    /// What became of a request, if it was ever heard of.
    pub(super) fn status(&self, channel: Name, kind: Kind, key: &str) -> Option<Performed> {
        let mut kept = self.kept();
        let answer = kept.ledger(channel).deed(key).filter(|deed| deed.kind == kind)?.answer.clone();
        Some(Performed { answer, news: None, place: kept.journal.as_ref().map(Journal::place) })
    }

    /// How the trade behaves that a request is about.
    pub(super) fn token(&self, channel: Name, kind: Kind, order: &Order) -> Token {
        match kind {
            Kind::Authorise => Token::of(order.method.as_deref()),
            Kind::Capture | Kind::Void | Kind::Refund => {
                self.kept().ledger(channel).trade(order).map_or(Token::Approved, |(_, trade)| trade.token)
            }
            Kind::PayOut => Token::Approved,
        }
    }

    /// The key under which a trade was opened.
    pub(super) fn key_of(&self, channel: Name, trade_no: &str) -> Option<String> {
        self.kept().ledger(channel).opened_by(trade_no).map(|deed| deed.key.clone())
    }

    /// Everything that is to happen by itself and has not yet.
    pub(super) fn due(&self) -> Vec<(Name, String, Later)> {
        let kept = self.kept();
        let deeds = kept.ledgers.values().flat_map(Ledger::deeds);
        deeds.filter_map(|deed| Some((deed.channel, deed.key.clone(), deed.later.clone()?))).collect()
    }

    #[must_use]
    pub fn listing(&self) -> Listing {
        let mut listing = Listing::default();
        for ledger in self.kept().ledgers.values() {
            ledger.list(&mut listing);
        }
        listing
    }

    #[must_use]
    pub fn remittances(&self, date: NaiveDate) -> Vec<RemittanceLine> {
        self.kept().ledgers.values().flat_map(|ledger| ledger.days.remittances(ledger.channel, date)).collect()
    }

    /// A page of what one channel remitted for a day that has ended. From the first that is told of it nothing more is
    /// booked on that day, so it may be told once that is durable.
    pub(super) fn remittance(&self, channel: Name, date: NaiveDate, after: u64) -> (PageBody, Option<Place>) {
        let mut kept = self.kept();
        if !kept.ledger(channel).days.is_closed(date) {
            if date >= Utc::now().date_naive() {
                return (PageBody::default(), None);
            }
            kept.write(&Entry::Closed(Closed { channel, date }));
        }
        let page = kept.ledger(channel).days.page(date, after);
        (page, kept.journal.as_ref().map(Journal::place))
    }

    /// Ends a day, whatever the clock says: what comes now is the next one's.
    pub(super) fn close_day(&self, channel: Name, date: NaiveDate) -> Option<Place> {
        self.kept().write(&Entry::Closed(Closed { channel, date }))
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn ledger(&mut self, channel: Name) -> &mut Ledger {
        self.ledgers.entry(channel).or_insert_with(|| Ledger::new(channel))
    }

    fn write(&mut self, entry: &Entry) -> Option<Place> {
        self.apply(entry);
        self.journal.as_mut().map(|journal| journal.give(entry))
    }

    fn apply(&mut self, entry: &Entry) {
        let channel = match entry {
            Entry::Done(deed) => deed.channel,
            Entry::Turned(turned) => turned.channel,
            Entry::Closed(closed) => closed.channel,
        };
        self.ledger(channel).apply(entry);
    }
}
