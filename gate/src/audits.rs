//! Auditors' sessions: a deed when one opens, and one when it closes: what was looked at.
//!
//! An auditor's first question opens a session, and is answered once that stands in the log. What follows is answered of
//! the log as it ended then. Where nothing was asked for a while, or the server ends, the session is closed: with how often
//! what was asked, of which ranges, and how many rows came back.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use domain::{
    free_text::FreeText,
    id::OperatorId,
    operator::{
        Operator, OperatorCommand,
        event::{Deed, Role},
        subject::Subject,
    },
};
use event_store::{Act, Outcome, Store};
use tokio::sync::{Mutex as Lock, watch};
use uuid::Uuid;

use crate::{caller::Caller, problem::Problem, rules, visit::Visit};

/// How long nothing is asked before a session is over, where nobody says otherwise.
const IDLE: Duration = Duration::from_secs(300);
/// A session that never rests is closed all the same, and the next question opens another.
const LONGEST: Duration = Duration::from_secs(8 * 3_600);
/// How often it is looked which are over: so many times in the time that ends one.
const LOOKS: u32 = 4;
/// Different questions that are remembered of one session; more are counted.
const QUESTIONS_MAX: usize = 200;
/// As much as a deed may say in so many words.
const WORDS_MAX: usize = 900;

/// Parameters whose values say which part of the books was looked at, and of nobody who they are.
const TOLD: [&str; 24] = [
    "after",
    "at",
    "at_position",
    "at_time",
    "causation",
    "channel",
    "correlation",
    "currency",
    "effective_at",
    "from",
    "group_by",
    "limit",
    "livemode",
    "merchant_id",
    "min_position",
    "order",
    "settlement_no",
    "since",
    "status",
    "stream",
    "to",
    "type",
    "until",
    "upto",
];

/// The sessions of one server's auditors.
pub(crate) struct Audits {
    store: Store,
    idle: Duration,
    sessions: Lock<BTreeMap<OperatorId, Arc<Session>>>,
}

/// One auditor at work.
pub(crate) struct Session {
    id: Uuid,
    /// Where the log ended when it began: nothing behind that is shown.
    pub(crate) head: i64,
    begun_at: Instant,
    kept: Mutex<Kept>,
}

struct Kept {
    asked_at: Instant,
    questions: BTreeMap<String, Look>,
    asked_count: u64,
}

/// One question, however often it was asked.
#[derive(Default)]
struct Look {
    count: u64,
    rows: u64,
    /// Rows of answers that may still be on their way.
    under_way: Vec<Arc<AtomicU64>>,
}

/// Why a session is over.
#[derive(Clone, Copy)]
enum End {
    Rested,
    Longest,
    ServerEnds,
}

