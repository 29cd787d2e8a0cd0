//! Which figures stand for a bench, and what each is held against in the same run.

/// A figure, the same of the limit or baseline, and one over the other.
pub(super) struct Headline {
    pub(super) bench: &'static str,
    pub(super) figure: &'static str,
    pub(super) baseline: &'static str,
    pub(super) ratio: &'static str,
    /// What the baseline is.
    pub(super) is: &'static str,
}

const fn of(
    bench: &'static str,
    figure: &'static str,
    baseline: &'static str,
    ratio: &'static str,
    is: &'static str,
) -> Headline {
    Headline { bench, figure, baseline, ratio, is }
}

pub(super) const HEADLINES: [Headline; 10] = [
    of("append", "commands_per_s", "postgres_es_commands_per_s", "speedup_vs_postgres_es", "postgres-es"),
    of("append", "commands_per_s_1024_callers", "limit_rows_per_s", "share_of_limit", "bare inserts"),
    of("http", "payments_per_s", "baseline_payments_per_s", "speedup", "postgres-es"),
    of("http", "payments_per_s_512", "limit_payments_per_s", "share_of_limit", "bare inserts"),
    of("http", "bulk_payments_per_s", "limit_payments_per_s", "bulk_share_of_limit", "bare inserts"),
    of("e2e", "events_per_s", "limit_events_per_s", "share_of_append", "bare inserts"),
    of("read", "ledger_events_per_s", "copy_events_per_s", "share_of_copy", "COPY to nowhere"),
    of("read", "rebuild_events_per_s", "copy_events_per_s", "share_of_copy_all", "COPY to nowhere"),
    of("bus", "relay_events_per_s", "bare_producer_per_s", "share_of_bare", "a bare producer"),
    of("bus", "fed_events_per_s", "followed_events_per_s", "kafka_fed_share", "from the log"),
];

/// The benches in the order they are run and shown, and what each is about.
pub const BENCHES: [(&str, &str); 7] = [
    ("append", "the append path of the log"),
    ("http", "payments over HTTP"),
    ("read", "read models on a long log"),
    ("e2e", "from a request to captured and shown, everything on"),
    ("bus", "the log through Kafka"),
    ("audit", "checks and proofs on a long log"),
    ("costs", "what watching costs a server at half its load"),
];
