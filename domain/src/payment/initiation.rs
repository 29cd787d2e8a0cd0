//! Starting a payment, and the next attempt after one that failed with evidence.

use crate::payment::{
    Cancellation, Decision, Initiate, Payment, PaymentRefusal, already,
    attempt::{Attempt, Phase},
    event::{AttemptOpened, Initiated, PaymentEvent, Route},
};

const METADATA_COUNT_MAX: usize = 20;

impl Payment {
    pub(super) fn initiate(&self, start: &Initiate) -> Decision {
        let Some(agreed) = &self.agreed else {
            let route = guard_start(start)?;
            let agreed = &start.agreed;
            return Ok(vec![PaymentEvent::Initiated(Box::new(Initiated {
                payment_id: agreed.payment_id,
                merchant_id: agreed.merchant_id,
                livemode: agreed.livemode,
                order_no: agreed.order_no.clone(),
                amount: agreed.amount,
                route,
                purpose: start.purpose.clone(),
                origin: start.origin.clone(),
            }))]);
        };
        if *agreed != start.agreed {
            return Err(PaymentRefusal::PaymentDiffers);
        }
        if !self.is_open_to_another_attempt() {
            return already();
        }
        let route = guard_start(start)?;
        let attempt = self.current()?.number.saturating_add(1);
        let origin = start.origin.clone();
        Ok(vec![PaymentEvent::AttemptOpened(AttemptOpened { attempt, route, origin })])
    }

    /// Only evidence of failure opens the next attempt: while an outcome is unknown, the money may be on its way.
    fn is_open_to_another_attempt(&self) -> bool {
        let failed = |attempt: &Attempt| matches!(attempt.phase, Phase::Rejected | Phase::Failed | Phase::Voided);
        self.cancellation == Cancellation::NotAsked && self.attempts.last().is_some_and(failed)
    }

    pub(super) fn fold_initiated(&mut self, initiated: &Initiated) {
        self.agreed = Some(super::Agreed {
            payment_id: initiated.payment_id,
            merchant_id: initiated.merchant_id,
            livemode: initiated.livemode,
            order_no: initiated.order_no.clone(),
            amount: initiated.amount,
        });
        self.attempts.push(Attempt::new(1, &initiated.route));
    }
}

/// What must hold for money to be asked for at all. Daily and monthly limits are the risk step's.
fn guard_start(start: &Initiate) -> Result<Route, PaymentRefusal> {
    let (amount, terms) = (start.agreed.amount, &start.terms);
    if amount.amount_minor <= 0 {
        return Err(PaymentRefusal::AmountNotPositive);
    }
    if !terms.merchant_active {
        return Err(PaymentRefusal::MerchantNotActive);
    }
    if !terms.channel_allowed {
        return Err(PaymentRefusal::ChannelNotAllowed);
    }
    if start.agreed.livemode && !start.channel.is_real() {
        return Err(PaymentRefusal::ChannelNotReal);
    }
    if !terms.currency_allowed {
        return Err(PaymentRefusal::CurrencyNotAllowed);
    }
    let Some(fee_plan) = terms.fee_plan else {
        return Err(PaymentRefusal::FeesNotAgreed);
    };
    if terms.payment_limit_minor.is_some_and(|limit| amount.amount_minor > limit) {
        return Err(PaymentRefusal::PaymentLimitExceeded);
    }
    if start.purpose.metadata.len() > METADATA_COUNT_MAX {
        return Err(PaymentRefusal::MetadataTooLarge);
    }
    let Initiate { channel, capture_mode, .. } = *start;
    Ok(Route { channel, capture_mode, fee_plan, method: start.method.clone() })
}
