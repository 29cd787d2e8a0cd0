//! `daybook log stats`: how long the log is, how fast, how large, and who follows it.

use clap::Args;
use event_store::stats::{self, Standing};

use super::{reading, text};
use crate::command::place::Place;
use crate::{command::say, failure::Result};

/// How a follower that was mended goes on, at the event it stopped at.
const UNPARK: &str = "  -> mend what the reason names, then, as the owner of the database:\n     \
     UPDATE log.followers SET parked_reason = NULL, parked_at = NULL, failures = 0 WHERE name = '...'";

/// Count the log: events by type, streams, answers, followers and their lag, size on disk
///
/// Everything is as of one moment. Counting reads the whole log once; writers do not wait for it.
#[derive(Args, Debug)]
pub(super) struct Stats {}

impl Stats {
    pub(super) async fn run(self, place: &Place) -> Result<()> {
        let mut connection = place.connect().await?;
        let found = reading(stats::stats(&mut connection).await, || "the log could not be counted".to_owned())?;
        say(format_args!("head       {}", found.head))?;
        if let Some(at) = found.last_recorded_at {
            say(format_args!("recorded   {}", at.format("%Y-%m-%dT%H:%M:%S%.6fZ")))?;
        }
        say(format_args!("streams    {}", found.streams))?;
        say(format_args!("answers    {}", found.answers))?;
        say(format_args!("snapshots  {}", found.snapshots))?;
        say("\nevents by type")?;
        if found.kinds.is_empty() {
            say("  none yet")?;
        }
        for kind in &found.kinds {
            let name = format!("{} {}", text::plain(&kind.aggregate_type), text::plain(&kind.event_type));
            say(format_args!("  {name:<48} {:>12}", kind.events))?;
        }
        say("\nevents of late")?;
        for rate in &found.rates {
            let per_second = rate.events.saturating_mul(10) / i64::from(rate.minutes).saturating_mul(60);
            let label = format!("last {} min", rate.minutes);
            let per_second = format!("{}.{}/s", per_second / 10, per_second % 10);
            say(format_args!("  {label:<48} {:>12}  {per_second}", rate.events))?;
        }
        say("\nfollowers")?;
        if found.followers.is_empty() {
            say("  none yet")?;
        }
        for follower in &found.followers {
            say(format_args!("  {}", standing(follower, found.head)))?;
        }
        if found.followers.iter().any(|follower| follower.parked_reason.is_some()) {
            say(UNPARK)?;
        }
        say("\nsize on disk, indexes included")?;
        for size in &found.sizes {
            say(format_args!("  {:<48} {:>12}", size.table, readable(size.bytes)))?;
        }
        Ok(())
    }
}

fn standing(follower: &Standing, head: i64) -> String {
    let runs = if follower.is_held { "runs" } else { "nobody runs it" };
    let state = match &follower.parked_reason {
        Some(reason) => format!("PARKED: {}", text::plain(reason)),
        None if follower.failures > 0 => format!("{runs}, failed {} times here", follower.failures),
        None => runs.to_owned(),
    };
    let (name, lag) = (text::plain(&follower.name), head.saturating_sub(follower.position));
    format!("{name:<32} at {:<12} lag {lag:<10} {state}", follower.position)
}

fn readable(bytes: i64) -> String {
    match bytes {
        ..10_240 => format!("{bytes} B"),
        10_240..10_485_760 => format!("{} kB", bytes / 1_024),
        10_485_760..10_737_418_240 => format!("{} MB", bytes / 1_048_576),
        10_737_418_240.. => format!("{} GB", bytes / 1_073_741_824),
    }
}
