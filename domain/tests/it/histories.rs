//! Playing commands into a stream, and the books that follow from its events.

use std::collections::BTreeMap;

use domain::{
    account::{Account, Side},
    aggregate::Aggregate,
    currency::Currency,
    fact::Fact,
    posting::Posting,
};

/// The events that came of the commands, and the state they leave.
pub(crate) fn play<A: Aggregate>(commands: &[A::Command]) -> (A, Vec<A::Event>) {
    let (mut state, mut history) = (A::default(), Vec::new());
    for command in commands {
        for event in state.decide(command).unwrap_or_default() {
            state.apply(&event);
            history.push(event);
        }
    }
    (state, history)
}

/// Balances per account and currency: debits less credits.
#[derive(Default)]
pub(crate) struct Books(BTreeMap<(Account, Currency), i128>);

impl Books {
    pub(crate) fn enter(&mut self, posting: &Posting) {
        for line in posting.lines() {
            let amount = i128::from(line.money.amount_minor);
            let signed = if line.side == Side::Debit { amount } else { -amount };
            *self.0.entry((line.account, line.money.currency)).or_default() += signed;
        }
    }

    /// On the account's own side: what a merchant has pending is positive.
    pub(crate) fn balance(&self, account: Account, currency: Currency) -> i128 {
        let debits = self.0.get(&(account, currency)).copied().unwrap_or_default();
        if account.normal_side() == Side::Debit { debits } else { -debits }
    }

    pub(crate) fn balance_in_every_currency(&self) -> bool {
        let mut sums: BTreeMap<Currency, i128> = BTreeMap::new();
        for ((_, currency), amount) in &self.0 {
            *sums.entry(*currency).or_default() += amount;
        }
        sums.values().all(|sum| *sum == 0)
    }
}

/// Reads an event back as a follower would, by its stored form alone.
pub(crate) fn reread(aggregate_type: &str, json: &str) -> Fact {
    Fact::read(aggregate_type, &mut serde_json::Deserializer::from_str(json)).unwrap()
}
