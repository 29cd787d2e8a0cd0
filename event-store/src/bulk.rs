//! The log in bulk: long runs of events for whoever builds something from all of it.

use std::borrow::Cow;
use std::sync::Arc;

use chrono::DateTime;
use domain::fact::Fact;
use futures_util::TryStreamExt as _;
use sqlx::postgres::PgConnection;
use sqlx::{Error, Executor as _};
use uuid::Uuid;

use crate::connect::Database;
use crate::recorded::Recorded;
use crate::stats;

/// Postgres counts from 2000.
const US_TO_2000: i64 = 946_684_800_000_000;

/// A connection that copies the log out, run by run, each in a transaction of its own.
pub struct Bulk {
    connection: PgConnection,
}

/// A run of events as it came over the wire: to be read elsewhere, beside the next one's coming.
pub struct Run {
    bytes: Vec<u8>,
    after: i64,
    upto: i64,
}

/// An event as it came over the wire: borrowed, and not made sure of in any way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Glance<'r> {
    pub position: i64,
    pub event_id: Uuid,
    pub aggregate_type: &'r str,
    pub aggregate_id: &'r str,
    pub sequence: i64,
    pub event_type: &'r str,
    pub event_version: &'r str,
    pub payload: &'r str,
    pub metadata: &'r str,
    pub merchant_id: Option<Uuid>,
    pub livemode: Option<bool>,
    /// Microseconds since 1970.
    pub recorded_at_us: i64,
}

impl Database {
    /// # Errors
    /// The database cannot be reached.
    pub async fn bulk(&self) -> Result<Bulk, Error> {
        Ok(Bulk { connection: self.connect().await? })
    }
}

impl Bulk {
    /// Where the log ends now.
    ///
    /// # Errors
    /// The database failed.
    pub async fn head(&mut self) -> Result<i64, Error> {
        stats::head(&mut self.connection).await
    }

    /// The events after one position up to another, which must be there.
    ///
    /// # Errors
    /// The database failed.
    pub async fn run(&mut self, after: i64, upto: i64) -> Result<Run, Error> {
        let copy = format!(
            "copy (select position, event_id, aggregate_type, aggregate_id, sequence, event_type, event_version, \
             payload, metadata, merchant_id, livemode, recorded_at from log.events \
             where position > {after} and position <= {upto} order by position) to stdout (format binary)"
        );
        let mut pieces = self.connection.copy_out_raw(&copy).await?;
        let mut bytes = Vec::new();
        while let Some(piece) = pieces.try_next().await? {
            bytes.extend_from_slice(&piece);
        }
        Ok(Run { bytes, after, upto })
    }
}

/// Reads the whole log once; the planner may take any way.
const AT_LENGTH: &str = "set enable_seqscan = on; set work_mem = '64MB'";
const REPEATED: &str = "with twice as (\
         select event_id from log.events where position <= $1 group by event_id having count(*) > 1) \
     select (array_agg(e.position order by e.position))[2] as again \
       from log.events e join twice using (event_id) where e.position <= $1 group by e.event_id order by again limit 1";
const ENDS: &str = "select aggregate_type, aggregate_id, max(sequence) from log.events where position <= $1 \
     group by aggregate_type, aggregate_id";

impl Bulk {
    /// The first position whose event has the id of one before it.
    ///
    /// # Errors
    /// The database failed.
    pub async fn repeated_event_id(&mut self, upto: i64) -> Result<Option<i64>, Error> {
        self.connection.execute(AT_LENGTH).await?;
        let again: Option<Option<i64>> =
            sqlx::query_scalar(REPEATED).bind(upto).fetch_optional(&mut self.connection).await?;
        Ok(again.flatten())
    }

    /// Hands over where each stream is, by type and id, as of a position.
    ///
    /// # Errors
    /// The database failed.
    pub async fn stream_ends(&mut self, upto: i64, mut each: impl FnMut(&str, &str, i64)) -> Result<(), Error> {
        self.connection.execute(AT_LENGTH).await?;
        let mut rows = sqlx::query_as::<_, (String, String, i64)>(ENDS).bind(upto).fetch(&mut self.connection);
        while let Some((kind, id, sequence)) = rows.try_next().await? {
            each(&kind, &id, sequence);
        }
        Ok(())
    }
}

