//! How the lines to channels stand, as metrics: a few series for each that is played.

use channels::{BreakerState, Partners};
use prometheus::{GaugeVec, IntCounterVec, IntGaugeVec, Opts, Registry, proto::MetricFamily};

const LABELS: [&str; 2] = ["channel", "mode"];

/// As they stand now. Read from the lines themselves, so that nothing is counted twice.
pub(super) fn gather(partners: &Partners) -> prometheus::Result<Vec<MetricFamily>> {
    let registry = Registry::new();
    let gauge = |name: &str, help: &str| -> prometheus::Result<IntGaugeVec> {
        let gauge = IntGaugeVec::new(Opts::new(name, help), &LABELS)?;
        registry.register(Box::new(gauge.clone()))?;
        Ok(gauge)
    };
    let counter = |name: &str, help: &str, labels: &[&str]| -> prometheus::Result<IntCounterVec> {
        let counter = IntCounterVec::new(Opts::new(name, help), labels)?;
        registry.register(Box::new(counter.clone()))?;
        Ok(counter)
    };
    let breaker = gauge("payment_gateway_channel_breaker_state", "0 closed, 1 half-open, 2 open")?;
    let seconds = Opts::new("payment_gateway_channel_breaker_state_seconds", "How long the breaker has been as it is");
    let breaker_for = GaugeVec::new(seconds, &LABELS)?;
    registry.register(Box::new(breaker_for.clone()))?;
    let paused = gauge("payment_gateway_channel_paused_seconds", "How much longer the channel wants not to be asked")?;
    let in_flight = gauge("payment_gateway_channel_in_flight", "Calls under way")?;
    let in_flight_max = gauge("payment_gateway_channel_in_flight_max", "As many may be under way at once")?;
    let rate_max = gauge("payment_gateway_channel_rate_max", "As many calls are let out in a second")?;
    let calls = counter("payment_gateway_channel_calls_total", "Calls let out", &LABELS)?;
    let failures =
        counter("payment_gateway_channel_failures_total", "Calls without an answer, or with none to go by", &LABELS)?;
    let held_back =
        counter("payment_gateway_channel_held_back_total", "Calls not let out", &["channel", "mode", "reason"])?;
    for (channel, livemode, line) in partners.lines().filter(|(.., line)| line.partner().is_some()) {
        let (state, mode) = (line.state(), if livemode { "live" } else { "test" });
        let labels = [channel.name(), mode];
        breaker.with_label_values(&labels).set(match state.breaker {
            BreakerState::Closed { .. } => 0,
            BreakerState::HalfOpen => 1,
            BreakerState::Open { .. } => 2,
        });
        breaker_for.with_label_values(&labels).set(state.breaker_for.as_secs_f64());
        let paused_for = state.paused_for.map_or(0, |left| left.as_secs());
        paused.with_label_values(&labels).set(i64::try_from(paused_for).unwrap_or(i64::MAX));
        in_flight.with_label_values(&labels).set(i64::try_from(state.in_flight_count).unwrap_or(i64::MAX));
        in_flight_max.with_label_values(&labels).set(i64::try_from(state.in_flight_max).unwrap_or(i64::MAX));
        rate_max.with_label_values(&labels).set(i64::from(state.per_second_max));
        calls.with_label_values(&labels).inc_by(state.counts.calls_count);
        failures.with_label_values(&labels).inc_by(state.counts.failures_count);
        let of = state.counts.held_back;
        for (reason, count) in [
            ("breaker_open", of.breaker_open_count),
            ("paused", of.paused_count),
            ("line_busy", of.line_busy_count),
            ("too_fast", of.too_fast_count),
        ] {
            held_back.with_label_values(&[channel.name(), mode, reason]).inc_by(count);
        }
    }
    Ok(registry.gather())
}
