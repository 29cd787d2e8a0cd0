//! Operators, their roles and tokens.

use domain::{
    id::TokenId,
    operator::{
        OperatorCommand,
        event::{Deed, Enrolled, Erasure, Role, TokenIssued},
        subject::Subject,
    },
    sealed::Sealed,
};

use super::*;

fn role() -> impl Strategy<Value = Role> {
    prop::sample::select(vec![Role::Operator, Role::Support, Role::Analyst, Role::Auditor])
}

pub(crate) fn history() -> impl Strategy<Value = Vec<OperatorCommand>> {
    let enrol = (prop::collection::btree_set(role(), 0..3), word()).prop_map(|(roles, ciphertext)| {
        let (name, email) = (Sealed::new(ciphertext.clone(), None), Sealed::new(ciphertext, None));
        let operator_id = OperatorId::new(Uuid::from_u128(1));
        OperatorCommand::Enrol(Box::new(Enrolled { operator_id, name, email, roles, by: None }))
    });
    let issue = (number(), word(), at(), operator()).prop_map(|(id, hash, expires_at, by)| {
        OperatorCommand::IssueToken(Box::new(TokenIssued { token_id: TokenId::new(id), hash, expires_at, by }))
    });
    let subject = prop_oneof![Just(Subject::Log), operator().prop_map(Subject::Operator)];
    let deed = (number(), text(), subject).prop_map(|(deed_id, deed, on)| {
        OperatorCommand::RecordDeed(Box::new(Deed { deed_id, deed, on, reason: None }))
    });
    let erasure = (number(), text()).prop_map(|(erasure_id, reason)| {
        let person = "7f".repeat(32).parse().expect("64 digits");
        OperatorCommand::ErasePerson(Box::new(Erasure { erasure_id, person, reason }))
    });
    let command = prop_oneof![
        3 => enrol,
        3 => (role(), operator()).prop_map(|(role, by)| OperatorCommand::GrantRole { role, by }),
        2 => (role(), operator()).prop_map(|(role, by)| OperatorCommand::WithdrawRole { role, by }),
        3 => issue,
        2 => (number(), operator()).prop_map(|(id, by)| OperatorCommand::RevokeToken { token_id: TokenId::new(id), by }),
        1 => (operator(), text()).prop_map(|(by, reason)| OperatorCommand::Dismiss { by, reason }),
        4 => deed,
        2 => erasure,
    ];
    prop::collection::vec(command, 0..20)
}
