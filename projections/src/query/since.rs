//! Lists in an auditor's session: what stood when it began; what changed since is named.

use chrono::{DateTime, Utc};
use gate::{Problem, Reply, rules};
use serde_json::{Value, json};
use sqlx::QueryBuilder;
use uuid::Uuid;

use super::{
    Reads,
    answer::failed,
    cell::{Kind, told},
    resource::{Dated, Resource},
    select::Question,
};

/// Names that are told of what has changed; of more it is said that there are more.
const NAMED_MAX: usize = 100;

/// The end of the log as it is shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bound {
    pub(crate) upto: i64,
    /// When the event behind it was recorded.
    before: DateTime<Utc>,
}

/// What was there already, and has changed since: how it stood then is not kept, so it is not in the list.
#[derive(Debug)]
pub(crate) struct Changed {
    names: Vec<String>,
    has_more: bool,
}

impl Bound {
    /// # Errors
    /// The log cannot be asked.
    pub(crate) async fn at(reads: &Reads, upto: Option<i64>) -> Result<Option<Self>, Problem> {
        let Some(upto) = upto else { return Ok(None) };
        // The deed that opened the session stands behind it.
        let behind = reads.gate.store.event(upto.saturating_add(1)).await.map_err(failed)?;
        let before = behind.map_or_else(Utc::now, |event| event.recorded_at);
        Ok(Some(Self { upto, before }))
    }

    /// Rows that had come by then and have not changed since.
    pub(crate) fn as_it_was(self, dated: &Dated) -> String {
        format!(" and {} and {}", self.written(dated.had_come), self.written(dated.is_unchanged))
    }

    fn changed(self, dated: &Dated) -> String {
        format!(" and {} and not ({})", self.written(dated.had_come), self.written(dated.is_unchanged))
    }

    /// Both are numbers of ours.
    fn written(self, condition: &str) -> String {
        condition.replace("$upto", &self.upto.to_string()).replace("$before", &format!("'{}'", told(self.before)))
    }
}

impl Question {
    /// What the caller could see, whatever else it asks for, and what has changed since the bound; nothing without one.
    ///
    /// # Errors
    /// The database failed.
    pub(crate) async fn changed(&self, reads: &Reads, id: Option<Uuid>) -> Result<Option<Changed>, Problem> {
        let Some(bound) = self.bound else { return Ok(None) };
        let Resource { from, id: id_column, order, tenancy, dated, .. } = self.resource;
        let mut sql = QueryBuilder::new(format!("select t.{id_column} from {from} t"));
        self.tenant.restrict(&mut sql, *tenancy, "t");
        if let Some(within) = &self.within {
            within.push(&mut sql);
        }
        if let Some(id) = id {
            sql.push(format!(" and t.{id_column} = ")).push_bind(id);
        }
        sql.push(bound.changed(dated)).push(format!(" order by ({order})::bigint desc limit "));
        sql.push_bind(i64::try_from(NAMED_MAX).unwrap_or(i64::MAX).saturating_add(1));
        let mut ids: Vec<Uuid> = sql.build_query_scalar().fetch_all(&reads.pool).await.map_err(failed)?;
        if id.is_some() && ids.is_empty() {
            return Ok(None);
        }
        let has_more = ids.len() > NAMED_MAX;
        ids.truncate(NAMED_MAX);
        let prefix = self.resource.prefix();
        let names = ids.into_iter().map(|id| format!("{prefix}{}", id.simple())).collect();
        Ok(Some(Changed { names, has_more }))
    }
}

impl Resource {
    /// What stands before the id of a row outside.
    fn prefix(&self) -> &'static str {
        let kinds = self.columns.iter().filter(|column| column.sql == self.id).map(|column| column.kind);
        kinds
            .filter_map(|kind| if let Kind::Id(prefix) = kind { Some(prefix) } else { None })
            .next()
            .unwrap_or_default()
    }
}

impl Changed {
    pub(crate) fn told(&self) -> Value {
        json!({ "names": self.names, "has_more": self.has_more })
    }

    /// How many, for answers that are nothing but rows.
    pub(crate) fn mark(self, reply: Reply) -> Reply {
        let more = if self.has_more { "+" } else { "" };
        reply.with("daybook-changed-since", format!("{}{more}", self.names.len()))
    }

    /// For whoever asked for this one row.
    pub(crate) fn refusal(self) -> Problem {
        Problem::turned_away(rules::CHANGED_SINCE)
    }
}
