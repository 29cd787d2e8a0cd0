//! `daybook demo`: a ledger at work in under a minute, on an empty database.

use std::{
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use clap::Args;
use load::Progress;

use super::say;
use crate::{
    failure::{Failure, Result},
    interrupt::Interrupt,
};

mod books;
mod desk;
mod kinds;
mod report;
mod settling;
mod shops;
mod stage;
mod trade;
mod view;

use books::Books;
use desk::Desk;
use settling::Settled;
use stage::Stage;
use trade::Followed;
use view::View;

/// Whatever is under way may take so long to come to rest.
const QUIET_WITHIN: Duration = Duration::from_secs(20);
/// The sandbox changes its mind two seconds later, where it does.
const STILL_FOR: Duration = Duration::from_millis(2_500);
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Watch a ledger at work: merchants, a few thousand payments with every kind of end, refunds, a settlement
///
/// Starts a server with a Postgres of its own, which both are gone afterwards; pays through it over HTTP as merchants do, with
/// the sandbox for every channel; shows how it goes, and at the end the trial balance and what `daybook verify` says of the
/// log. With `DATABASE_URL` it uses that database, which must hold no event yet, and leaves it there.
#[derive(Args, Debug)]
pub(super) struct Demo {
    /// How many payments
    #[arg(long, default_value_t = 3_000, value_parser = clap::value_parser!(u32).range(100..=100_000))]
    payments: u32,
    /// Payments a second
    #[arg(long, default_value_t = 250, value_parser = clap::value_parser!(u32).range(1..=5_000))]
    rate: u32,
    /// Go on serving afterwards, until Ctrl-C
    #[arg(long)]
    keep: bool,
    /// An empty database, by the URL of whoever owns it
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: Option<String>,
}

/// What came of it all.
struct Played {
    seen: load::Seen,
    followed: Followed,
    settled: Settled,
    took: Duration,
}

impl Demo {
    pub(super) async fn run(self) -> Result<ExitCode> {
        let mut interrupt = Interrupt::listen()?;
        say("a ledger of its own is started …")?;
        let stage = Stage::set(self.database_url.as_deref().filter(|url| !url.is_empty())).await?;
        let played = tokio::select! {
            played = self.play(&stage) => played.map(Some),
            () = interrupt.asked() => Ok(None),
        };
        let told = match played {
            Ok(Some(played)) => self.tell(&stage, &played).await,
            Ok(None) => say("broken off").map(|()| false),
            Err(failure) => Err(Failure::NotThere(format!("{failure}; the server said: {}", stage.last_words()))),
        };
        if self.keep && matches!(told, Ok(true)) {
            say(format_args!("\nit goes on serving on http://{}; Ctrl-C ends it", stage.address))?;
            interrupt.asked().await;
        }
        let ended = stage.end().await;
        let is_well = told?;
        ended?;
        Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    async fn play(&self, stage: &Stage) -> Result<Played> {
        let begun = Instant::now();
        let (ann, ben) = (stage.token("ann@example.com").await?, stage.token("ben@example.com").await?);
        let pool = stage.pool()?;
        let progress = Arc::<Progress>::default();
        let view = View::open(pool.clone(), Arc::clone(&progress), self.payments.into());
        let mut desk = Desk::new(&stage.address);
        view.now("merchants come in");
        let shops = shops::open(&mut desk, &ann).await?;
        view.now("payments");
        let (seen, follow) = trade::pay(&stage.address, &shops, self.payments.into(), self.rate, &progress).await?;
        view.now("captures, cancellations, reviews, refunds");
        let followed = trade::follow(&mut desk, &shops, &ann, follow).await?;
        view.now("what is under way comes to rest");
        quiet(&pool).await?;
        view.now("a settlement: opened, closed, approved by a second person, paid out");
        let first = shops.first().ok_or_else(|| Failure::NotThere("there is no merchant".to_owned()))?;
        let settled = settling::settle(&mut desk, &pool, (&ann, &ben), first).await?;
        quiet(&pool).await?;
        view.close().await;
        Ok(Played { seen, followed, settled, took: begun.elapsed() })
    }

    /// Whether all is well.
    async fn tell(&self, stage: &Stage, played: &Played) -> Result<bool> {
        let books = Books::look(&stage.pool()?).await?;
        let (says, verified) = stage.verify().await?;
        for line in report::lines(played, &books, &says) {
            say(line)?;
        }
        let is_taken = played.seen.taken() == u64::from(self.payments);
        Ok(verified && books.is_balanced() && played.settled.is_paid_out && is_taken)
    }
}

/// Waits until nothing moves any more: the log is as it was for a while, and every read model has seen all of it. What waits
/// for a timer or a person waits on.
async fn quiet(pool: &sqlx::PgPool) -> Result<()> {
    let (begun, mut before) = (Instant::now(), (0, Instant::now()));
    while begun.elapsed() < QUIET_WITHIN {
        let books = Books::look(pool).await?;
        if books.head != before.0 || books.behind > 0 {
            before = (books.head, Instant::now());
        }
        if before.1.elapsed() > STILL_FOR {
            return Ok(());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}
