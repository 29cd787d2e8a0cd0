//! Bad requests by the hundred, made by rule from good ones: each one is refused.

use std::collections::BTreeMap;

use command_api::{ROUTES, Route};
use serde_json::{Value, json};
use system_tests::branch::{Branch, Merchant, fresh};
use system_tests::client::{Caller, Request};
use system_tests::say::say;

use super::{PAYMENTS, assert_not_applied, events_of, guest, payment};

const BULK: &str = "/api/v1/payments/bulk";
/// Stands for a value that `Value` cannot hold; replaced in the text.
const RAW: &str = "raw value stands here";

/// A bad request and what is bad about it.
struct Bad {
    what: String,
    request: Request,
}

/// The route's own example, about this merchant; its key and fields about the tenant left out for merchants.
fn example(route: &Route, merchant: &Merchant, is_merchants: bool) -> Value {
    let (_schema, example) = route.body;
    let mut body = example();
    if is_merchants
        && let Some(object) = body.as_object_mut()
        && object.remove("merchant_id").is_some()
    {
        object.remove("livemode");
    }
    let text = body.to_string().replace("MER00000000000000000000000000000001", &merchant.id);
    serde_json::from_str(&text).unwrap()
}

/// What no field of this kind takes.
fn bad_values(of: &Value, path: &str) -> Vec<Value> {
    match of {
        Value::String(_) => vec![
            json!(true),
            json!(7),
            json!(1.5),
            json!([]),
            json!({}),
            json!(["x"]),
            json!(""),
            json!("\u{1}"),
            json!("x".repeat(3_000)),
        ],
        Value::Number(_) => vec![
            json!("1"),
            json!(true),
            json!(1.5),
            json!([]),
            json!({}),
            json!(""),
            json!([1]),
            json!(9_223_372_036_854_775_808_u64),
            json!(RAW),
        ],
        Value::Bool(_) => vec![json!("true"), json!(1), json!(0), json!(""), json!([]), json!({})],
        Value::Array(_) if path == BULK => vec![json!(true), json!(1), json!("x"), json!({}), json!([]), json!(null)],
        Value::Array(_) => {
            vec![json!(true), json!(1), json!("x"), json!({}), json!([1]), json!(["x"]), json!([[]]), json!([{}])]
        }
        Value::Object(_) => vec![
            json!(true),
            json!(1),
            json!("x"),
            json!([1]),
            json!({ "a": 1 }),
            json!({ "a": "" }),
            json!({ "": "x" }),
            json!({ "a": [] }),
            json!({ "a": null }),
            json!({ "a": "x".repeat(1_001) }),
        ],
        Value::Null => Vec::new(),
    }
}

fn post(path: &str, body: &Value) -> Request {
    let text = body.to_string().replace(&format!("\"{RAW}\""), "1e400");
    Request::post_bytes(path, text).keyed(fresh("corpus"))
}

/// Every field with every value it does not take, missing, or under another name.
fn bad_fields(route: &Route, path: &str, good: &Value) -> Vec<Bad> {
    let (schema, _example) = route.body;
    let required = schema()["required"].clone();
    let mut bad = Vec::new();
    let mut add = |what: String, body: &Value| bad.push(Bad { what, request: post(path, body) });
    for (field, value) in good.as_object().unwrap() {
        for wrong in bad_values(value, route.path) {
            let mut body = good.clone();
            body[field] = wrong.clone();
            add(format!("{} {field} = {}", route.path, wrong.to_string().chars().take(40).collect::<String>()), &body);
        }
        let mut body = good.clone();
        let taken = body.as_object_mut().unwrap().remove(field).unwrap();
        if required.as_array().unwrap().iter().any(|name| name == field) {
            add(format!("{} without {field}", route.path), &body);
        }
        body[field.to_uppercase()] = taken;
        add(format!("{} {field} in capitals", route.path), &body);
    }
    let mut body = good.clone();
    body["unexpected"] = json!(1);
    add(format!("{} with one more field", route.path), &body);
    bad
}

/// Text that is no JSON object, for a route.
fn bad_texts(route: &Route, path: &str, good: &Value) -> Vec<Bad> {
    let text = good.to_string();
    let cut = (1..8).map(|eighth| text.chars().take(text.len() * eighth / 8).collect::<String>());
    let others = [
        "[]",
        "1",
        "null",
        "\"x\"",
        "{",
        "}",
        "{]",
        "{\"a\"}",
        "{\"a\":}",
        "{a:1}",
        "{'a':1}",
        "{\"a\":1,}",
        "\u{feff}{}",
        "{}{}",
        "{\"a\":\"\u{1}\"}",
        "{\"a\":tru}",
        "{\"a\":1e400}",
        "//",
        " ",
    ];
    // No body at all is the empty object, which some routes take.
    let texts = cut
        .filter(|text| !text.is_empty())
        .chain(others.into_iter().map(str::to_owned))
        .chain([format!("{text}x"), format!("x{text}")]);
    texts
        .map(|text| Bad {
            what: format!("{} {}", route.path, text.chars().take(40).collect::<String>()),
            request: Request::post_bytes(path, text).keyed(fresh("corpus")),
        })
        .collect()
}

