//! The log in bulk: long runs of events for whoever builds something from all of it.

use std::borrow::Cow;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use domain::fact::Fact;
use futures_util::TryStreamExt as _;
use sqlx::Error;
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use crate::connect::Database;
use crate::recorded::Recorded;
use crate::stats;

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
            let event = wire.event().ok_or_else(cut)?;
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

    fn event(&mut self) -> Option<Recorded> {
        let position = self.long()?;
        let event_id = self.uuid()??;
        let aggregate_type = self.text()?;
        let aggregate_id = Arc::from(self.text()?);
        let sequence = self.long()?;
        let event_type = self.text()?;
        let event_version = self.text()?;
        // Nearly all events are of kinds this program knows: their names need not be copied.
        let known = Fact::known(aggregate_type, event_type);
        let name = |known: Option<&'static str>, found: &str| match known {
            Some(known) if known == found => Cow::Borrowed(known),
            Some(_) | None => Cow::Owned(found.to_owned()),
        };
        Some(Recorded {
            position,
            event_id,
            aggregate_type: name(known.map(|known| known.aggregate_type), aggregate_type),
            aggregate_id,
            sequence,
            event_type: name(known.map(|known| known.event_type), event_type),
            event_version: name(known.map(|known| known.event_version), event_version),
            payload: Arc::from(self.text()?),
            metadata: Arc::from(self.text()?),
            merchant_id: self.uuid()?,
            livemode: self.field()?.map(|byte| byte == [1]),
            recorded_at: self.time()?,
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

    fn time(&mut self) -> Option<DateTime<Utc>> {
        const SECONDS_TO_2000: i64 = 946_684_800;
        let epoch = DateTime::from_timestamp(SECONDS_TO_2000, 0)?;
        epoch.checked_add_signed(TimeDelta::microseconds(self.long()?))
    }
}
