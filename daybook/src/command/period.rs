//! `daybook period`: months as they were closed, what came late, and a month restated.

use std::{
    io::{ErrorKind, Write as _, stdout},
    process::ExitCode,
};

use axum::{
    body::Body,
    http::{Request, header},
};
use clap::{Args, ValueEnum};
use domain::{id::MerchantId, month::Month};
use futures_util::StreamExt as _;
use gate::{Gate, Limits};
use projections::{PATIENCE, Reads};
use tower::ServiceExt as _;

use super::place::Place;
use crate::{
    database,
    failure::{Attempt as _, Failure, Result},
};

/// Whose books, as of when, and in which form: through the same door as over HTTP.
#[derive(Args, Debug)]
struct Asked {
    #[command(flatten)]
    place: Place,
    /// Who asks, by `daybook token create`
    #[arg(long, env = "DAYBOOK_TOKEN", hide_env_values = true)]
    token: String,
    /// Of this mode alone
    #[arg(long, value_name = "true|false")]
    livemode: Option<bool>,
    /// Of this merchant alone
    #[arg(long, value_name = "MER…")]
    merchant: Option<MerchantId>,
    /// As the books were known at this position of the log
    #[arg(long, value_name = "POSITION")]
    at_position: Option<u64>,
    /// As the books were known at this moment
    #[arg(long, value_name = "TIME")]
    at_time: Option<String>,
    #[arg(long, value_enum, default_value = "json")]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Json,
    Csv,
    Ndjson,
}

/// List the months that were closed or opened again, newest first
#[derive(Args, Debug)]
pub(super) struct List {
    #[command(flatten)]
    place: Place,
    /// Who asks, by `daybook token create`
    #[arg(long, env = "DAYBOOK_TOKEN", hide_env_values = true)]
    token: String,
    #[arg(long, value_enum, default_value = "json")]
    format: Format,
}

/// Show the entries that came after their month was closed
#[derive(Args, Debug)]
pub(super) struct Late {
    #[command(flatten)]
    asked: Asked,
    /// The month they are of, as 2026-01; all where it is absent
    #[arg(long)]
    month: Option<Month>,
}

/// Show a month as it was reported and as it is known
///
/// It was reported where nothing else is said: when it was last closed, if one mode is named and it was; else when it
/// ended. It is known as of the end of the log, or as of --at-position or --at-time.
#[derive(Args, Debug)]
pub(super) struct Restatement {
    /// The month, as 2026-01
    month: Month,
    #[command(flatten)]
    asked: Asked,
    /// As it was reported at this position
    #[arg(long, value_name = "POSITION")]
    reported_at_position: Option<u64>,
    /// As it was reported at this moment
    #[arg(long, value_name = "TIME")]
    reported_at_time: Option<String>,
    /// Each line that makes the difference, with its cause, in place of the accounts
    #[arg(long)]
    differences: bool,
}

impl List {
    pub(super) async fn run(self) -> Result<ExitCode> {
        ask(&self.place, &self.token, self.format, "/api/v1/periods".to_owned()).await
    }
}

impl Late {
    pub(super) async fn run(self) -> Result<ExitCode> {
        let mut query = self.asked.query();
        query.extend(self.month.map(|month| ("month", month.to_string())));
        self.asked.ask("/api/v1/ledger/late", &query).await
    }
}

impl Restatement {
    pub(super) async fn run(self) -> Result<ExitCode> {
        let mut query = self.asked.query();
        query.extend(self.reported_at_position.map(|position| ("reported_at_position", position.to_string())));
        query.extend(self.reported_at_time.clone().map(|time| ("reported_at_time", time)));
        let differences = if self.differences { "/differences" } else { "" };
        self.asked.ask(&format!("/api/v1/periods/{}/restatement{differences}", self.month), &query).await
    }
}

impl Asked {
    fn query(&self) -> Vec<(&'static str, String)> {
        let mut query = Vec::new();
        query.extend(self.livemode.map(|livemode| ("livemode", livemode.to_string())));
        query.extend(self.merchant.map(|merchant| ("merchant_id", merchant.to_string())));
        query.extend(self.at_position.map(|position| ("at_position", position.to_string())));
        query.extend(self.at_time.clone().map(|time| ("at_time", time)));
        query
    }

    async fn ask(&self, path: &str, query: &[(&str, String)]) -> Result<ExitCode> {
        let pairs: Vec<String> =
            query.iter().map(|(name, value)| format!("{name}={}", super::acts::escaped(value))).collect();
        ask(&self.place, &self.token, self.format, format!("{path}?{}", pairs.join("&"))).await
    }
}

/// The answer as it comes, however long it is.
async fn ask(place: &Place, token: &str, format: Format, path: String) -> Result<ExitCode> {
    let accept = match format {
        Format::Json => "application/json",
        Format::Csv => "text/csv",
        Format::Ndjson => "application/x-ndjson",
    };
    let request = Request::get(path)
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .header(header::ACCEPT, accept)
        .body(Body::empty())
        .map_err(|reason| Failure::NotThere(reason.to_string()))?;
    let store = place.store().await?;
    let gate = Gate::new(store.clone(), place.vault().await?, None, Limits::default());
    let reads = Reads::new(gate, database::reader_pool(&place.url()?)?, PATIENCE);
    let Ok(response) = projections::router(reads).oneshot(request).await;
    let is_done = response.status().is_success();
    let (mut pieces, mut out) = (response.into_body().into_data_stream(), stdout());
    let mut written = Ok(());
    while written.is_ok()
        && let Some(piece) = pieces.next().await
    {
        written = piece.map_err(std::io::Error::other).and_then(|piece| out.write_all(&piece));
    }
    drop(pieces);
    database::close(&store).await;
    match written.and_then(|()| writeln!(out)) {
        // A reader who has read enough (`| head`) is no failure.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
        written => written.attempt(|| "writing the answer".to_owned())?,
    }
    Ok(if is_done { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
