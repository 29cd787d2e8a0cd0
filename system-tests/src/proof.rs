//! The table of rows in docs/proof.md, made from the list and the tests naming them.

use std::collections::BTreeMap;

use crate::tree::Tree;

mod rows;
pub use rows::ROWS;

pub const DOCUMENT: &str = "docs/proof.md";
pub const MARKERS_MISSING: &str = "docs/proof.md needs the lines `<!-- rows -->` and `<!-- end of rows -->`";
const BEGIN: &str = "<!-- rows -->\n";
const END: &str = "<!-- end of rows -->";

/// One row of the fault list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    pub id: &'static str,
    pub holds: &'static str,
    pub standing: Standing,
}

/// What can be said of a row besides the tests that name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// By tests, or it is open.
    Tested,
    InPart(&'static str),
    Awaits(&'static str),
    ByConstruction(&'static str),
    NotApplicable(&'static str),
}

/// Tests by the row they name: each as its file and its name.
pub type Covered = BTreeMap<String, Vec<(String, String)>>;

/// Reads which test covers which row: `// covers A5, I7 …` stands before each.
///
/// # Errors
/// Where such a line names no row, or has no test after it.
pub fn covered(tree: &Tree) -> Result<Covered, String> {
    let mut covered = Covered::new();
    for source in tree.under("", ".rs") {
        let lines: Vec<&str> = source.text.lines().map(str::trim_start).collect();
        for (n, line) in lines.iter().enumerate() {
            let Some(words) = line.strip_prefix("// covers ") else { continue };
            let at = format!("{}:{}", source.path, n.saturating_add(1));
            let named: Vec<&str> = words.split([',', ' ', ':', ';']).filter(|word| is_id(word)).collect();
            let test = lines.iter().skip(n).take(8).find_map(|line| name_of_test(line));
            let test = test.ok_or_else(|| format!("{at}: no test follows"))?;
            if named.is_empty() {
                return Err(format!("{at}: names no row"));
            }
            for id in named {
                if !ROWS.iter().any(|row| row.id == id) {
                    return Err(format!("{at}: there is no row {id}"));
                }
                covered.entry(id.to_owned()).or_default().push((source.path.clone(), test.to_owned()));
            }
        }
    }
    Ok(covered)
}

/// A letter and a number.
fn is_id(word: &str) -> bool {
    let mut letters = word.chars();
    let begins = letters.next().is_some_and(|letter| ('A'..='I').contains(&letter));
    begins && word.len() > 1 && letters.all(|digit| digit.is_ascii_digit())
}

fn name_of_test(line: &str) -> Option<&str> {
    let line = line.strip_prefix("async ").unwrap_or(line);
    line.strip_prefix("fn ")?.split('(').next()
}

/// The rows whose standing says something else than the tests do.
pub fn contradictions(covered: &Covered) -> Vec<String> {
    let tested = |row: &Row| covered.contains_key(row.id);
    ROWS.iter()
        .filter_map(|row| match row.standing {
            Standing::Awaits(_) | Standing::NotApplicable(_) if tested(row) => {
                Some(format!("{}: a test covers it, so it is not to be called open or not applicable", row.id))
            }
            Standing::InPart(_) if !tested(row) => Some(format!("{}: no test covers any part of it", row.id)),
            Standing::Tested
            | Standing::InPart(_)
            | Standing::Awaits(_)
            | Standing::ByConstruction(_)
            | Standing::NotApplicable(_) => None,
        })
        .collect()
}

/// The document with the table as it should be; nothing where it lacks the markers.
pub fn renewed(tree: &Tree, covered: &Covered) -> Option<String> {
    let document = tree.text(DOCUMENT)?;
    let (before, rest) = document.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}{}{END}{after}", table(covered)))
}

fn table(covered: &Covered) -> String {
    let counted = |is_so: fn(&Standing) -> bool| ROWS.iter().filter(|row| is_so(&row.standing)).count();
    let built = counted(|standing| matches!(standing, Standing::ByConstruction(_)));
    let foreign = counted(|standing| matches!(standing, Standing::NotApplicable(_)));
    let open = ROWS.iter().filter(|row| told(row, covered).starts_with("**open**")).count();
    let in_part = ROWS.iter().filter(|row| told(row, covered).contains("**not yet**")).count();
    let tested = ROWS.len().saturating_sub(built + foreign + open + in_part);
    let mut table = format!(
        "Of {} rows {tested} are shown by tests, {in_part} in part, {built} hold by construction, {foreign} do not apply, \
         {open} are open.\n\n\
         | row | what must hold | shown by |\n|---|---|---|\n",
        ROWS.len()
    );
    for row in ROWS {
        table.push_str(&format!("| {} | {} | {} |\n", row.id, row.holds, told(row, covered)));
    }
    table
}

fn told(row: &Row, covered: &Covered) -> String {
    let tests = covered.get(row.id).map(|tests| listed(tests));
    match (row.standing, tests) {
        (Standing::NotApplicable(why), _) => format!("not applicable: {why}"),
        (Standing::ByConstruction(why), None) => format!("by construction: {why}"),
        (Standing::ByConstruction(why), Some(tests)) => format!("by construction: {why}; {tests}"),
        (Standing::InPart(lacks), Some(tests)) => format!("{tests}; **not yet**: {lacks}"),
        (Standing::Tested, Some(tests)) => tests,
        (Standing::Awaits(what), _) => format!("**open**: awaits {what}"),
        (Standing::Tested | Standing::InPart(_), None) => "**open**".to_owned(),
    }
}

/// File by file, as short as it is still found.
fn listed(tests: &[(String, String)]) -> String {
    let short = |path: &str| path.replace("system-tests/tests/it/", "").replace("/src/", "/");
    let mut files: Vec<(String, Vec<&str>)> = Vec::new();
    for (path, test) in tests {
        let path = short(path);
        match files.iter_mut().find(|(known, _tests)| *known == path) {
            Some((_path, known)) if known.contains(&test.as_str()) => {}
            Some((_path, known)) => known.push(test),
            None => files.push((path, vec![test])),
        }
    }
    let files: Vec<String> = files.iter().map(|(path, tests)| format!("`{path}` {}", tests.join(", "))).collect();
    files.join("; ")
}
