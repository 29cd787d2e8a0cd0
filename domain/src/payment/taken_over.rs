//! A payment that began on the platform before: how it stood, and how it goes on.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    free_text::OrderNo,
    id::{CaptureId, MerchantId, PaymentId, SettlementId},
    money::Money,
    payment::{
        Agreed, Decision, Payment, PaymentRefusal, already,
        attempt::{Attempt, Capture, CapturePhase, Phase},
        event::{Initiated, PaymentEvent, Purpose, Route},
        origin::Origin,
    },
};

/// With nothing captured it is authorised, and open to be captured; else what was captured is all that will be. What
/// happened before is summed up: it did not happen here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TakenOver {
    pub payment_id: PaymentId,
    pub merchant_id: MerchantId,
    pub livemode: bool,
    pub order_no: OrderNo,
    pub amount: Money,
    pub route: Route,
    #[serde(default)]
    pub purpose: Purpose,
    /// The number it had.
    pub old_no: String,
    /// Which row of which source it was.
    pub source: String,
    pub channel_trade_no: String,
    pub captured: Money,
    pub fees: Money,
    /// Given back to the customer; with it, of the fees, to the merchant.
    pub refunded: Money,
    pub fees_returned: Money,
    /// What it brought is in the merchant's balance, or was paid out.
    pub is_settled: bool,
    /// When it was authorised, or captured.
    pub occurred_at: DateTime<Utc>,
    /// The moment at which it stood like this.
    pub effective_at: DateTime<Utc>,
}

impl TakenOver {
    #[must_use]
    pub fn agreed(&self) -> Agreed {
        Agreed {
            payment_id: self.payment_id,
            merchant_id: self.merchant_id,
            livemode: self.livemode,
            order_no: self.order_no.clone(),
            amount: self.amount,
        }
    }

    /// Its beginning, as one that began here would tell it.
    #[must_use]
    pub fn initiated(&self) -> Initiated {
        let Agreed { payment_id, merchant_id, livemode, order_no, amount } = self.agreed();
        let (route, purpose, origin) = (self.route.clone(), self.purpose.clone(), Origin::default());
        Initiated { payment_id, merchant_id, livemode, order_no, amount, route, purpose, origin }
    }

    /// What the merchant is owed for it, or owes.
    #[must_use]
    pub fn net(&self) -> Money {
        let taken = [self.fees, self.refunded].iter().fold(self.captured.amount_minor, |left, taken| {
            // Each is at most what was captured, and that is positive.
            left.saturating_sub(taken.amount_minor)
        });
        Money::new(taken.saturating_add(self.fees_returned.amount_minor), self.amount.currency)
    }

    #[must_use]
    pub fn phase(&self) -> Phase {
        if self.captured.is_zero() { Phase::Authorised } else { Phase::Captured }
    }

    /// The one capture all of it is taken for.
    #[must_use]
    pub fn capture_id(&self) -> CaptureId {
        CaptureId::derive(self.payment_id, 1)
    }

    fn adds_up(&self) -> bool {
        let minor = |money: Money| money.amount_minor;
        let (captured, refunded) = (minor(self.captured), minor(self.refunded));
        let (fees, fees_returned) = (minor(self.fees), minor(self.fees_returned));
        let (whole, none) = (0..=minor(self.amount), 0);
        whole.contains(&captured)
            && (none..=captured).contains(&refunded)
            && (none..=captured).contains(&fees)
            && (none..=fees.min(refunded)).contains(&fees_returned)
            && !(self.is_settled && captured == none)
    }
}

impl Payment {
    pub(super) fn take_over(&self, taken: &TakenOver) -> Decision {
        if let Some(agreed) = &self.agreed {
            let same = self.taken_over.as_ref() == Some(&taken.source) && *agreed == taken.agreed();
            return if same { already() } else { Err(PaymentRefusal::PaymentDiffers) };
        }
        let sums = [taken.captured, taken.fees, taken.refunded, taken.fees_returned];
        if sums.iter().any(|sum| sum.currency != taken.amount.currency) {
            return Err(PaymentRefusal::CurrencyMismatch);
        }
        if taken.amount.amount_minor <= 0 {
            return Err(PaymentRefusal::AmountNotPositive);
        }
        if taken.livemode && !taken.route.channel.is_real() {
            return Err(PaymentRefusal::ChannelNotReal);
        }
        if !taken.adds_up() {
            return Err(PaymentRefusal::TakenOverDoesNotAddUp);
        }
        Ok(vec![PaymentEvent::TakenOver(Box::new(taken.clone()))])
    }

    pub(super) fn fold_taken_over(&mut self, taken: &TakenOver) {
        self.agreed = Some(taken.agreed());
        self.taken_over = Some(taken.source.clone());
        self.attempts.push(Attempt::taken_over(taken));
        self.captured_minor = taken.captured.amount_minor;
        self.fees_minor = taken.fees.amount_minor;
        self.refunds.take_over(taken.refunded.amount_minor, taken.fees_returned.amount_minor);
        self.settled = taken.is_settled.then(|| SettlementId::derive_of_before(taken.payment_id));
    }
}

impl Attempt {
    /// Of an authorisation what was not captured there was let go there.
    fn taken_over(taken: &TakenOver) -> Self {
        let mut attempt = Self::new(1, &taken.route);
        let captured_minor = taken.captured.amount_minor;
        attempt.phase = taken.phase();
        attempt.authorised_as = Some(taken.channel_trade_no.clone());
        attempt.authorised_minor = if captured_minor > 0 { captured_minor } else { taken.amount.amount_minor };
        if captured_minor > 0 {
            attempt.captured_minor = captured_minor;
            let capture = Capture { amount_minor: captured_minor, phase: CapturePhase::Captured };
            attempt.captures.insert(taken.capture_id(), capture);
        }
        attempt
    }
}
