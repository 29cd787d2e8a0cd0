//! What follows the log sees it in the order of its commits, with nothing left out.

use event_store::{Outcome, Step};
use sqlx::{Connection, Executor, PgConnection};
use system_tests::tally::add;
use tokio::task::JoinSet;

use super::desk::{Copier, Desk, append, move_to};

/// Whoever holds the advisory lock holds every insert into the stream `held`.
const HOLD: &str = "\
    create function public.hold() returns trigger language plpgsql as $$ \
    begin perform pg_advisory_xact_lock(7); return new; end $$; \
    create trigger hold before insert on log.events for each row when (new.aggregate_id = 'held') \
    execute function public.hold()";

// covers E1
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_that_is_held_while_fifty_others_come_is_not_skipped() {
    let desk = Desk::new().await;
    desk.add(1).await;
    desk.sql(HOLD).await;
    let mut holder = desk.ledger.superuser().await.unwrap();
    holder.execute("select pg_advisory_lock(7)").await.unwrap();
    let mut copier = desk.follow_elsewhere(Copier::named("copier"));
    move_to(&mut copier, 1).await;

    let store = desk.store.clone();
    let held = tokio::spawn(async move { store.execute(add(&"held".into(), 1, None, true)).await.unwrap() });
    desk.until(
        "select exists (select from pg_stat_activity where datname = current_database() and wait_event = 'advisory')",
    )
    .await;
    let elsewhere = desk.ledger.store().unwrap();
    let mut later = JoinSet::new();
    for n in 0..50 {
        let elsewhere = elsewhere.clone();
        later.spawn(async move { elsewhere.execute(add(&format!("later {n}").into(), 1, None, true)).await.unwrap() });
    }
    desk.until_waiting_for_the_head().await;
    for _look in 0..20 {
        assert_eq!(copier.step().await.unwrap(), Step::Idle { at: 1 });
    }
    holder.execute("select pg_advisory_unlock(7)").await.unwrap();

    let held = held.await.unwrap();
    assert!(matches!(held, Outcome::Accepted { position: 2, .. }), "{held:?}");
    while let Some(later) = later.join_next().await {
        let later = later.unwrap();
        assert!(matches!(later, Outcome::Accepted { position: 3.., .. }), "{later:?}");
    }
    move_to(&mut copier, 52).await;
    desk.assert_copied("copier", 52).await;
    desk.assert_dense(52).await;
}

async fn begin(desk: &Desk) -> (PgConnection, i64) {
    let mut session = desk.ledger.superuser().await.unwrap();
    session.execute("begin").await.unwrap();
    let number = sqlx::query_scalar("select pg_current_xact_id()::text::bigint").fetch_one(&mut session).await.unwrap();
    (session, number)
}

// covers E2, I13
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_older_transaction_that_commits_later_comes_later() {
    let desk = Desk::new().await;
    let mut copier = desk.follow_elsewhere(Copier::named("copier"));
    let ((mut older, older_number), (mut newer, newer_number)) = (begin(&desk).await, begin(&desk).await);
    assert!(older_number < newer_number);

    assert_eq!(append(&mut newer, "newer").await.unwrap(), 1);
    assert_eq!(copier.step().await.unwrap(), Step::Idle { at: 0 });
    let waiting = tokio::spawn(async move {
        let position = append(&mut older, "older").await.unwrap();
        (older, position)
    });
    desk.until_waiting_for_the_head().await;
    newer.execute("commit").await.unwrap();
    let (mut older, position) = waiting.await.unwrap();
    assert_eq!(position, 2);
    assert_eq!(move_to(&mut copier, 1).await.last(), Some(&Step::Moved { to: 1 }));
    assert_eq!(copier.step().await.unwrap(), Step::Idle { at: 1 }, "what is not committed is not seen");
    older.execute("commit").await.unwrap();
    move_to(&mut copier, 2).await;
    desk.assert_copied("copier", 2).await;
    desk.assert_dense(2).await;
}

// covers E3, I12
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_that_is_rolled_back_or_torn_off_leaves_no_hole_and_stalls_nobody() {
    let desk = Desk::new().await;
    let mut copier = desk.follow_elsewhere(Copier::named("copier"));
    desk.add(2).await;
    let (mut session, _number) = begin(&desk).await;
    assert_eq!(append(&mut session, "rolled back").await.unwrap(), 3);
    session.execute("rollback").await.unwrap();
    assert_eq!(desk.add(1).await, 3);
    move_to(&mut copier, 3).await;

    let (mut session, _number) = begin(&desk).await;
    assert_eq!(append(&mut session, "torn off").await.unwrap(), 4);
    let pid: i32 = sqlx::query_scalar("select pg_backend_pid()").fetch_one(&mut session).await.unwrap();
    let (added, ()) = tokio::join!(desk.add(1), async {
        desk.until_waiting_for_the_head().await;
        desk.sql(&format!("select pg_terminate_backend({pid})")).await;
    });
    assert_eq!(added, 4);
    move_to(&mut copier, 4).await;
    desk.assert_copied("copier", 4).await;
    desk.assert_dense(4).await;
}

