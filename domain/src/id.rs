//! A type for each id: a prefix for the outside, one text form everywhere.

use std::{fmt, str::FromStr};

use uuid::Uuid;

use crate::{currency::Currency, refusal::refusals, text::stored_as_text};

refusals! {
    /// Why a text is no id.
    pub enum IdRefusal {
        IdMalformed = "id_malformed", 400, "This is not an id of the kind expected here.", "该编号格式不正确。";
    }
}

/// Names derived here never change: the same parts give the same id in every release.
const DERIVED: Uuid = Uuid::from_u128(0x8d1c_6f0a_52b7_5c5e_9a36_4b41_59d0_0b0c);

/// A version 5 id of the parts, each with its length before it, so that no two lists of parts read alike.
fn derive(kind: &str, parts: &[&str]) -> Uuid {
    let mut name = String::with_capacity(128);
    for part in std::iter::once(&kind).chain(parts) {
        name.push_str(&part.len().to_string());
        name.push(':');
        name.push_str(part);
    }
    Uuid::new_v5(&DERIVED, name.as_bytes())
}

const fn world(livemode: bool) -> &'static str {
    if livemode { "live" } else { "test" }
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident $prefix:literal;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            pub const PREFIX: &'static str = $prefix;

            #[must_use]
            pub const fn new(uuid: Uuid) -> Self {
                Self(uuid)
            }

            #[must_use]
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}{}", $prefix, self.0.simple())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdRefusal;

            fn from_str(text: &str) -> Result<Self, IdRefusal> {
                read($prefix, text).map(Self).ok_or(IdRefusal::IdMalformed)
            }
        }

        stored_as_text!($name);
    )+};
}

/// One text form only: the prefix and 32 lower-case hexadecimal digits. Anything looser would give one thing two names.
fn read(prefix: &str, text: &str) -> Option<Uuid> {
    let digits = text.strip_prefix(prefix)?;
    let canonical = digits.len() == 32 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if canonical { Uuid::try_parse(digits).ok() } else { None }
}

ids! {
    MerchantId "MER";
    /// Names an API key in public; its secret is another matter.
    ApiKeyId "KEY";
    WebhookEndpointId "WHK";
    OrderId "ORD";
    /// One capture of a payment, named by whoever asks for it.
    CaptureId "CAP";
    /// The `payment_no` of the outside.
    PaymentId "PAY";
    /// The `refund_no` of the outside.
    RefundId "REF";
    DisputeId "DSP";
    SettlementId "SET";
    /// The settled funds of one merchant in one currency and mode.
    FundsId "FND";
    PayoutId "POT";
    RemittanceId "REM";
    AdjustmentId "ADJ";
    OperatorId "OPR";
    TokenId "TOK";
    SagaId "SAG";
    RiskRulesId "RSK";
    PeriodsId "PRD";
    OldNameId "OLD";
}

impl OrderId {
    /// One order per merchant, mode and order number, whoever asks and however often.
    #[must_use]
    pub fn derive(merchant: MerchantId, livemode: bool, order_no: &str) -> Self {
        Self(derive("order", &[&merchant.to_string(), world(livemode), order_no]))
    }
}

impl PaymentId {
    /// One payment per merchant, mode and order number: a second request finds the first.
    #[must_use]
    pub fn derive(merchant: MerchantId, livemode: bool, order_no: &str) -> Self {
        Self(derive("payment", &[&merchant.to_string(), world(livemode), order_no]))
    }
}

impl CaptureId {
    /// The capture that comes with the authorisation of an attempt, when nobody asks for one by itself.
    #[must_use]
    pub fn derive(payment: PaymentId, attempt: u32) -> Self {
        Self(derive("capture", &[&payment.to_string(), &attempt.to_string()]))
    }
}

/// Ids of what a request asks for: the same for every repeat of it, also when its answer is long forgotten.
macro_rules! asked_for {
    ($($name:ident $kind:literal;)+) => {$(
        impl $name {
            /// The one thing of this kind that a request brings about: whose request, and under which key.
            #[must_use]
            pub fn asked_for(scope: &str, key: &str) -> Self {
                Self(derive($kind, &[scope, key]))
            }
        }
    )+};
}

asked_for! {
    MerchantId "asked merchant";
    ApiKeyId "asked api key";
    CaptureId "asked capture";
    RefundId "asked refund";
    PayoutId "asked payout";
    RemittanceId "asked remittance";
    AdjustmentId "asked adjustment";
}

