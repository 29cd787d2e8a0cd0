//! The appending process of the chaos tests, held by whoever kills it.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

type Problem = Box<dyn std::error::Error + Send + Sync>;

/// What callers were told, over the lives of all processes.
#[derive(Debug, Default)]
pub struct History {
    /// Key and the position it was acknowledged at.
    pub acked: BTreeMap<String, i64>,
    pub not_applied: BTreeSet<String>,
    pub unknown: Vec<String>,
    /// Lines that must never be seen.
    pub wrong: Vec<String>,
}

impl History {
    /// Notes one line of an appender. A key that was denied may be asked again; but if it then turns out to have been
    /// applied before, the denial was a lie.
    pub fn note(&mut self, line: &str) {
        let mut words = line.split(' ');
        match (words.next(), words.next(), words.next().map(str::parse)) {
            (Some("replayed"), Some(key), Some(Ok(_position))) if self.not_applied.contains(key) => {
                self.wrong.push(format!("denied, then {line}"));
            }
            (Some("acked" | "replayed"), Some(key), Some(Ok(position))) => {
                self.not_applied.remove(key);
                self.acked.insert(key.to_owned(), position);
            }
            // Of a request that is repeated, a denial speaks of the repetition alone.
            (Some("not_applied"), Some(key), None) if self.acked.contains_key(key) => {}
            (Some("not_applied"), Some(key), None) => {
                self.not_applied.insert(key.to_owned());
            }
            (Some("unknown"), Some(key), None) => self.unknown.push(key.to_owned()),
            _ => self.wrong.push(line.to_owned()),
        }
    }
}

/// A running appender.
pub struct Appender {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Appender {
    /// Starts one. `environment` may arm a crash point.
    ///
    /// # Errors
    /// Where the program cannot be started.
    pub fn start(program: &str, arguments: [&str; 4], environment: Option<(&str, &str)>) -> Result<Self, Problem> {
        let mut command = Command::new(program);
        command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true).envs(environment);
        let mut child = command.spawn()?;
        let lines = BufReader::new(child.stdout.take().ok_or("no output to read")?).lines();
        Ok(Self { child, lines })
    }

    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Listens for so many lines; false where the process ends before.
    ///
    /// # Errors
    /// Where its output cannot be read.
    pub async fn listen(&mut self, lines: usize, history: &mut History) -> Result<bool, Problem> {
        for _line in 0..lines {
            match self.lines.next_line().await? {
                Some(line) => history.note(&line),
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Listens until it has ended; returns whether it ended well.
    ///
    /// # Errors
    /// Where its output cannot be read.
    pub async fn finish(mut self, history: &mut History) -> Result<bool, Problem> {
        while let Some(line) = self.lines.next_line().await? {
            history.note(&line);
        }
        Ok(self.child.wait().await?.success())
    }

    /// Kills it as `kill -9` does, and notes what it had still said.
    ///
    /// # Errors
    /// Where it cannot be killed.
    pub async fn kill(mut self, history: &mut History) -> Result<(), Problem> {
        self.child.start_kill()?;
        self.finish(history).await?;
        Ok(())
    }
}
