//! Old names: given once, the same again, and never to another.

use uuid::Uuid;

use super::*;
use crate::{
    id::{MerchantId, OldNameId, PaymentId},
    scenario::Story,
};

fn give(payment: u128, source: &str) -> OldNameCommand {
    let merchant_id = MerchantId::new(Uuid::from_u128(1));
    let payment_id = PaymentId::new(Uuid::from_u128(payment));
    OldNameCommand::Give(Box::new(Given {
        old_name_id: OldNameId::of_payment(merchant_id, true, "P-1"),
        source: source.to_owned(),
        stands_for: StandsFor::Payment { merchant_id, livemode: true, payment_id },
    }))
}

#[test]
fn a_name_stands_for_one_thing_whoever_says_so() {
    let given = Story::<OldName>::untold().when(&give(1, "old/payments/1")).then(&["given"]);
    given.clone().when(&give(1, "other/payments/9")).then_nothing();
    given.clone().when(&give(2, "old/payments/1")).then_refused(OldNameRefusal::OldNameDiffers);
    let Some(StandsFor::Payment { payment_id, .. }) = given.state.stands_for() else { unreachable!() };
    assert_eq!(payment_id.uuid(), Uuid::from_u128(1));
    assert_eq!(OldName::default().stands_for(), None);
}

#[test]
fn every_merchant_and_mode_has_names_of_its_own() {
    let [one, two] = [1, 2].map(|number| MerchantId::new(Uuid::from_u128(number)));
    let ids = [
        OldNameId::of_payment(one, true, "P-1"),
        OldNameId::of_payment(one, false, "P-1"),
        OldNameId::of_payment(two, true, "P-1"),
        OldNameId::of_payment(one, true, "P-2"),
        OldNameId::of_answer(one, true, "P-1"),
        OldNameId::of_api_key("P-1"),
    ];
    let mut distinct = ids.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), ids.len());
    assert_eq!(OldNameId::of_payment(one, true, "P-1"), ids[0]);
}
