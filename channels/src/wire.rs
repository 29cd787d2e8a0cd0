//! HTTP to a partner: connections kept, answers bounded, only plain JSON believed.

use std::time::Duration;

use chrono::{DateTime, Utc};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{CONTENT_TYPE, RETRY_AFTER},
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};

use crate::outcome::{NotSent, Reason, Unknown};

const BODY_BYTES_MAX: usize = 64 * 1024;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
const IDLE_CONNECTIONS_MAX: usize = 256;

/// Where a partner says pause and not for how long.
const PAUSE: Duration = Duration::from_secs(1);

/// A pool of connections. What is asked twice under one key is done once, so hyper may ask again where a kept connection
/// turned out to be closed before the request went out.
#[derive(Clone)]
pub(crate) struct Wire(Client<HttpConnector, Full<Bytes>>);

/// JSON, or said to be.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

/// No answer to go by.
pub(crate) enum Silence {
    NotSent(NotSent),
    Unknown(Unknown),
}

impl Wire {
    pub(crate) fn new() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .build(connector);
        Self(client)
    }

    /// Whether whoever listens there took it, read no further than needed to keep the connection.
    pub(crate) async fn knock(&self, request: Request<Full<Bytes>>) -> Option<StatusCode> {
        let answer = self.0.request(request).await.ok()?;
        let status = answer.status();
        Limited::new(answer.into_body(), BODY_BYTES_MAX).collect().await.ok().map(|_body| status)
    }

    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Result<Answer, Silence> {
        let answer = self.0.request(request).await.map_err(|error| {
            if error.is_connect() {
                Silence::NotSent(NotSent::later(Reason::Unreachable(error.to_string()), PAUSE))
            } else {
                Silence::Unknown(Unknown::Broken(error.to_string()))
            }
        })?;
        read(answer).await
    }
}

async fn read(answer: Response<Incoming>) -> Result<Answer, Silence> {
    let status = answer.status();
    if status == StatusCode::TOO_MANY_REQUESTS {
        let asked = answer.headers().get(RETRY_AFTER).and_then(|value| pause(value.to_str().ok()?, Utc::now()));
        return Err(Silence::NotSent(NotSent::later(Reason::Paused, asked.unwrap_or(PAUSE))));
    }
    let kind = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !kind.starts_with("application/json") {
        return Err(not_understood(format!("{status} with {kind:?}")));
    }
    match Limited::new(answer.into_body(), BODY_BYTES_MAX).collect().await {
        Ok(body) => Ok(Answer { status, body: body.to_bytes() }),
        Err(error) if error.is::<LengthLimitError>() => Err(not_understood(format!("{status} with a body too long"))),
        Err(error) => Err(Silence::Unknown(Unknown::Broken(error.to_string()))),
    }
}

pub(crate) const fn not_understood(what: String) -> Silence {
    Silence::Unknown(Unknown::NotUnderstood(what))
}

/// Seconds, or the moment itself.
fn pause(retry_after: &str, now: DateTime<Utc>) -> Option<Duration> {
    if let Ok(seconds) = retry_after.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = DateTime::parse_from_rfc2822(retry_after).ok()?;
    Some(at.signed_duration_since(now).to_std().unwrap_or(PAUSE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_said_in_seconds_or_as_a_moment() {
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        assert_eq!(pause("120", now), Some(Duration::from_secs(120)));
        assert_eq!(pause("Tue, 14 Nov 2023 22:14:20 GMT", now), Some(Duration::from_secs(60)));
        assert_eq!(pause("Tue, 14 Nov 2023 22:00:00 GMT", now), Some(PAUSE));
        assert_eq!(pause("soon", now), None);
    }
}
