//! Opens a merchant's settlements when its schedule says so: one for each currency.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use domain::{
    actor::Actor,
    calendar::Schedule,
    currency::Currency,
    fact::Fact,
    id::{MerchantId, SettlementId},
    merchant::Merchant,
    settlement::{
        Settlement, SettlementCommand,
        event::{Opened, Period},
    },
};

use crate::{
    process::{Business, Next, Process, Stop},
    turn::Turn,
};

pub(crate) const OPEN_SETTLEMENT: &str = "open_settlement";

/// Where no schedule is agreed, nothing is settled by itself. When one is, this is looked at at once; so rarely it is
/// looked at without.
const LOOK_AGAIN_AFTER: TimeDelta = TimeDelta::days(30);

pub(crate) struct OpenSettlement;

/// A merchant in one mode.
pub(crate) fn business(merchant_id: MerchantId, livemode: bool) -> String {
    format!("{merchant_id}/{}", if livemode { "live" } else { "test" })
}

impl Process for OpenSettlement {
    fn name(&self) -> &'static str {
        OPEN_SETTLEMENT
    }

    /// It is asked for by the table of what waits to be settled, so that a merchant's every payment sets no timer.
    fn hears(&self, _stream: &str, _fact: &Fact) -> Option<Business> {
        None
    }

    fn react(&self, turn: &mut Turn<'_, '_>) -> Result<Next, Stop> {
        let known = turn.known;
        if known.unsettled.is_empty() && !known.has_more_unsettled {
            return Ok(Next::Rest);
        }
        let merchant = turn.state::<Merchant>(&turn.work.merchant_id.to_string().into())?;
        let Some(schedule) = merchant.schedule() else { return Ok(Next::Wait(turn.now + LOOK_AGAIN_AFTER)) };
        // Of some more may be captured: until that is over they are looked for once a day.
        let mut look_at = schedule.ends_at(turn.now).filter(|_tomorrow| known.has_more_unsettled);
        for unsettled in &known.unsettled {
            let due_at = schedule.settles_at(unsettled.since);
            if due_at.is_some_and(|due_at| due_at <= turn.now) {
                open(turn, schedule, unsettled.currency, unsettled.since)?;
            }
            // What was opened takes all that is due: whatever is left waits for another day.
            let next = due_at.filter(|due_at| *due_at > turn.now).or_else(|| schedule.ends_at(turn.now));
            look_at = earlier(look_at, next);
        }
        Ok(look_at.map_or(Next::Rest, Next::Wait))
    }
}

fn earlier(one: Option<DateTime<Utc>>, other: Option<DateTime<Utc>>) -> Option<DateTime<Utc>> {
    one.into_iter().chain(other).min()
}

/// From the day of the eldest payment to the last day that is due. Where somebody opened the same before, theirs stands.
fn open(turn: &mut Turn<'_, '_>, schedule: &Schedule, currency: Currency, since: DateTime<Utc>) -> Result<(), Stop> {
    let (Some(from), Some(until)) = (schedule.day_of(since), schedule.last_day_settled(turn.now)) else {
        return Ok(());
    };
    let (merchant_id, livemode) = (turn.work.merchant_id, turn.work.livemode);
    let period = Period { from, until };
    let settlement_id = SettlementId::derive(merchant_id, livemode, currency, &name(from, until));
    let id: Arc<str> = settlement_id.to_string().into();
    turn.presume_new::<Settlement>(&id);
    let opened = Opened {
        settlement_id,
        merchant_id,
        livemode,
        currency,
        period,
        opened_by: Actor::Process,
        two_people: schedule.two_people,
        threshold_minor: schedule.threshold_minor(currency),
    };
    // Opened otherwise, or under another schedule: then that one goes on as it was agreed.
    turn.offer::<Settlement>(&id, &SettlementCommand::Open(Box::new(opened)))?.ok();
    Ok(())
}

/// As whoever opens one by hand names it.
fn name(from: NaiveDate, until: NaiveDate) -> String {
    format!("{from}/{until}")
}
