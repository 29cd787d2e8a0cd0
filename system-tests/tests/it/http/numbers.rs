//! Amounts at their edges, JSON that reads two ways: never rounded, never guessed.

use serde_json::json;
use system_tests::branch::fresh;
use system_tests::client::Request;

use super::captured::captured;
use super::{PAYMENTS, REFUNDS, assert_not_applied, events_of, guest};

const AMOUNTS: [&str; 30] = [
    "0",
    "-1",
    "-0",
    "-0.0",
    "1.0",
    "1e2",
    "1E+2",
    "0.1",
    "0.30000000000000004",
    "1e400",
    "-1e400",
    "1e-400",
    "9223372036854775808",
    "-9223372036854775808",
    "18446744073709551616",
    "170141183460469231731687303715884105728",
    "99999999999999999999999999999999999999999999999999",
    "\"1000\"",
    "\"1.005\"",
    "\"\u{663}\"",
    "\u{663}",
    "NaN",
    "Infinity",
    "01",
    "+1",
    "0x10",
    "1_000",
    "null",
    "true",
    "[1000]",
];

// covers A20
#[tokio::test]
async fn an_amount_is_a_whole_positive_number_of_minor_units_or_refused() {
    let (branch, merchant, mut client) = guest().await;
    let payment_no = captured(branch, &merchant, "O-1").await;
    let mut log = branch.ledger.superuser().await.unwrap();
    let before = events_of(&mut log, &merchant).await;
    for amount in AMOUNTS {
        for (path, body) in [
            (PAYMENTS, format!(r#"{{"order_no":"N","amount":{amount},"currency":"USD","channel":"stripe"}}"#)),
            (PAYMENTS, format!(r#"{{"order_no":"N","amount":{amount},"currency":"JPY","channel":"stripe"}}"#)),
            (REFUNDS, format!(r#"{{"payment_no":"{payment_no}","amount":{amount},"reason":"returned"}}"#)),
        ] {
            let asked = Request::post_bytes(path, body).keyed(fresh("amount")).by(&merchant.test);
            let answer = client.send(&asked).await.unwrap();
            let codes = ["400 amount_malformed", "400 json_malformed", "422 amount_not_positive"];
            assert!(codes.contains(&answer.verdict().as_str()), "{path} {amount}: {answer:?}");
            assert_not_applied(&answer, amount);
        }
    }
    assert_eq!(events_of(&mut log, &merchant).await, before);
}

// covers A20
#[tokio::test]
async fn the_largest_amounts_there_are_come_back_as_they_went_in() {
    let (_branch, merchant, mut client) = guest().await;
    for amount in [1, 9_007_199_254_740_993, i64::MAX - 1, i64::MAX] {
        let body = json!({ "order_no": fresh("N"), "amount": amount, "currency": "JPY", "channel": "stripe" });
        let asked = Request::post(PAYMENTS, &body).keyed(fresh("k")).by(&merchant.test);
        let answer = client.send(&asked).await.unwrap();
        assert_eq!((answer.status, &answer.json()["data"]["amount"]), (200, &amount.into()), "{answer:?}");
    }
    // What is summed may be more than there is.
    let items = json!([{ "name": "x", "quantity": u32::MAX, "unit_price": i64::MAX }]);
    let order = json!({ "order_no": fresh("N"), "currency": "USD", "total": i64::MAX, "items": items });
    let asked = Request::post("/api/v1/orders", &order).keyed(fresh("k")).by(&merchant.test);
    let answer = client.send(&asked).await.unwrap();
    assert_eq!(answer.status, 422, "{answer:?}");
    assert_not_applied(&answer, "an order beyond all bounds");
}

// covers A21
#[tokio::test]
async fn json_that_could_be_read_two_ways_is_not_read() {
    let (branch, merchant, mut client) = guest().await;
    let plain = r#"{"order_no":"J","amount":1000,"currency":"USD","channel":"stripe"}"#;
    let with = |more: &str| plain.replace('}', &format!(",{more}}}")).into_bytes();
    let utf16: Vec<u8> = plain.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut log = branch.ledger.superuser().await.unwrap();
    let before = events_of(&mut log, &merchant).await;
    for (what, body, code) in [
        ("a key twice", with(r#""amount":2000"#), "json_malformed"),
        ("a key twice, escaped", with(r#""\u0061mount":2000"#), "json_malformed"),
        ("a key twice, deep", with(r#""metadata":{"a":"1","a":"2"}"#), "json_malformed"),
        ("200 deep", with(&format!("\"metadata\":{}1{}", "[".repeat(200), "]".repeat(200))), "json_malformed"),
        ("60,000 deep", with(&format!("\"metadata\":{}", "[".repeat(60_000))), "json_malformed"),
        ("an unknown field", with(r#""Amount":1"#), "field_unknown"),
        ("a byte order mark", [b"\xef\xbb\xbf", plain.as_bytes()].concat(), "json_malformed"),
        ("UTF-16", utf16, "json_malformed"),
        (
            "not UTF-8",
            with("\"subject\":\"\u{fffd}\"").iter().map(|b| if *b == 0xef { 0xff } else { *b }).collect(),
            "json_malformed",
        ),
        ("bytes behind", format!("{plain}{plain}").into_bytes(), "json_malformed"),
        ("a comment", format!("{plain}//").into_bytes(), "json_malformed"),
        ("half a surrogate", with(r#""subject":"\ud800""#), "json_malformed"),
        ("NUL", with(r#""subject":"a\u0000b""#), "json_malformed"),
        ("a list", format!("[{plain}]").into_bytes(), "json_malformed"),
        ("nothing", Vec::new(), "field_missing"),
    ] {
        let asked = Request::post_bytes(PAYMENTS, body).keyed("k").by(&merchant.test);
        let answer = client.send(&asked).await.unwrap();
        assert_eq!(answer.verdict(), format!("400 {code}"), "{what}");
        assert_not_applied(&answer, what);
    }
    assert_eq!(events_of(&mut log, &merchant).await, before);
}
