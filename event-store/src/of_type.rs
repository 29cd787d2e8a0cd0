//! Events of one type, whatever stream of a kind they are in.

use crate::recorded::{COLUMNS, Recorded};
use crate::store::Store;

impl Store {
    /// The events of one type in all streams of a kind, after a position, at most so many, in the order of the log. The
    /// streams of a kind lie together in the index: this costs as much as the kind has events, so it is for small ones.
    ///
    /// # Errors
    /// Where the log cannot be reached.
    pub async fn events_of_type(
        &self,
        aggregate_type: &str,
        event_type: &str,
        after: i64,
        most: i64,
    ) -> Result<Vec<Recorded>, sqlx::Error> {
        // Found by the kind first, whatever the planner thinks of the order.
        let select = format!(
            "select * from (select {COLUMNS} from log.events \
               where aggregate_type = $1 and event_type = $2 and position > $3 offset 0) e \
             order by position limit $4"
        );
        let query = sqlx::query(&select).bind(aggregate_type).bind(event_type).bind(after).bind(most);
        query.fetch_all(self.pool()).await?.iter().map(Recorded::from_row).collect()
    }
}
