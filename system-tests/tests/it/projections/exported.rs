//! The journal as hledger reads it: checked by a program that knows nothing of ours.

use std::io::Write as _;
use std::process::{Command, Stdio};

use projections::hledger::Journal;
use projections::named;
use system_tests::say::say;
use system_tests::times::times;

use super::desk::{Desk, move_to};

/// Whether hledger finds nothing amiss, and what it says.
pub(crate) fn checked(journal: &str) -> (bool, String) {
    let mut hledger = Command::new("hledger");
    hledger.args(["check", "--strict", "ordereddates", "-f", "-"]).env("LANG", "C.UTF-8");
    let started = hledger.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut running = started.expect("hledger is missing: scripts/setup --own-postgres installs it");
    running.stdin.take().unwrap().write_all(journal.as_bytes()).unwrap();
    let output = running.wait_with_output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

async fn exported(desk: &Desk, upto: i64) -> String {
    let (mut connection, mut journal) = (desk.behind.acquire().await.unwrap(), Journal::upto(upto));
    let mut text = journal.head(&mut connection).await.unwrap();
    while let Some(entries) = journal.next(&mut connection).await.unwrap() {
        text.push_str(&entries);
    }
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hledger_finds_the_whole_journal_in_order_and_notices_one_minor_unit() {
    let mut desk = Desk::new(21).await;
    let head = desk.add(times("DAYBOOK_HLEDGER_EVENTS", 2_500)).await;
    let mut follow = desk.follow(named("ledger").unwrap()).await;
    move_to(&mut follow, head).await;
    let journal = exported(&desk, head).await;
    for word in ["commodity 1000.00 USD", "commodity 1000. JPY", "commodity 1000.000 KWD", "account live:bank"] {
        assert!(journal.contains(word), "{word} is not in the journal");
    }
    let entries = journal.lines().filter(|line| line.contains("position:")).count();
    assert_eq!(i64::try_from(entries).unwrap(), desk.count("select count(*) from read.journal_entries").await);
    let (is_sound, words) = checked(&journal);
    assert!(is_sound, "{words}");
    say(&format!("hledger has judged {entries} entries of {head} events"));
    // One minor unit more in one amount, or in one assertion; an entry moved; an account nobody declared.
    let posting = journal.lines().find(|line| line.starts_with("    live:") && line.contains(" USD = ")).unwrap();
    let (account, rest) = posting.trim().split_once("  ").unwrap();
    let (amount, balance) = rest.split_once(" = ").unwrap();
    let more = |text: &str| {
        let (number, currency) = text.split_once(' ').unwrap();
        let minor: i64 = number.replace('.', "").parse().unwrap();
        domain::money::Money::new(minor + 1, currency.parse().unwrap()).to_string()
    };
    for altered in [
        format!("    {account}  {} = {balance}", more(amount)),
        format!("    {account}  {amount} = {}", more(balance)),
        format!("    {account}:else  {amount} = {balance}"),
    ] {
        let (is_sound, _words) = checked(&journal.replacen(posting, &altered, 1));
        assert!(!is_sound, "it was not noticed: {altered}");
    }
    let last_day = journal.lines().rev().find(|line| line.starts_with("20")).unwrap();
    let earlier = format!("1999{}", &last_day[4..]);
    assert!(!checked(&journal.replacen(last_day, &earlier, 1)).0, "an entry out of order was not noticed");
    // As of any position it is sound as well.
    assert!(checked(&exported(&desk, head / 2).await).0);
}
