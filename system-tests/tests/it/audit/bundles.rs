//! A bundle for an audit: true as made, with nothing else; however changed, named.

use std::fs;
use std::path::{Path, PathBuf};

use audit::bundle::{CHECKPOINTS, EVENTS, FILES, JOURNAL, KEYS, Listed, MANIFEST, Manifest, PROOFS, SCHEMAS};
use audit::receipt::Told;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use system_tests::branch::{Branch, fresh};

use super::Directory;
use super::served::{branch, get, offline, run};
use crate::http::captured::captured;

/// A ledger with payments, a closed month and something late, all of it signed; and its bundle.
struct Bundled {
    place: Directory,
    branch: Branch,
    public: String,
    size: u64,
}

impl Bundled {
    async fn fresh() -> Self {
        let place = Directory::fresh();
        let (branch, public) = branch(&place).await;
        let merchant = branch.merchant().await.unwrap();
        captured(&branch, &merchant, &fresh("bundled")).await;
        branch.operate("/api/v1/periods", &json!({ "month": "2026-01", "livemode": false })).await.unwrap();
        let late = json!({ "channel": "stripe", "currency": "USD", "gross": 300, "fee": 9, "net": 291,
                           "effective_at": "2026-01-20T12:00:00Z", "livemode": false });
        let late = branch.operate("/api/v1/remittances", &late).await.unwrap();
        let position = late.header("daybook-position").unwrap().to_owned();
        // It is proven as soon as it is signed.
        let proof = get(&branch, &branch.operator, &format!("/api/v1/audit/entries/{position}/proof")).await;
        assert_eq!(proof.status, 200, "{proof:?}");
        let to = place.at("bundle");
        let (said, code) = run(&branch, &["export", "bundle", "--to", to.to_str().unwrap()]);
        assert_eq!(code, 0, "{said}");
        let manifest: Manifest = serde_json::from_str(&fs::read_to_string(to.join(MANIFEST)).unwrap()).unwrap();
        assert!(manifest.size >= position.parse().unwrap(), "{manifest:?}");
        Self { place, branch, public, size: manifest.size }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.place.at(name)
    }

    fn check(&self, directory: &Path, key: &str) -> (String, i32) {
        offline(&self.place, &["verify", "bundle", directory.to_str().unwrap(), "--key", key])
    }

    /// The bundle once more, changed.
    fn changed(&self, change: impl FnOnce(&Path)) -> (String, i32) {
        let copy = self.at("changed");
        fs::create_dir(&copy).unwrap();
        for name in FILES.iter().chain([&MANIFEST]) {
            fs::copy(self.at("bundle").join(name), copy.join(name)).unwrap();
        }
        change(&copy);
        let found = self.check(&copy, &self.public);
        fs::remove_dir_all(copy).unwrap();
        found
    }
}

fn lines(directory: &Path, name: &str) -> Vec<String> {
    fs::read_to_string(directory.join(name)).unwrap().lines().map(str::to_owned).collect()
}

fn write(directory: &Path, name: &str, lines: &[String]) {
    fs::write(directory.join(name), lines.join("\n") + "\n").unwrap();
}

/// The manifest made to fit, as whoever changes a bundle would: it is signed by nobody.
fn cover_up(directory: &Path, size: Option<u64>) {
    let mut manifest: Manifest = serde_json::from_slice(&fs::read(directory.join(MANIFEST)).unwrap()).unwrap();
    manifest.size = size.unwrap_or(manifest.size);
    for listed in &mut manifest.files {
        let Ok(bytes) = fs::read(directory.join(&listed.name)) else { continue };
        let sha256 = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        *listed = Listed { name: listed.name.clone(), bytes: u64::try_from(bytes.len()).unwrap(), sha256 };
    }
    fs::write(directory.join(MANIFEST), serde_json::to_string(&manifest).unwrap()).unwrap();
}

/// Changes lines of a file, and makes the manifest fit.
fn rewritten(name: &str, change: impl FnOnce(&mut Vec<String>)) -> impl FnOnce(&Path) {
    move |directory| {
        let mut there = lines(directory, name);
        change(&mut there);
        write(directory, name, &there);
        cover_up(directory, None);
    }
}

/// The first line whose event is of this type.
fn nth(lines: &[String], event_type: &str) -> usize {
    let is_it = |line: &String| serde_json::from_str::<Value>(line).unwrap()["event"]["event_type"] == event_type;
    lines.iter().position(is_it).unwrap_or_else(|| panic!("no {event_type}"))
}

/// With the hash of what it is now.
fn hashed(line: &str) -> String {
    let mut line: Value = serde_json::from_str(line).unwrap();
    let told: Told = serde_json::from_value(line["event"].clone()).unwrap();
    line["leaf"] = told.leaf().hash(&mut Vec::new()).to_string().into();
    line.to_string()
}

