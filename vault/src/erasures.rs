//! Who was ordered to be forgotten is: a follower destroys the keys that are left.

use std::sync::Arc;

use domain::{
    aggregate::Aggregate as _,
    fact::Fact,
    operator::{Operator, event::OperatorEvent},
};
use event_store::{Follower, Poison, Recorded};
use futures_util::future::BoxFuture;
use sqlx::PgConnection;

const NAME: &str = "erasures";

/// Destroys the keys of every person whose erasure is in the log, also in a ledger that was restored from an older copy.
#[derive(Debug, Default)]
pub struct Erasures;

impl Follower for Erasures {
    fn name(&self) -> &'static str {
        NAME
    }

    fn apply<'a>(
        &'a mut self,
        books: &'a mut PgConnection,
        events: &'a [Arc<Recorded>],
    ) -> BoxFuture<'a, Result<(), Poison>> {
        Box::pin(async move {
            let mut people = Vec::new();
            for event in events.iter().filter(|event| event.aggregate_type == Operator::TYPE) {
                let mut payload = serde_json::Deserializer::from_str(&event.payload);
                let fact = Fact::read(&event.aggregate_type, &mut payload);
                let fact = fact.map_err(|reason| Poison::Event(reason.to_string()))?;
                if let Fact::Operator(OperatorEvent::PersonErased(erasure)) = fact {
                    people.push(erasure.person.to_string());
                }
            }
            if !people.is_empty() {
                sqlx::query("delete from vault.data_keys where person = any($1)").bind(people).execute(books).await?;
            }
            Ok(())
        })
    }
}
