//! Books that balance: at every position, on both axes of time.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use domain::account::Side;
use domain::fact::Fact;
use event_store::invariants::ask;
use projections::ledger::invariants::OF_THE_BOOKS;
use projections::ledger::{After, AsOf, Whose, balances, journal, statement};
use projections::named;
use serde_json::Deserializer;
use system_tests::traffic::{Line, Mix, Traffic};

use super::desk::{Desk, move_to};

type Account = (String, String, bool);

/// A posting as the rules have it: the model everything is held against.
struct Posted {
    position: i64,
    account: Account,
    amount_minor: i128,
    effective_at: DateTime<Utc>,
}

fn posted(position: i64, line: &Line) -> Vec<Posted> {
    let fact = Fact::read(line.aggregate_type, &mut Deserializer::from_str(&line.payload)).unwrap();
    let (posting, livemode) = (fact.posting(), line.livemode.unwrap_or_default());
    let effective_at = posting.effective_at().unwrap_or_default();
    let of = |line: &domain::posting::Line| {
        let sign = if line.side == Side::Debit { 1 } else { -1 };
        let account = (line.account.to_string(), line.money.currency.code().to_owned(), livemode);
        Posted { position, account, amount_minor: sign * i128::from(line.money.amount_minor), effective_at }
    };
    posting.lines().iter().map(of).collect()
}

/// The fold of the log: what each account comes to.
fn fold(model: &[Posted], as_of: AsOf, livemode: bool) -> BTreeMap<Account, i128> {
    let mut sums = BTreeMap::new();
    for posted in model.iter().filter(|posted| posted.position <= as_of.position && posted.account.2 == livemode) {
        let counts = as_of.effective_at.is_none_or(|at| posted.effective_at <= at);
        *sums.entry(posted.account.clone()).or_default() += if counts { posted.amount_minor } else { 0 };
    }
    sums
}

async fn asked(desk: &Desk, as_of: AsOf, livemode: bool) -> BTreeMap<Account, i128> {
    let mut connection = desk.behind.acquire().await.unwrap();
    let whose = Whose { merchant_id: None, livemode: Some(livemode) };
    let found = balances(&mut connection, whose, as_of).await.unwrap();
    let mut per_currency = BTreeMap::<String, i128>::new();
    for balance in &found {
        *per_currency.entry(balance.currency.clone()).or_default() += balance.balance_minor;
    }
    assert!(per_currency.values().all(|sum| *sum == 0), "{as_of:?}: {per_currency:?}");
    found.into_iter().map(|balance| ((balance.account, balance.currency, livemode), balance.balance_minor)).collect()
}

/// What the desk's traffic will be: the same seed gives the same history.
fn history(seed: u64, count: usize) -> Vec<Posted> {
    let mut traffic = Traffic::new(Mix { merchants: 8, ..Mix::seeded(seed) }).unwrap();
    (1..).zip(traffic.more(count).unwrap()).flat_map(|(position, line)| posted(position, &line)).collect()
}

// covers I1, I2, I3, I4, I16
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_books_balance_at_every_position_and_are_the_fold_of_the_log_to_it() {
    const EVENTS: usize = 3_000;
    let mut desk = Desk::new(11).await;
    let head = desk.add(EVENTS).await;
    let mut follow = desk.follow(named("ledger").unwrap()).await;
    move_to(&mut follow, head).await;
    let model = history(11, EVENTS);
    let mut books = desk.ledger.superuser().await.unwrap();
    for asked in ask(&mut books, OF_THE_BOOKS).await {
        assert_eq!(asked.breaches.unwrap().shown, Vec::<String>::new(), "{}", asked.invariant);
    }
    assert!(desk.count("select count(*) from read.accounts where account like 'merchant:%:reserved'").await > 0);
    assert_eq!(desk.count("select count(*) from read.postings").await, i64::try_from(model.len()).unwrap());
    let mut positions: Vec<i64> = model.iter().map(|posted| posted.position).collect();
    positions.dedup();
    // Every thirteenth entry, the position before it, and the ends.
    let looked_at = positions.iter().step_by(13).flat_map(|position| [position - 1, *position]).chain([0, head]);
    for position in looked_at {
        let as_of = AsOf { position, effective_at: None };
        for livemode in [true, false] {
            assert_eq!(asked(&desk, as_of, livemode).await, fold(&model, as_of, livemode), "{as_of:?}");
        }
    }
}

