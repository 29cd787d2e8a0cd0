//! Builds of a read model: the one that is asked, and the one being filled beside it.

use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, Executor as _};

use crate::read_model::Plan;
use crate::reporting;

/// A build, as the database has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Build {
    pub build: i32,
    pub version: i32,
    pub is_live: bool,
    /// How far the fill has come. Of a live build the checkpoint of the follower counts.
    pub position: i64,
}

/// The build that answers.
///
/// # Errors
/// The database failed.
pub(crate) async fn live(connection: &mut PgConnection, model: &str) -> Result<Option<Build>, sqlx::Error> {
    sqlx::query_as("select build, version, is_live, position from read.builds where model = $1 and is_live")
        .bind(model)
        .fetch_optional(connection)
        .await
}

/// Makes the first build of a read model and shows it, if there is none. Safe to repeat and to run twice at once.
///
/// # Errors
/// The database failed.
pub(crate) async fn ensure_first(connection: &mut PgConnection, plan: &Plan) -> Result<Build, sqlx::Error> {
    let mut transaction = connection.begin().await?;
    one_at_a_time(&mut transaction, plan.name).await?;
    if let Some(build) = live(&mut transaction, plan.name).await? {
        transaction.commit().await?;
        return Ok(build);
    }
    let build: i32 = sqlx::query_scalar(NEW).bind(plan.name).bind(plan.version).fetch_one(&mut *transaction).await?;
    create(&mut transaction, plan, build).await?;
    index(&mut transaction, plan, build).await?;
    show(&mut transaction, plan, build).await?;
    transaction.commit().await?;
    Ok(Build { build, version: plan.version, is_live: true, position: 0 })
}

/// A build to be filled: the one that was begun before, if it is of this version, or a new one.
///
/// # Errors
/// The database failed.
pub(crate) async fn begin(connection: &mut PgConnection, plan: &Plan) -> Result<Build, sqlx::Error> {
    let mut transaction = connection.begin().await?;
    one_at_a_time(&mut transaction, plan.name).await?;
    let begun = "select build, version, is_live, position from read.builds \
         where model = $1 and version = $2 and not is_live and not is_scratch \
           and build > coalesce((select build from read.builds where model = $1 and is_live), 0) \
         order by build desc limit 1";
    let begun: Option<Build> =
        sqlx::query_as(begun).bind(plan.name).bind(plan.version).fetch_optional(&mut *transaction).await?;
    let build = match begun {
        Some(build) => build,
        None => {
            let build: i32 =
                sqlx::query_scalar(NEW).bind(plan.name).bind(plan.version).fetch_one(&mut *transaction).await?;
            create(&mut transaction, plan, build).await?;
            Build { build, version: plan.version, is_live: false, position: 0 }
        }
    };
    transaction.commit().await?;
    Ok(build)
}

const NEW: &str = "insert into read.builds (model, build, version) \
     select $1, coalesce(max(build), 0) + 1, $2 from read.builds where model = $1 returning build";

/// A build to be compared with the live one and dropped: a new one, always.
///
/// # Errors
/// The database failed.
pub(crate) async fn begin_scratch(connection: &mut PgConnection, plan: &Plan) -> Result<Build, sqlx::Error> {
    let mut transaction = connection.begin().await?;
    one_at_a_time(&mut transaction, plan.name).await?;
    let build: i32 = sqlx::query_scalar(NEW).bind(plan.name).bind(plan.version).fetch_one(&mut *transaction).await?;
    sqlx::query("update read.builds set is_scratch = true where model = $1 and build = $2")
        .bind(plan.name)
        .bind(build)
        .execute(&mut *transaction)
        .await?;
    create(&mut transaction, plan, build).await?;
    transaction.commit().await?;
    Ok(Build { build, version: plan.version, is_live: false, position: 0 })
}

