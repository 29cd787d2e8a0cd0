//! The one writer of this process: takes what waits, decides, appends, answers.
//!
//! While one batch is on its way the next is decided on top of it, and the one before is told to its callers: the
//! database is never kept waiting by work that can be done meanwhile.

use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::oneshot;

use crate::append::{Place, Trouble};
use crate::appender::{Appender, Findings};
use crate::batch::{ACTS, Batch, Undecided, name_of};
use crate::cache::Stream;
use crate::crash;
use crate::kind::Kind;
use crate::outcome::{Failure, Outcome};
use crate::queue::Queued;
use crate::recorded::Recorded;
use crate::settle::Stored;
use crate::store::Shared;

/// How often an act is decided again before its caller is told to come back.
const TRIES: u32 = 200;
/// So many acts are worth waking the writer while an append is on its way: fewer are decided when that has come back.
const WORTH_WAKING: usize = 16;

pub(crate) struct Writer {
    shared: Arc<Shared>,
    appender: Appender,
}

/// Starts the writer on a thread of its own: the answer to an append is heard at once, however busy the threads are that
/// the commands come from. What is returned resolves when the writer has ended.
pub(crate) fn start(shared: Arc<Shared>) -> oneshot::Receiver<()> {
    let (ended, end) = oneshot::channel();
    let desk = Desk(Arc::clone(&shared));
    let started = std::thread::Builder::new().name("daybook-writer".to_owned()).spawn(move || {
        let desk = desk;
        match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime.block_on(Writer::new(Arc::clone(&desk.0)).run()),
            Err(reason) => no_writer(&reason),
        }
        // Nobody may be waiting for it.
        let _nobody = ended.send(());
    });
    if let Err(reason) = started {
        no_writer(&reason);
    }
    end
}

fn no_writer(reason: &std::io::Error) {
    tracing::error!(%reason, "the writer could not be started; no acts are accepted");
}

/// Where the writer sits. However it leaves, no act is let in after it.
struct Desk(Arc<Shared>);

impl Drop for Desk {
    fn drop(&mut self) {
        self.0.queue.close();
    }
}

/// A batch that stands in the log and was not told to anybody yet.
type Untold = Option<(Batch, Place)>;

impl Writer {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { appender: Appender::new(Arc::clone(&shared)), shared }
    }

    /// Runs until the queue is closed and empty.
    pub(crate) async fn run(mut self) {
        let mut next = Batch::default();
        let mut untold: Untold = None;
        loop {
            if next.items.is_empty() {
                self.tell(untold.take());
                self.shared.queue.put_back(std::mem::take(&mut next).later);
                let Some(acts) = self.shared.queue.take(ACTS, 1).await else { return };
                self.decide(&mut next, None, acts);
                continue;
            }
            let waiting = self.shared.queue.take_now(next.room());
            self.decide(&mut next, untold.as_ref().map(|(batch, _place)| batch), waiting);
            let batch = std::mem::take(&mut next);
            match self.append_meanwhile(&batch, untold.take(), &mut next).await {
                Ok(Some(place)) => untold = Some((batch, place)),
                trouble => {
                    // What was decided on top of it is decided again behind it.
                    let upon = std::mem::take(&mut next).into_acts();
                    let work = self.after(batch, trouble).await;
                    self.settle_all(work, upon).await;
                }
            }
        }
    }

    /// Sends a batch; meanwhile tells the one before and decides the next.
    async fn append_meanwhile(
        &mut self,
        batch: &Batch,
        mut untold: Untold,
        next: &mut Batch,
    ) -> Result<Option<Place>, Trouble> {
        let Self { shared, appender } = self;
        let mut appending = pin!(appender.append(batch));
        let mut is_told = untold.is_none();
        loop {
            let room = next.room();
            tokio::select! {
                biased;
                appended = &mut appending => {
                    tell(shared, untold);
                    return appended;
                }
                () = std::future::ready(()), if !is_told => {
                    is_told = true;
                    tell(shared, untold.take());
                }
                Some(acts) = shared.queue.take(room, WORTH_WAKING), if room > 0 && is_told => {
                    decide(shared, next, Some(batch), acts);
                }
            }
        }
    }

    /// Decides and appends without looking ahead, until nothing of it is left.
    async fn settle_all(&mut self, mut work: Vec<Vec<Queued>>, then: Vec<Queued>) {
        work.push(then);
        work.reverse();
        while let Some(acts) = work.pop() {
            let mut batch = Batch::default();
            self.decide(&mut batch, None, acts);
            if batch.items.is_empty() {
                continue;
            }
            match self.appender.append(&batch).await {
                Ok(Some(place)) => self.tell(Some((batch, place))),
                trouble => {
                    let again = self.after(batch, trouble).await;
                    work.extend(again.into_iter().rev());
                }
            }
        }
    }

    /// What is left to settle of a batch that was not written.
    async fn after(&mut self, batch: Batch, trouble: Result<Option<Place>, Trouble>) -> Vec<Vec<Queued>> {
        match trouble {
            Ok(_) => self.reconcile(batch).await,
            Err(Trouble::Again) => vec![batch.into_acts()],
            Err(Trouble::Data { code, reason }) => split(batch, &Failure::Data { code, reason }),
            Err(Trouble::Shorter { reason, may_be_written }) => {
                tracing::error!(reason, "the log is shorter than it was; no more commands are accepted");
                self.shared.queue.close();
                refuse(batch, &if may_be_written { Failure::Unknown } else { Failure::Shorter { reason } })
            }
            Err(Trouble::Refused(reason) | Trouble::Unknown(reason)) => {
                tracing::warn!(reason, "an append was not possible");
                refuse(batch, &Failure::Unavailable { reason })
            }
        }
    }

    /// Nothing was written because something was assumed that is not so. Used keys get their answers, moved streams
    /// are loaded, the rest is decided again.
    async fn reconcile(&mut self, batch: Batch) -> Vec<Vec<Queued>> {
        let Findings { stored, moved } = match self.appender.look(&batch).await {
            Ok(findings) => findings,
            Err(failure) => return refuse(batch, &failure),
        };
        for (stream, _kind) in &moved {
            self.shared.cache.forget(stream);
        }
        // Connections that are shared live longer than this thread: they are not to be made on it.
        let loading = Arc::clone(&self.shared);
        let loaded = self.shared.runtime.spawn(async move { loading.load(&moved).await.map(drop) }).await;
        match loaded.unwrap_or_else(|reason| Err(Failure::Unavailable { reason: reason.to_string() })) {
            // Whoever needs an unreadable stream finds out by itself.
            Ok(()) | Err(Failure::Unreadable { .. } | Failure::Data { .. }) => {}
            Err(failure) => return refuse(batch, &failure),
        }
        let mut again = Vec::new();
        for queued in batch.into_acts() {
            match queued.act.key.as_ref().and_then(|key| stored.get(&name_of(key)).map(|stored| (key, stored))) {
                Some((key, stored)) => {
                    let outcome = stored.outcome(key);
                    self.shared.remember_answer(name_of(key), stored.clone());
                    queued.answer(Ok(outcome));
                }
                None => again.push(queued),
            }
        }
        vec![again]
    }

    fn decide(&self, batch: &mut Batch, below: Option<&Batch>, acts: Vec<Queued>) {
        decide(&self.shared, batch, below, acts);
    }

    fn tell(&self, untold: Untold) {
        tell(&self.shared, untold);
    }
}

