//! From a filled build to the live one: compared, then shown in one transaction.

use event_store::Poison;
use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, Executor as _};

use crate::builds;
use crate::fill::{FillFailure, Filling};
use crate::projector::Projections;
use crate::read_model::Plan;
use crate::table::Table;

/// Where two builds of a table are not alike, at the same position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub table: &'static str,
    pub only_old_count: i64,
    pub only_new_count: i64,
    /// Some of the rows, as JSON: `-` of the old build, `+` of the new one.
    pub rows: Vec<String>,
}

/// What became of a build that was filled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Swap {
    /// It answers now. `compared_at` is the position it was compared with the old one at, where there was one.
    Live { compared_at: Option<i64>, differences: Vec<Difference> },
    /// It differs from the old one of the same version, which answers on.
    Refused { compared_at: i64, differences: Vec<Difference> },
}

/// How many rows of each side are shown of a difference.
const SHOWN: i64 = 3;

impl Projections {
    /// Compares a filled build with the live one and takes its place. Where both are of one version and not alike,
    /// something is wrong: then only with `anyway`.
    ///
    /// # Errors
    /// The log or the database failed, or an event could not be folded: the old build answers on.
    pub async fn swap(&self, filling: &mut Filling, anyway: bool) -> Result<Swap, FillFailure> {
        let plan = filling.model.plan();
        let mut connection = self.database.connect_as_projector().await?;
        builds::index(&mut connection, plan, filling.build.build).await?;
        for table in plan.tables {
            let analyze = format!("analyze {}", table.of_build(filling.build.build));
            connection.execute(analyze.as_str()).await?;
        }
        let (mut compared_at, mut differences) = (None, Vec::new());
        if let Some(live) = builds::live(&mut connection, plan.name).await? {
            let (position, found) = self.compare(filling, live.build).await?;
            (compared_at, differences) = (Some(position), found);
            if live.version == plan.version && !differences.is_empty() && !anyway {
                return Ok(Swap::Refused { compared_at: position, differences });
            }
        }
        self.take_its_place(filling).await?;
        if let Err(reason) = builds::drop_others(&mut connection, plan).await {
            tracing::info!(read_model = plan.name, %reason, "an old build is still being read; it goes with the next swap");
        }
        Ok(Swap::Live { compared_at, differences })
    }

    /// Brings the new build to where the live one stands, and compares them in one snapshot that has both there.
    pub(crate) async fn compare(
        &self,
        filling: &mut Filling,
        live: i32,
    ) -> Result<(i64, Vec<Difference>), FillFailure> {
        let plan = filling.model.plan();
        let mut bulk = self.log.bulk().await?;
        // Most of the way without anybody waiting.
        let near = standing(&mut *self.pool.acquire().await?, plan).await?;
        self.catch_up(filling, near, &mut bulk).await?;
        let mut holder = self.database.connect_as_projector().await?;
        let mut looker = self.database.connect_as_projector().await?;
        let mut held = holder.begin().await?;
        let position = hold(&mut held, plan).await?;
        self.catch_up(filling, position, &mut bulk).await?;
        if filling.build.position > position {
            let reason = format!("the live build stands at {position}, behind the new one: let it catch up first");
            return Err(FillFailure::Stopped { model: plan.name, source: Poison::Event(reason) });
        }
        looker.execute("begin isolation level repeatable read, read only").await?;
        // The snapshot is taken here: the live build cannot have moved.
        looker.execute("select").await?;
        held.rollback().await?;
        looker.execute("set local work_mem = '64MB'").await?;
        let mut differences = Vec::new();
        for table in plan.tables {
            differences.extend(difference(&mut looker, table, live, filling.build.build).await?);
        }
        looker.execute("commit").await?;
        Ok((position, differences))
    }

    async fn take_its_place(&self, filling: &mut Filling) -> Result<(), FillFailure> {
        let plan = filling.model.plan();
        let mut bulk = self.log.bulk().await?;
        let mut holder = self.database.connect_as_projector().await?;
        let mut held = holder.begin().await?;
        builds::one_at_a_time(&mut held, plan.name).await?;
        let had_one = builds::live(&mut held, plan.name).await?.is_some();
        let position = hold(&mut held, plan).await?;
        if had_one {
            self.catch_up(filling, position, &mut bulk).await?;
        }
        // Without an old build the follower begins where the fill has ended; whoever holds its lease starts anew.
        sqlx::query("update log.followers set position = $2, epoch = epoch + 1 where name = $1 and position <> $2")
            .bind(plan.name)
            .bind(filling.build.position)
            .execute(&mut *held)
            .await?;
        builds::show(&mut held, plan, filling.build.build).await?;
        held.commit().await?;
        filling.build.is_live = true;
        Ok(())
    }
}

/// Where the follower of a read model stands; nobody moves it before the transaction ends.
async fn hold(connection: &mut PgConnection, plan: &Plan) -> Result<i64, sqlx::Error> {
    sqlx::query("insert into log.followers (name) values ($1) on conflict do nothing")
        .bind(plan.name)
        .execute(&mut *connection)
        .await?;
    sqlx::query_scalar("select position from log.followers where name = $1 for update")
        .bind(plan.name)
        .fetch_one(connection)
        .await
}

pub(crate) async fn standing(connection: &mut PgConnection, plan: &Plan) -> Result<i64, sqlx::Error> {
    let position: Option<i64> = sqlx::query_scalar("select position from log.followers where name = $1")
        .bind(plan.name)
        .fetch_optional(connection)
        .await?;
    Ok(position.unwrap_or(0))
}

/// What two builds of a table do not have in common, in the columns that both have.
async fn difference(
    connection: &mut PgConnection,
    table: &'static Table,
    old: i32,
    new: i32,
) -> Result<Option<Difference>, sqlx::Error> {
    let (old, new) = (table.of_build(old), table.of_build(new));
    let columns: Option<String> = sqlx::query_scalar(
        "select string_agg(quote_ident(n.attname), ', ' order by n.attnum) from pg_attribute n \
         where n.attrelid = $2::regclass and n.attnum > 0 and not n.attisdropped and exists ( \
             select from pg_attribute o where o.attrelid = $1::regclass and o.attname = n.attname \
                and o.atttypid = n.atttypid and o.attnum > 0 and not o.attisdropped)",
    )
    .bind(&old)
    .bind(&new)
    .fetch_one(&mut *connection)
    .await?;
    let columns = columns.unwrap_or_default();
    let only =
        |this: &str, other: &str| format!("(select {columns} from {this} except all select {columns} from {other})");
    let (only_old, only_new) = (only(&old, &new), only(&new, &old));
    let count = format!("select (select count(*) from {only_old} o), (select count(*) from {only_new} n)");
    let (only_old_count, only_new_count): (i64, i64) = sqlx::query_as(&count).fetch_one(&mut *connection).await?;
    if only_old_count == 0 && only_new_count == 0 {
        return Ok(None);
    }
    let rows = format!(
        "(select '- ' || to_jsonb(o)::text from {only_old} o limit {SHOWN}) \
         union all (select '+ ' || to_jsonb(n)::text from {only_new} n limit {SHOWN})"
    );
    let rows = sqlx::query_scalar(&rows).fetch_all(connection).await?;
    Ok(Some(Difference { table: table.name, only_old_count, only_new_count, rows }))
}