// covers I15
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bundle_is_checked_with_nothing_and_every_change_of_it_is_named() {
    let bundled = Bundled::fresh().await;
    let (said, code) = bundled.check(&bundled.at("bundle"), &bundled.public);
    let well = format!("well: {} events of example.com/ledger, all as they were signed", bundled.size);
    assert_eq!((code, said.contains(&well)), (0, true), "{said}");
    // The journal is the one the ledger's own tables give, to the byte, with what is late in it.
    let (head, journal) = (bundled.size.to_string(), fs::read_to_string(bundled.at("bundle").join(JOURNAL)).unwrap());
    let min = format!("/api/v1/ledger/balances?min_position={head}");
    assert_eq!(get(&bundled.branch, &bundled.branch.operator, &min).await.status, 200);
    let (exported, code) = run(&bundled.branch, &["export", "hledger", "--at-position", &head]);
    assert_eq!((code, &exported), (0, &journal));
    assert!(journal.contains(", occurred:2026-01-20"), "{journal}");
    // It is made whole or not at all, and never over another.
    let (said, code) = run(&bundled.branch, &["export", "bundle", "--to", bundled.at("bundle").to_str().unwrap()]);
    assert_eq!((code, said.contains("is there already")), (1, true), "{said}");

    events_are_as_they_were(&bundled);
    the_rest_is_as_it_was(&bundled);
    is_named(bundled.check(&bundled.at("bundle"), OTHER), "not signed by any of the keys that are trusted");
    // Nothing that was done to the copies is left: the bundle is well as before.
    assert_eq!(bundled.check(&bundled.at("bundle"), &bundled.public).1, 0);
}

/// A key that has signed nothing here.
const OTHER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

fn is_named((said, code): (String, i32), words: &str) {
    assert_eq!((code, said.contains(words)), (31, true), "{words}: {said}");
}

fn events_are_as_they_were(bundled: &Bundled) {
    let named = |change: &dyn Fn(&mut Vec<String>), words: &str| {
        is_named(bundled.changed(rewritten(EVENTS, |events| change(events))), words);
    };
    let all = lines(&bundled.at("bundle"), EVENTS);
    let recorded = nth(&all, "recorded");
    let position = recorded + 1;
    let dearer = |line: &str| line.replace(r#"\"amount_minor\":291"#, r#"\"amount_minor\":292"#);
    assert_ne!(dearer(&all[recorded]), all[recorded]);
    let unknown = |line: &str| hashed(&line.replace(r#""event_version":"1.0""#, r#""event_version":"9.0""#));
    let last = usize::try_from(bundled.size).unwrap() - 1;

    let emptied = bundled.changed(|it| fs::write(it.join(EVENTS), "").unwrap());
    is_named(emptied, "events.ndjson: its hash is not the manifest's");
    named(
        &|events| events[recorded] = dearer(&events[recorded]),
        &format!("events.ndjson: position {position}: the event is not the one whose hash stands beside it"),
    );
    named(&|events| events[recorded] = hashed(&dearer(&events[recorded])), "are not those that were signed");
    named(&|events| drop(events.remove(4)), "position 5: the events up to 5 are missing");
    named(&|events| events.swap(4, 5), "events.ndjson: position 5: the events up to 5 are missing");
    named(&|events| events.insert(5, events[4].clone()), "position 5: it stands where position 6 belongs");
    named(&|events| events.truncate(last), &format!("position {}: the events end here", last + 1));
    named(&|events| "{}".clone_into(&mut events[3]), "position 4: it cannot be read");
    named(
        &|events| events[recorded] = unknown(&events[recorded]),
        &format!("position {position} is a recorded of version 9.0"),
    );
    let shorter = bundled.changed(|it| {
        rewritten(EVENTS, |events| events.truncate(last))(it);
        cover_up(it, Some(u64::try_from(last).unwrap()));
    });
    is_named(shorter, &format!("and the bundle is of {last}"));
}

fn the_rest_is_as_it_was(bundled: &Bundled) {
    let named = |name: &str, change: &dyn Fn(&mut Vec<String>), words: &str| {
        is_named(bundled.changed(rewritten(name, |lines| change(lines))), words);
    };
    let position = nth(&lines(&bundled.at("bundle"), EVENTS), "recorded") + 1;
    let entry = format!("* ({position}) recorded");
    let dearer = |journal: &mut Vec<String>| {
        let at = journal.iter().position(|line| line.contains(&entry)).unwrap() + 1;
        journal[at] = journal[at].replace("2.91", "2.92");
    };
    named(JOURNAL, &dearer, &format!("journal.hledger: position {position}: the entry is not what the event comes to"));
    named(JOURNAL, &|journal| journal[0].push('!'), "journal.hledger: what stands before");
    named(JOURNAL, &|journal| journal.push("; more".to_owned()), "there is more after the last");
    named(CHECKPOINTS, &|notes| drop(notes.pop()), &format!("and the bundle is of {}", bundled.size));
    let notes = lines(&bundled.at("bundle"), CHECKPOINTS);
    let forged = |note: &str| note.replacen(r"\n—", r"x\n—", 1);
    assert_ne!(forged(&notes[0]), notes[0]);
    named(CHECKPOINTS, &|notes| notes[0] = forged(&notes[0]), "checkpoints.ndjson: line 1:");
    named(PROOFS, &|proofs| proofs.truncate(0), "proofs.ndjson: ");
    let another = |proofs: &mut Vec<String>| {
        let receipt = proofs.last_mut().unwrap();
        *receipt = receipt.replace(r#""about":{"event":"#, r#""about":{"entry":"#).replace("291", "290");
    };
    named(PROOFS, &another, "proofs.ndjson: line");
    named(KEYS, &|keys| OTHER.clone_into(&mut keys[0]), "keys.txt: none of the keys you believe");
    named(SCHEMAS, &|schemas| schemas.push("{}".to_owned()), "events.schema.json: they are not");
    let more = bundled.changed(|it| fs::write(it.join("notes.txt"), "x").unwrap());
    is_named(more, "notes.txt: it is no file of a bundle");
    let less = bundled.changed(|it| fs::remove_file(it.join(JOURNAL)).unwrap());
    is_named(less, "journal.hledger: it is not there");
}
