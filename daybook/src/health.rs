//! How this process is, looked at once a second: what its probes answer from.

use std::{
    fmt::Write as _,
    sync::Arc,
    time::{Duration, Instant},
};

use sqlx::PgPool;
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval, timeout},
};
use vault::Vault;

use crate::{interrupt::Interrupt, sentry::Sight};

mod look;
mod standing;

use look::look;
pub(crate) use standing::Standing;

const EVERY: Duration = Duration::from_secs(1);
/// A look that takes longer has found out that nobody answers.
const PATIENCE: Duration = Duration::from_secs(2);
/// What was seen so long ago is not known any more.
const STALE: Duration = Duration::from_secs(10);

/// What is looked at.
pub(crate) struct Watched {
    pub(crate) pool: PgPool,
    pub(crate) vault: Vault,
    /// The follower that carries the log to Kafka, where this process was told of one.
    pub(crate) relay: Option<String>,
    /// The books, as they were last looked at.
    pub(crate) sight: Sight,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Fine,
    /// Requests are welcome all the same.
    Degraded,
    Wrong,
}

/// One thing that should hold.
#[derive(Clone, Debug)]
struct Check {
    name: &'static str,
    verdict: Verdict,
    words: String,
    /// May name hosts and users: it belongs in the log.
    cause: Option<String>,
}

impl Check {
    fn fine(name: &'static str, words: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Fine, words: words.into(), cause: None }
    }

    fn wrong(name: &'static str, words: impl Into<String>) -> Self {
        Self { verdict: Verdict::Wrong, ..Self::fine(name, words) }
    }

    fn degraded(name: &'static str, words: impl Into<String>) -> Self {
        Self { verdict: Verdict::Degraded, ..Self::fine(name, words) }
    }

    fn because(self, cause: impl ToString) -> Self {
        Self { cause: Some(cause.to_string()), ..self }
    }
}

/// What the last look has found.
#[derive(Clone, Debug)]
struct Seen {
    at: Instant,
    checks: Vec<Check>,
    standing: Arc<Standing>,
}

/// The probes' view of the process. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Health {
    seen: watch::Receiver<Arc<Seen>>,
    sight: Sight,
    interrupt: Interrupt,
}

/// What `/readyz` answers.
pub(crate) struct Readiness {
    pub(crate) is_ready: bool,
    pub(crate) text: String,
}

impl Health {
    /// Looks for the first time, and then again and again until told to stop.
    pub(crate) async fn watch(watched: Watched, interrupt: Interrupt, stop: watch::Receiver<bool>) -> Self {
        let first = Arc::new(seen(&watched, None).await);
        let (telling, seen) = watch::channel(first);
        let sight = watched.sight.clone();
        tokio::spawn(keep_looking(watched, telling, stop));
        Self { seen, sight, interrupt }
    }

    /// Why this process must not serve, if there is something that time will not mend.
    pub(crate) fn forbids(&self) -> Option<String> {
        let seen = self.seen.borrow();
        let unbound = seen.checks.iter().find(|check| check.name == look::ROLE && check.verdict == Verdict::Wrong);
        unbound.map(|check| check.words.clone())
    }

    pub(crate) fn standing(&self) -> Arc<Standing> {
        Arc::clone(&self.seen.borrow().standing)
    }

    /// What was looked at, and how it was: 0 fine, 1 degraded, 2 wrong. What was not looked at is not there.
    pub(crate) fn checks(&self) -> Vec<(&'static str, u8)> {
        let number = |verdict| match verdict {
            Verdict::Fine => 0,
            Verdict::Degraded => 1,
            Verdict::Wrong => 2,
        };
        self.seen.borrow().checks.iter().map(|check| (check.name, number(check.verdict))).collect()
    }

    /// Asks nobody: it tells what was seen.
    pub(crate) fn readiness(&self, is_verbose: bool) -> Readiness {
        let seen = Arc::clone(&self.seen.borrow());
        let mut checks = seen.checks.clone();
        checks.push(books(&self.sight));
        if seen.at.elapsed() > STALE {
            checks.push(Check::wrong("probe", "nobody has looked for a while"));
        }
        if self.interrupt.is_asked() {
            checks.push(Check::wrong("draining", "told to end: what is under way is finished"));
        }
        let is_ready = checks.iter().all(|check| check.verdict != Verdict::Wrong);
        let is_degraded = checks.iter().any(|check| check.verdict == Verdict::Degraded);
        let mut text = String::new();
        for Check { name, verdict, words, .. } in &checks {
            let mark = match verdict {
                Verdict::Fine => "ok  ",
                Verdict::Degraded => "warn",
                Verdict::Wrong => "FAIL",
            };
            if is_verbose || *verdict != Verdict::Fine {
                // Writing into memory does not fail.
                writeln!(text, "{mark}  {name:<9} {words}").unwrap_or_default();
            }
        }
        text.push_str(match (is_ready, is_degraded) {
            (true, false) => "ready\n",
            (true, true) => "ready, degraded\n",
            (false, _) => "not ready\n",
        });
        Readiness { is_ready, text }
    }
}

/// What is wrong with the books turns no request away: it is told, and a person looks.
fn books(sight: &Sight) -> Check {
    let seen = sight.borrow();
    match (seen.at.map(|at| at.elapsed().as_secs()), seen.alarms.as_slice()) {
        (None, _) => Check::fine("books", "not looked at yet"),
        (Some(seconds), []) => Check::fine("books", format!("well, as far as they were looked at {seconds} s ago")),
        (Some(seconds), alarms) => Check::degraded("books", format!("as seen {seconds} s ago: {}", alarms.join("; "))),
    }
}

async fn keep_looking(watched: Watched, telling: watch::Sender<Arc<Seen>>, mut stop: watch::Receiver<bool>) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _stopping = stop.wait_for(|stop| *stop) => return,
            _tick = ticks.tick() => {}
        }
        let before = Arc::clone(&telling.borrow());
        let now = seen(&watched, Some(&before)).await;
        tell_what_is_new(&before, &now);
        telling.send_replace(Arc::new(now));
    }
}

async fn seen(watched: &Watched, before: Option<&Seen>) -> Seen {
    let standing = before.map(|before| Arc::clone(&before.standing)).unwrap_or_default();
    match timeout(PATIENCE, look(watched, &standing)).await {
        Ok((checks, standing)) => Seen { at: Instant::now(), checks, standing },
        Err(_elapsed) => {
            Seen { at: Instant::now(), checks: vec![Check::wrong("database", "no answer in time")], standing }
        }
    }
}

/// Each change once, with what is behind it.
fn tell_what_is_new(before: &Seen, now: &Seen) {
    for check in &now.checks {
        let known = before.checks.iter().find(|known| known.name == check.name).map(|known| known.verdict);
        let Check { name, words, cause, .. } = check;
        match check.verdict {
            verdict if known == Some(verdict) => {}
            Verdict::Fine if known.is_none() => {}
            Verdict::Fine => tracing::info!(check = name, words, "well again"),
            Verdict::Degraded => tracing::warn!(check = name, words, cause, "degraded"),
            Verdict::Wrong => tracing::warn!(check = name, words, cause, "not ready"),
        }
    }
}
