//! The one place with I/O: takes what is due, lets it react, calls channels, settles.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use channels::{Hint, Partners};
use chrono::{TimeDelta, Utc};
use event_store::{Act, Answer, Outcome, Store, Tenant, Verdict, crash};
use sqlx::{PgConnection, PgPool};
use tokio::{
    sync::{Notify, mpsc, watch},
    task::JoinSet,
    time::Instant,
};
use uuid::Uuid;

use crate::{
    brief::Briefs,
    call::{Call, Heard},
    count::{self, Count, Questions, Seen},
    counted,
    due::{self, Due, Looked, Then},
    errand::Patience,
    hint::heed,
    lines,
    look_into::LOOK_INTO,
    looked,
    process::{self, Next, Stop},
    remittances,
    spans::{self, Calling, Mark, Trace},
    take_payment::TAKE_PAYMENT,
    trouble::{Trouble, UNCOUNTED, later},
    turn::{Counted, Known, Turn, Work},
    unsettled,
    wake::Wake,
};

/// Pieces of work under way at once: most of them wait for a channel.
const UNDER_WAY_MAX: usize = 512;
/// Taken from the table at once.
const TAKEN_AT_ONCE: usize = 256;
/// Calls and reactions to them, one after the other, before others come.
const TURNS_MAX: usize = 32;
/// However long nothing is due: others may have entered something.
const LOOK_AT_LEAST_EVERY: Duration = Duration::from_secs(5);
const LOOK_AT_MOST_EVERY: Duration = Duration::from_millis(50);
/// While the log or the table cannot be reached.
pub(crate) const PAUSE: Duration = Duration::from_secs(1);
/// Calls under way when the process is to end have as long to come back.
const ENDED_WITHIN: Duration = Duration::from_secs(15);
/// While the counters of the risk check have not come to where an attempt began.
const LOOK_AT_COUNTERS_AGAIN: TimeDelta = TimeDelta::milliseconds(20);
/// How an event says that a process wrote it.
pub(crate) const WRITTEN_BY: &str = "\"process\":";

/// All processes of this program, on one log.
pub struct Processes {
    desk: Arc<Desk>,
    looked: mpsc::UnboundedReceiver<Looked>,
    hands: mpsc::UnboundedReceiver<Due>,
    questions: Questions,
}

/// What everybody at work shares.
pub(crate) struct Desk {
    /// The name under which work is taken.
    pub(crate) runner: String,
    pub(crate) store: Store,
    pub(crate) pool: PgPool,
    pub(crate) partners: Arc<Partners>,
    patience: Patience,
    pub(crate) briefs: Briefs,
    seen: Arc<Seen>,
    /// By process and business; and what was asked of it again since.
    under_way: Mutex<BTreeMap<Name, Option<Due>>>,
    looked: mpsc::UnboundedSender<Looked>,
    handed: mpsc::UnboundedSender<Due>,
    more: Arc<Notify>,
}