impl RefundId {
    /// The refund of what was taken and is nobody's: one per capture the channel told of.
    #[must_use]
    pub fn derive_of_suspense(payment: PaymentId, attempt: u32, capture: CaptureId) -> Self {
        Self(derive("suspense refund", &[&payment.to_string(), &attempt.to_string(), &capture.to_string()]))
    }

    /// All that was refunded of a payment before it was taken over.
    #[must_use]
    pub fn derive_of_before(payment: PaymentId) -> Self {
        Self(derive("refunds before", &[&payment.to_string()]))
    }

    /// The refund of what came for an order that had been cancelled: one per capture.
    #[must_use]
    pub fn derive_of_late(payment: PaymentId, capture: CaptureId) -> Self {
        Self(derive("late refund", &[&payment.to_string(), &capture.to_string()]))
    }
}

impl RemittanceId {
    /// Of what a channel reports for a day in one currency.
    #[must_use]
    pub fn derive_of_day(channel: &str, livemode: bool, currency: Currency, date: &str) -> Self {
        Self(derive("remittance of day", &[channel, world(livemode), currency.code(), date]))
    }
}

/// Ids of what was taken over: the same for every repeat of it, by where it came from and the id it had there.
macro_rules! taken_over {
    ($($name:ident $kind:literal;)+) => {$(
        impl $name {
            /// What that row of that source is here.
            #[must_use]
            pub fn taken_over(source: &str, old_id: &str) -> Self {
                Self(derive($kind, &[source, old_id]))
            }
        }
    )+};
}

taken_over! {
    MerchantId "merchant taken over";
    ApiKeyId "api key taken over";
    AdjustmentId "adjustment taken over";
}

impl OldNameId {
    /// Of the number a payment had: each merchant's own, in each mode.
    #[must_use]
    pub fn of_payment(merchant: MerchantId, livemode: bool, old_no: &str) -> Self {
        Self(derive("old payment number", &[&merchant.to_string(), world(livemode), old_no]))
    }

    /// Of an API key, by its keyed hash.
    #[must_use]
    pub fn of_api_key(hash: &str) -> Self {
        Self(derive("old api key", &[hash]))
    }

    /// Of an idempotency key.
    #[must_use]
    pub fn of_answer(merchant: MerchantId, livemode: bool, key: &str) -> Self {
        Self(derive("old idempotency key", &[&merchant.to_string(), world(livemode), key]))
    }
}

impl PayoutId {
    /// The payout of a settlement that nobody asks for by itself. Opened and approved again, it has another.
    #[must_use]
    pub fn derive(settlement: SettlementId, number: u32) -> Self {
        Self(derive("payout", &[&settlement.to_string(), &number.to_string()]))
    }
}

impl SettlementId {
    /// The settlement a payment was in before it was taken over. There is none of this name here.
    #[must_use]
    pub fn derive_of_before(payment: PaymentId) -> Self {
        Self(derive("settlement before", &[&payment.to_string()]))
    }

    /// One settlement per merchant, mode, currency and period.
    #[must_use]
    pub fn derive(merchant: MerchantId, livemode: bool, currency: Currency, period: &str) -> Self {
        Self(derive("settlement", &[&merchant.to_string(), world(livemode), currency.code(), period]))
    }
}

impl FundsId {
    /// One stream of settled funds per merchant, mode and currency.
    #[must_use]
    pub fn derive(merchant: MerchantId, livemode: bool, currency: Currency) -> Self {
        Self(derive("settled_funds", &[&merchant.to_string(), world(livemode), currency.code()]))
    }
}

impl OperatorId {
    /// One operator per person, whoever enrols them and however often.
    #[must_use]
    pub fn derive(person: &str) -> Self {
        Self(derive("operator", &[person]))
    }
}

impl RiskRulesId {
    /// One stream of risk rules per mode.
    #[must_use]
    pub fn derive(livemode: bool) -> Self {
        Self(derive("risk_rules", &[world(livemode)]))
    }
}

impl PeriodsId {
    /// One stream of periods per mode.
    #[must_use]
    pub fn derive(livemode: bool) -> Self {
        Self(derive("periods", &[world(livemode)]))
    }
}

impl SagaId {
    /// One saga per process and the business it is about.
    #[must_use]
    pub fn derive(process: &str, business: &str) -> Self {
        Self(derive("saga", &[process, business]))
    }
}

#[cfg(test)]
mod tests;
