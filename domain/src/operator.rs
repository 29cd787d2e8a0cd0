//! An operator: a person who runs the ledger, their roles and tokens, and what they did.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    aggregate::Aggregate,
    free_text::FreeText,
    id::{OperatorId, TokenId},
    refusal::refusals,
};

pub mod event;
pub mod subject;
use event::{Deed, Enrolled, Erasure, OperatorEvent, Role, TokenIssued};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Operator {
    enrolled: Option<Enrolled>,
    dismissed: bool,
    roles: BTreeSet<Role>,
    tokens: BTreeMap<TokenId, Token>,
    /// Every deed and erasure recorded, so that telling of one twice, however late, is telling of it once.
    deeds: BTreeSet<Uuid>,
}

/// A bearer token as it may be kept: its keyed hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    pub hash: String,
    pub expires_at: DateTime<Utc>,
    pub revoked: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub enum OperatorCommand {
    Enrol(Box<Enrolled>),
    GrantRole { role: Role, by: OperatorId },
    WithdrawRole { role: Role, by: OperatorId },
    IssueToken(Box<TokenIssued>),
    RevokeToken { token_id: TokenId, by: OperatorId },
    Dismiss { by: OperatorId, reason: FreeText },
    RecordDeed(Box<Deed>),
    ErasePerson(Box<Erasure>),
}

refusals! {
    /// Why an operator's stream says no, in the order the rules are tried.
    pub enum OperatorRefusal {
        OperatorAbsent = "operator_absent", 404, "There is no such operator.", "该操作员不存在。";
        OperatorDiffers = "operator_differs", 409,
            "This operator was already enrolled otherwise.", "该操作员已以不同内容登记。";
        OperatorDismissed = "operator_dismissed", 409, "The operator was dismissed.", "该操作员已离任。";
        RolesMissing = "roles_missing", 422, "An operator needs at least one role.", "操作员至少需要一个角色。";
        OwnRole = "own_role", 403, "Nobody grants a role to themselves.", "不能给自己授予角色。";
        LastRole = "last_role", 409, "This is the operator's last role; dismiss them instead.", "这是该操作员的最后一个角色，请改为离任。";
        TokenDiffers = "token_differs", 409, "This token was already issued otherwise.", "该令牌已以不同内容签发。";
        TokenUnknown = "token_unknown", 404, "The operator has no such token.", "该操作员没有这个令牌。";
    }
}

type Decision = Result<Vec<OperatorEvent>, OperatorRefusal>;

impl Aggregate for Operator {
    const TYPE: &'static str = "operator";
    const STATE_VERSION: i32 = 2;
    type Command = OperatorCommand;
    type Event = OperatorEvent;
    type Refusal = OperatorRefusal;

    fn decide(&self, command: &OperatorCommand) -> Decision {
        match command {
            OperatorCommand::Enrol(enrolment) => self.enrol(enrolment),
            OperatorCommand::GrantRole { role, by } => self.grant_role(*role, *by),
            OperatorCommand::WithdrawRole { role, by } => self.withdraw_role(*role, *by),
            OperatorCommand::IssueToken(issue) => self.issue_token(issue),
            OperatorCommand::RevokeToken { token_id, by } => self.revoke_token(*token_id, *by),
            OperatorCommand::Dismiss { by, reason } => self.dismiss(*by, reason),
            OperatorCommand::RecordDeed(deed) => self.record_deed(deed),
            OperatorCommand::ErasePerson(erasure) => self.erase_person(erasure),
        }
    }

    fn apply(&mut self, event: &OperatorEvent) {
        match event {
            OperatorEvent::Enrolled(enrolled) => {
                self.roles.clone_from(&enrolled.roles);
                self.enrolled = Some(enrolled.as_ref().clone());
            }
            OperatorEvent::RoleGranted { role, .. } => {
                self.roles.insert(*role);
            }
            OperatorEvent::RoleWithdrawn { role, .. } => {
                self.roles.remove(role);
            }
            OperatorEvent::TokenIssued(issued) => {
                let token = Token { hash: issued.hash.clone(), expires_at: issued.expires_at, revoked: false };
                self.tokens.insert(issued.token_id, token);
            }
            OperatorEvent::TokenRevoked { token_id, .. } => {
                if let Some(token) = self.tokens.get_mut(token_id) {
                    token.revoked = true;
                }
            }
            OperatorEvent::Dismissed { .. } => {
                self.dismissed = true;
                self.tokens.values_mut().for_each(|token| token.revoked = true);
            }
            OperatorEvent::Acted(deed) => {
                self.deeds.insert(deed.deed_id);
            }
            OperatorEvent::PersonErased(erasure) => {
                self.deeds.insert(erasure.erasure_id);
            }
        }
    }
}

