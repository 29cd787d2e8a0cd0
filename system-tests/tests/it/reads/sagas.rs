//! Sagas as operators see them: over HTTP, and with the SQL they have always asked.

use chrono::{TimeDelta, Utc};
use domain::id::SagaId;
use domain::saga::event::Started;
use domain::saga::step::{Start, Way};
use domain::saga::{Saga, SagaCommand};
use event_store::{Act, Outcome, Store};
use serde_json::json;
use sqlx::Row as _;
use system_tests::branch::fresh;

use super::{caught_up, get, guest, rows};

async fn tell(store: &Store, id: SagaId, command: SagaCommand) {
    let outcome = store.execute(Act::tell::<Saga>(id.to_string(), command)).await.unwrap();
    assert!(matches!(outcome, Outcome::Accepted { .. }), "{outcome:?}");
}

fn start(step: u32, way: Way, try_no: u32) -> SagaCommand {
    let name = format!("step-{step}");
    let due_at = Utc::now() + TimeDelta::minutes(5);
    SagaCommand::StartStep(Box::new(Start { step, way, try_no, name, partner_key: None, retries_max: 3, due_at }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operators_see_what_failed_and_when_it_is_tried_again() {
    let (branch, merchant, mut client) = guest().await;
    let store = branch.ledger.store().unwrap();
    let business = fresh("PAY-business");
    let id = SagaId::derive("payment", &business);
    let started = Started {
        saga_id: id,
        process: "payment".to_owned(),
        business_id: business.clone(),
        business_type: "payment".to_owned(),
        merchant_id: None,
        livemode: false,
    };
    tell(&store, id, SagaCommand::Start(Box::new(started))).await;
    tell(&store, id, start(1, Way::Forward, 1)).await;
    tell(&store, id, SagaCommand::SucceedStep { step: 1, way: Way::Forward, result: "yes".to_owned() }).await;
    tell(&store, id, start(2, Way::Forward, 1)).await;
    let error = "no answer".to_owned();
    tell(&store, id, SagaCommand::FailStep { step: 2, way: Way::Forward, try_no: 1, error }).await;
    let retry_at = Utc::now() - TimeDelta::seconds(1);
    tell(&store, id, SagaCommand::ScheduleRetry { step: 2, way: Way::Forward, try_no: 2, retry_at }).await;
    caught_up(branch, &mut client, &["/api/v1/sagas"]).await;

    let path = format!("/api/v1/sagas?business_id={business}&expand=steps");
    let found = rows(&get(&mut client, &branch.operator, &path).await);
    assert_eq!((found.len(), &found[0]["status"], &found[0]["current_step"]), (1, &json!("in_progress"), &json!(2)));
    assert_eq!(found[0]["steps"][0]["status"], "completed");
    assert_eq!(
        (&found[0]["steps"][1]["status"], &found[0]["steps"][1]["error_message"]),
        (&json!("failed"), &json!("no answer"))
    );
    for (query, count) in
        [("status=completed", 0), ("business_type=payment", 1), ("created[lt]=2000-01-01T00:00:00Z", 0)]
    {
        let path = format!("/api/v1/sagas?business_id={business}&{query}");
        assert_eq!(rows(&get(&mut client, &branch.operator, &path).await).len(), count, "{query}");
    }
    let one = get(&mut client, &branch.operator, &format!("/api/v1/sagas/{id}")).await;
    assert_eq!(one.data("business_id"), business);
    assert_eq!(get(&mut client, &merchant.test, "/api/v1/sagas").await.verdict(), "403 scope_missing");

    let mut books = branch.ledger.superuser().await.unwrap();
    sqlx::query("set search_path = read").execute(&mut books).await.unwrap();
    let due = "SELECT * FROM saga_steps WHERE status = 'failed' AND next_retry_at IS NOT NULL AND next_retry_at <= NOW() LIMIT 10";
    let due = sqlx::query(due).fetch_all(&mut books).await.unwrap();
    assert!(due.iter().any(|row| row.get::<String, _>("step_name") == "step-2"));
    let listed = "SELECT si.business_id, ss.step_order, ss.step_name, ss.status, ss.retry_count FROM saga_instances si \
                  JOIN saga_steps ss ON si.id = ss.saga_id ORDER BY si.created_at DESC, ss.step_order LIMIT 20";
    assert!(sqlx::query(listed).fetch_all(&mut books).await.unwrap().len() >= 2);
    assert_columns(&mut books).await;

    tell(&store, id, start(2, Way::Forward, 2)).await;
    tell(&store, id, SagaCommand::SucceedStep { step: 2, way: Way::Forward, result: "yes".to_owned() }).await;
    tell(&store, id, SagaCommand::Compensate { reason: "changed our mind".to_owned() }).await;
    for step in [2, 1] {
        tell(&store, id, start(step, Way::Undo, 1)).await;
        tell(&store, id, SagaCommand::SucceedStep { step, way: Way::Undo, result: "undone".to_owned() }).await;
    }
    tell(&store, id, SagaCommand::FinishCompensation).await;
    store.close().await;
    caught_up(branch, &mut client, &["/api/v1/sagas"]).await;
    let one = get(&mut client, &branch.operator, &format!("/api/v1/sagas/{id}?expand=steps")).await.json();
    assert_eq!(
        (&one["data"]["status"], &one["data"]["steps"][0]["status"]),
        (&json!("compensated"), &json!("compensated"))
    );
}

/// As the contract has them, in its order.
async fn assert_columns(books: &mut sqlx::PgConnection) {
    for (table, columns) in [
        (
            "saga_instances",
            "id uuid, business_id text, business_type text, status text, current_step integer, error_message text, metadata text, created_at timestamp without time zone, updated_at timestamp without time zone, completed_at timestamp without time zone, compensated_at timestamp without time zone",
        ),
        (
            "saga_steps",
            "id uuid, saga_id uuid, step_order integer, step_name text, status text, execute_data text, compensate_data text, result text, error_message text, executed_at timestamp without time zone, compensated_at timestamp without time zone, retry_count integer, max_retry_count integer, next_retry_at timestamp without time zone, created_at timestamp without time zone, updated_at timestamp without time zone",
        ),
    ] {
        let found: String = sqlx::query_scalar(
            "select string_agg(column_name || ' ' || data_type, ', ' order by ordinal_position) \
             from information_schema.columns where table_schema = 'read' and table_name = $1",
        )
        .bind(table)
        .fetch_one(&mut *books)
        .await
        .unwrap();
        assert_eq!(found, columns, "{table}");
    }
}
