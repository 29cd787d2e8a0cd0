//! `daybook load`: payments at a steady rate against a server of one's own.

use std::{
    io::IsTerminal as _,
    net::{SocketAddr, ToSocketAddrs as _},
    process::ExitCode,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use load::{Caller, Payments, Plan, Progress, Seen};
use serde_json::json;
use tokio::{
    task::JoinHandle,
    time::{Instant, MissedTickBehavior, interval},
};
use uuid::Uuid;

use super::say;
use crate::{
    failure::{Attempt as _, Failure, Result},
    interrupt::Interrupt,
};

/// As often is told how it goes, where nobody watches a terminal.
const TOLD_EVERY: Duration = Duration::from_secs(5);
const SHOWN_EVERY: Duration = Duration::from_millis(200);
/// Keys that move no real money begin so. Those of a platform before may take it, whatever they are called.
const NO_REAL_MONEY: &str = "dbk_test_";

/// Send payments at a steady rate, and see how long each takes from when it was due
///
/// Requests come when they are due, whatever becomes of those before them: a server that is slow is seen to be slow. Of a
/// test key alone, on this machine alone unless --anywhere is given; so many and no more. Without a key it asks as the demo
/// merchant of `daybook dev`, whose rate limit is a thousand a second. Ctrl-C ends it early, with what was seen. It ends with
/// 1 where any payment was not taken.
#[derive(Args)]
pub(super) struct Load {
    /// Where the server is: plain HTTP
    #[arg(long, default_value = "127.0.0.1:40003", value_name = "HOST:PORT")]
    address: String,
    /// Payments a second that are due
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// For how long
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    seconds: u32,
    /// Connections, each with one request at a time
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=4_096))]
    connections: u16,
    /// An API key for test mode
    #[arg(long, env = "DAYBOOK_API_KEY", hide_env_values = true, requires = "signing_secret")]
    api_key: Option<String>,
    /// What its requests are signed with
    #[arg(long, env = "DAYBOOK_SIGNING_SECRET", hide_env_values = true, requires = "api_key")]
    signing_secret: Option<String>,
    /// In minor units
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(i64).range(1..))]
    amount: i64,
    #[arg(long, default_value = "USD")]
    currency: String,
    #[arg(long, default_value = "stripe")]
    channel: String,
    /// What the sandbox is to do with them: docs/sandbox.md
    #[arg(long, default_value = "pm_sandbox_visa")]
    pay_method: String,
    /// Let another machine be asked: yours, and with the leave of whoever else relies on it
    #[arg(long)]
    anywhere: bool,
}

