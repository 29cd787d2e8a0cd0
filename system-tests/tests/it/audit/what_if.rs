//! History under other fees and rules: shown, and nothing real is touched.

use std::fs;

use serde_json::{Value, json};
use system_tests::branch::{Branch, fresh};
use system_tests::client::Request;

use super::Directory;
use super::served::run_apart;
use crate::http::captured::captured;

async fn count(branch: &Branch, of: &str) -> i64 {
    let count = format!("select count(*) from {of}");
    sqlx::query_scalar(&count).fetch_one(&mut branch.ledger.superuser().await.unwrap()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_fees_are_reckoned_beside_the_books_and_not_in_them() {
    let (branch, place) = (Branch::own(&[]).await.unwrap(), Directory::fresh());
    let (one, other) = (branch.merchant().await.unwrap(), branch.merchant().await.unwrap());
    for _payment in 0..2 {
        captured(&branch, &one, &fresh("what-if")).await;
    }
    let payment_no = captured(&branch, &other, &fresh("what-if")).await;
    let file = place.at("plan.json");
    let plan = json!({ "rate": 200, "fixed_minor": 5, "minimum_minor": 0, "maximum_minor": null, "on_refund": "kept" });
    fs::write(&file, plan.to_string()).unwrap();
    let file = file.to_str().unwrap();
    let events = count(&branch, "log.events").await;
    let asked =
        ["what-if", "fees", "--plan", file, "--currency", "USD", "--since", "2020-01-01", "--livemode", "false"];
    let (said, beside, code) = run_apart(&branch, &[&asked[..], &["--into", "trial", "--format", "json"]].concat());
    assert_eq!(code, 0, "{beside}");
    let told: Value = serde_json::from_str(&said).unwrap();
    // Of 10.00 one percent was charged; two percent and 0.05 would have been.
    let mut expected = vec![(one.id.clone(), 2, "20", "50", "30"), (other.id.clone(), 1, "10", "25", "15")];
    expected.sort_unstable();
    let merchants = told["merchants"].as_array().unwrap().iter();
    let found: Vec<_> = merchants
        .map(|row| {
            let text = |name: &str| row[name].as_str().unwrap();
            let fees = (text("fees_before_minor"), text("fees_after_minor"), text("difference_minor"));
            (text("merchant_id").to_owned(), row["payments"].as_i64().unwrap(), fees.0, fees.1, fees.2)
        })
        .collect();
    assert_eq!(found, expected);
    assert_eq!(count(&branch, "trial.fees where difference_minor = 15").await, 3);
    // One merchant, as lines; another currency or mode has none.
    let of_one = [&asked[..], &["--merchant", &other.id, "--format", "csv"]].concat();
    let (said, beside, code) = run_apart(&branch, &of_one);
    let line = format!("{payment_no},{},USD,1000,10,0,25,0,15", other.id);
    assert_eq!((code, said.lines().skip(1).collect::<Vec<_>>()), (0, vec![&*line]), "{beside}");
    for (from, to) in [("USD", "EUR"), ("false", "true")] {
        let none: Vec<&str> = asked.iter().map(|word| if *word == from { to } else { word }).collect();
        let (said, beside, code) = run_apart(&branch, &none);
        assert_eq!((code, said.contains("no such payment")), (0, true), "{said}{beside}");
    }
    // A schema that is there belongs to somebody.
    for schema in ["trial", "log", "x; drop schema log"] {
        let (_said, beside, code) = run_apart(&branch, &[&asked[..], &["--into", schema]].concat());
        assert_eq!(code, 1, "{schema}: {beside}");
    }
    fs::write(file, json!({ "rate": 200, "fixed_minor": -5 }).to_string()).unwrap();
    assert_eq!(run_apart(&branch, &asked).2, 1);

    let (_said, beside, code) = run_apart(
        &branch,
        &["what-if", "rules", "--since", "2020-01-01", "--livemode", "false", "--into", "trial_of_rules"],
    );
    assert_eq!(code, 0, "{beside}");
    assert_eq!(count(&branch, "trial_of_rules.decisions").await, 3);
    // Nothing of it is in the log, nor in the books.
    assert_eq!(count(&branch, "log.events").await, events);
    let position = events.to_string();
    let balances = format!("/api/v1/ledger/balances?min_position={position}");
    let answer = branch.client().send(&Request::get(balances).by(&branch.operator)).await.unwrap();
    let accounts = answer.json()["data"]["accounts"].as_array().unwrap().clone();
    let revenue = accounts.iter().find(|row| row["account"] == "fees:revenue").unwrap();
    assert_eq!(revenue["balance_minor"], -30, "{answer:?}");
}
