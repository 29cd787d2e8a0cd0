//! How many cases each property runs: 2,000 unless `PROPTEST_CASES` asks for more.

use proptest::test_runner::Config;

pub(crate) fn cases() -> Config {
    let count = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(2_000);
    Config { cases: count, failure_persistence: None, ..Config::default() }
}
