//! What the sandbox answers with.

use chrono::Utc;
use domain::channel::Channel as Name;
use http_body_util::Full;
use hyper::{
    Response, StatusCode,
    body::Bytes,
    header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER},
};
use serde::Serialize;

use crate::sandbox::protocol::{Answer, State};

pub(super) type Paper = Response<Full<Bytes>>;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

/// More than anybody should read.
const OVERSIZE_BYTES: usize = 128 * 1024;

pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Paper {
    match serde_json::to_vec(body) {
        Ok(body) => page(status, JSON, body),
        Err(error) => page(StatusCode::INTERNAL_SERVER_ERROR, JSON, error.to_string().into_bytes()),
    }
}

pub(super) fn problem(status: StatusCode, why: &str) -> Paper {
    json(status, &serde_json::json!({ "error": why }))
}

pub(super) fn told(answer: &Answer) -> Paper {
    let status = match answer.state {
        State::Succeeded | State::Pending | State::RequiresAction => StatusCode::OK,
        State::Declined => StatusCode::PAYMENT_REQUIRED,
        State::NotFound => StatusCode::NOT_FOUND,
    };
    json(status, answer)
}

pub(super) fn never_heard_of() -> Paper {
    told(&Answer {
        state: State::NotFound,
        no: None,
        amount_minor: None,
        captured_minor: None,
        currency: None,
        decline: None,
        url: None,
        at: Utc::now(),
    })
}

pub(super) fn html_502() -> Paper {
    page(StatusCode::BAD_GATEWAY, HTML, b"<html><body><h1>502 Bad Gateway</h1></body></html>".to_vec())
}

pub(super) fn error_body() -> Paper {
    problem(StatusCode::OK, "something went wrong")
}

pub(super) fn too_many() -> Paper {
    let mut paper = problem(StatusCode::TOO_MANY_REQUESTS, "not so fast");
    paper.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    paper
}

/// Half of it: no JSON any more.
pub(super) fn truncated(answer: &Answer) -> Paper {
    let mut body = serde_json::to_vec(answer).unwrap_or_default();
    body.truncate(body.len() / 2);
    page(told(answer).status(), JSON, body)
}

/// It is all there, and far too much after it.
pub(super) fn oversize(answer: &Answer) -> Paper {
    let mut body = serde_json::to_vec(answer).unwrap_or_default();
    body.resize(body.len() + OVERSIZE_BYTES, b' ');
    page(told(answer).status(), JSON, body)
}

/// Where a customer says who they are.
pub(super) fn authentication(channel: Name, trade_no: &str) -> Paper {
    if !trade_no.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return problem(StatusCode::NOT_FOUND, "nothing is here");
    }
    let button = |how: &str, label: &str| {
        format!(
            r#"<form method="post" action="/{channel}/authentications/{trade_no}/{how}"><button>{label}</button></form>"#
        )
    };
    let (pass, fail) = (button("passed", "It is me"), button("failed", "It is not me"));
    let text = format!("<!doctype html><title>3-D Secure</title><h1>Sandbox: 3-D Secure</h1>{pass}{fail}");
    page(StatusCode::OK, HTML, text.into_bytes())
}

fn page(status: StatusCode, kind: HeaderValue, body: Vec<u8>) -> Paper {
    let mut paper = Response::new(Full::new(Bytes::from(body)));
    *paper.status_mut() = status;
    paper.headers_mut().insert(CONTENT_TYPE, kind);
    paper
}