/// Decides in the order of the queue, on top of the batch that is on its way. An act whose key was answered lately gets
/// that answer; one whose key is on its way waits for that one's end; one whose streams are not in memory goes to the
/// loader.
fn decide(shared: &Arc<Shared>, batch: &mut Batch, below: Option<&Batch>, acts: Vec<Queued>) {
    crash::point("writer.before_decide");
    let mut unloaded: Vec<(Queued, Stream, Kind)> = Vec::new();
    let mut later = Vec::new();
    let now = Instant::now();
    for mut queued in acts {
        if let Some(since) = queued.since.take() {
            shared.figures.waits.took(now.saturating_duration_since(since));
        }
        if let Some(key) = &queued.act.key {
            if let Some(stored) = shared.answered_lately(key) {
                let outcome = stored.outcome(key);
                queued.answer(Ok(outcome));
                continue;
            }
            if batch.holds(key) || below.is_some_and(|below| below.holds(key)) {
                later.push(queued);
                continue;
            }
        }
        if batch.is_full() {
            later.push(queued);
            continue;
        }
        queued.tries = queued.tries.saturating_add(1);
        if queued.tries > TRIES {
            queued.answer(Err(Failure::Busy));
            continue;
        }
        match batch.decide(&shared.cache, below, queued) {
            None => {}
            Some(Undecided::Unloaded(queued, stream, kind)) => unloaded.push((queued, stream, kind)),
            Some(Undecided::Never(queued, failure)) => queued.answer(Err(failure)),
        }
    }
    if !unloaded.is_empty() {
        shared.runtime.spawn(Arc::clone(shared).load_and_put_back(unloaded));
    }
    batch.later.extend(later);
    crash::point("writer.after_decide");
}

/// A batch stands in the log: everybody learns of it.
fn tell(shared: &Arc<Shared>, untold: Untold) {
    let Some((mut batch, place)) = untold else { return };
    batch.take_place(place);
    let last = batch.last_position(place);
    crash::point("writer.before_cache");
    shared.keep_states(&mut batch, last);
    let events: Vec<Arc<Recorded>> = std::mem::take(&mut batch.events).into_iter().map(Arc::new).collect();
    shared.figures.written.tell(&events);
    shared.tail.offer(events);
    shared.wake_others();
    crash::point("writer.after_cache");
    crash::point("writer.before_answers");
    let mut answers = Vec::with_capacity(batch.items.len());
    for item in batch.items {
        let outcome = item.outcome(place.first_position);
        if let (
            Some((key, answer)),
            Outcome::Accepted { position, sequence, .. } | Outcome::Refused { position, sequence, .. },
        ) = (item.keyed_answer(), &outcome)
        {
            let (position, sequence, answer) = (*position, *sequence, answer.clone());
            let stored = Stored { fingerprint: key.fingerprint, position, sequence, answer };
            shared.remember_answer(name_of(key), stored);
        }
        answers.push((item.queued, outcome));
    }
    // Whoever waits is woken from where they wait: one word from here instead of one each.
    let telling = Arc::clone(shared);
    shared.runtime.spawn(async move {
        for (queued, outcome) in answers {
            queued.answer(Ok(outcome));
        }
        telling.queue.some_have_left();
    });
    shared.queue.put_back(batch.later);
    crash::point("writer.after_answers");
}

/// Answers acts of which nothing was written. Those that waited for one of them are left to settle.
fn refuse(batch: Batch, failure: &Failure) -> Vec<Vec<Queued>> {
    for item in batch.items {
        item.queued.answer(Err(failure.clone()));
    }
    vec![batch.later]
}

/// A data error is one act's fault and must cost only that act: the halves are settled by themselves.
fn split(batch: Batch, failure: &Failure) -> Vec<Vec<Queued>> {
    if batch.items.len() <= 1 {
        return refuse(batch, failure);
    }
    let mut first = batch.into_acts();
    let second = first.split_off(first.len() / 2);
    vec![first, second]
}
