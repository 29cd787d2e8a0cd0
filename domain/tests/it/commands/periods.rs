//! Months closed and opened again by three people, some of them not over yet.

use domain::{month::Month, periods::PeriodsCommand};

use super::*;

fn month() -> impl Strategy<Value = Month> {
    prop::sample::select(vec!["2025-11", "2025-12", "2026-01"]).prop_map(|text| text.parse().unwrap())
}

pub(crate) fn history() -> impl Strategy<Value = Vec<PeriodsCommand>> {
    let command = prop_oneof![
        3 => (month(), operator(), at()).prop_map(|(month, by, at)| PeriodsCommand::Close { livemode: true, month, by, at }),
        3 => (month(), operator(), text())
            .prop_map(|(month, by, reason)| PeriodsCommand::ProposeReopening { month, by, reason }),
        3 => (month(), operator()).prop_map(|(month, by)| PeriodsCommand::ApproveReopening { month, by }),
        1 => (month(), operator(), text())
            .prop_map(|(month, by, reason)| PeriodsCommand::RejectReopening { month, by, reason }),
    ];
    prop::collection::vec(command, 0..16)
}
