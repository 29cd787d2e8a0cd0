//! Building read models from the whole log, beside what a bare copy of it takes.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use futures_util::TryStreamExt as _;
use projections::{MODELS, Projections, ReadModel, named};
use sqlx::Executor;
use system_tests::report::{Aim, Figure, line, median};
use system_tests::traffic::Mix;

use crate::Problem;
use crate::books::Books;

/// Each is taken in turns, so that a drift of the machine's speed falls on all alike.
const ROUNDS: usize = 2;

pub(crate) async fn measure(books: &Books) -> Result<Vec<Figure>, Problem> {
    let (mut copied, mut ledger, mut all, mut flat) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    // The first to read what was just loaded pays for the database tidying it.
    copy_out(books).await?;
    for round in 1..=ROUNDS {
        let copy = copy_out(books).await?;
        let alone = build(books, &[named("ledger").ok_or("there is a ledger")?]).await?;
        let every = build(books, MODELS).await?;
        line(&format!(
            "round {round}: COPY out {copy:.0}/s | ledger alone {:.0}/s | all {} read models {:.0}/s",
            alone.per_second,
            MODELS.len(),
            every.per_second
        ))?;
        copied.push(copy);
        ledger.push(alone.per_second);
        all.push(every.per_second);
        flat.push(every.flatness);
    }
    let (copied, ledger, all, flat) = (median(copied), median(ledger), median(all), median(flat));
    Ok(vec![
        Figure::new("rebuild_events_per_s", "rebuild of all read models", all, Some(Aim::AtLeast(60_000.0))),
        Figure::new("ledger_events_per_s", "rebuild of the ledger alone", ledger, Some(Aim::AtLeast(150_000.0))),
        Figure::new("copy_events_per_s", "COPY out of the log, to nowhere", copied, None),
        Figure::new("share_of_copy", "rebuild of the ledger over COPY", ledger / copied, Some(Aim::AtLeast(0.15))),
        Figure::new("share_of_copy_all", "rebuild of all over COPY", all / copied, None),
        Figure::new("flatness", "pace of the last tenth over the first", flat, Some(Aim::AtLeast(0.8))),
    ])
}

async fn copy_out(books: &Books) -> Result<f64, Problem> {
    let mut superuser = books.ledger.superuser().await?;
    let begin = Instant::now();
    let mut pieces = superuser.copy_out_raw("copy log.events to stdout (format binary)").await?;
    while pieces.try_next().await?.is_some() {}
    drop(pieces);
    Ok(per_second(books.head, begin.elapsed()))
}

pub(crate) struct Built {
    pub(crate) per_second: f64,
    flatness: f64,
}

/// From nothing to answering: filled, indexed, shown.
pub(crate) async fn build(books: &Books, models: &[&'static dyn ReadModel]) -> Result<Built, Problem> {
    let mut superuser = books.ledger.superuser().await?;
    forget(&mut superuser).await?;
    superuser.execute("checkpoint").await?;
    let projections: &Projections = &books.projections;
    let begin = Instant::now();
    let mut fillings = Vec::new();
    for model in models {
        fillings.push((projections.begin(*model).await?, books.head));
    }
    // When each tenth of the way was reached by the last model to reach it.
    let reached = Mutex::new(vec![Duration::ZERO; 11]);
    let watch = |_model: &'static str, position: i64| {
        let tenth = usize::try_from(position * 10 / books.head.max(1)).unwrap_or_default();
        if let Ok(mut reached) = reached.lock()
            && let Some(at) = reached.get_mut(tenth)
        {
            *at = begin.elapsed().max(*at);
        }
    };
    let mut filled = Vec::new();
    for result in projections.fill(&fillings, &watch).await {
        filled.push(result?);
    }
    let flatness = reached.into_inner().map_or(f64::NAN, |reached| pace(&reached));
    for filling in &mut filled {
        projections.swap(filling, false).await?;
    }
    Ok(Built { per_second: per_second(books.head, begin.elapsed()), flatness })
}

fn pace(reached: &[Duration]) -> f64 {
    let took = |from: usize, to: usize| match (reached.get(from), reached.get(to)) {
        (Some(from), Some(to)) => to.saturating_sub(*from).as_secs_f64(),
        _outside => f64::NAN,
    };
    took(0, 1) / took(8, 9)
}

/// As if no read model had ever been built.
async fn forget(superuser: &mut sqlx::PgConnection) -> Result<(), Problem> {
    for (model, build) in
        sqlx::query_as::<_, (String, i32)>("select model, build from read.builds").fetch_all(&mut *superuser).await?
    {
        let plan = named(&model).ok_or("a model of the list")?.plan();
        for table in plan.tables {
            let drop = format!("drop table if exists {} cascade", table.of_build(build));
            superuser.execute(drop.as_str()).await?;
        }
    }
    superuser.execute("delete from read.builds; delete from log.followers").await?;
    Ok(())
}

pub(crate) async fn hot_over_spread(server: &str) -> Result<Figure, Problem> {
    const EVENTS: usize = 100_000;
    let spread = Books::of(server, Mix { merchants: 200, at_once: 500, ..Mix::seeded(6) }, EVENTS).await?;
    let hot = Books::of(server, Mix { merchants: 200, at_once: 500, hot_percent: 90, seed: 6 }, EVENTS).await?;
    let (mut on_spread, mut on_hot) = (Vec::new(), Vec::new());
    for _round in 0..3 {
        on_spread.push(build(&spread, MODELS).await?.per_second);
        on_hot.push(build(&hot, MODELS).await?.per_second);
    }
    let (on_spread, on_hot) = (median(on_spread), median(on_hot));
    line(&format!("spread over 200 merchants {on_spread:.0}/s, 90 % on one {on_hot:.0}/s"))?;
    let about = "90 % on one merchant over spread";
    Ok(Figure::new("hot_over_spread", about, on_hot / on_spread, Some(Aim::AtLeast(0.9))))
}

fn per_second(events: i64, took: Duration) -> f64 {
    f64::from(i32::try_from(events).unwrap_or(i32::MAX)) / took.as_secs_f64()
}
