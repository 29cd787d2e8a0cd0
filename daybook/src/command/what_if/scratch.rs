//! A schema made for one what-if: rows go in, and whoever is done with it drops it.

use clap::Args;
use sqlx::{Executor as _, PgConnection};

use crate::{
    command::place::Place,
    database,
    failure::{Attempt as _, Failure, Result},
};

/// Rows sent at once.
const PIECE: usize = 5_000;

#[derive(Args, Debug)]
pub(super) struct Aside {
    /// Also write everything into this schema, which must not be there yet; it needs the owner's URL
    #[arg(long, value_name = "SCHEMA")]
    into: Option<String>,
    /// The database as its owner sees it
    #[arg(long, env = "DATABASE_OWNER_URL", hide_env_values = true)]
    database_owner_url: Option<String>,
}

pub(super) struct Scratch {
    connection: PgConnection,
    table: String,
    rows: Vec<String>,
}

impl Aside {
    /// The table, in a schema of its own; nothing where none was asked for.
    pub(super) async fn make(&self, place: &Place, table: &str, columns: &str) -> Result<Option<Scratch>> {
        let Some(schema) = &self.into else { return Ok(None) };
        let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if schema.is_empty() || schema.len() > 63 || !schema.chars().all(is_word) || schema.starts_with("pg_") {
            let why = "nothing was done: a schema is named by up to 63 lower-case letters, digits and underscores";
            return Err(Failure::NotThere(why.to_owned()));
        }
        let url = match &self.database_owner_url {
            Some(url) if !url.is_empty() => url.clone(),
            Some(_) | None => place.url()?,
        };
        let mut connection = database::connect(&url).await?;
        let made = format!("create schema \"{schema}\"; create table \"{schema}\".{table} ({columns})");
        let making = || format!("making the schema {schema}; one that is there already is left alone");
        connection.execute(sqlx::raw_sql(&made)).await.attempt(making)?;
        Ok(Some(Scratch { connection, table: format!("\"{schema}\".{table}"), rows: Vec::new() }))
    }
}

impl Scratch {
    /// One row, as comma-separated values.
    pub(super) async fn put(&mut self, row: String) -> Result<()> {
        self.rows.push(row);
        if self.rows.len() >= PIECE { self.send().await } else { Ok(()) }
    }

    /// Where they all are.
    pub(super) async fn end(mut self) -> Result<String> {
        self.send().await?;
        Ok(self.table)
    }

    async fn send(&mut self) -> Result<()> {
        let text: String = self.rows.drain(..).map(|row| row + "\n").collect();
        let sending = || "writing into the schema that was made for it".to_owned();
        let copy = format!("copy {} from stdin (format csv)", self.table);
        let mut sink = self.connection.copy_in_raw(&copy).await.attempt(sending)?;
        sink.send(text.as_bytes()).await.attempt(sending)?;
        sink.finish().await.attempt(sending)?;
        Ok(())
    }
}
