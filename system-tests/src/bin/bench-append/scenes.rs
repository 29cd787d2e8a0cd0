//! The scenes of the bench, one after the other on one server.

use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use event_store::{Database, Limits, Store, Upcasters};
use sqlx::Executor;
use system_tests::database::Ledger;
use system_tests::tally::Tally;
use tokio::process::Command;

use crate::postgres_es_baseline::Baseline;
use crate::{Problem, limit, ours};
use system_tests::report::{Aim, Figure, line, median};

const CALLERS: usize = 64;
/// Half of them wait for an append while the other half is being decided: one append then carries about as many as one
/// statement of the limit.
const CALLERS_AT_THE_LIMIT: usize = 1_024;
/// Each comparison is taken in turns, so that a drift of the machine's speed falls on all alike.
const ROUNDS: usize = 3;
const TURN: Duration = Duration::from_secs(3);

pub(crate) async fn run(server: &str, is_short: bool) -> Result<Vec<Figure>, Problem> {
    let ledger = Ledger::on(server).await?;
    let mut figures = side_by_side(&ledger).await?;
    if is_short {
        return Ok(figures);
    }
    figures.push(hot_stream(&ledger).await?);
    slow_commits(&ledger).await?;
    figures.push(held_snapshot(&ledger).await?);
    figures.push(tail_load(&Ledger::on(server).await?).await?);
    figures.extend(processes(&Ledger::on(server).await?).await?);
    figures.push(a_million_events(&Ledger::on(server).await?, &Ledger::on(server).await?).await?);
    Ok(figures)
}

/// Bare inserts, our store, postgres-es: in turns.
async fn side_by_side(ledger: &Ledger) -> Result<Vec<Figure>, Problem> {
    line("64 callers, one new stream each, one event of ~300 bytes and its idempotency record, durable\n")?;
    let mut superuser = ledger.superuser().await?;
    let baseline = Baseline::open(&mut superuser, ledger.superuser_url()).await?;
    let (mut bare, mut we, mut many, mut they) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    // Each part begins with the pages of the one before on disk: none pays for another's.
    let mut rest = ledger.superuser().await?;
    for round in 1..=ROUNDS {
        rest.execute("checkpoint").await?;
        bare.push(limit::measure(&mut superuser, TURN).await?);
        let store = ours::open(ledger.superuser_url())?;
        ours::new_streams(&store, CALLERS, Duration::from_millis(200)).await?;
        rest.execute("checkpoint").await?;
        we.push(ours::new_streams(&store, CALLERS, TURN).await?);
        rest.execute("checkpoint").await?;
        many.push(ours::new_streams(&store, CALLERS_AT_THE_LIMIT, TURN).await?.per_second());
        store.close().await;
        rest.execute("checkpoint").await?;
        they.push(baseline.new_streams(CALLERS, TURN).await?);
        if let (Some(bare), Some(we), Some(many), Some(they)) = (bare.last(), we.last(), many.last(), they.last()) {
            line(&format!(
                "round {round}: bare {bare:>7.0} pairs/s | daybook {:>7.0}/s p50 {:.2} ms p99 {:.2} ms, 1,024 callers {many:>7.0}/s | postgres-es {:>6.0}/s p50 {:.2} ms p99 {:.2} ms",
                we.per_second(),
                we.millis_at(50.0),
                we.millis_at(99.0),
                they.per_second(),
                they.millis_at(50.0),
                they.millis_at(99.0),
            ))?;
        }
    }
    let (bare, many) = (median(bare), median(many));
    let our_rate = median(we.iter().map(system_tests::load::Seen::per_second).collect());
    let their_rate = median(they.iter().map(system_tests::load::Seen::per_second).collect());
    let our_p99 = median(we.iter().map(|seen| seen.millis_at(99.0)).collect());
    let their_p99 = median(they.iter().map(|seen| seen.millis_at(99.0)).collect());
    Ok(vec![
        Figure::new("commands_per_s", "commands a second, 64 callers", our_rate, None),
        Figure::new("postgres_es_commands_per_s", "the same on postgres-es", their_rate, None),
        Figure::new("limit_rows_per_s", "event + key pairs a second of bare inserts", bare, None),
        Figure::new(
            "speedup_vs_postgres_es",
            "commands/s over postgres-es's",
            our_rate / their_rate,
            Some(Aim::AtLeast(6.0)),
        ),
        Figure::new("p99_vs_postgres_es", "p99 over postgres-es's", our_p99 / their_p99, Some(Aim::AtMost(0.334))),
        Figure::new(
            "share_of_limit",
            "1,024 callers' commands/s over bare pairs/s",
            many / bare,
            Some(Aim::AtLeast(0.6)),
        ),
        Figure::new("share_of_limit_64_callers", "64 callers': at most 32 acts an append", our_rate / bare, None),
        Figure::new("commands_per_s_1024_callers", "commands a second, 1,024 callers", many, None),
    ])
}

