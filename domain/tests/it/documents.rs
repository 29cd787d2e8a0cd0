//! The documents made from the code: compared, or written when asked to.

use std::{collections::BTreeMap, fmt::Write, fs, path::PathBuf};

use domain::{catalogue, fact::Fact, posting::Posting, refusal::Rule};

use crate::golden::{self, Golden};

/// Written with `DAYBOOK_WRITE_DOCS=1`, compared otherwise.
pub(crate) fn compare(name: &str, made: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name);
    if std::env::var_os("DAYBOOK_WRITE_DOCS").is_some() {
        fs::write(&path, made).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == made, "docs/{name} is not what the code says: run DAYBOOK_WRITE_DOCS=1 cargo test -p domain");
}

/// `merchant:MER00…01:pending` is shown as `merchant:{id}:pending`, a channel's account as `channel:{channel}:…`.
fn shown(posting: &Posting) -> String {
    let mut lines = Vec::new();
    let mut debits_first = posting.lines().to_vec();
    debits_first.sort_by_key(|line| line.side);
    for line in debits_first {
        let account = line.account.to_string();
        let parts: Vec<&str> = account.split(':').collect();
        let account = match parts.as_slice() {
            ["merchant", _, funds] => format!("merchant:{{id}}:{funds}"),
            ["channel", _, which] => format!("channel:{{channel}}:{which}"),
            _ => account.clone(),
        };
        lines.push(format!("{} `{account}` {}", line.side.name(), line.money));
    }
    if let Some(reversed) = posting.reverses() {
        lines.push(format!("reverses `{}…`", &reversed.to_string()[..3]));
    }
    lines.join("<br>")
}

fn named(example: &Golden) -> String {
    let case = example.case.as_ref().map(|case| format!(" ({case})")).unwrap_or_default();
    format!("`{}`{case}", example.event_type)
}

#[test]
fn the_postings_document_is_what_the_code_does() {
    let mut made = String::from(
        "# Postings\n\nWhat each event does to the books, with an example of each shape (`domain/tests/golden`). Made from the \
         code by\n`DAYBOOK_WRITE_DOCS=1 cargo test -p domain`; a test compares. Each movement is posted by one stream only, \
         balanced per\ncurrency; a negative amount goes the other way. Accounts are kept per mode and currency.\n",
    );
    let golden = golden::all();
    for (aggregate, events) in Fact::TYPES {
        write!(made, "\n## {aggregate}\n\n| event | entry |\n|---|---|\n").unwrap();
        let mut none = Vec::new();
        for event in *events {
            let examples = golden.iter().filter(|g| g.aggregate_type == *aggregate && g.event_type == *event);
            let (moving, still): (Vec<_>, Vec<_>) = examples.partition(|g| !g.fact.posting().moves_no_money());
            for example in &moving {
                writeln!(made, "| {} | {} |", named(example), shown(&example.fact.posting())).unwrap();
            }
            match (moving.is_empty(), still.is_empty()) {
                (true, _) => none.push(format!("`{event}`")),
                (false, false) => none.extend(still.iter().map(|example| named(example))),
                (false, true) => {}
            }
        }
        if !none.is_empty() {
            writeln!(made, "| {} | moves no money |", none.join(", ")).unwrap();
        }
    }
    compare("postings.md", &made);
}

#[test]
fn the_refusals_document_is_what_the_code_says() {
    let mut made = String::from(
        "# Refusals\n\nEvery business no, list by list; in each list the first rule that is broken is the answer. Made from \
         the code by\n`DAYBOOK_WRITE_DOCS=1 cargo test -p domain`; a test compares. Codes never change.\n",
    );
    for chapter in catalogue::chapters() {
        write!(made, "\n## {}\n\n| code | status | English | 中文 |\n|---|---|---|---|\n", chapter.name).unwrap();
        for Rule { code, http_status, english, chinese } in chapter.rules {
            writeln!(made, "| `{code}` | {http_status} | {english} | {chinese} |").unwrap();
        }
    }
    compare("refusals.md", &made);
}

#[test]
fn a_code_means_one_thing_wherever_it_is_used() {
    let mut known: BTreeMap<&str, &Rule> = BTreeMap::new();
    for rule in catalogue::chapters().iter().flat_map(|chapter| chapter.rules.iter().copied()) {
        assert_eq!(*known.entry(rule.code).or_insert(rule), rule, "{}", rule.code);
    }
}

#[test]
fn a_code_is_snake_case_its_status_a_clients_and_its_sentences_are_sentences() {
    for rule in catalogue::chapters().iter().flat_map(|chapter| chapter.rules.iter().copied()) {
        let snake = rule.code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        assert!(snake && !rule.code.starts_with('_') && !rule.code.ends_with('_'), "{}", rule.code);
        assert!([400, 403, 404, 409, 422].contains(&rule.http_status), "{}", rule.code);
        assert!(rule.english.ends_with('.') && rule.english.is_ascii(), "{}", rule.code);
        assert!(rule.chinese.ends_with('。') && !rule.chinese.contains('.'), "{}", rule.code);
    }
}

#[test]
fn a_list_names_each_code_once() {
    for chapter in catalogue::chapters() {
        let mut codes: Vec<&str> = chapter.rules.iter().map(|rule| rule.code).collect();
        let count = codes.len();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), count, "{}", chapter.name);
    }
}
