//! The same rows in every format, read by programs that are not ours.

use std::io::Write as _;
use std::process::{Command, Stdio};

use parquet::data_type::Decimal;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::Field;
use serde_json::{Map, Value, json};
use system_tests::branch::fresh;
use system_tests::client::{Answer, Caller, Client, Request};

use super::{get, guest, pay, rows};

const PAYMENTS: &str = "/api/v1/payments";

pub(super) async fn as_format(client: &mut Client, caller: &Caller, path: &str, accept: &str) -> Answer {
    client.send(&Request::get(path).with("accept", accept).by(caller)).await.unwrap()
}

/// What Python makes of it, as JSON.
fn python(program: &str, input: &str) -> Value {
    let mut child =
        Command::new("python3").args(["-c", program]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{input}");
    serde_json::from_slice(&output.stdout).unwrap()
}

const READ_CSV: &str = "import csv,json,sys,io; print(json.dumps(list(csv.DictReader(io.TextIOWrapper(sys.stdin.buffer, 'utf-8', newline='')))))";
const READ_NDJSON: &str = "import json,sys; print(json.dumps([json.loads(line) for line in sys.stdin.buffer]))";

/// The rows of a CSV file, as Python reads it.
pub(super) fn of_csv(body: &str) -> Vec<Value> {
    python(READ_CSV, body).as_array().unwrap().clone()
}

/// The rows of a Parquet file, as JSON has them.
pub(super) fn of_parquet(bytes: Vec<u8>) -> Vec<Value> {
    let file = SerializedFileReader::new(axum::body::Bytes::from(bytes)).unwrap();
    let rows = file.get_row_iter(None).unwrap();
    rows.map(|row| {
        let row = row.unwrap();
        let fields = row.get_column_iter().map(|(name, field)| match (name.as_str(), value(field)) {
            ("metadata", Value::String(json)) => (name.clone(), serde_json::from_str(&json).unwrap()),
            (_other, value) => (name.clone(), value),
        });
        Value::Object(fields.collect::<Map<String, Value>>())
    })
    .collect()
}

#[expect(clippy::wildcard_enum_match_arm, reason = "no column of ours is of any other kind")]
fn value(field: &Field) -> Value {
    match field {
        Field::Null => Value::Null,
        Field::Bool(flag) => (*flag).into(),
        Field::Long(number) => (*number).into(),
        Field::Str(text) => text.clone().into(),
        Field::TimestampMicros(at) => {
            let at = chrono::DateTime::from_timestamp_micros(*at).unwrap();
            at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true).into()
        }
        Field::Decimal(Decimal::Bytes { value, scale: 0, .. }) => {
            i64::try_from(i128::from_be_bytes(value.data().try_into().unwrap())).unwrap().into()
        }
        other => panic!("no column of ours is {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_format_has_the_same_rows() {
    let (_branch, merchant, mut client) = guest().await;
    let awkward = [
        json!({ "subject": "a \"quoted\" thing, with a comma" }),
        json!({ "subject": "=1+1" }),
        json!({ "subject": "书和茶", "metadata": { "k": "v,\"w\"" } }),
        json!({}),
    ];
    let mut position = String::new();
    for more in awkward {
        position = pay(&mut client, &merchant.test, &fresh("format"), more).await.1;
    }
    let path = format!("{PAYMENTS}?min_position={position}&order=oldest");
    let json_rows = rows(&get(&mut client, &merchant.test, &path).await);

    let ndjson = as_format(&mut client, &merchant.test, &path, "application/x-ndjson").await;
    assert_eq!(ndjson.header("content-type"), Some("application/x-ndjson"));
    assert!(ndjson.header("daybook-position").is_some() && ndjson.header("daybook-lag").is_some(), "{ndjson:?}");
    assert_eq!(python(READ_NDJSON, &ndjson.body), Value::Array(json_rows.clone()));

    let file = as_format(&mut client, &merchant.test, &path, "application/vnd.apache.parquet").await;
    assert_eq!(file.header("content-type"), Some("application/vnd.apache.parquet"));
    assert_eq!(of_parquet(file.bytes), json_rows);

    let csv = as_format(&mut client, &merchant.test, &path, "text/csv").await;
    assert_eq!(csv.status, 200, "{csv:?}");
    let csv_rows = python(READ_CSV, &csv.body);
    let csv_rows = csv_rows.as_array().unwrap();
    assert_eq!(csv_rows.len(), json_rows.len());
    for (csv, json) in csv_rows.iter().zip(&json_rows) {
        for (name, value) in json.as_object().unwrap() {
            let text = match value {
                Value::Null => String::new(),
                Value::String(text) if text.starts_with('=') => format!("'{text}"),
                Value::String(text) => text.clone(),
                Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
            };
            assert_eq!(csv[name], Value::from(text), "{name} of {json}");
        }
    }
}

#[tokio::test]
async fn an_export_goes_past_a_page_and_stops_where_it_is_told() {
    let (branch, merchant, mut client) = guest().await;
    let payments: Vec<Value> = (0..3_000)
        .map(|n| {
            json!({ "idempotency_key": format!("bulk {n}"), "order_no": format!("bulk-{n}"), "amount": 100,
                         "currency": "USD", "channel": "stripe" })
        })
        .collect();
    for some in payments.chunks(1_000) {
        let body = json!({ "payments": some });
        let bulk = Request::post("/api/v1/payments/bulk", &body).by(&merchant.test);
        let answer = client.send(&bulk).await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let position = super::head(branch).await;
    let path = format!("{PAYMENTS}?min_position={position}&order=oldest");
    let all = as_format(&mut client, &merchant.test, &path, "application/x-ndjson").await;
    let orders: Vec<String> = all
        .body
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["order_no"].as_str().unwrap().to_owned())
        .collect();
    let expected: Vec<String> = (0..3_000).map(|n| format!("bulk-{n}")).collect();
    assert_eq!(orders, expected);
    let file = as_format(&mut client, &merchant.test, &path, "application/vnd.apache.parquet").await;
    let of_file: Vec<Value> = of_parquet(file.bytes).iter().map(|row| row["order_no"].clone()).collect();
    assert_eq!(of_file, expected);
    let some = as_format(&mut client, &merchant.test, &format!("{path}&limit=2500"), "text/csv").await;
    assert_eq!(some.body.lines().count(), 2_501);
}

#[tokio::test]
async fn a_format_nobody_offers_is_refused() {
    let (_branch, merchant, mut client) = guest().await;
    for (path, accept) in [
        (PAYMENTS, "text/html"),
        (PAYMENTS, "application/json;q=0"),
        ("/api/v1/payments/PAY00000000000000000000000000000007", "text/csv"),
        ("/api/v1/analytics", "text/plain"),
    ] {
        let answer = as_format(&mut client, &merchant.test, path, accept).await;
        assert_eq!(answer.verdict(), "406 format_unavailable", "{path} {accept}");
    }
    let nested = as_format(&mut client, &merchant.test, &format!("{PAYMENTS}?expand=attempts"), "text/csv").await;
    assert_eq!(nested.verdict(), "400 parameter_malformed");
    let browser = as_format(&mut client, &merchant.test, PAYMENTS, "text/html,application/xml;q=0.9,*/*;q=0.8").await;
    assert_eq!(browser.header("content-type"), Some("application/json"));
}
