//! The chart of accounts, kept per mode and currency: one typed list, one text form.

use std::{fmt, str::FromStr};

use crate::{channel::Channel, id::MerchantId, refusal::refusals, text::stored_as_text};

/// An account of the chart. Its mode and currency come with the entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Account {
    /// What a channel has taken for us and not yet remitted.
    ChannelReceivable(Channel),
    /// What a channel keeps for its work.
    ChannelFees(Channel),
    Bank,
    /// Captured for a merchant, not yet settled.
    MerchantPending(MerchantId),
    /// Settled and free to be paid out; negative where refunds came after the settlement.
    MerchantAvailable(MerchantId),
    /// Set aside for a payout on its way.
    MerchantReserved(MerchantId),
    FeesRevenue,
    /// In dispute between merchant and customer.
    DisputeHolding,
    FxPosition,
    /// Money that is here and not yet known to be whose: what nobody expected, until it is returned.
    Suspense,
    /// What the other side of everything is that was taken over from the platform before: nothing, once all of it is here.
    SuspenseMigration,
}

/// What an account is, which says on which side it grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Asset,
    Expense,
    Liability,
    Revenue,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    Debit,
    Credit,
}

refusals! {
    /// Why a text names no account.
    pub enum AccountRefusal {
        AccountUnknown = "account_unknown", 422, "There is no such account in the chart.", "会计科目表中没有该科目。";
    }
}

impl Account {
    #[must_use]
    pub const fn kind(self) -> Kind {
        match self {
            Self::ChannelReceivable(_) | Self::Bank | Self::FxPosition => Kind::Asset,
            Self::ChannelFees(_) => Kind::Expense,
            Self::MerchantPending(_) | Self::MerchantAvailable(_) | Self::MerchantReserved(_) => Kind::Liability,
            Self::DisputeHolding | Self::Suspense | Self::SuspenseMigration => Kind::Liability,
            Self::FeesRevenue => Kind::Revenue,
        }
    }

    /// The side on which the account grows.
    #[must_use]
    pub const fn normal_side(self) -> Side {
        match self.kind() {
            Kind::Asset | Kind::Expense => Side::Debit,
            Kind::Liability | Kind::Revenue => Side::Credit,
        }
    }

    /// The merchant whose money this is.
    #[must_use]
    pub const fn merchant(self) -> Option<MerchantId> {
        match self {
            Self::MerchantPending(id) | Self::MerchantAvailable(id) | Self::MerchantReserved(id) => Some(id),
            Self::ChannelReceivable(_) | Self::ChannelFees(_) | Self::Bank | Self::FeesRevenue => None,
            Self::DisputeHolding | Self::FxPosition | Self::Suspense | Self::SuspenseMigration => None,
        }
    }
}

impl Side {
    #[must_use]
    pub const fn opposite(self) -> Self {
        match self {
            Self::Debit => Self::Credit,
            Self::Credit => Self::Debit,
        }
    }

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Debit => "debit",
            Self::Credit => "credit",
        }
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ChannelReceivable(channel) => write!(f, "channel:{channel}:receivable"),
            Self::ChannelFees(channel) => write!(f, "channel:{channel}:fees"),
            Self::Bank => f.write_str("bank"),
            Self::MerchantPending(merchant) => write!(f, "merchant:{merchant}:pending"),
            Self::MerchantAvailable(merchant) => write!(f, "merchant:{merchant}:available"),
            Self::MerchantReserved(merchant) => write!(f, "merchant:{merchant}:reserved"),
            Self::FeesRevenue => f.write_str("fees:revenue"),
            Self::DisputeHolding => f.write_str("dispute:holding"),
            Self::FxPosition => f.write_str("fx:position"),
            Self::Suspense => f.write_str("suspense"),
            Self::SuspenseMigration => f.write_str("suspense:migration"),
        }
    }
}

impl FromStr for Account {
    type Err = AccountRefusal;

    fn from_str(text: &str) -> Result<Self, AccountRefusal> {
        let parts: Vec<&str> = text.split(':').collect();
        let found = match parts.as_slice() {
            ["channel", channel, "receivable"] => channel.parse().ok().map(Self::ChannelReceivable),
            ["channel", channel, "fees"] => channel.parse().ok().map(Self::ChannelFees),
            ["bank"] => Some(Self::Bank),
            ["merchant", merchant, "pending"] => merchant.parse().ok().map(Self::MerchantPending),
            ["merchant", merchant, "available"] => merchant.parse().ok().map(Self::MerchantAvailable),
            ["merchant", merchant, "reserved"] => merchant.parse().ok().map(Self::MerchantReserved),
            ["fees", "revenue"] => Some(Self::FeesRevenue),
            ["dispute", "holding"] => Some(Self::DisputeHolding),
            ["fx", "position"] => Some(Self::FxPosition),
            ["suspense"] => Some(Self::Suspense),
            ["suspense", "migration"] => Some(Self::SuspenseMigration),
            _ => None,
        };
        found.ok_or(AccountRefusal::AccountUnknown)
    }
}

stored_as_text!(Account);

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn chart() -> Vec<Account> {
        let merchant = MerchantId::new(Uuid::from_u128(7));
        let mut chart = vec![
            Account::MerchantPending(merchant),
            Account::MerchantAvailable(merchant),
            Account::MerchantReserved(merchant),
        ];
        for channel in Channel::ALL {
            chart.extend([Account::ChannelReceivable(*channel), Account::ChannelFees(*channel)]);
        }
        chart.extend([Account::Bank, Account::FeesRevenue, Account::DisputeHolding]);
        chart.extend([Account::FxPosition, Account::Suspense, Account::SuspenseMigration]);
        chart
    }

    #[test]
    fn every_account_reads_back_from_its_text() {
        for account in chart() {
            assert_eq!(account.to_string().parse(), Ok(account));
            let json = serde_json::to_string(&account).unwrap();
            assert_eq!(serde_json::from_str::<Account>(&json).unwrap(), account);
        }
        for text in ["", "bank:", "channel:nope:fees", "channel:stripe", "merchant:1:pending", "Bank", "fees"] {
            assert_eq!(text.parse::<Account>(), Err(AccountRefusal::AccountUnknown), "{text}");
        }
    }

    #[test]
    fn assets_and_expenses_grow_by_debit_and_all_else_by_credit() {
        for account in chart() {
            let text = account.to_string();
            let debit = text == "bank" || text == "fx:position" || text.starts_with("channel:");
            assert_eq!(account.normal_side() == Side::Debit, debit, "{text}");
            assert_eq!(account.merchant().is_some(), text.starts_with("merchant:"), "{text}");
        }
        assert_eq!(Account::ChannelFees(Channel::Stripe).kind(), Kind::Expense);
        assert_eq!(Account::FeesRevenue.kind(), Kind::Revenue);
        assert_eq!((Side::Debit.opposite(), Side::Credit.opposite()), (Side::Credit, Side::Debit));
        assert_eq!((Side::Debit.name(), Side::Credit.name()), ("debit", "credit"));
    }
}
