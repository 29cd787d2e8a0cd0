//! Which months are closed: every close and re-opening, as the ledger keeps them.

use chrono::{DateTime, NaiveDate, Utc};
use domain::aggregate::Aggregate as _;
use domain::fact::Fact;
use domain::month::Month;
use domain::periods::{Periods, PeriodsRefusal, event::PeriodsEvent};
use domain::refusal::Listed as _;
use event_store::{Poison, Recorded};
use uuid::Uuid;

use crate::books::Books;
use crate::query::cell::{Kind, Shown, shown};
use crate::query::resource::{Dated, Resource};
use crate::query::tenant::Tenancy;
use crate::rows::Rows;
use crate::table::table;

table! {
    /// A month was closed, or opened again. What was recorded after it obeys it, and nothing before.
    CloseRow in "period_closes", key (position: i64), indexes [] {
        /// The position of the event in the log.
        position: i64,
        /// The id of the event.
        event_id: Uuid,
        /// Of which mode.
        livemode: bool,
        /// The first day of the month.
        month: NaiveDate,
        /// closed or reopened.
        what: String,
        /// The first day of the last month that is closed from then on, with all before it.
        closed_through: NaiveDate,
        /// Who closed it; of a re-opening, who approved it: OPR…
        by: String,
        /// When the ledger wrote it down.
        recorded_at: DateTime<Utc>,
    }
}

/// The closes of both modes, as far as a step has come.
pub(super) struct Closed(Rows<CloseRow>);

impl Closed {
    pub(super) fn wants(event: &Recorded) -> bool {
        event.aggregate_type == Periods::TYPE && ["closed", "reopened"].contains(&&*event.event_type)
    }

    /// # Errors
    /// The database failed.
    pub(super) async fn load(books: &mut Books<'_>) -> Result<Self, Poison> {
        let modes = vec![true.to_string(), false.to_string()];
        Ok(Self(Rows::load(books, "livemode", modes).await?))
    }

    /// Through which month the books of a mode are closed.
    pub(super) fn through(&self, livemode: bool) -> Option<Month> {
        let last = self.0.iter().filter(|row| row.livemode == livemode).max_by_key(|row| row.position);
        last.map(|row| Month::of(row.closed_through.and_time(chrono::NaiveTime::MIN).and_utc()))
    }

    /// # Errors
    /// The event is none of periods, or of no mode.
    pub(super) fn follow(&mut self, recorded: &Recorded, fact: &Fact) -> Result<(), Poison> {
        let amiss = || Poison::Event(format!("position {} closes no month of any mode", recorded.position));
        let Fact::Periods(fact) = fact else { return Err(amiss()) };
        let (month, what, closed_through, by) = match fact {
            PeriodsEvent::Closed { month, by, .. } => (month, "closed", *month, by),
            PeriodsEvent::Reopened { month, approved_by, .. } => (month, "reopened", month.previous(), approved_by),
            PeriodsEvent::ReopeningProposed(_) | PeriodsEvent::ReopeningRejected { .. } => return Ok(()),
        };
        self.0.put(CloseRow {
            position: recorded.position,
            event_id: recorded.event_id,
            livemode: recorded.livemode.ok_or_else(amiss)?,
            month: month.first_day(),
            what: what.to_owned(),
            closed_through: closed_through.first_day(),
            by: by.to_string(),
            recorded_at: recorded.recorded_at,
        });
        Ok(())
    }

    /// # Errors
    /// The database failed.
    pub(super) async fn save(&mut self, books: &mut Books<'_>) -> Result<(), Poison> {
        self.0.save(books).await
    }
}

const COLUMNS: &[Shown] = &[
    shown("position", "t.position", Kind::Integer, "The position in the log: what is recorded after it obeys it."),
    shown("livemode", "t.livemode", Kind::Flag, "Of which mode."),
    shown("month", "to_char(t.month, 'YYYY-MM')", Kind::Text, "The month."),
    shown("what", "t.what", Kind::Text, "closed or reopened."),
    shown("closed_through", "to_char(t.closed_through, 'YYYY-MM')", Kind::Text, "The last month closed from then on."),
    shown("by", "t.by", Kind::Text, "Who closed it, or approved its re-opening."),
    shown("recorded_at", "t.recorded_at", Kind::Moment, "When it was written down."),
];

/// Every close and re-opening.
pub(crate) static CLOSES: Resource = Resource {
    from: "read.period_closes",
    models: &["ledger"],
    tenancy: Tenancy::House,
    id: "event_id",
    order: "position",
    dated: Dated::ONCE,
    version: None,
    columns: COLUMNS,
    filters: &[],
    expansions: &[],
    absent: || PeriodsRefusal::MonthNotClosed.rule(),
};
