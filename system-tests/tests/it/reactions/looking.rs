//! What tests of single processes need: a branch that reacts; waiting for what follows.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sqlx::PgConnection;
use system_tests::branch::{Branch, fresh};
use system_tests::client::{Answer, Caller, Request};

const WITHIN: Duration = Duration::from_secs(60);

/// A server of the test's own with everything on: the processes, and its sandbox.
pub(crate) async fn reacting() -> Branch {
    Branch::own(&[("DAYBOOK_WITHOUT_PROCESSES", "false")]).await.unwrap()
}

pub(crate) async fn ask(branch: &Branch, caller: &Caller, path: &str, body: &Value) -> Answer {
    let request = Request::post(path, body).keyed(fresh("asked")).by(caller);
    let answer = branch.client().send(&request).await.unwrap();
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    answer
}

/// Asks for 100.00 USD; the number of the payment.
pub(crate) async fn pay(branch: &Branch, caller: &Caller, order_no: &str, method: &str, capture: &str) -> String {
    let body = json!({ "order_no": order_no, "amount": 10_000, "currency": "USD", "channel": "stripe",
                       "pay_method": method, "capture": capture });
    ask(branch, caller, "/api/v1/payments", &body).await.data("payment_no")
}

/// Waits until the question about this name has that answer.
pub(super) async fn until(log: &mut PgConnection, question: &str, name: &str, wanted: i64) {
    let begun = Instant::now();
    loop {
        let is: i64 = sqlx::query_scalar(question).bind(name).fetch_one(&mut *log).await.unwrap();
        if is == wanted {
            return;
        }
        assert!(begun.elapsed() < WITHIN, "{question} of {name}: {is}, not {wanted}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until so many events of this type are in the stream.
pub(crate) async fn until_told(log: &mut PgConnection, stream: &str, event_type: &str, wanted: i64) {
    let question = format!("select count(*) from log.events where aggregate_id = $1 and event_type = '{event_type}'");
    until(log, &question, stream, wanted).await;
}

/// Waits until so many sagas of the process that began with this have ended in this way.
pub(super) async fn until_ended(log: &mut PgConnection, process: &str, business: &str, end: &str, wanted: i64) {
    let question = format!(
        "select count(*) from log.events e join log.events s on s.aggregate_type = 'saga' \
         and s.aggregate_id = e.aggregate_id and s.event_type = 'started' \
         where e.aggregate_type = 'saga' and e.event_type = '{end}' \
         and s.payload -> 'started' ->> 'process' = '{process}' and starts_with(s.payload -> 'started' ->> 'business_id', $1)"
    );
    until(log, &question, business, wanted).await;
}
