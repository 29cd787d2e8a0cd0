//! The accept loop: bounded connections, no patience for slow clients, an orderly end.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream as BlockingStream},
    time::Duration,
};

use axum::Router;
use gate::Peer;
use hyper::service::{Service as _, service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{
        conn::auto::Builder,
        graceful::{GracefulShutdown, Watcher},
    },
    service::TowerToHyperService,
};
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    pin, select,
    time::{Instant, sleep, timeout},
};

use crate::{
    failure::{Attempt as _, Failure, Result},
    interrupt::Interrupt,
};

mod line;
mod metrics;
mod probes;
mod seats;

use line::Line;
pub(crate) use metrics::Shown;
pub(crate) use probes::{probes, router};
use seats::{Seats, Taken};

/// Where there are so many, whoever is idle longest makes room; where all are busy, more wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 4096;

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 4096;

/// Descriptors for everything that is no client's connection.
const OTHER_DESCRIPTORS: u64 = 64;

/// How long a client may take for the head of a request, the first or the next.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// How long what is under way may take once we are asked to end: longer than any request may, and shorter than those wait
/// who end us.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(20);

const MAX_STREAMS: u32 = 256;
const MAX_HEADER_BYTES: u32 = 32 * 1024;
/// As many over HTTP/1: what is kept of a connection that is being read.
const MAX_HEAD_BYTES: usize = 32 * 1024;
/// What a client may send ahead of what was read, over HTTP/2.
const STREAM_WINDOW_BYTES: u32 = 64 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 256 * 1024;

/// # Errors
/// The address is taken (and by whom, if that is another Daybook) or not ours.
pub(crate) async fn bind(listen: SocketAddr) -> Result<TcpListener> {
    match listener(listen) {
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            let daybook = tokio::task::spawn_blocking(move || is_daybook(listen)).await.unwrap_or(false);
            let by = if daybook { "another Daybook, of another directory" } else { "another program" };
            Err(Failure::AddressTaken { listen, by: by.to_owned() })
        }
        bound => bound.attempt(|| format!("listening on {listen}")),
    }
}

fn listener(listen: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if listen.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A server that comes back at once finds its address in use by connections that have ended.
    socket.set_reuseaddr(true)?;
    socket.bind(listen)?;
    socket.listen(BACKLOG)
}

/// Whether what listens there answers as we do.
fn is_daybook(listen: SocketAddr) -> bool {
    let patience = Duration::from_secs(1);
    let ask = || -> std::io::Result<String> {
        let mut stream = BlockingStream::connect_timeout(&listen, patience)?;
        stream.set_read_timeout(Some(patience))?;
        stream.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.take(4096).read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.contains(probes::ALIVE))
}

/// Serves until asked to end, and `unready_for` longer, so that those who send requests can notice; then finishes what is
/// under way. Tells when it was asked.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    mut interrupt: Interrupt,
    unready_for: Duration,
) -> Instant {
    let builder = builder();
    let seats = Seats::new(room_for_connections());
    let graceful = GracefulShutdown::new();
    let ending = async {
        interrupt.asked().await;
        let asked_at = Instant::now();
        sleep(unready_for).await;
        asked_at
    };
    pin!(ending);
    let asked_at = loop {
        let accepted = select! {
            accepted = listener.accept() => accepted,
            asked_at = &mut ending => break asked_at,
        };
        match accepted {
            Ok((stream, peer)) => {
                let taken = select! {
                    taken = seats.take() => taken,
                    asked_at = &mut ending => break asked_at,
                };
                let Some(taken) = taken else { break Instant::now() };
                tokio::spawn(converse(
                    builder.clone(),
                    (stream, Peer(peer.ip())),
                    router.clone(),
                    graceful.watcher(),
                    taken,
                ));
            }
            Err(error) => {
                // Out of descriptors, most likely: conversations that end give some back.
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(Duration::from_millis(100)).await;
            }
        }
    };
    drop(listener);
    let open_count = graceful.count();
    let left = DRAIN_TIMEOUT.saturating_sub(asked_at.elapsed());
    if timeout(left, graceful.shutdown()).await.is_err() {
        tracing::warn!(open_count, "some requests did not finish in time");
    }
    asked_at
}

/// As many as there may be, if this process may have descriptors for them: it takes all it can get.
fn room_for_connections() -> usize {
    let mut limits = getrlimit(Resource::Nofile);
    limits.current = limits.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limits) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
    let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX).saturating_sub(OTHER_DESCRIPTORS);
    usize::try_from(descriptors).unwrap_or(MAX_CONNECTIONS).clamp(1, MAX_CONNECTIONS)
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(MAX_HEAD_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(HEAD_TIMEOUT)
        .keep_alive_timeout(HEAD_TIMEOUT)
        .max_concurrent_streams(MAX_STREAMS)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_header_list_size(MAX_HEADER_BYTES);
    builder
}

async fn converse(
    builder: Builder<TokioExecutor>,
    (stream, peer): (TcpStream, Peer),
    router: Router,
    watcher: Watcher,
    taken: Taken,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection ended before it began");
        return;
    }
    let router = TowerToHyperService::new(router);
    let service = service_fn(|mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(peer);
        let (busy, answering) = (taken.busy(), router.call(request));
        async move {
            let _busy = busy;
            answering.await
        }
    });
    let line = Line::new(stream, taken.serving());
    let conversation = watcher.watch(builder.serve_connection(TokioIo::new(line), service));
    pin!(conversation);
    let ended = select! {
        ended = &mut conversation => ended,
        () = taken.asked_to_leave() => return,
        // hyper counts from the first byte that tells HTTP/1 from HTTP/2; a client that never sends it is on us.
        () = sleep(HEAD_TIMEOUT) => {
            if !taken.has_asked() {
                return;
            }
            select! {
                ended = conversation => ended,
                () = taken.asked_to_leave() => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error, "a connection broke");
    }
}
