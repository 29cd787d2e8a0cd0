//! Checkpoints and their keys: the form others published, and all that is not it.

use crate::checkpoint::{Checkpoint, Note, NoteFailure};
use crate::hash::Hash;
use crate::key::{FileSigner, Signer, VerifierKey};

use super::Dice;

/// Of the documentation of golang.org/x/mod/sumdb/note.
const PRIVATE: &str = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
const PUBLIC: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const TEXT: &str =
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
const SIGNATURE: &str = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=";

fn signer(name: &str) -> (Box<dyn Signer>, VerifierKey) {
    let directory = std::env::temp_dir().join(format!("daybook-notes-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let drawn = FileSigner::draw(&directory.join("key"), name).unwrap();
    let read = FileSigner::read(&directory.join("key")).unwrap().pop().unwrap();
    std::fs::remove_dir_all(&directory).unwrap();
    assert_eq!(drawn.key(), read.key());
    let key = read.key().clone();
    (Box::new(read), key)
}

fn checkpoint(origin: &str) -> Checkpoint {
    Checkpoint { origin: origin.to_owned(), size: 42, root: Hash::of_leaf(b"root") }
}

fn signed(origin: &str, signers: &[Box<dyn Signer>]) -> Note {
    futures_util::FutureExt::now_or_never(checkpoint(origin).sign(signers)).unwrap().unwrap()
}

#[test]
fn the_published_key_makes_the_published_signature() {
    let signer = FileSigner::parse(PRIVATE).unwrap();
    let key: VerifierKey = PUBLIC.parse().unwrap();
    assert_eq!(signer.key(), &key);
    assert_eq!(key.to_string(), PUBLIC);
    let made = futures_util::FutureExt::now_or_never(signer.sign(TEXT.as_bytes())).unwrap().unwrap();
    let blob = [key.id().as_slice(), &made].concat();
    assert_eq!(base64::Engine::encode(&base64::engine::general_purpose::STANDARD, blob), SIGNATURE);
    assert!(key.verifies(TEXT.as_bytes(), &made));
    assert!(!key.verifies(b"something else", &made));
}

#[test]
fn a_checkpoint_is_written_and_read_in_the_form_of_c2sp() {
    let (signer, key) = signer("example.com/log");
    let note = signed("example.com/log", &[signer]);
    let text = note.to_string();
    let lines: Vec<&str> = text.split('\n').collect();
    assert_eq!(lines[..2], ["example.com/log", "42"]);
    assert_eq!(lines[2], Hash::of_leaf(b"root").to_string());
    assert_eq!(lines[3], "");
    assert!(lines[4].starts_with("\u{2014} example.com/log "));
    assert_eq!(lines[5..], [""]);
    let read: Note = text.parse().unwrap();
    assert_eq!(read, note);
    assert_eq!(read.verify(&[key]), Ok(&checkpoint("example.com/log")));
}

// covers H5
#[test]
fn while_a_key_is_changed_either_of_them_verifies() {
    let ((old, old_key), (new, new_key)) = (signer("log"), signer("log"));
    assert_ne!(old_key.id(), new_key.id());
    let before = signed("log", &[old]);
    let (old, again) = signer("log");
    let both = signed("log", &[old, new]);
    for trusted in [again.clone(), new_key.clone()] {
        both.verify(&[trusted]).unwrap();
    }
    // Who trusts both, verifies what was signed before, meanwhile and after.
    let all = [old_key.clone(), again, new_key.clone()];
    before.verify(&all).unwrap();
    both.verify(&all).unwrap();
    assert_eq!(before.verify(&[new_key]), Err(NoteFailure::Unsigned));
}

#[test]
fn the_key_of_another_name_does_not_sign_for_this_log() {
    let (signer, key) = signer("somebody");
    let note = signed("log", &[signer]);
    assert_eq!(note.verify(&[key]), Err(NoteFailure::Unsigned));
}

// covers H6
#[test]
fn whatever_is_changed_in_a_checkpoint_it_is_not_taken() {
    let (signer, key) = signer("log");
    let text = signed("log", &[signer]).to_string();
    let trusted = [key];
    let mut dice = Dice::seeded(3);
    for _mutation in 0..10_000 {
        let mut bytes = text.clone().into_bytes();
        let at = dice.index(bytes.len());
        match dice.below(4) {
            0 => bytes[at] ^= 1 << dice.below(8),
            1 => bytes.truncate(at),
            2 => bytes.insert(at, b"\n 0+="[dice.index(5)]),
            _ => drop(bytes.remove(at)),
        }
        let Ok(changed) = String::from_utf8(bytes) else { continue };
        if changed == text {
            continue;
        }
        let told = changed.parse::<Note>().and_then(|note| note.verify(&trusted).cloned());
        assert!(told.is_err(), "{changed:?}");
    }
}

#[test]
fn what_is_no_key_is_refused() {
    let wrong = [
        "",
        "x",
        "PeterNeumann",
        "PeterNeumann+c74f20a3",
        "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumanm+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "Peter Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3+Ahpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3+ARpc",
    ];
    for text in wrong {
        assert!(text.parse::<VerifierKey>().is_err(), "{text}");
        assert!(FileSigner::parse(&format!("PRIVATE+KEY+{text}")).is_err(), "{text}");
    }
}

#[test]
fn a_key_file_others_can_read_is_refused_and_none_is_written_over() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = std::env::temp_dir().join(format!("daybook-keys-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let file = directory.join("key");
    let first = FileSigner::draw(&file, "log").unwrap();
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(FileSigner::draw(&file, "log").is_err());
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(FileSigner::read(&file).unwrap()[0].key(), first.key());
    assert_eq!(format!("{first:?}"), format!("[signer of {}]", first.key()));
    // Two keys of one log, and of two.
    let second = FileSigner::draw(&directory.join("second"), "log").unwrap();
    let other = std::fs::read_to_string(directory.join("second")).unwrap();
    std::fs::write(&file, format!("# the new one\n{other}\n{text}")).unwrap();
    let keys: Vec<VerifierKey> = FileSigner::read(&file).unwrap().iter().map(|it| it.key().clone()).collect();
    assert_eq!(keys, [second.key().clone(), first.key().clone()]);
    std::fs::write(&file, format!("{text}{PRIVATE}\n")).unwrap();
    assert!(FileSigner::read(&file).is_err());
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    assert!(FileSigner::read(&file).unwrap_err().to_string().contains("chmod 600"));
    std::fs::remove_dir_all(&directory).unwrap();
}
