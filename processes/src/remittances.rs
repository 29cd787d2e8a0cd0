//! Remittances: fetches what channels paid for each day, and records it once.
//!
//! A day is fetched whole, page by page, and recorded only where its lines come to its sums. What is recorded is what the
//! channel says came to the bank; a line of it that is none of ours stays visible, and has the channel asked. Fetched again
//! it is the same remittance under the same name, which the log takes once.

use std::{collections::BTreeMap, time::Duration};

use channels::{AskRemittance, Hint, Line, Remitted, Subject, remittance::Moved, remittance::Sum};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use domain::{
    currency::Currency,
    id::RemittanceId,
    money::Totals,
    remittance::{Remittance, RemittanceCommand, event::Recorded},
};
use event_store::{Act, Outcome, Tenant, is_on_the_disk};
use tokio::sync::watch;

use crate::{hint, runner::Desk};

mod days;
mod matching;

pub use days::ask_for;
use days::{Day, Found, Unmatched};

/// However long nothing is due: an operator may have asked for a day.
const LOOK_EVERY: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_secs(30);
/// Of a day that takes more, nothing is recorded.
const PAGES_MAX: usize = 20_000;
/// So many lines that are none of ours are kept of a day, and asked after; all are counted.
const UNMATCHED_MAX: usize = 1_000;

