//! The scenes of the bench, one after the other on one Postgres.

use std::time::Duration;

use embedded_postgres::{Cluster, DATABASE};
use load::{Payments, Seen};
use sqlx::Executor as _;
use system_tests::database::Ledger;
use system_tests::report::{Aim, Figure, line, median};

use crate::closed_loop::{self, Asked};
use crate::cpu::{Spent, Used};
use crate::limit::Rows;
use crate::server::{Server, operator_token};
use crate::{Problem, merchant, open_loop, postgres_es_baseline};

const CONNECTIONS: usize = 64;
/// Each comparison is taken in turns, so that a drift of the machine's speed falls on all alike.
const ROUNDS: usize = 3;
const TURN: Duration = Duration::from_secs(4);
const WARM_UP: Duration = Duration::from_millis(500);
/// Five hundred payments a request, and enough requests under way that the server always has the next.
const BULK: Asked = Asked { connections: 4, items: Some(500), numbers: (0, u64::MAX), is_replay: false };
/// So many at once that an append can carry as many as one statement of the limit does.
const CONNECTIONS_AT_THE_LIMIT: usize = 512;
/// Asked once again: as many as are kept in memory for certain.
const RECENT: u64 = 8_000;
/// Never asked since the server started.
const OLD: u64 = 30_000;

struct Bench {
    ledger: Ledger,
    bare: Ledger,
    server: Server,
    postmaster: i32,
    payments: Payments,
}

pub(crate) async fn run(cluster: &Cluster, is_short: bool) -> Result<Vec<Figure>, Problem> {
    let url = cluster.url(DATABASE);
    let (ledger, bare) = (Ledger::on(&url).await?, Ledger::on(&url).await?);
    let server = Server::daybook(ledger.superuser_url()).await?;
    let payments = merchant::set_up(&server.address, &operator_token(ledger.superuser_url()).await?, true).await?;
    postgres_es_baseline::make_tables(&mut ledger.superuser().await?).await?;
    let bench = Bench { ledger, bare, server, postmaster: cluster.pid()?, payments };
    let (mut figures, per_second) = bench.side_by_side().await?;
    if is_short {
        return Ok(figures);
    }
    figures.extend(bench.open_loop(per_second * 0.8).await?);
    figures.extend(bench.replays(per_second).await?);
    Ok(figures)
}

/// What each turn found, one value a round.
#[derive(Default)]
struct Turns {
    bare: Vec<f64>,
    we: Vec<Seen>,
    spent: Vec<Spent>,
    many: Vec<Seen>,
    bulk: Vec<Seen>,
    they: Vec<Seen>,
}

impl Bench {
    /// Bare inserts, the server, the server in bulk, postgres-es: in turns.
    async fn side_by_side(&self) -> Result<(Vec<Figure>, f64), Problem> {
        line("one new payment a request: authenticated, signature checked, sealed, durable; 64 connections\n")?;
        self.ask("warm", Asked::new(CONNECTIONS), WARM_UP).await?;
        let rows = Rows::of_the_last(&mut self.ledger.superuser().await?).await?;
        let mut superuser = self.bare.superuser().await?;
        let mut turns = Turns::default();
        for round in 1..=ROUNDS {
            superuser.execute("checkpoint").await?;
            turns.bare.push(rows.insert(&mut superuser, TURN / 2).await?);
            let (seen, spent) = self.watched(&format!("one-{round}"), Asked::new(CONNECTIONS)).await?;
            turns.we.push(seen);
            turns.spent.push(spent);
            let many = Asked::new(CONNECTIONS_AT_THE_LIMIT);
            turns.many.push(self.watched(&format!("many-{round}"), many).await?.0);
            turns.bulk.push(self.watched(&format!("bulk-{round}"), BULK).await?.0);
            turns.they.push(self.baseline(&format!("es-{round}")).await?);
            turns.tell(round)?;
        }
        let per_second = per_second(&turns.we);
        Ok((turns.figures(), per_second))
    }

    async fn ask(&self, series: &str, asked: Asked, duration: Duration) -> Result<Seen, Problem> {
        closed_loop::run(&self.server.address, &self.payments.series(series), asked, duration).await
    }

    async fn watched(&self, series: &str, asked: Asked) -> Result<(Seen, Spent), Problem> {
        let before = Used::now(&self.server, self.postmaster)?;
        let seen = self.ask(series, asked, TURN).await?;
        let payments = seen.per_second() * seen.elapsed.as_secs_f64() * if asked.items.is_some() { 500.0 } else { 1.0 };
        let spent = Used::now(&self.server, self.postmaster)?.since(&before, payments);
        line(&format!("  {series:<7} {spent}; at most {:.0} MiB", self.server.most_memory_mib()?))?;
        Ok((seen, spent))
    }

    /// Started for its turn only: it follows the log it shares.
    async fn baseline(&self, series: &str) -> Result<Seen, Problem> {
        let server = Server::baseline(self.ledger.superuser_url()).await?;
        let asked = Asked::new(CONNECTIONS);
        closed_loop::run(&server.address, &self.payments.series(&format!("warm-{series}")), asked, WARM_UP).await?;
        let seen = closed_loop::run(&server.address, &self.payments.series(series), asked, TURN).await?;
        server.kill().await?;
        Ok(seen)
    }

