//! What must hold at the end of every test of reactions, and that every one of them asks.

use std::time::{Duration, Instant};

use channels::sandbox::Listing;
use processes::check;
use sqlx::PgConnection;
use system_tests::branch::Branch;
use system_tests::client::{Client, Request};
use system_tests::invariants;
use system_tests::server::Server;
use system_tests::tree::{Tree, root};

use super::Outside;

/// Read models are behind by milliseconds; what was done a moment ago is put away as soon.
const WITHIN: Duration = Duration::from_secs(60);
const BEHIND: &str = "select count(*) from log.followers where position < (select max(position) from log.events)";

/// Everything that must hold of the log, the read models, the work and the sandbox, once all have caught up.
pub(super) async fn all_holds(branch: &Branch, outside: Option<&Outside>) {
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
    let of_the_log = invariants::broken(books).await.unwrap().into_iter().map(str::to_owned);
    let of_reactions = check::broken(books, Some(listing)).await.unwrap();
    of_the_log.chain(of_reactions.iter().map(ToString::to_string)).collect()
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