async fn hot_stream(ledger: &Ledger) -> Result<Figure, Problem> {
    let store = ours::open(ledger.superuser_url())?;
    let mut superuser = ledger.superuser().await?;
    let baseline = Baseline::reopen(ledger.superuser_url()).await;
    let id: Arc<str> = uuid::Uuid::now_v7().to_string().into();
    let we = ours::one_stream(&store, &id, CALLERS, TURN).await?;
    let they = baseline.one_stream(CALLERS, TURN).await?;
    let (tally, version) = store.read::<Tally>(&id).await?;
    let counted = i64::try_from(we.count)?;
    let written: i64 = sqlx::query_scalar("select count(*) from log.events where aggregate_id = $1")
        .bind(&*id)
        .fetch_one(&mut superuser)
        .await?;
    if tally.total != counted || version != counted || written != counted {
        return Err(format!(
            "lost update: {counted} accepted, total {}, version {version}, written {written}",
            tally.total
        )
        .into());
    }
    store.close().await;
    line(&format!(
        "\none hot stream, 64 callers: daybook {:.0}/s, postgres-es {:.0}/s; no update lost ({counted} accepted, {counted} written)",
        we.per_second(),
        they.per_second()
    ))?;
    Ok(Figure::new(
        "hot_stream_speedup",
        "one hot stream, over postgres-es with retry",
        we.per_second() / they.per_second(),
        Some(Aim::AtLeast(20.0)),
    ))
}

/// A second table: 5 ms more for each commit, as a synchronous standby would cost.
async fn slow_commits(ledger: &Ledger) -> Result<(), Problem> {
    let mut superuser = ledger.superuser().await?;
    superuser.execute("alter system set commit_delay = 5000").await?;
    superuser.execute("select pg_reload_conf()").await?;
    let store = ours::open(ledger.superuser_url())?;
    let baseline = Baseline::reopen(ledger.superuser_url()).await;
    line("\nwith 5 ms added to each commit")?;
    for callers in [64, 1_024] {
        let we = ours::new_streams(&store, callers, TURN).await?;
        let they = baseline.new_streams(callers, TURN).await?;
        line(&format!(
            "{callers:>5} callers: daybook {:>6.0}/s p99 {:>6.1} ms | postgres-es {:>6.0}/s p99 {:>6.1} ms",
            we.per_second(),
            we.millis_at(99.0),
            they.per_second(),
            they.millis_at(99.0)
        ))?;
    }
    store.close().await;
    superuser.execute("alter system reset commit_delay").await?;
    superuser.execute("select pg_reload_conf()").await?;
    Ok(())
}

/// Twenty seconds with another session's snapshot held open, between two shorter times without.
async fn held_snapshot(ledger: &Ledger) -> Result<Figure, Problem> {
    let store = ours::open(ledger.superuser_url())?;
    let mut holder = ledger.superuser().await?;
    // Each part begins with the pages of the one before on disk: none pays for another's.
    holder.execute("checkpoint").await?;
    let before = ours::new_streams(&store, CALLERS, Duration::from_secs(8)).await?.per_second();
    holder.execute("checkpoint").await?;
    holder.execute("set idle_in_transaction_session_timeout = 0; begin isolation level repeatable read").await?;
    holder.execute("select count(*) from log.answers where key = ''").await?;
    let held = ours::new_streams(&store, CALLERS, Duration::from_secs(20)).await?;
    holder.execute("commit").await?;
    holder.execute("checkpoint").await?;
    let after = ours::new_streams(&store, CALLERS, Duration::from_secs(8)).await?.per_second();
    store.close().await;
    let free = (before + after) / 2.0;
    line(&format!(
        "\na snapshot held open for 20 s: {:.0}/s, without {before:.0}/s before and {after:.0}/s after",
        held.per_second()
    ))?;
    Ok(Figure::new(
        "held_snapshot_share",
        "commands/s under a held snapshot over without",
        held.per_second() / free,
        Some(Aim::AtLeast(0.9)),
    ))
}