/// Moves a fill from where it is believed to be; whether it was there.
pub(crate) async fn advance(
    connection: &mut PgConnection,
    model: &str,
    build: Build,
    to: i64,
) -> Result<bool, sqlx::Error> {
    let moved = sqlx::query(
        "update read.builds set position = $4 where model = $1 and build = $2 and position = $3 and not is_live",
    )
    .bind(model)
    .bind(build.build)
    .bind(build.position)
    .bind(to)
    .execute(connection)
    .await?;
    Ok(moved.rows_affected() == 1)
}

/// Builds that are neither live nor begun for this version: nobody asks them.
pub(crate) async fn drop_others(connection: &mut PgConnection, plan: &Plan) -> Result<(), sqlx::Error> {
    drop_builds(connection, plan, false).await
}

/// Scratch builds, of whoever is done with them or was interrupted.
pub(crate) async fn drop_scratches(connection: &mut PgConnection, plan: &Plan) -> Result<(), sqlx::Error> {
    drop_builds(connection, plan, true).await
}

async fn drop_builds(connection: &mut PgConnection, plan: &Plan, is_scratch: bool) -> Result<(), sqlx::Error> {
    let which = "select build from read.builds where model = $1 and not is_live and is_scratch = $2";
    let builds =
        sqlx::query_scalar::<_, i32>(which).bind(plan.name).bind(is_scratch).fetch_all(&mut *connection).await?;
    for build in builds {
        let mut transaction = connection.begin().await?;
        one_at_a_time(&mut transaction, plan.name).await?;
        transaction.execute("set local lock_timeout = '2s'").await?;
        let gone = sqlx::query("delete from read.builds where model = $1 and build = $2 and not is_live")
            .bind(plan.name)
            .bind(build)
            .execute(&mut *transaction)
            .await?;
        if gone.rows_affected() == 1 {
            for table in plan.tables {
                let drop = format!("drop table if exists {}", table.of_build(build));
                transaction.execute(drop.as_str()).await?;
            }
        }
        transaction.commit().await?;
    }
    Ok(())
}

/// Until the end of the transaction nobody else makes, shows or drops builds of this read model.
pub(crate) async fn one_at_a_time(connection: &mut PgConnection, model: &str) -> Result<(), sqlx::Error> {
    sqlx::query("select pg_advisory_xact_lock(hashtextextended('daybook read model ' || $1, 0))")
        .bind(model)
        .execute(connection)
        .await
        .map(drop)
}

/// The tables of a build, empty, each with its key and its words.
pub(crate) async fn create(connection: &mut PgConnection, plan: &Plan, build: i32) -> Result<(), sqlx::Error> {
    for table in plan.tables {
        connection.execute(table.ddl(build).as_str()).await?;
        connection.execute(table.comments(build).as_str()).await?;
    }
    Ok(())
}

/// What makes questions quick.
pub(crate) async fn index(connection: &mut PgConnection, plan: &Plan, build: i32) -> Result<(), sqlx::Error> {
    for table in plan.tables {
        for statement in table.index_ddl(build) {
            connection.execute(statement.as_str()).await?;
        }
    }
    Ok(())
}

/// From here on the names without a number show this build.
pub(crate) async fn show(connection: &mut PgConnection, plan: &Plan, build: i32) -> Result<(), sqlx::Error> {
    for table in plan.tables {
        let (name, of_build) = (table.name, table.of_build(build));
        let view = format!("drop view if exists read.{name}; create view read.{name} as select * from {of_build}");
        connection.execute(view.as_str()).await?;
    }
    reporting::make_words(connection).await?;
    reporting::show(connection, plan, build).await?;
    sqlx::query("update read.builds set is_live = false where model = $1 and is_live")
        .bind(plan.name)
        .execute(&mut *connection)
        .await?;
    sqlx::query("update read.builds set is_live = true where model = $1 and build = $2")
        .bind(plan.name)
        .bind(build)
        .execute(connection)
        .await?;
    Ok(())
}
