//! One request: what goes wrong with it, what is done, what is said of it.

use std::{
    collections::HashMap,
    io,
    sync::{Mutex, PoisonError},
};

use chrono::Utc;
use domain::{channel::Channel as Name, payment::attempt::Decline};
use http_body_util::{BodyExt as _, Limited};
use hyper::{Request, StatusCode, body::Incoming};
use serde::Deserialize;
use tokio::time::sleep;

use super::{
    House, Said,
    paper::{self, Paper, problem},
};
use crate::{
    request::Kind,
    sandbox::{
        books::{Nonsense, Performed, Place, entry::Turn},
        faults::AnswerFault,
        protocol::{Answer, Close, KEY_HEADER, Order, State, path},
        token::Token,
    },
};

const BODY_BYTES_MAX: usize = 64 * 1024;

/// How often each thing was asked for since the start, where that decides what goes wrong.
#[derive(Default)]
pub(super) struct Tries(Mutex<HashMap<String, u32>>);

impl Tries {
    fn count(&self, what: String) -> u32 {
        let mut tries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = tries.entry(what).or_default();
        *count = count.saturating_add(1);
        *count
    }
}

pub(super) async fn perform(house: &House, channel: Name, kind: Kind, request: Request<Incoming>) -> Said {
    let Some(key) = key(&request) else { return Ok(problem(StatusCode::BAD_REQUEST, "no idempotency-key")) };
    let Some(order) = read::<Order>(request).await else { return Ok(problem(StatusCode::BAD_REQUEST, "no order")) };
    let token = house.books.token(channel, kind, &order);
    let fault = fault(house, channel, path(kind), &key, token);
    if let Some(said) = turn_away(house, fault, kind, token).await {
        return said;
    }
    let performed = match house.books.perform(channel, kind, &key, order, &house.settings) {
        Ok(performed) => performed,
        Err(Nonsense::KeyReused) => {
            return Ok(problem(StatusCode::UNPROCESSABLE_ENTITY, "the key is another request's"));
        }
        Err(Nonsense::Incomplete(what)) => return Ok(problem(StatusCode::BAD_REQUEST, what)),
    };
    let fresh = performed.news.is_some();
    let Some(answer) = tell(house, channel, token, performed).await else {
        return Ok(out_of_order());
    };
    if fresh && kind == Kind::Authorise && token == Token::TimeoutThenApproved {
        return say(house, Some(AnswerFault::LostAfter), &answer).await;
    }
    say(house, fault, &answer).await
}

