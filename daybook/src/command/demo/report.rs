//! The closing report: what was paid, what the books say, what the witness says.

use super::{
    Played,
    books::{Books, listed, major},
};

pub(super) fn lines(played: &Played, books: &Books, verified: &str) -> Vec<String> {
    let Played { seen, followed, settled, took } = played;
    let at = |percentile| format!("{:.1}", seen.millis_at(percentile));
    let mut lines = vec![
        String::new(),
        format!("{} payments in {} s", seen.taken(), took.as_secs()),
        format!("  answered     p50 {} ms, p95 {} ms, p99 {} ms from when each was due", at(50.0), at(95.0), at(99.0)),
        format!("  they end     {}", listed(&books.payments)),
        format!("  refunds      {}", listed(&books.refunds)),
        format!(
            "  by people    {} captures, cancellations, reviews and refunds; {} refunds of more than was paid refused",
            followed.done, followed.refused
        ),
        format!("  sagas        {}", listed(&books.sagas)),
        format!(
            "  settlement   {}: {} payments, {} {} paid out{}",
            settled.settlement_no,
            settled.lines_count,
            settled.currency,
            major(settled.currency, settled.paid_out_minor.into()),
            if settled.is_paid_out { "" } else { " (NOT paid out in time)" }
        ),
    ];
    if let Some((_failed, count)) = books.sagas.iter().find(|(status, _count)| status == "failed") {
        lines.push(format!("               {count} of them wait for a person: `daybook saga list --status failed`"));
    }
    if followed.left > 0 {
        lines.push(format!("  not in time  {}", followed.left));
    }
    if seen.unanswered > 0 || seen.taken() != seen.count {
        lines.push(format!("  NOT TAKEN    {:?}, {} unanswered", seen.statuses, seen.unanswered));
    }
    lines.extend(trial_balance(books));
    lines.push(String::new());
    lines.push(format!("the witness: {verified}"));
    lines
}

/// A row for each kind of account, a column for each currency; and what each column comes to.
fn trial_balance(books: &Books) -> Vec<String> {
    let sums = books.sums();
    let row = |name: &str, cells: Vec<String>| {
        let cells: String = cells.iter().map(|cell| format!("{cell:>14}")).collect();
        format!("  {name:<30}{cells}")
    };
    let mut lines = vec![String::new(), format!("trial balance after {} entries", books.entries_count)];
    lines.push(row("", sums.keys().map(|currency| (*currency).to_owned()).collect()));
    for (what, of) in &books.balances {
        let cell = |currency: &&str| of.get(*currency).map(|minor| major(currency, *minor)).unwrap_or_default();
        lines.push(row(what, sums.keys().map(cell).collect()));
    }
    lines.push(row("sum", sums.iter().map(|(currency, sum)| major(currency, *sum)).collect()));
    let verdict = if books.is_balanced() { "the books balance, to the minor unit" } else { "THE BOOKS DO NOT BALANCE" };
    lines.push(format!("  {verdict}"));
    lines
}
