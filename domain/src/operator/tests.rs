//! Operators: enrolled by another, roles and tokens given and taken, acts remembered.

use uuid::Uuid;

use super::*;
use crate::{operator::subject::Subject, scenario::Story, sealed::Sealed};

type Told = Story<Operator>;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_225_600 + seconds, 0).unwrap()
}

fn person(number: u128) -> OperatorId {
    OperatorId::new(Uuid::from_u128(number))
}

fn text(text: &str) -> FreeText {
    FreeText::parse(text).unwrap()
}

fn enrolment(roles: &[Role], ciphertext: &str) -> Enrolled {
    Enrolled {
        operator_id: person(1),
        name: Sealed::new(ciphertext.to_owned(), None),
        email: Sealed::new(ciphertext.to_owned(), Some("index".into())),
        roles: roles.iter().copied().collect(),
        by: None,
    }
}

fn enrol() -> OperatorCommand {
    OperatorCommand::Enrol(Box::new(enrolment(&[Role::Operator], "c1")))
}

fn grant(role: Role, by: u128) -> OperatorCommand {
    OperatorCommand::GrantRole { role, by: person(by) }
}

fn withdraw(role: Role) -> OperatorCommand {
    OperatorCommand::WithdrawRole { role, by: person(2) }
}

fn token_no(number: u128) -> TokenId {
    TokenId::new(Uuid::from_u128(number))
}

fn issue(number: u128, hash: &str) -> OperatorCommand {
    let (token_id, hash, by) = (token_no(number), hash.to_owned(), person(2));
    OperatorCommand::IssueToken(Box::new(TokenIssued { token_id, hash, expires_at: at(60), by }))
}

fn revoke(number: u128) -> OperatorCommand {
    OperatorCommand::RevokeToken { token_id: token_no(number), by: person(2) }
}

fn dismiss() -> OperatorCommand {
    OperatorCommand::Dismiss { by: person(2), reason: text("left") }
}

fn deed(number: u128) -> OperatorCommand {
    let deed_id = Uuid::from_u128(number);
    OperatorCommand::RecordDeed(Box::new(Deed { deed_id, deed: text("export"), on: Subject::Log, reason: None }))
}

fn erase(number: u128) -> OperatorCommand {
    let (erasure_id, person) = (Uuid::from_u128(number), "7f".repeat(32).parse().unwrap());
    OperatorCommand::ErasePerson(Box::new(Erasure { erasure_id, person, reason: text("asked to be forgotten") }))
}

fn enrolled() -> Told {
    Story::untold().given(&enrol())
}

#[test]
fn an_operator_is_enrolled_once_with_a_role() {
    let resealed = OperatorCommand::Enrol(Box::new(enrolment(&[Role::Operator], "c2")));
    enrolled().when(&resealed).then_nothing();
    let otherwise = OperatorCommand::Enrol(Box::new(enrolment(&[Role::Auditor], "c1")));
    enrolled().when(&otherwise).then_refused(OperatorRefusal::OperatorDiffers);
    let other = Enrolled { operator_id: person(9), ..enrolment(&[Role::Operator], "c1") };
    enrolled().when(&OperatorCommand::Enrol(Box::new(other))).then_refused(OperatorRefusal::OperatorDiffers);
    let idle = OperatorCommand::Enrol(Box::new(enrolment(&[], "c1")));
    Told::untold().when(&idle).then_refused(OperatorRefusal::RolesMissing);
}

#[test]
fn roles_are_granted_by_others_and_never_run_out() {
    enrolled().when(&grant(Role::Auditor, 1)).then_refused(OperatorRefusal::OwnRole);
    let both = enrolled().when(&grant(Role::Auditor, 2)).then(&["role_granted"]);
    assert!(both.state.has_role(Role::Auditor) && both.state.has_role(Role::Operator));
    let one = both.when(&withdraw(Role::Operator)).then(&["role_withdrawn"]);
    assert!(!one.state.has_role(Role::Operator));
    one.clone().when(&withdraw(Role::Support)).then_nothing();
    one.when(&withdraw(Role::Auditor)).then_refused(OperatorRefusal::LastRole);
}

#[test]
fn a_token_opens_the_door_until_it_expires_or_is_revoked() {
    let told = enrolled().when(&issue(1, "h1")).then(&["token_issued"]);
    let valid = |told: &Told, seconds| told.state.valid_token(token_no(1), at(seconds)).is_some();
    assert!(valid(&told, 59) && !valid(&told, 60));
    told.clone().when(&issue(1, "h2")).then_refused(OperatorRefusal::TokenDiffers);
    let revoked = told.when(&revoke(1)).then(&["token_revoked"]);
    assert!(!valid(&revoked, 0));
    revoked.when(&revoke(2)).then_refused(OperatorRefusal::TokenUnknown);
}

#[test]
fn who_is_dismissed_is_out_at_once() {
    let told = enrolled().given(&issue(1, "h1")).given(&deed(1)).when(&dismiss()).then(&["dismissed"]);
    assert!(told.state.valid_token(token_no(1), at(0)).is_none());
    assert!(!told.state.has_role(Role::Operator));
    for command in [grant(Role::Support, 2), withdraw(Role::Operator), issue(2, "h2"), deed(2)] {
        told.clone().when(&command).then_refused(OperatorRefusal::OperatorDismissed);
    }
    told.clone().when(&revoke(1)).then_nothing();
    told.when(&deed(1)).then_nothing();
}

#[test]
fn an_act_is_remembered_once() {
    let told = enrolled().when(&deed(1)).then(&["acted"]);
    told.clone().when(&deed(1)).then_nothing();
    let both = told.when(&deed(2)).then(&["acted"]);
    both.when(&deed(1)).then_nothing();
}

#[test]
fn a_person_is_erased_as_often_as_it_is_asked_for_and_once_for_each() {
    let told = enrolled().when(&erase(1)).then(&["person_erased"]);
    told.clone().when(&erase(1)).then_nothing();
    let twice = told.when(&erase(2)).then(&["person_erased"]);
    let dismissed = twice.given(&dismiss());
    dismissed.clone().when(&erase(1)).then_nothing();
    dismissed.when(&erase(3)).then_refused(OperatorRefusal::OperatorDismissed);
}

#[test]
fn without_an_operator_everything_but_enrolling_is_refused() {
    let commands =
        [grant(Role::Support, 2), withdraw(Role::Support), issue(1, "h"), revoke(1), dismiss(), deed(1), erase(1)];
    for command in commands {
        Told::untold().when(&command).then_refused(OperatorRefusal::OperatorAbsent);
    }
    assert!(!Operator::default().has_role(Role::Operator));
}
