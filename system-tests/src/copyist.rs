//! A follower that writes down every event it is handed, as often as it is.

use std::sync::Arc;

use event_store::{Follower, Poison, Recorded};
use futures_util::future::BoxFuture;
use sqlx::{Executor as _, PgConnection};
use uuid::Uuid;

/// Its table is `copies`, in the order of its writing.
#[derive(Clone, Copy, Debug)]
pub struct Copyist;

impl Copyist {
    /// Makes the table.
    ///
    /// # Errors
    /// The database refuses.
    pub async fn make_room(superuser: &mut PgConnection) -> Result<(), sqlx::Error> {
        superuser.execute("create table copies (number bigserial, position bigint, event_id uuid)").await?;
        superuser.execute("grant all on copies, copies_number_seq to daybook_app").await?;
        Ok(())
    }
}

impl Follower for Copyist {
    fn name(&self) -> &'static str {
        "copyist"
    }

    fn apply<'a>(
        &'a mut self,
        books: &'a mut PgConnection,
        events: &'a [Arc<Recorded>],
    ) -> BoxFuture<'a, Result<(), Poison>> {
        Box::pin(async move {
            let positions: Vec<i64> = events.iter().map(|event| event.position).collect();
            let ids: Vec<Uuid> = events.iter().map(|event| event.event_id).collect();
            sqlx::query("insert into copies (position, event_id) select * from unnest($1::bigint[], $2::uuid[])")
                .bind(positions)
                .bind(ids)
                .execute(books)
                .await?;
            Ok(())
        })
    }
}
