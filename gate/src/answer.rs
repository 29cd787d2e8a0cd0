//! What a face answers: done, or refused by a rule, which is an answer too.

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, Response, StatusCode, header},
};

use crate::{problem::mark_as_problem, visit::Visit};

/// A finished answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub body: String,
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

impl Reply {
    pub const fn new(status: u16, body: String) -> Self {
        Self { status, body, headers: Vec::new() }
    }

    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl TryInto<HeaderValue>) -> Self {
        if let Ok(value) = value.try_into() {
            self.headers.push((HeaderName::from_static(name), value));
        }
        self
    }

    pub(crate) fn response(self, visit: &Visit) -> Response<Body> {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if self.status < 400 {
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        } else {
            mark_as_problem(response.headers_mut(), visit.language);
        }
        response.headers_mut().extend(self.headers);
        response
    }
}
