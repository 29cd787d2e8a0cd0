//! Read models held against the log: every table compared, none swapped, nothing left.

use std::collections::BTreeSet;

use projections::ledger::invariants::{OF_THE_BOOKS, glance};
use projections::{AsItWas, Checked, MODELS, Verdict};
use system_tests::database::Ledger;

use super::desk::{Desk, move_to};

const LEFT: &str = "select count(*) from read.builds where is_scratch or not is_live";
const TABLES: &str = "select count(*) from pg_tables where schemaname = 'read'";

async fn live_desk(seed: u64, events: usize) -> Desk {
    let mut desk = Desk::new(seed).await;
    let head = desk.add(events).await;
    for model in MODELS {
        let mut follow = desk.follow(*model).await;
        move_to(&mut follow, head).await;
    }
    desk
}

async fn check(desk: &Desk) -> Vec<Checked> {
    desk.projections.check(MODELS, &|_model, _position| {}).await
}

// covers I16, E5
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_missing_from_any_table_is_seen_and_nothing_is_swapped_or_left() {
    let desk = live_desk(21, 3_000).await;
    let (builds, tables) = (desk.count("select sum(build) from read.builds").await, desk.count(TABLES).await);
    for Checked { model, verdict } in check(&desk).await {
        let Verdict::Alike { position, rows_count } = verdict else { panic!("{model}: {verdict:?}") };
        assert_eq!((position, rows_count > 0), (3_000, true), "{model}");
    }
    let mut tampered = BTreeSet::new();
    for table in MODELS.iter().flat_map(|model| model.plan().tables) {
        let name = table.of_build(1);
        if desk.count(&format!("select count(*) from {name}")).await > 0 {
            desk.sql(&format!("delete from {name} where ctid = (select ctid from {name} limit 1)")).await;
            tampered.insert(table.name);
        }
    }
    assert!(tampered.len() > MODELS.len(), "{tampered:?}");
    let mut seen = BTreeSet::new();
    for Checked { model, verdict } in check(&desk).await {
        let Verdict::Differs { position: 3_000, differences } = verdict else { panic!("{model}: {verdict:?}") };
        for difference in differences {
            assert_eq!((difference.only_old_count, difference.only_new_count), (0, 1), "{difference:?}");
            assert!(difference.rows[0].starts_with("+ {"), "{difference:?}");
            seen.insert(difference.table);
        }
    }
    assert_eq!(seen, tampered, "each table that was changed is named");
    assert_eq!(desk.count(LEFT).await, 0);
    assert_eq!((desk.count("select sum(build) from read.builds").await, desk.count(TABLES).await), (builds, tables));
    // The live ones are followed on.
    let mut desk = desk;
    let head = desk.add(50).await;
    for model in MODELS.iter().filter(|model| model.plan().name == "analytics") {
        let mut follow = desk.follow(*model).await;
        desk.sql("update log.followers set lease_until = now() - interval '1 second'").await;
        move_to(&mut follow, head).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_compared_is_said_and_what_a_dead_check_left_is_dropped() {
    let desk = live_desk(22, 300).await;
    // As one that was killed leaves it.
    desk.sql(
        "set role daybook_projector; insert into read.builds (model, build, version, is_scratch) \
         values ('sagas', 9, 1, true); create table read.saga_instances_v9 (id uuid); reset role",
    )
    .await;
    let unlike = "update read.builds set version = 99 where model = 'orders' and is_live";
    desk.sql(unlike).await;
    let mut other = desk.ledger.superuser().await.unwrap();
    sqlx::query("select pg_advisory_lock(hashtextextended('daybook check refunds', 0))")
        .execute(&mut other)
        .await
        .unwrap();
    let mut why = Vec::new();
    for Checked { model, verdict } in check(&desk).await {
        match verdict {
            Verdict::NotCompared { why: because } => why.push(format!("{model}: {because}")),
            Verdict::Alike { .. } => {}
            Verdict::Differs { .. } => panic!("{model}: {verdict:?}"),
        }
    }
    assert_eq!(
        why,
        [
            "orders: the live build is of version 99, and this program makes version 1",
            "refunds: another check is at it",
        ]
    );
    assert_eq!(desk.count("select count(*) from read.builds where is_scratch").await, 0);
    assert_eq!(desk.count("select count(*) from pg_tables where tablename = 'saga_instances_v9'").await, 0);
    // A rebuild does not go on with what a check has begun.
    desk.sql("insert into read.builds (model, build, version, is_scratch) values ('sagas', 8, 1, true)").await;
    let begun = desk.projections.begin(projections::named("sagas").unwrap()).await.unwrap();
    assert_eq!((begun.build.build, begun.build.position), (9, 0));
    desk.projections.drop_scratches(MODELS).await.unwrap_err();
    drop(other);
    desk.until(
        "select not exists (select from pg_locks l join pg_database d on d.oid = l.database \
         where l.locktype = 'advisory' and d.datname = current_database())",
    )
    .await;
    desk.projections.drop_scratches(MODELS).await.unwrap();
    assert_eq!(desk.count("select count(*) from read.builds where is_scratch").await, 0);
}

/// What somebody could do to the books, and what does not hold then; whether a look in passing must see it.
const TAMPERING: [(&str, bool, &str); 7] = [
    (
        "I1",
        false,
        "update read.postings set amount_minor = amount_minor + 1 where (position, line) = \
         (select position, line from read.postings order by 1, 2 limit 1)",
    ),
    ("I2", true, "update read.accounts set balance_minor = balance_minor + 1 where account = 'fees:revenue'"),
    ("I3: balances", true, "update read.accounts set balance_minor = balance_minor + 1"),
    ("I3: balances", true, "update read.accounts set debits_minor = debits_minor + 1"),
    ("I3: each line", true, "update read.postings set balance_minor = balance_minor + 1"),
    ("I3: days", false, "update read.account_days set amount_minor = amount_minor + 1"),
    (
        "I4",
        false,
        "update read.accounts set account = 'merchant:x:reserved' where id = (select id from read.accounts \
         where account like 'channel:%:receivable' and balance_minor > 0 limit 1)",
    ),
];

// covers I1, I2, I3, I4
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_hold_of_the_books_is_named_whole_and_in_passing() {
    use sqlx::Connection as _;
    let desk = live_desk(23, 1_500).await;
    let mut books = desk.ledger.superuser().await.unwrap();
    assert!(glance(&mut books).await.unwrap().is_well());
    for asked in event_store::invariants::ask(&mut books, OF_THE_BOOKS).await {
        assert_eq!(asked.breaches.unwrap().count, 0, "{}", asked.invariant);
    }
    for (named, in_passing, tampering) in TAMPERING {
        let mut undone = books.begin().await.unwrap();
        sqlx::query(tampering).execute(&mut *undone).await.unwrap();
        let asked = event_store::invariants::ask(&mut undone, OF_THE_BOOKS).await;
        let broken = asked.iter().filter(|asked| asked.breaches.as_ref().unwrap().count > 0);
        assert!(broken.clone().any(|asked| asked.invariant.starts_with(named)), "{named} is not seen");
        if in_passing {
            assert!(!glance(&mut undone).await.unwrap().is_well(), "{named} is not seen in passing");
        }
        undone.rollback().await.unwrap();
    }
}

#[tokio::test]
async fn books_that_are_not_there_yet_are_no_reason_for_an_alarm() {
    let ledger = Ledger::fresh().await.unwrap();
    assert!(glance(&mut ledger.superuser().await.unwrap()).await.is_err(), "nothing can be said of them");
}

// covers I16
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_is_what_the_read_models_were_and_touches_nothing_that_answers() {
    let mut desk = live_desk(24, 500).await;
    let was = desk.count("select coalesce(sum(hashtext(t::text)::bigint), 0)::bigint from read.payments t").await;
    let (accounts, orders) = (desk.count("select count(*) from read.accounts").await, desk.count(ORDERS).await);
    let head = desk.add(700).await;
    for model in MODELS {
        desk.sql("update log.followers set lease_until = now() - interval '1 second'").await;
        let mut follow = desk.follow(*model).await;
        move_to(&mut follow, head).await;
    }
    let now = desk.count(ORDERS).await;
    assert!(now > orders);
    for schema in ["as_it_was", "of_one", "of_none"] {
        desk.sql(&format!("create schema {schema} authorization daybook_projector")).await;
    }
    let replay = async |upto, merchant_id, schema| {
        let as_it_was = AsItWas { upto, merchant_id, schema };
        let done = desk.projections.replay(MODELS, as_it_was, &|_model, _position| {}).await;
        let done: Vec<_> = done.into_iter().map(|replayed| replayed.unwrap()).collect();
        assert_eq!(done.len(), MODELS.len());
        done
    };
    replay(500, None, "as_it_was").await;
    let then = "select coalesce(sum(hashtext(t::text)::bigint), 0)::bigint from as_it_was.payments t";
    assert_eq!(desk.count(then).await, was);
    assert_eq!(desk.count("select count(*) from as_it_was.accounts").await, accounts);
    assert_eq!(desk.count("select count(*) from as_it_was.orders").await, orders);
    // One merchant's: nobody else's is there, and all of its own is.
    let one = "select merchant_id from read.payments group by 1 order by count(*) desc, 1 limit 1";
    let one: uuid::Uuid = sqlx::query_scalar(one).fetch_one(&desk.behind).await.unwrap();
    replay(head, Some(one), "of_one").await;
    let own = desk.count(&format!("select count(*) from read.payments where merchant_id = '{one}'")).await;
    assert_eq!(desk.count("select count(*) from of_one.payments").await, own);
    assert_eq!(desk.count(&format!("select count(*) from of_one.payments where merchant_id <> '{one}'")).await, 0);
    let none = replay(head, Some(uuid::Uuid::nil()), "of_none").await;
    assert!(none.iter().all(|replayed| replayed.rows_count == 0), "{none:?}");
    assert_eq!(desk.count(ORDERS).await, now);
    assert_eq!(desk.count(LEFT).await, 0);
    for Checked { model, verdict } in check(&desk).await {
        assert!(matches!(verdict, Verdict::Alike { .. }), "{model}: {verdict:?}");
    }
}

const ORDERS: &str = "select count(*) from read.orders";
