//! What must be true at every moment, asked of tables: a query names what breaks it.

use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, Error};

/// Something that must hold. `question` has one column of text and a row for each thing that breaks it: none where all is
/// well.
#[derive(Clone, Copy, Debug)]
pub struct Invariant {
    /// Its name in the list of what must hold, and what it says.
    pub name: &'static str,
    pub question: &'static str,
}

/// How many things break it, and the first of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Breaches {
    pub count: i64,
    pub shown: Vec<String>,
}

/// An invariant that was asked about; or why it could not be.
#[derive(Debug)]
pub struct Asked {
    pub invariant: &'static str,
    pub breaches: Result<Breaches, Error>,
}

/// So many are shown of what breaks one.
const SHOWN: i64 = 20;

/// Asks each by itself: one that cannot be asked keeps no other from it.
pub async fn ask(connection: &mut PgConnection, invariants: &[Invariant]) -> Vec<Asked> {
    let mut asked = Vec::with_capacity(invariants.len());
    for invariant in invariants {
        asked.push(Asked { invariant: invariant.name, breaches: breaches(connection, invariant.question).await });
    }
    asked
}

async fn breaches(connection: &mut PgConnection, question: &str) -> Result<Breaches, Error> {
    // Within a transaction of somebody else's, one that fails must not end it.
    let mut moment = connection.begin().await?;
    let limited = format!("select told, count(*) over () from ({question}) x (told) order by told limit {SHOWN}");
    let found: Vec<(String, i64)> = sqlx::query_as(&limited).fetch_all(&mut *moment).await?;
    moment.rollback().await?;
    let count = found.first().map_or(0, |(_told, count)| *count);
    Ok(Breaches { count, shown: found.into_iter().map(|(told, _count)| told).collect() })
}

/// Of the log itself. `I31` and `I28` are about the database: who asks must be able to see other sessions.
pub const OF_THE_LOG: &[Invariant] = &[
    Invariant {
        name: "I7: one key, one command",
        question: "select scope || ' ' || key || ' was carried out ' || count(distinct command_id) || ' times' \
             from log.answers group by scope, key having count(distinct command_id) > 1",
    },
    Invariant {
        name: "I10, I14: an answer's events are there",
        question: "select 'the answer to ' || a.scope || ' names position ' || a.position || ', and its event is not there' \
             from log.answers a where a.status = 200 and not exists (select from log.events e \
             where e.position = a.position and (e.metadata ->> 'command_id' = a.command_id::text \
             or e.recorded_at <= a.recorded_at and not exists (select from log.events o \
             where o.metadata ->> 'command_id' = a.command_id::text and o.position between a.position - 99 and a.position + 99)))",
    },
    Invariant {
        name: "I11: sequences of a stream are 1, 2, 3 …",
        question: "select aggregate_type || ' ' || aggregate_id || ' has ' || count(*) || ' events, numbered ' || \
             min(sequence) || ' to ' || max(sequence) from log.events group by aggregate_type, aggregate_id \
             having count(*) <> max(sequence) or min(sequence) <> 1",
    },
    Invariant {
        name: "I12: positions are 1, 2, 3 …",
        question: "select 'there are ' || count(*) || ' events, at ' || min(position) || ' to ' || max(position) \
             from log.events having count(*) <> max(position) or min(position) <> 1",
    },
    Invariant {
        name: "I13: positions of a stream rise with its sequences",
        question: "select 'position ' || position || ' comes after ' || before || ' in its stream' from (\
             select position, lag(position) over (partition by aggregate_type, aggregate_id order by sequence) as before \
             from log.events) x where before >= position",
    },
    Invariant {
        name: "I13: recorded_at never falls",
        question: "select 'position ' || position || ' was recorded before the one before it' from (\
             select position, recorded_at, lag(recorded_at) over (order by position) as before \
             from log.events) x where before > recorded_at",
    },
    Invariant {
        name: "I15: event ids are unique",
        question: "select event_id || ' is the id of the events at ' || string_agg(position::text, ', ' order by position) \
             from log.events group by event_id having count(*) > 1",
    },
    Invariant {
        name: "I28: nobody but its owner may change the log",
        question: "select r.rolname || ' may ' || p.privilege || ' events' from pg_roles r \
             cross join unnest(array['update', 'delete', 'truncate']) as p (privilege) \
             where r.rolname in ('daybook_app', 'daybook_projector', 'daybook_analyst') \
             and has_table_privilege(r.oid, 'log.events'::regclass, p.privilege)",
    },
    Invariant {
        name: "I31: nobody is idle in a transaction, or waits for a lock",
        question: "select 'session ' || pid || ' is ' || case when state = 'active' then 'waiting for a lock' else state end \
             from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() \
             and (state like 'idle in transaction%' and state_change < now() - interval '1 second' \
                  or wait_event_type = 'Lock' and query_start < now() - interval '5 seconds')",
    },
];
