//! What analysts see: a documented view of every table, with amounts scaled.

use std::fmt::Write as _;

use domain::currency::Currency;
use sqlx::Executor as _;
use sqlx::postgres::PgConnection;

use crate::read_model::{MODELS, Plan};
use crate::table::{ColumnOf, Table, quoted};

/// Ids that have a prefix outside: how they are written there.
const PREFIXES: [(&str, &str); 8] = [
    ("merchant_id", "MER"),
    ("order_id", "ORD"),
    ("payment_id", "PAY"),
    ("refund_id", "REF"),
    ("settlement_id", "SET"),
    ("payout_id", "POT"),
    ("dispute_id", "DSP"),
    ("capture_id", "CAP"),
];

/// A column as analysts have it: its name, where it comes from, its type, and what it holds.
struct Shown {
    name: String,
    from: String,
    kind: &'static str,
    about: String,
}

/// How many decimals each currency has, and amounts in major units.
pub(crate) async fn make_words(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let mut by_exponent = std::collections::BTreeMap::<u8, Vec<String>>::new();
    for currency in Currency::all() {
        by_exponent.entry(currency.exponent()).or_default().push(quoted(currency.code()));
    }
    let mut cases = String::new();
    for (exponent, codes) in by_exponent {
        write!(cases, "when currency in ({}) then {exponent} ", codes.join(", ")).unwrap_or_default();
    }
    let function = format!(
        "create or replace function reporting.major(amount_minor numeric, currency text) returns numeric \
         language sql immutable parallel safe as $$ select amount_minor / 10::numeric ^ (case {cases} end) $$"
    );
    connection.execute(function.as_str()).await?;
    let words = "comment on function reporting.major is 'An amount in major units: 1230 minor units of USD are 12.30.'";
    connection.execute(words).await.map(drop)
}

/// The views over one build of a read model.
pub(crate) async fn show(connection: &mut PgConnection, plan: &Plan, build: i32) -> Result<(), sqlx::Error> {
    for table in plan.tables {
        let columns: Vec<Shown> = columns(table);
        let selected: Vec<String> =
            columns.iter().map(|column| format!("{} as {}", column.from, column.name)).collect();
        let (name, from) = (table.name, table.of_build(build));
        let mut view = format!(
            "drop view if exists reporting.{name}; create view reporting.{name} as select {} from {from} t;",
            selected.join(", ")
        );
        write!(view, "comment on view reporting.{name} is {};", quoted(table.about)).unwrap_or_default();
        for column in &columns {
            write!(view, "comment on column reporting.{name}.{} is {};", column.name, quoted(&column.about))
                .unwrap_or_default();
        }
        connection.execute(view.as_str()).await?;
    }
    Ok(())
}

fn columns(table: &Table) -> Vec<Shown> {
    let has_currency = table.columns.iter().any(|column| column.name == "currency");
    let mut shown = Vec::new();
    for column in table.columns.iter().filter(|column| column.is_reported) {
        shown.push(as_it_is(table, column));
        if let Some(name) = column.name.strip_suffix("_minor").filter(|_name| has_currency) {
            shown.push(Shown {
                name: name.to_owned(),
                from: format!("reporting.major(t.{}, t.currency)", column.name),
                kind: "numeric",
                about: format!("The same in major units of the currency: {}.", column.name),
            });
        }
    }
    shown
}

fn as_it_is(table: &Table, column: &ColumnOf) -> Shown {
    let is_own_id = column.name == "id" && table.name != "saga_instances" && column.kind == "uuid";
    let own = format!("{}_id", table.name.trim_end_matches('s'));
    let known = if is_own_id { own.as_str() } else { column.name };
    let prefix = PREFIXES.iter().find(|(name, _prefix)| *name == known && column.kind == "uuid");
    let from = match prefix {
        Some((_name, prefix)) => format!("'{prefix}' || replace(t.{}::text, '-', '')", column.name),
        None => format!("t.{}", column.name),
    };
    let kind = if prefix.is_some() { "text" } else { column.kind };
    Shown { name: column.name.to_owned(), from, kind, about: column.about.trim().to_owned() }
}

/// The document of all of it, for people.
pub fn document() -> String {
    let mut text = String::from(
        "# Reporting\n\nFor analysts: the schema `reporting`, one documented view for each table of the read models. \
         Written from the code by\n`DAYBOOK_WRITE_DOCS=1 cargo test -p system-tests reporting`; a test compares. \
         The same words stand in the database (`\\d+ reporting.…`).\n\n\
         The role `daybook_analyst` may read these views and nothing else. A statement of it ends after 60 seconds, an \
         idle\ntransaction after 10, an idle session after 15 minutes. It has no password until somebody gives it one:\n\
         `alter role daybook_analyst password '…'`. Each read model is as of the position of its follower: \
         `daybook projection list`.\n\nPersonal values are not here: they are sealed, and opened only by the API for \
         those who may see them.\n\n",
    );
    text.push_str(include_str!("reporting/queries.md"));
    for table in MODELS.iter().flat_map(|model| model.plan().tables) {
        writeln!(text, "\n## {}\n\n{}\n\n| column | type | |\n|---|---|---|", table.name, table.about.trim())
            .unwrap_or_default();
        for column in columns(table) {
            let kind = column.kind.split(" collate").next().unwrap_or(column.kind);
            writeln!(text, "| `{}` | {kind} | {} |", column.name, column.about).unwrap_or_default();
        }
    }
    text
}
