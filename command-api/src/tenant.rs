//! Whose a thing is: a merchant's own, or the one an operator names.

use std::sync::Arc;

use domain::{
    aggregate::Aggregate,
    id::{MerchantId, PaymentId},
    payment::Payment,
    settlement::Settlement,
};
use event_store::Tenant;
use gate::{Call, Caller, Problem, rules};

use crate::routes::Api;

/// One merchant in one mode: a world of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct World {
    pub(crate) merchant_id: MerchantId,
    pub(crate) livemode: bool,
}

impl World {
    /// The caller's own. An operator has none and must name it; a merchant may only name its own.
    pub(crate) fn named(call: &Call, merchant_id: Option<MerchantId>, livemode: Option<bool>) -> Result<Self, Problem> {
        match call.caller {
            Caller::Merchant { merchant_id: own, livemode: mode, .. } => {
                let is_own = merchant_id.is_none_or(|named| named == own) && livemode.is_none_or(|named| named == mode);
                let own = Self { merchant_id: own, livemode: mode };
                if is_own { Ok(own) } else { Err(Problem::turned_away(rules::MERCHANT_DIFFERS)) }
            }
            Caller::Operator { .. } => match (merchant_id, livemode) {
                (Some(merchant_id), Some(livemode)) => Ok(Self { merchant_id, livemode }),
                (None, _) => Err(missing("/merchant_id")),
                (Some(_), None) => Err(missing("/livemode")),
            },
        }
    }

    /// Where a payment is, as far as the caller may know: a merchant sees its own world only, and what is not in it
    /// does not exist. `None`: nowhere.
    pub(crate) async fn of_payment(api: &Api, call: &Call, id: PaymentId) -> Result<Option<Self>, Problem> {
        let (merchant_id, livemode) = match call.caller {
            Caller::Merchant { merchant_id, livemode, .. } => (merchant_id, livemode),
            Caller::Operator { .. } => {
                let (payment, _version) = api.gate.store.read::<Payment>(&stream(id)).await?;
                let Some(agreed) = payment.agreement() else { return Ok(None) };
                (agreed.merchant_id, agreed.livemode)
            }
        };
        Ok(Some(Self { merchant_id, livemode }))
    }

    /// Where a payment is, and its number here, by any number it has. Old numbers are each merchant's own.
    pub(crate) async fn of_payment_named(
        api: &Api,
        call: &Call,
        text: &str,
    ) -> Result<Option<(PaymentId, Self)>, Problem> {
        let whose = match call.caller {
            Caller::Merchant { merchant_id, livemode, .. } => Some((merchant_id, livemode)),
            Caller::Operator { .. } => None,
        };
        match gate::payment_named(&api.gate.store, whose, text).await? {
            Some(id) => Ok(Self::of_payment(api, call, id).await?.map(|world| (id, world))),
            None => Ok(None),
        }
    }

    pub(crate) const fn tenant(self) -> Tenant {
        Tenant { merchant_id: Some(self.merchant_id.uuid()), livemode: Some(self.livemode) }
    }

    pub(crate) fn has_settlement(self, settlement: &Settlement) -> bool {
        settlement
            .agreement()
            .is_some_and(|opened| opened.merchant_id == self.merchant_id && opened.livemode == self.livemode)
    }

    pub(crate) fn has_payment(self, payment: &Payment) -> bool {
        payment
            .agreement()
            .is_some_and(|agreed| agreed.merchant_id == self.merchant_id && agreed.livemode == self.livemode)
    }
}

fn missing(pointer: &str) -> Problem {
    Problem::field(pointer, rules::FIELD_MISSING)
}

/// The name of a stream: its id.
pub(crate) fn stream(id: impl ToString) -> Arc<str> {
    id.to_string().into()
}

/// Goes on only at the version the caller names.
pub(crate) fn at_version<A: Aggregate>(
    books: &mut event_store::Books<'_>,
    id: &Arc<str>,
    demanded: Option<i64>,
) -> Result<(), event_store::Halt> {
    demanded.map_or(Ok(()), |demanded| books.demand_version::<A>(id, demanded))
}
