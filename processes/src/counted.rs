//! What had been counted before an attempt, for whoever did not find it at hand: waited for, within bounds.

use std::sync::Arc;

use chrono::{TimeDelta, Utc};
use domain::{merchant::Merchant, payment::Payment};
use event_store::{Failure, Store};

use crate::{
    count::Seen,
    counters::Asked,
    counting::Begins,
    turn::{Counted, Known, Work},
};

/// An attempt waits so long for the counters to come to where it began; then a person reviews it.
const COUNTED_WITHIN: TimeDelta = TimeDelta::seconds(30);

/// Looks it up; `None` where the counters have not come so far and may yet come.
pub(crate) async fn look(store: &Store, seen: &Seen, work: &Work, known: &Known) -> Result<Option<Counted>, Failure> {
    let (payment, _version) = store.read::<Payment>(&work.payment).await?;
    let merchant: Arc<str> = work.merchant_id.to_string().into();
    let (merchant, _version) = store.read::<Merchant>(&merchant).await?;
    let (Some(agreed), Some(begun)) = (payment.agreement(), &known.brief.begun) else {
        return Ok(Some(Counted::Unknown));
    };
    let asked = Asked {
        begins: Begins::of(&work.payment, agreed, known.brief.customer.as_ref(), begun, &merchant),
        position: begun.position,
    };
    match seen.before(asked).await {
        Some(counters) => Ok(Some(Counted::Known(counters))),
        None if Utc::now().signed_duration_since(begun.at) < COUNTED_WITHIN => Ok(None),
        None => {
            tracing::warn!(payment = %work.payment, "the counters of the risk check are late: a person reviews");
            Ok(Some(Counted::Unknown))
        }
    }
}
