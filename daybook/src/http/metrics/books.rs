//! What the last look in passing found of books and tree, as metrics.

use meters::{Kind, Page};

use crate::sentry::Seen;

/// What could not be looked at has no series: an old answer is none.
pub(super) fn write(seen: &Seen, page: &mut Page) {
    let books = seen.books.as_ref();
    let signed = seen.tree.as_ref().and_then(|tree| tree.signed);
    gauge(
        page,
        ("ledger_trial_balance_is_zero", "1 where every currency sums to zero over all accounts, else 0"),
        books.map(|books| u8::from(books.unbalanced.is_empty())),
    );
    gauge(
        page,
        ("ledger_sampled_accounts_unlike", "Accounts of those drawn last whose lines do not come to their balance"),
        books.map(|books| books.unlike.len()),
    );
    gauge(
        page,
        ("audit_tree_size", "Events in the Merkle tree over the log"),
        seen.tree.as_ref().map(|tree| tree.size),
    );
    gauge(
        page,
        ("audit_checkpoint_size", "Events the newest signed checkpoint speaks of"),
        signed.map(|signed| signed.size),
    );
    gauge(
        page,
        ("audit_checkpoint_is_of_the_tree", "1 where the stored tree has the root that was signed, else 0"),
        signed.map(|signed| u8::from(signed.is_of_the_tree)),
    );
    gauge(
        page,
        ("audit_checkpoint_age_seconds", "Age of the newest signed checkpoint; 0 while it speaks of the whole tree"),
        signed.map(|signed| signed.age_seconds),
    );
}

fn gauge(page: &mut Page, (name, help): (&'static str, &str), value: Option<impl std::fmt::Display>) {
    let mut family = page.family(name, Kind::Gauge, help);
    if let Some(value) = value {
        family.series(&[], value);
    }
}
