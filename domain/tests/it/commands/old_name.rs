//! Old names: few of them, given to this and that.

use domain::{
    id::{ApiKeyId, MerchantId, OldNameId, PaymentId},
    old_name::{
        OldNameCommand,
        event::{Given, StandsFor},
    },
};

use super::*;

pub(crate) fn history() -> impl Strategy<Value = Vec<OldNameCommand>> {
    let stands_for = (number(), any::<bool>(), 0_u8..3, word()).prop_map(|(id, livemode, kind, key)| {
        let merchant_id = MerchantId::new(Uuid::from_u128(1));
        match kind {
            0 => StandsFor::Payment { merchant_id, livemode, payment_id: PaymentId::new(id) },
            1 => StandsFor::ApiKey { merchant_id, livemode, key_id: ApiKeyId::new(id) },
            _ => StandsFor::Answer { merchant_id, livemode, key, status: 200 },
        }
    });
    let give = (stands_for, word()).prop_map(|(stands_for, source)| {
        let old_name_id = OldNameId::new(Uuid::from_u128(1));
        OldNameCommand::Give(Box::new(Given { old_name_id, source, stands_for }))
    });
    prop::collection::vec(give, 1..4)
}
