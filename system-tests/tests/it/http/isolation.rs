//! What is another merchant's, or of the other mode, is answered as if it were not.

use serde_json::{Value, json};
use system_tests::client::{Answer, Caller, Client};

use super::captured::captured;
use super::{PAYMENTS, REFUNDS, ask, events_of, guest, payment};

const NOTHING: &str = "PAY00000000000000000000000000000007";

/// Every way of naming a payment or an order, and what to say to it.
fn ways(payment_no: &str, order_no: &str) -> Vec<(String, Value)> {
    vec![
        (format!("{PAYMENTS}/{payment_no}/capture"), json!({})),
        (format!("{PAYMENTS}/{payment_no}/cancel"), json!({})),
        (REFUNDS.to_owned(), json!({ "payment_no": payment_no, "amount": 10, "reason": "returned" })),
        (format!("/api/v1/orders/{order_no}/cancel"), json!({})),
    ]
}

/// The answer and its headers, without what names the request and what is told of the caller or the moment.
fn shape(answer: &Answer) -> (String, Vec<String>) {
    let mut body = answer.json();
    for name in ["request_id", "trace_id", "instance"] {
        body[name] = "".into();
    }
    let of_the_request = ["x-request-id", "x-trace-id", "daybook-position", "ratelimit", "date"];
    let headers = answer.headers.iter().map(|(name, value)| {
        if of_the_request.contains(&name.as_str()) { name.clone() } else { format!("{name}: {value}") }
    });
    (body.to_string(), headers.collect())
}

async fn shapes(
    client: &mut Client,
    who: &Caller,
    ways: Vec<(String, Value)>,
    round: &str,
) -> Vec<(String, Vec<String>)> {
    let mut shapes = Vec::new();
    for (n, (path, body)) in ways.into_iter().enumerate() {
        let answer = ask(client, who, &path, &format!("{round} {n}"), &body).await;
        assert_eq!(answer.status, 404, "{path}: {answer:?}");
        shapes.push(shape(&answer));
    }
    shapes
}

// covers G1
#[tokio::test]
async fn nobody_can_tell_anothers_payment_from_none() {
    let (branch, owner, mut client) = guest().await;
    let stranger = branch.merchant().await.unwrap();
    let payment_no = captured(branch, &owner, "O-1").await;
    let order = json!({ "order_no": "O-9", "currency": "USD", "total": 5,
                        "items": [{ "name": "x", "quantity": 1, "unit_price": 5 }] });
    assert_eq!(ask(&mut client, &owner.test, "/api/v1/orders", "order", &order).await.status, 200);
    let mut log = branch.ledger.superuser().await.unwrap();
    let before = events_of(&mut log, &owner).await;
    for (who, name) in [(&stranger.test, "a stranger"), (&stranger.live, "a stranger, live"), (&owner.live, "live")] {
        let theirs = shapes(&mut client, who, ways(&payment_no, "O-9"), &format!("{name} theirs")).await;
        let nothing = shapes(&mut client, who, ways(NOTHING, "O-0"), &format!("{name} none")).await;
        assert_eq!(theirs, nothing, "{name} can tell them apart");
    }
    assert_eq!(events_of(&mut log, &owner).await, before);
}

// covers G1, G3
#[tokio::test]
async fn a_merchant_speaks_for_itself_alone() {
    let (branch, owner, mut client) = guest().await;
    let stranger = branch.merchant().await.unwrap();
    let mut log = branch.ledger.superuser().await.unwrap();
    let before = events_of(&mut log, &owner).await;
    for (field, value) in [("merchant_id", json!(owner.id)), ("livemode", json!(true))] {
        let mut named = payment("O-1");
        named[field] = value;
        let answer = ask(&mut client, &stranger.test, PAYMENTS, "k", &named).await;
        assert_eq!(answer.verdict(), "422 merchant_id_differs", "{field}");
    }
    for field in ["tenant_id", "status", "captured", "balance", "created_by", "payment_no", "fee_plan", "__proto__"] {
        let mut more = payment("O-1");
        more[field] = "PAY".into();
        let answer = ask(&mut client, &stranger.test, PAYMENTS, "k", &more).await;
        assert_eq!(answer.verdict(), "400 field_unknown", "{field}");
        assert_eq!(answer.json()["errors"][0]["pointer"], format!("/{field}"));
    }
    assert_eq!(events_of(&mut log, &owner).await, before);
    // An operator has no world of its own: it must say which one.
    let answer = ask(&mut client, &branch.operator, PAYMENTS, "operator", &payment("O-1")).await;
    assert_eq!(answer.verdict(), "400 field_missing");
}