// covers A23
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_balance_at_a_position_and_a_time_is_what_was_known_then_to_have_taken_effect_by_then() {
    const EVENTS: usize = 2_500;
    let mut desk = Desk::new(12).await;
    let head = desk.add(EVENTS).await;
    let mut follow = desk.follow(named("ledger").unwrap()).await;
    move_to(&mut follow, head).await;
    let model = history(12, EVENTS);
    let latest = model.iter().map(|posted| posted.effective_at).max().unwrap();
    let backdated = model.windows(2).filter(|pair| pair[1].effective_at + TimeDelta::hours(1) < pair[0].effective_at);
    assert!(backdated.count() > 2, "nothing in this history is backdated");
    for part in 0_i32..=6 {
        let position = head * i64::from(part) / 6;
        for hours in [0, 1, 3, 13, 24, 47, 80, 120] {
            for second in [0, 1] {
                let effective_at = Some(latest - TimeDelta::hours(hours) - TimeDelta::seconds(second));
                let as_of = AsOf { position, effective_at };
                assert_eq!(asked(&desk, as_of, true).await, fold(&model, as_of, true), "{as_of:?}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_is_the_account_line_by_line_in_pages_of_any_size() {
    let mut desk = Desk::new(13).await;
    let head = desk.add(1_500).await;
    let mut follow = desk.follow(named("ledger").unwrap()).await;
    move_to(&mut follow, head).await;
    let model = history(13, 1_500);
    let account: Account = ("fees:revenue".to_owned(), "USD".to_owned(), true);
    let mut connection = desk.behind.acquire().await.unwrap();
    for effective_at in [None, model.last().map(|posted| posted.effective_at - TimeDelta::minutes(1))] {
        let as_of = AsOf { position: head - 40, effective_at };
        let mut expected: Vec<&Posted> = model
            .iter()
            .filter(|posted| {
                posted.account == account
                    && posted.position <= as_of.position
                    && effective_at.is_none_or(|at| posted.effective_at <= at)
            })
            .collect();
        if effective_at.is_some() {
            expected.sort_by_key(|posted| (posted.effective_at, posted.position));
        }
        let (mut lines, mut after) = (Vec::new(), After::default());
        loop {
            let page =
                statement(&mut connection, (&account.0, Some(&*account.1), Some(true)), as_of, after, 7).await.unwrap();
            let Some(last) = page.last() else { break };
            after = After { position: last.position, line: last.line, ..After::default() };
            lines.extend(page);
        }
        assert!(lines.len() > 20, "{}", lines.len());
        let mut sum = 0;
        let running: Vec<(i64, i128)> = expected
            .iter()
            .map(|posted| {
                sum += posted.amount_minor;
                (posted.position, sum)
            })
            .collect();
        let found: Vec<(i64, i128)> = lines.iter().map(|line| (line.position, line.balance_minor)).collect();
        assert_eq!(found, running, "{effective_at:?}");
    }
    let (mut entries, mut after) = (0, 0);
    loop {
        let page = journal(&mut connection, (Some(true), None), AsOf { position: head, effective_at: None }, after, 50)
            .await
            .unwrap();
        let Some(last) = page.last() else { break };
        after = last.position;
        entries += page.len();
    }
    assert_eq!(entries, model.iter().filter(|posted| posted.account.2).count());
}

#[tokio::test]
async fn a_moment_is_the_last_position_recorded_by_then_and_final_once_a_later_event_is_there() {
    let mut desk = Desk::new(14).await;
    let store = desk.ledger.store().unwrap();
    let any: DateTime<Utc> = DateTime::from_timestamp(2_000_000_000, 0).unwrap();
    let empty = store.position_at(any).await.unwrap();
    assert_eq!((empty.position, empty.is_final), (0, false), "of an empty log");
    let head = desk.add(257).await;
    for position in 0..=head {
        let moments = "select recorded_at, recorded_at - interval '1 microsecond' from log.events where position = $1";
        let found = sqlx::query_as(moments).bind(position.max(1)).fetch_one(&desk.behind).await.unwrap();
        let (at, before): (DateTime<Utc>, DateTime<Utc>) = found;
        for moment in [at, before] {
            let expected = "select coalesce(max(position), 0), max(position) is distinct from $2 from log.events \
                 where recorded_at <= $1";
            let expected: (i64, bool) =
                sqlx::query_as(expected).bind(moment).bind(head).fetch_one(&desk.behind).await.unwrap();
            let found = store.position_at(moment).await.unwrap();
            assert_eq!((found.position, found.is_final), expected, "{moment}");
        }
    }
}
