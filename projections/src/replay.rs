//! Read models as they were at a position, in tables of a schema of their own.

use event_store::Poison;
use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, Executor as _};
use uuid::Uuid;

use crate::builds;
use crate::check::{Scratch, free};
use crate::fill::{FillFailure, Filling, Watch};
use crate::projector::Projections;
use crate::read_model::ReadModel;

/// What a replay is to show.
#[derive(Clone, Copy, Debug)]
pub struct AsItWas<'s> {
    /// Everything up to here.
    pub upto: i64,
    /// What is of this merchant alone; what is of none is left out then.
    pub merchant_id: Option<Uuid>,
    /// Where the tables go: a schema that is there, is empty, and belongs to the projector.
    pub schema: &'s str,
}

/// A read model that was replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replayed {
    pub model: &'static str,
    pub rows_count: i64,
}

impl Projections {
    /// Builds these read models from the log up to a position, in one pass over it, and puts their tables into the schema.
    /// What answers now is not touched. Where one fails, none of its tables is there, and the others are.
    ///
    /// # Errors
    /// For each read model, why it could not be replayed.
    pub async fn replay(
        &self,
        models: &[&'static dyn ReadModel],
        as_it_was: AsItWas<'_>,
        watch: Watch<'_>,
    ) -> Vec<Result<Replayed, FillFailure>> {
        let (mut done, mut begun) = (Vec::new(), Vec::new());
        for model in models {
            match self.begin_replay(*model, as_it_was.merchant_id).await {
                Ok(scratch) => begun.push(scratch),
                Err(failure) => done.push(Err(failure)),
            }
        }
        let fillings: Vec<(Filling, i64)> = begun.iter().map(|scratch| (scratch.filling, as_it_was.upto)).collect();
        let filled = self.fill(&fillings, watch).await;
        for (mut scratch, filled) in begun.into_iter().zip(filled) {
            let moved = match filled {
                Ok(filling) => move_away(&mut scratch.held, &filling, as_it_was.schema).await.map_err(FillFailure::Log),
                Err(failure) => Err(failure),
            };
            // Of one that was moved nothing is left to be put away.
            if let Err(reason) = scratch.put_away().await {
                tracing::warn!(%reason, "a scratch build was not dropped; the next check does");
            }
            done.push(moved);
        }
        done
    }

    async fn begin_replay(&self, model: &'static dyn ReadModel, only_of: Option<Uuid>) -> Result<Scratch, FillFailure> {
        let plan = model.plan();
        let mut held = self.database.connect_as_projector().await?;
        if !free(&mut held, plan).await? {
            let reason = "a check or another replay is at it".to_owned();
            return Err(FillFailure::Stopped { model: plan.name, source: Poison::Event(reason) });
        }
        builds::drop_scratches(&mut held, plan).await?;
        let build = builds::begin_scratch(&mut held, plan).await?;
        Ok(Scratch { held, filling: Filling { model, build, only_of } })
    }
}

/// The tables leave the read models for the schema, under their plain names.
async fn move_away(held: &mut PgConnection, filling: &Filling, schema: &str) -> Result<Replayed, sqlx::Error> {
    let (plan, build) = (filling.model.plan(), filling.build.build);
    builds::index(held, plan, build).await?;
    let mut transaction = held.begin().await?;
    let mut rows_count = 0_i64;
    for table in plan.tables {
        let count = format!("select count(*) from {}", table.of_build(build));
        let count: i64 = sqlx::query_scalar(&count).fetch_one(&mut *transaction).await?;
        rows_count = rows_count.saturating_add(count);
        let (name, of_build) = (table.name, table.of_build(build));
        transaction.execute(format!("alter table {of_build} set schema {schema}").as_str()).await?;
        transaction.execute(format!("alter table {schema}.{name}_v{build} rename to {name}").as_str()).await?;
    }
    sqlx::query("delete from read.builds where model = $1 and build = $2 and is_scratch")
        .bind(plan.name)
        .bind(build)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(Replayed { model: plan.name, rows_count })
}
