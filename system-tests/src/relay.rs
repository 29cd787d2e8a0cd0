//! A fixed address that hands what comes on to whichever server there is now.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::client::{Client, Request};

type Target = Arc<Mutex<Option<SocketAddr>>>;

/// For whoever calls us back and cannot know that we were started again elsewhere. It ends when it is dropped.
#[derive(Debug)]
pub struct Relay {
    pub url: String,
    to: Target,
    serving: JoinHandle<()>,
}

impl Relay {
    /// # Errors
    /// There is no address to be had.
    pub async fn open() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let to = Target::default();
        let router = Router::new().fallback(hand_on).with_state(Arc::clone(&to));
        let serving = async move { drop(axum::serve(listener, router).await) };
        Ok(Self { url, to, serving: tokio::spawn(serving) })
    }

    pub fn point_at(&self, server: SocketAddr) {
        *self.to.lock().unwrap_or_else(PoisonError::into_inner) = Some(server);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// What nobody takes is to be sent again.
async fn hand_on(State(to): State<Target>, uri: Uri, headers: HeaderMap, body: Bytes) -> (StatusCode, String) {
    const AWAY: StatusCode = StatusCode::SERVICE_UNAVAILABLE;
    let server = *to.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(server) = server else { return (AWAY, String::new()) };
    let mut request = Request::post_bytes(uri.to_string(), body.to_vec());
    for (name, value) in &headers {
        let is_of_this_hop = ["host", "connection", "content-length", "content-type"].contains(&name.as_str());
        if let (false, Ok(value)) = (is_of_this_hop, value.to_str()) {
            request = request.with(name.as_str(), value);
        }
    }
    match Client::new(server).send(&request).await {
        Ok(answer) => (StatusCode::from_u16(answer.status).unwrap_or(AWAY), answer.body),
        Err(_nobody) => (AWAY, String::new()),
    }
}
