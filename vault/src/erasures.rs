//! Who was ordered to be forgotten is: a follower destroys the keys that are left.

use std::sync::Arc;

use domain::{
    aggregate::Aggregate as _,
    fact::Fact,
    operator::{Operator, event::OperatorEvent},
};
use event_store::{Follower, Poison, Recorded, Store};
use futures_util::future::BoxFuture;
use sqlx::{
    PgConnection,
    postgres::{PgExecutor, PgPool},
};

const NAME: &str = "erasures";
const ERASED: &str = "person_erased";
/// Orders read at once.
const PAGE: i64 = 5_000;

/// Destroys the keys of every person whose erasure is in the log: those that were there when it was ordered.
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
            let orders = events.iter().map(|event| order(event)).collect::<Result<Vec<_>, _>>();
            let orders = orders.map_err(Poison::Event)?;
            carry_out(books, orders.into_iter().flatten()).await?;
            Ok(())
        })
    }
}

/// Why the orders in the log could not be carried out again.
#[derive(Debug, thiserror::Error)]
pub enum ErasuresFailure {
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
    #[error("an order to forget somebody cannot be read: {0}")]
    Unreadable(String),
}

/// Carries out every order in the log once more, whoever has carried it out before: the keys may have been put back from
/// an older copy of them. How many were destroyed.
///
/// # Errors
/// The database failed, or an order cannot be read.
pub async fn forget_again(store: &Store, pool: &PgPool) -> Result<u64, ErasuresFailure> {
    let (mut after, mut destroyed) = (0, 0_u64);
    loop {
        let page = store.events_of_type(Operator::TYPE, ERASED, after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(destroyed) };
        after = last.position;
        let orders = page.iter().map(order).collect::<Result<Vec<_>, _>>().map_err(ErasuresFailure::Unreadable)?;
        destroyed = destroyed.saturating_add(carry_out(pool, orders.into_iter().flatten()).await?);
    }
}

/// Whom an event orders to be forgotten, and its position.
fn order(event: &Recorded) -> Result<Option<(String, i64)>, String> {
    if event.aggregate_type != Operator::TYPE || event.event_type != ERASED {
        return Ok(None);
    }
    let mut payload = serde_json::Deserializer::from_str(&event.payload);
    let fact = Fact::read(&event.aggregate_type, &mut payload).map_err(|reason| reason.to_string())?;
    if let Fact::Operator(OperatorEvent::PersonErased(erasure)) = &fact {
        return Ok(Some((erasure.person.to_string(), event.position)));
    }
    Err(format!("position {} says {} and is {}", event.position, event.event_type, fact.event_type()))
}

/// What a person brought after the order is not meant by it.
pub(crate) async fn carry_out(
    database: impl PgExecutor<'_>,
    orders: impl Iterator<Item = (String, i64)>,
) -> Result<u64, sqlx::Error> {
    let (people, positions): (Vec<String>, Vec<i64>) = orders.unzip();
    if people.is_empty() {
        return Ok(0);
    }
    let delete = "delete from vault.data_keys k using unnest($1::text[], $2::bigint[]) as o (person, position) \
         where k.person = o.person and k.position < o.position";
    Ok(sqlx::query(delete).bind(people).bind(positions).execute(database).await?.rows_affected())
}
