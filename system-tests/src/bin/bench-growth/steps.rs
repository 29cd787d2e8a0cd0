//! The same questions at each length, on a ledger that grows and one of bare commands.

use std::path::Path;
use std::time::{Duration, Instant};

use audit::key::{FileSigner, Signer as _};
use embedded_postgres::{Cluster, DATABASE};
use projections::MODELS;
use sqlx::Executor as _;
use system_tests::database::Ledger;
use system_tests::performance::growth::Point;
use system_tests::report::{Figure, line};

use crate::books::Books;
use crate::room::{Taken, free_mib, lacking};
use crate::{Problem, building, limit, log, ours};

const CALLERS: usize = 64;
const TURN: Duration = Duration::from_secs(4);
/// Pairs in one statement of filling up.
const AT_ONCE: u64 = 10_000;

/// One point for each length there was time and room for, and why it ended before the last.
pub(crate) async fn run(
    cluster: &Cluster,
    lengths: &[u64],
    budget: Duration,
    place: &Path,
) -> Result<(Vec<Point>, Option<String>), Problem> {
    let (begun, mut points, mut last) = (Instant::now(), Vec::new(), None);
    let bare = Ledger::on(&cluster.url(DATABASE)).await?;
    let mut books: Option<Books> = None;
    for length in lengths {
        if let Some(last) = last
            && let Some(why) = lacking(last, budget.saturating_sub(begun.elapsed()), free_mib(&std::env::temp_dir())?)
        {
            line(&format!("it ends here: {why}"))?;
            return Ok((points, Some(why)));
        }
        let at = Instant::now();
        // Before the other ledger grows: both at this length would take twice the room.
        let append_per_s = append(&bare, *length).await?;
        let events = usize::try_from(*length)?;
        let mut grown = match books.take() {
            None => Books::with(&cluster.url(DATABASE), events).await?,
            Some(mut books) => {
                let more = events.saturating_sub(usize::try_from(books.head)?);
                books.head = books.traffic.fill(&books.ledger, more).await?;
                books
            }
        };
        let point = Point { append_per_s, ..measure(&mut grown, *length, place).await? }.rounded();
        line(&format!("{point:?}, after {:.0} s", at.elapsed().as_secs_f64()))?;
        points.push(point);
        last = Some(Taken { time: at.elapsed(), disk_mib: disk_mib(&grown.ledger).await? });
        books = Some(grown);
    }
    Ok((points, None))
}

async fn measure(books: &mut Books, length: u64, place: &Path) -> Result<Point, Problem> {
    let rebuild_per_s = building::build(books, MODELS).await?.per_second;
    let asked = books.ask().await?;
    let point_read_p99_ms = value(&asked, "point_read_p99_ms")?;
    let proof_p99_ms = prove(books, place).await?;
    Ok(Point { events_count: length, append_per_s: 0.0, rebuild_per_s, point_read_p99_ms, proof_p99_ms })
}

fn value(figures: &[Figure], name: &str) -> Result<f64, Problem> {
    let figure = figures.iter().find(|figure| figure.name == name);
    Ok(figure.ok_or_else(|| format!("no {name}"))?.value)
}

/// Events from all over the log, each read and proven; signed by one key at every length.
async fn prove(books: &Books, place: &Path) -> Result<f64, Problem> {
    let file = place.join("key");
    if !file.exists() {
        FileSigner::draw(&file, "example.com/growth")?;
    }
    let signer = FileSigner::read(&file)?.pop().ok_or("there is a key")?;
    let key = signer.key().clone();
    let mut owner = books.ledger.superuser().await?;
    audit::rebuild(&books.ledger.database()?, &mut owner, &|_, _| {}).await?;
    log::sign(&books.ledger, signer, place).await?;
    log::prove(&books.ledger, books.head, &key).await
}

/// Commands a second on a log of exactly that length, each to a stream of its own.
async fn append(bare: &Ledger, length: u64) -> Result<f64, Problem> {
    let mut superuser = bare.superuser().await?;
    superuser.execute("truncate log.events, log.answers").await?;
    let mut left = length;
    while left > 0 {
        limit::fill(&mut superuser, i64::try_from(left.min(AT_ONCE))?).await?;
        left = left.saturating_sub(AT_ONCE);
    }
    superuser.execute("vacuum analyze log.events").await?;
    superuser.execute("vacuum analyze log.answers").await?;
    superuser.execute("checkpoint").await?;
    let store = ours::open(bare.superuser_url())?;
    ours::new_streams(&store, CALLERS, Duration::from_millis(300)).await?;
    let seen = ours::new_streams(&store, CALLERS, TURN).await?;
    store.close().await;
    superuser.execute("truncate log.events, log.answers").await?;
    superuser.execute("checkpoint").await?;
    Ok(seen.per_second())
}

async fn disk_mib(ledger: &Ledger) -> Result<u64, Problem> {
    let question = "select pg_database_size(current_database())";
    let bytes: i64 = sqlx::query_scalar(question).fetch_one(&mut ledger.superuser().await?).await?;
    Ok(u64::try_from(bytes)? / (1_024 * 1_024))
}
