//! What a request comes to: a decision over the books, and for whom.

use std::sync::Arc;

use domain::refusal::Listed;
use event_store::{Answer, Books, Decision, Halt, Tenant, Verdict};
use gate::{Call, Language, Problem, Visit};
use serde::Serialize;
use serde_json::Value;

use crate::tally::Counted;

/// A request, ready for the log.
pub(crate) struct Plan {
    pub(crate) tenant: Tenant,
    pub(crate) decision: Decision,
    /// Told to whoever asked first and kept nowhere: a repeat is answered without it.
    pub(crate) once: Option<Value>,
    /// What was said with the request and decides nothing: kept with the events that follow from it.
    pub(crate) notes: Vec<(&'static str, String)>,
    /// As what its outcome is counted.
    pub(crate) counted: Counted,
}

impl Plan {
    pub(crate) fn new(
        tenant: Tenant,
        decision: impl Fn(&mut Books<'_>) -> Result<Verdict, Halt> + Send + Sync + 'static,
    ) -> Self {
        Self { tenant, decision: Box::new(decision), once: None, notes: Vec::new(), counted: Counted::Nothing }
    }
}

/// What a decision needs of its request, to say in the caller's language what it decided.
#[derive(Clone)]
pub(crate) struct Teller {
    visit: Arc<Visit>,
    /// Whether the caller's key is looked up before this is told: in a dry run it is not.
    key_checked: bool,
}

/// A sentence in both languages.
pub(crate) type Words = (&'static str, &'static str);

pub(crate) const fn in_language((english, chinese): Words, language: Language) -> &'static str {
    match language {
        Language::English => english,
        Language::Chinese => chinese,
    }
}

#[derive(Serialize)]
struct Told<'w, T> {
    code: u16,
    message: &'w str,
    data: T,
}

impl Teller {
    pub(crate) fn of(call: &Call) -> Self {
        let is_dry = call.query().any(|asked| asked == ("dry_run", "true"));
        Self { visit: Arc::clone(&call.visit), key_checked: !is_dry }
    }

    /// It is done, and this is how it stands. Ids, statuses and amounts only: this is stored and told again.
    pub(crate) fn done(&self, words: Words, data: impl Serialize) -> Verdict {
        let message = in_language(words, self.visit.language);
        let body = serde_json::to_string(&Told { code: 0, message, data }).unwrap_or_default();
        Verdict::Accepted(Answer { status: 200, body })
    }

    /// A rule forbids it.
    pub(crate) fn refused(&self, refusal: impl Listed) -> Verdict {
        let rule = refusal.rule();
        let status = i16::try_from(rule.http_status).unwrap_or(500);
        let problem = if self.key_checked { Problem::refused(rule) } else { Problem::turned_away(rule) };
        Verdict::Refused(Answer { status, body: problem.document(&self.visit) })
    }
}
