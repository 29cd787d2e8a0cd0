//! Adjustments by three people who may disagree.

use domain::{
    account::Account,
    adjustment::{AdjustmentCommand, event::Proposed},
    id::AdjustmentId,
};

use super::*;

pub(crate) fn history() -> impl Strategy<Value = Vec<AdjustmentCommand>> {
    let account = || prop::sample::select(vec![Account::Bank, Account::Suspense, Account::FxPosition]);
    let proposal =
        (account(), account(), money(), operator(), text()).prop_map(|(debit, credit, amount, by, reason)| {
            let adjustment_id = AdjustmentId::new(Uuid::from_u128(1));
            AdjustmentCommand::Propose(Box::new(Proposed {
                adjustment_id,
                livemode: true,
                debit,
                credit,
                amount,
                by,
                reason,
            }))
        });
    let command = prop_oneof![
        2 => proposal,
        2 => (operator(), at()).prop_map(|(by, effective_at)| AdjustmentCommand::Approve { by, effective_at }),
        1 => (operator(), text()).prop_map(|(by, reason)| AdjustmentCommand::Reject { by, reason }),
        2 => (operator(), text()).prop_map(|(by, reason)| AdjustmentCommand::ProposeReversal { by, reason }),
        2 => (operator(), at()).prop_map(|(by, effective_at)| AdjustmentCommand::ApproveReversal { by, effective_at }),
        1 => (operator(), text()).prop_map(|(by, reason)| AdjustmentCommand::RejectReversal { by, reason }),
    ];
    prop::collection::vec(command, 0..16)
}
