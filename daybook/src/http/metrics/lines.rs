//! How the lines to channels stand, as metrics: a few series for each that is played.

use channels::{BreakerState, Line, LineState, Partners};
use meters::{Kind, Page};

use super::Gauge;

/// A line, with the labels of its series.
struct Shown<'p> {
    labels: [(&'static str, &'static str); 2],
    line: &'p Line,
    state: LineState,
}

/// As they stand now. Read from the lines themselves, so that nothing is counted twice.
pub(super) fn write(partners: &Partners, page: &mut Page) {
    let played = partners.lines().filter(|(.., line)| line.partner().is_some());
    let shown: Vec<Shown<'_>> = played
        .map(|(channel, livemode, line)| {
            let labels = [("channel", channel.name()), ("mode", if livemode { "live" } else { "test" })];
            Shown { labels, line, state: line.state() }
        })
        .collect();
    standing(&shown, page);
    counts(&shown, page);
    let help = "From a call to the channel's answer, or to the end of our patience";
    let mut family = page.family("payment_gateway_channel_call_duration_seconds", Kind::Histogram, help);
    for Shown { labels, line, .. } in &shown {
        family.histogram(labels, line.latency());
    }
}

fn standing(shown: &[Shown<'_>], page: &mut Page) {
    let seconds = |shown: &Shown<'_>| shown.state.breaker_for.as_secs_f64().to_string();
    let paused = |shown: &Shown<'_>| shown.state.paused_for.map_or(0, |left| left.as_secs()).to_string();
    let breaker = |shown: &Shown<'_>| match shown.state.breaker {
        BreakerState::Closed { .. } => "0".to_owned(),
        BreakerState::HalfOpen => "1".to_owned(),
        BreakerState::Open { .. } => "2".to_owned(),
    };
    let (in_flight, in_flight_max, rate_max) = (
        |shown: &Shown<'_>| shown.state.in_flight_count.to_string(),
        |shown: &Shown<'_>| shown.state.in_flight_max.to_string(),
        |shown: &Shown<'_>| shown.state.per_second_max.to_string(),
    );
    let gauges: [Gauge<'_, Shown<'_>>; 6] = [
        ("payment_gateway_channel_breaker_state", "0 closed, 1 half-open, 2 open", &breaker),
        ("payment_gateway_channel_breaker_state_seconds", "How long the breaker has been as it is", &seconds),
        ("payment_gateway_channel_paused_seconds", "How much longer the channel wants not to be asked", &paused),
        ("payment_gateway_channel_in_flight", "Calls under way", &in_flight),
        ("payment_gateway_channel_in_flight_max", "As many may be under way at once", &in_flight_max),
        ("payment_gateway_channel_rate_max", "As many calls are let out in a second", &rate_max),
    ];
    for (name, help, value) in gauges {
        let mut family = page.family(name, Kind::Gauge, help);
        for line in shown {
            family.series(&line.labels, value(line));
        }
    }
}

fn counts(shown: &[Shown<'_>], page: &mut Page) {
    let mut family = page.family("payment_gateway_channel_calls_total", Kind::Counter, "Calls let out");
    for Shown { labels, state, .. } in shown {
        family.series(labels, state.counts.calls_count);
    }
    let help = "Calls without an answer, or with none to go by";
    let mut family = page.family("payment_gateway_channel_failures_total", Kind::Counter, help);
    for Shown { labels, state, .. } in shown {
        family.series(labels, state.counts.failures_count);
    }
    let mut family = page.family("payment_gateway_channel_held_back_total", Kind::Counter, "Calls not let out");
    for Shown { labels, state, .. } in shown {
        let of = state.counts.held_back;
        for (reason, count) in [
            ("breaker_open", of.breaker_open_count),
            ("paused", of.paused_count),
            ("line_busy", of.line_busy_count),
            ("too_fast", of.too_fast_count),
        ] {
            family.series(&[&labels[..], &[("reason", reason)]].concat(), count);
        }
    }
}
