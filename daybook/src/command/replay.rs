//! `daybook replay`: the read models as they were, in a schema of their own.

use std::process::ExitCode;

use chrono::{DateTime, Utc};
use clap::Args;
use domain::id::MerchantId;
use event_store::Store;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use projections::{AsItWas, MODELS, Projections, Replayed};
use sqlx::{Connection as _, Executor as _, PgConnection};

use super::{place::Place, say};
use crate::{
    database,
    failure::{Attempt as _, Failure, Result},
};

const EXAMPLES: &str = "\
Examples:
  daybook replay --to 120345                              every read model as it was then, in the schema as_of_120345
  daybook replay --to 2026-06-30T23:59:59Z --into june    as it was at that moment
  daybook replay --to 120345 --merchant MER… --into one   what is of one merchant alone

Nothing that answers now is touched. `drop schema as_of_120345 cascade` takes it away again.";

/// Build every read model as it was at a position or moment, in a schema of its own
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Replay {
    #[command(flatten)]
    place: Place,
    /// Up to this position of the log, or what was recorded by this moment
    #[arg(long, value_name = "POSITION | TIME")]
    to: String,
    /// Only what is of this merchant; of the accounts of the house then only its part
    #[arg(long)]
    merchant: Option<MerchantId>,
    /// The schema to make; `as_of_` and the position where it is absent
    #[arg(long, value_name = "SCHEMA")]
    into: Option<String>,
    /// As the owner of the database, who may make a schema
    #[arg(long, env = "DATABASE_OWNER_URL", hide_env_values = true)]
    database_owner_url: Option<String>,
}

