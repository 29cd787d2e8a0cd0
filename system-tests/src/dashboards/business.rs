//! The dashboard of the business: success, amounts and volume by channel, refunds.

use super::{Dashboard, ask, figure, lines};

pub const BUSINESS: Dashboard = Dashboard {
    name: "business",
    title: "the business",
    choices: &[("payment_gateway_payment_total", "channel"), ("payment_gateway_payment_total", "currency")],
    panels: &[
        figure(
            "Payments that succeed (objective 99.5 %)",
            "percentunit",
            &[ask("daybook:payments_success:ratio5m", "")],
        ),
        figure("Rejected as a risk", "percentunit", &[ask("daybook:payments_risk_rejected:ratio5m", "")]),
        figure("P99 of a request (objective 3 s)", "s", &[ask("daybook:payment_duration_seconds:p99_5m", "")]),
        figure("Available, over a day (objective 99.9 %)", "percentunit", &[ask("daybook:http_available:ratio1d", "")]),
        lines(
            "Success rate by channel",
            "percentunit",
            &[ask(
                "sum by (channel) (daybook:payments:rate5m{status=\"success\",channel=~\"$channel\",currency=~\"$currency\"}) \
                 / sum by (channel) (daybook:payments:rate5m{channel=~\"$channel\",currency=~\"$currency\"})",
                "{{channel}}",
            )],
        ),
        lines(
            "Payments by how they end",
            "reqps",
            &[ask(
                "sum by (status) (daybook:payments:rate5m{channel=~\"$channel\",currency=~\"$currency\"})",
                "{{status}}",
            )],
        ),
        lines(
            "Volume captured an hour, in major units, by channel",
            "short",
            &[ask(
                "sum by (channel, currency) (increase(payment_gateway_payment_amount_sum{channel=~\"$channel\",currency=~\"$currency\"}[1h]))",
                "{{channel}} {{currency}}",
            )],
        ),
        lines(
            "Average amount by channel and currency",
            "short",
            &[ask(
                "daybook:payment_amount:mean1h{channel=~\"$channel\",currency=~\"$currency\"}",
                "{{channel}} {{currency}}",
            )],
        ),
        lines(
            "Amounts: half of the payments are below",
            "short",
            &[ask(
                "histogram_quantile(0.50, sum by (le, channel, currency) (rate(payment_gateway_payment_amount_bucket{channel=~\"$channel\",currency=~\"$currency\"}[1h])))",
                "{{channel}} {{currency}}",
            )],
        ),
        lines(
            "Amounts: 95 and 99 in a hundred are below",
            "short",
            &[
                ask(
                    "histogram_quantile(0.95, sum by (le, channel, currency) (rate(payment_gateway_payment_amount_bucket{channel=~\"$channel\",currency=~\"$currency\"}[1h])))",
                    "P95 {{channel}} {{currency}}",
                ),
                ask(
                    "histogram_quantile(0.99, sum by (le, channel, currency) (rate(payment_gateway_payment_amount_bucket{channel=~\"$channel\",currency=~\"$currency\"}[1h])))",
                    "P99 {{channel}} {{currency}}",
                ),
            ],
        ),
        lines(
            "Refunds by how they end",
            "reqps",
            &[ask(
                "sum by (status) (rate(payment_gateway_refund_total{currency=~\"$currency\"}[$__rate_interval]))",
                "{{status}}",
            )],
        ),
        lines(
            "Refunded an hour, in major units",
            "short",
            &[ask(
                "sum by (currency) (increase(payment_gateway_refund_amount_sum{currency=~\"$currency\"}[1h]))",
                "{{currency}}",
            )],
        ),
        lines(
            "How long requests take",
            "s",
            &[
                ask(
                    "histogram_quantile(0.50, sum by (le, operation) (rate(payment_gateway_payment_duration_seconds_bucket[$__rate_interval])))",
                    "P50 {{operation}}",
                ),
                ask(
                    "histogram_quantile(0.95, sum by (le, operation) (rate(payment_gateway_payment_duration_seconds_bucket[$__rate_interval])))",
                    "P95 {{operation}}",
                ),
                ask(
                    "histogram_quantile(0.99, sum by (le, operation) (rate(payment_gateway_payment_duration_seconds_bucket[$__rate_interval])))",
                    "P99 {{operation}}",
                ),
            ],
        ),
        lines(
            "Requests that came again",
            "reqps",
            &[
                ask("sum(rate(idempotency_requests_total[$__rate_interval]))", "under a key"),
                ask("sum(rate(idempotency_cache_hits_total[$__rate_interval]))", "answered as before"),
                ask("sum(rate(idempotency_conflicts_total[$__rate_interval]))", "in conflict"),
                ask("sum(rate(payment_gateway_duplicate_request_total[$__rate_interval]))", "duplicates"),
            ],
        ),
    ],
};
