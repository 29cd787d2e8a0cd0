//! Who did it: a merchant, an operator by name, or a process of the ledger itself.

use serde::{Deserialize, Serialize};

use crate::id::{MerchantId, OperatorId};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    Merchant(MerchantId),
    Operator(OperatorId),
    Process,
}
