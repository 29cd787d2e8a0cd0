//! What the last look in passing found of books and tree, as metrics.

use prometheus::{Gauge, IntGauge, Registry, proto::MetricFamily};

use crate::sentry::Seen;

pub(super) fn gather(seen: &Seen) -> prometheus::Result<Vec<MetricFamily>> {
    let registry = Registry::new();
    let gauge = |name: &str, help: &str, value: i64| -> prometheus::Result<()> {
        let gauge = IntGauge::new(name, help)?;
        gauge.set(value);
        registry.register(Box::new(gauge))
    };
    if let Some(books) = &seen.books {
        let is_zero = i64::from(books.unbalanced.is_empty());
        gauge(
            "ledger_trial_balance_is_zero",
            "1 where every currency sums to zero over all accounts, else 0",
            is_zero,
        )?;
        let unlike = i64::try_from(books.unlike.len()).unwrap_or(i64::MAX);
        gauge(
            "ledger_sampled_accounts_unlike",
            "Accounts of those drawn last whose lines do not come to their balance",
            unlike,
        )?;
    }
    if let Some(tree) = &seen.tree {
        let size = |size: u64| i64::try_from(size).unwrap_or(i64::MAX);
        gauge("audit_tree_size", "Events in the Merkle tree over the log", size(tree.size))?;
        if let Some(signed) = tree.signed {
            gauge("audit_checkpoint_size", "Events the newest signed checkpoint speaks of", size(signed.size))?;
            gauge(
                "audit_checkpoint_is_of_the_tree",
                "1 where the stored tree has the root that was signed, else 0",
                i64::from(signed.is_of_the_tree),
            )?;
            let age = Gauge::new(
                "audit_checkpoint_age_seconds",
                "Age of the newest signed checkpoint; 0 while it speaks of the whole tree",
            )?;
            age.set(signed.age_seconds);
            registry.register(Box::new(age))?;
        }
    }
    Ok(registry.gather())
}
