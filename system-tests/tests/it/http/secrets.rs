//! Keys are shown once, people are sealed: neither stands in the database or in the log.

use serde_json::json;
use sqlx::PgConnection;
use system_tests::client::{Caller, Request};

use super::{PAYMENTS, ask, guest, payment};

/// Every table there is, row by row as text: how many hold the words.
pub(crate) async fn rows_with(log: &mut PgConnection, words: &str) -> Vec<String> {
    let tables: Vec<String> = sqlx::query_scalar(
        "select format('%I.%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace \
         where c.relkind in ('r', 'p') and n.nspname not in ('pg_catalog', 'information_schema') order by 1",
    )
    .fetch_all(&mut *log)
    .await
    .unwrap();
    assert!(tables.len() >= 5, "{tables:?}");
    let mut found = Vec::new();
    for table in tables {
        let bytes = format!("%{}%", hex_of(words));
        let look = format!("select count(*) from {table} t where t::text ilike '%' || $1 || '%' or t::text ilike $2");
        let count: i64 = sqlx::query_scalar(&look).bind(words).bind(bytes).fetch_one(&mut *log).await.unwrap();
        if count > 0 {
            found.push(format!("{words} in {count} rows of {table}"));
        }
    }
    found
}

/// As Postgres shows bytes.
fn hex_of(words: &str) -> String {
    words.bytes().map(|byte| format!("{byte:02x}")).collect()
}

// covers G16, I29
#[tokio::test]
async fn what_is_known_of_people_is_sealed_before_it_is_kept() {
    let (branch, merchant, mut client) = guest().await;
    let mut told = payment("canary-order");
    told["customer_email"] = "Canary.Customer@example.com".into();
    told["description"] = "canary description of a theatre ticket".into();
    let mut also = payment("canary-order-2");
    also["body"] = "canary body of a theatre ticket".into();
    also["customer_email"] = "canary.second@example.com".into();
    assert_eq!(ask(&mut client, &merchant.test, PAYMENTS, "a", &told).await.status, 200);
    assert_eq!(ask(&mut client, &merchant.test, PAYMENTS, "b", &also).await.status, 200);
    let profile = json!({
        "name": "Canary Theatre", "email": "canary.owner@example.com", "contact_name": "Canary Contact",
        "phone": "+44 20 7946 0999",
    });
    branch.operate("/api/v1/merchants", &profile).await.unwrap();
    // A failure tells nothing either.
    told["amount"] = "x".into();
    assert_eq!(ask(&mut client, &merchant.test, PAYMENTS, "c", &told).await.status, 400);

    let mut log = branch.ledger.superuser().await.unwrap();
    assert!(
        !rows_with(&mut log, "canary-order").await.is_empty(),
        "what is not sealed is found: the search is not blind"
    );
    assert!(!rows_with(&mut log, "Canary Theatre").await.is_empty());
    let said = branch.server.log().unwrap().to_lowercase();
    for words in [
        "canary.customer",
        "canary description",
        "canary body",
        "canary.second",
        "canary.owner",
        "Canary Contact",
        "7946 0999",
    ] {
        let mut rows = rows_with(&mut log, words).await;
        // A merchant's own address is there to be read, by whoever may read that table.
        rows.retain(|row| words != "canary.owner" || !row.ends_with("rows of read.merchants_v1"));
        assert_eq!(rows, Vec::<String>::new());
        assert!(!said.contains(&words.to_lowercase()), "{words} was logged");
    }
    let keys: i64 = sqlx::query_scalar("select count(*) from vault.data_keys where person is not null")
        .fetch_one(&mut log)
        .await
        .unwrap();
    assert!(keys >= 3, "each of them has a key that can be destroyed");
}

// covers G16
#[tokio::test]
async fn a_key_is_shown_to_whoever_asked_first_and_kept_nowhere() {
    let (branch, merchant, mut client) = guest().await;
    let profile = json!({ "name": "Shown Once", "email": "shown.once@example.com" });
    let rotation = json!({ "livemode": false, "overlap_hours": 1 });
    let keys = format!("/api/v1/merchants/{}/keys", merchant.id);
    let mut secrets = Vec::new();
    for (path, body, count) in [("/api/v1/merchants", &profile, 2), (keys.as_str(), &rotation, 1)] {
        let asked = Request::post(path, body).keyed(format!("once {path}")).by(&branch.operator);
        let first = client.send(&asked).await.unwrap();
        let shown = first.json()["shown_once"]["keys"].as_array().unwrap().clone();
        assert_eq!(shown.len(), count, "{first:?}");
        for key in &shown {
            secrets.extend(["api_key", "signing_secret"].map(|name| key[name].as_str().unwrap().to_owned()));
        }
        let again = client.send(&asked).await.unwrap();
        assert_eq!((again.status, again.header("idempotency-replayed")), (200, Some("true")));
        assert!(!again.body.contains("shown_once"), "{again:?}");
        assert_eq!(again.json()["data"], first.json()["data"], "all else is told again");
    }
    let Caller::Token(token) = &branch.operator else { panic!("an operator has a token") };
    secrets.push(token.clone());
    let mut log = branch.ledger.superuser().await.unwrap();
    let said = branch.server.log().unwrap();
    for secret in &secrets {
        // What was drawn at random stands last.
        let drawn = &secret[secret.len() - 40..];
        assert_eq!(rows_with(&mut log, drawn).await, Vec::<String>::new());
        assert!(!said.contains(drawn), "a secret was logged");
    }
    let (card, said) = ("4111111111111111", branch.server.log().unwrap());
    assert!(!said.contains(card), "a card number was logged");
}
