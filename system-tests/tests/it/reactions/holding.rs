//! What must hold at the end of every test of reactions, and that every one of them asks.

use std::time::{Duration, Instant};

use channels::sandbox::Listing;
use event_store::invariants;
use processes::check;
use projections::ledger::invariants::OF_THE_BOOKS;
use serde_json::json;
use sqlx::{Connection, PgConnection};
use system_tests::branch::{Branch, fresh};
use system_tests::client::{Client, Request};
use system_tests::invariants::broken as broken_of_the_log;
use system_tests::server::Server;
use system_tests::tree::{Tree, root};

use super::Outside;
use super::looking::{ask, pay, until_told};

/// Read models are behind by milliseconds; what was done a moment ago is put away as soon.
const WITHIN: Duration = Duration::from_secs(60);
const BEHIND: &str = "select count(*) from log.followers where position < (select max(position) from log.events)";

/// Everything that must hold of the log, the read models, the work and the sandbox, once all have caught up.
pub(crate) async fn all_holds(branch: &Branch, outside: Option<&Outside>) {
    let mut books = branch.ledger.superuser().await.unwrap();
    let begun = Instant::now();
    loop {
        let listing = match outside {
            Some(outside) => outside.books.listing(),
            None => listing(&branch.server).await,
        };
        let broken = broken(&mut books, &listing).await;
        if broken.is_empty() {
            return;
        }
        assert!(begun.elapsed() < WITHIN, "this must hold and does not: {broken:#?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

pub(super) async fn broken(books: &mut PgConnection, listing: &Listing) -> Vec<String> {
    let behind: i64 = sqlx::query_scalar(BEHIND).fetch_one(&mut *books).await.unwrap();
    if behind > 0 {
        return vec![format!("{behind} followers are behind")];
    }
    let of_the_log = broken_of_the_log(books).await.unwrap().into_iter().map(str::to_owned);
    let of_reactions = check::broken(books, Some(listing)).await.unwrap();
    let of_the_books = invariants::ask(books, OF_THE_BOOKS).await;
    let of_the_books = of_the_books.iter().filter(|asked| asked.breaches.as_ref().unwrap().count > 0);
    let of_the_books = of_the_books.map(|asked| format!("{asked:?}"));
    of_the_log.chain(of_reactions.iter().map(ToString::to_string)).chain(of_the_books).collect()
}

/// The books of the sandbox that a server has of its own.
async fn listing(server: &Server) -> Listing {
    let log = server.log().unwrap();
    let said = log.split("plays every channel in test mode at http://").nth(1).expect("where its sandbox is");
    let address: String = said.chars().take_while(|c| c.is_ascii_digit() || ".:".contains(*c)).collect();
    let answer = Client::new(address.parse().unwrap()).send(&Request::get("/books")).await.unwrap();
    serde_json::from_str(&answer.body).unwrap()
}

#[test]
fn every_test_of_reactions_asks_whether_all_holds() {
    let tree = Tree::read(&root()).unwrap();
    let mut tests_count = 0;
    for source in tree.sources.iter().filter(|source| source.path.starts_with("system-tests/tests/it/reactions/")) {
        for test in source.text.split("#[tokio::test").skip(1) {
            let body = test.split("\n}\n").next().unwrap_or(test);
            assert!(body.contains("all_holds(&"), "{}: this does not ask `all_holds`:\n{body}", source.path);
            tests_count += 1;
        }
    }
    assert!(tests_count > 20, "only {tests_count} tests of reactions were found");
}

/// What somebody could do to the tables, and what does not hold then.
const TAMPERING: [(&str, &str); 10] = [
    ("I6: refunds", "update read.payments set refunded_minor = captured_minor + 1"),
    ("I6: nothing", "update read.journal_entries set reverses = 'REF', aggregate_id = 'PAY', event_type = 'bounced'"),
    (
        "I20",
        "update read.postings set amount_minor = amount_minor + 1 \
             where account_id = (select id from read.accounts where account = 'channel:stripe:receivable')",
    ),
    ("I22", "update read.payment_attempts set phase = 'failed', decline = null"),
    (
        "I23",
        "insert into log.events select (select max(position) + 1 from log.events), gen_random_uuid(), aggregate_type, \
         aggregate_id, sequence + 1, 'waiting', '1.0', '{\"waiting\":{}}', metadata, merchant_id, livemode, recorded_at \
         from log.events where aggregate_type = 'saga' and event_type = 'completed' limit 1",
    ),
    ("I24: no process", "delete from work.due where process = 'return_suspense'"),
    ("I24: whoever", "update read.saga_instances set metadata = '{}' where status = 'failed'"),
    ("I24: nothing", "update work.due set due_at = now() - interval '6 minutes'"),
    ("I25", "update read.saga_instances set status = 'compensated', compensated_at = now() where status = 'completed'"),
    ("I26", "update read.saga_instances set status = 'completed' where business_type = 'return_suspense'"),
];

// covers I6, I20, I21, I22, I23, I24, I25, I26
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_hold_is_named() {
    let outside = Outside::reporting().await;
    let branch = Branch::own(&outside.environment()).await.unwrap();
    outside.report_to(&branch.server);
    let merchant = branch.merchant().await.unwrap();
    let mut log = branch.ledger.superuser().await.unwrap();
    let paid = pay(&branch, &merchant.test, &fresh("paid"), "pm_sandbox_visa", "automatic").await;
    let kept = pay(&branch, &merchant.test, &fresh("kept"), "pm_sandbox_partial_capture_kept", "automatic").await;
    until_told(&mut log, &paid, "captured", 1).await;
    let refund = json!({ "payment_no": paid, "amount": 1_000, "reason": "returned" });
    ask(&branch, &merchant.test, "/api/v1/refunds", &refund).await;
    until_told(&mut log, &paid, "refund_confirmed", 1).await;
    until_told(&mut log, &kept, "money_suspended", 1).await;
    all_holds(&branch, Some(&outside)).await;
    let listing = outside.books.listing();
    for (named, tampering) in TAMPERING {
        let mut undone = log.begin().await.unwrap();
        sqlx::query(tampering).execute(&mut *undone).await.unwrap();
        let broken = check::broken(&mut undone, Some(&listing)).await.unwrap();
        assert!(broken.iter().any(|broken| broken.invariant.starts_with(named)), "{named}: {broken:#?}");
        undone.rollback().await.unwrap();
    }
    let mut doubled = listing.clone();
    doubled.effects[0].count = 2;
    let broken = check::broken(&mut log, Some(&doubled)).await.unwrap();
    assert!(broken.len() == 1 && broken[0].invariant.starts_with("I21"), "{broken:#?}");
    let mut short = listing.clone();
    short.totals[0].captured_minor -= 1;
    let broken = check::broken(&mut log, Some(&short)).await.unwrap();
    assert!(broken.len() == 1 && broken[0].invariant.starts_with("I20"), "{broken:#?}");
    all_holds(&branch, Some(&outside)).await;
}
