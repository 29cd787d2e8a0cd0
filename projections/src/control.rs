//! What an operator may do to a read model: look, pause, resume, retry, skip.

use chrono::{DateTime, Utc};
use sqlx::FromRow;
use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, Error};

use crate::projector::Projections;
use crate::read_model::Plan;

/// How a pause is told from an event that was not digested.
const PAUSED: &str = "paused: ";

/// Where a read model is.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Standing {
    /// The build that answers, and the version of its rules.
    pub build: Option<i32>,
    pub version: Option<i32>,
    pub position: i64,
    pub head: i64,
    /// Why it stands still, if it does.
    pub parked_reason: Option<String>,
    pub failures: i32,
    pub is_held: bool,
    pub moved_at: Option<DateTime<Utc>>,
    /// A build beside it, and how far that has come.
    pub filling: Option<i32>,
    pub filled_to: Option<i64>,
    pub skips_count: i64,
}

impl Standing {
    pub fn is_paused(&self) -> bool {
        self.parked_reason.as_deref().is_some_and(|reason| reason.starts_with(PAUSED))
    }
}

const STANDING: &str = "select l.build, l.version, coalesce(f.position, 0) as position, \
         $2::bigint as head, f.parked_reason, \
         coalesce(f.failures, 0) as failures, coalesce(f.lease_until > now(), false) as is_held, f.moved_at, \
         b.build as filling, b.position as filled_to, \
         (select count(*) from read.skips s where s.model = n.name) as skips_count \
     from (select $1::text as name) n \
     left join log.followers f on f.name = n.name \
     left join read.builds l on l.model = n.name and l.is_live \
     left join lateral (select build, position from read.builds o where o.model = n.name and not o.is_live \
         and not o.is_scratch order by build desc limit 1) b on true";

/// # Errors
/// The database failed.
pub async fn standing(connection: &mut PgConnection, plan: &Plan) -> Result<Standing, Error> {
    let head = event_store::stats::head(&mut *connection).await?;
    sqlx::query_as(STANDING).bind(plan.name).bind(head).fetch_one(connection).await
}

/// Positions a read model was told to pass over: no build of it ever works on them.
pub(crate) async fn skips(connection: &mut PgConnection, model: &str) -> Result<Vec<i64>, Error> {
    sqlx::query_scalar("select position from read.skips where model = $1").bind(model).fetch_all(connection).await
}

impl Projections {
    /// Stops a read model where it is. Whether it was running.
    ///
    /// # Errors
    /// The database failed.
    pub async fn pause(&self, plan: &Plan, why: &str) -> Result<bool, Error> {
        let mut connection = self.database.connect_as_projector().await?;
        sqlx::query("insert into log.followers (name) values ($1) on conflict do nothing")
            .bind(plan.name)
            .execute(&mut connection)
            .await?;
        let pause = "update log.followers set parked_reason = $2, parked_at = now() \
             where name = $1 and parked_reason is null";
        let paused = sqlx::query(pause).bind(plan.name).bind(format!("{PAUSED}{why}")).execute(&mut connection).await?;
        Ok(paused.rows_affected() == 1)
    }

    /// Lets a paused read model go on. Whether it was paused.
    ///
    /// # Errors
    /// The database failed.
    pub async fn resume(&self, plan: &Plan) -> Result<bool, Error> {
        self.unpark(plan, "parked_reason like $2 || '%'").await
    }

    /// Lets a read model try again at the event it is parked at. Whether it was parked.
    ///
    /// # Errors
    /// The database failed.
    pub async fn retry(&self, plan: &Plan) -> Result<bool, Error> {
        self.unpark(plan, "parked_reason not like $2 || '%'").await
    }

    async fn unpark(&self, plan: &Plan, which: &str) -> Result<bool, Error> {
        let unpark = format!(
            "update log.followers set parked_reason = null, parked_at = null, failures = 0 where name = $1 and {which}"
        );
        let mut connection = self.database.connect_as_projector().await?;
        let unparked = sqlx::query(&unpark).bind(plan.name).bind(PAUSED).execute(&mut connection).await?;
        Ok(unparked.rows_affected() == 1)
    }

    /// Passes over the event a read model is parked at, in this build and in every later one. The position skipped;
    /// none where it is not parked at an event.
    ///
    /// # Errors
    /// The database failed.
    pub async fn skip(&self, plan: &Plan, why: &str) -> Result<Option<i64>, Error> {
        let mut connection = self.database.connect_as_projector().await?;
        let mut transaction = connection.begin().await?;
        let skip = "update log.followers set position = position + 1, parked_reason = null, parked_at = null, \
                 failures = 0 where name = $1 and parked_reason not like $2 || '%' returning position";
        let skipped: Option<i64> =
            sqlx::query_scalar(skip).bind(plan.name).bind(PAUSED).fetch_optional(&mut *transaction).await?;
        if let Some(position) = skipped {
            let remember = "insert into read.skips (model, position, reason) values ($1, $2, $3)";
            sqlx::query(remember).bind(plan.name).bind(position).bind(why).execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        Ok(skipped)
    }
}