// covers E2, E3, I12
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_sessions_that_commit_and_roll_back_at_once_are_followed_without_a_gap() {
    const SESSIONS: i64 = 8;
    const TURNS: i64 = 30;
    let desk = Desk::new().await;
    let mut copier = desk.follow_elsewhere(Copier::named("copier"));
    let mut sessions = JoinSet::new();
    for s in 0..SESSIONS {
        let mut session = desk.ledger.superuser().await.unwrap();
        sessions.spawn(async move {
            for turn in 0..TURNS {
                session.execute("begin").await.unwrap();
                append(&mut session, &format!("{s} {turn}")).await.unwrap();
                session.execute(if (s + turn) % 3 == 0 { "rollback" } else { "commit" }).await.unwrap();
            }
        });
    }
    while !sessions.is_empty() {
        tokio::select! {
            ended = sessions.join_next() => ended.unwrap().unwrap(),
            step = copier.step() => assert!(matches!(step.unwrap(), Step::Moved { .. } | Step::Idle { .. })),
        }
    }
    let head = SESSIONS * TURNS / 3 * 2;
    move_to(&mut copier, head).await;
    desk.assert_copied("copier", head).await;
    desk.assert_dense(head).await;
}

// covers B15, I31
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_left_open_at_the_head_is_ended_and_everybody_goes_on() {
    let desk = Desk::new().await;
    let mut copier = desk.follow_elsewhere(Copier::named("copier"));
    let mut application = desk.ledger.database().unwrap().pool(1).acquire().await.unwrap();
    let patience: i32 = sqlx::query_scalar(
        "select extract(epoch from current_setting('idle_in_transaction_session_timeout')::interval)::int",
    )
    .fetch_one(&mut *application)
    .await
    .unwrap();
    assert!((1..=30).contains(&patience), "the application would hold the head for {patience} s");

    let mut forgotten = desk.ledger.superuser().await.unwrap();
    forgotten.execute("set idle_in_transaction_session_timeout = '1s'").await.unwrap();
    forgotten.execute("begin").await.unwrap();
    assert_eq!(append(&mut forgotten, "forgotten").await.unwrap(), 1);
    let (added, ()) = tokio::join!(desk.add(20), desk.until_waiting_for_the_head());
    assert_eq!(added, 20);
    move_to(&mut copier, 20).await;
    desk.assert_copied("copier", 20).await;
    desk.assert_dense(20).await;
    let gone = forgotten.execute("commit").await;
    assert!(gone.is_err(), "{gone:?}");
    desk.until(
        "select not exists (select from pg_stat_activity where datname = current_database() \
         and state like 'idle in transaction%' and state_change < now() - interval '1 second')",
    )
    .await;
}

#[tokio::test]
async fn a_hole_in_the_log_is_an_error_and_is_never_stepped_over() {
    let desk = Desk::new().await;
    desk.add(10).await;
    desk.sql("delete from log.events where position = 5").await;
    let mut copier = desk.follow_elsewhere(Copier::named("copier"));
    let mut beyond = desk.follow_elsewhere(Copier::named("beyond"));
    desk.sql("insert into log.followers (name, position) values ('beyond', 4)").await;
    for _try in 0..7 {
        for follow in [&mut copier, &mut beyond] {
            let failure = follow.step().await.unwrap_err();
            let reason = std::error::Error::source(&failure).unwrap().to_string();
            assert!(reason.contains("position 6 follows 4"), "{reason}");
        }
    }
    assert_eq!(desk.copied("copier").await, [0; 0]);
    assert_eq!(desk.copied("beyond").await, [0; 0]);
    assert_eq!((desk.checkpoint("copier").await, desk.checkpoint("beyond").await), ((0, 0), (4, 0)));
    let read = desk.ledger.store().unwrap().events(0, 100).await;
    assert!(read.is_err(), "{read:?}");
}

#[tokio::test]
async fn a_log_cut_off_and_continued_by_hand_is_not_read_past_the_cut() {
    let desk = Desk::new().await;
    desk.add(3).await;
    let mut session = PgConnection::connect(desk.ledger.superuser_url()).await.unwrap();
    let mut copier = desk.follow_elsewhere(Copier::named("copier"));
    move_to(&mut copier, 3).await;
    append(&mut session, "four").await.unwrap();
    session.execute("update log.events set position = 5 where position = 4").await.unwrap();
    let mut fresh = desk.follow_elsewhere(Copier::named("fresh"));
    assert!(fresh.step().await.is_err());
    assert_eq!(desk.checkpoint("copier").await, (3, 0));
    assert_eq!(desk.checkpoint("fresh").await, (0, 0));
}
