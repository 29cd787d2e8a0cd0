//! Every turn and every call twice, and then the whole log again: nothing is done twice.

use std::collections::BTreeSet;

use system_tests::branch::Branch;
use system_tests::say::say;
use system_tests::server::Server;

use super::holding::all_holds;
use super::scenarios::{SCENARIOS, Story, prepare};
use super::{Outside, until_sql};

const LAST: &str = "select max(position) from log.events";
const HEARD_AGAIN: &str = "select count(*) from log.followers \
    where name = 'processes' and position < (select max(position) from log.events)";
const REWIND: &str = "update log.followers set position = 0, epoch = epoch + 1, holder = null, lease_until = null \
    where name = 'processes'";

// covers I21, I23, I25
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_step_that_is_taken_twice_and_every_event_that_comes_twice_counts_once() {
    let outside = Outside::reporting().await;
    let doubled = [("DAYBOOK_TWICE", "1"), ("DAYBOOK_CAPTURED_WITHIN_S", "4")];
    let environment: Vec<(&str, &str)> = outside.environment().into_iter().chain(doubled).collect();
    let mut branch = Branch::own(&environment).await.unwrap();
    outside.report_to(&branch.server);
    let mut books = branch.ledger.superuser().await.unwrap();
    let mut told = Vec::new();
    for scenario in &SCENARIOS {
        if !told.contains(&scenario.story) {
            told.push(scenario.story);
            let ready = prepare(&branch, &mut books, scenario.story).await;
            ready.begin_unseen(&mut books).await;
            ready.begin(&mut branch.client()).await.unwrap();
            ready.until_ended(&mut books).await;
        }
    }
    all_holds(&branch, Some(&outside)).await;

    // Everything that was ever told is told again, to a server that has heard nothing of it.
    branch.server.signal("TERM").unwrap();
    tokio::task::block_in_place(|| branch.server.wait().unwrap());
    let before: i64 = sqlx::query_scalar(LAST).fetch_one(&mut books).await.unwrap();
    let effects = outside.books.listing();
    sqlx::query(REWIND).execute(&mut books).await.unwrap();
    branch.server = Server::start(branch.ledger.superuser_url(), &outside.environment()).await.unwrap();
    outside.report_to(&branch.server);
    until_sql(&branch, HEARD_AGAIN, 0, super::scenarios::WITHIN).await;
    let soon = "select count(*) from work.due where due_at < now() + interval '10 minutes'";
    until_sql(&branch, soon, 0, super::scenarios::WITHIN).await;
    let after: i64 = sqlx::query_scalar(LAST).fetch_one(&mut books).await.unwrap();
    let added: Vec<String> = sqlx::query_scalar(
        "select aggregate_type || ' ' || aggregate_id || ': ' || event_type from log.events where position > $1",
    )
    .bind(before)
    .fetch_all(&mut books)
    .await
    .unwrap();
    assert_eq!((after, added), (before, Vec::new()), "what was told again was done again");
    assert_eq!(outside.books.listing(), effects);
    all_holds(&branch, Some(&outside)).await;
    let stories: BTreeSet<String> = told.iter().map(|story: &Story| format!("{story:?}")).collect();
    say(&format!("{} stories with every turn and call twice, and {before} events told again", stories.len()));
}
