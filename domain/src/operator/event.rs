//! What is stored of an operator, for ever.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    aggregate::events_named,
    blind_index::BlindIndex,
    free_text::FreeText,
    id::{OperatorId, TokenId},
    operator::subject::Subject,
    posting::Posting,
    sealed::{Email, PersonName, Sealed},
};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperatorEvent {
    Enrolled(Box<Enrolled>),
    RoleGranted { role: Role, by: OperatorId },
    RoleWithdrawn { role: Role, by: OperatorId },
    TokenIssued(Box<TokenIssued>),
    TokenRevoked { token_id: TokenId, by: OperatorId },
    Dismissed { by: OperatorId, reason: FreeText },
    Acted(Box<Deed>),
    PersonErased(Box<Erasure>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Operator,
    Support,
    Analyst,
    Auditor,
}

impl Role {
    pub const ALL: &'static [Self] = &[Self::Operator, Self::Support, Self::Analyst, Self::Auditor];
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Enrolled {
    pub operator_id: OperatorId,
    pub name: Sealed<PersonName>,
    pub email: Sealed<Email>,
    pub roles: BTreeSet<Role>,
    /// Nobody, for the first one.
    pub by: Option<OperatorId>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TokenIssued {
    pub token_id: TokenId,
    pub hash: String,
    pub expires_at: DateTime<Utc>,
    pub by: OperatorId,
}

/// Something an operator did that no other stream tells of: a look at sealed data, a rebuild, an export.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deed {
    pub deed_id: Uuid,
    pub deed: FreeText,
    pub on: Subject,
    pub reason: Option<FreeText>,
}

/// The order to forget a person: every key of their sealed values is destroyed wherever this event is followed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Erasure {
    pub erasure_id: Uuid,
    pub person: BlindIndex,
    pub reason: FreeText,
}

events_named!(OperatorEvent {
    Enrolled = "enrolled", "1.0";
    RoleGranted = "role_granted", "1.0";
    RoleWithdrawn = "role_withdrawn", "1.0";
    TokenIssued = "token_issued", "1.0";
    TokenRevoked = "token_revoked", "1.0";
    Dismissed = "dismissed", "1.0";
    Acted = "acted", "1.0";
    PersonErased = "person_erased", "1.0";
});

impl OperatorEvent {
    #[must_use]
    pub const fn posting(&self) -> Posting {
        match self {
            Self::Enrolled(_) | Self::RoleGranted { .. } | Self::RoleWithdrawn { .. } => Posting::none(),
            Self::TokenIssued(_) | Self::TokenRevoked { .. } => Posting::none(),
            Self::Dismissed { .. } | Self::Acted(_) | Self::PersonErased(_) => Posting::none(),
        }
    }
}
