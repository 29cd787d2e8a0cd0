//! Secrets that are taken over stand nowhere but sealed, whatever goes wrong with them.

use system_tests::branch::Branch;
use system_tests::client::Request;

use super::{Old, take_over, text_of, with_key};
use crate::http::secrets::rows_with;

const PLANTED: [&str; 4] =
    ["sk_test_canary_3f9c1b7d2e8a", "pk_test_canary_51HxY2", "canary-secret-too-short", "canary.owner@corner.example"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_planted_is_in_no_table_no_log_no_report_and_no_error() {
    let old = Old::new();
    let [secret, key, short, email] = PLANTED;
    old.change("api_keys", "sk_test_corner_9f2c7a1e4b8d4f60", secret);
    old.change("api_keys", "pk_test_corner_51HxY2", key);
    old.change("merchants", "owner@corner.example", email);
    // Two with a fault, which is told; one of a merchant nobody knows.
    old.add("api_keys", &format!("k-9,m-1,true,{short}\u{7f},{secret}-2"));
    old.add("api_keys", &format!("k-10,m-1,true,{key}-10,{short} "));
    old.add("api_keys", &format!("k-11,m-77,true,{key}-11,{secret}-11"));
    let environment = [("RUST_LOG", "debug,sqlx=warn,hyper=warn,h2=warn")];
    let branch = Branch::own(&environment).await.unwrap();
    let report = old.directory.join("report.txt");
    let told = take_over(&branch, &old, &["--report", report.to_str().unwrap()]);
    assert_eq!(
        (told.status, told.of("api_keys")),
        (Some(3), "7 read: 4 taken over, 0 here before, 3 REFUSED"),
        "{}",
        told.text
    );
    // One of a key that is there already, with another secret.
    old.change("api_keys", &format!("{key},{secret}\n"), &format!("{key},{secret}-changed\n"));
    let differs = take_over(&branch, &old, &["--report", report.to_str().unwrap()]);
    assert!(differs.text.contains("api_keys.csv line 2: old/api_keys/k-1 was taken over before"), "{}", differs.text);

    let mut client = branch.client();
    let canary = with_key(key, secret);
    assert_eq!(client.send(&Request::get("/api/v1/payments").by(&canary)).await.unwrap().status, 200);
    let forged =
        Request::get("/api/v1/payments").with("x-api-key", key).with("x-signature", format!("t=1,v1={secret}"));
    let forged = client.send(&forged).await.unwrap();
    assert_eq!(forged.status, 401);

    let mut log = branch.ledger.superuser().await.unwrap();
    assert!(!rows_with(&mut log, "P2026-000017").await.is_empty(), "the search is not blind");
    let (said, report) = (branch.server.log().unwrap(), text_of(&report));
    for planted in PLANTED {
        let mut rows = rows_with(&mut log, planted).await;
        // A merchant's own address is there to be read, by whoever may read that table.
        rows.retain(|row| planted != email || !row.ends_with("rows of read.merchants_v1"));
        assert_eq!(rows, Vec::<String>::new());
        let places = [
            ("the log", &said),
            ("what was said", &told.text),
            ("what was said then", &differs.text),
            ("the report", &report),
        ];
        for (place, text) in places.into_iter().chain([("an answer", &forged.body)]) {
            assert!(!text.contains(planted), "{planted} stands in {place}");
        }
    }
}
