//! The dashboards of those who run it: requests and log, sagas, read models, the bus.

use super::{Dashboard, ask, figure, lines};

pub const OPERATIONS: Dashboard = Dashboard {
    name: "operations",
    title: "operations",
    choices: &[],
    panels: &[
        figure("Processes that are up", "none", &[ask("sum(up{job=\"daybook\"})", "")]),
        figure("Worst check: 0 fine, 1 degraded, 2 wrong", "none", &[ask("max(daybook_check_state)", "")]),
        figure("The books balance: 1 yes, 0 no", "none", &[ask("min(ledger_trial_balance_is_zero)", "")]),
        figure("Unsigned for", "s", &[ask("max(audit_checkpoint_age_seconds)", "")]),
        lines(
            "Requests by status",
            "reqps",
            &[ask("sum by (status) (rate(http_requests_total[$__rate_interval]))", "{{status}}")],
        ),
        lines("Requests that end with 5xx (limit 1 %)", "percentunit", &[ask("daybook:http_errors:ratio5m", "5xx")]),
        lines(
            "P99 by route",
            "s",
            &[ask(
                "histogram_quantile(0.99, sum by (le, method, path) (rate(http_request_duration_seconds_bucket[$__rate_interval])))",
                "{{method}} {{path}}",
            )],
        ),
        lines(
            "Bytes in and out",
            "Bps",
            &[
                ask("sum(rate(http_request_size_bytes_sum[$__rate_interval]))", "in"),
                ask("sum(rate(http_response_size_bytes_sum[$__rate_interval]))", "out"),
            ],
        ),
        lines(
            "The log: events a second, commands that wait",
            "short",
            &[
                ask("max(deriv(daybook_store_head_position[1m]))", "events a second"),
                ask("sum by (instance) (daybook_store_queue_depth)", "waiting {{instance}}"),
            ],
        ),
        lines(
            "How long an append takes, and a command waits for it",
            "s",
            &[
                ask(
                    "histogram_quantile(0.99, sum by (le) (rate(daybook_store_append_duration_seconds_bucket[$__rate_interval])))",
                    "append P99",
                ),
                ask(
                    "histogram_quantile(0.99, sum by (le) (rate(payment_gateway_lock_wait_seconds_bucket[$__rate_interval])))",
                    "wait P99",
                ),
            ],
        ),
        lines(
            "Commands that share an append",
            "short",
            &[ask(
                "sum(rate(daybook_store_append_commands_sum[$__rate_interval])) / sum(rate(daybook_store_append_commands_count[$__rate_interval]))",
                "commands",
            )],
        ),
        lines(
            "Appends in trouble",
            "ops",
            &[
                ask("sum(rate(daybook_store_append_conflicts_total[$__rate_interval]))", "decided again"),
                ask("sum(rate(daybook_store_append_failures_total[$__rate_interval]))", "given up"),
                ask("sum(rate(daybook_store_append_unanswered_total[$__rate_interval]))", "end not heard of"),
            ],
        ),
        lines("Connections", "short", &[ask("sum by (pool, state) (daybook_pool_connections)", "{{pool}} {{state}}")]),
        lines(
            "Processor and memory",
            "short",
            &[
                ask("sum by (instance) (rate(process_cpu_seconds_total[$__rate_interval]))", "cores {{instance}}"),
                ask("sum by (instance) (process_resident_memory_bytes) / 1048576", "MiB {{instance}}"),
            ],
        ),
    ],
};

