//! Run again, broken off, changed in between, or only tried: each row comes in once.

use std::time::Duration;

use system_tests::branch::Branch;
use system_tests::invariants::broken;

use super::{Old, head, import, take_over, taken_over, text_of};
use crate::operations::until;

const SOON: Duration = Duration::from_secs(30);

const ALL: [(&str, &str, &str); 5] = [
    ("merchants", "2 read: 2 taken over, 0 here before", "2 read: 0 taken over, 2 here before"),
    ("payments", "6 read: 6 taken over, 0 here before", "6 read: 0 taken over, 6 here before"),
    (
        "balances",
        "13 read: 9 taken over, 0 here before, 4 compared",
        "13 read: 0 taken over, 9 here before, 4 compared",
    ),
    ("idempotency", "3 read: 2 taken over, 0 here before, 1 expired", "3 read: 0 taken over, 2 here before, 1 expired"),
    ("api_keys", "4 read: 4 taken over, 0 here before", "4 read: 0 taken over, 4 here before"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_tells_the_same_and_writes_nothing_and_a_second_run_finds_it_all() {
    let (branch, old) = (Branch::own(&[]).await.unwrap(), Old::new());
    let mut log = branch.ledger.superuser().await.unwrap();
    let before = head(&mut log).await;
    let tried = take_over(&branch, &old, &["--dry-run"]);
    assert_eq!((tried.status, head(&mut log).await), (Some(0), before), "{}", tried.text);
    let keys = "select (select count(*) from vault.data_keys where person is null), \
                       (select count(*) from log.answers where scope like 'taken over%')";
    assert_eq!(sqlx::query_as::<_, (i64, i64)>(keys).fetch_one(&mut log).await.unwrap(), (0, 0));
    for (table, first, _again) in ALL {
        assert_eq!(tried.of(table), first.replace("taken over", "would be taken over"), "{table}");
    }
    assert!(tried.text.contains("nothing was written"), "{}", tried.text);

    let taken = take_over(&branch, &old, &[]);
    assert_eq!(taken.status, Some(0), "{}", taken.text);
    let after = head(&mut log).await;
    let again = take_over(&branch, &old, &[]);
    assert_eq!((again.status, head(&mut log).await), (Some(0), after), "{}", again.text);
    for (table, first, second) in ALL {
        assert_eq!((taken.of(table), again.of(table)), (first, second), "{table}");
    }
    let known = take_over(&branch, &old, &["--dry-run"]);
    assert_eq!((known.status, known.of("payments")), (Some(0), "6 read: 0 would be taken over, 6 here before"));
    assert_eq!(broken(&mut log).await.unwrap(), Vec::<&str>::new());
}

/// Killed wherever it sends rows to the log or has just sent them; then run to its end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_was_killed_in_the_middle_ends_the_same() {
    let old = Old::new();
    let whole = Branch::own(&[]).await.unwrap();
    assert_eq!(take_over(&whole, &old, &[]).status, Some(0));
    let expected = taken_over(&mut whole.ledger.superuser().await.unwrap()).await;
    assert!(expected.len() > 30, "{expected:#?}");
    for trap in [
        "append.before_send:1",
        "append.after_send:1",
        "append.after_send:2",
        "append.before_send:3",
        "append.after_send:4",
    ] {
        let branch = Branch::own(&[]).await.unwrap();
        let mut log = branch.ledger.superuser().await.unwrap();
        let from = old.directory.display().to_string();
        let arguments = ["--from", from.as_str(), "--source", "old"];
        let killed = import(&branch.ledger, &branch.operator, &arguments, &[("DAYBOOK_CRASH_AT", trap)]);
        assert_ne!(killed.status, Some(0), "{trap} was never passed: {}", killed.text);
        assert_ne!(taken_over(&mut log).await, expected, "{trap} came too late");
        let again = take_over(&branch, &old, &[]);
        assert_eq!(again.status, Some(0), "{trap}: {}", again.text);
        let ended = taken_over(&mut log).await;
        assert_eq!(anonymous(&ended), anonymous(&expected), "{trap}");
        assert_eq!(broken(&mut log).await.unwrap(), Vec::<&str>::new(), "{trap}");
    }
}

/// But for who took it over, which is another in every ledger.
fn anonymous(taken_over: &std::collections::BTreeMap<String, i64>) -> Vec<String> {
    let mut lines: Vec<String> = taken_over
        .iter()
        .map(|(line, count)| {
            let (before, after) = line.split_once("\"by\":\"OPR").unwrap_or((line, ""));
            format!("{count} {before}{}", after.get(32..).unwrap_or_default())
        })
        .collect();
    lines.sort_unstable();
    lines
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_new_comes_in_and_what_differs_is_told_and_left() {
    let (branch, old) = (Branch::own(&[]).await.unwrap(), Old::new());
    let mut log = branch.ledger.superuser().await.unwrap();
    assert_eq!(take_over(&branch, &old, &[]).status, Some(0));
    let before = taken_over(&mut log).await;
    old.change("payments", ",10000,0,290,", ",10000,1,290,");
    old.change("payments", "captured,ch_17", "partially_refunded,ch_17");
    old.change("merchants", "owner@corner.example", "other@corner.example");
    old.change("balances", "b-2,false,fees:revenue,,USD,2,493", "b-2,false,fees:revenue,,USD,2,494");
    old.change("idempotency", "R2026-000004", "R2026-000005");
    old.add("payments", "p-23,m-2,true,P2026-000023,A-2,100,USD,2,stripe,captured,ch_23,100,0,0,0,true,2026-01-30T12:00:00Z,2026-01-31T00:00:00Z,,");
    let report = old.directory.join("report.txt");
    let told = take_over(&branch, &old, &["--report", report.to_str().unwrap()]);
    assert_eq!(told.status, Some(3), "{}", told.text);
    assert_eq!(told.of("payments"), "7 read: 1 taken over, 5 here before, 1 DIFFER");
    let text = text_of(&report);
    for line in [
        "merchants.csv line 2: old/merchants/m-1 was taken over before with other contents",
        "payments.csv line 2: old/payments/p-17 was taken over before with other contents",
        "balances.csv line 3: old/balances/b-2 was taken over before with other contents",
        "idempotency.csv line 3: old/idempotency/i-2 was taken over before with other contents",
    ] {
        assert!(text.contains(line) && told.text.contains(line), "{line}: {text}");
    }
    let after = taken_over(&mut log).await;
    let new: Vec<&String> = after.keys().filter(|line| !before.contains_key(*line)).collect();
    assert!(before.keys().all(|line| after.contains_key(line)), "what was there is as it was");
    assert!(
        new.iter().all(|line| line.contains("A-2") || line.contains("old_name") || line.contains("paid")),
        "{new:#?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_rows_are_named_by_file_line_and_column_and_the_others_come_in() {
    let (branch, old) = (Branch::own(&[]).await.unwrap(), Old::new());
    let row = |id: &str, changes: &[(&str, &str)]| {
        let mut row = format!(
            "{id},m-2,true,{id}-no,{id}-order,100,USD,2,stripe,captured,ch_x,100,0,0,0,true,2026-01-30T12:00:00Z,2026-01-31T00:00:00Z,,"
        );
        for (from, to) in changes {
            assert!(row.contains(from), "{from}");
            row = row.replacen(from, to, 1);
        }
        row
    };
    let wrong = [
        (row("w-1", &[(",m-2,", ",m-9,")]), "column merchant: is no merchant"),
        (row("w-2", &[(",USD,2,", ",USD,3,")]), "column exponent: is 3, and USD has 2 decimals here"),
        (row("w-3", &[(",USD,", ",USX,")]), "column currency:"),
        (row("w-4", &[("captured,ch_x,100", "captured,ch_x,12.5")]), "column captured: is `12.5`, no whole number"),
        (row("w-5", &[("captured,ch_x,100", "captured,ch_x,101")]), "does not add up. (taken_over_does_not_add_up)"),
        (row("w-6", &[("captured,", "pending,")]), "column state: is none of"),
        (row("w-7", &[("w-7-no", "PAY00000000000000000000000000000001")]), "column payment_no:"),
        (row("w-8", &[(",true,w-8", ",yes,w-8")]), "column livemode: is `yes`"),
        (row("w-9", &[("2026-01-31T00:00:00Z", "31.1.2026")]), "column as_of: is `31.1.2026`"),
        (row("w-10", &[(",stripe,", ",sandbox,")]), "No real money goes through the sandbox. (channel_not_real)"),
        (row("w-11", &[("w-11-order", "w-12-order"), (",ch_x,", ",ch_y,")]), ""),
        (row("w-12", &[]), "other amount or currency. (payment_differs)"),
        ("w-13,m-2".to_owned(), "the row has 2 fields, and its head 20"),
    ];
    for (row, _what) in &wrong {
        old.add("payments", row);
    }
    old.add("api_keys", "k-9,m-1,true,short,sk_live_corner_7d1e9b3a5c2f4860");
    let told = take_over(&branch, &old, &[]);
    assert_eq!(told.status, Some(3), "{}", told.text);
    for (n, (row, what)) in wrong.iter().enumerate().filter(|(_, (_, what))| !what.is_empty()) {
        let line = told.text.lines().find(|said| said.contains(&format!("payments.csv line {}", n + 8)));
        let line = line.unwrap_or_else(|| panic!("nothing of {row}: {}", told.text));
        assert!(line.contains("REFUSED") && line.contains(what), "{line} does not say {what}");
    }
    assert_eq!(told.of("payments"), "19 read: 7 taken over, 0 here before, 12 REFUSED");
    assert!(
        told.text.contains("api_keys.csv line 6, column api_key: has 5 characters, not 12 to 255"),
        "{}",
        told.text
    );
    // Mended, they come in.
    old.change("payments", "w-2,m-2,true,w-2-no,w-2-order,100,USD,3", "w-2,m-2,true,w-2-no,w-2-order,100,USD,2");
    let again = take_over(&branch, &old, &[]);
    assert_eq!(again.of("payments"), "19 read: 1 taken over, 7 here before, 11 REFUSED");

    for (table, from, to, what) in [
        (
            "payments",
            "id,merchant,",
            "id,shop,",
            "payments.csv line 1: the name of column 2 is none of these: id, merchant",
        ),
        ("balances", ",balance,", ",", "balances.csv line 1: the column `balance` is missing"),
        ("merchants", "Corner Theatre", "Corner \"Theatre", "merchants.csv line 2: a quote stands in a field"),
    ] {
        let broken = Old::new();
        broken.change(table, from, to);
        let told = take_over(&branch, &broken, &[]);
        assert!(told.status == Some(1) && told.text.contains(what), "{what}: {}", told.text);
        assert!(told.text.contains("run it again, and it goes on"), "{}", told.text);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_left_on_the_migration_is_told_with_its_reason() {
    let (branch, old) = (Branch::own(&[]).await.unwrap(), Old::new());
    // The balances there say that more is pending than the payments come to, and one of another mode is wrong.
    old.change("balances", "b-3,false,merchant:pending,m-1,USD,2,9710", "b-3,false,merchant:pending,m-1,USD,2,9800");
    old.change(
        "balances",
        "b-1,false,channel:stripe:receivable,,USD,2,19500",
        "b-1,false,channel:stripe:receivable,,USD,2,19590",
    );
    old.change("balances", "b-10,true,bank,,USD,2,3000", "b-10,true,bank,,USD,2,3001");
    let tried = take_over(&branch, &old, &["--dry-run"]);
    let told = take_over(&branch, &old, &[]);
    assert_eq!((tried.status, told.status), (Some(4), Some(4)), "{}", told.text);
    for line in [
        "m-1 test USD pending: the balances say 9800, the payments come to 9710",
        "suspense:migration test JPY is 0: all of it is where it belongs",
        "suspense:migration live USD is NOT 0: 0.01 USD in credit, because",
        "the balances there do not come to nothing: debits less credits are 0.01 USD",
        "suspense:migration test USD is NOT 0: 0.90 USD in credit, because",
        "the balances say that 0.90 USD more is pending than payments bring",
    ] {
        assert!(told.text.contains(line), "{line}: {}", told.text);
        let would_be = line.replace(" is 0", " would be 0").replace(" is NOT", " would be NOT");
        assert!(tried.text.contains(&would_be), "{would_be}: {}", tried.text);
    }
    assert!(told.text.contains("all rows are here, and the sums do not agree"), "{}", told.text);
    assert!(tried.text.contains("the sums would not agree, see above; nothing was written"), "{}", tried.text);
    let mut log = branch.ledger.superuser().await.unwrap();
    let left =
        "select sum(balance_minor)::bigint from read.accounts where account = 'suspense:migration' and not livemode";
    until("the books say the same", SOON, async || {
        (sqlx::query_scalar::<_, Option<i64>>(left).fetch_one(&mut log).await.unwrap() == Some(-90)).then_some(())
    })
    .await;
}
