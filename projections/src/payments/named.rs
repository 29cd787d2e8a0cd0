//! One payment, by the number it has here or the one it had on the platform before.

use domain::id::PaymentId;
use gate::{Call, Caller, Problem, Reply};

use super::PAYMENTS;
use crate::query::{Reads, answer};

/// Old numbers are each merchant's own: of which one, a merchant's key says by itself, and a member of the house in the
/// query.
pub(crate) async fn show(reads: &Reads, call: &Call) -> Result<Reply, Problem> {
    let whose = match call.caller {
        Caller::Merchant { merchant_id, livemode, .. } => Some((merchant_id, livemode)),
        Caller::Operator { .. } => asked(call, "merchant_id").zip(asked(call, "livemode")),
    };
    let named = gate::payment_named(&reads.gate.store, whose, call.path("payment_no")).await?;
    answer::one(reads, call, &PAYMENTS, |_tenant| Ok(named.map(PaymentId::uuid))).await
}

/// What cannot be read is told of where the query is read whole.
fn asked<T: std::str::FromStr>(call: &Call, name: &str) -> Option<T> {
    call.query().find(|(known, _value)| *known == name).and_then(|(_name, value)| value.parse().ok())
}
