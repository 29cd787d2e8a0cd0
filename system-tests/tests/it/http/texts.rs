//! What people type, and what they should not: kept as it is, or refused; never run.

use serde_json::{Value, json};
use system_tests::branch::fresh;
use system_tests::client::Request;

use super::captured::captured;
use super::{PAYMENTS, REFUNDS, ask, assert_not_applied, events_of, guest, payment};

const ODD: [&str; 16] = [
    "'; drop table log.events; --",
    "1' or '1'='1",
    "$1",
    "%s%n",
    "<script>alert(1)</script>",
    "${jndi:ldap://x/y}",
    "{{7*7}}",
    "../../etc/passwd",
    "a\nlevel=error msg=\"forged\"",
    "tab\tand\nline",
    "\u{202e}reversed",
    "e\u{301}\u{301}\u{301}",
    "\u{1f468}\u{200d}\u{1f469}",
    "\\u0000 \\x00",
    "null",
    "\"quoted\\\"",
];

// covers G9
#[tokio::test]
async fn odd_words_are_stored_as_they_are_or_refused() {
    let (branch, merchant, mut client) = guest().await;
    let mut log = branch.ledger.superuser().await.unwrap();
    for text in ODD {
        let order_no = fresh("odd");
        let mut asked = payment(&order_no);
        asked["subject"] = text.into();
        asked["metadata"] = json!({ "note": text });
        let answer = ask(&mut client, &merchant.test, PAYMENTS, &fresh("k"), &asked).await;
        assert_eq!(answer.status, 200, "{text}: {answer:?}");
        let kept: Value = sqlx::query_scalar(
            "select payload::jsonb -> 'initiated' from log.events where aggregate_id = $1 and sequence = 1",
        )
        .bind(answer.data("payment_no"))
        .fetch_one(&mut log)
        .await
        .unwrap();
        let words = kept.to_string();
        let quoted = Value::from(text).to_string();
        assert_eq!(words.matches(quoted.as_str()).count(), 2, "{quoted} in {words}");

        let mut named = payment(&fresh("odd"));
        named["order_no"] = text.into();
        let answer = ask(&mut client, &merchant.test, PAYMENTS, &fresh("k"), &named).await;
        match answer.status {
            200 => assert_eq!(answer.data("order_no"), text),
            422 => assert_eq!(answer.code(), "text_has_control_characters", "{text}"),
            _ => panic!("{text}: {answer:?}"),
        }
        let path = format!("{PAYMENTS}/{}/cancel", percent(text));
        let answer = client.send(&Request::post(path, &json!({})).keyed(fresh("k")).by(&merchant.test)).await.unwrap();
        assert_eq!(answer.verdict(), "404 payment_absent", "{text}");
    }
    for line in branch.server.log().unwrap().lines() {
        assert!(serde_json::from_str::<Value>(line).is_ok(), "one line, one entry: {line}");
        assert!(!line.contains("forged\\\"") && !line.contains("drop table"), "{line}");
    }
}

fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

// covers G9
#[tokio::test]
async fn a_header_is_taken_up_only_where_it_is_harmless() {
    let (_branch, merchant, mut client) = guest().await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let asked = |id: &str, parent: &str| {
        let asked = Request::post(format!("{PAYMENTS}?dry_run=true"), &payment("O-1")).by(&merchant.test);
        asked.with("x-request-id", id).with("traceparent", parent)
    };
    let good = client.send(&asked("req-1", &format!("00-{trace}-00f067aa0ba902b7-01"))).await.unwrap();
    assert_eq!((good.header("x-request-id"), good.header("x-trace-id")), (Some("req-1"), Some(trace)));
    for id in ["a b", "<x>", "na\u{ef}ve", "", &"x".repeat(65)] {
        let answer = client.send(&asked(id, "00-zz-1-01")).await.unwrap();
        let taken = answer.header("x-request-id").unwrap();
        assert_eq!((answer.status, taken.len()), (200, 32), "{id}: {taken}");
        assert_eq!(answer.header("x-trace-id").unwrap().len(), 32);
    }
}

