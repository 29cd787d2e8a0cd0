//! A resource: what may be asked of a read model, declared once for every use.

use domain::refusal::Rule;
use gate::Parameter;
use serde_json::{Value, json};

use super::{
    cell::{Shown, row_schema},
    filter::Filter,
    tenant::Tenancy,
};

/// Declared as a constant beside the table it shows.
#[derive(Debug)]
pub(crate) struct Resource {
    /// The relation, with its schema.
    pub(crate) from: &'static str,
    /// The read models it stands on, whose checkpoints say how fresh it is.
    pub(crate) models: &'static [&'static str],
    pub(crate) tenancy: Tenancy,
    /// A uuid column: the key of a row.
    pub(crate) id: &'static str,
    /// A bigint that never changes and grows with every row that comes: lists are in its order.
    pub(crate) order: &'static str,
    /// How it is told what of it came after a position.
    pub(crate) dated: Dated,
    /// How many events it has, for `ETag`.
    pub(crate) version: Option<&'static str>,
    pub(crate) columns: &'static [Shown],
    pub(crate) filters: &'static [Filter],
    pub(crate) expansions: &'static [Expansion],
    /// What is said where there is none, or none of the caller's.
    pub(crate) absent: fn() -> &'static Rule,
}

/// Rows that belong to a row, shown inside it when asked for.
#[derive(Debug)]
pub(crate) struct Expansion {
    pub(crate) name: &'static str,
    pub(crate) models: &'static [&'static str],
    /// The relation with its alias `x`.
    pub(crate) from: &'static str,
    /// How its rows belong to a row `t`: with the tenant in it, where rows have one.
    pub(crate) on: &'static str,
    pub(crate) order: &'static str,
    /// Where its rows change with other events than those of the row they belong to.
    pub(crate) dated: Option<Dated>,
    pub(crate) columns: &'static [Shown],
}

/// How rows tell when they came and when they changed last: two conditions that hold of what came by a position
/// (`$upto`), or before the moment of the event behind it (`$before`).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dated {
    pub(crate) had_come: &'static str,
    pub(crate) is_unchanged: &'static str,
}

impl Dated {
    /// By the positions of first and last event, as most rows have them.
    pub(crate) const BY_POSITION: Self =
        Self { had_come: "t.created_position <= $upto", is_unchanged: "t.updated_position <= $upto" };
    /// Of rows that never change.
    pub(crate) const ONCE: Self = Self { had_come: "t.position <= $upto", is_unchanged: "true" };
}

pub(crate) const LIMIT: u32 = 50;
pub(crate) const LIMIT_MAX: u32 = 500;

pub(crate) const MIN_POSITION: Parameter = Parameter {
    name: "min_position",
    words: "Wait, for a while, until the answer has come as far as this position (as a write's Daybook-Position).",
    schema: position_schema,
};
const EXPAND: Parameter = Parameter {
    name: "expand",
    words: "What belongs to a row, shown inside it: names with commas between them.",
    schema: name_schema,
};
const EXPAND_EACH: Parameter = Parameter { name: "expand[]", words: "As expand, one name each.", schema: name_schema };
const PAGING: [Parameter; 3] = [
    Parameter {
        name: "limit",
        words: "How many at most: 50 when absent, up to 500; CSV, NDJSON and Parquet give all when absent.",
        schema: limit_schema,
    },
    Parameter { name: "cursor", words: "Where the page before ended: its next_cursor.", schema: name_schema },
    Parameter { name: "order", words: "newest (when absent) or oldest first.", schema: order_schema },
];

fn position_schema() -> Value {
    json!({ "type": "integer", "format": "int64", "minimum": 0 })
}

fn name_schema() -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": 500 })
}

fn limit_schema() -> Value {
    json!({ "type": "integer", "minimum": 1, "maximum": LIMIT_MAX })
}

fn order_schema() -> Value {
    json!({ "enum": ["newest", "oldest"] })
}

impl Resource {
    /// What the query of a list may have.
    pub(crate) fn of_lists(&self) -> Vec<Parameter> {
        let filters = self.filters.iter().flat_map(Filter::parameters);
        filters.chain(PAGING).chain(self.of_rows()).collect()
    }

    /// What the query of a single row may have.
    pub(crate) fn of_rows(&self) -> Vec<Parameter> {
        let expand = if self.expansions.is_empty() { Vec::new() } else { vec![EXPAND, EXPAND_EACH] };
        self.tenancy.parameters().iter().copied().chain(expand).chain([MIN_POSITION]).collect()
    }

    /// A row, as JSON Schema.
    pub(crate) fn schema(&self) -> Value {
        let mut schema = row_schema(self.columns);
        for expansion in self.expansions {
            let row = row_schema(expansion.columns);
            let rows = json!({ "type": "array", "items": row, "description": "Where `expand` names it." });
            if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
                properties.insert(expansion.name.to_owned(), rows);
            }
        }
        schema
    }
}