impl Replay {
    pub(super) async fn run(self) -> Result<ExitCode> {
        let (vault, store, url) = (self.place.vault().await?, self.place.store().await?, self.place.url()?);
        let upto = position(&store, &self.to).await?;
        let schema = self.into.clone().unwrap_or_else(|| format!("as_of_{upto}"));
        check(&schema)?;
        let owner_url = self.database_owner_url.as_deref().filter(|url| !url.is_empty()).unwrap_or(&url);
        let mut owner = database::connect(owner_url).await?;
        make(&mut owner, &schema).await?;
        let projections = Projections::new(store.clone(), database::parse(&url)?, vault);
        let as_it_was = AsItWas { upto, merchant_id: self.merchant.map(MerchantId::uuid), schema: &schema };
        let replayed = replay(&projections, as_it_was).await;
        database::close(&store).await;
        let mut failed = false;
        for model in replayed {
            match model {
                Ok(Replayed { model, rows_count }) => say(format_args!("{model}: {rows_count} rows in {schema}"))?,
                Err(failure) => {
                    failed = true;
                    say(format_args!("{failure}; it is not in {schema}"))?;
                }
            }
        }
        if !failed {
            mark(&mut owner, &schema, &whole(upto)).await.attempt(|| format!("marking {schema} as whole"))?;
        }
        say(format_args!("as of position {upto}; `drop schema {schema} cascade` takes it away again"))?;
        Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

/// All in one pass over the log, with a bar for each.
async fn replay(
    projections: &Projections,
    as_it_was: AsItWas<'_>,
) -> Vec<std::result::Result<Replayed, projections::FillFailure>> {
    let all = MultiProgress::new();
    let style = ProgressStyle::with_template("{prefix:<16} {bar:32} {human_pos}/{human_len} {per_sec} ETA {eta}");
    let style = style.unwrap_or_else(|_invalid| ProgressStyle::default_bar());
    let length = u64::try_from(as_it_was.upto).unwrap_or_default();
    let bars: Vec<(&str, ProgressBar)> = MODELS
        .iter()
        .map(|model| {
            let name = model.plan().name;
            (name, all.add(ProgressBar::new(length).with_style(style.clone()).with_prefix(name)))
        })
        .collect();
    let watch = |name: &'static str, position: i64| {
        if let Some((_name, bar)) = bars.iter().find(|(known, _bar)| *known == name) {
            bar.set_position(u64::try_from(position).unwrap_or_default());
        }
    };
    let replayed = projections.replay(MODELS, as_it_was, &watch).await;
    bars.iter().for_each(|(_name, bar)| bar.finish_and_clear());
    replayed
}

/// What is named, which must be in the log.
async fn position(store: &Store, text: &str) -> Result<i64> {
    let reading = || "reading the log".to_owned();
    let head = store.before_last(0, None).await.attempt(reading)?;
    let no = |why: String| Failure::NotThere(format!("{text} is no place in the log: {why}"));
    if let Ok(position) = text.parse::<i64>() {
        let is_there = (0..=head).contains(&position);
        return if is_there { Ok(position) } else { Err(no(format!("it has the positions 1 to {head}"))) };
    }
    let moment = DateTime::parse_from_rfc3339(text).map(|moment| moment.to_utc());
    let moment: DateTime<Utc> =
        moment.map_err(|_malformed| no("name a position, or a moment as RFC 3339 has it".to_owned()))?;
    Ok(store.position_at(moment).await.attempt(reading)?.position)
}

/// Schemas of the ledger itself.
const OURS: [&str; 9] = ["audit", "bus", "log", "public", "read", "reporting", "vault", "work", "writes"];

fn check(schema: &str) -> Result<()> {
    let is_word = schema.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_')) && schema.len() <= 63;
    let is_name = is_word && schema.starts_with(|first: char| first.is_ascii_lowercase());
    if is_name && !schema.starts_with("pg_") && !OURS.contains(&schema) {
        return Ok(());
    }
    let why = "a schema of its own is named by lower-case letters, digits and underscores, and is none of the ledger's";
    Err(Failure::NotThere(why.to_owned()))
}

/// What a schema is called whose replay has not come to its end; the rest of the comment says of which position.
const UNFINISHED: &str = "Not finished: daybook replay is at it, or was broken off.";

fn whole(upto: i64) -> String {
    format!("Read models as they were at position {upto}, by daybook replay.")
}

/// Makes the schema, or makes it anew where a replay of ours was broken off in it. One that is anybody else's, or whole, is
/// left alone. The connection holds it: nobody else replays into it meanwhile.
async fn make(owner: &mut PgConnection, schema: &str) -> Result<()> {
    let making = || format!("making the schema {schema}; nothing was replayed");
    let hold = "select pg_try_advisory_lock(hashtextextended('daybook replay ' || $1, 0))";
    if !sqlx::query_scalar::<_, bool>(hold).bind(schema).fetch_one(&mut *owner).await.attempt(making)? {
        return Err(Failure::NotThere(format!("another replay is filling {schema}; nothing was replayed")));
    }
    let known = "select coalesce(obj_description(oid, 'pg_namespace'), '') from pg_namespace where nspname = $1";
    let known: Option<String> =
        sqlx::query_scalar(known).bind(schema).fetch_optional(&mut *owner).await.attempt(making)?;
    match known.as_deref() {
        None => {}
        Some(UNFINISHED) => {
            let drop = format!("drop schema {schema} cascade");
            owner.execute(drop.as_str()).await.attempt(making)?;
        }
        Some(_anothers) => {
            return Err(Failure::NotThere(format!(
                "the schema {schema} is there already, and was left as it is: name another with --into, or drop it yourself"
            )));
        }
    }
    let mut transaction = owner.begin().await.attempt(making)?;
    let create = format!("create schema {schema} authorization daybook_projector");
    transaction.execute(create.as_str()).await.attempt(making)?;
    mark(&mut transaction, schema, UNFINISHED).await.attempt(making)?;
    transaction.commit().await.attempt(making)
}

async fn mark(owner: &mut PgConnection, schema: &str, words: &str) -> std::result::Result<(), sqlx::Error> {
    let words = format!("comment on schema {schema} is '{words}'");
    owner.execute(words.as_str()).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn a_schema_of_its_own_has_a_plain_name_and_is_none_of_ours() {
        for name in ["june", "as_of_12", "x1"] {
            assert!(check(name).is_ok(), "{name}");
        }
        for name in ["", "read", "log", "pg_x", "June", "1june", "a b", "a;b", "a\"b", "_a", &"x".repeat(64)] {
            assert!(check(name).is_err(), "{name}");
        }
    }
}
