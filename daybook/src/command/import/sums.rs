//! What came from there, in sums, held against what stands in the books here.

use std::collections::BTreeMap;

use domain::{
    account::{Account, Side},
    adjustment::{Adjustment, event::AdjustmentEvent},
    aggregate::Aggregate as _,
    currency::Currency,
    fact::Fact,
    id::MerchantId,
    payment::{Payment, event::PaymentEvent, taken_over::TakenOver},
    remittance::Remittance,
    settled_funds::SettledFunds,
};
use event_store::{Database, Recorded, Upcasters};

/// Events that are read at once.
const RUN: i64 = 40_000;

/// What one row adds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Share {
    /// A payment: what the merchant, by its old id, is owed for it and was not yet settled.
    Pending { merchant: String, livemode: bool, currency: Currency, minor: i64 },
    /// A balance: debits are positive.
    Balance { merchant: Option<String>, livemode: bool, currency: Currency, account: Account, signed_minor: i128 },
}

/// Of one merchant in one mode and currency; credits are positive, as of what is owed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Owed {
    /// By the payments of the source.
    pub(super) pending_minor: i128,
    /// By its balances, where it tells of that.
    pub(super) told_pending_minor: Option<i128>,
    pub(super) available_minor: i128,
}

pub(super) type Whose = (String, bool, Currency);

/// All of the source.
#[derive(Debug, Default)]
pub(super) struct Sums {
    pub(super) owed: BTreeMap<Whose, Owed>,
    /// Of all balances, also what is only compared: nothing, where the books there balanced.
    pub(super) trial: BTreeMap<(bool, Currency), i128>,
}

/// What stands here: of merchants and of the migration, debits positive.
#[derive(Debug, Default)]
pub(super) struct Here {
    balances: BTreeMap<(Account, bool, Currency), i128>,
    /// Of these, what came from this source.
    taken: BTreeMap<(Account, bool, Currency), i128>,
}

impl Share {
    pub(super) fn of_payment(merchant: &str, taken: &TakenOver) -> Self {
        let minor = if taken.is_settled { 0 } else { taken.net().amount_minor };
        Self::Pending {
            merchant: merchant.to_owned(),
            livemode: taken.livemode,
            currency: taken.amount.currency,
            minor,
        }
    }

    pub(super) fn of_balance(
        merchant: Option<String>,
        livemode: bool,
        account: Account,
        balance: domain::money::Money,
    ) -> Self {
        let minor = i128::from(balance.amount_minor);
        let signed_minor = if account.normal_side() == Side::Debit { minor } else { minor.saturating_neg() };
        Self::Balance { merchant, livemode, currency: balance.currency, account, signed_minor }
    }
}

impl Sums {
    pub(super) fn add(&mut self, share: Share) {
        match share {
            Share::Pending { merchant, livemode, currency, minor } => {
                let owed = self.owed.entry((merchant, livemode, currency)).or_default();
                owed.pending_minor = owed.pending_minor.saturating_add(minor.into());
            }
            Share::Balance { merchant, livemode, currency, account, signed_minor } => {
                let trial = self.trial.entry((livemode, currency)).or_default();
                *trial = trial.saturating_add(signed_minor);
                let Some(merchant) = merchant else { return };
                let (owed, credit) =
                    (self.owed.entry((merchant, livemode, currency)).or_default(), signed_minor.saturating_neg());
                if matches!(account, Account::MerchantPending(_)) {
                    owed.told_pending_minor = Some(owed.told_pending_minor.unwrap_or(0).saturating_add(credit));
                } else {
                    owed.available_minor = owed.available_minor.saturating_add(credit);
                }
            }
        }
    }

    /// What the payments bring less what the balances say they do: of this the migration keeps the other side.
    pub(super) fn pending_beyond(&self, livemode: bool, currency: Currency) -> i128 {
        let of = self.owed.iter().filter(|((_merchant, mode, of), _owed)| (*mode, *of) == (livemode, currency));
        of.map(|(_whose, owed)| owed.pending_minor.saturating_sub(owed.told_pending_minor.unwrap_or(0))).sum()
    }

