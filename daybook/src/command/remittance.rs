//! `daybook remittance`: what channels paid for which day, and what is none of ours.

use std::{process::ExitCode, time::Duration};

use chrono::{NaiveDate, Utc};
use clap::Args;
use domain::channel::Channel;
use sqlx::{PgConnection, Row as _};
use tokio::time::{Instant, sleep};

use super::{log::text::plain, place::Place, say};
use crate::failure::{Attempt as _, Failure, Result};

/// The days whose remittance was fetched from a channel or is to be, the newest first; and every line that is none of ours
#[derive(Args, Debug)]
pub(super) struct List {
    #[command(flatten)]
    place: Place,
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=10_000))]
    limit: i64,
}

/// Have a day fetched now, again or before its time, and wait for what comes of it
///
/// The servers fetch each day by themselves when it has ended. Fetched twice it is recorded once.
#[derive(Args, Debug)]
pub(super) struct Fetch {
    #[command(flatten)]
    place: Place,
    /// Whose
    #[arg(long)]
    channel: Channel,
    /// Which (UTC)
    #[arg(long, value_name = "YYYY-MM-DD")]
    date: NaiveDate,
    /// Of real money, not of trials
    #[arg(long)]
    livemode: bool,
}

const FETCHED_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(200);

const DAYS: &str = "\
    select r.channel, r.livemode, r.date, to_char(r.date, 'YYYY-MM-DD') || '  ' || rpad(r.channel, 9) || \
           rpad(case when r.livemode then 'live' else 'test' end, 6) || \
           case when r.problem is not null then 'not recorded: ' || r.problem \
                when r.recorded_at is null and r.tries = 0 then 'to come' \
                when r.recorded_at is null then 'the day has not ended there' \
                else 'recorded: ' || r.lines_count || ' lines, ' || r.unmatched_count || ' of them none of ours' end \
    from work.remittances r";

const UNMATCHED: &str = "\
    select '    line ' || number || ': ' || what || ' ' || gross_minor || ' (fee ' || fee_minor || ') ' || currency || \
           ' minor units, ' || payment_no || coalesce(' as ' || no, '') || ': ' || why || \
           coalesce('; ours since ' || to_char(matched_at, 'YYYY-MM-DD HH24:MI:SS'), '') \
    from work.unmatched_lines where channel = $1 and livemode = $2 and date = $3 order by number limit 1000";

impl List {
    pub(super) async fn run(self) -> Result<ExitCode> {
        let mut connection = self.place.connect().await?;
        let newest = format!("{DAYS} order by r.date desc, r.channel, r.livemode limit $1");
        let rows = sqlx::query(&newest).bind(self.limit).fetch_all(&mut connection).await;
        let rows = rows.attempt(|| "reading the remittances".to_owned())?;
        for row in &rows {
            show(&mut connection, row).await?;
        }
        if rows.is_empty() {
            say("none yet")?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Fetch {
    pub(super) async fn run(self) -> Result<ExitCode> {
        let Self { place, channel, date, livemode } = self;
        if date > Utc::now().date_naive() {
            return Err(Failure::NotThere(format!("nothing was asked: {date} has not begun")));
        }
        let mut connection = place.connect().await?;
        let asking = || "asking for a remittance".to_owned();
        let before = processes::ask_for_remittance(&mut connection, channel, livemode, date).await.attempt(asking)?;
        let asked_at = Instant::now();
        loop {
            let of_day = format!("{DAYS} where r.channel = $1 and r.livemode = $2 and r.date = $3 and r.tries > $4");
            let row = sqlx::query(&of_day).bind(channel.name()).bind(livemode).bind(date);
            if let Some(row) = row.bind(before).fetch_optional(&mut connection).await.attempt(asking)? {
                show(&mut connection, &row).await?;
                return Ok(ExitCode::SUCCESS);
            }
            if asked_at.elapsed() > FETCHED_WITHIN {
                let told = "it stands in the table; no server has fetched it yet: is one running, with its processes?";
                return Err(Failure::NotThere(told.to_owned()));
            }
            sleep(LOOK_EVERY).await;
        }
    }
}

/// A day, and whatever is none of ours in it.
async fn show(connection: &mut PgConnection, row: &sqlx::postgres::PgRow) -> Result<()> {
    let reading = || "reading a remittance".to_owned();
    let line: String = row.try_get(3).attempt(reading)?;
    say(plain(&line))?;
    let (channel, livemode): (&str, bool) = (row.try_get(0).attempt(reading)?, row.try_get(1).attempt(reading)?);
    let date: NaiveDate = row.try_get(2).attempt(reading)?;
    let unmatched = sqlx::query_scalar::<_, String>(UNMATCHED).bind(channel).bind(livemode).bind(date);
    for line in unmatched.fetch_all(connection).await.attempt(reading)? {
        say(plain(&line))?;
    }
    Ok(())
}