pub(crate) type Name = (&'static str, Arc<str>);
/// What comes next, and what was done that is worth a span.
type Decided = (Next, Vec<Mark>);

/// A runner's sign of life, and when it looked last whose has ended.
struct Presence {
    connection: PgConnection,
    looked_at: Instant,
}

impl Processes {
    /// On connections of `pool`; calls go out through `partners`.
    pub fn new(store: Store, pool: PgPool, partners: Arc<Partners>, patience: Patience) -> Self {
        let (looked_at, looked) = mpsc::unbounded_channel();
        let (handed, hands) = mpsc::unbounded_channel();
        let (seen, questions) = Seen::new();
        let desk = Arc::new(Desk {
            runner: Uuid::now_v7().to_string(),
            store,
            pool,
            partners,
            patience,
            briefs: Briefs::new(),
            seen,
            under_way: Mutex::default(),
            looked: looked_at,
            handed,
            more: Arc::default(),
        });
        Self { desk, looked, hands, questions }
    }

    /// Has channels asked about what is hinted at, until told to stop: also where others run the processes.
    pub fn heed(&self, hints: mpsc::Receiver<Hint>, stop: watch::Receiver<bool>) -> impl Future<Output = ()> + use<> {
        let desk = Arc::clone(&self.desk);
        async move { heed(&desk, hints, stop).await }
    }

    /// Works until told to stop; then lets calls under way come back, within bounds.
    pub async fn run(self, stop: watch::Receiver<bool>) {
        let Self { desk, looked, hands, questions } = self;
        let counting = Count::new(desk.store.clone(), Arc::clone(&desk.seen));
        let counting = desk.store.follow(counting, desk.pool.clone());
        let answering = tokio::spawn(count::answer(desk.pool.clone(), desk.store.clone(), questions));
        let wake = desk.store.follow(Wake { desk: Arc::clone(&desk) }, desk.pool.clone());
        let settling = tokio::spawn(looked::settle(desk.pool.clone(), looked, Arc::clone(&desk.more)));
        let following = async { tokio::join!(wake.run(stop.clone()), counting.run(stop.clone())) };
        let taking = take_due(&desk, stop.clone());
        let outside = async { tokio::join!(lines::show(&desk, stop.clone()), remittances::run(&desk, stop.clone())) };
        tokio::join!(following, taking, Box::pin(outside), work(&desk, hands, stop.clone()));
        // With it goes the last who has anything to settle.
        drop(desk);
        if let Err(reason) = settling.await {
            tracing::error!(%reason, "what was looked at was not settled; it comes back");
        }
        if let Err(reason) = answering.await {
            tracing::error!(%reason, "what was counted could not be told");
        }
    }
}

/// Each piece of work in a task of its own.
async fn work(desk: &Arc<Desk>, mut hands: mpsc::UnboundedReceiver<Due>, mut stop: watch::Receiver<bool>) {
    let mut under_way = JoinSet::new();
    loop {
        tokio::select! {
            Some(due) = hands.recv() => {
                under_way.spawn(Arc::clone(desk).look_at(due));
            }
            Some(_ended) = under_way.join_next() => {}
            _stopping = stop.wait_for(|stop| *stop) => break,
        }
    }
    let ending = async { while under_way.join_next().await.is_some() {} };
    if tokio::time::timeout(ENDED_WITHIN, ending).await.is_err() {
        tracing::warn!("some calls did not come back in time; their work will be taken up again");
    }
}

/// Takes what has become due: timers, what others left behind, and what there was no room for.
async fn take_due(desk: &Arc<Desk>, mut stop: watch::Receiver<bool>) {
    let mut presence = None;
    while !*stop.borrow_and_update() {
        let pause = desk.take_due(&mut presence).await.unwrap_or_else(|failure| {
            tracing::warn!(%failure, "what is due cannot be read");
            PAUSE
        });
        tokio::select! {
            _stopping = stop.changed() => {}
            () = desk.more.notified() => tokio::time::sleep(LOOK_AT_MOST_EVERY.min(pause)).await,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

impl Desk {
    /// How much more may be under way.
    pub(crate) fn room(&self) -> usize {
        UNDER_WAY_MAX.saturating_sub(self.under_way().len())
    }

    /// To be looked at now; what is under way is looked at once more when it is done.
    pub(crate) fn hand_over(&self, dues: Vec<Due>) {
        let mut under_way = self.under_way();
        for due in dues {
            if let Some(again) = under_way.get_mut(&due.name()) {
                *again = Some(due);
                continue;
            }
            under_way.insert(due.name(), None);
            if self.handed.send(due).is_err() {
                tracing::debug!("handed over too late: it comes back");
            }
        }
    }

    /// Something was entered that nobody has taken.
    pub(crate) fn look_for_more(&self) {
        self.more.notify_one();
    }

    fn under_way(&self) -> MutexGuard<'_, BTreeMap<Name, Option<Due>>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what is due, and says when to look again. The connection is this runner's sign of life: it is given up
    /// where it fails.
    async fn take_due(&self, presence: &mut Option<Presence>) -> Result<Duration, sqlx::Error> {
        let mut present = match presence.take() {
            Some(present) => present,
            None => self.be_present().await?,
        };
        if present.looked_at.elapsed() >= LOOK_AT_LEAST_EVERY {
            due::free_of_the_dead(&mut present.connection, &self.runner).await?;
            present.looked_at = Instant::now();
        }
        *presence = Some(present);
        let room = self.room().min(TAKEN_AT_ONCE);
        if room == 0 {
            return Ok(LOOK_AT_MOST_EVERY);
        }
        let taken = due::take(&self.pool, &self.runner, i64::try_from(room).unwrap_or(1)).await?;
        let is_all = taken.len() < room;
        self.hand_over(taken);
        if !is_all {
            return Ok(Duration::ZERO);
        }
        let next = due::next_in_seconds(&self.pool).await?.map_or(LOOK_AT_LEAST_EVERY, |seconds| {
            Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(LOOK_AT_LEAST_EVERY)
        });
        Ok(next.clamp(LOOK_AT_MOST_EVERY, LOOK_AT_LEAST_EVERY))
    }

    async fn be_present(&self) -> Result<Presence, sqlx::Error> {
        let mut connection = self.pool.acquire().await?.detach();
        due::be_present(&mut connection, &self.runner).await?;
        due::free_of_the_dead(&mut connection, &self.runner).await?;
        Ok(Presence { connection, looked_at: Instant::now() })
    }

    /// Looks at one piece of work, as often as it is asked for.
    async fn look_at(self: Arc<Self>, first: Due) {
        let mut due = first;
        loop {
            let name = due.name();
            let then = self.go_on(&due).await;
            if let Then::Failed { reason } = &then {
                let Work { process, business, .. } = &due.work;
                tracing::error!(process, %business, reason, "a process could not go on");
            }
            if self.looked.send(Looked { due, then }).is_err() {
                tracing::debug!("looked at too late: it comes back");
            }
            let mut under_way = self.under_way();
            match under_way.get_mut(&name).and_then(Option::take) {
                Some(again) => due = again,
                None => {
                    under_way.remove(&name);
                    return;
                }
            }
        }
    }

    /// Turn after turn, until there is nothing to do now.
    async fn go_on(&self, due: &Due) -> Then {
        let mut known = match self.known(&due.work).await {
            Ok(known) => Arc::new(known),
            Err(failure) => return later(&failure),
        };
        let (mut heard, mut calling) = (None, None::<Calling>);
        for _turn in 0..TURNS_MAX {
            if crash::is_doubled() && heard.is_none() {
                drop(self.turn(&due.work, &known, None).await);
            }
            let turned = self.turn(&due.work, &known, heard.take()).await;
            if let Some(calling) = calling.take() {
                calling.end();
            }
            match turned {
                Ok(Next::Call(call)) => {
                    let (trace, begun) = (known.trace.as_ref(), Calling::begin(known.trace.as_ref(), &due.work, &call));
                    let call = call.under(trace.map(|trace| &*trace.id), begun.as_ref());
                    let said = self.call(due.work.process, &call).await;
                    calling = begun.map(|begun| begun.heard(&said));
                    heard = Some(said);
                }
                Ok(Next::Wait(until)) => return Then::At(until),
                Ok(Next::Rest) => return Then::Done,
                Err(Trouble::Uncounted) => match self.count(&due.work, &known).await {
                    Ok(counted) => known = Arc::new(Known { counted, ..Known::clone(&known) }),
                    Err(then) => return then,
                },
                Err(Trouble::Passing(reason)) => return later(&reason),
                Err(Trouble::Stuck(reason)) => return Then::Failed { reason },
            }
        }
        Then::At(Utc::now())
    }

    /// What a channel says; a test may have it asked twice, as if whoever heard it first had died.
    async fn call(&self, process: &'static str, call: &Call) -> Heard {
        crash::point_of("process.before_call", process);
        let mut heard = call.make(&self.partners).await;
        if crash::is_doubled() {
            heard = call.make(&self.partners).await;
        }
        crash::point_of("process.after_call", process);
        heard
    }

    async fn known(&self, work: &Work) -> Result<Known, String> {
        if work.payment.is_empty() {
            return unsettled::look(&self.store, &self.pool, work).await;
        }
        let brief = self.briefs.of(&self.store, &work.payment).await.map_err(|failure| failure.to_string())?;
        let merchant_since = self.briefs.since(&self.store, &work.merchant_id.to_string()).await;
        let merchant_since = merchant_since.map_err(|failure| failure.to_string())?;
        let trace = brief.trace(work.process, &work.business);
        // Asked for before, a turn needs not be taken twice.
        let begun = brief.begun.as_ref().filter(|_begun| work.process == TAKE_PAYMENT);
        let remembered = match begun {
            Some(begun) => self.seen.remembered(&work.payment, begun.attempt, begun.position).await,
            None => None,
        };
        let counted = remembered.map_or(Counted::NotAsked, Counted::Known);
        Ok(Known { brief, trace, merchant_since, counted, ..Known::default() })
    }

    async fn count(&self, work: &Work, known: &Known) -> Result<Counted, Then> {
        let found = counted::look(&self.store, &self.seen, work, known).await;
        let found = found.map_err(|failure| later(&failure.to_string()))?;
        found.ok_or_else(|| Then::At(Utc::now() + LOOK_AT_COUNTERS_AGAIN))
    }

    /// One reaction, decided and written by the store's writer in one append.
    async fn turn(&self, work: &Work, known: &Arc<Known>, heard: Option<Heard>) -> Result<Next, Trouble> {
        let Some(process) = process::named(work.process) else {
            return Err(Trouble::Stuck("there is no such process".to_owned()));
        };
        let whose = work.process;
        let tenant = Tenant { merchant_id: Some(work.merchant_id.uuid()), livemode: Some(work.livemode) };
        // What a channel said when it was asked is news to all processes, as its report would be.
        let signs_as = if work.process == LOOK_INTO { "asked_by" } else { "process" };
        let mut metadata = vec![("actor", "process".to_owned()), (signs_as, work.process.to_owned())];
        metadata.extend(known.trace.iter().flat_map(Trace::metadata));
        // The store may decide more than once: what the last decision came to is what was written.
        let decided: Arc<Mutex<Option<Decided>>> = Arc::default();
        let (slot, work, trace, known) = (Arc::clone(&decided), work.clone(), known.trace.clone(), Arc::clone(known));
        let (moment, begun_at) = ((Utc::now(), self.patience), SystemTime::now());
        let act = Act {
            tenant,
            key: None,
            metadata,
            decision: Box::new(move |books| {
                let mut turn = Turn::new(books, &work, &known, moment, heard.as_ref());
                match process.react(&mut turn) {
                    Ok(next) => {
                        *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some((next, turn.marks));
                        Ok(Verdict::Accepted(Answer::default()))
                    }
                    Err(Stop::Halt(halt)) => Err(halt),
                    Err(Stop::Uncounted) => Ok(Verdict::Refused(Answer { status: 503, body: UNCOUNTED.to_owned() })),
                    Err(Stop::Refused(code)) => Ok(Verdict::Refused(Answer { status: 422, body: code.to_owned() })),
                }
            }),
        };
        crash::point_of("process.before_turn", whose);
        let outcome = self.store.execute(act).await;
        crash::point_of("process.after_turn", whose);
        if !matches!(outcome, Ok(Outcome::Accepted { .. })) {
            return Err(Trouble::of(outcome));
        }
        let decided = decided.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (next, marks) = decided.ok_or_else(|| Trouble::Stuck("it decided nothing".to_owned()))?;
        spans::of_turn(trace.as_ref(), marks, begun_at);
        Ok(next)
    }
}

impl Due {
    pub(crate) fn name(&self) -> Name {
        (self.work.process, Arc::clone(&self.work.business))
    }
}
