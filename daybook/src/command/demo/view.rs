//! How it goes, as it goes: lines that renew themselves at a terminal, or plain ones.

use std::{
    io::IsTerminal as _,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use load::Progress;
use sqlx::PgPool;
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, MissedTickBehavior, interval},
};

use super::books::{Books, listed, major};

const SHOWN_EVERY: Duration = Duration::from_millis(250);
/// Where nobody watches, a line now and then is enough.
const TOLD_EVERY: Duration = Duration::from_secs(2);

pub(super) struct View {
    stop: watch::Sender<bool>,
    about: Arc<Mutex<&'static str>>,
    showing: JoinHandle<()>,
}

/// What is shown at one moment.
struct Moment<'m> {
    about: &'static str,
    progress: &'m Progress,
    count: u64,
    passed: Duration,
    per_second: u64,
    books: &'m Books,
}

impl View {
    pub(super) fn open(pool: PgPool, progress: Arc<Progress>, count: u64) -> Self {
        let (stop, stopping) = watch::channel(false);
        let about = Arc::new(Mutex::new("a ledger begins"));
        let showing = tokio::spawn(show(pool, progress, count, Arc::clone(&about), stopping));
        Self { stop, about, showing }
    }

    /// What is done now.
    pub(super) fn now(&self, about: &'static str) {
        *self.about.lock().unwrap_or_else(PoisonError::into_inner) = about;
    }

    pub(super) async fn close(self) {
        self.stop.send_replace(true);
        if let Err(panic) = self.showing.await {
            tracing::debug!(%panic, "the view broke");
        }
    }
}

async fn show(
    pool: PgPool,
    progress: Arc<Progress>,
    count: u64,
    about: Arc<Mutex<&'static str>>,
    mut stopping: watch::Receiver<bool>,
) {
    let is_terminal = std::io::stdout().is_terminal();
    let bar = ProgressBar::with_draw_target(Some(count), ProgressDrawTarget::stdout());
    let style = ProgressStyle::with_template("{bar:40.cyan} {msg}");
    bar.set_style(style.unwrap_or_else(|_invalid| ProgressStyle::default_bar()));
    let mut ticks = interval(if is_terminal { SHOWN_EVERY } else { TOLD_EVERY });
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (begun, mut last, mut books) = (Instant::now(), (Instant::now(), 0), Books::default());
    loop {
        tokio::select! {
            _stopping = stopping.wait_for(|stop| *stop) => break,
            _tick = ticks.tick() => {}
        }
        // They are shown as they were where they cannot be read just now.
        if let Ok(seen) = Books::look(&pool).await {
            books = seen;
        }
        let answered = progress.answered.load(Ordering::Relaxed);
        let millis = u64::try_from(last.0.elapsed().as_millis()).unwrap_or(1).max(1);
        let per_second = answered.saturating_sub(last.1).saturating_mul(1_000) / millis;
        last = (Instant::now(), answered);
        let about = *about.lock().unwrap_or_else(PoisonError::into_inner);
        let moment = Moment { about, progress: &progress, count, passed: begun.elapsed(), per_second, books: &books };
        if is_terminal {
            bar.set_position(answered);
            bar.set_message(moment.lines().join("\n"));
        } else if let Err(failure) = super::say(moment.line()) {
            tracing::debug!(%failure, "nobody reads");
        }
    }
    bar.finish_and_clear();
}

impl Moment<'_> {
    fn lines(&self) -> Vec<String> {
        let Self { progress, count, books, .. } = self;
        let answered = progress.answered.load(Ordering::Relaxed);
        let mut lines = vec![
            format!("{answered}/{count} payments, {}/s, {} s", self.per_second, self.passed.as_secs()),
            format!("now        {}", self.about),
            format!("payments   {}", listed(&books.payments)),
            format!("refunds    {}", listed(&books.refunds)),
            format!("sagas      {}", listed(&books.sagas)),
            format!("log        {} events, {} of them not yet in every read model", books.head, books.behind),
        ];
        lines.extend(books.balances.iter().map(|(what, of)| {
            let of: Vec<String> =
                of.iter().map(|(currency, minor)| format!("{currency} {}", major(currency, *minor))).collect();
            format!("  {what:<30} {}", of.join("  "))
        }));
        lines
    }

    fn line(&self) -> String {
        let Self { about, progress, count, passed, per_second, books } = self;
        let answered = progress.answered.load(Ordering::Relaxed);
        format!(
            "{:>3} s  {answered}/{count} payments ({per_second}/s)  [{}]  refunds [{}]  sagas [{}]  {} events  {about}",
            passed.as_secs(),
            listed(&books.payments),
            listed(&books.refunds),
            listed(&books.sagas),
            books.head,
        )
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn whoever_watches_sees_rates_ends_sagas_and_balances() {
        let progress = Progress::default();
        progress.answered.store(70, Ordering::Relaxed);
        let of = |word: &str, count: i64| vec![(word.to_owned(), count)];
        let books = Books {
            payments: of("success", 60),
            refunds: of("processing", 2),
            sagas: of("completed", 61),
            balances: BTreeMap::from([("bank".to_owned(), BTreeMap::from([("USD".to_owned(), -1_234)]))]),
            head: 900,
            behind: 3,
            ..Books::default()
        };
        let (about, passed) = ("payments come in", Duration::from_secs(7));
        let moment = Moment { about, progress: &progress, count: 100, passed, per_second: 9, books: &books };
        let lines = moment.lines();
        for (line, told) in lines.iter().zip([
            "70/100 payments, 9/s, 7 s",
            "now        payments come in",
            "payments   success 60",
            "refunds    processing 2",
            "sagas      completed 61",
            "log        900 events, 3 of them not yet in every read model",
        ]) {
            assert_eq!(line, told);
        }
        assert!(lines.last().is_some_and(|line| line.contains("bank") && line.ends_with("USD -12.34")), "{lines:?}");
        assert!(moment.line().contains("70/100 payments (9/s)"), "{}", moment.line());
    }
}