impl Operator {
    fn enrol(&self, enrolment: &Enrolled) -> Decision {
        match &self.enrolled {
            // Sealing the same address twice gives two ciphertexts: who it is decides, not how it is sealed.
            Some(enrolled) if enrolled.operator_id == enrolment.operator_id && enrolled.roles == enrolment.roles => {
                return Ok(Vec::new());
            }
            Some(_) => return Err(OperatorRefusal::OperatorDiffers),
            None => {}
        }
        if enrolment.roles.is_empty() {
            return Err(OperatorRefusal::RolesMissing);
        }
        Ok(vec![OperatorEvent::Enrolled(Box::new(enrolment.clone()))])
    }

    fn grant_role(&self, role: Role, by: OperatorId) -> Decision {
        let enrolled = self.serving()?;
        if self.roles.contains(&role) {
            return Ok(Vec::new());
        }
        if by == enrolled.operator_id {
            return Err(OperatorRefusal::OwnRole);
        }
        Ok(vec![OperatorEvent::RoleGranted { role, by }])
    }

    fn withdraw_role(&self, role: Role, by: OperatorId) -> Decision {
        self.serving()?;
        if !self.roles.contains(&role) {
            return Ok(Vec::new());
        }
        if self.roles.len() == 1 {
            return Err(OperatorRefusal::LastRole);
        }
        Ok(vec![OperatorEvent::RoleWithdrawn { role, by }])
    }

    fn issue_token(&self, issue: &TokenIssued) -> Decision {
        self.serving()?;
        match self.tokens.get(&issue.token_id) {
            Some(token) if token.hash == issue.hash => Ok(Vec::new()),
            Some(_) => Err(OperatorRefusal::TokenDiffers),
            None => Ok(vec![OperatorEvent::TokenIssued(Box::new(issue.clone()))]),
        }
    }

    fn revoke_token(&self, token_id: TokenId, by: OperatorId) -> Decision {
        self.enrolled()?;
        let token = self.tokens.get(&token_id).ok_or(OperatorRefusal::TokenUnknown)?;
        if token.revoked {
            return Ok(Vec::new());
        }
        Ok(vec![OperatorEvent::TokenRevoked { token_id, by }])
    }

    fn dismiss(&self, by: OperatorId, reason: &FreeText) -> Decision {
        self.enrolled()?;
        if self.dismissed {
            return Ok(Vec::new());
        }
        Ok(vec![OperatorEvent::Dismissed { by, reason: reason.clone() }])
    }

    fn record_deed(&self, deed: &Deed) -> Decision {
        self.enrolled()?;
        if self.deeds.contains(&deed.deed_id) {
            return Ok(Vec::new());
        }
        if self.dismissed {
            return Err(OperatorRefusal::OperatorDismissed);
        }
        Ok(vec![OperatorEvent::Acted(Box::new(deed.clone()))])
    }

    fn erase_person(&self, erasure: &Erasure) -> Decision {
        self.enrolled()?;
        if self.deeds.contains(&erasure.erasure_id) {
            return Ok(Vec::new());
        }
        if self.dismissed {
            return Err(OperatorRefusal::OperatorDismissed);
        }
        Ok(vec![OperatorEvent::PersonErased(Box::new(erasure.clone()))])
    }

    fn enrolled(&self) -> Result<&Enrolled, OperatorRefusal> {
        self.enrolled.as_ref().ok_or(OperatorRefusal::OperatorAbsent)
    }

    fn serving(&self) -> Result<&Enrolled, OperatorRefusal> {
        let enrolled = self.enrolled()?;
        if self.dismissed { Err(OperatorRefusal::OperatorDismissed) } else { Ok(enrolled) }
    }

    /// Whether they act in this role today.
    #[must_use]
    pub fn has_role(&self, role: Role) -> bool {
        !self.dismissed && self.roles.contains(&role)
    }

    /// A token that opens the door at this moment.
    #[must_use]
    pub fn valid_token(&self, token_id: TokenId, now: DateTime<Utc>) -> Option<&Token> {
        self.tokens.get(&token_id).filter(|token| !token.revoked && now < token.expires_at)
    }
}

#[cfg(test)]
mod tests;