/// Loading 10,000 events against loading only as many as lie behind the last snapshot.
async fn tail_load(ledger: &Ledger) -> Result<Figure, Problem> {
    let store = ours::open(ledger.superuser_url())?;
    let (long, short): (Arc<str>, Arc<str>) = ("long".into(), "short".into());
    let mut waiting = tokio::task::JoinSet::new();
    for (id, count) in [(&long, 10_000), (&short, 10_000 % 256)] {
        for _event in 0..count {
            let (store, act) = (store.clone(), system_tests::tally::add(id, 1, None, false));
            waiting.spawn(async move { store.execute(act).await });
            while waiting.len() >= 512 {
                if let Some(done) = waiting.join_next().await {
                    done??;
                }
            }
        }
    }
    while let Some(done) = waiting.join_next().await {
        done??;
    }
    let mut superuser = ledger.superuser().await?;
    let reaches_far_enough =
        "select exists (select from log.snapshots where aggregate_id = 'long' and sequence >= 9984)";
    for _look in 0..100 {
        if sqlx::query_scalar::<_, bool>(reaches_far_enough).fetch_one(&mut superuser).await? {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let hardly_any = Limits { cached_streams: 1, ..Limits::default() };
    let cold = Store::open(Database::parse(ledger.superuser_url())?, Upcasters::default(), hardly_any);
    let (mut of_long, mut of_short) = (Vec::new(), Vec::new());
    for _turn in 0..200 {
        for (id, times, events) in [(&long, &mut of_long, 10_000), (&short, &mut of_short, 10_000 % 256)] {
            for other in ["forget", "what was loaded"] {
                cold.read::<Tally>(&other.into()).await?;
            }
            let begin = Instant::now();
            let (_tally, version) = cold.read::<Tally>(id).await?;
            times.push(begin.elapsed().as_secs_f64() * 1_000.0);
            if version != events {
                return Err(format!("{id} has {version} events, not {events}").into());
            }
        }
    }
    let (of_long, of_short) = (median(of_long), median(of_short));
    line(&format!(
        "\nloading a stream of 10,000 events: {of_long:.2} ms; of the {} after its snapshot alone: {of_short:.2} ms",
        10_000 % 256
    ))?;
    Ok(Figure::new(
        "tail_load_ratio",
        "loading 10,000 events over loading their tail",
        of_long / of_short,
        Some(Aim::AtMost(1.5)),
    ))
}

/// One process, then two at once; then the positions must be dense.
async fn processes(ledger: &Ledger) -> Result<Vec<Figure>, Problem> {
    let (mut alone, mut together, mut memory) = (Vec::new(), Vec::new(), Vec::new());
    for _round in 0..ROUNDS {
        let one = appenders(ledger, 1).await?;
        alone.push(one.iter().map(|seen| seen.0).sum());
        memory.extend(one.iter().map(|seen| seen.1 / 1_024.0));
        together.push(appenders(ledger, 2).await?.iter().map(|seen| seen.0).sum());
    }
    let mut superuser = ledger.superuser().await?;
    let is_dense: bool = sqlx::query_scalar("select count(*) = max(position) and min(position) = 1 from log.events")
        .fetch_one(&mut superuser)
        .await?;
    if !is_dense {
        return Err("positions are not dense after two processes".into());
    }
    let (alone, together) = (median(alone), median(together));
    let memory = memory.into_iter().fold(0.0, f64::max);
    line(&format!(
        "\none process {alone:.0}/s, two at once {together:.0}/s, positions dense; most memory of one {memory:.0} MiB"
    ))?;
    Ok(vec![
        Figure::new("two_process_share", "two processes over one", together / alone, Some(Aim::AtLeast(0.8))),
        Figure::new("rss_mib", "most memory of an appending process", memory, Some(Aim::AtMost(100.0))),
    ])
}

async fn appenders(ledger: &Ledger, count: usize) -> Result<Vec<(f64, f64)>, Problem> {
    let mut children = Vec::new();
    for _child in 0..count {
        let program = std::env::current_exe()?;
        let mut command = Command::new(program);
        command.args(["--appender", ledger.superuser_url(), "3", "64"]).stdout(Stdio::piped()).kill_on_drop(true);
        children.push(command.spawn()?.wait_with_output());
    }
    let mut seen = Vec::new();
    for child in futures_util::future::try_join_all(children).await? {
        let text = String::from_utf8(child.stdout)?;
        let (rate, memory) = text.trim().split_once(' ').ok_or("an appender said nothing")?;
        seen.push((rate.parse()?, memory.parse()?));
    }
    Ok(seen)
}

/// The same load on an empty log and on one of a million events, in turns, so that both find the server's buffers full.
async fn a_million_events(empty: &Ledger, full: &Ledger) -> Result<Figure, Problem> {
    let mut superuser = full.superuser().await?;
    while limit::fill(&mut superuser, 10_000).await? < 1_000_000 {}
    superuser.execute("vacuum analyze log.events").await?;
    superuser.execute("vacuum analyze log.answers").await?;
    let mut superuser = empty.superuser().await?;
    let (mut on_empty, mut on_full) = (Vec::new(), Vec::new());
    for _round in 0..ROUNDS {
        superuser.execute("truncate log.events, log.answers").await?;
        for (ledger, rates) in [(empty, &mut on_empty), (full, &mut on_full)] {
            superuser.execute("checkpoint").await?;
            let store = ours::open(ledger.superuser_url())?;
            ours::new_streams(&store, CALLERS, Duration::from_millis(200)).await?;
            rates.push(ours::new_streams(&store, CALLERS, TURN).await?.per_second());
            store.close().await;
        }
    }
    let (on_empty, on_full) = (median(on_empty), median(on_full));
    line(&format!("\nempty log {on_empty:.0}/s, with 1,000,000 events in it {on_full:.0}/s"))?;
    let about = "commands/s at 1,000,000 events over an empty log";
    Ok(Figure::new("flatness_at_1m", about, on_full / on_empty, Some(Aim::AtLeast(0.85))))
}
