//! The README's payments, sent as they stand there.

use std::{fs, path::Path, process::Command};

use serde_json::Value;

use crate::server::Home;

#[test]
fn the_payments_of_the_readme_are_taken_as_they_stand_there() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).unwrap();
    let commands: Vec<&str> = text.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let (payments, questions): (Vec<&str>, Vec<&str>) = commands.iter().partition(|command| command.contains(" -d "));
    assert_eq!((payments.len(), questions.len()), (2, 1), "the README shows two payments and asks for them");
    let home = Home::new();
    let server = home.serve();
    let run = |command: &str| {
        Command::new("sh").args(["-c", &command.replace("127.0.0.1:40003", &server.listen)]).output().unwrap()
    };
    for command in payments {
        let [first, again] = [(); 2].map(|()| run(command));
        let answer: Value = serde_json::from_slice(&first.stdout).unwrap();
        assert_eq!(answer["code"], 0, "{answer}");
        assert!(answer["data"]["payment_no"].as_str().unwrap().starts_with("PAY"), "{answer}");
        assert_eq!(first.stdout, again.stdout, "the same key, the same bytes");
    }
    for question in questions {
        let answer: Value = serde_json::from_slice(&run(question).stdout).unwrap();
        assert_eq!(answer["code"], 0, "{answer}");
        assert!(answer["data"].is_array(), "{answer}");
    }
}
