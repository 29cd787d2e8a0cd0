//! Opening balances: in the books against `suspense:migration`, each once.

use std::sync::Arc;

use domain::{
    account::{Account, Side},
    adjustment::{Adjustment, AdjustmentCommand, event::TakenOver},
    free_text::FreeText,
    id::{AdjustmentId, MerchantId},
    money::Money,
};
use event_store::Tenant;

use super::{
    plan::{Read, Takeover, tell},
    row::{Amiss, Row, amiss, shown},
    sums::Share,
    tables::Table,
};

pub(super) const TABLE: Table = Table {
    name: "balances",
    needed: &["id", "livemode", "account", "merchant", "currency", "exponent", "balance", "as_of"],
    may: &[],
    read,
};

fn read(takeover: &mut Takeover, row: &Row<'_>) -> Result<Read, Amiss> {
    let (livemode, currency) = (row.flag("livemode")?, row.currency()?);
    let (account, balance) = (account(takeover, row)?, row.money("balance", currency)?);
    let merchant = account.merchant().map(|_merchant| row.get("merchant").to_owned());
    let share = Share::of_balance(merchant, livemode, account, balance);
    // What is pending comes with the payments it is of, and is held against them here. Nothing is nothing.
    if matches!(account, Account::MerchantPending(_)) || balance.is_zero() {
        return Ok(Read::Compared(share));
    }
    let size =
        balance.amount_minor.checked_abs().ok_or_else(|| amiss("balance", "is beyond what the ledger can hold"))?;
    let (debit, credit) = match (account.normal_side(), balance.amount_minor.is_positive()) {
        (Side::Debit, true) | (Side::Credit, false) => (account, Account::SuspenseMigration),
        (Side::Credit, true) | (Side::Debit, false) => (Account::SuspenseMigration, account),
    };
    let source = takeover.source_of(TABLE.name, row.id("id")?);
    let adjustment_id = AdjustmentId::taken_over(&takeover.source, row.id("id")?);
    let reason = FreeText::about_an_identifier(&format!("taken over: {source}"))
        .map_err(|refusal| amiss("id", &refusal.to_string()))?;
    let opening = TakenOver {
        adjustment_id,
        livemode,
        debit,
        credit,
        amount: Money::new(size, currency),
        by: takeover.by,
        reason,
        effective_at: row.moment("as_of")?,
    };
    let (id, command): (Arc<str>, _) =
        (adjustment_id.to_string().into(), AdjustmentCommand::TakeOver(Box::new(opening)));
    let tenant = Tenant { merchant_id: None, livemode: Some(livemode) };
    let mut planned = takeover.plan(TABLE.name, row, tenant, move |books| {
        books.presume_new::<Adjustment>(&id);
        tell::<Adjustment>(books, &id, &command)
    })?;
    planned.share = Some(share);
    Ok(Read::Act(Box::new(planned)))
}

/// As the chart names it, with the merchant in a column of its own.
fn account(takeover: &Takeover, row: &Row<'_>) -> Result<Account, Amiss> {
    let name = row.get("account");
    let of_merchant: Option<fn(MerchantId) -> Account> = match name {
        "merchant:pending" => Some(Account::MerchantPending),
        "merchant:available" => Some(Account::MerchantAvailable),
        "merchant:reserved" => return Err(amiss("account", "is set aside for a payout: let it end there first")),
        _ => None,
    };
    if let Some(of_merchant) = of_merchant {
        return takeover.merchant(row).map(of_merchant);
    }
    let known = name.parse().ok().filter(|account: &Account| account.merchant().is_none());
    let known = known.filter(|account| *account != Account::SuspenseMigration);
    let unknown = || amiss("account", &format!("is `{}`, which is no account a balance may be of", shown(name)));
    let account = known.ok_or_else(unknown)?;
    if row.get("merchant").is_empty() { Ok(account) } else { Err(amiss("merchant", "has no part in this account")) }
}