impl Run {
    /// Every event of the run.
    ///
    /// # Errors
    /// Something is missing, or is not as Postgres writes it.
    pub fn events(&self) -> Result<Vec<Recorded>, Error> {
        let count = usize::try_from(self.upto.saturating_sub(self.after)).unwrap_or_default();
        let mut events = Vec::with_capacity(count);
        let mut wire = Wire::after_header(&self.bytes).ok_or_else(cut)?;
        let mut expected = self.after;
        while wire.begins_row().ok_or_else(cut)? {
            let event = wire.glance().and_then(|glance| glance.recorded()).ok_or_else(cut)?;
            expected = expected.saturating_add(1);
            if event.position != expected {
                let hole = format!("the log has a hole: position {} follows {}", event.position, expected - 1);
                return Err(Error::Protocol(hole));
            }
            events.push(event);
        }
        if expected == self.upto { Ok(events) } else { Err(Error::Protocol(format!("the log ends at {expected}"))) }
    }
}

impl Run {
    /// Whatever came, one after the other; false where one could not be read, which is the last then.
    pub fn glance<'r>(&'r self, mut each: impl FnMut(Glance<'r>)) -> bool {
        let Some(mut wire) = Wire::after_header(&self.bytes) else { return false };
        while let Some(true) = wire.begins_row() {
            match wire.glance() {
                Some(glance) => each(glance),
                None => return false,
            }
        }
        wire.0.is_empty()
    }
}

impl Glance<'_> {
    /// A copy to keep; none where its time is none.
    pub fn recorded(&self) -> Option<Recorded> {
        // Nearly all events are of kinds this program knows: their names need not be copied.
        let known = Fact::known(self.aggregate_type, self.event_type);
        let name = |known: Option<&'static str>, found: &str| match known {
            Some(known) if known == found => Cow::Borrowed(known),
            Some(_) | None => Cow::Owned(found.to_owned()),
        };
        Some(Recorded {
            position: self.position,
            event_id: self.event_id,
            aggregate_type: name(known.map(|known| known.aggregate_type), self.aggregate_type),
            aggregate_id: Arc::from(self.aggregate_id),
            sequence: self.sequence,
            event_type: name(known.map(|known| known.event_type), self.event_type),
            event_version: name(known.map(|known| known.event_version), self.event_version),
            payload: Arc::from(self.payload),
            metadata: Arc::from(self.metadata),
            merchant_id: self.merchant_id,
            livemode: self.livemode,
            recorded_at: DateTime::from_timestamp_micros(self.recorded_at_us)?,
        })
    }
}

fn cut() -> Error {
    Error::Protocol("a copy of the log is not as Postgres writes it".to_owned())
}

/// What is left of the bytes.
struct Wire<'b>(&'b [u8]);

impl<'b> Wire<'b> {
    /// The signature, flags, and an extension that is passed over.
    fn after_header(bytes: &'b [u8]) -> Option<Self> {
        let mut wire = Self(bytes);
        let signature = wire.take(11)?;
        wire.number::<4>()?;
        let extension = usize::try_from(i32::from_be_bytes(wire.number()?)).ok()?;
        wire.take(extension)?;
        (signature == b"PGCOPY\n\xff\r\n\0").then_some(wire)
    }

    fn begins_row(&mut self) -> Option<bool> {
        match i16::from_be_bytes(self.number()?) {
            12 => Some(true),
            -1 => Some(false),
            _other => None,
        }
    }

    fn glance(&mut self) -> Option<Glance<'b>> {
        Some(Glance {
            position: self.long()?,
            event_id: self.uuid()??,
            aggregate_type: self.text()?,
            aggregate_id: self.text()?,
            sequence: self.long()?,
            event_type: self.text()?,
            event_version: self.text()?,
            payload: self.text()?,
            metadata: self.text()?,
            merchant_id: self.uuid()?,
            livemode: self.field()?.map(|byte| byte == [1]),
            recorded_at_us: self.long()?.checked_add(US_TO_2000)?,
        })
    }

    fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    /// Within: `None` is null.
    #[expect(clippy::option_option, reason = "the outer one says that the bytes are whole, the inner one is null")]
    fn field(&mut self) -> Option<Option<&'b [u8]>> {
        match i32::from_be_bytes(self.number()?) {
            -1 => Some(None),
            length => self.take(usize::try_from(length).ok()?).map(Some),
        }
    }

    fn text(&mut self) -> Option<&'b str> {
        std::str::from_utf8(self.field()??).ok()
    }

    fn long(&mut self) -> Option<i64> {
        Some(i64::from_be_bytes(self.field()??.try_into().ok()?))
    }

    #[expect(clippy::option_option, reason = "as of `field`")]
    fn uuid(&mut self) -> Option<Option<Uuid>> {
        match self.field()? {
            Some(bytes) => Uuid::from_slice(bytes).ok().map(Some),
            None => Some(None),
        }
    }
}