pub(crate) async fn run(desk: &Desk, mut stop: watch::Receiver<bool>) {
    let mut entered = None;
    while !*stop.borrow_and_update() {
        let pause = look(desk, &mut entered).await.map_or_else(
            |failure| {
                tracing::warn!(%failure, "remittances cannot be looked at");
                PAUSE
            },
            |()| LOOK_EVERY,
        );
        tokio::select! {
            _stopping = stop.changed() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Once a day the days are entered that are to come; then whatever is due is fetched.
async fn look(desk: &Desk, entered: &mut Option<NaiveDate>) -> Result<(), sqlx::Error> {
    let today = Utc::now().date_naive();
    if *entered != Some(today) {
        for (channel, livemode, line) in desk.partners.lines() {
            if line.partner().is_some() {
                days::enter(&desk.pool, channel, livemode, today).await?;
            }
        }
        // It is entered once, and nothing else remembers it.
        is_on_the_disk(&mut desk.pool.acquire().await?.detach()).await?;
        *entered = Some(today);
    }
    while let Some(day) = days::take(&desk.pool).await? {
        let found = fetch(desk, day).await;
        if let Found::Problem(reason) = &found {
            let Day { channel, date, .. } = day;
            tracing::error!(%channel, %date, reason, "a remittance was not recorded");
        }
        days::settle(&desk.pool, day, &found).await?;
    }
    Ok(())
}

async fn fetch(desk: &Desk, day: Day) -> Found {
    let line = desk.partners.line(day.channel, day.livemode);
    let report = match read(desk, line, day).await {
        Ok(Some(report)) => report,
        Ok(None) => return Found::NotYet,
        Err(reason) => return Found::Problem(reason),
    };
    let mut problems = Vec::new();
    for sum in &report.sums {
        problems.extend(record(desk, day, sum).await.err());
    }
    for unmatched in &report.unmatched {
        if let Some(hint) = asked_after(day, unmatched.moved)
            && let Err(reason) = hint::enter(desk, hint).await
        {
            tracing::warn!(reason, "a line that is none of ours was not asked after");
        }
    }
    if problems.is_empty() {
        let (lines_count, unmatched_count) = (report.lines_count, report.unmatched_count);
        Found::Recorded { lines_count, unmatched_count, unmatched: report.unmatched }
    } else {
        Found::Problem(problems.join("; "))
    }
}

/// A day as the channel tells of it, all of it.
#[derive(Default)]
struct Report {
    sums: Vec<Sum>,
    lines_count: u64,
    unmatched_count: u64,
    unmatched: Vec<Unmatched>,
}

/// None where the day has not ended there.
async fn read(desk: &Desk, line: &Line, day: Day) -> Result<Option<Report>, String> {
    let (mut report, mut gross, mut fee) = (Report::default(), Totals::default(), Totals::default());
    let mut counts: BTreeMap<Currency, u64> = BTreeMap::new();
    for page_no in 0..PAGES_MAX {
        let asked = AskRemittance { date: day.date, after: report.lines_count };
        let page = match line.remittance(&asked).await.map_err(|not_sent| not_sent.to_string())? {
            Remitted::NotYet => return Ok(None),
            Remitted::Unknown(why) => return Err(why.to_string()),
            Remitted::Found(page) => page,
        };
        if page_no == 0 {
            report.sums = page.sums;
        } else if report.sums != page.sums {
            return Err("its pages are of different reports".to_owned());
        }
        for line in page.lines {
            report.lines_count += 1;
            if line.number != report.lines_count {
                return Err(format!("line {} comes where line {} should", line.number, report.lines_count));
            }
            gross.add(line.gross);
            fee.add(line.fee);
            *counts.entry(line.gross.currency).or_default() += 1;
            if let Some(why) = matching::amiss(&desk.store, day, &line).await? {
                report.unmatched_count += 1;
                if report.unmatched.len() < UNMATCHED_MAX {
                    let (moved, number, no) = (line.moved, line.number, line.no);
                    report.unmatched.push(Unmatched { number, moved, no, gross: line.gross, fee: line.fee, why });
                }
            }
        }
        if !page.has_more {
            for sum in &report.sums {
                gross.subtract(sum.gross);
                fee.subtract(sum.fee);
                if counts.remove(&sum.gross.currency).unwrap_or_default() != sum.lines_count {
                    return Err(format!("its lines in {} are not as many as it says", sum.gross.currency));
                }
            }
            let adds_up = gross.are_zero() && fee.are_zero() && counts.is_empty();
            return if adds_up { Ok(Some(report)) } else { Err("its lines do not come to its sums".to_owned()) };
        }
    }
    Err("it has more pages than are read of a day".to_owned())
}

/// Under the name of its day: again is once.
async fn record(desk: &Desk, day: Day, sum: &Sum) -> Result<(), String> {
    let Sum { gross, fee, net, .. } = *sum;
    if gross.is_zero() && fee.is_zero() {
        return Ok(());
    }
    let Day { channel, livemode, date } = day;
    let id = RemittanceId::derive_of_day(channel.name(), livemode, gross.currency, &date.to_string());
    let recorded = Recorded { remittance_id: id, channel, livemode, gross, fee, net, effective_at: end_of(date) };
    let act = Act {
        tenant: Tenant { merchant_id: None, livemode: Some(livemode) },
        metadata: vec![("actor", "channel".to_owned()), ("channel", channel.name().to_owned())],
        ..Act::tell::<Remittance>(id.to_string(), RemittanceCommand::Record(Box::new(recorded)))
    };
    match desk.store.execute(act).await {
        Ok(Outcome::Accepted { .. } | Outcome::Replayed { .. }) => Ok(()),
        Ok(Outcome::Refused { answer, .. }) => Err(format!("{}: {}", gross.currency, answer.body)),
        Ok(other) => Err(format!("{}: {other:?}", gross.currency)),
        Err(failure) => Err(format!("{}: {failure}", gross.currency)),
    }
}

/// The moment a day is over.
fn end_of(date: NaiveDate) -> DateTime<Utc> {
    date.and_time(chrono::NaiveTime::MIN).and_utc() + TimeDelta::days(1)
}

/// What could be ours is asked after: a report of it may have been lost.
const fn asked_after(day: Day, moved: Moved) -> Option<Hint> {
    let Day { channel, livemode, .. } = day;
    let subject = match moved {
        Moved::Captured { payment_id, attempt, .. } => Subject::Attempt { payment_id, attempt },
        Moved::Refunded { refund_id, .. } | Moved::RefundReturned { refund_id, .. } => Subject::Refund(refund_id),
        // Disputes are told of in reports alone.
        Moved::DisputeLost { .. } => return None,
    };
    Some(Hint { channel, livemode, subject })
}
