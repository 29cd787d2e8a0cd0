//! Counts attempts as they begin, for the risk check: a follower, and what it saw.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use domain::risk::facts::Counters;
use event_store::{Follower, Poison, Recorded, Store};
use futures_util::future::BoxFuture;
use sqlx::{PgConnection, PgPool};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::Instant,
};

use crate::{
    counters::{self, Asked, COUNTERS},
    counting::{Effect, Payments, Subject},
};

/// What had been counted before the attempts that passed lately, for whoever runs in the same program. All of it is in
/// the table and in the log as well.
pub(crate) struct Seen {
    kept: Mutex<Kept>,
    /// How far the follower has come in this program; 0 where it runs in another.
    at: watch::Sender<i64>,
    asking: mpsc::Sender<(Asked, oneshot::Sender<Option<Counters>>)>,
}

type Attempt = (Arc<str>, u32);

#[derive(Default)]
struct Kept {
    attempts: BTreeMap<Attempt, Counters>,
    oldest: VecDeque<Attempt>,
}

/// The questions of those who found nothing in memory.
pub(crate) type Questions = mpsc::Receiver<(Asked, oneshot::Sender<Option<Counters>>)>;

const ATTEMPTS_MAX: usize = 4_096;
/// Asked of the table together.
const ASKED_TOGETHER: usize = 256;
const ON_ITS_WAY: Duration = Duration::from_millis(250);
const CLEARED_EVERY: Duration = Duration::from_secs(60);

/// Keeps the table, in the transaction that moves its place in the log.
pub(crate) struct Count {
    store: Store,
    seen: Arc<Seen>,
    payments: Payments,
    /// The last event that was counted here.
    at: i64,
    cleared_at: Option<Instant>,
}

impl Seen {
    pub(crate) fn new() -> (Arc<Self>, Questions) {
        let (asking, questions) = mpsc::channel(ASKED_TOGETHER);
        (Arc::new(Self { kept: Mutex::default(), at: watch::Sender::new(0), asking }), questions)
    }

    /// What had been counted before the attempt that began there, if it passes here.
    pub(crate) async fn remembered(&self, payment: &Arc<str>, attempt: u32, position: i64) -> Option<Counters> {
        self.wait_for(position).await;
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.attempts.get(&(Arc::clone(payment), attempt)).cloned()
    }

    /// The same, for whoever did not find it here: from the table; `None` where the counters have not come so far.
    pub(crate) async fn before(&self, asked: Asked) -> Option<Counters> {
        let (told, answer) = oneshot::channel();
        self.asking.send((asked, told)).await.ok()?;
        answer.await.ok().flatten()
    }

    /// Most who ask are a moment ahead of the follower, which is on its way.
    async fn wait_for(&self, position: i64) {
        let mut at = self.at.subscribe();
        let comes = at.wait_for(|at| *at == 0 || *at >= position);
        if tokio::time::timeout(ON_ITS_WAY, comes).await.is_err() {
            tracing::debug!(position, "the counters are not here in time");
        }
    }

    fn keep(&self, attempt: Attempt, counters: Counters) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.attempts.insert(attempt.clone(), counters).is_none() {
            kept.oldest.push_back(attempt);
        }
        while kept.oldest.len() > ATTEMPTS_MAX
            && let Some(oldest) = kept.oldest.pop_front()
        {
            kept.attempts.remove(&oldest);
        }
    }
}

/// Answers questions, those that wait together in one statement, until nobody can ask any more.
pub(crate) async fn answer(pool: PgPool, store: Store, mut questions: Questions) {
    let mut together = Vec::with_capacity(ASKED_TOGETHER);
    while questions.recv_many(&mut together, ASKED_TOGETHER).await > 0 {
        let (asked, waiting): (Vec<Asked>, Vec<_>) = together.drain(..).unzip();
        let answers = counters::before(&pool, &store, &asked).await.unwrap_or_else(|reason| {
            tracing::warn!(%reason, "what was counted for the risk check cannot be read");
            Vec::new()
        });
        for (waiting, answer) in waiting.into_iter().zip(answers) {
            if waiting.send(answer).is_err() {
                tracing::debug!("whoever asked has gone");
            }
        }
    }
}

impl Count {
    pub(crate) fn new(store: Store, seen: Arc<Seen>) -> Self {
        Self { store, seen, payments: Payments::default(), at: 0, cleared_at: None }
    }

    async fn count(&mut self, books: &mut PgConnection, events: &[Arc<Recorded>]) -> Result<(), Poison> {
        let (Some(first), Some(last)) = (events.first(), events.last()) else { return Ok(()) };
        // What is remembered goes on from the last event only: the same again, or others' work between, begins anew.
        if first.position != self.at.saturating_add(1) {
            self.payments = Payments::default();
        }
        self.at = last.position;
        let mut effects: Vec<Effect> = Vec::new();
        for event in events {
            effects.extend(self.payments.effect(&self.store, event).await?);
        }
        if !effects.is_empty() {
            let subjects: BTreeSet<&Subject> = effects.iter().flat_map(Effect::subjects).collect();
            let mut rows = counters::load(books, &subjects).await?;
            for effect in &effects {
                if let Some(begins) = &effect.begins {
                    let attempt = (Arc::clone(&begins.payment), begins.attempt);
                    self.seen.keep(attempt, rows.before(begins, effect.position));
                }
                rows.apply(effect);
            }
            counters::save(books, &rows).await?;
        }
        if self.cleared_at.is_none_or(|at| at.elapsed() >= CLEARED_EVERY) {
            counters::clear(books, last.recorded_at.date_naive()).await?;
            self.cleared_at = Some(Instant::now());
        }
        self.seen.at.send_replace(last.position);
        Ok(())
    }
}

impl Follower for Count {
    fn name(&self) -> &'static str {
        COUNTERS
    }

    fn apply<'a>(
        &'a mut self,
        books: &'a mut PgConnection,
        events: &'a [Arc<Recorded>],
    ) -> BoxFuture<'a, Result<(), Poison>> {
        Box::pin(self.count(books, events))
    }
}
