//! A log from an older copy, a damaged disk, a check broken off: what is said of them.

use system_tests::database::{Ledger, in_database};
use system_tests::server::Server;

use super::{Watched, found};

// covers B10, B11
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_restored_from_an_older_copy_is_not_served_as_if_nothing_had_been() {
    let mut watched = Watched::signed_at(&[100]).await;
    let older = Ledger::copy_of(&watched.ledger).await.unwrap();
    watched.more(100).await;
    watched.grow().await;
    watched.sign().await;
    let outside = watched.outside().display().to_string();
    let environment = [("DAYBOOK_WITHOUT_AUDIT", "true"), ("DAYBOOK_CHECKPOINT_DIRECTORY", outside.as_str())];
    let refused = Server::start(older.superuser_url(), &environment).await.unwrap_err().to_string();
    assert!(refused.contains("a checkpoint of 200 was signed"), "{refused}");
    assert!(!refused.contains(&in_database(older.superuser_url(), "x").unwrap()), "no address of a database is told");
    // The log that was signed is served, and so is the older one where nothing newer was signed.
    drop(Server::start(watched.ledger.superuser_url(), &environment).await.unwrap());
    let nothing = watched.place.at("nothing").display().to_string();
    drop(Server::start(older.superuser_url(), &[("DAYBOOK_CHECKPOINT_DIRECTORY", &nothing)]).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_goes_on_where_it_was_broken_off() {
    let watched = Watched::signed_at(&[300, 600]).await;
    let state = watched.place.at("state");
    let mut check = watched.check();
    check.state = Some(state.clone());
    // A check that ended well leaves nothing to go on from.
    assert_eq!(found(&check).await.findings, []);
    assert!(!state.exists());
    std::fs::write(&state, "{}").unwrap();
    assert!(check.run(&|_, _| {}).await.unwrap_err().to_string().contains("cannot be used"));
}
