//! What is stored of an old name, for ever. None of it moves money.

use serde::{Deserialize, Serialize};

use crate::{
    aggregate::events_named,
    id::{ApiKeyId, MerchantId, OldNameId, PaymentId},
    posting::Posting,
};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OldNameEvent {
    Given(Box<Given>),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    pub old_name_id: OldNameId,
    /// Which row of which source it was.
    pub source: String,
    pub stands_for: StandsFor,
}

/// The name itself is not told where it is a credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StandsFor {
    /// The number a payment had.
    Payment {
        merchant_id: MerchantId,
        livemode: bool,
        payment_id: PaymentId,
    },
    ApiKey {
        merchant_id: MerchantId,
        livemode: bool,
        key_id: ApiKeyId,
    },
    /// An idempotency key: what was answered under it stands beside the log, as of every key.
    Answer {
        merchant_id: MerchantId,
        livemode: bool,
        key: String,
        status: u16,
    },
}

events_named!(OldNameEvent {
    Given = "given", "1.0";
});

impl OldNameEvent {
    #[must_use]
    pub const fn posting(&self) -> Posting {
        let Self::Given(_) = self;
        Posting::none()
    }
}
