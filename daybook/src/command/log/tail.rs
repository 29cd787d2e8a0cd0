//! `daybook log tail`: one line an event, then each as it happens.

use std::{fmt::Write as _, io::Write as _};

use clap::Args;
use event_store::{Recorded, Store};

use super::{reading, text};
use crate::command::place::Place;
use crate::{
    failure::{Attempt as _, Result},
    interrupt::Interrupt,
};

const EVENTS_PER_READ: usize = 1_000;

/// Print one line an event, in order, and follow the log until Ctrl-C
///
/// A line is: position, time recorded (UTC), aggregate type, aggregate id#sequence, event type, merchant. Positions have
/// no holes: where the log has one, this stops with an error and prints nothing past it.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  daybook log tail                              the last ten events, then each as it happens
  daybook log tail --after 0 --no-follow        everything there is
  daybook log tail --type payment_captured      one event type (or aggregate type) only
  daybook log tail --json --no-follow | jq .    JSON, an object a line")]
pub(super) struct Tail {
    /// Begin after this position rather than with the last events
    #[arg(long, value_name = "POSITION", value_parser = clap::value_parser!(i64).range(0..), conflicts_with = "last")]
    after: Option<i64>,

    /// Only events of this aggregate type or event type
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,

    /// An object a line, with payload and metadata
    #[arg(long)]
    json: bool,

    /// End with the last event there is
    #[arg(long)]
    no_follow: bool,

    /// With how many of the last events to begin
    #[arg(short = 'n', long = "last", value_name = "COUNT", default_value_t = 10)]
    last: u32,
}

impl Tail {
    pub(super) async fn run(self, place: &Place) -> Result<()> {
        let mut interrupt = Interrupt::listen()?;
        let store = place.store().await?;
        let begin = self.begin(&store);
        let mut position = tokio::select! {
            position = begin => position?,
            () = interrupt.asked() => return Ok(()),
        };
        let mut head = store.head();
        while !interrupt.is_asked() {
            head.mark_seen();
            let read = store.events(position, EVENTS_PER_READ).await;
            let events = reading(read, || {
                format!("the events after position {position} could not be read; `--after {position}` goes on there")
            })?;
            self.print(events.iter().map(AsRef::as_ref))?;
            match events.last() {
                Some(last) => position = last.position,
                None if self.no_follow => return Ok(()),
                None => tokio::select! {
                    () = head.changed() => {}
                    () = interrupt.asked() => {}
                },
            }
        }
        Ok(())
    }

    async fn begin(&self, store: &Store) -> Result<i64> {
        match self.after {
            Some(after) => Ok(after),
            None => {
                let before = store.before_last(self.last, self.kind.as_deref()).await;
                reading(before, || "the end of the log could not be found".to_owned())
            }
        }
    }

    fn print<'a>(&self, events: impl Iterator<Item = &'a Recorded>) -> Result<()> {
        let wanted = events.filter(|event| {
            self.kind.as_deref().is_none_or(|kind| event.aggregate_type == kind || event.event_type == kind)
        });
        let lines = wanted.fold(String::new(), |mut lines, event| {
            let line = if self.json { text::json(event) } else { text::line(event) };
            // Writing to a string cannot fail.
            writeln!(lines, "{line}").ok();
            lines
        });
        let mut out = std::io::stdout().lock();
        out.write_all(lines.as_bytes()).and_then(|()| out.flush()).attempt(|| "writing to standard output".to_owned())
    }
}