impl Load {
    pub(super) async fn run(self) -> Result<ExitCode> {
        let mut interrupt = Interrupt::listen()?;
        let address = self.resolved()?;
        let payments = self.payments()?;
        let period = Duration::from_secs(1) / self.rate;
        let count = u64::from(self.rate).saturating_mul(self.seconds.into());
        let plan = Plan { connections: self.connections.into(), period, count };
        let progress = Arc::<Progress>::default();
        let watching = watch(Arc::clone(&progress), count);
        let ending = tokio::spawn({
            let progress = Arc::clone(&progress);
            async move {
                interrupt.asked().await;
                progress.stop();
            }
        });
        let write = move |n, request: &mut Vec<u8>| payments.one(n, request);
        let seen = load::run(&address.to_string(), plan, write, |_n, _reply| (), &progress).await;
        ending.abort();
        watching.abort();
        let seen = seen.map_err(|trouble| Failure::NotThere(format!("nothing was sent: {trouble}")))?;
        let due = progress.due.load(Ordering::Relaxed);
        for line in told(&seen, due) {
            say(line)?;
        }
        Ok(if seen.taken() == due { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// An address of this machine, or any where that was asked for.
    fn resolved(&self) -> Result<SocketAddr> {
        let named = self.address.trim_start_matches("http://").trim_end_matches('/');
        if named.starts_with("https://") {
            return Err(Failure::NotThere("nothing was sent: it speaks plain HTTP; ask the server itself".to_owned()));
        }
        let mut addresses = named.to_socket_addrs().attempt(|| format!("looking up {named}"))?;
        let address = addresses.next().ok_or_else(|| Failure::NotThere(format!("{named} is nowhere")))?;
        if !address.ip().is_loopback() && !self.anywhere {
            return Err(Failure::NotThere(format!(
                "nothing was sent: {address} is another machine; if it is yours to load, say --anywhere"
            )));
        }
        Ok(address)
    }

    fn payments(&self) -> Result<Payments> {
        let caller = match (&self.api_key, &self.signing_secret) {
            (Some(key), _) if !key.starts_with(NO_REAL_MONEY) => {
                let why = "nothing was sent: this key may take real money; give a test key of this ledger (dbk_test_…)";
                return Err(Failure::NotThere(why.to_owned()));
            }
            (Some(key), Some(secret)) => Caller::key(key, secret),
            (_, _) => Caller::demo(),
        };
        let terms = json!({ "amount": self.amount, "currency": self.currency, "channel": self.channel,
                            "pay_method": self.pay_method, "subject": "Load" })
        .to_string();
        let fields = terms.trim_start_matches('{').trim_end_matches('}').to_owned();
        // Another series each time: none of it was asked before.
        Ok(Payments::new(caller).terms(fields).series(&Uuid::now_v7().simple().to_string()))
    }
}

impl std::fmt::Debug for Load {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Load").field("address", &self.address).field("rate", &self.rate).finish_non_exhaustive()
    }
}

/// Says how it goes until it is ended: a bar at a terminal, lines elsewhere.
fn watch(progress: Arc<Progress>, count: u64) -> JoinHandle<()> {
    let is_terminal = std::io::stderr().is_terminal();
    tokio::spawn(async move {
        let style = ProgressStyle::with_template("{bar:32} {human_pos}/{human_len} due  {msg}");
        let bar = ProgressBar::new(count).with_style(style.unwrap_or_else(|_invalid| ProgressStyle::default_bar()));
        let mut ticks = interval(if is_terminal { SHOWN_EVERY } else { TOLD_EVERY });
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let begun = Instant::now();
        loop {
            ticks.tick().await;
            let of = |count: &std::sync::atomic::AtomicU64| count.load(Ordering::Relaxed);
            let (due, answered, not_taken) = (of(&progress.due), of(&progress.answered), of(&progress.not_taken));
            if is_terminal {
                bar.set_position(due);
                bar.set_message(format!("{answered} answered, {not_taken} not taken"));
            } else if due > 0 {
                let passed = begun.elapsed().as_secs();
                tracing::info!(passed, due, answered, not_taken, "under way");
            }
        }
    })
}

fn told(seen: &Seen, due: u64) -> Vec<String> {
    let of = |percentile| format!("{:.2} ms", seen.millis_at(percentile));
    let mut lines = vec![
        format!("due         {due}"),
        format!("taken       {} ({:.0} a second answered)", seen.taken(), seen.per_second()),
    ];
    let refused = seen.statuses.iter().filter(|(status, _count)| !(200..300).contains(*status));
    lines.extend(refused.map(|(status, count)| format!("status {status}  {count}")));
    if seen.unanswered > 0 {
        lines.push(format!("unanswered  {}", seen.unanswered));
    }
    lines.push("from when it was due until it was answered:".to_owned());
    let percentiles = [("p50", 50.0), ("p90", 90.0), ("p95", 95.0), ("p99", 99.0), ("p99.9", 99.9)];
    lines.extend(percentiles.map(|(name, percentile)| format!("  {name:<9} {}", of(percentile))));
    lines.push(format!("  {:<9} {:.2} ms", "the most", seen.millis_most()));
    lines
}
