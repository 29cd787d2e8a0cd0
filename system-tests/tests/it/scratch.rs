//! A database of its own for one test, on the server that `make test` provides.

use std::str::FromStr;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use uuid::Uuid;

/// An empty database; [`Scratch::remove`] drops it, a test that fails leaves it to be looked at.
pub(crate) struct Scratch {
    pub(crate) name: String,
    /// Connected directly, past any proxy.
    pub(crate) pool: PgPool,
    server: PgPool,
}

pub(crate) fn server_url() -> String {
    std::env::var("DAYBOOK_TEST_DATABASE_URL")
        .expect("these tests need a Postgres: run `make test`, or set DAYBOOK_TEST_DATABASE_URL to a superuser's URL")
}

impl Scratch {
    pub(crate) async fn new() -> Self {
        let options = PgConnectOptions::from_str(&server_url()).unwrap();
        let server = PgPoolOptions::new().max_connections(1).connect_with(options.clone()).await.unwrap();
        let name = format!("scratch_{}", Uuid::now_v7().simple());
        sqlx::query(&format!("create database {name}")).execute(&server).await.unwrap();
        let pool = PgPoolOptions::new().max_connections(2).connect_with(options.database(&name)).await.unwrap();
        Self { name, pool, server }
    }

    pub(crate) async fn remove(self) {
        self.pool.close().await;
        sqlx::query(&format!("drop database {} with (force)", self.name)).execute(&self.server).await.unwrap();
    }
}
