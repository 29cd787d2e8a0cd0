//! What writes a history down: each event with its place in its stream and its time, into the log in bulk.

use std::collections::{HashMap, VecDeque};
use std::fmt::Write as _;

use chrono::{DateTime, TimeDelta, Utc};
use domain::aggregate::{Aggregate, Event};
use domain::refusal::Refusal as _;
use sqlx::PgConnection;
use uuid::Uuid;

use super::Problem;
use super::chance::Chance;

/// An event before it has its position.
#[derive(Clone, Debug)]
pub struct Line {
    pub event_id: Uuid,
    pub aggregate_type: &'static str,
    pub aggregate_id: String,
    pub sequence: i64,
    pub event_type: &'static str,
    pub event_version: &'static str,
    pub payload: String,
    pub merchant_id: Option<Uuid>,
    pub livemode: Option<bool>,
    pub recorded_at: DateTime<Utc>,
}

/// Writes what was decided, in order.
pub struct Pen {
    lines: VecDeque<Line>,
    sequences: HashMap<(&'static str, String), i64>,
    ids: Chance,
    pub(super) now: DateTime<Utc>,
}

impl Default for Pen {
    fn default() -> Self {
        let now = DateTime::from_timestamp(1_767_225_600, 0).unwrap_or_default();
        Self { lines: VecDeque::new(), sequences: HashMap::new(), ids: Chance::new(7), now }
    }
}

impl Pen {
    /// Decides a command on a state, folds what follows into it and writes it down.
    pub(super) fn tell<A: Aggregate>(
        &mut self,
        state: &mut A,
        id: &str,
        whose: (Option<Uuid>, Option<bool>),
        command: &A::Command,
    ) -> Result<Vec<A::Event>, Problem> {
        let events = state.decide(command).map_err(|refusal| format!("{} {id}: {}", A::TYPE, refusal.code()))?;
        for event in &events {
            state.apply(event);
            self.now += TimeDelta::milliseconds(self.ids.between(0, 400));
            let sequence = self.sequences.entry((A::TYPE, id.to_owned())).or_default();
            *sequence += 1;
            self.lines.push_back(Line {
                event_id: self.ids.uuid(),
                aggregate_type: A::TYPE,
                aggregate_id: id.to_owned(),
                sequence: *sequence,
                event_type: event.event_type(),
                event_version: event.event_version(),
                payload: serde_json::to_string(event)?,
                merchant_id: whose.0,
                livemode: whose.1,
                recorded_at: self.now,
            });
        }
        Ok(events)
    }

    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    pub(super) fn take(&mut self, count: usize) -> Vec<Line> {
        let rest = self.lines.split_off(count.min(self.lines.len()));
        std::mem::replace(&mut self.lines, rest).into()
    }
}

/// Copies events behind the last one in the log, as a superuser; where the log ends then.
///
/// # Errors
/// The database refuses.
pub async fn load(superuser: &mut PgConnection, lines: &[Line]) -> Result<i64, Problem> {
    let mut position: i64 =
        sqlx::query_scalar("select coalesce(max(position), 0) from log.events").fetch_one(&mut *superuser).await?;
    let mut text = String::new();
    for line in lines {
        position += 1;
        let whose = line.merchant_id.map_or("\\N".to_owned(), |id| id.to_string());
        let mode = line.livemode.map_or("\\N", |livemode| if livemode { "t" } else { "f" });
        writeln!(
            text,
            "{position}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{{\"command_id\":\"{}\"}}\t{whose}\t{mode}\t{}",
            line.event_id,
            line.aggregate_type,
            line.aggregate_id,
            line.sequence,
            line.event_type,
            line.event_version,
            line.payload.replace('\\', "\\\\"),
            line.event_id,
            line.recorded_at.format("%Y-%m-%d %H:%M:%S%.6f+00"),
        )?;
    }
    let mut copy = superuser.copy_in_raw("copy log.events from stdin").await?;
    copy.send(text.as_bytes()).await?;
    copy.finish().await?;
    Ok(position)
}

/// Appends events as the application does, in one call, and tells whoever follows; the last position.
///
/// # Errors
/// The log refuses.
pub async fn append(connection: &mut PgConnection, lines: &[Line]) -> Result<i64, Problem> {
    let of = |text: fn(&Line) -> &str| lines.iter().map(text).map(str::to_owned).collect::<Vec<String>>();
    let metadata: Vec<String> = lines.iter().map(|line| format!("{{\"command_id\":\"{}\"}}", line.event_id)).collect();
    let first: i64 = sqlx::query_scalar(
        "select first_position from log.append(0, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, \
         '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}')",
    )
    .bind(lines.iter().map(|line| line.event_id).collect::<Vec<Uuid>>())
    .bind(of(|line| line.aggregate_type))
    .bind(of(|line| &line.aggregate_id))
    .bind(lines.iter().map(|line| line.sequence).collect::<Vec<i64>>())
    .bind(of(|line| line.event_type))
    .bind(of(|line| line.event_version))
    .bind(of(|line| &line.payload))
    .bind(metadata)
    .bind(lines.iter().map(|line| line.merchant_id).collect::<Vec<Option<Uuid>>>())
    .bind(lines.iter().map(|line| line.livemode).collect::<Vec<Option<bool>>>())
    .fetch_one(&mut *connection)
    .await?;
    let last = first + i64::try_from(lines.len())? - 1;
    sqlx::query("select pg_notify('daybook_log', $1::text)").bind(last).execute(connection).await?;
    Ok(last)
}
