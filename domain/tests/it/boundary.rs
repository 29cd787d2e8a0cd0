//! What comes in from outside is read by its own types, never as a command.

use std::{fs, path::PathBuf};

/// All code of the rules.
fn sources() -> Vec<String> {
    let mut open = vec![PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut sources = Vec::new();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            sources.push(fs::read_to_string(path).unwrap());
        }
    }
    sources
}

#[test]
fn no_command_is_read_from_json() {
    let mut commands = 0;
    for source in sources() {
        let lines: Vec<&str> = source.lines().collect();
        for (at, line) in lines.iter().enumerate().filter(|(_, line)| line.starts_with("pub enum ")) {
            if line.contains("Command {") {
                commands += 1;
                let mut derived =
                    lines[..at].iter().rev().take_while(|line| line.starts_with("#[") || line.starts_with("//"));
                assert!(derived.all(|line| !line.contains("Deserialize")), "{line}");
            }
        }
    }
    assert_eq!(commands, domain::fact::Fact::TYPES.len());
}
