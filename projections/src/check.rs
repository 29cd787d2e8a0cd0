//! Read models held against the log: built anew beside the live ones, compared, dropped.

use event_store::Poison;
use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, Executor as _};

use crate::builds;
use crate::fill::{FillFailure, Filling, Watch};
use crate::projector::Projections;
use crate::read_model::{Plan, ReadModel};
use crate::swap::{Difference, standing};

/// What came of holding one read model against the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Row by row, at this position.
    Alike {
        position: i64,
        rows_count: i64,
    },
    /// `old` is the live build, `new` what the log comes to.
    Differs {
        position: i64,
        differences: Vec<Difference>,
    },
    NotCompared {
        why: String,
    },
}

/// A read model, and what came of holding it against the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    pub model: &'static str,
    pub verdict: Verdict,
}

/// A scratch build, and the connection whose lock says that somebody works on it: whoever finds it free cleans up.
pub(crate) struct Scratch {
    pub(crate) held: PgConnection,
    pub(crate) filling: Filling,
}

/// A scratch build with what it is to be compared with.
struct Against {
    scratch: Scratch,
    live: i32,
    upto: i64,
}

const NONE_HERE: &str =
    "there is no live build of it in this database; where read models have one of their own, name it";

/// How long cleaning up waits for whoever was interrupted to be gone.
const GONE_WITHIN: &str = "set lock_timeout = '10s'";

impl Projections {
    /// Builds each of these anew from the log, in one pass over it, and compares with the live build at the same position.
    /// The live ones answer on; the scratch builds are dropped, whatever came of it.
    ///
    /// Where this is broken off, [`Projections::drop_scratches`] cleans up; where the process dies, the next check does.
    pub async fn check(&self, models: &[&'static dyn ReadModel], watch: Watch<'_>) -> Vec<Checked> {
        let (mut checked, mut begun) = (Vec::new(), Vec::new());
        for model in models {
            match self.begin_scratch(*model).await {
                Ok(against) => begun.push(against),
                Err(why) => checked.push(Checked { model: model.plan().name, verdict: Verdict::NotCompared { why } }),
            }
        }
        let fillings: Vec<(Filling, i64)> = begun.iter().map(|begun| (begun.scratch.filling, begun.upto)).collect();
        let filled = self.fill(&fillings, watch).await;
        for (Against { scratch, live, .. }, filled) in begun.into_iter().zip(filled) {
            let plan = scratch.filling.model.plan();
            let verdict = match filled {
                Ok(mut filling) => self.hold_against(&mut filling, live).await,
                Err(failure) => Err(failure),
            };
            let verdict = verdict.unwrap_or_else(|failure| Verdict::NotCompared { why: failure.to_string() });
            if let Err(reason) = scratch.put_away().await {
                tracing::warn!(read_model = plan.name, %reason, "a scratch build was not dropped; the next check does");
            }
            checked.push(Checked { model: plan.name, verdict });
        }
        checked.sort_by_key(|checked| models.iter().position(|model| model.plan().name == checked.model));
        checked
    }

    /// Drops what a check that was broken off has left behind.
    ///
    /// # Errors
    /// The database failed, or whoever was interrupted is not gone yet: the next check does it.
    pub async fn drop_scratches(&self, models: &[&'static dyn ReadModel]) -> Result<(), sqlx::Error> {
        for model in models {
            let mut connection = self.database.connect_as_projector().await?;
            connection.execute(GONE_WITHIN).await?;
            lock(&mut connection, model.plan()).await?;
            builds::drop_scratches(&mut connection, model.plan()).await?;
        }
        Ok(())
    }

    /// The text says why there is nothing to compare.
    async fn begin_scratch(&self, model: &'static dyn ReadModel) -> Result<Against, String> {
        let told = |failure: sqlx::Error| failure.to_string();
        let plan = model.plan();
        let mut connection = self.database.connect_as_projector().await.map_err(told)?;
        if !free(&mut connection, plan).await.map_err(told)? {
            return Err("another check is at it".to_owned());
        }
        builds::drop_scratches(&mut connection, plan).await.map_err(told)?;
        let live = builds::live(&mut connection, plan.name).await.map_err(told)?;
        let live = live.ok_or(NONE_HERE)?;
        if live.version != plan.version {
            let (theirs, ours) = (live.version, plan.version);
            return Err(format!("the live build is of version {theirs}, and this program makes version {ours}"));
        }
        let upto = standing(&mut connection, plan).await.map_err(told)?;
        let build = builds::begin_scratch(&mut connection, plan).await.map_err(told)?;
        let filling = Filling { model, build, only_of: None };
        Ok(Against { scratch: Scratch { held: connection, filling }, live: live.build, upto })
    }

    async fn hold_against(&self, filling: &mut Filling, live: i32) -> Result<Verdict, FillFailure> {
        let plan = filling.model.plan();
        let mut connection = self.database.connect_as_projector().await?;
        for table in plan.tables {
            connection.execute(format!("analyze {}", table.of_build(filling.build.build)).as_str()).await?;
        }
        let (position, differences) = self.compare(filling, live).await?;
        // A swap meanwhile has put another build in the place of the one that was compared.
        let now = builds::live(&mut connection, plan.name).await?.map(|live| live.build);
        if now != Some(live) {
            let reason = "it was rebuilt meanwhile: check it again".to_owned();
            return Err(FillFailure::Stopped { model: plan.name, source: Poison::Event(reason) });
        }
        if !differences.is_empty() {
            return Ok(Verdict::Differs { position, differences });
        }
        let mut rows_count = 0_i64;
        for table in plan.tables {
            let count = format!("select count(*) from {}", table.of_build(filling.build.build));
            let count: i64 = sqlx::query_scalar(&count).fetch_one(&mut connection).await?;
            rows_count = rows_count.saturating_add(count);
        }
        Ok(Verdict::Alike { position, rows_count })
    }
}

impl Scratch {
    pub(crate) async fn put_away(mut self) -> Result<(), sqlx::Error> {
        builds::drop_scratches(&mut self.held, self.filling.model.plan()).await?;
        self.held.close().await
    }
}

/// Whether nobody works on scratch builds of this read model; from here on this connection does.
pub(crate) async fn free(connection: &mut PgConnection, plan: &Plan) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("select pg_try_advisory_lock(hashtextextended('daybook check ' || $1, 0))")
        .bind(plan.name)
        .fetch_one(connection)
        .await
}

async fn lock(connection: &mut PgConnection, plan: &Plan) -> Result<(), sqlx::Error> {
    sqlx::query("select pg_advisory_lock(hashtextextended('daybook check ' || $1, 0))")
        .bind(plan.name)
        .execute(connection)
        .await
        .map(drop)
}
