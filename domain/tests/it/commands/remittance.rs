//! Remittances that add up, and others.

use domain::{
    channel::Channel,
    id::RemittanceId,
    remittance::{RemittanceCommand, event::Recorded},
};

use super::*;

pub(crate) fn history() -> impl Strategy<Value = Vec<RemittanceCommand>> {
    let report = (money(), minor(), any::<bool>(), at()).prop_map(|(gross, fee, adds_up, effective_at)| {
        let net = gross.amount_minor.wrapping_sub(fee);
        let net = if adds_up { net } else { fee };
        let of = |minor| Money::new(minor, gross.currency);
        let remittance_id = RemittanceId::new(Uuid::from_u128(1));
        let (channel, fee, net) = (Channel::Alipay, of(fee), of(net));
        RemittanceCommand::Record(Box::new(Recorded {
            remittance_id,
            channel,
            livemode: true,
            gross,
            fee,
            net,
            effective_at,
        }))
    });
    prop::collection::vec(report, 1..4)
}
