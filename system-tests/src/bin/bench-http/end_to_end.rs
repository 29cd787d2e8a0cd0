//! `make bench-e2e`: from a request to money taken and shown, with everything on.

use std::time::{Duration, Instant};

use embedded_postgres::{Cluster, DATABASE};
use load::Payments;
use sqlx::PgConnection;
use system_tests::database::Ledger;
use system_tests::report::{Aim, Figure, line};

use crate::closed_loop::{self, Asked};
use crate::cpu::Used;
use crate::limit::Rows;
use crate::server::{Server, operator_token};
use crate::{Problem, merchant, open_loop, parts};

/// So many are asked for as fast as they are accepted; the time runs until the last is paid and shown.
const PAYMENTS: u64 = 20_000;
const CONNECTIONS: usize = 64;
const AT_HALF: Duration = Duration::from_secs(10);
const IDLE: Duration = Duration::from_secs(10);
const PAID_WITHIN: Duration = Duration::from_secs(120);

pub(crate) async fn run(cluster: &Cluster) -> Result<Vec<Figure>, Problem> {
    let url = cluster.url(DATABASE);
    let (ledger, bare) = (Ledger::on(&url).await?, Ledger::on(&url).await?);
    let server = Server::with_everything(ledger.superuser_url()).await?;
    let token = operator_token(ledger.superuser_url()).await?;
    let payments = merchant::set_up(&server.address, &token, false).await?;
    let mut books = ledger.superuser().await?;
    line("payments from the request to captured and shown: reactions, read models and the sandbox on\n")?;

    let warm = Asked { numbers: (0, 500), ..Asked::new(CONNECTIONS) };
    closed_loop::run(&server.address, &payments.series("warm"), warm, PAID_WITHIN).await?;
    until_paid(&mut books, 500).await?;

    let before = Used::now(&server, cluster.pid()?)?;
    let (events_before, begun) = (events(&mut books).await?, Instant::now());
    let all = Asked { numbers: (0, PAYMENTS), ..Asked::new(CONNECTIONS) };
    let seen = closed_loop::run(&server.address, &payments.series("all"), all, PAID_WITHIN).await?;
    until_paid(&mut books, 500 + PAYMENTS).await?;
    let seconds = begun.elapsed().as_secs_f64();
    let paid = f64::from(u32::try_from(PAYMENTS)?);
    let per_second = paid / seconds;
    let events_per_second = f64::from(u32::try_from(events(&mut books).await? - events_before)?) / seconds;
    let spent = Used::now(&server, cluster.pid()?)?.since(&before, paid);
    line(&format!(
        "  {per_second:.0} payments/s paid and shown ({:.0}/s accepted), {events_per_second:.0} events/s\n  {spent}",
        seen.per_second()
    ))?;

    let rows = Rows::of_the_last(&mut books).await?;
    let bare = rows.insert(&mut bare.superuser().await?, Duration::from_secs(4)).await?;
    let (p50, p99) = at_half(&server, &payments, &mut books, per_second / 2.0).await?;
    let idle = idle_percent(&server, cluster.pid()?).await?;
    let memory = server.most_memory_mib()?;
    line(&format!("  half of it: paid after {p50:.1} ms (half), {p99:.1} ms (99 of 100); idle {idle:.2} % of a core"))?;
    let least = |aim: f64| Some(Aim::AtLeast(aim));
    server.kill().await?;
    let mut figures = vec![
        Figure::new("payments_per_s", "payments a second, paid and shown", per_second, least(1_500.0)),
        Figure::new("events_per_s", "events a second that come of it", events_per_second, None),
        Figure::new("limit_events_per_s", "bare inserts of event and key pairs a second", bare, None),
        Figure::new("share_of_append", "events/s over bare inserts' pairs/s", events_per_second / bare, least(0.25)),
        Figure::new("p50_ms", "accepted to paid, at half of it", p50, None),
        Figure::new("p99_ms", "accepted to paid, at half of it", p99, Some(Aim::AtMost(500.0))),
        Figure::new(
            "idle_cpu_percent",
            "of one core, server and Postgres, nothing to do",
            idle,
            Some(Aim::AtMost(3.0)),
        ),
        Figure::new("rss_mib", "most memory of the server, sandbox within", memory, None),
    ];
    match parts::measure(cluster, per_second / 2.0).await {
        Ok(parts) => figures.extend(parts),
        // What was found before is not lost for it.
        Err(problem) => line(&format!("where a payment's time goes was not found: {problem}"))?,
    }
    Ok(figures)
}

/// Waits until so many are shown as paid.
pub(crate) async fn until_paid(books: &mut PgConnection, wanted: u64) -> Result<(), Problem> {
    let begun = Instant::now();
    loop {
        let paid: i64 = sqlx::query_scalar("select count(*) from read.payments where status = 'success'")
            .fetch_one(&mut *books)
            .await?;
        if u64::try_from(paid)? >= wanted {
            return Ok(());
        }
        if begun.elapsed() > PAID_WITHIN {
            return Err(format!("only {paid} of {wanted} were paid").into());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn events(books: &mut PgConnection) -> Result<i64, Problem> {
    Ok(sqlx::query_scalar("select max(position) from log.events").fetch_one(books).await?)
}

/// How long after it was accepted a payment is paid, in milliseconds, as the log has it: for half, and for 99 of 100.
async fn at_half(
    server: &Server,
    payments: &Payments,
    books: &mut PgConnection,
    rate: f64,
) -> Result<(f64, f64), Problem> {
    let after = events(books).await?;
    open_loop::run(&server.address, &payments.series("half"), CONNECTIONS, rate, AT_HALF).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let sql = "select percentile_cont(array[0.5, 0.99]) within group (order by extract(epoch from c.recorded_at - i.recorded_at) * 1000) \
               from log.events i join log.events c on c.aggregate_type = 'payment' and c.aggregate_id = i.aggregate_id \
               and c.event_type = 'captured' \
               where i.position > $1 and i.aggregate_type = 'payment' and i.event_type = 'initiated'";
    let found: Vec<f64> = sqlx::query_scalar(sql).bind(after).fetch_one(books).await?;
    let [p50, p99] = found.as_slice() else { return Err("nothing was paid".into()) };
    Ok((*p50, *p99))
}

/// What it costs when nothing happens.
async fn idle_percent(server: &Server, postmaster: i32) -> Result<f64, Problem> {
    let before = Used::now(server, postmaster)?;
    tokio::time::sleep(IDLE).await;
    let spent = Used::now(server, postmaster)?.since(&before, 1.0);
    Ok((spent.server + spent.postgres) / 1_000_000.0 / IDLE.as_secs_f64() * 100.0)
}
