//! The sandbox as a server: HTTP/1.1, its own accept loop, everything on one listener.

use std::{io, sync::Arc, time::Duration};

use domain::channel::Channel as Name;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    server::conn::http1::Builder,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    pin, select,
    task::JoinSet,
    time::sleep,
};

mod paper;
mod work;

use super::{books::Books, mail::Mail, settings::Settings};
use crate::{request::Kind, sandbox::protocol};
use paper::{json, problem};

const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// An answer; or none, and the connection breaks.
type Said = Result<Response<Full<Bytes>>, io::Error>;

/// What every conversation shares.
struct House {
    books: Arc<Books>,
    settings: Arc<Settings>,
    mail: Arc<Mail>,
    tries: work::Tries,
    /// Where customers find it.
    url: String,
}

/// Serves the books until asked to end, and then ends at once: whoever waits for an answer gets none.
pub async fn serve(listener: TcpListener, books: Arc<Books>, settings: Settings, shutdown: impl Future<Output = ()>) {
    let settings = Arc::new(settings);
    let (mail, clerk) = Mail::open(Arc::clone(&books), Arc::clone(&settings));
    let listening = listener.local_addr().map(|address| format!("http://{address}")).unwrap_or_default();
    let url = settings.public_url.clone().unwrap_or(listening);
    let house = Arc::new(House { books, settings, mail, tries: work::Tries::default(), url });
    let clerk = clerk.work();
    let mut conversations = JoinSet::new();
    pin!(shutdown, clerk);
    loop {
        select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    conversations.spawn(converse(stream, Arc::clone(&house)));
                }
                Err(error) => {
                    tracing::warn!(%error, "the sandbox could not accept a connection");
                    sleep(Duration::from_millis(100)).await;
                }
            },
            Some(_ended) = conversations.join_next() => {}
            () = &mut clerk => break,
            () = &mut shutdown => break,
        }
    }
    // With them go the last to hold the books.
    conversations.shutdown().await;
}

async fn converse(stream: TcpStream, house: Arc<House>) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection ended before it began");
        return;
    }
    let service = service_fn(|request| {
        let house = Arc::clone(&house);
        async move { answer(&house, request).await }
    });
    let conversation = Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = conversation {
        tracing::debug!(%error, "a conversation with the sandbox broke");
    }
}

async fn answer(house: &House, request: Request<Incoming>) -> Said {
    let path = request.uri().path().to_owned();
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let method = request.method().clone();
    match (&method, parts.as_slice()) {
        (&Method::GET, ["books"]) => Ok(json(StatusCode::OK, &house.books.listing())),
        (&Method::GET, ["remittances"]) => Ok(remittances(house, request.uri().query())),
        (&Method::POST, [channel, "turns"]) => match channel.parse() {
            Ok(channel) => work::turn(house, channel, request).await,
            Err(_unknown) => Ok(nowhere()),
        },
        (&Method::GET, [channel, "authentications", trade_no]) => match channel.parse::<Name>() {
            Ok(channel) => Ok(paper::authentication(channel, trade_no)),
            Err(_unknown) => Ok(nowhere()),
        },
        (&Method::POST, [channel, "authentications", trade_no, how @ ("passed" | "failed")]) => match channel.parse() {
            Ok(channel) => work::authenticate(house, channel, trade_no, *how == "passed").await,
            Err(_unknown) => Ok(nowhere()),
        },
        (&Method::GET, [channel, "remittances"]) => match channel.parse() {
            Ok(channel) => Ok(work::remittance(house, channel, request.uri().query().unwrap_or_default()).await),
            Err(_unknown) => Ok(nowhere()),
        },
        (&Method::POST, [channel, "remittances"]) => match channel.parse() {
            Ok(channel) => Ok(work::close_day(house, channel, request).await),
            Err(_unknown) => Ok(nowhere()),
        },
        (_, [channel, what]) => match (channel.parse(), kind(what)) {
            (Ok(channel), Some(kind)) if method == Method::POST => work::perform(house, channel, kind, request).await,
            (Ok(channel), Some(kind)) if method == Method::GET => work::status(house, channel, kind, &request).await,
            (Ok(_) | Err(_), Some(_) | None) => Ok(nowhere()),
        },
        _ => Ok(nowhere()),
    }
}

fn kind(path: &str) -> Option<Kind> {
    Kind::ALL.into_iter().find(|kind| protocol::path(*kind) == path)
}

fn nowhere() -> Response<Full<Bytes>> {
    problem(StatusCode::NOT_FOUND, "nothing is here")
}

fn remittances(house: &House, query: Option<&str>) -> Response<Full<Bytes>> {
    let date = query.and_then(|query| query.strip_prefix("date=")).and_then(|date| date.parse().ok());
    match date {
        Some(date) => json(StatusCode::OK, &house.books.remittances(date)),
        None => problem(StatusCode::BAD_REQUEST, "date=YYYY-MM-DD"),
    }
}
