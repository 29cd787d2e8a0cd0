//! Looks at personal values: a deed before the first is shown, and one of them all.
//!
//! Whoever of the house may see personal values as they are leaves, for each kind of question and each minute, two deeds:
//! the first stands in the log before anything is shown, and names the question; the second, when the minute is over or
//! the server ends, says how often what was asked, and how many rows came back. What a server that dies has shown meanwhile
//! is told by the first alone: who, which kind of question, since when.

use std::{
    sync::{Arc, atomic::AtomicU64},
    time::{Duration, Instant},
};

use domain::id::OperatorId;
use event_store::Store;
use tokio::sync::{Mutex as Lock, watch};
use uuid::Uuid;

use crate::{
    asked::{Asked, Words, write},
    problem::Problem,
    rules,
    visit::Visit,
};

/// Looks that are told of together: those of so long a time.
const SPELL: Duration = Duration::from_secs(60);
/// An answer that is read for longer is told of as far as it has come.
const LONGEST: Duration = Duration::from_secs(3_600);
const LOOKS: u32 = 4;

/// The looks of one server's operators.
pub(crate) struct Looks {
    store: Store,
    spell: Duration,
    spells: Lock<Vec<Spell>>,
}

/// One operator's looks of one kind, of a minute.
struct Spell {
    id: Uuid,
    who: OperatorId,
    route: String,
    begun_at: Instant,
    asked: Asked,
}

/// What is about to be shown, and to whom.
pub(crate) struct Look<'l> {
    pub(crate) who: OperatorId,
    pub(crate) route: &'l str,
    pub(crate) question: String,
    pub(crate) rows: Arc<AtomicU64>,
}

impl Looks {
    /// Looks of at most a minute are told of together, or of less.
    pub(crate) fn new(store: Store, at_most: Duration) -> Self {
        Self { store, spell: SPELL.min(at_most), spells: Lock::default() }
    }

    /// Returns once a deed that tells of it stands in the log.
    ///
    /// # Errors
    /// It could not be written down: then nothing is shown.
    pub(crate) async fn before_showing(&self, look: Look<'_>, visit: &Visit) -> Result<(), Problem> {
        let mut spells = self.spells.lock().await;
        let is_same = |spell: &&mut Spell| {
            spell.who == look.who && spell.route == look.route && spell.begun_at.elapsed() < self.spell
        };
        if let Some(spell) = spells.iter_mut().find(is_same) {
            spell.asked.note(look.question, look.rows);
            return Ok(());
        }
        let mut spell = Spell {
            id: Uuid::now_v7(),
            who: look.who,
            route: look.route.to_owned(),
            begun_at: Instant::now(),
            asked: Asked::nothing(),
        };
        let deed = format!("looks at personal values {}: {}", spell.id.simple(), spell.route);
        let first: String = look.question.chars().take(900).collect();
        let words = Words { deed_id: spell.id, deed, said: vec![format!("first: {first}")] };
        if !write(&self.store, look.who, words, Some(visit)).await? {
            return Err(Problem::later(rules::LEDGER_UNAVAILABLE, 2));
        }
        spell.asked.note(look.question, look.rows);
        spells.push(spell);
        Ok(())
    }

    /// Tells of what is over, until told to stop; then of all.
    pub(crate) async fn run(&self, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow_and_update() {
            self.tell(|spell| spell.is_over(self.spell)).await;
            tokio::select! {
                _stopping = stop.changed() => {}
                () = tokio::time::sleep(self.spell / LOOKS) => {}
            }
        }
        self.tell(|_spell| true).await;
    }

    /// What cannot be written down stays, and is tried again.
    async fn tell(&self, is_over: impl Fn(&mut Spell) -> bool) {
        let mut spells = self.spells.lock().await;
        let mut kept = Vec::new();
        for mut spell in spells.drain(..) {
            if !is_over(&mut spell) {
                kept.push(spell);
                continue;
            }
            let deed = format!("looked at personal values {}: {}", spell.id.simple(), spell.route);
            let deed_id = Uuid::new_v5(&spell.id, b"over");
            match write(&self.store, spell.who, Words { deed_id, deed, said: spell.asked.told("") }, None).await {
                Ok(true) => {}
                Ok(false) => tracing::error!(looks = %spell.id, "a deed of looks was refused: the first one stands"),
                Err(_unavailable) => {
                    tracing::warn!(looks = %spell.id, "looks at personal values are not told of yet");
                    kept.push(spell);
                }
            }
        }
        *spells = kept;
    }
}

impl Spell {
    fn is_over(&mut self, spell: Duration) -> bool {
        let age = self.begun_at.elapsed();
        age >= LONGEST || (age >= spell && self.asked.is_quiet())
    }
}