/// Headers and queries that are not as they should be, before a good body.
fn bad_envelopes() -> Vec<Bad> {
    let good = || Request::post(PAYMENTS, &payment("corpus"));
    let keyed = || good().keyed(fresh("corpus"));
    let mut bad = vec![Bad { what: "no key".to_owned(), request: good() }];
    for key in ["", "\u{e9}", "a\tb", &"x".repeat(256), &"x".repeat(5_000)] {
        bad.push(Bad { what: format!("key {}", key.chars().take(20).collect::<String>()), request: good().keyed(key) });
    }
    for version in ["1", "*", "W/\"1\"", "\"\"", "\"one\"", "\"1\",\"2\"", "\"99\"", "\u{e9}"] {
        bad.push(Bad { what: format!("if-match {version}"), request: keyed().with("if-match", version) });
    }
    for kind in ["", "text/plain", "application/xml", "application/json; charset=latin1", "json", "application/json/x"]
    {
        let request = keyed().without("content-type").with("content-type", kind);
        bad.push(Bad { what: format!("content-type {kind}"), request });
    }
    for query in ["dry_run=1", "dry_run=yes", "x=1", "dry_run=true&x", "=", "%ff=1", "dry_run=%ff", "a[]=1", "?", "&x"]
    {
        let mut request = keyed();
        request.path = format!("{PAYMENTS}?{query}");
        bad.push(Bad { what: format!("query {query}"), request });
    }
    for id in ["x", "PAY", "PAY0", "pay00000000000000000000000000000001", "%00", "%2F", "..", "%F0%9F%98%80", "PAY%20"]
    {
        for end in ["capture", "cancel"] {
            let request = Request::post(format!("{PAYMENTS}/{id}/{end}"), &json!({})).keyed(fresh("corpus"));
            bad.push(Bad { what: format!("{end} of {id}"), request });
        }
    }
    bad
}

/// Whom a route is for.
fn caller_of<'c>(route: &Route, branch: &'c Branch, merchant: &'c Merchant) -> (&'c Caller, bool) {
    use gate::Scope;
    let of_merchants = [Scope::TakePayments, Scope::Refund, Scope::PlaceOrders, Scope::Settle];
    let is_merchants = of_merchants.contains(&route.entrance.scope);
    (if is_merchants { &merchant.test } else { &branch.operator }, is_merchants)
}

// covers A20, A21, G3, G14, I34
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn six_hundred_bad_requests_are_refused_and_none_of_them_is_our_mistake() {
    let (branch, merchant, mut client) = guest().await;
    let mut log = branch.ledger.superuser().await.unwrap();
    let before = events_of(&mut log, &merchant).await;
    let mut asked: Vec<(Bad, &Caller)> = bad_envelopes().into_iter().map(|bad| (bad, &merchant.test)).collect();
    for route in ROUTES {
        let (caller, is_merchants) = caller_of(route, branch, &merchant);
        let good = example(route, &merchant, is_merchants);
        let path = route.path.replace("{merchant_id}", &merchant.id).replace("{order_no}", "O-1");
        let path = path.replace("{payment_no}", "PAY00000000000000000000000000000001");
        let path = path.replace("{key_id}", "KEY00000000000000000000000000000001");
        let path = path.replace("{settlement_no}", "SET00000000000000000000000000000001");
        let path = path.replace("{adjustment_no}", "ADJ00000000000000000000000000000001").replace("{month}", "2026-01");
        let bad = bad_fields(route, &path, &good).into_iter().chain(bad_texts(route, &path, &good));
        asked.extend(bad.map(|bad| (bad, caller)));
    }
    let mut codes = BTreeMap::<String, usize>::new();
    let count = asked.len();
    for (Bad { what, request }, caller) in asked {
        let answer = client.send(&request.by(caller)).await.unwrap();
        assert!((400..500).contains(&answer.status), "{what}: {answer:?}");
        assert_not_applied(&answer, &what);
        *codes.entry(answer.code()).or_default() += 1;
    }
    say(&format!("{count} bad requests, refused as {codes:?}"));
    assert!(count >= 600, "{count}");
    assert_eq!(events_of(&mut log, &merchant).await, before, "one of them did something");
}
