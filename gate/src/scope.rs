//! What credentials may do: every route names one scope.

use std::collections::BTreeSet;

use domain::operator::event::Role;

use crate::caller::Caller;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Start, capture and cancel payments.
    TakePayments,
    Refund,
    PlaceOrders,
    /// Open and close a settlement.
    Settle,
    /// Approve a settlement and have it paid out.
    PayOut,
    DecideReviews,
    /// Remittances and adjustments.
    KeepBooks,
    /// Register merchants, agree terms, issue keys.
    KeepMerchants,
    /// Publish rules of risk, block and allow.
    KeepRisk,
    /// Ask a channel to do something on its own.
    WorkChannels,
    /// Payments, refunds and orders.
    ReadPayments,
    ReadSettlements,
    ReadMerchants,
    ReadAnalytics,
    /// Accounts, statements, the journal.
    ReadLedger,
    /// What the processes remember.
    ReadSagas,
    /// The books of all merchants, whole.
    ExportBooks,
    /// Events as they stand in the log, with the proof that they do; checkpoints.
    ReadProofs,
}

impl Scope {
    pub const ALL: &'static [Self] = &[
        Self::TakePayments,
        Self::Refund,
        Self::PlaceOrders,
        Self::Settle,
        Self::PayOut,
        Self::DecideReviews,
        Self::KeepBooks,
        Self::KeepMerchants,
        Self::KeepRisk,
        Self::WorkChannels,
        Self::ReadPayments,
        Self::ReadSettlements,
        Self::ReadMerchants,
        Self::ReadAnalytics,
        Self::ReadLedger,
        Self::ReadSagas,
        Self::ExportBooks,
        Self::ReadProofs,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::TakePayments => "payments:write",
            Self::Refund => "refunds:write",
            Self::PlaceOrders => "orders:write",
            Self::Settle => "settlements:write",
            Self::PayOut => "payouts:write",
            Self::DecideReviews => "reviews:write",
            Self::KeepBooks => "books:write",
            Self::KeepMerchants => "merchants:write",
            Self::KeepRisk => "risk:write",
            Self::WorkChannels => "channels:write",
            Self::ReadPayments => "payments:read",
            Self::ReadSettlements => "settlements:read",
            Self::ReadMerchants => "merchants:read",
            Self::ReadAnalytics => "analytics:read",
            Self::ReadLedger => "ledger:read",
            Self::ReadSagas => "sagas:read",
            Self::ExportBooks => "books:read",
            Self::ReadProofs => "proofs:read",
        }
    }

    /// What a merchant's API key may do.
    const fn is_a_merchants(self) -> bool {
        match self {
            Self::TakePayments | Self::Refund | Self::PlaceOrders | Self::Settle => true,
            Self::ReadPayments | Self::ReadSettlements | Self::ReadMerchants | Self::ReadAnalytics => true,
            // Its own accounts, its own events.
            Self::ReadLedger | Self::ReadProofs => true,
            Self::PayOut | Self::DecideReviews | Self::KeepBooks | Self::KeepMerchants | Self::WorkChannels => false,
            Self::KeepRisk => false,
            Self::ReadSagas | Self::ExportBooks => false,
        }
    }

    /// What a role may do.
    pub const fn is_of(self, role: Role) -> bool {
        match role {
            Role::Operator => true,
            // Whoever answers customers decides on what waits for a person; money is moved by others.
            Role::Support => match self {
                Self::DecideReviews => true,
                Self::ReadPayments | Self::ReadSettlements | Self::ReadMerchants | Self::ReadSagas => true,
                Self::TakePayments | Self::Refund | Self::PlaceOrders | Self::Settle | Self::PayOut => false,
                Self::KeepBooks | Self::KeepMerchants | Self::KeepRisk | Self::WorkChannels => false,
                Self::ReadAnalytics | Self::ReadLedger | Self::ExportBooks | Self::ReadProofs => false,
            },
            Role::Analyst => {
                self.is_for_reading() && !matches!(self, Self::ReadSagas | Self::ExportBooks | Self::ReadProofs)
            }
            Role::Auditor => self.is_for_reading(),
        }
    }

    /// Whether it changes nothing.
    pub const fn is_for_reading(self) -> bool {
        match self {
            Self::ReadPayments | Self::ReadSettlements | Self::ReadMerchants => true,
            Self::ReadAnalytics | Self::ReadLedger | Self::ReadSagas => true,
            Self::ExportBooks | Self::ReadProofs => true,
            Self::TakePayments | Self::Refund | Self::PlaceOrders | Self::Settle | Self::PayOut => false,
            Self::DecideReviews | Self::KeepBooks | Self::KeepMerchants | Self::KeepRisk => false,
            Self::WorkChannels => false,
        }
    }

    pub(crate) fn is_granted_to(self, caller: &Caller) -> bool {
        let roles: &BTreeSet<Role> = match caller {
            Caller::Merchant { .. } => return self.is_a_merchants(),
            Caller::Operator { roles, .. } => roles,
        };
        roles.iter().any(|role| self.is_of(*role))
    }
}