impl Audits {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, idle: IDLE, sessions: Lock::default() }
    }

    pub(crate) fn resting(store: Store, idle: Duration) -> Self {
        Self { idle, ..Self::new(store) }
    }

    /// The session of this caller, where it is an auditor's; opened, in the log, where there is none yet.
    ///
    /// # Errors
    /// It could not be written down: then nothing is shown.
    pub(crate) async fn enter(&self, caller: &Caller, visit: &Visit) -> Result<Option<Arc<Session>>, Problem> {
        let Caller::Operator { operator_id, roles } = caller else { return Ok(None) };
        // Who may do everything is no guest whose looks are counted.
        if !roles.contains(&Role::Auditor) || roles.contains(&Role::Operator) {
            return Ok(None);
        }
        let mut sessions = self.sessions.lock().await;
        if let Some(session) = sessions.get(operator_id) {
            return Ok(Some(Arc::clone(session)));
        }
        let head = self.store.before_last(0, None).await.map_err(|reason| {
            tracing::warn!(%reason, "an auditor's session was not opened");
            Problem::later(rules::LEDGER_UNAVAILABLE, 2)
        })?;
        let session = Session {
            id: Uuid::now_v7(),
            head,
            begun_at: Instant::now(),
            kept: Mutex::new(Kept { asked_at: Instant::now(), questions: BTreeMap::new(), asked_count: 0 }),
        };
        let words = format!("opened session {}: the log up to {head}", session.id.simple());
        let request = vec![("request_id", visit.request_id.clone()), ("trace_id", visit.trace_id.clone())];
        if !self.write(*operator_id, session.id, &words, None, request).await? {
            return Err(Problem::later(rules::LEDGER_UNAVAILABLE, 2));
        }
        let session = Arc::new(session);
        sessions.insert(*operator_id, Arc::clone(&session));
        Ok(Some(session))
    }

    /// Closes what is over, until told to stop; then whatever is open.
    pub(crate) async fn run(&self, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow_and_update() {
            self.close(|session| session.is_over(self.idle)).await;
            tokio::select! {
                _stopping = stop.changed() => {}
                () = tokio::time::sleep(self.idle / LOOKS) => {}
            }
        }
        self.close(|_session| Some(End::ServerEnds)).await;
    }

    /// What cannot be written down stays open, and is tried again.
    async fn close(&self, end: impl Fn(&Arc<Session>) -> Option<End>) {
        let mut sessions = self.sessions.lock().await;
        let over: Vec<(OperatorId, End)> =
            sessions.iter().filter_map(|(auditor, session)| Some((*auditor, end(session)?))).collect();
        for (auditor, end) in over {
            let Some(session) = sessions.get(&auditor) else { continue };
            let words = format!("closed session {}", session.id.simple());
            let deed_id = Uuid::new_v5(&session.id, b"closed");
            match self.write(auditor, deed_id, &words, Some(session.told(end)), Vec::new()).await {
                Ok(true) => drop(sessions.remove(&auditor)),
                Ok(false) => {
                    tracing::error!(session = %session.id, "a session of an auditor could not be closed: its deed was refused");
                    sessions.remove(&auditor);
                }
                Err(_unavailable) => tracing::warn!(session = %session.id, "a session of an auditor is not closed yet"),
            }
        }
    }

    /// Whether the deed stands in the log.
    async fn write(
        &self,
        auditor: OperatorId,
        deed_id: Uuid,
        words: &str,
        said: Option<Vec<String>>,
        request: Vec<(&'static str, String)>,
    ) -> Result<bool, Problem> {
        let deed = FreeText::parse(words).map_err(|_never| Problem::turned_away(rules::INTERNAL))?;
        // What reads like a card's number is left out, and how much there was is said all the same.
        let reason = said.into_iter().flatten().find_map(|said| FreeText::parse(&said).ok());
        let deed = Deed { deed_id, deed, on: Subject::Log, reason };
        let metadata = [("actor", auditor.to_string())].into_iter().chain(request).collect();
        let act = Act::tell::<Operator>(auditor.to_string(), OperatorCommand::RecordDeed(Box::new(deed)));
        let outcome = self.store.execute(Act { metadata, ..act }).await?;
        Ok(matches!(outcome, Outcome::Accepted { .. }))
    }
}

impl Session {
    /// Remembers that this was asked; its rows are counted as they are written.
    pub(crate) fn asked(&self, question: String, rows: Arc<AtomicU64>) {
        let mut kept = self.kept();
        kept.asked_at = Instant::now();
        kept.asked_count = kept.asked_count.saturating_add(1);
        let is_known = kept.questions.contains_key(&question);
        let question = if is_known || kept.questions.len() < QUESTIONS_MAX { question } else { "others".to_owned() };
        let look = kept.questions.entry(question).or_default();
        look.count = look.count.saturating_add(1);
        look.under_way.push(rows);
        look.settle(false);
    }

    fn is_over(self: &Arc<Self>, idle: Duration) -> Option<End> {
        // Whoever holds it is being answered.
        if Arc::strong_count(self) > 1 {
            return None;
        }
        let mut kept = self.kept();
        kept.questions.values_mut().for_each(|look| look.settle(false));
        if self.begun_at.elapsed() > LONGEST {
            return Some(End::Longest);
        }
        let is_quiet = kept.questions.values().all(|look| look.under_way.is_empty());
        (is_quiet && kept.asked_at.elapsed() > idle).then_some(End::Rested)
    }