/// What became of an earlier request.
pub(super) async fn status(house: &House, channel: Name, kind: Kind, request: &Request<Incoming>) -> Said {
    let Some(key) = key(request) else { return Ok(problem(StatusCode::BAD_REQUEST, "no idempotency-key")) };
    let fault = fault(house, channel, "status", &key, Token::Approved);
    if let Some(said) = turn_away(house, fault, kind, Token::Approved).await {
        return said;
    }
    let Some(known) = house.books.status(channel, kind, &key) else { return Ok(paper::never_heard_of()) };
    let age = Utc::now().signed_duration_since(known.answer.at).to_std().unwrap_or_default();
    if house.settings.faults.is_status_lagging(&key) && age < house.settings.timing.status_lag {
        return Ok(paper::never_heard_of());
    }
    match tell(house, channel, Token::Approved, known).await {
        Some(answer) => say(house, fault, &answer).await,
        None => Ok(out_of_order()),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    key: String,
    turn: Turn,
}

/// Whatever a test or a person wants to happen: a dispute won, a payout returned.
pub(super) async fn turn(house: &House, channel: Name, request: Request<Incoming>) -> Said {
    let Some(wish) = read::<Wish>(request).await else { return Ok(problem(StatusCode::BAD_REQUEST, "no turn")) };
    happen(house, channel, &wish.key, wish.turn).await
}

/// The customer says who they are, or fails to.
pub(super) async fn authenticate(house: &House, channel: Name, trade_no: &str, passed: bool) -> Said {
    let turn = if passed { Turn::Succeeded } else { Turn::Declined(Decline::AuthenticationFailed) };
    match house.books.key_of(channel, trade_no) {
        Some(key) => happen(house, channel, &key, turn).await,
        None => Ok(paper::never_heard_of()),
    }
}

/// What one channel remitted for a day, from after a line on.
pub(super) async fn remittance(house: &House, channel: Name, query: &str) -> Paper {
    let of = |name: &str| query.split('&').find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
    let date = of("date").and_then(|date| date.parse().ok());
    let after = of("after").map_or(Some(0), |after| after.parse().ok());
    let Some((date, after)) = date.zip(after) else {
        return problem(StatusCode::BAD_REQUEST, "date=YYYY-MM-DD&after=NUMBER");
    };
    let (page, place) = house.books.remittance(channel, date, after);
    if is_durable(place).await { paper::json(StatusCode::OK, &page) } else { out_of_order() }
}

/// A day ends before its time.
pub(super) async fn close_day(house: &House, channel: Name, request: Request<Incoming>) -> Paper {
    let Some(Close { date }) = read(request).await else { return problem(StatusCode::BAD_REQUEST, "no date") };
    let place = house.books.close_day(channel, date);
    if is_durable(place).await { paper::json(StatusCode::OK, &Close { date }) } else { out_of_order() }
}

async fn is_durable(place: Option<Place>) -> bool {
    match place {
        Some(mut place) => place.is_durable().await,
        None => true,
    }
}

fn out_of_order() -> Paper {
    problem(StatusCode::INTERNAL_SERVER_ERROR, "the books cannot be written")
}

async fn happen(house: &House, channel: Name, key: &str, turn: Turn) -> Said {
    let Some(happened) = house.books.turn(channel, key, turn, Utc::now()) else {
        return Ok(problem(StatusCode::CONFLICT, "as it stands, that cannot happen to it"));
    };
    match tell(house, channel, Token::Approved, happened).await {
        // It happened, whatever that is for the request.
        Some(answer) => Ok(paper::json(StatusCode::OK, &answer)),
        None => Ok(out_of_order()),
    }
}

/// Once it is on the disk, and not before, it is told: to whoever reports go to, then to whoever asked.
async fn tell(house: &House, channel: Name, token: Token, performed: Performed) -> Option<Answer> {
    if !is_durable(performed.place).await {
        return None;
    }
    if let Some(news) = performed.news {
        house.mail.tell(channel, token, news).await;
    }
    let mut answer = performed.answer;
    if answer.state == State::RequiresAction {
        let no = answer.no.as_deref().unwrap_or_default();
        answer.url = Some(format!("{}/{channel}/authentications/{no}", house.url));
    }
    Some(answer)
}

fn fault(house: &House, channel: Name, of: &str, key: &str, token: Token) -> Option<AnswerFault> {
    if house.settings.faults.answers.is_empty() && token != Token::Flaky {
        return None;
    }
    let try_no = house.tries.count(format!("{channel} {of} {key}"));
    match (token, try_no) {
        (Token::Flaky, 1) => Some(AnswerFault::Error500Before),
        (Token::Flaky, 2) => Some(AnswerFault::BrokenAfter),
        (Token::Flaky, _) => None,
        _ => house.settings.faults.answer(of, &format!("{channel} {key}"), try_no),
    }
}

/// What goes wrong before anything is done.
async fn turn_away(house: &House, fault: Option<AnswerFault>, kind: Kind, token: Token) -> Option<Said> {
    if kind == Kind::Authorise && token == Token::TimeoutThenAbsent {
        return Some(hang(house).await);
    }
    match fault? {
        AnswerFault::LostBefore => Some(hang(house).await),
        AnswerFault::Error500Before => Some(Ok(problem(StatusCode::INTERNAL_SERVER_ERROR, "out of order"))),
        AnswerFault::Html502 => Some(Ok(paper::html_502())),
        AnswerFault::ErrorBody => Some(Ok(paper::error_body())),
        AnswerFault::TooMany => Some(Ok(paper::too_many())),
        AnswerFault::Late | AnswerFault::LostAfter | AnswerFault::BrokenAfter | AnswerFault::Error500After => None,
        AnswerFault::Truncated | AnswerFault::Oversize => None,
    }
}

/// The answer, as it goes wrong after everything is done.
async fn say(house: &House, fault: Option<AnswerFault>, answer: &Answer) -> Said {
    match fault {
        None => Ok(paper::told(answer)),
        Some(AnswerFault::Late) => {
            sleep(house.settings.timing.late).await;
            Ok(paper::told(answer))
        }
        Some(AnswerFault::LostAfter) => hang(house).await,
        Some(AnswerFault::BrokenAfter) => Err(io::Error::from(io::ErrorKind::ConnectionAborted)),
        Some(AnswerFault::Error500After) => Ok(problem(StatusCode::INTERNAL_SERVER_ERROR, "out of order")),
        Some(AnswerFault::Truncated) => Ok(paper::truncated(answer)),
        Some(AnswerFault::Oversize) => Ok(paper::oversize(answer)),
        // These turned it away before.
        Some(AnswerFault::LostBefore | AnswerFault::Error500Before | AnswerFault::Html502) => Ok(paper::html_502()),
        Some(AnswerFault::ErrorBody | AnswerFault::TooMany) => Ok(paper::html_502()),
    }
}

/// Says nothing for as long as anybody may want to wait, then hangs up.
async fn hang(house: &House) -> Result<Paper, io::Error> {
    sleep(house.settings.timing.hang).await;
    Err(io::Error::from(io::ErrorKind::TimedOut))
}

fn key(request: &Request<Incoming>) -> Option<String> {
    request.headers().get(KEY_HEADER)?.to_str().ok().map(str::to_owned)
}

async fn read<T: for<'de> Deserialize<'de>>(request: Request<Incoming>) -> Option<T> {
    let body = Limited::new(request.into_body(), BODY_BYTES_MAX).collect().await.ok()?;
    serde_json::from_slice(&body.to_bytes()).ok()
}
