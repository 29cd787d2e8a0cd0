//! The one SELECT of a question: rows and how far they have come, in one snapshot.

use gate::{Parameters, Problem, rules};
use sqlx::{Postgres, QueryBuilder, Row as _, postgres::PgRow};
use uuid::Uuid;

use super::{
    Reads,
    answer::failed,
    cell::{Cell, Kind},
    cursor::Cursor,
    filter::Condition,
    resource::{Expansion, Resource},
    since::Bound,
    tenant::Tenant,
};

/// What is asked of a resource, for whom.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) resource: &'static Resource,
    pub(crate) tenant: Tenant,
    pub(crate) conditions: Vec<Condition>,
    /// Of what the path names alone.
    pub(crate) within: Option<Condition>,
    /// Nothing behind this is shown.
    pub(crate) bound: Option<Bound>,
    pub(crate) expansions: Vec<&'static Expansion>,
    pub(crate) newest_first: bool,
}

/// Some rows, in order, all of one moment.
#[derive(Debug)]
pub(crate) struct Page {
    /// How far the read models had come.
    pub(crate) position: i64,
    pub(crate) rows: Vec<Vec<Cell>>,
    pub(crate) versions: Vec<Option<i64>>,
    /// Of each row.
    pub(crate) cursors: Vec<Cursor>,
}

impl Question {
    /// # Errors
    /// A parameter that cannot be read, or a log that cannot be asked.
    pub(crate) async fn of(
        resource: &'static Resource,
        tenant: Tenant,
        given: &Parameters<'_>,
        (reads, upto): (&Reads, Option<i64>),
    ) -> Result<Self, Problem> {
        let bound = Bound::at(reads, upto).await?;
        let mut conditions = Vec::new();
        for filter in resource.filters {
            conditions.extend(filter.conditions(given, &tenant, reads).await?);
        }
        let newest_first = given.read("order", |text| match text {
            "newest" => Some(true),
            "oldest" => Some(false),
            _ => None,
        })?;
        let expansions = expansions(resource, given)?;
        let newest_first = newest_first.unwrap_or(true);
        Ok(Self { resource, tenant, conditions, within: None, bound, expansions, newest_first })
    }

