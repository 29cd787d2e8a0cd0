//! `daybook channel list`: how the lines to payment partners stand.

use std::process::ExitCode;

use clap::Args;
use sqlx::Row as _;

use super::{log::text::plain, place::Place, say};
use crate::failure::{Attempt as _, Result};

/// How the lines to payment partners stand, as each server sees them that calls through them
///
/// State of the breaker and since when; calls and failures since the server began; calls under way and how many there may
/// be; calls that were held back. Written down by the servers at most two seconds after it changes. Of a server that has
/// ended, this is how it was at the end.
#[derive(Args, Debug)]
pub(super) struct List {
    #[command(flatten)]
    place: Place,
}

const LINES: &str = "\
    with runners as materialized (select distinct runner from work.lines), \
    ended as materialized (select runner from runners where pg_try_advisory_xact_lock(hashtextextended(runner, 0))) \
    select rpad(l.channel, 9) || rpad(case when l.livemode then 'live' else 'test' end, 6) || \
           rpad(coalesce(l.partner, 'nobody'), 10) || \
           rpad(case when l.partner is null then '-' when l.paused_until > now() then 'paused' else l.breaker end, 11) || \
           rpad(case when l.partner is null then '-' else to_char(l.since, 'YYYY-MM-DD HH24:MI:SS') end, 21) || \
           lpad(l.calls::text, 10) || lpad(l.failures::text, 10) || lpad(l.in_flight || '/' || l.in_flight_max, 10) || \
           lpad((l.breaker_open + l.paused + l.line_busy + l.too_fast)::text, 11) || '  ' || left(l.runner, 13) || \
           case when e.runner is null then '' else ' (ended)' end || \
           case when l.partner is null then '  no partner is configured: payments fail at once, and say so' \
                when l.paused_until > now() \
                then '  asked us to wait until ' || to_char(l.paused_until, 'YYYY-MM-DD HH24:MI:SS') else '' end \
    from work.lines l left join ended e on e.runner = l.runner order by l.channel, l.livemode, l.runner";

impl List {
    pub(super) async fn run(self) -> Result<ExitCode> {
        let mut connection = self.place.connect().await?;
        let rows = sqlx::query(LINES).fetch_all(&mut connection).await;
        let rows = rows.attempt(|| "reading how the channels stand".to_owned())?;
        if rows.is_empty() {
            say("no server has called a channel on this ledger yet")?;
            return Ok(ExitCode::SUCCESS);
        }
        say(
            "channel  mode  partner   state      since                     calls  failures in flight  held back  server",
        )?;
        for row in &rows {
            let line: String = row.try_get(0).attempt(|| "reading how a channel stands".to_owned())?;
            say(plain(&line))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
