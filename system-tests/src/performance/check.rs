//! A later run beside the committed one: only ratios are compared, never the machine.

use super::Bench;

/// So much worse is too much.
pub const WORSE_BY: f64 = 0.15;

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Better {
    More,
    Less,
}

/// The ratios that the short forms find, each of two things measured in turns on one machine.
const RATIOS: [(&str, &str, Better); 10] = [
    ("append", "speedup_vs_postgres_es", Better::More),
    ("append", "p99_vs_postgres_es", Better::Less),
    ("append", "share_of_limit", Better::More),
    ("append", "share_of_limit_64_callers", Better::More),
    ("http", "speedup", Better::More),
    ("http", "share_of_limit", Better::More),
    ("http", "share_of_limit_64", Better::More),
    ("http", "bulk_share_of_limit", Better::More),
    ("read", "share_of_copy", Better::More),
    ("read", "share_of_copy_all", Better::More),
];

/// The benches that have a short form.
pub const SHORT: [&str; 3] = ["append", "http", "read"];

/// One ratio then and now.
#[derive(Clone, Debug, PartialEq)]
pub struct Compared {
    pub bench: &'static str,
    pub name: &'static str,
    pub committed: f64,
    /// Nothing where it was not found.
    pub now: Option<f64>,
    /// How much worse, as a share of what is committed; less than nothing where it is better.
    pub worse_by: f64,
}

impl Compared {
    pub fn is_too_bad(&self) -> bool {
        self.now.is_none() || self.worse_by > WORSE_BY
    }
}

/// Every ratio that is committed, beside what was found now.
pub fn compare(committed: &[Bench], now: &[Bench]) -> Vec<Compared> {
    let value = |of: &[Bench], bench: &str, name: &str| {
        of.iter().find(|known| known.name == bench).and_then(|bench| bench.figure(name)).map(|figure| figure.value)
    };
    let compared = RATIOS.iter().filter_map(|(bench, name, better)| {
        let committed = value(committed, bench, name)?;
        let now = value(now, bench, name);
        let worse_by = now.map_or(f64::INFINITY, |now| match better {
            Better::More => 1.0 - now / committed,
            Better::Less => now / committed - 1.0,
        });
        Some(Compared { bench, name, committed, now, worse_by })
    });
    compared.collect()
}

/// Of two looks at the same ratios, the better of each: what is slow by chance is not slow twice.
pub fn better_of(one: Vec<Compared>, other: &[Compared]) -> Vec<Compared> {
    one.into_iter()
        .map(|one| {
            let again = other.iter().find(|other| (other.bench, other.name) == (one.bench, one.name));
            again.filter(|again| again.worse_by < one.worse_by).cloned().unwrap_or(one)
        })
        .collect()
}
