//! What other fees would have come to over history: the log read again.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    aggregate::Aggregate,
    channel::Channel,
    currency::Currency,
    fact::Fact,
    fee::FeePlan,
    id::MerchantId,
    payment::{Payment, event::PaymentEvent, what_if::FeesWhatIf},
};
use event_store::{Poison, Recorded, Store};

const PAGE: usize = 1_000;
/// Payments held at once: until the log ends, more may come of any of them.
const PAYMENTS_MAX: usize = 2_000_000;

/// Which payments, and which plan they would have had.
#[derive(Clone, Debug)]
pub struct OtherFees {
    pub livemode: bool,
    /// A plan's amounts are in its currency.
    pub currency: Currency,
    pub plan: FeePlan,
    /// Of one merchant; of all, where it is none.
    pub merchant_id: Option<MerchantId>,
    /// For attempts through one channel; for all, where it is none. Others keep the plan they had.
    pub channel: Option<Channel>,
}

/// A payment with its fees.
#[derive(Clone, Debug, PartialEq)]
pub struct Reckoned {
    pub payment_no: Arc<str>,
    pub merchant_id: MerchantId,
    pub fees: FeesWhatIf,
}

/// Payments begun since a moment, reckoned once more.
pub struct FeesAgain {
    store: Store,
    other: OtherFees,
    at: i64,
    upto: i64,
    payments: BTreeMap<Arc<str>, Reckoned>,
}

impl FeesAgain {
    /// Over what began since then, up to the end of the log as it is now.
    ///
    /// # Errors
    /// The log cannot be read.
    pub async fn new(store: Store, other: OtherFees, since: DateTime<Utc>) -> Result<Self, Poison> {
        let before = since.checked_sub_signed(TimeDelta::microseconds(1)).unwrap_or(since);
        let at = store.position_at(before).await?.position;
        let upto = store.position_at(Utc::now() + TimeDelta::days(1)).await?.position;
        Ok(Self { store, other, at, upto, payments: BTreeMap::new() })
    }

    /// Where it is, and where it ends.
    pub const fn progress(&self) -> (i64, i64) {
        (self.at, self.upto)
    }

    /// Reads on; false where the log has come to its end.
    ///
    /// # Errors
    /// The log cannot be read, an event of it is of no known kind, or there are more payments than are held at once.
    pub async fn next(&mut self) -> Result<bool, Poison> {
        if self.at >= self.upto {
            return Ok(false);
        }
        let (events, upto) = (self.store.events(self.at, PAGE).await?, self.upto);
        for event in events.iter().take_while(|event| event.position <= upto) {
            self.hear(event)?;
            self.at = event.position;
        }
        if events.is_empty() {
            self.at = self.upto;
        }
        Ok(true)
    }

    /// Every payment that captured anything, by its number.
    pub fn reckoned(&self) -> impl Iterator<Item = &Reckoned> {
        self.payments.values().filter(|reckoned| reckoned.fees.captured_minor() > 0)
    }

    fn hear(&mut self, event: &Recorded) -> Result<(), Poison> {
        if event.aggregate_type != Payment::TYPE || event.livemode != Some(self.other.livemode) {
            return Ok(());
        }
        let is_first = event.sequence == 1;
        if !is_first && !self.payments.contains_key(&event.aggregate_id) {
            return Ok(());
        }
        let fact = self.store.upcasters().fact(event).map_err(Poison::Event)?;
        let Fact::Payment(fact) = fact else { return Ok(()) };
        if let PaymentEvent::Initiated(initiated) = &fact {
            let is_meant = initiated.amount.currency == self.other.currency
                && self.other.merchant_id.is_none_or(|merchant| merchant == initiated.merchant_id);
            if !is_meant {
                return Ok(());
            }
            if self.payments.len() >= PAYMENTS_MAX {
                let many = format!("there are more than {PAYMENTS_MAX} payments: name a merchant, or a later moment");
                return Err(Poison::Event(many));
            }
            let (payment_no, merchant_id) = (Arc::clone(&event.aggregate_id), initiated.merchant_id);
            let reckoned = Reckoned { payment_no: Arc::clone(&payment_no), merchant_id, fees: FeesWhatIf::default() };
            self.payments.insert(payment_no, reckoned);
        }
        if let Some(reckoned) = self.payments.get_mut(&event.aggregate_id) {
            let (channel, plan) = (self.other.channel, self.other.plan);
            let is_meant = |of: Channel| channel.is_none_or(|channel| channel == of);
            reckoned.fees.follow(&fact, |of, pinned| if is_meant(of) { plan } else { pinned });
        }
        Ok(())
    }
}
