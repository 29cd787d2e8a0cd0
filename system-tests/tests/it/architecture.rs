//! The rules of the house, checked on the files; each message says what to do instead.
//!
//! A rule is a function from the tree of files to its offences. It is run on the repository, where it must find
//! nothing, and on something broken for it, where it must not be blind.

mod edges;
mod migrations;
mod purity;
mod shape;
mod words;

use system_tests::tree::{Tree, root};

/// The repository has none of these offences.
fn holds(rule: impl Fn(&Tree) -> Vec<String>) {
    let offences = rule(&Tree::read(&root()).unwrap());
    assert!(offences.is_empty(), "\n{}\n", offences.join("\n"));
}

/// The rule finds the offence in each of these files, and none in the others.
fn sees(rule: impl Fn(&Tree) -> Vec<String>, broken: &[(&str, &str)], sound: &[(&str, &str)]) {
    for file in broken {
        assert_eq!(rule(&Tree::of(&[*file])).len(), 1, "the rule is blind to {file:?}");
    }
    for file in sound {
        assert_eq!(rule(&Tree::of(&[*file])), Vec::<String>::new(), "the rule is wrong about {file:?}");
    }
}

/// Where a line stands, for a message that an editor can follow.
fn place(path: &str, index: usize) -> String {
    format!("{path}:{}", index + 1)
}