// covers G17
#[tokio::test]
async fn a_card_number_is_never_taken_in_where_people_type() {
    let (branch, merchant, mut client) = guest().await;
    let payment_no = captured(branch, &merchant, "O-1").await;
    let mut log = branch.ledger.superuser().await.unwrap();
    let before = events_of(&mut log, &merchant).await;
    for card in
        ["4242424242424242", "4242 4242 4242 4242", "card 5555-5555-5555-4444 please", "\u{ff14}242424242424242"]
    {
        let mut asked: Vec<(&str, Value)> = Vec::new();
        for field in ["subject", "body", "description", "pay_method"] {
            let mut body = payment("O-2");
            body[field] = card.into();
            asked.push((PAYMENTS, body));
        }
        for metadata in [json!({ "card": card }), json!({ card: "card" })] {
            let mut body = payment("O-2");
            body["metadata"] = metadata;
            asked.push((PAYMENTS, body));
        }
        asked.push((REFUNDS, json!({ "payment_no": payment_no, "amount": 1, "reason": card })));
        asked.push((
            "/api/v1/orders",
            json!({ "order_no": "O-2", "currency": "USD", "total": 1,
                    "items": [{ "name": card, "quantity": 1, "unit_price": 1 }] }),
        ));
        for (path, body) in asked {
            let answer = ask(&mut client, &merchant.test, path, &fresh("k"), &body).await;
            assert_eq!(answer.verdict(), "422 card_data_rejected", "{body}");
            assert_not_applied(&answer, card);
            assert!(!answer.body.contains(card), "a card number is told back: {answer:?}");
        }
    }
    assert_eq!(events_of(&mut log, &merchant).await, before);
    assert!(!branch.server.log().unwrap().contains("4242424242424242"));
}

#[tokio::test]
async fn what_is_said_with_a_request_is_kept_or_refused_never_lost() {
    let (branch, merchant, mut client) = guest().await;
    let mut both = payment("O-1");
    (both["body"], both["description"]) = ("one".into(), "another".into());
    let refused = ask(&mut client, &merchant.test, PAYMENTS, "both", &both).await;
    assert_eq!(
        (refused.verdict().as_str(), &refused.json()["errors"][0]["pointer"]),
        ("400 field_twice", &"/description".into())
    );

    let mut log = branch.ledger.superuser().await.unwrap();
    let started = ask(&mut client, &merchant.test, PAYMENTS, "start", &payment("O-2")).await.data("payment_no");
    let reason = json!({ "reason": "two of them" });
    let cancel = format!("{PAYMENTS}/{started}/cancel");
    assert_eq!(ask(&mut client, &merchant.test, &cancel, "cancel", &reason).await.status, 200);
    let paid = captured(branch, &merchant, "O-3").await;
    let refund = json!({ "payment_no": paid, "amount": 10, "reason": "returned", "operator_id": "clerk-7" });
    assert_eq!(ask(&mut client, &merchant.test, REFUNDS, "refund", &refund).await.status, 200);
    for (payment_no, event, said, kept) in [
        (&started, "cancelled", "payload -> 'cancelled' ->> 'reason'", "two of them"),
        (&paid, "refund_reserved", "metadata ->> 'merchant_operator_id'", "clerk-7"),
    ] {
        let said: Option<String> =
            sqlx::query_scalar(&format!("select {said} from log.events where aggregate_id = $1 and event_type = $2"))
                .bind(payment_no)
                .bind(event)
                .fetch_one(&mut log)
                .await
                .unwrap();
        assert_eq!(said.as_deref(), Some(kept), "{event}");
    }
    // A card number is refused here as everywhere.
    let card = json!({ "reason": "card 4111 1111 1111 1111" });
    assert_eq!(ask(&mut client, &merchant.test, &cancel, "card", &card).await.verdict(), "422 card_data_rejected");
}