pub const SAGAS: Dashboard = Dashboard {
    name: "sagas",
    title: "sagas and channels",
    choices: &[],
    panels: &[
        figure("Wait for a person", "none", &[ask("sum(max by (process) (daybook_saga_awaiting_person))", "")]),
        figure("Began to wait for a person, in an hour", "none", &[ask("sum(increase(saga_attention_total[1h]))", "")]),
        figure("Oldest that is due", "s", &[ask("max(daybook_saga_oldest_due_seconds)", "")]),
        figure(
            "Lines that are cut",
            "none",
            &[ask("count(payment_gateway_channel_breaker_state == 2) or vector(0)", "")],
        ),
        figure("Calls under way", "none", &[ask("sum(payment_gateway_channel_in_flight)", "")]),
        lines(
            "Sagas",
            "ops",
            &[
                ask("sum(rate(saga_started_total[$__rate_interval]))", "begun"),
                ask("sum(rate(saga_completed_total[$__rate_interval]))", "completed"),
                ask("sum(rate(saga_compensated_total[$__rate_interval]))", "compensated"),
                ask("sum(rate(saga_retries_total[$__rate_interval]))", "steps tried again"),
            ],
        ),
        lines(
            "From their beginning to their end",
            "s",
            &[
                ask(
                    "histogram_quantile(0.50, sum by (le) (rate(saga_duration_seconds_bucket[$__rate_interval])))",
                    "P50",
                ),
                ask(
                    "histogram_quantile(0.99, sum by (le) (rate(saga_duration_seconds_bucket[$__rate_interval])))",
                    "P99",
                ),
            ],
        ),
        lines("Work by state", "short", &[ask("max by (process, state) (daybook_saga_work)", "{{process}} {{state}}")]),
        lines("Due for how long", "s", &[ask("max by (process) (daybook_saga_oldest_due_seconds)", "{{process}}")]),
        lines(
            "Calls of channels",
            "reqps",
            &[ask(
                "sum by (channel, mode) (rate(payment_gateway_channel_calls_total[$__rate_interval]))",
                "{{channel}} {{mode}}",
            )],
        ),
        lines(
            "Calls without an answer to go by, and those held back",
            "reqps",
            &[
                ask(
                    "sum by (channel, mode) (rate(payment_gateway_channel_failures_total[$__rate_interval]))",
                    "failed {{channel}} {{mode}}",
                ),
                ask(
                    "sum by (channel, mode, reason) (rate(payment_gateway_channel_held_back_total[$__rate_interval]))",
                    "{{reason}} {{channel}} {{mode}}",
                ),
            ],
        ),
        lines(
            "How long channels take, P99",
            "s",
            &[ask(
                "histogram_quantile(0.99, sum by (le, channel, mode) (rate(payment_gateway_channel_call_duration_seconds_bucket[$__rate_interval])))",
                "{{channel}} {{mode}}",
            )],
        ),
        lines(
            "Breakers: 0 closed, 1 half-open, 2 open",
            "none",
            &[ask("max by (channel, mode) (payment_gateway_channel_breaker_state)", "{{channel}} {{mode}}")],
        ),
    ],
};

pub const PROJECTIONS: Dashboard = Dashboard {
    name: "projections",
    title: "read models and followers",
    choices: &[("daybook_follower_position", "follower")],
    panels: &[
        figure("Parked", "none", &[ask("sum(max by (follower) (daybook_follower_parked))", "")]),
        figure("Furthest behind", "s", &[ask("max(daybook_follower_lag_seconds)", "")]),
        figure("Head of the log", "none", &[ask("max(daybook_store_head_position)", "")]),
        figure("Nobody runs", "none", &[ask("count(max by (follower) (daybook_follower_held) == 0) or vector(0)", "")]),
        lines(
            "Behind, in seconds",
            "s",
            &[ask("max by (follower) (daybook_follower_lag_seconds{follower=~\"$follower\"})", "{{follower}}")],
        ),
        lines(
            "Behind, in events",
            "short",
            &[ask("max by (follower) (daybook_follower_lag_events{follower=~\"$follower\"})", "{{follower}}")],
        ),
        lines(
            "Events a second",
            "ops",
            &[ask("max by (follower) (daybook_follower_rate{follower=~\"$follower\"})", "{{follower}}")],
        ),
        lines(
            "How old what stands here is",
            "s",
            &[ask("max by (instance) (daybook_standing_age_seconds)", "{{instance}}")],
        ),
    ],
};

pub const BUS: Dashboard = Dashboard {
    name: "bus",
    title: "the bus",
    choices: &[],
    panels: &[
        figure("Relay behind", "s", &[ask("max(daybook_follower_lag_seconds{follower=~\"relay:.*\"})", "")]),
        figure(
            "Events it has yet to send",
            "none",
            &[ask("max(daybook_follower_lag_events{follower=~\"relay:.*\"})", "")],
        ),
        figure("On their way", "none", &[ask("sum(daybook_bus_in_flight)", "")]),
        figure("Parked", "none", &[ask("max(daybook_follower_parked{follower=~\"relay:.*\"})", "")]),
        lines(
            "Events a second",
            "ops",
            &[
                ask("max by (follower) (daybook_follower_rate{follower=~\"relay:.*\"})", "{{follower}}"),
                ask("max(deriv(daybook_store_head_position[1m]))", "written to the log"),
            ],
        ),
        lines(
            "Behind the log",
            "s",
            &[ask("max by (follower) (daybook_follower_lag_seconds{follower=~\"relay:.*\"})", "{{follower}}")],
        ),
        lines("On their way, by process", "short", &[ask("sum by (instance) (daybook_bus_in_flight)", "{{instance}}")]),
        lines(
            "Kafka, as readiness sees it: 0 fine, 1 degraded",
            "none",
            &[ask("max by (instance) (daybook_check_state{check=\"kafka\"})", "{{instance}}")],
        ),
    ],
};
