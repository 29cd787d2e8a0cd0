//! Analytics by the quarter of an hour: counts, amounts, declines, latencies, customers.
//!
//! What became of attempts is counted where they began, so that a success rate is one of the same attempts above and
//! below the line; money is counted when it moved. A quarter of an hour fits the days of every time zone.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use domain::aggregate::Aggregate as _;
use domain::fact::Fact;
use domain::payment::Payment;
use event_store::{Poison, Recorded};
use futures_util::future::BoxFuture;
use serde_json::Value;
use uuid::Uuid;

use crate::books::Books;
use crate::happened::Happened;
use crate::payments::begun_before;
use crate::read_model::{Plan, ReadModel};
use crate::rows::Rows;
use crate::table::{Row as _, table};

use fold::Touch;

mod customers;
mod fold;
mod latency;
mod question;
mod sums;

pub(crate) use question::ANALYTICS;

table! {
    /// What must be known of a payment to count what becomes of it: its last attempt.
    CountedRow in "analytics_attempts", key (payment_id: Uuid), indexes [] {
        /// The payment.
        payment_id: Uuid,
        /// Whose it is.
        merchant_id: Uuid,
        /// Whether it is about real money.
        livemode: bool,
        /// The number of its last attempt.
        attempt: i32,
        /// Where the attempt is counted.
        bucket_id: Uuid,
        /// When it began.
        opened_at: DateTime<Utc>,
        /// Whether the channel has said yes or no.
        is_answered: bool,
        /// Whether money was captured.
        is_captured: bool,
        /// Whether it ended without money.
        is_over: bool,
        /// The channel of the attempt.
        channel: String,
        /// In which currency.
        currency: String,
        /// How the customer pays; empty where that is not known.
        method: String,
    }
}

table! {
    /// A quarter of an hour of one merchant, mode, channel, currency and method.
    BucketRow in "analytics_quarters", key (id: Uuid), indexes ["(merchant_id, livemode, starts_at)", "(starts_at)"] {
        /// Derived from all that it is about.
        id: Uuid,
        /// Whose it is.
        merchant_id: Uuid,
        /// Whether it is about real money.
        livemode: bool,
        /// When the quarter of an hour begins.
        starts_at: DateTime<Utc>,
        /// Through which channel.
        channel: String,
        /// In which currency.
        currency: String,
        /// How customers paid; empty where that is not known.
        method: String,
        /// Payments that began.
        payments_count: i64,
        /// Attempts that began, first ones and others.
        attempts_count: i64,
        /// Of these attempts: how many took money.
        succeeded_count: i64,
        /// Of these attempts: how many were refused by the channel.
        failed_count: i64,
        /// Of these attempts: how many the risk check or a person rejected.
        rejected_count: i64,
        /// Of these attempts: how many ended without money and without a refusal.
        abandoned_count: i64,
        /// What these payments were to bring, in minor units.
        asked_minor: i64,
        /// Captures made then.
        captures_count: i64,
        /// Captured then, in minor units.
        captured_minor: i64,
        /// Fees of what was captured then, in minor units.
        fee_minor: i64,
        /// Refunds made then.
        refunds_count: i64,
        /// Refunded then, less what bounced, in minor units.
        refunded_minor: i64,
        /// Fees that came back then, in minor units.
        fee_returned_minor: i64,
        /// Disputes opened then.
        disputes_count: i64,
        /// In dispute since then, less what was won, in minor units.
        disputed_minor: i64,
        /// Of these attempts: how many were refused for which reason.
        declines: Option<Value>,
        /// Of these attempts: how many were answered after so many milliseconds, by steps of an eighth of an octave.
        latency_ms: Option<Value>,
        /// A sketch of who the customers were: it counts them, within 2.3 %, and names nobody.
        customers: Option<Vec<u8>>,
    }
}

static PLAN: Plan = Plan { name: "analytics", version: 1, tables: &[CountedRow::TABLE, BucketRow::TABLE] };

/// The read model of analytics.
pub(crate) struct Analytics;

impl ReadModel for Analytics {
    fn plan(&self) -> &'static Plan {
        &PLAN
    }

    fn wants(&self, event: &Recorded) -> bool {
        event.aggregate_type == Payment::TYPE
    }

    fn apply<'a>(&'a self, books: &'a mut Books<'_>, events: &'a [Arc<Happened>]) -> BoxFuture<'a, Result<(), Poison>> {
        Box::pin(async move {
            let mut counted = Rows::load(books, "payment_id", begun_before(events)).await?;
            // Which buckets are touched follows from the attempts, and these from the events.
            let mut touched = Vec::new();
            for event in events {
                if let Fact::Payment(fact) = event.fact()? {
                    touched.extend(fold::count(&mut counted, &event.recorded, fact)?);
                }
            }
            let ids = touched.iter().map(|touch| touch.id.to_string()).collect();
            let mut buckets = Rows::load(books, "id", ids).await?;
            for Touch { id, new, change } in touched {
                match new {
                    Some(new) => change.add(buckets.or_new((id,), || *new)),
                    None => change.add(buckets.must(&(id,))?),
                }
            }
            counted.save(books).await?;
            buckets.save(books).await
        })
    }
}
