//! Ids: one text form, one type each, and derivations that never change.

use super::*;

fn merchant() -> MerchantId {
    MerchantId::new(Uuid::from_u128(1))
}

fn payment() -> PaymentId {
    PaymentId::new(Uuid::from_u128(2))
}

fn capture() -> CaptureId {
    CaptureId::new(Uuid::from_u128(3))
}

#[test]
fn an_id_has_one_text_form() {
    let id = PaymentId::new(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_00ff));
    assert_eq!(id.to_string(), "PAY019000000000700080000000000000ff");
    assert_eq!(format!("{id:?}"), id.to_string());
    assert_eq!(id.to_string().parse(), Ok(id));
    assert_eq!(PaymentId::new(id.uuid()), id);
    let json = serde_json::to_string(&id).unwrap();
    assert_eq!(serde_json::from_str::<PaymentId>(&json).unwrap(), id);
}

#[test]
fn another_spelling_of_an_id_is_refused() {
    for text in [
        "",
        "PAY",
        "019000000000700080000000000000ff",
        "REF019000000000700080000000000000ff",
        "PAY019000000000700080000000000000FF",
        "PAY01900000-0000-7000-8000-0000000000ff",
        "PAY019000000000700080000000000000f",
        "PAY019000000000700080000000000000fff",
        "PAY019000000000700080000000000000fg",
    ] {
        assert_eq!(text.parse::<PaymentId>(), Err(IdRefusal::IdMalformed), "{text}");
    }
    let unread = |json| serde_json::from_str::<PaymentId>(json).unwrap_err().to_string();
    assert!(unread("\"PAY1\"").starts_with("This is not an id of the kind expected here."));
    assert!(unread("7").contains("expected the text form of the value"));
}

#[test]
fn derived_ids_are_pinned_for_ever() {
    let derived = [
        PaymentId::derive(merchant(), true, "ORDER-1").to_string(),
        PaymentId::derive(merchant(), false, "ORDER-1").to_string(),
        OrderId::derive(merchant(), true, "ORDER-1").to_string(),
        SettlementId::derive(merchant(), true, Currency::USD, "2026-01-31").to_string(),
        FundsId::derive(merchant(), true, Currency::USD).to_string(),
        SagaId::derive("take_payment", "PAY1/1").to_string(),
        RiskRulesId::derive(true).to_string(),
        RiskRulesId::derive(false).to_string(),
        PeriodsId::derive(true).to_string(),
        PeriodsId::derive(false).to_string(),
        RefundId::derive_of_suspense(payment(), 1, capture()).to_string(),
        RefundId::derive_of_late(payment(), capture()).to_string(),
        PayoutId::derive(SettlementId::new(Uuid::from_u128(4)), 1).to_string(),
    ];
    assert_eq!(derived, PINNED);
}

/// Computed with another implementation of RFC 9562 (Python's `uuid.uuid5`).
const PINNED: [&str; 13] = [
    "PAY1d89e14b06385b73838318b280827468",
    "PAYfb679aec995f54ddbaf4506df569213e",
    "ORD237c32f5dca2511180c0b54879473b66",
    "SETf6e1990ea0f05be79b78a372ffca9c72",
    "FND1c23e2f2973f516bb810ae152452ec22",
    "SAG18eee1c9b0055cdaa4b3576ee821be2a",
    "RSK4857655181e4580bbb0f25b23b4cdb60",
    "RSKf13d56da864e5aeda97361897aa37b52",
    "PRD5ab201749a285021a8227afce29e70d6",
    "PRD919eac7696fc538d82af0b84fb217591",
    "REF8bf19f41b8b1560fb6dd27c2504ab225",
    "REF1cffc7dc68045970a91fbfbd982c8c1a",
    "POT51c33a8f4ad656649826d66c4ffd79b7",
];

#[test]
fn parts_of_a_name_do_not_run_together() {
    assert_ne!(SagaId::derive("a", "bc"), SagaId::derive("ab", "c"));
    assert_ne!(SagaId::derive("a:1", "b"), SagaId::derive("a", "1:b"));
}
