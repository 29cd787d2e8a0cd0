//! The metrics there are: names and labels that rules, dashboards and alerts may rely on.

/// A name, and the labels of its series. Of a histogram, its buckets.
pub type Metered = (&'static str, &'static [&'static str]);

/// What an older platform had, name by name.
pub const CONTRACT: [Metered; 25] = [
    ("http_requests_total", &["service", "method", "path", "status"]),
    ("http_request_duration_seconds_bucket", &["service", "method", "path", "status", "le"]),
    ("http_request_size_bytes_bucket", &["service", "method", "path", "le"]),
    ("http_response_size_bytes_bucket", &["service", "method", "path", "le"]),
    ("payment_gateway_http_requests_total", &["method", "path", "status"]),
    ("payment_gateway_http_request_duration_seconds_bucket", &["method", "path", "status", "le"]),
    ("payment_gateway_http_request_size_bytes_bucket", &["method", "path", "le"]),
    ("payment_gateway_http_response_size_bytes_bucket", &["method", "path", "le"]),
    ("payment_gateway_payment_total", &["status", "channel", "currency"]),
    ("payment_gateway_payment_amount_bucket", &["currency", "channel", "le"]),
    ("payment_gateway_payment_duration_seconds_bucket", &["operation", "status", "le"]),
    ("payment_gateway_refund_total", &["status", "currency"]),
    ("payment_gateway_refund_amount_bucket", &["currency", "le"]),
    ("idempotency_requests_total", &[]),
    ("idempotency_cache_hits_total", &[]),
    ("idempotency_conflicts_total", &[]),
    ("payment_gateway_idempotent_check_total", &[]),
    ("payment_gateway_idempotent_cache_hit_total", &[]),
    ("payment_gateway_duplicate_request_total", &[]),
    ("payment_gateway_lock_wait_seconds_bucket", &["le"]),
    ("saga_started_total", &[]),
    ("saga_completed_total", &[]),
    ("saga_compensated_total", &[]),
    ("saga_duration_seconds_bucket", &["le"]),
    ("process_resident_memory_bytes", &[]),
];

/// What else operators look at.
pub const OURS: [Metered; 26] = [
    ("daybook_store_head_position", &[]),
    ("daybook_store_queue_depth", &[]),
    ("daybook_store_append_commands_bucket", &["le"]),
    ("daybook_store_append_duration_seconds_bucket", &["le"]),
    ("daybook_store_append_conflicts_total", &[]),
    ("daybook_store_append_failures_total", &[]),
    ("daybook_store_append_unanswered_total", &[]),
    ("daybook_follower_position", &["follower"]),
    ("daybook_follower_lag_events", &["follower"]),
    ("daybook_follower_lag_seconds", &["follower"]),
    ("daybook_follower_rate", &["follower"]),
    ("daybook_follower_parked", &["follower"]),
    ("daybook_follower_held", &["follower"]),
    ("daybook_standing_age_seconds", &[]),
    ("daybook_check_state", &["check"]),
    ("daybook_pool_connections", &["pool", "state"]),
    ("saga_retries_total", &[]),
    ("saga_attention_total", &[]),
    ("payment_gateway_channel_calls_total", &["channel", "mode"]),
    ("payment_gateway_channel_failures_total", &["channel", "mode"]),
    ("payment_gateway_channel_held_back_total", &["channel", "mode", "reason"]),
    ("payment_gateway_channel_in_flight", &["channel", "mode"]),
    ("payment_gateway_channel_breaker_state", &["channel", "mode"]),
    ("payment_gateway_channel_call_duration_seconds_bucket", &["channel", "mode", "le"]),
    ("process_cpu_seconds_total", &[]),
    ("daybook_build_info", &["version"]),
];

/// Where there is work: asked of a server that has some.
pub const WITH_WORK: [Metered; 3] = [
    ("daybook_saga_work", &["process", "state"]),
    ("daybook_saga_oldest_due_seconds", &["process"]),
    ("daybook_saga_awaiting_person", &["process"]),
];

/// Where books and tree are looked at in passing: asked of a server that signs.
pub const SIGNED: [Metered; 6] = [
    ("ledger_trial_balance_is_zero", &[]),
    ("ledger_sampled_accounts_unlike", &[]),
    ("audit_tree_size", &[]),
    ("audit_checkpoint_size", &[]),
    ("audit_checkpoint_is_of_the_tree", &[]),
    ("audit_checkpoint_age_seconds", &[]),
];

/// Where there is a relay: asked of a server that has one.
pub const RELAYED: [Metered; 1] = [("daybook_bus_in_flight", &[])];

/// All of them.
pub fn all() -> impl Iterator<Item = Metered> {
    CONTRACT.into_iter().chain(OURS).chain(WITH_WORK).chain(SIGNED).chain(RELAYED)
}

/// The labels that series of this name have; of a histogram, also under the names of its sum and count.
pub fn labels(name: &str) -> Option<Vec<&'static str>> {
    let stem = name.strip_suffix("_sum").or_else(|| name.strip_suffix("_count"));
    let bucket = stem.map(|stem| format!("{stem}_bucket"));
    let (known, labels) = all().find(|(known, _labels)| *known == name || Some(*known) == bucket.as_deref())?;
    let is_bucket = known == name;
    Some(labels.iter().copied().filter(|label| is_bucket || *label != "le").collect())
}
