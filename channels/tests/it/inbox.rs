//! Where reports arrive: keeps them as they came, and waits for those a test expects.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use channels::{Partners, Secret, Told, Unverifiable};
use chrono::Utc;
use domain::channel::Channel as Name;
use http_body_util::{BodyExt as _, Full};
use hyper::{HeaderMap, Request, Response, StatusCode, body::Bytes, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, sync::Notify, task::JoinSet, time::timeout};

pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// A report as it came, byte for byte.
#[derive(Clone)]
pub(crate) struct Raw {
    pub(crate) channel: Name,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

#[derive(Default)]
pub(crate) struct Inbox {
    raw: Mutex<Vec<Raw>>,
    /// So many are turned away first, as by a server out of order.
    turned_away: Mutex<u32>,
    came: Notify,
}

impl Inbox {
    pub(crate) async fn open(turned_away: u32, tasks: &mut JoinSet<()>) -> (Arc<Self>, String) {
        let inbox = Arc::new(Self { turned_away: Mutex::new(turned_away), ..Self::default() });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/api/v1/webhooks/{{channel}}", listener.local_addr().unwrap());
        let taking = Arc::clone(&inbox);
        tasks.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let inbox = Arc::clone(&taking);
                open.spawn(async move {
                    let service = service_fn(|request| inbox.take(request));
                    let served =
                        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                    served.await.ok();
                });
            }
        });
        (inbox, url)
    }

    async fn take(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let channel = request.uri().path().rsplit('/').next().unwrap().parse().unwrap();
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let mut turned_away = self.turned_away.lock().unwrap();
        let status = if *turned_away > 0 {
            *turned_away -= 1;
            StatusCode::SERVICE_UNAVAILABLE
        } else {
            self.raw.lock().unwrap().push(Raw { channel, headers: head.headers, body });
            StatusCode::OK
        };
        self.came.notify_waiters();
        Ok(Response::builder().status(status).body(Full::default()).unwrap())
    }

    pub(crate) fn raw(&self) -> Vec<Raw> {
        self.raw.lock().unwrap().clone()
    }

    /// All that came, as the channel it came for reads it.
    pub(crate) fn read(&self, partners: &Partners, secret: &Secret) -> Vec<Result<Told, Unverifiable>> {
        let read = |raw: Raw| {
            let line = partners.line(raw.channel, false);
            let told = line.parse_report(&raw.headers, &raw.body, std::slice::from_ref(secret), Utc::now());
            told.map(|mut told| told.pop().unwrap())
        };
        self.raw().into_iter().map(read).collect()
    }

    /// Until what came is enough.
    pub(crate) async fn until(&self, enough: impl Fn(&[Raw]) -> bool) {
        let waiting = async {
            loop {
                let came = self.came.notified();
                tokio::pin!(came);
                came.as_mut().enable();
                if enough(&self.raw()) {
                    return;
                }
                came.await;
            }
        };
        assert!(timeout(DEADLINE, waiting).await.is_ok(), "only {} reports came", self.raw().len());
    }
}
