//! Settled funds: money in, payouts out.

use domain::{
    id::{FundsId, MerchantId, PayoutId, SettlementId},
    settled_funds::{SettledFundsCommand, event::Opened},
    settlement::event::Destination,
};

use super::{settlement::source, *};

fn any_command() -> impl Strategy<Value = SettledFundsCommand> {
    let funds = prop_oneof![9 => Just(true), 1 => Just(false)].prop_map(|livemode| {
        let merchant_id = MerchantId::new(Uuid::from_u128(1));
        let funds_id = FundsId::derive(merchant_id, livemode, Currency::USD);
        Box::new(Opened { funds_id, merchant_id, livemode, currency: Currency::USD })
    });
    prop_oneof![
        4 => (funds, source(), money())
            .prop_map(|(funds, source, amount)| SettledFundsCommand::Record { funds, source, amount }),
        1 => (source(), number(), prop_oneof![9 => Just(true), 1 => Just(false)]).prop_map(|(source, id, livemode)| {
            let (settlement_id, merchant_id) = (SettlementId::new(id), MerchantId::new(Uuid::from_u128(1)));
            let into = Destination { settlement_id, merchant_id, livemode, currency: Currency::USD };
            SettledFundsCommand::AssignEntry { source, into }
        }),
        3 => (number(), money(), at()).prop_map(|(id, amount, effective_at)| {
            SettledFundsCommand::ReservePayout { payout_id: PayoutId::new(id), amount, effective_at }
        }),
        1 => (number(), at()).prop_map(|(id, effective_at)| {
            SettledFundsCommand::ConfirmPayout { payout_id: PayoutId::new(id), effective_at }
        }),
        1 => (number(), at()).prop_map(|(id, effective_at)| {
            SettledFundsCommand::ReleasePayout { payout_id: PayoutId::new(id), effective_at }
        }),
        1 => (number(), at()).prop_map(|(id, effective_at)| {
            SettledFundsCommand::ReturnPayout { payout_id: PayoutId::new(id), effective_at }
        }),
    ]
}

pub(crate) fn history() -> impl Strategy<Value = Vec<SettledFundsCommand>> {
    prop::collection::vec(any_command(), 0..24)
}
