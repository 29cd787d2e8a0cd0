//! What may not change: names for ever, the shape of a table with its version.

use projections::MODELS;
use system_tests::tree::root;

/// Followers of read models: names that checkpoints and operators know. Added to, never altered.
const NAMES: [&str; 8] = ["merchants", "orders", "payments", "refunds", "settlements", "sagas", "analytics", "ledger"];

const SHAPES: &str = "projections/shapes.sql";

#[test]
fn the_names_of_read_models_are_for_ever() {
    let names: Vec<&str> = MODELS.iter().map(|model| model.plan().name).collect();
    for name in NAMES {
        assert!(names.contains(&name), "{name} is known to checkpoints: it keeps its name");
    }
    for name in &names {
        assert!(NAMES.contains(name), "{name} is new: add it to the list, for ever");
    }
    let mut tables: Vec<&str> = MODELS.iter().flat_map(|model| model.plan().tables).map(|table| table.name).collect();
    let count = tables.len();
    tables.sort_unstable();
    tables.dedup();
    assert_eq!(tables.len(), count, "two read models have a table of one name");
}

/// Each read model's tables as committed, under its name and version.
fn shapes() -> Vec<(String, String)> {
    let shape = |model: &&'static dyn projections::ReadModel| {
        let plan = model.plan();
        let ddl: Vec<String> = plan
            .tables
            .iter()
            .map(|table| table.ddl(plan.version) + &table.index_ddl(plan.version).join("\n"))
            .collect();
        (format!("-- {} version {}", plan.name, plan.version), ddl.join("\n"))
    };
    MODELS.iter().map(shape).collect()
}

#[test]
fn a_table_changes_its_shape_only_with_its_version() {
    let path = root().join(SHAPES);
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    let mut wanted =
        String::from("-- The tables of every read model, by version. Written by the tests, compared by them.\n");
    for (head, ddl) in shapes() {
        let old = committed.split("\n-- ").find(|part| head[3..] == *part.lines().next().unwrap_or_default());
        if let Some(old) = old {
            let old = old.split_once('\n').map_or("", |(_head, ddl)| ddl).trim();
            assert_eq!(old, ddl.trim(), "\n{head}: the shape has changed, so must its version\n");
        }
        wanted.push_str(&format!("\n{head}\n{ddl}\n"));
    }
    if std::env::var_os("DAYBOOK_WRITE_DOCS").is_some() {
        std::fs::write(&path, &wanted).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == wanted, "{SHAPES} is not as the code says: run this test with DAYBOOK_WRITE_DOCS=1");
}
