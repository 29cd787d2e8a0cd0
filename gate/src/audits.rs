//! Auditors' sessions: a deed when one opens, and one when it closes: what was looked at.
//!
//! An auditor's first question opens a session, and is answered once that stands in the log. What follows is answered of
//! the log as it ended then. Where nothing was asked for a while, or the server ends, the session is closed: with how often
//! what was asked, of which ranges, and how many rows came back.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicU64},
    time::{Duration, Instant},
};

use domain::{id::OperatorId, operator::event::Role};
use event_store::Store;
use tokio::sync::{Mutex as Lock, watch};
use uuid::Uuid;

use crate::{
    asked::{Asked, Words, write},
    caller::Caller,
    problem::Problem,
    rules,
    visit::Visit,
};

/// How long nothing is asked before a session is over, where nobody says otherwise.
pub(crate) const IDLE: Duration = Duration::from_secs(300);
/// A session that never rests is closed all the same, and the next question opens another.
const LONGEST: Duration = Duration::from_secs(8 * 3_600);
/// How often it is looked which are over: so many times in the time that ends one.
const LOOKS: u32 = 4;

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
    asked: Mutex<Asked>,
}

/// Why a session is over.
#[derive(Clone, Copy)]
enum End {
    Rested,
    Longest,
    ServerEnds,
}

impl Audits {
    pub(crate) fn new(store: Store, idle: Duration) -> Self {
        Self { store, idle, sessions: Lock::default() }
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
        let session =
            Session { id: Uuid::now_v7(), head, begun_at: Instant::now(), asked: Mutex::new(Asked::nothing()) };
        let deed = format!("opened session {}: the log up to {head}", session.id.simple());
        let words = Words { deed_id: session.id, deed, said: Vec::new() };
        if !write(&self.store, *operator_id, words, Some(visit)).await? {
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
            let deed = format!("closed session {}", session.id.simple());
            let words = Words { deed_id: Uuid::new_v5(&session.id, b"closed"), deed, said: session.told(end) };
            match write(&self.store, auditor, words, None).await {
                Ok(true) => drop(sessions.remove(&auditor)),
                Ok(false) => {
                    tracing::error!(session = %session.id, "a session of an auditor could not be closed: its deed was refused");
                    sessions.remove(&auditor);
                }
                Err(_unavailable) => tracing::warn!(session = %session.id, "a session of an auditor is not closed yet"),
            }
        }
    }
}

impl Session {
    /// Remembers that this was asked; its rows are counted as they are written.
    pub(crate) fn asked(&self, question: String, rows: Arc<AtomicU64>) {
        self.kept().note(question, rows);
    }

    fn is_over(self: &Arc<Self>, idle: Duration) -> Option<End> {
        // Whoever holds it is being answered.
        if Arc::strong_count(self) > 1 {
            return None;
        }
        let mut asked = self.kept();
        let is_quiet = asked.is_quiet();
        if self.begun_at.elapsed() > LONGEST {
            return Some(End::Longest);
        }
        (is_quiet && asked.rested() > idle).then_some(End::Rested)
    }

    /// What was looked at, at length and in a few words.
    fn told(&self, end: End) -> Vec<String> {
        let why = match end {
            End::Rested => "nothing more was asked",
            End::Longest => "it was open for long",
            End::ServerEnds => "the server ends",
        };
        self.kept().told(&format!(", of the log up to {}; {why}", self.head))
    }

    fn kept(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;

    #[test]
    fn rows_are_counted_when_they_are_written_and_answers_under_way_keep_a_session_open() {
        let asked = Mutex::new(Asked::nothing());
        let session = Arc::new(Session { id: Uuid::nil(), head: 9, begun_at: Instant::now(), asked });
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
}
