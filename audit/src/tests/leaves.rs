//! Leaf v1: the bytes that were published, and no two events with the same.

use chrono::DateTime;
use event_store::Recorded;
use uuid::Uuid;

use crate::leaf::Leaf;

const GOLDEN: &str = include_str!("../../golden/leaf_v1.txt");

fn event() -> Recorded {
    Recorded {
        position: 42,
        event_id: Uuid::from_u128(0x0198_c0de_0000_7000_8000_0000_0000_0001),
        aggregate_type: "payment".into(),
        aggregate_id: "PAY00000000000000000000000000000001".into(),
        sequence: 3,
        event_type: "payment_captured".into(),
        event_version: "1.0".into(),
        payload: "{\"b\":1.10,  \"a\":\"\u{20ac}\"}".into(),
        metadata: "{}".into(),
        merchant_id: Some(Uuid::from_u128(1)),
        livemode: Some(true),
        recorded_at: DateTime::from_timestamp_micros(1_767_225_600_123_456).unwrap(),
    }
}

fn absent() -> Recorded {
    Recorded { merchant_id: None, livemode: None, ..event() }
}

fn told(event: &Recorded) -> String {
    let leaf = Leaf::from(event);
    let hash = leaf.hash(&mut Vec::new());
    format!("leaf {}\nhash {}\n", hex::encode(leaf.bytes()), hex::encode(hash.0))
}

#[test]
fn the_leaves_are_those_that_were_published() {
    let made = format!("{}{}", told(&event()), told(&absent()));
    assert!(made == GOLDEN, "leaf v1 never changes: its golden file says another thing than\n{made}");
    let document = include_str!("../../../docs/audit.md");
    for line in GOLDEN.lines().take(2) {
        let (_name, digits) = line.split_once(' ').unwrap();
        assert!(document.replace(['\n', ' '], "").contains(digits), "docs/audit.md does not show {line}");
    }
}

#[test]
fn each_field_is_in_the_leaf_and_none_runs_into_the_next() {
    let plain = Leaf::from(&event()).bytes();
    let others = [
        Recorded { position: 43, ..event() },
        Recorded { event_id: Uuid::from_u128(2), ..event() },
        Recorded {
            aggregate_type: "paymen".into(),
            aggregate_id: "tPAY00000000000000000000000000000001".into(),
            ..event()
        },
        Recorded { aggregate_id: "PAY00000000000000000000000000000002".into(), ..event() },
        Recorded { sequence: 4, ..event() },
        Recorded { event_type: "payment_captured1".into(), event_version: ".0".into(), ..event() },
        Recorded { event_version: "1.1".into(), ..event() },
        Recorded { payload: "{\"b\":1.10, \"a\":\"\u{20ac}\"}".into(), ..event() },
        Recorded { payload: "{\"b\":1.10,  \"a\":\"\u{20ac}\"}{".into(), metadata: "}".into(), ..event() },
        Recorded { metadata: "{ }".into(), ..event() },
        Recorded { merchant_id: None, ..event() },
        Recorded { merchant_id: Some(Uuid::from_u128(2)), ..event() },
        Recorded { livemode: None, ..event() },
        Recorded { livemode: Some(false), ..event() },
        Recorded { recorded_at: DateTime::from_timestamp_micros(1_767_225_600_123_457).unwrap(), ..event() },
        absent(),
    ];
    let mut seen: Vec<Vec<u8>> = others.iter().map(|event| Leaf::from(event).bytes()).chain([plain]).collect();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), others.len() + 1);
}
