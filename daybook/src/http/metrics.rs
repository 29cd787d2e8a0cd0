//! What `/metrics` shows: requests, business, log, followers, lines, books, process.

use std::{
    sync::{Arc, atomic::AtomicI64},
    time::Instant,
};

use axum::{
    extract::{Request, State},
    http::{
        HeaderMap, StatusCode,
        header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE},
    },
    middleware::Next,
    response::{IntoResponse, Response},
};
use channels::Partners;
use event_store::Store;
use meters::Page;
use sqlx::PgPool;

use crate::{facts::Facts, health::Health, secret::Token, sentry::Sight};

mod books;
mod ledger;
mod lines;
mod requests;

use requests::Requests;

const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A name, its help, and how the value of one of them is told.
type Gauge<'g, T> = (&'static str, &'static str, &'g dyn Fn(&T) -> String);

/// Whatever is read when somebody looks.
pub(crate) struct Shown {
    pub(crate) store: Store,
    pub(crate) facts: Arc<Facts>,
    pub(crate) partners: Arc<Partners>,
    pub(crate) health: Health,
    pub(crate) sight: Sight,
    /// What the relay has on its way, where there is one.
    pub(crate) relay: Option<Arc<AtomicI64>>,
    pub(crate) pools: Vec<(&'static str, PgPool)>,
    /// Opens the page; where there is none, it is open to whoever can reach it.
    pub(crate) token: Option<Token>,
}

#[derive(Clone)]
pub(super) struct Metrics(Arc<Inside>);

struct Inside {
    requests: Requests,
    shown: Shown,
}

impl Metrics {
    pub(super) fn new<'p>(paths: impl IntoIterator<Item = &'p str>, shown: Shown) -> Self {
        Self(Arc::new(Inside { requests: Requests::of(paths), shown }))
    }

    pub(super) fn health(&self) -> &Health {
        &self.0.shown.health
    }

    fn page(&self) -> String {
        let Inside { requests, shown } = &*self.0;
        let mut page = Page::default();
        requests.write(&mut page);
        shown.facts.write(&mut page);
        lines::write(&shown.partners, &mut page);
        ledger::write(shown, &mut page);
        books::write(&shown.sight.borrow(), &mut page);
        page.into_text()
    }
}

/// Counts every answer.
pub(super) async fn count(State(metrics): State<Metrics>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let Some(asked) = metrics.0.requests.asked(&request) else { return next.run(request).await };
    asked.came(&request);
    let response = next.run(request).await;
    asked.answered(&response, begun);
    response
}

pub(super) async fn show(State(metrics): State<Metrics>, headers: HeaderMap) -> Response {
    let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    if metrics.0.shown.token.as_ref().is_some_and(|token| !given.is_some_and(|given| token.is(given))) {
        return (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, "Bearer")], "the metrics need their token\n")
            .into_response();
    }
    ([(CONTENT_TYPE, TEXT_FORMAT)], metrics.page()).into_response()
}
