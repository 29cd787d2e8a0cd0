//! What a row comes to: an act under the row's own key, so that it is done once.

use std::{collections::HashSet, sync::Arc};

use domain::{
    actor::Actor,
    aggregate::Aggregate,
    id::{MerchantId, OperatorId},
    old_name::{
        OldName, OldNameCommand,
        event::{Given, StandsFor},
    },
    refusal::Refusal as _,
};
use event_store::{Act, Answer, Books, Halt, Key, Tenant, Verdict};
use vault::Vault;

use super::{
    row::{Amiss, Row, amiss},
    sums::Share,
};

/// Remembered under a row's key: no status that a request is ever answered with.
const DONE: i16 = 0;

/// What all rows have in common.
pub(super) struct Takeover {
    /// The name of the platform before.
    pub(super) source: String,
    pub(super) by: OperatorId,
    pub(super) vault: Vault,
    /// The old ids of merchants that are here, or will be.
    pub(super) merchants: HashSet<String>,
}

type Decide = dyn Fn(&mut Books<'_>) -> Result<(), Halt> + Send + Sync;

/// A row, ready for the log.
pub(super) struct Planned {
    /// Which row of which table of which source.
    pub(super) source: String,
    pub(super) key: Key,
    pub(super) tenant: Tenant,
    pub(super) decide: Arc<Decide>,
    /// What is remembered under the key.
    pub(super) answer: Answer,
    pub(super) share: Option<Share>,
    actor: OperatorId,
}

/// What became of reading it.
pub(super) enum Read {
    Act(Box<Planned>),
    /// It is held against what others bring, and brings nothing itself.
    Compared(Share),
    /// It has ended: nothing asks for it any more.
    Expired,
}

impl Takeover {
    /// Under this the row stands, for ever.
    pub(super) fn source_of(&self, table: &str, id: &str) -> String {
        format!("{}/{table}/{id}", self.source)
    }

    /// An act under the row's own key.
    pub(super) fn plan(
        &self,
        table: &'static str,
        row: &Row<'_>,
        tenant: Tenant,
        decide: impl Fn(&mut Books<'_>) -> Result<(), Halt> + Send + Sync + 'static,
    ) -> Result<Planned, Amiss> {
        let id = row.id("id")?;
        let key = Key {
            scope: format!("taken over from {}", self.source).into(),
            key: format!("{table}/{id}").into(),
            fingerprint: row.fingerprint(&self.vault, table),
        };
        Ok(Planned {
            source: self.source_of(table, id),
            key,
            tenant,
            decide: Arc::new(decide),
            answer: Answer { status: DONE, body: String::new() },
            share: None,
            actor: self.by,
        })
    }

    /// The merchant a row names, by its id here.
    pub(super) fn merchant(&self, row: &Row<'_>) -> Result<MerchantId, Amiss> {
        let old_id = row.id("merchant")?;
        if !self.merchants.contains(old_id) {
            return Err(amiss("merchant", "is no merchant of the table `merchants` that could be taken over"));
        }
        Ok(MerchantId::taken_over(&self.source, old_id))
    }

    pub(super) const fn actor(&self) -> Actor {
        Actor::Operator(self.by)
    }
}

impl Planned {
    /// Made anew for every time it is handed over.
    pub(super) fn act(&self) -> Act {
        let (decide, answer) = (Arc::clone(&self.decide), self.answer.clone());
        Act {
            tenant: self.tenant,
            key: Some(self.key.clone()),
            metadata: vec![("actor", self.actor.to_string()), ("taken_over", self.source.clone())],
            decision: Box::new(move |books| decide(books).map(|()| Verdict::Accepted(answer.clone()))),
        }
    }
}

/// Has an aggregate take a command. What it refuses is not remembered: the row may be mended, or what stands in its way.
pub(super) fn tell<A: Aggregate>(books: &mut Books<'_>, id: &Arc<str>, command: &A::Command) -> Result<(), Halt> {
    match books.tell::<A>(id, command)? {
        Ok(()) => Ok(()),
        Err(refusal) => Err(Halt::give_up(refusal.code(), refusal.to_string())),
    }
}

/// Gives an old name to what it stands for here.
pub(super) fn name(books: &mut Books<'_>, given: &Given) -> Result<(), Halt> {
    let id: Arc<str> = given.old_name_id.to_string().into();
    books.presume_new::<OldName>(&id);
    tell::<OldName>(books, &id, &OldNameCommand::Give(Box::new(given.clone())))
}

/// A name that is to be given.
pub(super) fn given(old_name_id: domain::id::OldNameId, source: String, stands_for: StandsFor) -> Given {
    Given { old_name_id, source, stands_for }
}

/// Of a merchant in both its modes.
pub(super) const fn of_merchant(merchant: MerchantId) -> Tenant {
    Tenant { merchant_id: Some(merchant.uuid()), livemode: None }
}

/// Of a merchant in one.
pub(super) const fn of_mode(merchant: MerchantId, livemode: bool) -> Tenant {
    Tenant { merchant_id: Some(merchant.uuid()), livemode: Some(livemode) }
}
