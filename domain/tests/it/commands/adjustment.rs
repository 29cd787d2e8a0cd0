//! Adjustments by three people who may disagree.

use domain::{
    account::Account,
    adjustment::{
        AdjustmentCommand,
        event::{Proposed, TakenOver},
    },
    id::AdjustmentId,
    month::Month,
};

use super::*;

pub(crate) fn history() -> impl Strategy<Value = Vec<AdjustmentCommand>> {
    let account = || prop::sample::select(vec![Account::Bank, Account::Suspense, Account::FxPosition]);
    // The moments of these histories are in January, which is seldom closed.
    let closed = || prop::sample::select(vec![None, None, None, None, None, None, Some("2025-12"), Some("2026-01")]);
    let closed = move || closed().prop_map(|month| month.map(|month| month.parse::<Month>().unwrap()));
    let said = (operator(), text(), prop::option::weighted(0.1, at()));
    let proposal = (account(), account(), money(), said, closed()).prop_map(
        |(debit, credit, amount, (by, reason, effective_at), closed_through)| {
            let adjustment_id = AdjustmentId::new(Uuid::from_u128(1));
            let proposed = Proposed { adjustment_id, livemode: true, debit, credit, amount, by, reason, effective_at };
            AdjustmentCommand::Propose { proposal: Box::new(proposed), closed_through }
        },
    );
    let migrated = || prop::sample::select(vec![Account::Bank, Account::SuspenseMigration]);
    let opening = (migrated(), migrated(), money(), operator(), text(), at()).prop_map(
        |(debit, credit, amount, by, reason, effective_at)| {
            let adjustment_id = AdjustmentId::new(Uuid::from_u128(1));
            let opening = TakenOver { adjustment_id, livemode: true, debit, credit, amount, by, reason, effective_at };
            AdjustmentCommand::TakeOver(Box::new(opening))
        },
    );
    let decided = move || (operator(), at(), closed());
    let command = prop_oneof![
        4 => proposal,
        1 => opening,
        4 => decided().prop_map(|(by, effective_at, closed_through)| {
            AdjustmentCommand::Approve { by, effective_at, closed_through }
        }),
        2 => (operator(), text()).prop_map(|(by, reason)| AdjustmentCommand::Reject { by, reason }),
        4 => (operator(), text()).prop_map(|(by, reason)| AdjustmentCommand::ProposeReversal { by, reason }),
        4 => decided().prop_map(|(by, effective_at, closed_through)| {
            AdjustmentCommand::ApproveReversal { by, effective_at, closed_through }
        }),
        2 => (operator(), text()).prop_map(|(by, reason)| AdjustmentCommand::RejectReversal { by, reason }),
    ];
    prop::collection::vec(command, 0..16)
}