    async fn open_loop(&self, rate: f64) -> Result<Vec<Figure>, Problem> {
        let payments = self.payments.series("open");
        let seen = open_loop::run(&self.server.address, &payments, 256, rate, Duration::from_secs(15)).await?;
        let at = |percentile: f64| seen.millis_at(percentile);
        line(&format!(
            "\nopen loop, {rate:.0}/s due, {:.0}/s taken: p50 {:.2} ms, p90 {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms",
            seen.per_second(),
            at(50.0),
            at(90.0),
            at(99.0),
            at(99.9)
        ))?;
        Ok(vec![
            Figure::new("open_loop_rate", "payments a second due: 80 % of the most", rate, None),
            Figure::new("open_loop_p50_ms", "from when a payment was due", at(50.0), None),
            Figure::new("open_loop_p90_ms", "from when a payment was due", at(90.0), None),
            Figure::new("open_loop_p99_ms", "from when a payment was due", at(99.0), None),
            Figure::new("open_loop_p999_ms", "from when a payment was due", at(99.9), None),
        ])
    }

    /// The same requests again: the last ones, from memory; and ones from before a restart, from the table.
    async fn replays(mut self, payments_per_s: f64) -> Result<Vec<Figure>, Problem> {
        let (first, last) = ((0, OLD), (OLD, OLD.saturating_add(RECENT)));
        let forever = Duration::from_secs(60);
        let asked = |numbers: (u64, u64), is_replay| Asked { numbers, is_replay, ..Asked::new(CONNECTIONS) };
        self.ask("again", asked((first.0, last.1), false), forever).await?;
        let mut recent = Vec::new();
        for _round in 0..ROUNDS {
            recent.push(self.ask("again", asked(last, true), forever).await?.per_second());
        }
        let memory = self.server.most_memory_mib()?;
        let server = Server::daybook(self.ledger.superuser_url()).await?;
        std::mem::replace(&mut self.server, server).kill().await?;
        self.ask("warm-again", Asked::new(CONNECTIONS), WARM_UP).await?;
        let old = self.ask("again", asked(first, true), forever).await?.per_second();
        let recent = median(recent);
        line(&format!("\nreplays: {recent:.0}/s from memory, {old:.0}/s from the table"))?;
        Ok(vec![
            Figure::new(
                "replay_per_s",
                "repeats a second, answered lately",
                recent,
                Some(Aim::AtLeast(payments_per_s)),
            ),
            Figure::new("old_replay_per_s", "repeats a second, from the table", old, None),
            Figure::new("rss_mib", "most memory of the server", memory, Some(Aim::AtMost(120.0))),
        ])
    }
}

impl Turns {
    fn tell(&self, round: usize) -> Result<(), Problem> {
        let (Some(bare), Some(we), Some(many), Some(bulk), Some(they)) =
            (self.bare.last(), self.we.last(), self.many.last(), self.bulk.last(), self.they.last())
        else {
            return Ok(());
        };
        line(&format!(
            "round {round}: bare {bare:.0}/s | daybook {:.0}/s p50 {:.2} ms p99 {:.2} ms, at 512 {:.0}/s, bulk {:.0}/s | postgres-es {:.0}/s p50 {:.2} ms p99 {:.2} ms",
            we.per_second(),
            we.millis_at(50.0),
            we.millis_at(99.0),
            many.per_second(),
            bulk.per_second() * 500.0,
            they.per_second(),
            they.millis_at(50.0),
            they.millis_at(99.0),
        ))
    }

    fn figures(self) -> Vec<Figure> {
        let (we, they, bulk) = (per_second(&self.we), per_second(&self.they), per_second(&self.bulk) * 500.0);
        let at = |percentile: f64| median(self.we.iter().map(|seen| seen.millis_at(percentile)).collect());
        let (bare, many) = (median(self.bare), per_second(&self.many));
        let spent = |of: fn(&Spent) -> f64| median(self.spent.iter().map(of).collect());
        let least = |aim: f64| Some(Aim::AtLeast(aim));
        vec![
            Figure::new("payments_per_s", "payments a second, 64 connections (30,000 is hoped for)", we, None),
            Figure::new("baseline_payments_per_s", "the same on postgres-es", they, None),
            Figure::new("speedup", "payments/s over postgres-es's", we / they, least(5.0)),
            Figure::new("p50_ms", "64 connections", at(50.0), Some(Aim::AtMost(5.0))),
            Figure::new("p99_ms", "64 connections", at(99.0), Some(Aim::AtMost(20.0))),
            Figure::new("limit_payments_per_s", "bare inserts of the same rows, 500 at once", bare, None),
            Figure::new("payments_per_s_512", "payments a second, 512 connections", many, None),
            Figure::new("share_of_limit", "512 connections' payments/s over bare inserts", many / bare, least(0.5)),
            Figure::new("share_of_limit_64", "64 connections': at most 32 payments an append", we / bare, None),
            Figure::new("bulk_payments_per_s", "payments a second, 500 a request", bulk, None),
            Figure::new("bulk_share_of_limit", "the same over bare inserts", bulk / bare, least(0.6)),
            Figure::new("server_us", "of a processor, for a payment, 64 connections", spent(|it| it.server), None),
            Figure::new("postgres_us", "of a processor, for a payment, 64 connections", spent(|it| it.postgres), None),
        ]
    }
}

fn per_second(rounds: &[Seen]) -> f64 {
    median(rounds.iter().map(Seen::per_second).collect())
}