    /// Every read model the answer stands on.
    pub(crate) fn models(&self) -> Vec<&'static str> {
        let expanded = self.expansions.iter().flat_map(|expansion| expansion.models);
        let mut models: Vec<&str> = self.resource.models.iter().chain(expanded).copied().collect();
        models.sort_unstable();
        models.dedup();
        models
    }

    /// The rows after a cursor.
    ///
    /// # Errors
    /// The database failed, or takes too long.
    pub(crate) async fn page(&self, reads: &Reads, after: Option<Cursor>, limit: u32) -> Result<Page, Problem> {
        let mut sql = self.head();
        if let Some(Cursor { key, id }) = after {
            let Resource { order, id: id_column, .. } = self.resource;
            let operator = if self.newest_first { "<" } else { ">" };
            sql.push(format!(" and (({order})::bigint, t.{id_column}) {operator} ("));
            sql.push_bind(key).push(", ").push_bind(id).push(")");
        }
        self.tail(&mut sql, limit);
        self.fetch(sql, reads).await
    }

    /// The row of this id.
    ///
    /// # Errors
    /// The database failed.
    pub(crate) async fn row(&self, reads: &Reads, id: Uuid) -> Result<Page, Problem> {
        let mut sql = self.head();
        sql.push(format!(" and t.{} = ", self.resource.id)).push_bind(id);
        self.tail(&mut sql, 1);
        self.fetch(sql, reads).await
    }

    /// Up to where further conditions come. The tenant is the first of them.
    fn head(&self) -> QueryBuilder<'static, Postgres> {
        let Resource { from, id, order, version, tenancy, columns, .. } = self.resource;
        let checkpoints: Vec<String> = self.models().iter().map(|model| format!("'{model}'")).collect();
        let mut sql = QueryBuilder::new(format!(
            "select c.position, t.* from (select case when count(*) = {} then min(position) else 0 end as position \
             from log.followers where name in ({})) c left join lateral (select ({order})::bigint as page_key, t.{id} as page_id, \
             ({})::bigint as page_version",
            checkpoints.len(),
            checkpoints.join(", "),
            version.unwrap_or("null"),
        ));
        for (n, column) in columns.iter().enumerate() {
            sql.push(format!(", {} as c{n}", column.selected()));
        }
        for (n, Expansion { from, on, order, dated, columns, .. }) in self.expansions.iter().enumerate() {
            let pairs: Vec<String> =
                columns.iter().map(|column| format!("'{}', {}", column.name, column.as_json())).collect();
            let object = format!("json_build_object({})", pairs.join(", "));
            let then = self.bound.and_then(|bound| Some(bound.as_it_was(&(*dated)?))).unwrap_or_default();
            sql.push(format!(
                ", (select coalesce(json_agg({object} order by {order}), '[]') from {from} where {on}{then})::jsonb as e{n}"
            ));
        }
        sql.push(format!(" from {from} t"));
        self.tenant.restrict(&mut sql, *tenancy, "t");
        for condition in self.within.iter().chain(&self.conditions) {
            condition.push(&mut sql);
        }
        if let Some(bound) = self.bound {
            sql.push(bound.as_it_was(&self.resource.dated));
        }
        sql
    }

    fn tail(&self, sql: &mut QueryBuilder<'_, Postgres>, limit: u32) {
        let way = if self.newest_first { "desc" } else { "asc" };
        sql.push(format!(" order by 1 {way}, 2 {way} limit ")).push_bind(i64::from(limit));
        sql.push(format!(") t on true order by t.page_key {way}, t.page_id {way}"));
    }

    async fn fetch(&self, mut sql: QueryBuilder<'_, Postgres>, reads: &Reads) -> Result<Page, Problem> {
        let found = sql.build().fetch_all(&reads.pool).await.map_err(failed)?;
        let mut page = self.read(&found).map_err(failed)?;
        page.position = self.bound.map_or(page.position, |bound| page.position.min(bound.upto));
        Ok(page)
    }

    fn read(&self, found: &[PgRow]) -> Result<Page, sqlx::Error> {
        let rows = Vec::with_capacity(found.len());
        let mut page = Page { position: 0, rows, versions: Vec::new(), cursors: Vec::new() };
        for row in found {
            page.position = row.try_get(0)?;
            let Some(key) = row.try_get::<Option<i64>, _>(1)? else { continue };
            page.cursors.push(Cursor { key, id: row.try_get(2)? });
            page.versions.push(row.try_get(3)?);
            let kinds = self.resource.columns.iter().map(|column| column.kind);
            let kinds = kinds.chain(self.expansions.iter().map(|_expansion| Kind::Json));
            let cells = kinds.zip(4..).map(|(kind, at)| Cell::take(row, at, kind));
            page.rows.push(cells.collect::<Result<_, _>>()?);
        }
        Ok(page)
    }
}

/// What is to be shown inside each row.
fn expansions(resource: &'static Resource, given: &Parameters<'_>) -> Result<Vec<&'static Expansion>, Problem> {
    let mut found: Vec<&'static Expansion> = Vec::new();
    let listed = given.get("expand").into_iter().flat_map(|names| names.split(','));
    for (name, parameter) in
        listed.map(|name| (name, "expand")).chain(given.every("expand[]").map(|it| (it, "expand[]")))
    {
        let known = resource.expansions.iter().find(|expansion| expansion.name == name);
        let known = known.ok_or_else(|| Problem::parameter(parameter, rules::PARAMETER_MALFORMED))?;
        if !found.iter().any(|expansion| expansion.name == name) {
            found.push(known);
        }
    }
    Ok(found)
}
