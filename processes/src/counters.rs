//! The table of what was counted: many rows in one statement, and back to any late moment.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use domain::risk::{facts::Counters, velocity::Velocity};
use event_store::{Poison, Store};
use sqlx::{PgConnection, PgPool, types::Json};

use crate::counting::{Begins, Effect, Payments, Rows, Subject};

/// The follower's name, for ever.
pub(crate) const COUNTERS: &str = "risk_counters";
/// Rows that matter no more are cleared so many at a time.
const CLEARED_AT_ONCE: i64 = 1_000;
/// Events read at once, to go back.
const PAGE: usize = 1_000;
/// Events to go back over at most: what is further behind than this is not to be had.
const BACK_MAX: i64 = 200_000;

/// An attempt, and the position at which it began.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) begins: Begins,
    pub(crate) position: i64,
}

/// Reads the rows of these subjects.
pub(crate) async fn load(books: &mut PgConnection, subjects: &BTreeSet<&Subject>) -> Result<Rows, sqlx::Error> {
    let rows: Vec<(String, Json<Velocity>)> =
        sqlx::query_as("select subject, counted from work.risk_counters where subject = any($1)")
            .bind(names(subjects))
            .fetch_all(books)
            .await?;
    Ok(named(rows, subjects))
}

/// Writes them as they are now.
pub(crate) async fn save(books: &mut PgConnection, rows: &Rows) -> Result<(), sqlx::Error> {
    let rows: Vec<(&Subject, &Velocity, NaiveDate)> =
        rows.0.iter().filter_map(|(subject, velocity)| Some((subject, velocity, velocity.idle_on()?))).collect();
    sqlx::query(
        "insert into work.risk_counters (subject, counted, idle_on) \
         select * from unnest($1::text[], $2::json[], $3::date[]) \
         on conflict (subject) do update set counted = excluded.counted, idle_on = excluded.idle_on",
    )
    .bind(rows.iter().map(|(subject, ..)| subject.name.as_str()).collect::<Vec<&str>>())
    .bind(rows.iter().map(|(_, velocity, _)| Json(*velocity)).collect::<Vec<Json<&Velocity>>>())
    .bind(rows.iter().map(|(.., idle_on)| *idle_on).collect::<Vec<NaiveDate>>())
    .execute(books)
    .await
    .map(drop)
}

/// Clears some of the rows in which nothing matters on this day any more.
pub(crate) async fn clear(books: &mut PgConnection, today: NaiveDate) -> Result<(), sqlx::Error> {
    sqlx::query(
        "delete from work.risk_counters where subject in \
         (select subject from work.risk_counters where idle_on <= $1 order by idle_on limit $2)",
    )
    .bind(today)
    .bind(CLEARED_AT_ONCE)
    .execute(books)
    .await
    .map(drop)
}

/// What had been counted before each of these attempts: one question to the database for all of them, and the log, to
/// go back from where the counters are. `None` where they have not come so far, or are too far ahead.
pub(crate) async fn before(pool: &PgPool, store: &Store, asked: &[Asked]) -> Result<Vec<Option<Counters>>, Poison> {
    let subjects: BTreeSet<&Subject> = asked.iter().flat_map(|asked| &asked.begins.subjects).collect();
    let found: Vec<(i64, Option<String>, Option<Json<Velocity>>)> = sqlx::query_as(
        "select f.position, c.subject, c.counted from log.followers f \
         left join work.risk_counters c on c.subject = any($1) where f.name = $2",
    )
    .bind(names(&subjects))
    .bind(COUNTERS)
    .fetch_all(pool)
    .await?;
    let Some(at) = found.first().map(|(position, ..)| *position) else { return Ok(vec![None; asked.len()]) };
    let rows = found.into_iter().filter_map(|(_, name, counted)| name.zip(counted)).collect();
    let mut rows = named(rows, &subjects);
    // The latest first: each goes back a little further.
    let is_counted = |asked: &Asked| asked.position <= at && at.saturating_sub(asked.position) <= BACK_MAX;
    let mut order: Vec<usize> = (0..asked.len()).collect();
    order.retain(|n| asked.get(*n).is_some_and(is_counted));
    order.sort_by_key(|n| std::cmp::Reverse(asked.get(*n).map(|asked| asked.position)));
    let since = order.last().and_then(|n| asked.get(*n)).map_or(at, |asked| asked.position.saturating_sub(1));
    let mut effects = effects(store, since, at).await?;
    let mut answers = vec![None; asked.len()];
    for n in order {
        let (Some(asked), Some(answer)) = (asked.get(n), answers.get_mut(n)) else { continue };
        while let Some(effect) = effects.pop_if(|effect| effect.position >= asked.position) {
            rows.undo(&effect);
        }
        *answer = Some(rows.before(&asked.begins, asked.position));
    }
    Ok(answers)
}

/// What the events after one position and up to another did, in order.
async fn effects(store: &Store, after: i64, upto: i64) -> Result<Vec<Effect>, Poison> {
    let (mut payments, mut effects, mut at) = (Payments::default(), Vec::new(), after);
    while at < upto {
        let page = store.events(at, PAGE).await?;
        let Some(last) = page.last().map(|last| last.position) else { break };
        for event in page.iter().filter(|event| event.position <= upto) {
            effects.extend(payments.effect(store, event).await?);
        }
        at = last;
    }
    Ok(effects)
}

fn names<'s>(subjects: &BTreeSet<&'s Subject>) -> Vec<&'s str> {
    subjects.iter().map(|subject| subject.name.as_str()).collect()
}

fn named(rows: Vec<(String, Json<Velocity>)>, subjects: &BTreeSet<&Subject>) -> Rows {
    let by_name: BTreeMap<&str, &Subject> = subjects.iter().map(|subject| (subject.name.as_str(), *subject)).collect();
    let named = rows.into_iter().filter_map(|(name, Json(velocity))| {
        let subject = by_name.get(name.as_str())?;
        Some(((*subject).clone(), velocity))
    });
    Rows(named.collect())
}