    /// What is to be left on `suspense:migration` once all of it is here, debits positive.
    pub(super) fn left(&self, livemode: bool, currency: Currency) -> i128 {
        let trial = self.trial.get(&(livemode, currency)).copied().unwrap_or_default();
        self.pending_beyond(livemode, currency).saturating_sub(trial)
    }
}

impl Here {
    /// Reads the whole log once: read models may be behind, or not there.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) async fn read(database: &Database, source: &str, watch: impl Fn(i64, i64)) -> Result<Self, String> {
        let mut bulk = database.bulk().await.map_err(|failure| failure.to_string())?;
        let head = bulk.head().await.map_err(|failure| failure.to_string())?;
        let (mut here, mut after, upcasters) = (Self::default(), 0, Upcasters::default());
        while after < head {
            let upto = after.saturating_add(RUN).min(head);
            let run = bulk.run(after, upto).await.map_err(|failure| failure.to_string())?;
            for event in run.events().map_err(|failure| failure.to_string())? {
                here.take(&event, source, &upcasters)?;
            }
            after = upto;
            watch(after, head);
        }
        Ok(here)
    }

    fn take(&mut self, event: &Recorded, source: &str, upcasters: &Upcasters) -> Result<(), String> {
        let moves = [Payment::TYPE, Adjustment::TYPE, SettledFunds::TYPE, Remittance::TYPE];
        let Some(livemode) = event.livemode.filter(|_mode| moves.contains(&&*event.aggregate_type)) else {
            return Ok(());
        };
        let fact = upcasters.fact(event)?;
        let is_taken = is_from(&fact, source);
        for line in fact.posting().lines() {
            let is_looked_at = line.account.merchant().is_some() || line.account == Account::SuspenseMigration;
            if !is_looked_at {
                continue;
            }
            let minor = i128::from(line.money.amount_minor);
            let signed = if line.side == Side::Debit { minor } else { minor.saturating_neg() };
            let name = (line.account, livemode, line.money.currency);
            let balance = self.balances.entry(name).or_default();
            *balance = balance.saturating_add(signed);
            if is_taken {
                let taken = self.taken.entry(name).or_default();
                *taken = taken.saturating_add(signed);
            }
        }
        Ok(())
    }

    /// What a merchant is owed on an account: what came from this source, and what stands now.
    pub(super) fn owed(&self, account: Account, livemode: bool, currency: Currency) -> (i128, i128) {
        let of = |sums: &BTreeMap<_, i128>| sums.get(&(account, livemode, currency)).copied().unwrap_or_default();
        (of(&self.taken).saturating_neg(), of(&self.balances).saturating_neg())
    }

    /// What is left on `suspense:migration`, by mode and currency: debits positive.
    pub(super) fn migration(&self) -> BTreeMap<(bool, Currency), i128> {
        let of = self.balances.iter().filter(|((account, ..), _)| *account == Account::SuspenseMigration);
        of.map(|((_account, livemode, currency), minor)| ((*livemode, *currency), *minor)).collect()
    }
}

/// Whether it was taken over from this source.
fn is_from(fact: &Fact, source: &str) -> bool {
    let begins = |text: &str| text.strip_prefix(source).is_some_and(|rest| rest.starts_with('/'));
    match fact {
        Fact::Payment(PaymentEvent::TakenOver(taken)) => begins(&taken.source),
        Fact::Adjustment(AdjustmentEvent::TakenOver(opening)) => {
            opening.reason.as_str().strip_prefix("taken over: ").is_some_and(begins)
        }
        Fact::Payment(_) | Fact::Adjustment(_) | Fact::Merchant(_) | Fact::Order(_) | Fact::Refund(_) => false,
        Fact::Settlement(_) | Fact::SettledFunds(_) | Fact::Remittance(_) | Fact::Operator(_) => false,
        Fact::Saga(_) | Fact::RiskRules(_) | Fact::Periods(_) | Fact::OldName(_) => false,
    }
}

/// A merchant's two accounts.
pub(super) fn accounts(source: &str, merchant: &str) -> (Account, Account) {
    let id = MerchantId::taken_over(source, merchant);
    (Account::MerchantPending(id), Account::MerchantAvailable(id))
}
