//! What is stored of a remittance, for ever.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    account::Account,
    aggregate::events_named,
    channel::Channel,
    id::RemittanceId,
    money::Money,
    posting::{Movement, Posting},
};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RemittanceEvent {
    Recorded(Box<Recorded>),
}

/// Negative amounts are what we pay the channel, after a day of refunds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    pub remittance_id: RemittanceId,
    pub channel: Channel,
    pub livemode: bool,
    pub gross: Money,
    pub fee: Money,
    pub net: Money,
    pub effective_at: DateTime<Utc>,
}

events_named!(RemittanceEvent {
    Recorded = "recorded", "1.0";
});

impl RemittanceEvent {
    /// The bank has the net, the channel's work cost the fee, and the channel owes us the gross no more.
    #[must_use]
    pub fn posting(&self) -> Posting {
        let Self::Recorded(recorded) = self;
        let credit = Account::ChannelReceivable(recorded.channel);
        Posting::moving(
            recorded.effective_at,
            &[
                Movement { debit: Account::Bank, credit, money: recorded.net },
                Movement { debit: Account::ChannelFees(recorded.channel), credit, money: recorded.fee },
            ],
        )
    }
}
