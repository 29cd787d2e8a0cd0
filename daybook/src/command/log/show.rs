//! `daybook log show`: events whole, one by its position or all of a stream.

use clap::Args;
use event_store::Recorded;

use super::{reading, text};
use crate::command::place::Place;
use crate::{
    command::say,
    failure::{Failure, Result},
};

const EVENTS_PER_READ: i64 = 500;

/// Print an event, or every event of a stream, with payload and metadata
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  daybook log show 42                      the event at position 42
  daybook log show payment pay_1           every event of one stream, in its order
  daybook log show 42 --raw | head -1      the payload, byte for byte")]
pub(super) struct Show {
    /// A position; or, with an id after it, an aggregate type
    #[arg(value_name = "POSITION | TYPE")]
    first: String,

    /// The id of an aggregate of that type
    #[arg(value_name = "ID")]
    id: Option<String>,

    /// Payload and metadata as they were written, a line each, and nothing else
    #[arg(long)]
    raw: bool,
}

impl Show {
    pub(super) async fn run(self, place: &Place) -> Result<()> {
        match &self.id {
            Some(id) => self.stream(place, id).await,
            None => self.event(place).await,
        }
    }

    async fn event(&self, place: &Place) -> Result<()> {
        let position: i64 = self.first.parse().ok().filter(|position| *position > 0).ok_or_else(|| {
            let asked = text::plain(&self.first);
            Failure::NotThere(format!(
                "{asked} is not a position (1, 2, 3 …): name one, or a stream: `daybook log show {asked} ID`"
            ))
        })?;
        let store = place.store().await?;
        let read = store.events(position.saturating_sub(1), 1).await;
        let events = reading(read, || format!("the event at position {position} could not be read"))?;
        match events.first() {
            Some(event) => self.print(event),
            None => {
                let head = reading(store.before_last(0, None).await, || "the end of the log".to_owned())?;
                Err(Failure::NotThere(format!(
                    "there is no event at position {position}: the log ends at {head}; `daybook log tail` shows its end"
                )))
            }
        }
    }

    async fn stream(&self, place: &Place, id: &str) -> Result<()> {
        let (kind, store) = (&self.first, place.store().await?);
        let mut after = 0;
        loop {
            let read = store.stream_events(kind, id, after, EVENTS_PER_READ).await;
            let events = reading(read, || format!("the stream {kind} {id} could not be read"))?;
            for event in &events {
                self.print(event)?;
            }
            match events.last() {
                Some(last) => after = last.sequence,
                None if after == 0 => {
                    let stream = format!("{} {}", text::plain(kind), text::plain(id));
                    return Err(Failure::NotThere(format!(
                        "there is no stream {stream}: no event was ever recorded in it; `daybook log stats` lists the types"
                    )));
                }
                None => return Ok(()),
            }
        }
    }

    fn print(&self, event: &Recorded) -> Result<()> {
        if self.raw { say(format_args!("{}\n{}", event.payload, event.metadata)) } else { say(text::whole(event)) }
    }
}
