//! What a face answers: done, or refused by a rule, which is an answer too.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, Response, StatusCode, header},
};

use crate::{problem::mark_as_problem, visit::Visit};

/// An answer: finished, or still being written while it is read.
#[derive(Debug)]
pub struct Reply {
    status: u16,
    content: Content,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// How many rows are in it; of one that is still being written, as far as it has come.
    rows: Arc<AtomicU64>,
    shows_personal_values: bool,
}

#[derive(Debug)]
enum Content {
    /// JSON, or a problem document where the status says so.
    Whole(String),
    /// Of this media type, piece by piece.
    Streamed(&'static str, Body),
}

impl Reply {
    pub fn new(status: u16, body: String) -> Self {
        Self::of(status, Content::Whole(body))
    }

    /// What was asked for, as it is read. Where it breaks off, so does the connection: no half is taken for a whole.
    pub fn streamed(media_type: &'static str, body: Body) -> Self {
        Self::of(200, Content::Streamed(media_type, body))
    }

    fn of(status: u16, content: Content) -> Self {
        Self { status, content, headers: Vec::new(), rows: Arc::default(), shows_personal_values: false }
    }

    /// Says that personal values stand in it as they are, or may: whoever of the house is shown them leaves a deed.
    #[must_use]
    pub fn showing_personal_values(self, does: bool) -> Self {
        Self { shows_personal_values: does, ..self }
    }

    pub(crate) const fn shows_personal_values(&self) -> bool {
        self.shows_personal_values
    }

    /// Says how many rows are in it.
    #[must_use]
    pub fn counting(self, rows: usize) -> Self {
        self.rows.store(u64::try_from(rows).unwrap_or(u64::MAX), Ordering::Relaxed);
        self
    }

    /// Its rows are counted here, as they are written.
    #[must_use]
    pub fn counted_by(self, rows: Arc<AtomicU64>) -> Self {
        Self { rows, ..self }
    }

    pub(crate) fn rows(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.rows)
    }

    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl TryInto<HeaderValue>) -> Self {
        if let Ok(value) = value.try_into() {
            self.headers.push((HeaderName::from_static(name), value));
        }
        self
    }

    pub(crate) fn response(self, visit: &Visit) -> Response<Body> {
        let (media_type, body) = match self.content {
            Content::Whole(text) => ("application/json", Body::from(text)),
            Content::Streamed(media_type, body) => (media_type, body),
        };
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if self.status < 400 {
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        } else {
            mark_as_problem(response.headers_mut(), visit.language);
        }
        response.headers_mut().extend(self.headers);
        response
    }
}
