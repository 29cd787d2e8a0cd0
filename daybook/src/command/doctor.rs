//! `daybook doctor`: what is wrong with the database, and how to mend it.

use std::{fmt, process::ExitCode};

use clap::Args;
use embedded_postgres::{Cluster, DATABASE};
use sqlx::{PgConnection, Row as _, postgres::PgRow};

use super::{migrate::Owned, say};
use crate::{
    database,
    failure::{Attempt as _, Failure, Result},
    home::Home,
};

mod machine;
mod rights;
mod server;

/// Check the database and say how to mend what is wrong
///
/// Looks at the server (version, durability, time zone), at what the application's role may do, at the schema, the
/// clock, the disk. Uses `DATABASE_OWNER_URL` or `DATABASE_URL`, else the embedded Postgres of this directory. Changes
/// nothing. Exit code 1 when something is marked FAIL.
#[derive(Args, Debug)]
pub(super) struct Doctor {
    #[command(flatten)]
    home: Home,
    #[command(flatten)]
    database: Owned,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Fine,
    Doubtful,
    Wrong,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Fine => "ok",
            Self::Doubtful => "warn",
            Self::Wrong => "FAIL",
        })
    }
}

/// One row of the answer.
struct Finding {
    verdict: Verdict,
    what: &'static str,
    seen: String,
    /// Shown unless all is well.
    mend: String,
}

impl Finding {
    fn new(verdict: Verdict, what: &'static str, seen: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { verdict, what, seen: seen.into(), mend: mend.into() }
    }

    /// Fine if it holds, else wrong.
    fn must(holds: bool, what: &'static str, seen: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::new(if holds { Verdict::Fine } else { Verdict::Wrong }, what, seen, mend)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<4}  {:<24} {}", self.verdict, self.what, self.seen)?;
        if self.verdict == Verdict::Fine { Ok(()) } else { write!(f, "\n      {:<24} -> {}", "", self.mend) }
    }
}

impl Doctor {
    pub(super) async fn run(self) -> Result<ExitCode> {
        let (owner_url, app_url) = self.urls()?;
        let mut findings = Vec::new();
        match database::connect(&owner_url).await {
            Ok(mut owner) => {
                server::look(&mut owner, &mut findings).await?;
                machine::look(&mut owner, &mut findings).await?;
                rights::look(&mut owner, &app_url, &mut findings).await?;
                findings.push(schema(&mut owner).await?);
            }
            Err(failure) => findings.push(Finding::new(
                Verdict::Wrong,
                "database",
                failure.to_string(),
                "start the server, or correct DATABASE_URL",
            )),
        }
        for finding in &findings {
            say(finding)?;
        }
        let count = |verdict| findings.iter().filter(|finding| finding.verdict == verdict).count();
        let (wrong, doubtful) = (count(Verdict::Wrong), count(Verdict::Doubtful));
        say(format!("\n{} checks, {doubtful} to look at, {wrong} wrong", findings.len()))?;
        Ok(if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn urls(&self) -> Result<(String, String)> {
        if let Some(owner) = self.database.url() {
            return Ok((owner.to_owned(), self.database.app_url().unwrap_or(owner).to_owned()));
        }
        let home = self.home.postgres();
        let cluster = Cluster::running(&home)?.ok_or_else(|| {
            Failure::NoDatabase(format!("set DATABASE_URL, or start one in {}: `daybook dev`", home.display()))
        })?;
        Ok((cluster.url(DATABASE), cluster.url(DATABASE)))
    }
}

async fn schema(owner: &mut PgConnection) -> Result<Finding> {
    let status = database::status(owner).await?;
    let (applied, known) = (database::version(&status.applied), database::version(&status.known));
    let seen = format!("version {applied}, this binary knows {known}");
    if !status.altered.is_empty() {
        let mend = format!(
            "migrations {:?} were applied with another text than this binary holds: run the binary that applied them",
            status.altered
        );
        return Ok(Finding::new(Verdict::Wrong, "schema", seen, mend));
    }
    if status.is_current() && applied > known {
        return Ok(Finding::new(Verdict::Doubtful, "schema", seen, "a newer binary migrated it: update this one"));
    }
    Ok(Finding::must(status.is_current(), "schema", seen, "run `daybook migrate`"))
}

/// One row of a question to the server; every column is text.
async fn ask(connection: &mut PgConnection, sql: &str) -> Result<PgRow> {
    sqlx::query(sql).fetch_one(connection).await.attempt(|| format!("asking the server ({sql})"))
}

fn text(row: &PgRow, column: usize) -> Result<String> {
    let value: Option<String> = row.try_get(column).attempt(|| "reading the server's answer".to_owned())?;
    Ok(value.unwrap_or_default())
}
