//! A check and a replay that are broken off: what they leave, and who clears it away.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use sqlx::{Connection as _, PgConnection};
use system_tests::branch::{Branch, fresh};
use system_tests::client::Caller;
use system_tests::server::daybook;

use super::served::run;
use crate::http::captured::captured;

const WITHIN: Duration = Duration::from_secs(60);
const SCRATCHES: &str = "select count(*) from read.builds where is_scratch";
const TABLES: &str = "select count(*) from pg_class c join pg_namespace n on n.oid = c.relnamespace \
     where n.nspname = 'read' and c.relkind = 'r'";

async fn count(behind: &mut PgConnection, select: &str) -> i64 {
    sqlx::query_scalar(select).fetch_one(behind).await.unwrap()
}

async fn until(behind: &mut PgConnection, condition: &str) {
    let begun = Instant::now();
    while !sqlx::query_scalar::<_, bool>(condition).fetch_one(&mut *behind).await.unwrap() {
        assert!(begun.elapsed() < WITHIN, "it never came to be that {condition}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A branch with a payment, all of it shown; and how many tables its read models have.
async fn shown() -> (Branch, PgConnection, i64) {
    let branch = Branch::own(&[]).await.unwrap();
    let merchant = branch.merchant().await.unwrap();
    captured(&branch, &merchant, &fresh("broken-off")).await;
    let mut behind = branch.ledger.superuser().await.unwrap();
    until(
        &mut behind,
        "select min(position) = (select max(position) from log.events) from log.followers \
         where name in (select model from read.builds)",
    )
    .await;
    let tables = count(&mut behind, TABLES).await;
    (branch, behind, tables)
}

fn begin(branch: &Branch, arguments: &[&str]) -> Child {
    let Caller::Token(token) = &branch.operator else { panic!("the operator has a token") };
    let mut command = daybook().unwrap();
    command.args(arguments).env("DATABASE_URL", branch.ledger.superuser_url()).env("DAYBOOK_TOKEN", token);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn signal(child: &Child, signal: &str) {
    let sent = std::process::Command::new("kill").args(["-s", signal, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

async fn ended(child: Child) -> (String, Option<i32>) {
    let output = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap()).await.unwrap();
    (String::from_utf8([output.stdout, output.stderr].concat()).unwrap(), output.status.code())
}

/// Holds what a fill cannot do without; it is broken off while it waits for that.
async fn in_the_middle(branch: &Branch, behind: &mut PgConnection, arguments: &[&str]) -> (Child, PgConnection) {
    let mut holder = branch.ledger.superuser().await.unwrap();
    sqlx::raw_sql("begin; lock table vault.data_keys in access exclusive mode").execute(&mut holder).await.unwrap();
    let child = begin(branch, arguments);
    until(behind, &format!("select ({SCRATCHES}) = (select count(distinct model) from read.builds)")).await;
    until(
        behind,
        "select exists (select from pg_stat_activity where wait_event_type = 'Lock' and query like '%data_keys%' \
         and datname = current_database())",
    )
    .await;
    (child, holder)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_that_is_interrupted_clears_away_what_it_made() {
    let (branch, mut behind, tables) = shown().await;
    for name in ["INT", "TERM"] {
        let (child, holder) = in_the_middle(&branch, &mut behind, &["check"]).await;
        signal(&child, name);
        holder.close().await.unwrap();
        let (said, code) = ended(child).await;
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("broken off, nothing is said of the ledger; the scratch builds are dropped"), "{said}");
        assert!(!said.contains("alike"), "{said}");
        assert_eq!((count(&mut behind, SCRATCHES).await, count(&mut behind, TABLES).await), (0, tables), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_check_that_was_killed_has_left_goes_with_the_next() {
    let (branch, mut behind, tables) = shown().await;
    let (child, holder) = in_the_middle(&branch, &mut behind, &["check"]).await;
    signal(&child, "KILL");
    let (_said, code) = ended(child).await;
    assert_eq!(code, None);
    holder.close().await.unwrap();
    assert!(count(&mut behind, SCRATCHES).await > 0 && count(&mut behind, TABLES).await > tables);
    let (said, code) = run(&branch, &["check"]);
    // Nobody signs here: that alone is not compared.
    assert_eq!((code, said.matches("NOT COMPARED").count()), (42, 1), "{said}");
    for model in projections::MODELS {
        assert!(said.contains(&format!("alike         {}: at ", model.plan().name)), "{said}");
    }
    assert_eq!((count(&mut behind, SCRATCHES).await, count(&mut behind, TABLES).await), (0, tables));
}

/// What SQL says of the past in that schema.
async fn rows(behind: &mut PgConnection, schema: &str) -> Vec<String> {
    let select = format!(
        "select account || ' ' || currency || ' ' || balance_minor from {schema}.accounts where balance_minor <> 0 \
         union all select 'payment ' || status || ' ' || version from {schema}.payments order by 1"
    );
    sqlx::query_scalar(&select).fetch_all(behind).await.unwrap()
}

// covers I16
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_has_what_was_then_leaves_others_alone_and_is_made_anew_after_a_kill() {
    let (branch, mut behind, tables) = shown().await;
    let merchant = branch.merchant().await.unwrap();
    let then = count(&mut behind, "select max(position) from log.events where event_type = 'captured'").await;
    let as_it_is = rows(&mut behind, "read").await;
    let payment_no = captured(&branch, &merchant, &fresh("later")).await;
    let to = then.to_string();

    // Killed half way, and run again: as if nothing had been.
    let replay = ["replay", "--to", &to, "--into", "june"];
    let (child, holder) = in_the_middle(&branch, &mut behind, &replay).await;
    let (said, code) = run(&branch, &replay);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("another replay is filling june; nothing was replayed"), "{said}");
    signal(&child, "KILL");
    drop(ended(child).await);
    holder.close().await.unwrap();
    let commented =
        "select obj_description(oid, 'pg_namespace') like 'Not finished: %' from pg_namespace where nspname = 'june'";
    until(&mut behind, commented).await;
    // Its connections are gone when the server has noticed.
    until(
        &mut behind,
        "select pg_try_advisory_xact_lock(hashtextextended('daybook replay june', 0)) and \
         (select bool_and(pg_try_advisory_xact_lock(hashtextextended('daybook check ' || model, 0))) from read.builds)",
    )
    .await;
    let (said, code) = run(&branch, &replay);
    assert_eq!(code, 0, "{said}");
    for model in projections::MODELS {
        assert!(said.contains(&format!("{}: ", model.plan().name)), "{said}");
    }
    assert!(said.contains(&format!("as of position {to}; `drop schema june cascade`")), "{said}");
    assert_eq!((count(&mut behind, SCRATCHES).await, count(&mut behind, TABLES).await), (0, tables));
    assert_eq!(rows(&mut behind, "june").await, as_it_is);
    same_as_the_answers(&branch, &to, &as_it_is).await;

    // One that is whole, or anybody else's, is left as it is.
    sqlx::raw_sql("create schema mine; create table mine.kept (n int)").execute(&mut behind).await.unwrap();
    for schema in ["june", "mine"] {
        let (said, code) = run(&branch, &["replay", "--to", "1", "--into", schema]);
        assert_eq!(code, 1, "{said}");
        assert!(said.contains(&format!("the schema {schema} is there already, and was left as it is")), "{said}");
    }
    assert_eq!(count(&mut behind, "select count(*) from mine.kept").await, 0);
    assert_eq!(rows(&mut behind, "june").await, as_it_is);
    of_one_merchant_by_a_moment(&branch, &mut behind, &merchant.id, &payment_no).await;
}

async fn same_as_the_answers(branch: &Branch, to: &str, as_it_is: &[String]) {
    let path = format!("/api/v1/ledger/balances?at_position={to}");
    let sheet = super::served::get(branch, &branch.operator, &path).await.json();
    let mut told: Vec<String> = sheet["data"]["accounts"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["balance_minor"] != 0)
        .map(|row| {
            format!(
                "{} {} {}",
                row["account"].as_str().unwrap(),
                row["currency"].as_str().unwrap(),
                row["balance_minor"]
            )
        })
        .collect();
    let mut accounts: Vec<String> = as_it_is.iter().filter(|row| !row.starts_with("payment ")).cloned().collect();
    accounts.sort();
    told.sort();
    assert_eq!(told, accounts, "{sheet}");
}

async fn of_one_merchant_by_a_moment(branch: &Branch, behind: &mut PgConnection, merchant_id: &str, payment_no: &str) {
    let at: String = sqlx::query_scalar(
        "select to_char(recorded_at, 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') from log.events order by position desc limit 1",
    )
    .fetch_one(&mut *behind)
    .await
    .unwrap();
    let (said, code) = run(branch, &["replay", "--to", &at, "--merchant", merchant_id]);
    assert_eq!(code, 0, "{said}");
    let head = count(&mut *behind, "select max(position) from log.events").await;
    let of_one = format!("select id::text from as_of_{head}.payments");
    let of_one: Vec<String> = sqlx::query_scalar(&of_one).fetch_all(&mut *behind).await.unwrap();
    assert_eq!(of_one.iter().map(|id| format!("PAY{}", id.replace('-', ""))).collect::<Vec<_>>(), [payment_no]);
    let (said, code) = run(branch, &["replay", "--to", &(head + 1_000).to_string()]);
    assert!(code == 1 && said.contains("is no place in the log"), "{said}");
}

/// On a terminal each read model has a bar of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_shows_on_a_terminal_how_far_it_has_come() {
    let (branch, _behind, _tables) = shown().await;
    let mut inside = daybook().unwrap();
    let program = inside.get_program().to_str().unwrap().to_owned();
    inside.env("DATABASE_URL", branch.ledger.superuser_url());
    let mut terminal = std::process::Command::new("script");
    terminal.args(["-qefc", &format!("'{program}' replay --to 5 --into shown"), "/dev/null"]);
    terminal.envs(inside.get_envs().filter_map(|(name, value)| Some((name, value?)))).env("TERM", "xterm");
    terminal.stdin(Stdio::null());
    let output = terminal.output().expect("script is not there: util-linux has it");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}");
    for model in projections::MODELS {
        let bar = said
            .split(['\r', '\n'])
            .any(|line| line.contains(model.plan().name) && line.contains("/5 ") && line.contains("ETA"));
        assert!(bar, "{}: {said:?}", model.plan().name);
    }
}