    /// What was looked at, at length and, in case that cannot be kept, in a few words.
    fn told(&self, end: End) -> Vec<String> {
        let mut kept = self.kept();
        kept.questions.values_mut().for_each(|look| look.settle(true));
        let rows = kept.questions.values().fold(0_u64, |sum, look| sum.saturating_add(look.rows));
        let why = match end {
            End::Rested => "nothing more was asked",
            End::Longest => "it was open for long",
            End::ServerEnds => "the server ends",
        };
        let short = format!("{} questions, {rows} rows, of the log up to {}; {why}", kept.asked_count, self.head);
        let mut long = short.clone();
        let mut left = kept.questions.len();
        for (question, look) in &kept.questions {
            let told = format!("; {question}: {} times, {} rows", look.count, look.rows);
            if long.chars().count().saturating_add(told.chars().count()) > WORDS_MAX {
                break;
            }
            long.push_str(&told);
            left = left.saturating_sub(1);
        }
        if left > 0 {
            long.push_str(&format!("; and {left} other questions"));
        }
        vec![long, short]
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Look {
    /// Counts the rows of answers that are complete; or of all, as far as they have come.
    fn settle(&mut self, all: bool) {
        let rows = &mut self.rows;
        self.under_way.retain(|counted| {
            let is_complete = all || Arc::strong_count(counted) == 1;
            if is_complete {
                *rows = rows.saturating_add(counted.load(Ordering::Relaxed));
            }
            !is_complete
        });
    }
}

/// A question as it is remembered: the route, what its path names, and which part of the books it is about.
pub(crate) fn question<'q>(
    route: &str,
    path: impl Iterator<Item = &'q str>,
    query: impl Iterator<Item = (&'q str, &'q str)>,
) -> String {
    let mut question = route.to_owned();
    for value in path {
        question.push(' ');
        question.extend(value.chars().take(80));
    }
    let mut given: Vec<String> = query
        .map(|(name, value)| {
            let value = if TOLD.contains(&name) { value } else { "…" };
            format!("{}={}", name.chars().take(40).collect::<String>(), value.chars().take(80).collect::<String>())
        })
        .collect();
    // Pages of one question are one question.
    given.retain(|told| !["cursor=", "after="].iter().any(|paging| told.starts_with(paging)));
    given.sort_unstable();
    for told in given {
        question.push(' ');
        question.push_str(&told);
    }
    question
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_remembered_by_its_ranges_and_without_who_it_was_about() {
        let query = [("customer_email", "ann@example.com"), ("at_position", "7"), ("after", "3"), ("metadata[x]", "y")];
        let told = question("/api/v1/payments/{payment_no}", ["PAY1"].into_iter(), query.into_iter());
        assert_eq!(told, "/api/v1/payments/{payment_no} PAY1 at_position=7 customer_email=… metadata[x]=…");
    }

    fn session() -> Session {
        let kept = Kept { asked_at: Instant::now(), questions: BTreeMap::new(), asked_count: 0 };
        Session { id: Uuid::nil(), head: 9, begun_at: Instant::now(), kept: Mutex::new(kept) }
    }

    #[test]
    fn rows_are_counted_when_they_are_written_and_answers_under_way_keep_a_session_open() {
        let session = Arc::new(session());
        let rows = Arc::new(AtomicU64::new(2));
        session.asked("/a".to_owned(), Arc::clone(&rows));
        session.asked("/a".to_owned(), Arc::new(AtomicU64::new(5)));
        assert!(session.is_over(Duration::ZERO).is_none(), "an answer is under way");
        rows.fetch_add(40, Ordering::Relaxed);
        drop(rows);
        assert!(matches!(session.is_over(Duration::ZERO), Some(End::Rested)));
        let [long, short] = session.told(End::Rested).try_into().unwrap();
        assert_eq!(short, "2 questions, 47 rows, of the log up to 9; nothing more was asked");
        assert_eq!(long, format!("{short}; /a: 2 times, 47 rows"));
    }

    #[test]
    fn what_is_told_of_a_long_session_is_short_and_says_how_much_is_left_out() {
        let session = session();
        for n in 0..1_000 {
            session.asked(format!("/api/v1/payments/{{payment_no}} PAY{n:032}"), Arc::new(AtomicU64::new(1)));
        }
        let told = session.told(End::ServerEnds);
        assert!(told.iter().all(|told| FreeText::parse(told).is_ok()), "{told:?}");
        assert!(told[0].starts_with("1000 questions, 1000 rows, ") && told[0].contains(" other questions"), "{told:?}");
    }
}
